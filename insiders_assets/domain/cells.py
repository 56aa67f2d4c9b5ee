"""Cells: one column of a file as values, whatever the column is for: text, identifiers and exact numbers.

Belongs here: what a single column's cells say, and the reason where they say nothing. Does not belong here: dates,
which have an order to prove (:mod:`.dates`); what lines are made of it (:mod:`.parsing`).

Every column is reduced to its distinct values, those are parsed, and the result is spread over the lines. Point or
comma: the whole file decides, by values that only one of the two readings can explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.contracts.table import MONEY
from insiders_assets.domain.layouts import Layout
from insiders_assets.errors import InputError

LIMIT = Decimal(10) ** (MONEY.precision - MONEY.scale)

_EXACT, _UNIT, _TWENTY_DECIMALS = Context(prec=60), Decimal("1e-4"), Decimal("1e-20")
# As many decimals as a float can show, and room for exact products and quotients of two.
_EXACT_NUMBER = pa.decimal256(34, 20)
_GROUPING = {".": ", '’\u00a0\u202f", ",": ". '’\u00a0\u202f"}
_NUMBER = {
    mark: rf"^[+-]?(?:(?:[1-9]\d{{0,2}}(?:[{grouping}]\d{{3}})+|\d+)(?:[{mark}]\d*)?|[{mark}]\d+)"
    r"(?:[eE][+-]?\d{1,3})?$"
    for mark, grouping in _GROUPING.items()
}


class SheetOfCells(Protocol):
    """What parsing needs of a sheet: see ``storage.sheets.Sheet``."""

    @property
    def name(self) -> str:
        """Name of the sheet; empty when the file is no workbook."""

    @property
    def table(self) -> pa.Table:
        """Cells under the file's own column names."""

    @property
    def line_numbers(self) -> pa.Array:
        """int64: line of each row in the file."""

    @property
    def ragged(self) -> Sequence[tuple[int, str, str]]:
        """Lines that are not in the table: number, text, reason."""


@dataclass(frozen=True)
class Distinct:
    """The distinct values of a column over all sheets, as they are and as text, and which line has which.

    `values` and `texts` (null: an empty cell) have one entry per distinct value; `codes` one per line, null for null.
    """

    title: str
    values: pa.Array
    texts: pa.Array
    codes: pa.Array
    sheet_names: pa.Array
    line_numbers: pa.Array

    @property
    def is_text(self) -> bool:
        """Whether the file has text here, not native numbers or dates."""
        return bool(pa.types.is_string(self.values.type))

    def spread(self, values: pa.Array) -> pa.Array:
        """One value per distinct value as one per line."""
        return values.take(self.codes)

    def example(self, chosen: np.ndarray) -> tuple[str, str] | None:
        """The first line whose distinct value is `chosen` (bool): its text, and the text with its place; else None."""
        lines = np.flatnonzero(np.append(chosen, False)[pc.fill_null(self.codes, len(chosen)).to_numpy()])
        if not len(lines):
            return None
        row = int(lines[0])
        text, sheet = self.texts[self.codes[row].as_py()].as_py(), self.sheet_names[row].as_py()
        place = f"line {self.line_numbers[row].as_py()}" + (f" of sheet '{sheet}'" if sheet else "")
        return text, f"'{text}' in {place}"

    def judged(self, parsed: pa.Array, complaint: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Parsed distinct values over the lines, and why there is none: `complaint`, or that the cell is empty."""
        empty = pc.is_null(self.spread(self.texts))
        return self.spread(parsed), pc.if_else(empty, pa.scalar(f"{self.title} is missing"), self.spread(complaint))


def distinct_values(
    sheets: Sequence[SheetOfCells], layout: Layout, name: str, sheet_names: pa.Array, line_numbers: pa.Array
) -> Distinct:
    """A column of the layout over all sheets; of nulls where the layout lacks it. Spaces around values are taken off,
    except in descriptions.

    Parameters
    ----------
    name: the column in our terms. sheet_names, line_numbers: of every line, for examples.
    """
    title = layout.columns.get(name, "").strip()
    columns = []
    for sheet in sheets:
        folded = [column.strip().casefold() for column in sheet.table.column_names]
        absent = pa.chunked_array([pa.nulls(sheet.table.num_rows, pa.string())])
        columns.append(sheet.table.column(folded.index(title.casefold())) if title else absent)
    types = {column.type for column in columns if column.type != pa.null()}
    kind = types.pop() if len(types) == 1 else pa.string()
    columns = [column if column.type == kind else as_text(column) for column in columns]
    encoded = pa.chunked_array([chunk for column in columns for chunk in column.chunks], kind).combine_chunks()
    encoded = encoded.dictionary_encode()
    texts = pc.replace_substring(as_text(encoded.dictionary), "\0", "")
    if name != "description":
        texts = pc.replace_substring_regex(texts, r"^[\pZ\pC\s]+|[\pZ\pC\s]+$", "")
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    return Distinct(title, encoded.dictionary, texts, encoded.indices, sheet_names, line_numbers)


def as_text(values: pa.Array) -> pa.Array:
    """Native values as text: whole floats without decimals, others in their shortest form, times to the second."""
    if pa.types.is_floating(values.type):
        whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**53))
        integers = pc.cast(pc.if_else(whole, values, 0), pa.int64())
        return pc.if_else(whole, pc.cast(integers, pa.string()), pc.cast(values, pa.string()))
    if pa.types.is_timestamp(values.type):
        values = pc.cast(values, pa.timestamp("s"), safe=False)
    return pc.cast(values, pa.string())


def as_identifiers(texts: pa.Array) -> pa.Array:
    """Text ids on one line; whole numbers that went through a float without its decimals (12583.0: 12583)."""
    return pc.replace_substring(pc.replace_substring_regex(texts, r"^(-?\d+)\.0+$", r"\1"), "\n", " ")


def read_numbers(columns: Sequence[Distinct], given: str | None, file_name: str) -> list[tuple[pa.Array, pa.Array]]:
    """For each column its numbers per line (twenty decimals), and why there is none.

    A column that does not prove its decimal mark follows the others of the file, where these are of one mind.
    """
    # Numbers that are native have no mark, and prove none.
    proofs = [(given or _proven_mark(column, file_name)) if column.is_text else None for column in columns]
    minds = set(proofs) - {None}
    shared = minds.pop() if len(minds) == 1 else None
    result = []
    for column, proof in zip(columns, proofs, strict=True):
        mark = (proof or shared) if column.is_text else "."
        point, comma, marked = _readable(column.texts)
        if not mark and (either := column.example(point & comma & marked)):
            raise InputError(
                f"{column.title} of {file_name} can be read with point or comma before the decimals, for example "
                f"{either[1]}; no line proves either.",
                'Say which: --decimal-mark "." or --decimal-mark ",".',
            )
        result.append(_exact(column, mark or "."))
    return result


def _readable(texts: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which texts are numbers with a decimal point, which with a decimal comma, which have either sign at all."""
    patterns = (_NUMBER["."], _NUMBER[","], "[.,]")
    point, comma, marked = (pc.fill_null(pc.match_substring_regex(texts, pattern), False) for pattern in patterns)
    return tuple(found.to_numpy(zero_copy_only=False) for found in (point, comma, marked))  # type: ignore[return-value]


def _proven_mark(column: Distinct, file_name: str) -> str | None:
    """The decimal mark without which some number of the column cannot be explained; None: both explain them all."""
    point, comma, _ = _readable(column.texts)
    by_point, by_comma = column.example(point & ~comma), column.example(comma & ~point)
    if by_point and by_comma:
        raise InputError(
            f"{column.title} of {file_name} has both decimal points, {by_point[1]}, and decimal commas, {by_comma[1]}.",
            'Say which holds, --decimal-mark "." or --decimal-mark ","; the lines with the other go to quarantine.',
        )
    return "." if by_point else "," if by_comma else None


def _exact(column: Distinct, mark: str) -> tuple[pa.Array, pa.Array]:
    """Numbers per line, from their decimal digits, never through a float; and why there is none."""
    readable = pc.match_substring_regex(column.texts, _NUMBER[mark])
    digits = pc.replace_substring_regex(pc.if_else(readable, column.texts, None), f"[{_GROUPING[mark]}]", "")
    numbers = [None if text is None else Decimal(text) for text in pc.replace_substring(digits, ",", ".").to_pylist()]
    kept = [None if number is None else _held(number) for number in numbers]
    large = pa.array(
        [number is not None and value is None for number, value in zip(numbers, kept, strict=True)], pa.bool_()
    )
    complaint = pc.case_when(
        pc.make_struct(pc.fill_null(pc.invert(readable), False), large),
        pa.scalar(f"{column.title} is not a number"),
        pa.scalar(f"{column.title} is too large"),
    )
    return column.judged(pa.array(kept, _EXACT_NUMBER), complaint)


def _held(number: Decimal) -> Decimal | None:
    """The number with twenty decimals, further ones cut off; None if it is too large for the contract.

    Cut off and not rounded: rounded twice, 0.00004999… would become 0.0001.
    """
    if number.adjusted() >= MONEY.precision or abs(number.quantize(_UNIT, ROUND_HALF_UP, _EXACT)) >= LIMIT:
        return None
    return number.quantize(_TWENTY_DECIMALS, ROUND_DOWN, _EXACT)
