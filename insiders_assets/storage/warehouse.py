"""The warehouse: a PostgreSQL database in which readers always find a month of a table whole.

Belongs here: connecting, publishing a scope of a table, reading what is published, queries that only read. Does not
belong here: the DDL that follows from contracts (`warehouse_schema`), what the database's errors mean
(`warehouse_errors`), the server in the home (`embedded_postgres`), or what any table is about.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from insiders_assets.contracts.table import Table, View
from insiders_assets.errors import InputError, MissingMonthError, SettingsError, StorageError
from insiders_assets.storage.warehouse_errors import connection_error, database_error, query_error, redacted
from insiders_assets.storage.warehouse_schema import READER, SCHEMA, VERSIONS, prepare_schema, qualified

CONNECTION_DEFAULTS = {
    "connect_timeout": "5",
    # A network that goes silent in the middle of a load is noticed within half a minute.
    "tcp_user_timeout": "30000",
    "application_name": "insiders",
    "client_encoding": "utf8",
}
LONGEST_WAIT = "120s"
ROWS_PER_MESSAGE = 20_000


@dataclass(frozen=True)
class PublishedVersion:
    """What is published of one scope of one table; `published_at` has its time zone."""

    table_name: str
    scope: str
    version: str
    content_hash: str
    rows: int
    published_at: dt.datetime


@dataclass(frozen=True)
class Result:
    """Answer to a query: column names, rows of Python values, and whether a limit cut it short."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    truncated: bool = False


class Warehouse:
    """The database behind a URL ``postgresql://user:password@host:port/database`` (or ``postgres://``).

    Connections are opened when needed and closed at once, so an object can be kept, shared by threads and forked.

    Parameters
    ----------
    password: asked for at every connection, instead of one in the URL: a login may be good for minutes only.

    Raises
    ------
    SettingsError: the URL is not one of PostgreSQL.
    """

    def __init__(self, url: str, password: Callable[[], str] | None = None):
        self._url = url
        self._password = password
        try:
            given = conninfo_to_dict(url) if url.startswith(("postgresql://", "postgres://")) else None
        except psycopg.Error:
            given = None
        if given is None:
            raise SettingsError(
                "The warehouse's address is not a PostgreSQL URL.",
                "Write INSIDERS_WAREHOUSE=postgresql://user:password@host:5432/database "
                "(signs like @ / # % in the password as %40 %2F %23 %25).",
            )
        self._connection_info: dict[str, Any] = {**CONNECTION_DEFAULTS, **given}

    def __repr__(self) -> str:
        """The address without its password."""
        return f"Warehouse({redacted(self._url)!r})"

    def check(self) -> None:
        """Connect and come back.

        Raises
        ------
        UnreachableError: names host, database and cause, never the password.
        """
        with self._connection("answering") as connection:
            connection.execute("SELECT 1")

    def prepare(self, tables: Sequence[Table], views: Sequence[View] = ()) -> None:
        """Make schema, tables, comments, `current_` views and other views where they are missing, in one transaction.

        A new nullable column of a contract is added to its table.

        Raises
        ------
        StorageError: a table differs otherwise; nothing was changed.
        """
        with self._connection("preparing the tables") as connection:
            self._lock(connection, "prepare")
            prepare_schema(connection, tables, views)

    def publish(
        self, table: Table, scope: object, data: pa.Table, *, version: str, content_hash: str, anew: bool = False
    ) -> bool:
        """Replace one scope (nearly always: month) of a table; readers see the old rows or the new ones.

        Parameters
        ----------
        anew: replace the rows even where that version is noted as published: somebody may have changed them since.
        scope: value of the column `table.scope`, in its type (a date for a month).
        data: valid by the contract; every row has that scope; no row is allowed.

        Returns
        -------
        False if that version is published already, and nothing was done.

        Raises
        ------
        ValueError: columns or scopes of `data` are others.
        StorageError, UnreachableError, ContractError: the database did not take the rows; the old ones still stand.
        """
        rows = _in_contract_order(table, scope, data)
        with self._connection(f"publishing {table.name}, {table.scope} {scope}") as connection:
            self._lock(connection, f"{table.name}/{scope}")
            if not anew and _published_version(connection, table, scope) == version:
                return False
            _replace(connection, table, scope, rows)
            _note(connection, table, scope, version, content_hash, rows.num_rows)
            return True

    def withdraw(self, table: Table, scope: object) -> None:
        """Take one scope of a table from the readers, in one transaction."""
        with self._connection(f"withdrawing {table.name}, {table.scope} {scope}") as connection:
            self._lock(connection, f"{table.name}/{scope}")
            _replace(connection, table, scope, table.empty())
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE table_name = %s AND scope = %s").format(qualified(VERSIONS.name)),
                [table.name, str(scope)],
            )

    def published(self, table_name: str | None = None) -> dict[tuple[str, str], PublishedVersion]:
        """What is published, by (table, scope as text); of one table, or of all."""
        statement = sql.SQL(
            "SELECT table_name, scope, version, content_hash, rows, published_at FROM {}"
            " WHERE %(table)s::text IS NULL OR table_name = %(table)s ORDER BY table_name, scope"
        ).format(qualified(VERSIONS.name))
        with self._connection("reading what is published") as connection:
            if connection.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.{VERSIONS.name}"]).fetchone() == (None,):
                return {}
            found = connection.execute(statement, {"table": table_name}).fetchall()
        return {(row[0], row[1]): PublishedVersion(*row) for row in found}

    def query(self, statement: str, *, limit: int | None = None, timeout_seconds: float = 60) -> Result:
        """Rows of one SQL statement that only reads; table names are looked up in schema `insiders`.

        Raises
        ------
        InputError: PostgreSQL's message and position; also for a write, a second statement, or one that takes longer.
        """
        with self._connection("answering a query", read_only=True) as connection:
            _restrain(connection, timeout_seconds)
            try:
                columns = _columns_of_answer(connection, statement)
                rows = _first_rows(connection, statement, None if limit is None else limit + 1)
            except psycopg.Error as refused:
                raise query_error(refused, statement, timeout_seconds) or refused from None
        return Result(columns, rows[:limit], truncated=limit is not None and len(rows) > limit)

    def read(self, statement: str, parameters: Sequence[Any] = (), *, limit: int, timeout_seconds: float = 5) -> Result:
        """Rows of a statement of ours with values of a stranger's: `%s` in it stands for a parameter, never for SQL.

        Read as the role READER, which can change nothing, whoever logs in.

        Raises
        ------
        MissingMonthError: nothing was ever published there. StorageError: there is no such role, or this user may not
        take it. InputError: it takes longer.
        """
        with self._connection("answering a page", read_only=True) as connection:
            _restrain(connection, timeout_seconds)
            _become_reader(connection)
            try:
                cursor = connection.execute(sql.SQL(statement), parameters)  # type: ignore[arg-type]  # ours
                rows = cursor.fetchmany(limit + 1)
            except psycopg.Error as refused:
                raise query_error(refused, statement, timeout_seconds) or refused from None
        columns = tuple(column.name for column in cursor.description or ())
        return Result(columns, rows[:limit], truncated=len(rows) > limit)

    @contextlib.contextmanager
    def _connection(self, doing: str, read_only: bool = False) -> Iterator[psycopg.Connection]:
        """A connection with one transaction: committed at the end, rolled back on any error."""
        info = {**self._connection_info, **({"password": self._password()} if self._password else {})}
        try:
            connection = psycopg.connect(**info)
        except psycopg.Error as refused:
            raise connection_error(refused, info) from None
        try:
            with connection:
                connection.read_only = read_only
                yield connection
        except psycopg.Error as trouble:
            raise database_error(trouble, doing, info) from trouble

    def _lock(self, connection: psycopg.Connection, name: str) -> None:
        """Wait for others who do the same thing; the lock ends with the transaction."""
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [LONGEST_WAIT])
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{SCHEMA}:{name}"])


def _in_contract_order(table: Table, scope: object, data: pa.Table) -> pa.Table:
    names = [column.name for column in table.columns]
    if sorted(data.column_names) != sorted(names):
        raise ValueError(f"{table.name}: columns are {data.column_names}, the contract has {names}")
    rows = data.select(names).cast(pa.schema([pa.field(c.name, c.type) for c in table.columns]))
    scopes = rows[table.scope]
    expected = pa.scalar(scope, scopes.type)
    if rows.num_rows and not pc.all(pc.fill_null(pc.equal(scopes, expected), False)).as_py():
        raise ValueError(f"{table.name}: some rows are not of {table.scope} {scope}")
    return rows


def _published_version(connection: psycopg.Connection, table: Table, scope: object) -> str | None:
    statement = sql.SQL("SELECT version FROM {} WHERE table_name = %s AND scope = %s")
    row = connection.execute(statement.format(qualified(VERSIONS.name)), [table.name, str(scope)]).fetchone()
    return row[0] if row else None


def _replace(connection: psycopg.Connection, table: Table, scope: object, rows: pa.Table) -> None:
    column = sql.Identifier(table.scope)
    connection.execute(sql.SQL("DELETE FROM {} WHERE {} = %s").format(qualified(table.name), column), [scope])
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(qualified(table.name), columns)
    with connection.cursor() as cursor:
        with cursor.copy(copy) as stream:
            for batch in rows.to_batches(max_chunksize=ROWS_PER_MESSAGE):
                stream.write(_csv(batch))
        if cursor.rowcount != rows.num_rows:
            raise StorageError(f"Table {table.name}: {rows.num_rows} rows were sent, {cursor.rowcount} arrived.")


def _csv(batch: pa.RecordBatch) -> memoryview:
    """Rows as CSV in PostgreSQL's reading: texts are quoted, so that an empty one is not taken for a null."""
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(batch, buffer, pyarrow.csv.WriteOptions(include_header=False))
    return buffer.getbuffer()


def _note(
    connection: psycopg.Connection, table: Table, scope: object, version: str, content_hash: str, rows: int
) -> None:
    statement = sql.SQL(
        "INSERT INTO {} (table_name, scope, version, content_hash, rows) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (table_name, scope) DO UPDATE SET version = excluded.version,"
        " content_hash = excluded.content_hash, rows = excluded.rows, published_at = now()"
    )
    values = [table.name, str(scope), version, content_hash, rows]
    connection.execute(statement.format(qualified(VERSIONS.name)), values)


def _restrain(connection: psycopg.Connection, timeout_seconds: float) -> None:
    """Bind the rest of a read-only transaction to our schema, a time and, for a superuser, the right to read.

    The role matters: to a superuser even a read-only transaction permits COPY … TO PROGRAM and reading server files.
    """
    connection.execute(
        "SELECT set_config('search_path', %s, true), set_config('statement_timeout', %s, true)",
        [f"{SCHEMA}, public", str(max(1, round(timeout_seconds * 1000)))],
    )
    connection.execute(
        "SELECT set_config('role', 'pg_read_all_data', true) FROM pg_roles WHERE rolname = current_user AND rolsuper"
    )


def _become_reader(connection: psycopg.Connection) -> None:
    """Give the rest of the transaction the rights of the role READER and no others."""
    # Not the tables: that of the runs' records is made as soon as a sensor looks, before anything is published.
    views = connection.execute("SELECT count(*) FROM pg_views WHERE schemaname = %s", [SCHEMA]).fetchone()
    if views == (0,):
        raise MissingMonthError("Nothing was published in this database yet.", "`insiders run` makes the first month.")
    try:
        connection.execute("SELECT set_config('role', %s, true)", [READER])
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.InsufficientPrivilege) as refused:
        raise StorageError(
            f"Pages read as the role {READER}: {refused.diag.message_primary}.",
            f"Have an administrator of the database run: CREATE ROLE {READER}; GRANT {READER} TO the user of "
            "INSIDERS_WAREHOUSE; then run `insiders run`.",
        ) from None


def _columns_of_answer(connection: psycopg.Connection, statement: str) -> tuple[str, ...]:
    """Have the server read the statement without running it: it takes one only, and says which columns come."""
    server = connection.pgconn
    for answer in (server.prepare(b"", statement.encode()), server.describe_prepared(b"")):
        if answer.status == psycopg.pq.ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(answer)
    if not answer.nfields:
        raise InputError("The statement gives no rows.", "Write a query that begins with SELECT or WITH.")
    return tuple((answer.fname(column) or b"").decode() for column in range(answer.nfields))


def _first_rows(connection: psycopg.Connection, statement: str, number: int | None) -> list[tuple[Any, ...]]:
    """Rows as they come, all or so many; the server is spared the rest."""
    with connection.cursor() as cursor:
        stream = cursor.stream(statement.encode(), size=min(number or 1000, 1000))
        with contextlib.closing(cast("Generator[tuple[Any, ...]]", stream)):
            return list(itertools.islice(stream, number))


__all__ = ["PublishedVersion", "Result", "Warehouse", "redacted"]
