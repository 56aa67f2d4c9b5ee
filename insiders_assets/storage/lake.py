"""The lake: immutable Parquet objects named by their content, and one small manifest per table and scope.

Belongs here: writing a month (or a file version) of a table as a whole, reading back any version of it, and the
handles through which assets read. Does not belong here: publishing to readers outside (:mod:`.warehouse`).

A scope is what is replaced as a whole, written as text: a month (`2011-12-01`) for nearly all tables. The manifest
keeps every version, newest last, so a restated month can be read as it was known.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from insiders_assets.contracts.table import Table, content_hash
from insiders_assets.errors import MissingMonthError, StorageError
from insiders_assets.storage.objects import ObjectStore, storage_errors

if TYPE_CHECKING:
    import pandas as pd

Reads = Mapping[str, Mapping[str, str]]


def utc_now() -> dt.datetime:
    """The clock of the storage: it dates versions and never enters a table's content."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Version:
    """One version of one scope of a table.

    `reads` names the content that it was made from (table -> scope -> content hash); `files` are the objects kept
    beside the table (models, pictures, documents) by name.
    """

    version: str
    content_hash: str
    rows: int
    path: str
    files: Mapping[str, str] = field(default_factory=dict)
    reads: Reads = field(default_factory=dict)
    recorded_at: str = ""


class Lake:
    """Tables in an object store.

    `clock` dates the versions; it is an argument so that a rebuild in another decade can be tried.
    """

    def __init__(self, store: ObjectStore, clock: Callable[[], dt.datetime] = utc_now):
        self.store = store
        self.clock = clock

    def write(
        self,
        table: Table,
        scope: str,
        data: pa.Table,
        *,
        files: Mapping[str, bytes] | None = None,
        reads: Reads | None = None,
    ) -> Version:
        """Write a scope of a table whole and make it the current version; the same content again changes nothing.

        Raises
        ------
        StorageError, UnreachableError: nothing of the new version is visible then.
        """
        folder = f"{table.name}/{scope}"
        path = self._put(folder, _parquet(data), ".parquet")
        kept = {name: self._put(f"{folder}/files", content, f"-{name}") for name, content in (files or {}).items()}
        recorded = self.clock().isoformat(timespec="milliseconds")
        made_of = {name: dict(sorted(scopes.items())) for name, scopes in sorted((reads or {}).items())}
        identity = json.dumps([path, sorted(kept.items())]).encode()
        new = Version(
            version=hashlib.sha256(identity).hexdigest()[:16],
            content_hash=content_hash(table, data),
            rows=data.num_rows,
            path=path,
            files=kept,
            reads=made_of,
            recorded_at=recorded,
        )
        self.store.swap(_manifest_path(table.name, scope), lambda before: _with_version(before, new))
        return new

    def withdraw(self, table_name: str, scope: str) -> None:
        """Have no version of a scope count from now on, until another is written; what was known before can be read."""
        if self.current(table_name, scope):
            at = self.clock().isoformat(timespec="microseconds")
            path = _manifest_path(table_name, scope)
            self.store.swap(path, lambda before: _manifest(_versions(before), withdrawn_at=at))

    def history(self, table_name: str, scope: str) -> list[Version]:
        """Every kept version of a scope, newest last; empty where there is none."""
        return _versions(self.store.read(_manifest_path(table_name, scope)))

    def current(self, table_name: str, scope: str) -> Version | None:
        """The version that counts now, or None."""
        versions, withdrawn_at = _parse(self.store.read(_manifest_path(table_name, scope)))
        return versions[-1] if versions and not withdrawn_at else None

    def as_known_at(self, table_name: str, scope: str, moment: dt.datetime) -> Version | None:
        """The version that counted at a moment (with its time zone), or None; as long as maintenance keeps it."""
        versions, withdrawn_at = _parse(self.store.read(_manifest_path(table_name, scope)))
        if withdrawn_at and dt.datetime.fromisoformat(withdrawn_at) <= moment:
            return None
        known = [one for one in versions if dt.datetime.fromisoformat(one.recorded_at) <= moment]
        return known[-1] if known else None

    def scopes(self, table_name: str) -> list[str]:
        """Scopes of a table that have or had a version, sorted."""
        prefix = f"manifests/{table_name}"
        return [name.removeprefix(f"{prefix}/").removesuffix(".json") for name in self.store.names(prefix)]

    def current_scopes(self, table_name: str) -> list[str]:
        """Scopes of a table that have a version that counts, sorted."""
        return [scope for scope in self.scopes(table_name) if self.current(table_name, scope)]

    def dataset(self, table: Table, scopes: Sequence[str], as_known_at: dt.datetime | None = None) -> Dataset:
        """A handle on some scopes of a table, as they stand or as they were known at a moment (with its time zone).

        Raises
        ------
        MissingMonthError: names every scope that is not there.
        """
        found = {
            scope: self.as_known_at(table.name, scope, as_known_at) if as_known_at else self.current(table.name, scope)
            for scope in scopes
        }
        missing = [scope[:7] for scope, version in found.items() if version is None]
        if missing:
            raise MissingMonthError(
                f"{table.name} is missing for {', '.join(missing)}.",
                "Bring these months up first: `insiders run --from … --to …` does it in order.",
            )
        return Dataset(self, table, {scope: version for scope, version in found.items() if version})

    def objects(self, table: Table, paths: Sequence[str]) -> pa.dataset.Dataset:
        """Objects of a table, named by their paths, as one pyarrow dataset; none gives a dataset without rows."""
        if not paths:
            return pa.dataset.dataset(table.empty())
        places = [f"{self.store.root}/{path}" for path in paths]
        with _reading(self.store):
            return pa.dataset.dataset(
                places, filesystem=self.store.filesystem, format="parquet", schema=table.arrow_schema
            )

    def read_file(self, path: str) -> bytes:
        """An object that a version names.

        Raises
        ------
        StorageError: a manifest names an object that is gone.
        """
        content = self.store.read(path)
        if content is None:
            raise _gone(f"{self.store.location}/{path}")
        return content

    def forget_versions(self, superseded_before: dt.datetime) -> int:
        """Drop from every manifest the versions that another one replaced before that moment; gives their number.

        The version that counts is never dropped, however old. The objects stay until :meth:`remove_orphans`.
        """
        dropped = 0
        for path in self.store.names("manifests"):
            before = _versions(self.store.read(path))
            kept = _without_superseded(before, superseded_before)
            if len(kept) < len(before):
                dropped += len(before) - len(kept)
                self.store.swap(path, lambda document: _without_superseded_in(document, superseded_before))
        return dropped

    def remove_orphans(self, least_age_seconds: float) -> int:
        """Remove objects that no manifest names and that nobody has written for so long; gives their number.

        A writer puts its objects first and names them afterwards, and what it puts again is young again: so an object
        of a run under way is never old enough.
        """
        old = [
            entry.path
            for entry in self.store.entries()
            if entry.age_seconds >= least_age_seconds and entry.path.split("/")[0] not in ("manifests", "ledger")
        ]
        # Read after the listing: what was named meanwhile is found.
        named = {
            path
            for manifest in self.store.names("manifests")
            for version in _versions(self.store.read(manifest))
            for path in (version.path, *version.files.values())
        }
        orphans = [path for path in old if path not in named]
        self.store.remove(orphans)
        return len(orphans) + self.store.remove_unfinished(least_age_seconds)

    def _put(self, folder: str, content: bytes, suffix: str) -> str:
        path = f"{folder}/{hashlib.sha256(content).hexdigest()[:24]}{suffix}"
        self.store.write(path, content)
        return path


@dataclass(frozen=True)
class Dataset:
    """A handle on some scopes of a table: always the same type, for one month and for thirteen."""

    lake: Lake
    table: Table
    versions: Mapping[str, Version]

    @property
    def scopes(self) -> list[str]:
        """The scopes, sorted."""
        return sorted(self.versions)

    @property
    def hashes(self) -> dict[str, str]:
        """Content hash per scope: what a version made from this handle notes as read."""
        return {scope: self.versions[scope].content_hash for scope in self.scopes}

    def only(self, *scopes: str) -> Dataset:
        """The handle on some of its scopes."""
        return Dataset(self.lake, self.table, {scope: self.versions[scope] for scope in scopes})

    @property
    def places(self) -> list[str]:
        """Where the files lie, in the order of the scopes: absolute URIs, `file:…` or `s3://bucket/…`."""
        store = self.lake.store
        root = f"s3://{store.root}" if store.location.startswith("s3://") else f"file:{store.root}"
        return [f"{root}/{self.versions[scope].path}" for scope in self.scopes]

    def arrow_dataset(self) -> pa.dataset.Dataset:
        """The files as one pyarrow dataset, read lazily by whoever scans it."""
        return self.lake.objects(self.table, [self.versions[scope].path for scope in self.scopes])

    def arrow(self, columns: list[str] | None = None) -> pa.Table:
        """The rows as an Arrow table, scope by scope in order."""
        with _reading(self.lake.store):
            return self.arrow_dataset().to_table(columns=columns)

    def frame(self, columns: list[str] | None = None) -> pd.DataFrame:
        """The rows as a pandas frame with Arrow-backed types."""
        import pandas as pd

        return self.arrow(columns).to_pandas(types_mapper=pd.ArrowDtype)

    def file(self, name: str, scope: str | None = None) -> bytes:
        """A file kept beside the table, of the only scope or the named one."""
        (version,) = [self.versions[scope]] if scope else list(self.versions.values())
        return self.lake.read_file(version.files[name])


@contextmanager
def _reading(store: ObjectStore) -> Iterator[None]:
    with storage_errors(store.location):
        try:
            yield
        except FileNotFoundError as wrong:
            raise _gone(f"A table's object in {store.location} ({wrong})") from wrong


def _gone(what: str) -> StorageError:
    return StorageError(
        f"{what} is named by a manifest, but is gone.",
        "Restore it from a backup, or rebuild the month with `insiders run --again`.",
    )


def _parquet(data: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    # Without the pandas metadata and with a fixed row group the same rows give the same bytes, so the same object.
    pq.write_table(data.replace_schema_metadata(None), sink, compression="zstd", row_group_size=256 * 1024)
    return sink.getvalue().to_pybytes()


def _manifest_path(table_name: str, scope: str) -> str:
    return f"manifests/{table_name}/{scope}.json"


def _parse(manifest: bytes | None) -> tuple[list[Version], str | None]:
    """The versions of a manifest, and when somebody said that none of them counts any more, in ISO form."""
    if not manifest:
        return [], None
    document = json.loads(manifest)
    return [Version(**entry) for entry in document["versions"]], document.get("withdrawn_at")


def _versions(manifest: bytes | None) -> list[Version]:
    return _parse(manifest)[0]


def _with_version(before: bytes | None, new: Version) -> bytes:
    """The manifest with one more version; the current one again only refreshes what it was made from."""
    versions, withdrawn_at = _parse(before)
    if versions and versions[-1].version == new.version:
        if versions[-1].reads == new.reads and before and not withdrawn_at:
            return before
        new = Version(**{**asdict(new), "recorded_at": versions[-1].recorded_at})
        versions = versions[:-1]
    return _manifest([*versions, new])


def _manifest(versions: Sequence[Version], withdrawn_at: str | None = None) -> bytes:
    document: dict[str, Any] = {"versions": [asdict(version) for version in versions]}
    if withdrawn_at:
        document["withdrawn_at"] = withdrawn_at
    return json.dumps(document, indent=1).encode()


def _without_superseded_in(manifest: bytes | None, before: dt.datetime) -> bytes:
    versions, withdrawn_at = _parse(manifest)
    return _manifest(_without_superseded(versions, before), withdrawn_at)


def _without_superseded(versions: Sequence[Version], before: dt.datetime) -> list[Version]:
    """The versions without those whose successor was recorded before that moment."""
    return [
        version
        for version, successor in zip(versions, [*versions[1:], None], strict=True)
        if successor is None or dt.datetime.fromisoformat(successor.recorded_at) >= before
    ]
