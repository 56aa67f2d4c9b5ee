"""Objects in a folder or an S3 bucket: write once, and swap one small document without losing another's change.

Belongs here: bytes, paths, conditional writes and what their failures mean. Does not belong here: tables or manifests
(:mod:`.lake`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import pyarrow.fs as pafs

from insiders_assets.errors import StorageError, UnreachableError

SWAP_ATTEMPTS = 50
KEYS_PER_PAGE = 1000
UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Entry:
    """An object as a listing shows it, unread.

    `etag` changes whenever the object is written again, though not only then: it serves to notice, never to compare
    content. `age_seconds` is by the store's own clock, so a clock that is wrong here does not matter.
    """

    path: str
    etag: str
    size: int
    age_seconds: float


class ObjectStore(Protocol):
    """A place for objects: a folder or a bucket's prefix. Paths are relative and use forward slashes."""

    location: str
    root: str

    @property
    def filesystem(self) -> pafs.FileSystem:
        """The place for Parquet readers; their paths begin with `root`."""

    def check_writable(self) -> None:
        """Raise unless an object can be written and removed."""

    def read(self, path: str) -> bytes | None:
        """The object's bytes, or None where there is no such object."""

    def write(self, path: str, content: bytes) -> None:
        """Write the object whole; a reader sees all of it or nothing. An object that is there already stays."""

    def swap(self, path: str, change: Callable[[bytes | None], bytes]) -> bytes:
        """Replace a small document by `change(its bytes)`, again if another process was faster; gives the new bytes."""

    def names(self, prefix: str) -> list[str]:
        """Paths of all objects under a prefix (a folder), sorted."""

    def entries(self, after: str = "", at_most: int | None = None, prefix: str = "") -> list[Entry]:
        """Objects in the order of their paths, from the one after `after` on, and at most so many."""

    def stat(self, path: str) -> Entry | None:
        """One object unread, or None."""

    def remove(self, paths: Sequence[str]) -> None:
        """Remove objects; one that is gone already is no error."""

    def remove_unfinished(self, least_age_seconds: float) -> int:
        """Remove what killed writers left that never became an object; gives the number."""


@contextmanager
def storage_errors(location: str) -> Iterator[None]:
    """Turn what an operating system or a bucket says into a sentence for the person who can act."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except OSError as wrong:
        if wrong.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"The disk of {location} is full.", "Nothing half-written is visible; free some space and run again."
            ) from wrong
        if wrong.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StorageError(
                f"{location} cannot be written or read by this user ({wrong.strerror}).",
                "Give this user the right to write there, or choose another place.",
            ) from wrong
        if location.startswith("s3://"):
            raise UnreachableError(
                f"{location} does not answer as a bucket should: {wrong}.",
                "Check the bucket's name, INSIDERS_S3_ENDPOINT and the AWS credentials.",
            ) from wrong
        raise StorageError(f"{location}: {wrong}.") from wrong
    except (BotoCoreError, ClientError) as wrong:
        raise UnreachableError(
            f"{location} does not answer as a bucket should: {wrong}.",
            "Check the bucket's name, INSIDERS_S3_ENDPOINT and the AWS credentials.",
        ) from wrong


def open_store(location: str, endpoint: str | None = None) -> ObjectStore:
    """The store at a location: `s3://bucket/prefix` (with an endpoint for a local S3) or a folder."""
    return BucketStore(location, endpoint) if location.startswith("s3://") else FolderStore(location)


class FolderStore:
    """Objects as files of a folder; swaps are serialised by a lock file and made visible by a rename."""

    def __init__(self, location: str):
        self.location = location
        self.root = location

    @property
    def filesystem(self) -> pafs.FileSystem:
        """The local file system."""
        return pafs.LocalFileSystem()

    def check_writable(self) -> None:
        """Make the folder and write, then remove, a file in it."""
        with storage_errors(self.location):
            Path(self.root).mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.root, prefix=".writable-"):
                pass

    def read(self, path: str) -> bytes | None:
        """The file's bytes, or None."""
        with storage_errors(self.location):
            try:
                return Path(self.root, path).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        """Write beside the target, flush to the disk, rename."""
        target = Path(self.root, path)
        with storage_errors(self.location):
            there = target.exists()
            if there:
                with suppress(PermissionError, FileNotFoundError):
                    os.utime(target)  # what is written again is young again: maintenance leaves it alone
        if not there:
            self._replace(target, content)

    def swap(self, path: str, change: Callable[[bytes | None], bytes]) -> bytes:
        """Read, change and rename under the folder's lock."""
        with storage_errors(self.location):
            Path(self.root).mkdir(parents=True, exist_ok=True)
            with Path(self.root, ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                before = self.read(path)
                after = change(before)
                if after != before:
                    self._replace(Path(self.root, path), after)
        return after

    def names(self, prefix: str) -> list[str]:
        """Files under a folder; hidden files (locks, unfinished writes) are not objects."""
        base = Path(self.root, prefix)
        with storage_errors(self.location):
            files = [p for p in base.rglob("*") if p.is_file() and not p.name.startswith(".")] if base.is_dir() else []
        return sorted(file.relative_to(self.root).as_posix() for file in files)

    def entries(self, after: str = "", at_most: int | None = None, prefix: str = "") -> list[Entry]:
        """Files with their size and times; one that disappears meanwhile is left out."""
        found: list[Entry] = []
        for name in self.names(prefix):
            if name > after and len(found) != at_most and (entry := self.stat(name)):
                found.append(entry)
        return found

    def stat(self, path: str) -> Entry | None:
        """The file's size and times. Its age is that of its last change: a copy may bring a time of writing along that
        is long past, or to come."""
        with storage_errors(self.location):
            try:
                known = Path(self.root, path).stat()
            except FileNotFoundError:
                return None
        etag = f"{known.st_size:x}-{known.st_mtime_ns:x}-{known.st_ctime_ns:x}"
        return Entry(path, etag, known.st_size, max(time.time() - known.st_ctime, 0.0))

    def remove(self, paths: Sequence[str]) -> None:
        """Unlink files."""
        with storage_errors(self.location):
            for path in paths:
                Path(self.root, path).unlink(missing_ok=True)

    def remove_unfinished(self, least_age_seconds: float) -> int:
        """Files that no rename has made visible."""
        removed = 0
        with storage_errors(self.location):
            for file in Path(self.root).rglob(f"{UNFINISHED}*"):
                with suppress(FileNotFoundError):  # its writer has just finished
                    if time.time() - file.stat().st_mtime >= least_age_seconds:
                        file.unlink()
                        removed += 1
        return removed

    def _replace(self, target: Path, content: bytes) -> None:
        with storage_errors(self.location):
            target.parent.mkdir(parents=True, exist_ok=True)
            # Not mkstemp: its files are closed to everybody else, and a lake is read by others too.
            unfinished = target.parent / f"{UNFINISHED}{uuid.uuid4().hex}"
            try:
                with unfinished.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(target)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise


class BucketStore:
    """Objects under a prefix of an S3 bucket; swaps are conditional puts (If-Match, If-None-Match)."""

    def __init__(self, location: str, endpoint: str | None = None):
        self.location = location
        self.endpoint = endpoint
        self.root = location.removeprefix("s3://").rstrip("/")
        self.bucket, _, self.prefix = self.root.partition("/")

    @cached_property
    def filesystem(self) -> pafs.FileSystem:
        """The bucket for Parquet readers; made at first use, since it looks for credentials."""
        with storage_errors(self.location):
            return pafs.S3FileSystem(endpoint_override=self.endpoint, connect_timeout=5, request_timeout=60)

    @cached_property
    def client(self) -> Any:
        """boto3's client, for conditional puts and listings."""
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 3, "mode": "standard"})
        with storage_errors(self.location):
            # A session of its own: boto3's common one is not safe between threads and never forgets its credentials.
            return boto3.Session().client("s3", endpoint_url=self.endpoint, config=config)

    def check_writable(self) -> None:
        """Put and delete a small object."""
        with storage_errors(self.location):
            self.client.put_object(Bucket=self.bucket, Key=self._key(".writable"), Body=b"")
            self.client.delete_object(Bucket=self.bucket, Key=self._key(".writable"))

    def read(self, path: str) -> bytes | None:
        """The object's bytes, or None."""
        return self._read(path)[0]

    def write(self, path: str, content: bytes) -> None:
        """Put the object unless it is there."""
        from botocore.exceptions import ClientError

        for _ in range(SWAP_ATTEMPTS):
            with storage_errors(self.location):
                try:
                    self.client.put_object(Bucket=self.bucket, Key=self._key(path), Body=content, IfNoneMatch="*")
                except ClientError as refused:
                    if not _was_faster(refused):
                        raise
                    # 409: another writer is under way and may still fail; only 412 says that the object is there.
                    if _status(refused) == HTTPStatus.CONFLICT:
                        continue
                    # Copied onto itself: what is written again is young again, and maintenance leaves it alone.
                    itself = {"Bucket": self.bucket, "Key": self._key(path)}
                    self.client.copy_object(**itself, CopySource=itself, MetadataDirective="REPLACE")
            return
        raise StorageError(f"{self.location}/{path} is written by others without end.", "Stop the other writers.")

    def swap(self, path: str, change: Callable[[bytes | None], bytes]) -> bytes:
        """Put on the condition that nobody has put since the read; else read again."""
        from botocore.exceptions import ClientError

        for _ in range(SWAP_ATTEMPTS):
            before, etag = self._read(path)
            after = change(before)
            if after == before:
                return after
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            with storage_errors(self.location):
                try:
                    self.client.put_object(Bucket=self.bucket, Key=self._key(path), Body=after, **condition)
                except ClientError as refused:
                    if not _was_faster(refused):
                        raise
                else:
                    return after
        raise StorageError(f"{self.location}/{path} is changed by others without end.", "Stop the other writers.")

    def names(self, prefix: str) -> list[str]:
        """Keys under the prefix, page by page, relative to the store."""
        return [entry.path for entry in self.entries(prefix=prefix)]

    def entries(self, after: str = "", at_most: int | None = None, prefix: str = "") -> list[Entry]:
        """Keys page by page; their age is by the server's clock. Hidden names and place holders are left out."""
        start = f"{self.prefix}/" if self.prefix else ""
        found: list[Entry] = []
        with storage_errors(self.location):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket,
                Prefix=self._key(prefix).rstrip("/") + "/" if prefix else start,
                StartAfter=self._key(after) if after else "",
                PaginationConfig={"PageSize": min(at_most or KEYS_PER_PAGE, KEYS_PER_PAGE)},
            )
            for page in pages:
                now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
                for one in page.get("Contents", []):
                    path, age = one["Key"].removeprefix(start), (now - one["LastModified"]).total_seconds()
                    if not path.endswith("/") and not path.rsplit("/", 1)[-1].startswith("."):
                        found.append(Entry(path, one["ETag"].strip('"'), one["Size"], max(age, 0.0)))
                    if len(found) == at_most:
                        return found
        return sorted(found, key=lambda entry: entry.path)

    def stat(self, path: str) -> Entry | None:
        """The object's ETag, size and age, or None."""
        from botocore.exceptions import ClientError

        with storage_errors(self.location):
            try:
                head = self.client.head_object(Bucket=self.bucket, Key=self._key(path))
            except ClientError as refused:
                if _status(refused) == HTTPStatus.NOT_FOUND:
                    return None
                raise
        now = parsedate_to_datetime(head["ResponseMetadata"]["HTTPHeaders"]["date"])
        age = (now - head["LastModified"]).total_seconds()
        return Entry(path, head["ETag"].strip('"'), head["ContentLength"], max(age, 0.0))

    def remove(self, paths: Sequence[str]) -> None:
        """Delete objects, a thousand a call."""
        with storage_errors(self.location):
            for first in range(0, len(paths), KEYS_PER_PAGE):
                keys = [{"Key": self._key(path)} for path in paths[first : first + KEYS_PER_PAGE]]
                self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": keys, "Quiet": True})

    def remove_unfinished(self, least_age_seconds: float) -> int:
        """None: a bucket shows no object before it is whole."""
        return 0

    def _read(self, path: str) -> tuple[bytes | None, str | None]:
        from botocore.exceptions import ClientError

        with storage_errors(self.location):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self._key(path))
            except ClientError as refused:
                if refused.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                    return None, None
                raise
            return answer["Body"].read(), answer["ETag"]

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path


def _was_faster(refused: Any) -> bool:
    return _status(refused) in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)


def _status(refused: Any) -> int:
    return refused.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
