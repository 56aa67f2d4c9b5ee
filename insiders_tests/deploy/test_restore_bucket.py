"""A bucket that comes back to a moment, by S3's protocol."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import importlib.util
import io
import sys
import time
import uuid
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from types import ModuleType

import boto3
import pytest

from insiders_tests.command import Said
from insiders_tests.deploy.scripts import BIN
from insiders_tests.servers import S3


@dataclass
class Bucket:
    """A versioned bucket whose objects have been written at known moments."""

    name: str

    @property
    def client(self):
        return boto3.client("s3")

    def put(self, key: str, text: str) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=text.encode())

    def contents(self, prefix: str = "") -> dict[str, str]:
        keys = [one["Key"] for one in self.client.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", [])]
        return {key: self.client.get_object(Bucket=self.name, Key=key)["Body"].read().decode() for key in keys}

    def versions(self) -> int:
        found = self.client.list_object_versions(Bucket=self.name)
        return len(found.get("Versions", []))

    def restore(self, at: dt.datetime, *more: str, prefix: str = "lake/") -> Said:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = _restore_bucket().main(["--bucket", self.name, "--prefix", prefix, "--at", at.isoformat(), *more])
        return Said(code, out.getvalue(), err.getvalue())


@functools.cache
def _restore_bucket() -> ModuleType:
    """The script as a module: started anew each time, boto3 would take most of the seconds."""
    loader = SourceFileLoader("restore_bucket", str(BIN / "restore-bucket"))
    script = importlib.util.module_from_spec(importlib.util.spec_from_loader("restore_bucket", loader))
    sys.modules[script.__name__] = script  # dataclasses look their module up
    loader.exec_module(script)
    return script


def _now() -> dt.datetime:
    """A moment after everything written so far, before everything written later; S3 counts whole seconds."""
    time.sleep(1.1)
    moment = dt.datetime.now(dt.UTC)
    time.sleep(1.1)
    return moment


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    made = Bucket(f"restored-{uuid.uuid4().hex[:12]}")
    made.client.create_bucket(Bucket=made.name)
    made.client.put_bucket_versioning(Bucket=made.name, VersioningConfiguration={"Status": "Enabled"})
    return made


def test_a_bucket_comes_back_to_a_moment_and_from_there_to_the_one_before(bucket: Bucket) -> None:
    then = {"lake/manifests/t/1.json": "one", "lake/t/1/a.parquet": "a", "lake/gone": "was here", "lake/same": "same"}
    for key, text in then.items():
        bucket.put(key, text)
    bucket.put("elsewhere", "then")
    moment = _now()
    bucket.put("lake/manifests/t/1.json", "two")
    bucket.put("lake/manifests/t/2.json", "new")
    bucket.put("lake/t/1/b.parquet", "b")
    bucket.put("lake/same", "changed")
    bucket.put("lake/same", "same")
    bucket.put("elsewhere", "now")
    bucket.client.delete_object(Bucket=bucket.name, Key="lake/gone")
    later, moment_after, versions = bucket.contents(), _now(), bucket.versions()

    told = bucket.restore(moment)
    assert told.code == 0, told.err
    assert "Would be: 2 restored, 2 removed, 2 left as they are" in told.out
    assert (bucket.contents(), bucket.versions()) == (later, versions)

    done = bucket.restore(moment, "--apply")
    assert done.code == 0 and "2 restored, 2 removed" in done.out, done.err
    assert bucket.contents("lake/") == then and bucket.contents("elsewhere") == {"elsewhere": "now"}
    # Nobody reads a manifest without its objects: those come first and go last.
    lines = [line.split("  ")[1] for line in done.out.splitlines()[:-1]]
    order = ["lake/gone", "lake/manifests/t/1.json", "lake/manifests/t/2.json", "lake/t/1/b.parquet"]
    assert lines == order
    assert bucket.versions() == versions + 2
    again = bucket.restore(moment, "--apply")
    assert "0 restored, 0 removed, 6 left" in again.out

    assert bucket.restore(moment_after, "--apply").code == 0
    assert bucket.contents() == later


def test_a_key_whose_versions_stand_on_several_pages_is_judged_once(bucket: Bucket) -> None:
    for number in range(7):
        for key in ("lake/a", "lake/b"):
            bucket.put(key, str(number))
    bucket.client.delete_object(Bucket=bucket.name, Key="lake/a")
    client = bucket.client
    # A page has a thousand entries; a smaller one is the same but for the number.
    client.meta.events.register(
        "before-parameter-build.s3.ListObjectVersions", lambda params, **_: params.update(MaxKeys=3)
    )
    found = list(_restore_bucket().entries(client, bucket.name, "lake/"))
    assert [(history[0].key, len(history), history[0].marker) for history in found] == [
        ("lake/a", 8, True),
        ("lake/b", 7, False),
    ]


def test_what_cannot_be_known_is_not_restored(bucket: Bucket) -> None:
    bucket.put("lake/a", "a")
    now = dt.datetime.now(dt.UTC)
    assert "is not past" in bucket.restore(now + dt.timedelta(hours=1)).err
    with pytest.raises(SystemExit, match="2"):  # without its offset a moment is none
        bucket.restore(dt.datetime(2025, 3, 1, 6))  # noqa: DTZ001
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}}
    bucket.client.put_bucket_lifecycle_configuration(
        Bucket=bucket.name,
        LifecycleConfiguration={"Rules": [{**rule, "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}]},
    )
    long_ago = now - dt.timedelta(days=31)
    refused = bucket.restore(long_ago, "--apply")
    assert refused.code == 1 and "kept for 30 days" in refused.err and bucket.contents() == {"lake/a": "a"}
    assert bucket.restore(long_ago, "--anyway").code == 0
    plain = Bucket(f"plain-{uuid.uuid4().hex[:12]}")
    plain.client.create_bucket(Bucket=plain.name)
    assert "not versioned" in plain.restore(long_ago).err
