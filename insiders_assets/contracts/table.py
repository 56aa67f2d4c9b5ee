"""What a table promises, said once: columns, types, keys, checks and words.

Belongs here: the generic description (:class:`Column`, :class:`Table`) and what follows from it: the Arrow schema that
the lake writes, the Pandera schema that validates, the content hash. Does not belong here: any particular table (those
stand beside this module, one module per stage) and any storage or Dagster.

Frames at the science boundary are pandas frames with Arrow-backed types, so that whole numbers stay whole beside nulls
and money stays DECIMAL(18,4) from the file to the database.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from insiders_assets.errors import ContractError

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pandera

DATE = pa.date32()
TEXT = pa.string()
MONEY = pa.decimal128(18, 4)
QUANTITY = pa.decimal128(18, 4)
WHOLE = pa.int64()
REAL = pa.float64()
FLAG = pa.bool_()
TIMESTAMP = pa.timestamp("us")


@dataclass(frozen=True)
class Column:
    """One column: name, Arrow type, the words an analyst reads, and what always holds.

    `precision` is the number of decimals that count for the content hash of a REAL column. `provenance` columns
    (file, line) are kept but do not count for the hash: the same content from another file is the same content.
    `at_least`, `at_most`, `among` and `pattern` are the value checks that the contracts need.
    """

    name: str
    type: pa.DataType
    description: str
    key: bool = False
    nullable: bool = False
    provenance: bool = False
    precision: int = 6
    at_least: float | None = None
    at_most: float | None = None
    among: tuple[str, ...] | None = None
    pattern: str | None = None

    def pandera_column(self) -> pandera.Column:
        """The Pandera column that checks type, nulls and values of this column."""
        import pandas as pd
        import pandera.pandas as pandera

        checks = []
        if self.at_least is not None:
            checks.append(pandera.Check.ge(self.at_least))
        if self.at_most is not None:
            checks.append(pandera.Check.le(self.at_most))
        if self.among is not None:
            checks.append(pandera.Check.isin(list(self.among)))
        if self.pattern is not None:
            checks.append(pandera.Check.str_matches(self.pattern))
        return pandera.Column(
            pd.ArrowDtype(self.type),
            checks=checks,
            nullable=self.nullable,
            coerce=True,
            title=self.name,
            description=self.description,
        )


@dataclass(frozen=True)
class Table:
    """One table: name, description and columns; `scope` is the column whose values are replaced as a whole.

    For nearly all tables the scope is the month: a month of a table is written, read and replaced whole.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    scope: str = "month"
    published: bool = True
    sort: tuple[str, ...] = field(default=())

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the primary key's columns, in order."""
        return tuple(column.name for column in self.columns if column.key)

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema in which the lake keeps the table."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable or not c.key) for c in self.columns])

    @cached_property
    def pandera_schema(self) -> pandera.DataFrameSchema:
        """The Pandera schema: columns and their checks, no other column, unique key."""
        import pandera.pandas as pandera

        return pandera.DataFrameSchema(
            {column.name: column.pandera_column() for column in self.columns},
            name=self.name,
            description=self.description,
            strict=True,
            ordered=True,
            unique=list(self.key) or None,
        )

    def validate(self, frame: pd.DataFrame | pa.Table) -> pa.Table:
        """Check a frame against the contract and give it as an Arrow table in the contract's schema, sorted by key.

        Raises
        ------
        ContractError: with the ten commonest failures (column, check, count); never with customer rows. The whole
            table of failures, with counts, is in its attribute ``failures``.
        """
        import pandera.errors

        try:
            valid = self.pandera_schema.validate(self.to_frame(frame), lazy=True)
        except pandera.errors.SchemaErrors as broken:
            raise broken_contract(self, broken.failure_cases) from None
        table = pa.Table.from_pandas(valid, schema=self.arrow_schema, preserve_index=False)
        order = [(name, "ascending") for name in self.sort or self.key]
        return table.sort_by(order).combine_chunks() if order else table.combine_chunks()

    def to_frame(self, data: pd.DataFrame | pa.Table) -> pd.DataFrame:
        """The data as a pandas frame with Arrow-backed types, its columns in the contract's order.

        Raises
        ------
        ContractError: a column is missing, or a value does not fit its column's type.
        """
        import pandas as pd

        names = [column.name for column in self.columns]
        present = list(data.column_names if isinstance(data, pa.Table) else data.columns)
        if missing := [name for name in names if name not in present]:
            raise ContractError(f"Table {self.name} lacks the column(s) {', '.join(missing)}.")
        unknown = [str(name) for name in present if name not in names]
        if unknown:
            raise ContractError(
                f"Table {self.name} has column(s) that its contract does not know: {', '.join(unknown)}."
            )
        nullable = pa.schema([pa.field(c.name, c.type) for c in self.columns])
        try:
            if isinstance(data, pa.Table):
                arrow = data.select(names).cast(nullable)
            else:
                arrow = pa.Table.from_pandas(data[names], schema=nullable, preserve_index=False)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as wrong:
            raise ContractError(f"A value of table {self.name} does not fit its column: {wrong}.") from None
        return arrow.to_pandas(types_mapper=pd.ArrowDtype)

    def empty(self) -> pa.Table:
        """The table with its columns and no rows."""
        return self.arrow_schema.empty_table()


@dataclass(frozen=True)
class View:
    """A view of the warehouse that is promised to readers: its name, what it says, and its query over our tables."""

    name: str
    description: str
    query: str


def as_floats(values: pa.ChunkedArray) -> np.ndarray:
    """Decimals as the nearest 64-bit floats, shape (n,).

    Arrow's own cast is off by the last bit for every third amount of money (2.55 becomes 2.5500000000000003), so the
    numbers go through their text.
    """
    return values.cast(pa.string()).cast(pa.float64()).to_numpy()


def or_null(value: float) -> float | None:
    """The number as a row holds it; NaN is no number."""
    return None if np.isnan(value) else float(value)


def broken_contract(table: Table, failures: pd.DataFrame) -> ContractError:
    """Pandera's failure cases as an error whose `failures` counts them by column and check, without any row."""
    counted = (
        failures.assign(column=failures["column"].fillna("the table").astype(str), check=failures["check"].astype(str))
        .groupby(["column", "check"], as_index=False)
        .size()
        .sort_values("size", ascending=False, ignore_index=True)
    )
    listed = "; ".join(f"{row.column}: {row.check} ({row.size} rows)" for row in _rows(counted.head(10)))
    error = ContractError(
        f"Table {table.name} breaks its contract: {listed}.", "Nothing was written; the previous version still stands."
    )
    error.failures = counted.rename(columns={"size": "rows"}).to_dict("records")  # type: ignore[attr-defined]
    return error


@dataclass(frozen=True)
class _Counted:
    column: str
    check: str
    size: int


def _rows(counted: pd.DataFrame) -> list[_Counted]:
    return [_Counted(str(r["column"]), str(r["check"]), int(r["size"])) for r in counted.to_dict("records")]


def content_hash(table: Table, data: pa.Table) -> str:
    """SHA-256 (hex) of a table's content: contract columns at their stated precision, sorted by key, no provenance.

    The same rows give the same hash whatever the machine, the row order, the file they came from or the Arrow version:
    each row is rendered as CSV text (numbers in decimal notation, dates in ISO form) before it is hashed.
    """
    counted = [column for column in table.columns if not column.provenance]
    rendered = pa.table({c.name: _rendered(data[c.name], c) for c in counted})
    # Sorted as rendered: noise beyond the precision must not decide which of two equal rows comes first.
    order: Sequence[str] = list(dict.fromkeys((*table.sort, *(table.key or rendered.column_names))))
    sortable = pa.table({name: rendered[name] if name in rendered.column_names else data[name] for name in order})
    rendered = rendered.take(pc.sort_indices(sortable, sort_keys=[(name, "ascending") for name in order]))
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(rendered, buffer)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def _rendered(values: pa.ChunkedArray, column: Column) -> Any:
    if pa.types.is_floating(column.type):
        numbers = pc.if_else(pc.is_finite(values), values, None)
        return pc.cast(pc.round(numbers, column.precision), pa.decimal128(38, column.precision), safe=False)
    return values


__all__ = [
    "DATE",
    "FLAG",
    "MONEY",
    "QUANTITY",
    "REAL",
    "TEXT",
    "TIMESTAMP",
    "WHOLE",
    "Column",
    "Table",
    "View",
    "as_floats",
    "content_hash",
    "or_null",
]
