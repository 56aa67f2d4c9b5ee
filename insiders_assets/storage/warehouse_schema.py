"""Contracts as tables of the warehouse: their DDL, comments and views, and what a contract may change later.

Belongs here: what :meth:`Warehouse.prepare` does inside its transaction. Does not belong here: connections, rows and
errors of the database (`warehouse`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from insiders_assets.contracts.table import DATE, FLAG, REAL, TEXT, TIMESTAMP, WHOLE, Column, Table, View
from insiders_assets.errors import StorageError

SCHEMA = "insiders"
# Who may only look: pages read as this role, and people's own tools can be given it.
READER = "insiders_reader"
VERSIONS = Table(
    "published_versions",
    "Which version of which table and scope (nearly always: month) is published, and since when.",
    (
        Column("table_name", TEXT, "Table of this schema.", key=True),
        Column(
            "scope",
            TEXT,
            "The part that is replaced as a whole: for nearly all tables the month, in ISO form.",
            key=True,
        ),
        Column("version", TEXT, "Version of the data in the lake."),
        Column("content_hash", TEXT, "SHA-256 of the content: equal content, equal hash."),
        Column("rows", WHOLE, "Number of rows of that scope."),
        Column("published_at", pa.timestamp("us", "UTC"), "When it was published."),
    ),
    scope="table_name",
)


def prepare_schema(connection: psycopg.Connection, tables: Sequence[Table], views: Sequence[View] = ()) -> None:
    """Make or complete schema, tables, comments and views; runs in the caller's transaction.

    Raises
    ------
    StorageError: a table is there whose columns are other than a new nullable column would explain.
    """
    if connection.execute("SELECT to_regnamespace(%s)", [SCHEMA]).fetchone() == (None,):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)))
    _prepare_reader(connection)
    _prepare_table(connection, VERSIONS)
    for table in tables:
        if _prepare_table(connection, table):
            # Rows of an earlier table of that name are gone, so nothing of it counts as published.
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE table_name = %s").format(qualified(VERSIONS.name)), [table.name]
            )
        if table.scope == "month":
            _prepare_view(connection, table)
    for view in views:
        name = qualified(view.name)
        definition = sql.SQL("VIEW {} AS {}").format(name, sql.SQL(view.query))  # type: ignore[arg-type]  # ours
        try:
            with connection.transaction():
                connection.execute(sql.SQL("CREATE OR REPLACE {}").format(definition))
        except psycopg.errors.InvalidTableDefinition:  # a column came between or went; replacing only adds at the end
            connection.execute(sql.SQL("DROP VIEW {}").format(name))
            connection.execute(sql.SQL("CREATE {}").format(definition))
        _set_comment(connection, sql.SQL("VIEW {}").format(name), view.description)


def _prepare_reader(connection: psycopg.Connection) -> None:
    """Let READER see every table and view of the schema, those to come too; make it, where this user may make roles."""
    there, may_make = connection.execute(
        "SELECT to_regrole(%s) IS NOT NULL, rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user",
        [READER],
    ).fetchone() or (False, False)
    reader, schema = sql.Identifier(READER), sql.Identifier(SCHEMA)
    if not there and may_make:
        # Roles are the whole server's: another database may be making it just now.
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation), connection.transaction():
            connection.execute(sql.SQL("CREATE ROLE {}").format(reader))
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(reader))
    elif not there:
        return
    if connection.execute("SELECT has_schema_privilege(%s, %s, 'USAGE')", [READER, SCHEMA]).fetchone() == (True,):
        return
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, reader))
    connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, reader))
    connection.execute(
        sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {} GRANT SELECT ON TABLES TO {}").format(schema, reader)
    )


def qualified(name: str) -> sql.Identifier:
    """The table's name with its schema."""
    return sql.Identifier(SCHEMA, name)


def sql_type(arrow: pa.DataType) -> str:
    """The PostgreSQL type, as the catalogue spells it, in which a contract's Arrow type is kept."""
    if pa.types.is_decimal(arrow):
        return f"numeric({arrow.precision},{arrow.scale})"
    if pa.types.is_timestamp(arrow) and arrow.tz:
        return "timestamp with time zone"
    names = {
        DATE: "date",
        TEXT: "text",
        WHOLE: "bigint",
        REAL: "double precision",
        FLAG: "boolean",
        TIMESTAMP: "timestamp without time zone",
    }
    return names[arrow]


@dataclass(frozen=True)
class _Present:
    """A column as the database has it."""

    type: str
    nullable: bool
    key: bool
    comment: str | None


def _prepare_table(connection: psycopg.Connection, table: Table) -> bool:
    """Make or complete one table; True if it was made."""
    present = _columns(connection, table.name)
    if not present:
        _create(connection, table)
    else:
        _complete(connection, table, present)
    _comment(connection, table, present)
    return not present


def _columns(connection: psycopg.Connection, name: str) -> dict[str, _Present]:
    """Columns of a table or view of our schema by name, in their order; empty if there is none."""
    rows = connection.execute(
        """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
               coalesce(a.attnum = ANY (k.conkey), false), col_description(c.oid, a.attnum)
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
        WHERE c.relnamespace = to_regnamespace(%s) AND c.relname = %s AND c.relkind IN ('r', 'p', 'v')
        ORDER BY a.attnum
        """,
        [SCHEMA, name],
    ).fetchall()
    return {column: _Present(*facts) for column, *facts in rows}


def _create(connection: psycopg.Connection, table: Table) -> None:
    parts = [_definition(column) for column in table.columns]
    if table.key:
        parts.append(sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(map(sql.Identifier, table.key))))
    statement = sql.SQL("CREATE TABLE {} ({})").format(qualified(table.name), sql.SQL(", ").join(parts))
    connection.execute(statement)
    if table.key[:1] != (table.scope,):
        # Replacing a scope looks its rows up by it; a key that begins with the scope serves that as well.
        connection.execute(
            sql.SQL("CREATE INDEX ON {} ({})").format(qualified(table.name), sql.Identifier(table.scope))
        )


def _definition(column: Column) -> sql.Composed:
    default = sql.SQL(" DEFAULT now()" if column.name == "published_at" else "")
    null = sql.SQL("" if column.nullable else " NOT NULL")
    return sql.SQL("{} {}{}{}").format(sql.Identifier(column.name), sql.SQL(sql_type(column.type)), null, default)


def _complete(connection: psycopg.Connection, table: Table, present: dict[str, _Present]) -> None:
    """Add new nullable columns; refuse any other difference."""
    for name in present.keys() - {column.name for column in table.columns}:
        raise _differs(table, name, "is not in the contract")
    for column in table.columns:
        if column.name not in present:
            if column.key or not column.nullable:
                raise _differs(table, column.name, "is missing and may not be null, so it cannot be added")
            connection.execute(
                sql.SQL("ALTER TABLE {} ADD COLUMN {}").format(qualified(table.name), _definition(column))
            )
        elif difference := _difference(column, present[column.name]):
            raise _differs(table, column.name, difference)


def _difference(column: Column, present: _Present) -> str:
    if present.type != sql_type(column.type):
        return f"is {present.type}, its contract says {sql_type(column.type)}"
    if present.key != column.key:
        return f"is {'' if present.key else 'not '}part of the primary key, its contract says otherwise"
    if present.nullable != column.nullable:
        return f"{'may' if present.nullable else 'may not'} be null, its contract says otherwise"
    return ""


def _differs(table: Table, column: str, difference: str) -> StorageError:
    return StorageError(
        f"Column {column} of the warehouse's table {SCHEMA}.{table.name} {difference}.",
        f"Nothing was changed. Drop the table (DROP TABLE {SCHEMA}.{table.name} CASCADE) and start again: "
        "it is made anew, and its months are published again from the lake.",
    )


def _comment(connection: psycopg.Connection, table: Table, present: dict[str, _Present]) -> None:
    """Set the comments that are not as the contract words them; usually none."""
    name = f"{SCHEMA}.{table.name}"
    described = connection.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [name]).fetchone()
    if described != (table.description,):
        _set_comment(connection, sql.SQL("TABLE {}").format(qualified(table.name)), table.description)
    for column in table.columns:
        known: Any = present.get(column.name)
        if known is None or known.comment != column.description:
            subject = sql.SQL("COLUMN {}").format(sql.Identifier(SCHEMA, table.name, column.name))
            _set_comment(connection, subject, column.description)


def _set_comment(connection: psycopg.Connection, subject: sql.Composed, words: str) -> None:
    connection.execute(sql.SQL("COMMENT ON {} IS {}").format(subject, sql.Literal(words)))


def _prepare_view(connection: psycopg.Connection, table: Table) -> None:
    """Make the view of the latest month, or make it anew after a column was added.

    Replaced, not dropped: a new column comes last in table and view alike, and views that others built on it stay.
    """
    view = f"current_{table.name}"
    if list(_columns(connection, view)) == list(_columns(connection, table.name)):
        return
    connection.execute(
        sql.SQL(
            "CREATE OR REPLACE VIEW {view} AS SELECT * FROM {table} WHERE month = (SELECT max(month) FROM {table})"
        ).format(view=qualified(view), table=qualified(table.name))
    )
    _set_comment(
        connection, sql.SQL("VIEW {}").format(qualified(view)), f"Latest month of {table.name}. {table.description}"
    )
    for column in table.columns:
        subject = sql.SQL("COLUMN {}").format(sql.Identifier(SCHEMA, view, column.name))
        _set_comment(connection, subject, column.description)
