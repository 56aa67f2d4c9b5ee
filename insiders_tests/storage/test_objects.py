"""Objects in a folder and in a bucket: whole or not there, and no change of a small document is ever lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from insiders_assets.errors import InsidersError, StorageError, UnreachableError
from insiders_assets.storage.objects import FolderStore, ObjectStore, open_store
from insiders_tests.servers import S3, free_port

NOBODY = 65534


@pytest.fixture(params=["folder", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str | None]:
    """Location and endpoint of an empty store."""
    if request.param == "folder":
        return str(tmp_path / "store"), None
    s3: S3 = request.getfixturevalue("s3")
    return s3.location(uuid.uuid4().hex), s3.endpoint


@pytest.fixture
def store(location: tuple[str, str | None]) -> ObjectStore:
    return open_store(*location)


def hidden_files(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob(".*") if p.name != ".lock"]


def test_an_object_is_read_as_it_was_written(store: ObjectStore) -> None:
    for content in (b"", b"words", os.urandom(3_000_000)):
        path = f"a/b/{len(content)}.bin"
        store.write(path, content)
        assert store.read(path) == content


def test_an_object_that_is_there_stays(store: ObjectStore) -> None:
    store.write("a/object", b"first")
    store.write("a/object", b"second")
    assert store.read("a/object") == b"first"


def test_files_of_a_lake_are_as_open_as_the_user_has_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        store = FolderStore(str(tmp_path))
        store.write("a/object", b"words")
        store.swap("document", lambda _: b"words")
    finally:
        os.umask(before)
    assert {oct((tmp_path / name).stat().st_mode & 0o777) for name in ("a/object", "document")} == {"0o644"}


def test_an_object_that_is_not_there_is_none(store: ObjectStore) -> None:
    assert store.read("nowhere/object") is None
    assert store.names("nowhere") == []
    assert store.names("") == []


def test_the_first_swap_is_given_nothing_and_the_next_what_the_first_left(store: ObjectStore) -> None:
    given = []

    def change(before: bytes | None) -> bytes:
        given.append(before)
        return (before or b"") + b"x"

    assert store.swap("book", change) == b"x"
    assert store.swap("book", change) == b"xx"
    assert given == [None, b"x"]


def test_a_change_that_raises_leaves_the_document(store: ObjectStore) -> None:
    store.swap("book", lambda _: b"before")

    def change(_: bytes | None) -> bytes:
        raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        store.swap("book", change)
    assert store.read("book") == b"before"
    assert store.swap("book", lambda _: b"after") == b"after"


def test_no_change_is_lost_between_threads(location: tuple[str, str | None]) -> None:
    def count(_: int) -> None:
        own = open_store(*location)
        for _ in range(10):
            own.swap("count", lambda before: str(int(before or b"0") + 1).encode())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    assert open_store(*location).read("count") == b"40"


COUNT = """
import json, sys
from insiders_assets.storage.objects import open_store
store = open_store(*json.loads(sys.argv[1]))
for number in range(20):
    store.swap("list", lambda before: json.dumps([*json.loads(before or b"[]"), [sys.argv[2], number]]).encode())
"""


def test_no_change_is_lost_between_processes(location: tuple[str, str | None], store: ObjectStore) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, json.dumps(location), name]) for name in "ab"]
    assert [process.wait(60) for process in processes] == [0, 0]
    entries = json.loads(store.read("list") or b"[]")
    assert sorted(entries) == [[name, number] for name in "ab" for number in range(20)]


def test_readers_of_a_swapped_document_see_one_version_or_the_other(location: tuple[str, str | None]) -> None:
    store = open_store(*location)
    versions = {letter.encode() * 200_000 for letter in "abcd"}
    store.swap("book", lambda _: b"a" * 200_000)

    def write() -> None:
        for _ in range(4):
            for version in sorted(versions):
                store.swap("book", lambda _, version=version: version)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        seen = {store.read("book")}
        while not writing.done():
            seen.add(store.read("book"))
        writing.result()
    assert seen <= versions


def test_names_are_those_below_the_folder_sorted_and_without_hidden_files(store: ObjectStore) -> None:
    for path in ("b/2", "b/1", "b/c/3", "bb/4", "a"):
        store.write(path, b"")
    store.swap("b/.lock-of-somebody", lambda _: b"x")
    assert store.names("b") == ["b/1", "b/2", "b/c/3"]
    assert store.names("") == ["a", "b/1", "b/2", "b/c/3", "bb/4"]


def test_more_names_than_a_page_of_s3_holds(s3: S3) -> None:
    store = open_store(s3.location(uuid.uuid4().hex), s3.endpoint)
    expected = [f"many/{number:04}" for number in range(1_003)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: store.write(path, b""), expected))
    assert store.names("many") == expected


def test_a_bucket_without_prefix_and_one_with_a_slash_too_many(s3: S3) -> None:
    prefix = uuid.uuid4().hex
    open_store(f"s3://{s3.bucket}", s3.endpoint).write(f"{prefix}/object", b"x")
    assert open_store(f"s3://{s3.bucket}", s3.endpoint).names(prefix) == [f"{prefix}/object"]
    assert open_store(f"{s3.location(prefix)}/", s3.endpoint).names("") == ["object"]


def test_trying_whether_a_store_can_be_written_leaves_nothing(store: ObjectStore) -> None:
    store.check_writable()
    assert store.names("") == []
    assert not Path(store.location).is_dir() or list(Path(store.location).iterdir()) == []


def test_parquet_readers_reach_an_object_below_the_root(store: ObjectStore) -> None:
    store.write("a/object", b"words")
    with store.filesystem.open_input_stream(f"{store.root}/a/object") as stream:
        assert stream.read() == b"words"


# -- what goes wrong


def told(error: InsidersError) -> str:
    text = str(error)
    assert text.endswith(".")
    assert "Traceback" not in text
    return text


IN_A_FOLDER = """
import os, signal, resource, sys
from insiders_assets.errors import InsidersError
from insiders_assets.storage.objects import FolderStore
place, user, limit, action = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
store = FolderStore(place)
import botocore.exceptions  # whoever has lost the rights of root may not read the installation
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
if user:
    os.setgid(user)
    os.setuid(user)
actions = {
    "check": lambda: store.check_writable(),
    "write": lambda: store.write("new/object", b"x" * 100_000),
    "swap": lambda: store.swap("book", lambda before: b"x" * 100_000),
    "read": lambda: store.read("book"),
    "names": lambda: store.names(""),
}
try:
    actions[action]()
except InsidersError as told:
    print(type(told).__name__, told)
"""


def in_a_folder(place: Path, action: str, *, user: int = 0, limit: int = 0) -> str:
    """What a process of its own says of an action: another user, or one that may not write long files."""
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FOLDER, str(place), str(user), str(limit), action],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("action", ["check", "write", "swap"])
def test_a_folder_that_may_not_be_written_is_named_with_a_remedy(home: Path, action: str) -> None:
    home.mkdir(parents=True)
    home.parent.chmod(0o755)
    (home / "book").write_bytes(b"before")
    home.chmod(0o555)
    said = in_a_folder(home, action, user=NOBODY if os.geteuid() == 0 else 0)
    home.chmod(0o755)
    assert said.startswith(f"StorageError {home} cannot be written or read by this user")
    assert "another place" in said
    assert (home / "book").read_bytes() == b"before"


@pytest.mark.parametrize("action", ["check", "write", "swap", "read"])
def test_a_folder_that_may_not_even_be_entered_is_named(home: Path, action: str) -> None:
    home.mkdir(parents=True)
    home.parent.chmod(0o755)
    home.chmod(0o600)
    said = in_a_folder(home, action, user=NOBODY if os.geteuid() == 0 else 0)
    home.chmod(0o755)
    assert said.startswith(f"StorageError {home} cannot be written or read by this user")


@pytest.mark.parametrize("action", ["write", "swap"])
def test_a_file_that_cannot_be_finished_leaves_no_trace(tmp_path: Path, action: str) -> None:
    (tmp_path / "book").write_bytes(b"before")
    said = in_a_folder(tmp_path, action, limit=50_000)
    assert said.startswith(f"StorageError {tmp_path}")
    assert hidden_files(tmp_path) == []
    assert not (tmp_path / "new" / "object").exists()
    assert (tmp_path / "book").read_bytes() == b"before"


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A disk of 256 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True
    )  # a machine that refuses this refuses mounting, too
    if os.geteuid() != 0 or mounted.returncode != 0:
        pytest.skip("only root can make a small disk")
    return place


ON_A_SMALL_DISK = """
import os, subprocess, sys
from pathlib import Path
from insiders_assets.errors import InsidersError
from insiders_assets.storage.objects import FolderStore
place = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], check=True)
store = FolderStore(str(place))
store.write("small", b"x" * 100_000)
try:
    store.write("large", b"x" * 500_000)
except InsidersError as told:
    print(type(told).__name__, told)
print(sorted(p.name for p in place.iterdir()), len(store.read("small")))
"""


def test_a_full_disk_is_told_and_what_was_there_stays(small_disk: Path) -> None:
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", ON_A_SMALL_DISK, str(small_disk)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if "permission denied" in done.stderr.lower():
        pytest.skip("this root may not mount")
    assert done.returncode == 0, done.stderr
    said, left = done.stdout.splitlines()
    assert said.startswith(f"StorageError The disk of {small_disk} is full. Nothing half-written is visible")
    assert left == "['small'] 100000"


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("not a folder")
    store = FolderStore(str(tmp_path / "lake"))
    for action in (store.check_writable, lambda: store.write("a", b""), lambda: store.swap("a", lambda _: b"x")):
        with pytest.raises(StorageError) as refused:
            action()
        assert str(tmp_path / "lake") in told(refused.value)


def test_an_endpoint_where_nobody_listens_is_told_within_seconds(s3: S3) -> None:
    store = open_store(s3.location("lake"), f"http://127.0.0.1:{free_port()}")
    actions = (
        store.check_writable,
        lambda: store.read("a"),
        lambda: store.write("a", b""),
        lambda: store.swap("a", lambda _: b""),
        lambda: store.names(""),
    )
    started = time.monotonic()
    for action in actions:
        with pytest.raises(UnreachableError) as refused:
            action()
        sentence = told(refused.value)
        assert s3.location("lake") in sentence
        assert "INSIDERS_S3_ENDPOINT" in sentence
    assert time.monotonic() - started < 30


def test_a_bucket_that_does_not_exist_is_named(s3: S3) -> None:
    store = open_store("s3://no-such-bucket/lake", s3.endpoint)
    for action in (store.check_writable, lambda: store.read("a"), lambda: store.names("")):
        with pytest.raises(InsidersError) as refused:
            action()
        assert "s3://no-such-bucket/lake" in told(refused.value)


def test_missing_credentials_are_told(s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UnreachableError) as refused:
        open_store(s3.location("lake"), s3.endpoint).check_writable()
    assert "credentials" in told(refused.value)


def test_what_a_killed_writer_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    store.write("table/object", b"whole")
    old, young = (tmp_path / "table" / f".unfinished-{name}" for name in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert store.remove_unfinished(60) == 1
    assert young.exists()
    assert not old.exists()
    assert store.names("") == ["table/object"]
