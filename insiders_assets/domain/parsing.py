"""Parsing: the cells of a file, in whatever layout, as landed lines; what breaks the contract, as quarantine.

Belongs here: dates, numbers and identifiers out of text or native cells, and the reason when that fails. Does not
belong here: reading files (``storage.source_files``), which column is which (``layouts``), dropping lines that are
well-formed but unwanted (the cleaning rules do that, later), overlap between files.

Every column is reduced to its distinct values, those are parsed, and the result is spread over the lines. Day or month
first, point or comma: the whole file decides, by values that only one of the two readings can explain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.contracts.lines import LANDED_LINES, QUARANTINE
from insiders_assets.contracts.table import MONEY, QUANTITY, TIMESTAMP
from insiders_assets.domain.layouts import CreditNotes, Layout, is_nameless, recognise
from insiders_assets.errors import InputError

PRICE = pa.decimal128(24, 10)
LIMIT = Decimal(10) ** (MONEY.precision - MONEY.scale)
FIRST_YEAR, LAST_YEAR = 1900, 2200
NO_CUSTOMER = ("nan", "null", "none", "<na>")

_EXACT = Context(prec=60)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?:(?:[ T]\s*|,\s+)(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
_DATE = (
    r"^(?:(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"
    r"|(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<ab>\d{4}|\d{2})"
    r"|(?P<e>\d{1,2})[-/. ]+(?P<name>[A-Za-z]{3,9})[-/., ]+(?P<ey>\d{4}|\d{2}))"
    rf"{_TIME}\s*(?P<p>[AaPp]\.?[Mm]\.?)?\s*(?:Z|[+-]\d{{2}}:?\d{{2}})?)?$"
)
_GROUPS = {".": ", '’\u00a0\u202f", ",": ". '’\u00a0\u202f"}


class SheetOfCells(Protocol):
    """What parsing needs of a sheet: see ``storage.source_files.Sheet``."""

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
class Parsed:
    """Landed lines, in the order of the file, and the quarantined ones. Lines in = good + quarantined."""

    good: pa.Table
    quarantined: pa.Table


@dataclass(frozen=True)
class ParsedFile(Parsed):
    """The lines of a whole file, the name of the layout it was recognised as, and that layout's cleaning profile."""

    layout_name: str
    profile: str | None


def parse_file(
    sheets: Sequence[SheetOfCells],
    layouts: Mapping[str, Layout],
    *,
    file_name: str,
    file_version: str,
    date_format: str | None = None,
    decimal_mark: str | None = None,
) -> ParsedFile:
    """All sheets of a file as landed lines and quarantine.

    Parameters
    ----------
    sheets: at least one, all in the same layout. layouts: the shop's own, by name.
    file_name: for errors. file_version: goes into `source_file`.
    date_format: strptime form of all dates that are text; lines in another are quarantined. None: the layout's, or else
        detected. decimal_mark: likewise, "." or ",".

    Raises
    ------
    InputError: the columns are of no known layout, or of several; a nameless column has values; dates or numbers can be
        read in two ways, or the file has both ways.
    """
    found = []
    for sheet in sheets:
        where = f"{file_name}, sheet '{sheet.name}'," if sheet.name else file_name
        found.append(recognise(sheet.table.column_names, layouts, where))
        if found[-1].columns != found[0].columns:
            raise InputError(
                f"{where} is of layout {found[-1].name}, but sheet '{sheets[0].name}' of {found[0].name}.",
                "Bring them as two files.",
            )
        _refuse_nameless_values(sheet, found[-1], where)
    layout = found[0]
    parsed = _parse(sheets, layout, file_name, file_version, date_format, decimal_mark)
    return ParsedFile(parsed.good, parsed.quarantined, layout.name, layout.profile)
