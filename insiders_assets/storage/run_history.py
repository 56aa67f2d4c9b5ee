"""Dagster's history of runs in SQLite, as Dagster keeps it, at half of its cost.

Dagster's event log makes a SQLAlchemy engine for every event: each prepares the dialect and compiles its statements
anew, which was a quarter of a small month's time. Here engines are kept, and connections are not, as there. Belongs
here: that. Does not belong here: what stands in the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData
    from sqlalchemy.engine import Connection, Engine

# The index, and the runs that one process has at once: each run has a file of its own.
MOST_ENGINES = 16


class KeptEngines(SqliteEventLogStorage):
    """Dagster's event log in SQLite; its files are the same."""

    def __init__(self, base_dir: str) -> None:
        self._engine = lru_cache(MOST_ENGINES)(self._make_engine)
        super().__init__(base_dir)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            # Wiping the history takes the shards away, and empties this set.
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _make_engine(self, shard: str) -> Engine:
        return create_engine(
            self.conn_string_for_shard(shard),
            poolclass=NullPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        )


class RunHistory(DagsterSqliteStorage):
    """Runs, events and ticks below one folder: what `dagster.yaml` names as its storage."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = KeptEngines(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> RunHistory:
        """Dagster's own gives one of its class."""
        return cls(config_value["base_dir"], inst_data)
