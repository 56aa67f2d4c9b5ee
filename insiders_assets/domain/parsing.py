"""Parsing: the cells of a file, in whatever layout, as landed lines; what breaks the contract, as quarantine.

Belongs here: what a line is made of, what is computed where the file lacks it, and the reason when a line cannot be
used. Does not belong here: values out of cells (:mod:`.cells`, :mod:`.dates`), reading files
(``storage.source_files``), which column is which (``layouts``), dropping lines that are well-formed but unwanted (the
cleaning rules do that, later), overlap between files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.contracts.lines import LANDED_LINES, QUARANTINE
from insiders_assets.contracts.table import MONEY
from insiders_assets.domain.cells import LIMIT, SheetOfCells, as_identifiers, as_text, distinct_values, read_numbers
from insiders_assets.domain.dates import read_dates
from insiders_assets.domain.layouts import AMOUNTS, BUILT_IN, MAPPABLE, CreditNotes, Layout, is_nameless, recognise
from insiders_assets.errors import InputError

NO_CUSTOMER = ("nan", "null", "none", "<na>")


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
    column = {name: distinct_values(sheets, layout, name, names, lines) for name in MAPPABLE}

    text = {name: column[name].spread(as_identifiers(column[name].texts)) for name in ("invoice_no", "stock_code")}
    text |= {name: column[name].spread(column[name].texts) for name in ("description", "country")}
    customers = as_identifiers(column["customer_id"].texts)
    nobody = pc.is_in(pc.utf8_lower(customers), pa.array(NO_CUSTOMER))
    text["customer_id"] = column["customer_id"].spread(pc.if_else(nobody, None, customers))

    invoiced_at, not_a_date = read_dates(column["invoiced_at"], layout, date_format, file_name)
    counted = [name for name in ("quantity", *AMOUNTS) if name in layout.columns]
    read = read_numbers([column[name] for name in counted], decimal_mark or layout.decimal_mark, file_name)
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
        texts = [as_text(column).to_pylist() for column in cells.values()]
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
