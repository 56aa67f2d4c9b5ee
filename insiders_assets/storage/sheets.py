"""Sheets: what every reader of source files gives, and what any of them may have to say of it.

Belongs here: the form of what was read. Does not belong here: how one kind of file is read (:mod:`.source_files`,
:mod:`.workbooks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from insiders_assets.errors import InputError


@dataclass(frozen=True)
class Sheet:
    """One sheet of a workbook, or the whole of any other file.

    `name` is empty when the file is no workbook. `line_numbers` (int64) has, for each row of `table`, its line in the
    file or row in the sheet; the header is line 1. `ragged` lists the lines that have another number of fields than the
    header and are not in `table`: line number, text as it stood, reason.
    """

    name: str
    table: pa.Table
    line_numbers: pa.Array
    ragged: list[tuple[int, str, str]] = field(default_factory=list)


def check_columns(path: Path, columns: Sequence[str], where: str = "") -> None:
    """Refuse columns of one name (InputError); nameless ones may be several. `where`: a sheet, for the error."""
    if twice := sorted({column for column in columns if column and columns.count(column) > 1}):
        named = ", ".join(f"'{column}'" for column in twice)
        raise InputError(f"{path.name}{where} has more than one column {named}.", "Rename or remove one of them.")


def no_lines(path: Path) -> InputError:
    """The error of a file that has a header and nothing else."""
    return InputError(f"{path.name} has no lines besides the header.", "Bring a file with invoice lines.")
