"""Dates: a column's cells as moments, native or text, in stated forms or in the order that the file proves.

Belongs here: forms of dates and times, which of day and month comes first, and the reason where a cell is no date. Does
not belong here: other kinds of cells (:mod:`.cells`), and what lines are made of them (:mod:`.parsing`).

Day or month first: the whole file decides, by dates that only one of the two readings can explain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.contracts.table import TIMESTAMP
from insiders_assets.domain.cells import Distinct
from insiders_assets.domain.layouts import Layout
from insiders_assets.errors import InputError

FIRST_YEAR, LAST_YEAR = 1900, 2200

_FORMAT_REMEDY = 'A format looks like "%d/%m/%Y %H:%M".'
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?:(?:[ T]\s*|,\s+)(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
_DATE = (
    r"^(?:(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"
    r"|(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<ab>\d{4}|\d{2})"
    r"|(?P<e>\d{1,2})[-/. ]+(?P<name>[A-Za-z]{3,9})[-/., ]+(?P<ey>\d{4}|\d{2}))"
    rf"{_TIME}\s*(?P<p>[AaPp]\.?[Mm]\.?)?\s*(?:Z|[+-]\d{{2}}:?\d{{2}})?)?$"
)


def read_dates(column: Distinct, layout: Layout, given: str | None, file_name: str) -> tuple[pa.Array, pa.Array]:
    """Timestamps (us) per line, and why there is none."""
    kind = column.values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        values = pc.local_timestamp(column.values) if getattr(kind, "tz", None) else column.values
        years = pc.year(values)
    else:
        formats = (given,) if given else layout.date_formats
        moments = _in_formats(column.texts, formats) if formats else _detected(column, layout, file_name)
        values = pa.array(moments.astype("datetime64[us]"), from_pandas=True)
        years = pc.year(values)
    inside = pc.and_(pc.greater_equal(years, FIRST_YEAR), pc.less_equal(years, LAST_YEAR))
    complaint = pc.case_when(
        pc.make_struct(pc.is_null(inside), pc.invert(inside)),
        pa.scalar(f"{column.title} is not a date"),
        pa.scalar(f"{column.title} is not between {FIRST_YEAR} and {LAST_YEAR}"),
    )
    return column.judged(pc.cast(pc.if_else(inside, values, None), TIMESTAMP, safe=False), complaint)


def _in_formats(texts: pa.Array, formats: Sequence[str]) -> np.ndarray:
    """Dates in the first of the strptime forms that fits, else NaT."""
    # A sheet that mixes dates and text gives its real dates in this form, whatever the form of the text.
    native = () if any(form.startswith("%Y") for form in formats) else ("%Y-%m-%d %H:%M:%S",)
    series, result = texts.to_pandas(), None
    for form in (*formats, *native):
        try:
            parsed = pd.to_datetime(series, format=form, errors="coerce")
            parsed = parsed.dt.tz_localize(None).astype("datetime64[us]")
        except (ValueError, AttributeError) as wrong:
            raise InputError(f"'{form}' is not a date format that can be used: {wrong}.", _FORMAT_REMEDY) from None
        result = parsed if result is None else result.fillna(parsed)
    assert result is not None
    return result.to_numpy()


def _detected(column: Distinct, layout: Layout, file_name: str) -> np.ndarray:
    """Dates year first, with a named month, or in numbers whose order the file proves; NaT where there is no date."""
    month_first, day_first = _both_readings(column.texts)
    only_month, only_day = ~np.isnat(month_first) & np.isnat(day_first), np.isnat(month_first) & ~np.isnat(day_first)
    differ = ~np.isnat(month_first) & ~np.isnat(day_first) & (month_first != day_first)
    month, day, either = (column.example(chosen) for chosen in (only_month, only_day, differ))
    if month and day:
        raise InputError(
            f"{file_name} has dates in both orders: {month[1]} can only be month first, {day[1]} only day first.",
            f'Say which one holds, --date-format "{_form_of(month[0], "m", "d")}" or --date-format '
            f'"{_form_of(day[0], "d", "m")}"; the lines in the other go to quarantine.',
        )
    if either and not month and not day:
        if not (presumed := _presumed(column, layout)):
            raise InputError(
                f"{column.title} of {file_name} can be read day first or month first, for example {either[1]}; "
                "no line proves either.",
                f'Say which, --date-format "{_form_of(either[0], "m", "d")}" or '
                f'--date-format "{_form_of(either[0], "d", "m")}".',
            )
        return month_first if presumed == "month" else day_first
    return day_first if day else month_first


def _presumed(column: Distinct, layout: Layout) -> str | None:
    """Which comes first where the file proves nothing, "month" or "day", if the layout has an opinion that fits."""
    form = layout.presumed_date_format
    if not form:
        return None
    padded = pc.match_substring_regex(column.texts, r"^0\d[-/.]\d{1,2}[-/.]|^\d{1,2}[-/.]0\d[-/.]")
    if "%-" in form and pc.any(padded).as_py():
        return None
    return "month" if form.replace("-", "").find("%m") < form.replace("-", "").find("%d") else "day"


def _both_readings(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Each text as a date, once with the month first and once the day, where that is open; NaT where impossible."""
    groups = pc.extract_regex(texts, _DATE)
    matched = pc.is_valid(groups).to_numpy(zero_copy_only=False)

    def text(name: str) -> pa.Array:
        return pc.fill_null(pc.struct_field(groups, name), "")

    def number(digits: pa.Array) -> np.ndarray:
        return pc.cast(pc.if_else(pc.equal(digits, ""), "0", digits), pa.int64()).to_numpy()

    def is_true(condition: pa.Array) -> np.ndarray:
        return condition.to_numpy(zero_copy_only=False)

    short = pc.binary_join_element_wise(text("ab"), text("ey"), "")
    year = number(text("y")) + number(short)
    year += is_true(pc.equal(pc.utf8_length(short), 2)) * np.where(year < 69, 2000, 1900)
    months = pc.index_in(pc.utf8_slice_codeunits(pc.utf8_lower(text("name")), 0, 3), pa.array(_MONTHS))
    month, day = (
        number(text("m")) + pc.fill_null(pc.add(months, 1), 0).to_numpy(),
        number(text("d")) + number(text("e")),
    )

    hour, minute, second = (number(text(name)) for name in "HMS")
    half = pc.utf8_lower(pc.utf8_slice_codeunits(text("p"), 0, 1))
    on_the_clock = is_true(pc.not_equal(half, ""))
    possible = matched & (minute < 60) & (second < 60) & np.where(on_the_clock, (hour >= 1) & (hour <= 12), hour < 24)
    hour = np.where(on_the_clock, hour % 12 + 12 * is_true(pc.equal(half, "p")), hour)
    micro = number(pc.utf8_slice_codeunits(pc.utf8_rpad(text("f"), 6, "0"), 0, 6))
    time = (((hour * 60 + minute) * 60 + second) * 1_000_000 + micro).astype("timedelta64[us]")

    def reading(months: np.ndarray, days: np.ndarray) -> np.ndarray:
        there = possible & (months >= 1) & (months <= 12) & (days >= 1)
        first = np.where(there, (year - 1970) * 12 + months - 1, 0).astype("datetime64[M]")
        date = first.astype("datetime64[D]") + np.where(there, days - 1, 0)
        there &= date.astype("datetime64[M]") == first
        return np.where(there, date.astype("datetime64[us]") + time, np.datetime64("NaT"))

    a, b = number(text("a")), number(text("b"))
    return reading(month + a, day + b), reading(month + b, day + a)


def _form_of(text: str, first: str, second: str) -> str:
    """The strptime form of a numeric date, with the directives `first` and `second` in front."""

    def date(match: re.Match[str]) -> str:
        return f"%{first}{match[1]}%{second}{match[2]}%{'Y' if len(match[3]) == 4 else 'y'}"

    form = re.sub(r"^\d+([-/.])\d+([-/.])(\d+)", date, text)
    form = re.sub(r"\d+:\d+", "%H:%M", re.sub(r"\d+:\d+:\d+", "%H:%M:%S", form))
    half_days = re.sub(r"[AaPp][Mm]$", "%p", form.replace("%H", "%I"))
    return half_days if half_days.endswith("%p") else form
