"""Rows as comma-separated text that a spreadsheet opens without harm.

Belongs here: the text. Does not belong here: which rows, and where they are written.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

# A spreadsheet takes a cell that begins like this for a formula, and would carry out what a customer id says.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Where the comma is the decimal mark, it cuts a line at semicolons too.
FORMULA_AFTER_SEMICOLON = re.compile(r";(?=[=+\-@\t\r])")


def as_csv(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows' columns of these names; what begins like a formula gets an apostrophe before it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return text.getvalue()


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    harmless = FORMULA_AFTER_SEMICOLON.sub(";'", value)
    return f"'{harmless}" if harmless.startswith(FORMULA) else harmless
