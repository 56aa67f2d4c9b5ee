"""Workbooks: the sheets of an Excel file as Arrow tables, with the types that Excel gave their cells.

Belongs here: what only workbooks have: sheets, native numbers and dates, columns that change their kind on the way.
Does not belong here: other files (:mod:`.source_files`), and what a column means.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import python_calamine

from insiders_assets.errors import InputError
from insiders_assets.storage.sheets import Sheet, check_columns, no_lines


def read_workbook(path: Path, block_rows: int) -> list[Sheet]:
    """The sheets that have lines, at least one, read in blocks of so many rows to keep the memory small.

    Raises
    ------
    InputError: the workbook is damaged, protected or without lines, or a column's name stands twice.
    """
    try:
        with python_calamine.load_workbook(str(path)) as workbook:
            read = (
                _read_sheet(path, workbook.get_sheet_by_name(name), name, block_rows) for name in workbook.sheet_names
            )
            sheets = [sheet for sheet in read if sheet is not None]
    except python_calamine.PasswordError:
        raise InputError(f"{path.name} is protected by a password.", "Save it without password.") from None
    except python_calamine.CalamineError as wrong:
        raise InputError(f"{path.name} is no whole Excel workbook: {wrong}.", "Save it again as xlsx.") from None
    if not sheets:
        raise no_lines(path)
    return sheets


def _read_sheet(path: Path, sheet: python_calamine.CalamineSheet, name: str, block_rows: int) -> Sheet | None:
    filled = ((number, row) for number, row in enumerate(sheet.iter_rows(), 1) if any(cell != "" for cell in row))
    _, first = next(filled, (0, []))
    header = [_as_text(cell).strip() for cell in first]
    check_columns(path, header, f", sheet '{name}',")
    numbers: list[int] = []
    blocks: list[list[pa.Array]] = []
    while block := list(itertools.islice(filled, block_rows)):
        numbers += [number for number, _ in block]
        blocks.append([_cells(column) for column in zip(*(row for _, row in block), strict=True)])
    if not numbers:
        return None
    columns = [_one_type(list(chunks)) for chunks in zip(*blocks, strict=True)]
    return Sheet(name, pa.table(columns, names=header), pa.array(numbers, pa.int64()))


def _cells(values: Sequence[Any]) -> pa.Array:
    """Cells of a column as numbers or dates where all are, else as text; nothing but blanks as Arrow's null type."""
    kinds = {type(value) for value in values if value != ""}
    if kinds <= {float, int}:
        return pa.array([None if value == "" else value for value in values], pa.float64() if kinds else pa.null())
    if kinds <= {dt.datetime, dt.date}:
        days = (dt.datetime(*value.timetuple()[:3]) if type(value) is dt.date else value for value in values)  # noqa: DTZ001
        return pa.array([None if value == "" else value for value in days], pa.timestamp("us"))
    return pa.array([None if value == "" else _as_text(value) for value in values], pa.string())


def _one_type(chunks: list[pa.Array]) -> pa.ChunkedArray:
    types = {chunk.type for chunk in chunks if chunk.type != pa.null()}
    if len(types) > 1:
        chunks = [pa.array([None if v is None else _as_text(v) for v in chunk.to_pylist()]) for chunk in chunks]
    kind = types.pop() if len(types) == 1 else pa.string()
    return pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind)


def _as_text(value: Any) -> str:
    """A cell as Excel would show it: whole numbers without decimals, dates in ISO form."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).upper() if isinstance(value, bool) else str(value)
