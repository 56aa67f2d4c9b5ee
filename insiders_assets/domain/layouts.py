"""Layouts: which column of a shop's file is which, and how the file writes dates, numbers and returns.

Belongs here: the description of a layout, the three in which the UCI invoices circulate, and recognising a file by its
header. Does not belong here: reading files (``storage.source_files``) and making values of text (``parsing``).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from insiders_assets.errors import InputError

REQUIRED = ("invoice_no", "quantity", "invoiced_at", "customer_id")
AMOUNTS = ("unit_price", "line_amount")
OPTIONAL = ("stock_code", "description", "country")
MAPPABLE = (*REQUIRED, *AMOUNTS, *OPTIONAL)

# What spreadsheets and pandas call a column that has no name.
_NAMELESS = re.compile(r"^(unnamed: \d+(_level_\d+)?)?$")


def _fold(column: str) -> str:
    return column.strip().casefold()


class CreditNotes(BaseModel):
    """Returns are the lines of invoices whose number begins with `invoice_prefix`; quantities there are positive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    invoice_prefix: Annotated[str, Field(min_length=1)]


class Layout(BaseModel):
    """How one kind of file is written.

    Parameters
    ----------
    name: what the ledger calls the layout; a layout of `insiders.toml` takes the name of its table.
    columns: contract name -> name of the file's column. Needed: invoice_no, quantity, invoiced_at, customer_id and
        unit_price or line_amount; stock_code, description and country may be left out.
    ignored: columns that may be there and are not read. Nameless columns without values need not be listed.
    date_formats: strptime forms; a date in none of them goes to quarantine. Empty: the form is detected.
    presumed_date_format: for detection only, the order of day and month where the file does not prove it. ``%-m`` and
        ``%-d`` stand for numbers without leading zero, and then hold only for a file that has no leading zeros.
    encoding: tried on text files after UTF-8.
    returns: "negative_quantity", or ``{"invoice_prefix": "C"}`` where credit notes carry positive quantities (and
        amounts), which are then negated.
    decimal_mark: None: detected.
    profile: cleaning profile that goes with the layout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    columns: dict[str, str]
    ignored: tuple[str, ...] = ()
    date_formats: tuple[str, ...] = ()
    presumed_date_format: str | None = None
    encoding: str = "utf-8"
    returns: Literal["negative_quantity"] | CreditNotes = "negative_quantity"
    decimal_mark: Literal[".", ","] | None = None
    profile: str | None = None

    @field_validator("columns")
    @classmethod
    def _columns_are_a_line(cls, columns: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(set(columns) - set(MAPPABLE)):
            raise ValueError(f"{', '.join(unknown)}: no such name; a layout maps {', '.join(MAPPABLE)}")
        if missing := [name for name in REQUIRED if name not in columns]:
            raise ValueError(f"the layout does not say which column is {', '.join(missing)}")
        if not any(name in columns for name in AMOUNTS):
            raise ValueError("the layout needs the column of unit_price or of line_amount")
        folded = [_fold(column) for column in columns.values()]
        if twice := sorted({column for column in columns.values() if folded.count(_fold(column)) > 1}):
            raise ValueError(f"column {', '.join(twice)} is mapped twice")
        return columns

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, encoding: str) -> str:
        try:
            "".encode(encoding)  # also refuses codecs that are not of text, such as base64
            return codecs.lookup(encoding).name
        except LookupError:
            raise ValueError(f"{encoding!r} is not the name of an encoding, as utf-8 or cp1252 are") from None

    @field_validator("date_formats")
    @classmethod
    def _formats_have_directives(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [form for form in formats if "%" not in form]:
            raise ValueError(f'{wrong[0]!r} is not a date format, as "%d/%m/%Y %H:%M" is')
        return formats


_UCI_352 = {
    "invoice_no": "InvoiceNo",
    "stock_code": "StockCode",
    "description": "Description",
    "quantity": "Quantity",
    "invoiced_at": "InvoiceDate",
    "unit_price": "UnitPrice",
    "customer_id": "CustomerID",
    "country": "Country",
}
_UCI_502 = {**_UCI_352, "invoice_no": "Invoice", "unit_price": "Price", "customer_id": "Customer ID"}

# The published csv has 12/1/2010 8:26, and its last days (12/1 to 12/9/2011) prove no order when landed alone.
_UCI_DATE = "%-m/%-d/%Y %H:%M"

BUILT_IN = (
    Layout(name="uci_352", columns=_UCI_352, presumed_date_format=_UCI_DATE, profile="uci"),
    Layout(name="uci_502", columns=_UCI_502, presumed_date_format=_UCI_DATE, profile="uci"),
    Layout(
        name="kaggle_ecommerce",
        columns=_UCI_352,
        ignored=("Unnamed: 8", ""),
        presumed_date_format=_UCI_DATE,
        encoding="iso8859-1",
        profile="uci",
    ),
)


def known_layouts(layouts: Mapping[str, Layout]) -> tuple[Layout, ...]:
    """The shop's own layouts, each with a name, and after them the built-in ones."""
    own = (layout if layout.name else layout.model_copy(update={"name": name}) for name, layout in layouts.items())
    return (*own, *BUILT_IN)


def encodings(layouts: Mapping[str, Layout]) -> tuple[str, ...]:
    """Encodings to try on a text file, in order: UTF-8, those of the shop's layouts, those of the built-in ones."""
    return tuple(dict.fromkeys(("utf-8", *(layout.encoding for layout in known_layouts(layouts)))))


def is_known(columns: Sequence[str], layouts: Mapping[str, Layout]) -> bool:
    """Whether a header is that of a layout, own or built-in."""
    known = (*known_layouts(layouts), *(_present_part(columns, layout) for layout in BUILT_IN))
    return any(_fits(columns, layout) for layout in known)


def is_nameless(column: str) -> bool:
    """Whether a column has no name of its own: an empty header, or `Unnamed: 8`."""
    return _NAMELESS.match(_fold(column)) is not None


def recognise(columns: Sequence[str], layouts: Mapping[str, Layout], file_name: str) -> Layout:
    """The layout whose columns are those of the header, whatever their order, case and outer blanks.

    A shop's own layout wins over a built-in one; among built-in ones the one that expects the most of the file's
    nameless columns. A built-in one may lack optional columns; of an own one, which says what the shop's files have, a
    missing column is an error. Whether nameless columns are empty is for the caller to check: he has the values.

    Parameters
    ----------
    columns: header of the file. layouts: the shop's own, by name. file_name: for the error.

    Raises
    ------
    InputError: no layout fits, with the missing and the unknown columns beside the closest one; or two columns bear
        the same name.
    """
    folded = [_fold(column) for column in columns if not is_nameless(column)]
    if twice := sorted({column for column in columns if folded.count(_fold(column)) > 1}):
        raise InputError(f"{file_name} has more than one column {_listed(twice)}.", "Rename or remove one of them.")
    own, built_in = known_layouts(layouts)[: len(layouts)], BUILT_IN
    for candidates in (own, built_in, [_present_part(columns, layout) for layout in built_in]):
        if fitting := [layout for layout in candidates if _fits(columns, layout)]:
            return min(fitting, key=lambda layout: len(_unexpected(columns, layout)))
    closest = max((*own, *built_in), key=lambda layout: _closeness(columns, layout))
    told = []
    needed = [column for name, column in closest.columns.items() if name not in OPTIONAL or closest in own]
    if missing := [column for column in needed if _fold(column) not in folded]:
        told.append(f"missing: {_listed(missing)}")
    if unknown := _unknown(columns, closest):
        told.append(f"unknown: {_listed(unknown)}")
    raise InputError(
        f"{file_name} has the columns of no known layout; beside the closest, {closest.name}, {'; '.join(told)}.",
        "Rename the columns, or add a layout to insiders.toml (line_amount may stand in for unit_price), in one line: "
        f"{_example(columns, closest)}",
    )


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f"'{column.strip()}'" for column in columns)


def _unexpected(columns: Sequence[str], layout: Layout) -> list[str]:
    expected = {_fold(column) for column in (*layout.columns.values(), *layout.ignored)}
    return [column for column in columns if _fold(column) not in expected]


def _unknown(columns: Sequence[str], layout: Layout) -> list[str]:
    return [column for column in _unexpected(columns, layout) if not is_nameless(column)]


def _fits(columns: Sequence[str], layout: Layout) -> bool:
    present = {_fold(column) for column in columns}
    return all(_fold(column) in present for column in layout.columns.values()) and not _unknown(columns, layout)


def _present_part(columns: Sequence[str], layout: Layout) -> Layout:
    """The layout without the optional columns that a header lacks."""
    present = {_fold(column) for column in columns}
    kept = {n: column for n, column in layout.columns.items() if n not in OPTIONAL or _fold(column) in present}
    return layout.model_copy(update={"columns": kept})


def _closeness(columns: Sequence[str], layout: Layout) -> tuple[int, int]:
    present = {_fold(column) for column in columns}
    return sum(_fold(column) in present for column in layout.columns.values()), -len(_unknown(columns, layout))


def _example(columns: Sequence[str], closest: Layout) -> str:
    """A layout in one line of TOML, filled in as far as the header is understood; dots stand for what is missing."""
    present = {_fold(column): column.strip() for column in columns}
    found = {name: present.get(_fold(column)) for name, column in closest.columns.items()}
    pairs = (f'{name} = "{found[name] or "..."}"' for name in closest.columns if found[name] or name not in OPTIONAL)
    ignored = ", ".join(f'"{column.strip()}"' for column in _unknown(columns, closest)) if all(found.values()) else ""
    return f"layouts.my_shop = {{ columns = {{ {', '.join(pairs)} }}{f', ignored = [{ignored}]' if ignored else ''} }}"
