"""Months as people write and count them.

Belongs here: reading a month and counting from one to another. Does not belong here: which months can exist
(:mod:`insiders_assets.partitions`).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

_PATTERN = re.compile(r"^([0-9]{4})-(0[1-9]|1[0-2])(-01)?$")


def parse_month(value: Any) -> dt.date:
    """`2011-12` (or a date) as the first day of that month.

    Raises
    ------
    ValueError: the text is not a month written YYYY-MM.
    """
    if isinstance(value, dt.date):
        return dt.date(value.year, value.month, 1)
    match = _PATTERN.match(str(value).strip())
    if not match:
        raise ValueError(f"{value!r} is not a month; write it as YYYY-MM, for example 2011-12")
    return dt.date(int(match[1]), int(match[2]), 1)


def months_between(first: dt.date, last: dt.date) -> int:
    """How many months the last lies after the first."""
    return (last.year - first.year) * 12 + last.month - first.month
