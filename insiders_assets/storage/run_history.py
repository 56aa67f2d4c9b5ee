"""Dagster's history of runs in SQLite, as Dagster keeps it, at a third of its cost.

For every event Dagster makes an engine, opens the file, compiles the statement, writes and closes, by which SQLite
folds its log into the file: nearly half of a small month's time. Here engines and connections are kept until the
history is left. The files are the same, and who opens them otherwise (the web page, the daemon) may do so meanwhile.

Belongs here: that. Does not belong here: what stands in the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import create_engine, event

if TYPE_CHECKING:
    from pathlib import Path

    from dagster._serdes import ConfigurableClassData
    from sqlalchemy.engine import Connection, Engine

# The index, and the runs that one process has at once: each run has a file of its own.
MOST_FILES = 16


def history_of(folder: Path) -> dict[str, Any]:
    """The `storage` of an instance whose history lies in a folder, as `dagster.yaml` would name it."""
    place = {"module": __name__, "class": RunHistory.__name__, "config": {"base_dir": str(folder)}}
    return {"custom": place}


class RunHistory(DagsterSqliteStorage):
    """Runs, events and ticks below one folder."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._run_storage = _Runs(self._run_storage._conn_string)
        self._event_log_storage = _Events(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> RunHistory:
        """Dagster's own gives one of its class."""
        return cls(config_value["base_dir"], inst_data)


class _Runs(SqliteRunStorage):
    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @cached_property
    def _engine(self) -> Engine:
        return _engine(self._conn_string)

    def dispose(self) -> None:
        self._engine.dispose()
        super().dispose()


class _Events(SqliteEventLogStorage):
    def __init__(self, base_dir: str) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._kept(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _kept(self, shard: str) -> Engine:
        engine = self._engines.pop(shard, None) or _engine(self.conn_string_for_shard(shard))
        self._engines[shard] = engine  # the last one is the latest
        if len(self._engines) > MOST_FILES:
            self._engines.pop(next(iter(self._engines))).dispose()
        return engine

    def wipe(self) -> None:
        self._close()
        super().wipe()

    def dispose(self) -> None:
        self._close()
        super().dispose()

    def _close(self) -> None:
        while self._engines:
            self._engines.popitem()[1].dispose()


def _engine(address: str) -> Engine:
    # Threads take turns with a connection; whoever has a file open waits as long as Dagster does.
    engine = create_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False})
    # With a log of its own (WAL), a file is whole after a power cut so, too; only the last events may be lost.
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = NORMAL"))
    return engine
