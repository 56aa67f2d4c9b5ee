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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.contracts.lines import LANDED_LINES, QUARANTINE
from insiders_assets.contracts.table import MONEY, TIMESTAMP
from insiders_assets.domain.layouts import AMOUNTS, BUILT_IN, MAPPABLE, CreditNotes, Layout, is_nameless, recognise
from insiders_assets.errors import InputError

LIMIT = Decimal(10) ** (MONEY.precision - MONEY.scale)
FIRST_YEAR, LAST_YEAR = 1900, 2200
NO_CUSTOMER = ("nan", "null", "none", "<na>")

_EXACT, _UNIT, _TWENTY_DECIMALS = Context(prec=60), Decimal("1e-4"), Decimal("1e-20")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?:(?:[ T]\s*|,\s+)(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
_DATE = (
    r"^(?:(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"
    r"|(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<ab>\d{4}|\d{2})"
    r"|(?P<e>\d{1,2})[-/. ]+(?P<name>[A-Za-z]{3,9})[-/., ]+(?P<ey>\d{4}|\d{2}))"
    rf"{_TIME}\s*(?P<p>[AaPp]\.?[Mm]\.?)?\s*(?:Z|[+-]\d{{2}}:?\d{{2}})?)?$"
)
# As many decimals as a float can show, and room for exact products and quotients of two.
_EXACT_NUMBER = pa.decimal256(34, 20)
_GROUPING = {".": ", '’\u00a0\u202f", ",": ". '’\u00a0\u202f"}
_NUMBER = {
    mark: rf"^[+-]?(?:(?:[1-9]\d{{0,2}}(?:[{grouping}]\d{{3}})+|\d+)(?:[{mark}]\d*)?|[{mark}]\d+)"
    r"(?:[eE][+-]?\d{1,3})?$"
    for mark, grouping in _GROUPING.items()
}


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


def parse_sheet(
    table: pa.Table,
    line_numbers: pa.Array,
    layout: Layout,
    *,
    file_name: str,
    file_version: str,
    sheet: str,
    date_format: str | None = None,
    decimal_mark: str | None = None,
) -> Parsed:
    """One sheet, its layout known, as :func:`parse_file` does it; the sheet alone decides order and mark."""
    only = _OneSheet(sheet, table, line_numbers)
    return _parse([only], layout, file_name, file_version, date_format, decimal_mark)


@dataclass(frozen=True)
class _OneSheet:
    name: str
    table: pa.Table
    line_numbers: pa.Array
    ragged: tuple[tuple[int, str, str], ...] = ()


def _refuse_nameless_values(sheet: SheetOfCells, layout: Layout, where: str) -> None:
    listed = () if layout in BUILT_IN else layout.ignored
    for number, (name, column) in enumerate(zip(sheet.table.column_names, sheet.table.columns, strict=True), 1):
        if not is_nameless(name) or name in listed:
            continue
        if {str(value).strip() for value in column.unique().to_pylist()} - {"", "None", "nan"}:
            raise InputError(
                f"{where} has values in column {number}, which has no name ('{name}').",
                "Give the column a name and list it under `ignored` of a layout in insiders.toml, or empty it.",
            )


def _parse(
    sheets: Sequence[SheetOfCells],
    layout: Layout,
    file_name: str,
    file_version: str,
    date_format: str | None,
    decimal_mark: str | None,
) -> Parsed:
    names = pa.concat_arrays([pa.repeat(pa.scalar(sheet.name), sheet.table.num_rows) for sheet in sheets])
    lines = pa.concat_arrays([sheet.line_numbers.cast(pa.int64()) for sheet in sheets])
    column = {name: _distinct(sheets, layout, name, names, lines) for name in MAPPABLE}

    text = {name: column[name].spread(_identifier(column[name].texts)) for name in ("invoice_no", "stock_code")}
    text |= {name: column[name].spread(column[name].texts) for name in ("description", "country")}
    customers = _identifier(column["customer_id"].texts)
    nobody = pc.is_in(pc.utf8_lower(customers), pa.array(NO_CUSTOMER))
    text["customer_id"] = column["customer_id"].spread(pc.if_else(nobody, None, customers))

    invoiced_at, not_a_date = _dates(column["invoiced_at"], layout, date_format, file_name)
    counted = [name for name in ("quantity", *AMOUNTS) if name in layout.columns]
    read = _numbers([column[name] for name in counted], decimal_mark or layout.decimal_mark, file_name)
    numbers = {name: values for name, (values, _) in zip(counted, read, strict=True)}
    quantity, price, amount = _money(numbers, text["invoice_no"], layout)

    missing = pa.scalar(f"{layout.columns['invoice_no']} is missing")
    no_invoice = pc.if_else(pc.is_null(text["invoice_no"]), missing, pa.scalar(None, pa.string()))
    not_numbers = [complaint for _, complaint in read]
    reason = pc.coalesce(no_invoice, not_a_date, *not_numbers, _too_large(price, amount, layout))
    good = pc.is_null(reason)
    values = {
        **{"source_file": pa.repeat(pa.scalar(file_version), len(lines)), "source_sheet": names, "source_line": lines},
        **{"invoiced_at": invoiced_at, "quantity": quantity, "unit_price": price, "line_amount": amount},
        **text,
    }
    schema = LANDED_LINES.arrow_schema
    landed = pa.table([pc.filter(values[field.name], good).cast(field.type) for field in schema], schema=schema)
    return Parsed(landed, _quarantined(sheets, reason, file_version))


def _money(numbers: dict[str, pa.Array], invoices: pa.Array, layout: Layout) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Quantity, unit price and line amount (four decimals); of the latter two, what the file lacks is computed.

    Product and quotient are of all the decimals that the file has, and rounded half away from zero at the end.
    """
    quantity, price, amount = _rounded(numbers["quantity"]), numbers.get("unit_price"), numbers.get("line_amount")
    if isinstance(layout.returns, CreditNotes):
        returned = pc.fill_null(pc.starts_with(invoices, layout.returns.invoice_prefix), False)
        quantity = pc.if_else(returned, pc.negate(quantity), quantity)
        amount = None if amount is None else pc.if_else(returned, pc.negate(amount), amount)
    if price is None:
        price = pc.divide(amount, pc.if_else(pc.equal(quantity, 0), None, quantity))
    if amount is None:
        amount = pc.multiply(quantity, price)
    return quantity, _rounded(price), _rounded(amount)


def _rounded(values: pa.Array) -> pa.Array:
    return pc.round(values, MONEY.scale, round_mode="half_towards_infinity").cast(pa.decimal256(34, MONEY.scale))


def _too_large(price: pa.Array, amount: pa.Array, layout: Layout) -> pa.Array:
    """Why lines whose numbers are well have no price or amount that the contract can hold; null where they do."""
    quantity, unit_price, stated = (layout.columns.get(name) for name in ("quantity", *AMOUNTS))
    return pc.case_when(
        pc.make_struct(pc.is_null(price), _beyond(price), _beyond(amount)),
        pa.scalar(f"{stated} cannot be divided by {quantity}, which is zero"),
        pa.scalar(f"{stated} divided by {quantity} is too large"),
        pa.scalar(f"{quantity} times {unit_price} is too large"),
    )


def _beyond(values: pa.Array) -> pa.Array:
    return pc.fill_null(pc.greater_equal(pc.abs(values), pa.scalar(LIMIT)), False)


def _quarantined(sheets: Sequence[SheetOfCells], reason: pa.Array, file_version: str) -> pa.Table:
    """The lines that have a reason, and the ragged ones (their text under the name "line"), by sheet and line."""
    rows, start = [], 0
    for sheet in sheets:
        reasons = reason.slice(start, sheet.table.num_rows)
        start += sheet.table.num_rows
        bad = pc.is_valid(reasons)
        cells = {name: sheet.table.column(i).filter(bad) for i, name in enumerate(sheet.table.column_names) if name}
        texts = [_as_text(column).to_pylist() for column in cells.values()]
        contents = (
            json.dumps(dict(zip(cells, row, strict=True)), ensure_ascii=False) for row in zip(*texts, strict=True)
        )
        lines = zip(sheet.line_numbers.filter(bad).to_pylist(), reasons.filter(bad).to_pylist(), contents, strict=True)
        rows += [(sheet.name, *line) for line in lines]
        rows += [(sheet.name, n, why, json.dumps({"line": raw}, ensure_ascii=False)) for n, raw, why in sheet.ragged]
    rows.sort(key=lambda row: row[:2])
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    arrays = [[file_version] * len(rows), *map(list, columns)]
    return pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip(arrays, QUARANTINE.arrow_schema, strict=True)],
        schema=QUARANTINE.arrow_schema,
    )


# From here on: values out of cells, one column at a time, whatever the column is for.


@dataclass(frozen=True)
class _Distinct:
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


def _distinct(
    sheets: Sequence[SheetOfCells], layout: Layout, name: str, sheet_names: pa.Array, line_numbers: pa.Array
) -> _Distinct:
    title = layout.columns.get(name, "").strip()
    columns = []
    for sheet in sheets:
        folded = [column.strip().casefold() for column in sheet.table.column_names]
        absent = pa.chunked_array([pa.nulls(sheet.table.num_rows, pa.string())])
        columns.append(sheet.table.column(folded.index(title.casefold())) if title else absent)
    types = {column.type for column in columns if column.type != pa.null()}
    kind = types.pop() if len(types) == 1 else pa.string()
    columns = [column if column.type == kind else _as_text(column) for column in columns]
    encoded = pa.chunked_array([chunk for column in columns for chunk in column.chunks], kind).combine_chunks()
    encoded = encoded.dictionary_encode()
    texts = pc.replace_substring(_as_text(encoded.dictionary), "\0", "")
    if name != "description":
        texts = pc.replace_substring_regex(texts, r"^[\pZ\pC\s]+|[\pZ\pC\s]+$", "")
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    return _Distinct(title, encoded.dictionary, texts, encoded.indices, sheet_names, line_numbers)


def _as_text(values: pa.Array) -> pa.Array:
    """Native values as text: whole floats without decimals, others in their shortest form, times to the second."""
    if pa.types.is_floating(values.type):
        whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 2.0**53))
        integers = pc.cast(pc.if_else(whole, values, 0), pa.int64())
        return pc.if_else(whole, pc.cast(integers, pa.string()), pc.cast(values, pa.string()))
    if pa.types.is_timestamp(values.type):
        values = pc.cast(values, pa.timestamp("s"), safe=False)
    return pc.cast(values, pa.string())


def _identifier(texts: pa.Array) -> pa.Array:
    """Text ids on one line; whole numbers that went through a float without its decimals (12583.0: 12583)."""
    return pc.replace_substring(pc.replace_substring_regex(texts, r"^(-?\d+)\.0+$", r"\1"), "\n", " ")


def _dates(column: _Distinct, layout: Layout, given: str | None, file_name: str) -> tuple[pa.Array, pa.Array]:
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


_FORMAT_REMEDY = 'A format looks like "%d/%m/%Y %H:%M".'


def _detected(column: _Distinct, layout: Layout, file_name: str) -> np.ndarray:
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


def _presumed(column: _Distinct, layout: Layout) -> str | None:
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


def _numbers(columns: Sequence[_Distinct], given: str | None, file_name: str) -> list[tuple[pa.Array, pa.Array]]:
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


def _proven_mark(column: _Distinct, file_name: str) -> str | None:
    """The decimal mark without which some number of the column cannot be explained; None: both explain them all."""
    point, comma, _ = _readable(column.texts)
    by_point, by_comma = column.example(point & ~comma), column.example(comma & ~point)
    if by_point and by_comma:
        raise InputError(
            f"{column.title} of {file_name} has both decimal points, {by_point[1]}, and decimal commas, {by_comma[1]}.",
            'Say which holds, --decimal-mark "." or --decimal-mark ","; the lines with the other go to quarantine.',
        )
    return "." if by_point else "," if by_comma else None


def _exact(column: _Distinct, mark: str) -> tuple[pa.Array, pa.Array]:
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
