"""The engine: turns handles on the lake into Ibis tables, and Ibis expressions into Arrow.

Belongs here: the connection that computes. Does not belong here: what is computed. One engine serves one run, since
tables of two connections cannot be joined.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.dataset

from insiders_assets.errors import InputError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import numpy as np

    from insiders_assets.storage.lake import Dataset


@dataclass(frozen=True)
class Answer:
    """Answer to a query: column names and rows of Python values."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Engine(Protocol):
    """What can compute what grows with the shop: over lines, and over customers by fitted models."""

    def table(self, data: Dataset | pa.Table) -> ir.Table:
        """The rows as an Ibis table, read when an expression over it runs."""

    def run(self, expression: ir.Table) -> pa.Table:
        """The expression's rows."""

    def by_row(self, function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
        """`function(rows)`, perhaps in pieces: for a function that gives each row its own result, whatever other rows
        it is given with."""

    def close(self) -> None:
        """Free what the engine holds."""


class DuckDBEngine:
    """DuckDB inside this process, reading the lake through pyarrow: a folder and S3 alike.

    What does not fit into memory waits in the folder `spill`, which is made and removed as needed; its parent is there.
    """

    def __init__(self, spill: Path | None = None) -> None:
        import ibis

        self.connection = ibis.duckdb.connect()
        # Of the machine's; DuckDB's own 80 % leave too little for what pyarrow reads ahead and for the answer.
        self.connection.con.execute("SET memory_limit = '50%'")
        if spill:
            # Otherwise it would be `.tmp` of whatever folder the command was called in.
            self.connection.con.execute("SET temp_directory = ?", [str(spill)])
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

    def by_row(self, function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
        """`function(rows)`, in this process; the models use all its cores."""
        return function(rows)

    def over(self, tables: Mapping[str, pa.Table]) -> Callable[[str], list[tuple]]:
        """Gives the rows of queries over tables that stand under their names in schema `insiders`, as on the
        warehouse."""
        raw = self._stand(tables)
        return lambda sql: raw.execute(sql).fetchall()

    def answer(self, sql: str, tables: Mapping[str, pa.Table]) -> Answer:
        """The answer to a person's query over these tables and their `current_…` views, and over nothing else.

        The engine is of no other use afterwards: it can reach no file any more.

        Raises
        ------
        InputError: DuckDB's words on what is wrong with the query.
        """
        import duckdb

        raw = self._stand(tables)
        for name, rows in tables.items():
            if "month" in rows.column_names:
                latest = f"(SELECT max(month) FROM insiders.{name})"
                raw.execute(
                    f"CREATE VIEW insiders.current_{name} AS SELECT * FROM insiders.{name} WHERE month = {latest}"
                )
        raw.execute("SET search_path = 'insiders'; SET enable_external_access = false; SET lock_configuration = true")
        try:
            result = raw.execute(sql)
            return Answer(tuple(column[0] for column in result.description or ()), result.fetchall())
        except duckdb.Error as wrong:
            raise InputError(f"The query cannot be answered: {str(wrong).splitlines()[0]}", "") from None

    def _stand(self, tables: Mapping[str, pa.Table]) -> Any:
        raw = self.connection.con
        raw.execute("CREATE SCHEMA IF NOT EXISTS insiders")
        for name, rows in tables.items():
            raw.register(f"rows_of_{name}", rows)
            raw.execute(f"CREATE OR REPLACE VIEW insiders.{name} AS SELECT * FROM rows_of_{name}")
        return raw

    def close(self) -> None:
        """Free the connection and what it holds."""
        self.connection.disconnect()
