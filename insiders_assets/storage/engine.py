"""The engine: turns handles on the lake into Ibis tables, and Ibis expressions into Arrow.

Belongs here: the connection that computes. Does not belong here: what is computed. One engine serves one run, since
tables of two connections cannot be joined.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from insiders_assets.storage.lake import Dataset


class DuckDBEngine:
    """DuckDB inside this process, reading the lake through pyarrow: a folder and S3 alike."""

    def __init__(self) -> None:
        import ibis

        self.connection = ibis.duckdb.connect()
        self._names = (f"dataset_{number}" for number in itertools.count())

    def table(self, data: Dataset | pa.Table | pa.dataset.Dataset) -> ir.Table:
        """The rows as an Ibis table, read when an expression over it runs."""
        name = next(self._names)
        self.connection.con.register(
            name, data if isinstance(data, (pa.Table, pa.dataset.Dataset)) else data.arrow_dataset()
        )
        return self.connection.table(name)

    def run(self, expression: ir.Table) -> pa.Table:
        """The expression's rows."""
        return expression.to_pyarrow()

    def query(self, sql: str, tables: dict[str, pa.Table]) -> list[tuple]:
        """Rows of a query over tables that stand under their names in schema `insiders`, as on the warehouse."""
        raw = self.connection.con
        raw.execute("CREATE SCHEMA IF NOT EXISTS insiders")
        for name, rows in tables.items():
            raw.register(f"rows_of_{name}", rows)
            raw.execute(f"CREATE OR REPLACE VIEW insiders.{name} AS SELECT * FROM rows_of_{name}")
        return raw.execute(sql).fetchall()

    def close(self) -> None:
        """Free the connection and what it holds."""
        self.connection.disconnect()
