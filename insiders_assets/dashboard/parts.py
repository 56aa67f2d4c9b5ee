"""What pages are put together from: tiles, tables with their CSV, pictures, and the link to the asset behind them.

Belongs here: how things look, and that whatever comes from the warehouse stands as text, never as markup. Does not
belong here: what is shown.

Tables are HTML of our own: a screen reader and a keyboard get through them, which a drawn grid does not allow.
"""

from __future__ import annotations

import base64
import datetime as dt
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import streamlit as st
from markupsafe import Markup, escape

from insiders_assets.contracts.pages import PNG, SVG
from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import BUTTON, Choices
from insiders_assets.domain.messages import Message, say
from insiders_assets.reporting.csv_text import as_csv
from insiders_assets.reporting.files import kind_of

NOTHING = "–"
NO_ROWS = say("There is nothing to show.")
# Held by whoever draws: matplotlib has one state for all threads.
DRAWING = threading.Lock()
TEXT, NAME, PROSE, MONTH, DAY, MOMENT, LINK = "text", "name", "prose", "month", "day", "moment", "link"


@dataclass(frozen=True)
class Tile:
    """A number that is read first: what it is, and beside it what it was.

    key: of the fact, where it is one; asset: where it comes from.
    """

    label: Message
    value: str
    asset: str
    key: str = ""
    beside: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, the name in the rows, and how values are written: a unit of facts, or one of TEXT,
    NAME (of some words), PROSE (a sentence), MONTH, DAY, MOMENT, LINK. `address`: where a LINK leads, by the row; None
    leads nowhere."""

    head: Message
    name: str
    kind: str = TEXT
    address: Callable[[Mapping[str, Any]], str | None] | None = None


def asset_column(choices: Choices, head: Message) -> Column:
    """The column with an asset's name, which leads to it in Dagster."""
    return Column(head, "asset", LINK, lambda row: choices.asset_address(row["asset"]))


def style() -> None:
    """The pages' style sheet, once a page."""
    st.html(f"<style>{resources.files(__package__).joinpath('pages.css').read_text('utf-8')}</style>")


def written(value: Any, kind: str, choices: Choices) -> str:
    """A value as a reader sees it."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return choices.tell(say("yes") if value else say("no"))
    if kind == MONTH:
        return choices.language.short_month(value)
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, dt.date) or kind in (TEXT, NAME, PROSE, LINK):
        return str(value)
    return choices.language.written(value, kind)


def tiles(told: Sequence[Tile], choices: Choices) -> None:
    """Tiles in a row, as many beside each other as fit."""
    parts = [
        Markup(
            '<div class="tile"><dt>{}</dt><dd class="value" data-fact="{}">{}</dd><dd class="beside">{}</dd>{}</div>'
        ).format(choices.tell(tile.label), tile.key, tile.value, tile.beside, _source(tile.asset, choices, "dd"))
        for tile in told
    ]
    st.html(Markup('<dl class="tiles">{}</dl>').format(Markup("").join(parts)))


def table(
    title: Message,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    choices: Choices,
    asset: str,
    name: str,
    *,
    every: Callable[[], Sequence[Mapping[str, Any]]] | None = None,
    shades: Callable[[Mapping[str, Any], Column], int] | None = None,
    note: Message | None = None,
    empty: Message = NO_ROWS,
    more: Sequence[str] = (),
) -> None:
    """A table with its CSV.

    Parameters
    ----------
    name: of the file, without its ending. every: gives the rows of the file where there are more than are shown.
    shades: 0 (none) to 5 of a cell, for a heat map; below zero for the other colour. note: a line under the title.
    empty: what is said where there are no rows. more: columns that only the file has.
    """
    heading, beside = choices.tell(title), choices.tell(note) if note else ""
    if getattr(rows, "truncated", False):
        cut = say("Only the first {count} are here.", count=str(len(rows)))
        beside = f"{beside} {choices.tell(cut)}".strip()
    if not rows:
        st.html(Markup('<h3>{}</h3><p class="quiet">{}</p>').format(heading, choices.tell(empty)))
        return
    head = Markup("").join(
        Markup('<th scope="col" class="{}">{}</th>').format(_side(column), _capital(choices.tell(column.head)))
        for column in columns
    )
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(_cell(column, row, choices, shades) for column in columns))
        for row in rows
    )
    st.html(
        Markup(
            '<h3>{title}</h3><p class="quiet">{note}</p>'
            '<div class="scroll" role="region" aria-label="{title}" tabindex="0">'
            "<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{source}"
        ).format(title=heading, note=beside, head=head, body=body, source=_source(asset, choices, "p"))
    )
    # As they are kept, not as they are written for a reader; the mark lets spreadsheets see that it is UTF-8.
    names = [*(column.name for column in columns), *more]
    st.download_button(
        choices.tell(say("CSV: {title}", title=heading)),
        lambda: as_csv(names, every() if every else rows).encode("utf-8-sig"),
        f"{name}-{choices.month:%Y-%m}.csv",
        "text/csv",
        key=f"{BUTTON}{name}",
        on_click="ignore",
    )


def report_picture(title: Message, shows: Message, choices: Choices, asset: str, name: str) -> None:
    """A picture of the month's report, if it has that one."""
    found = reading.rows(
        "SELECT form, content FROM page_pictures WHERE month = %s AND language = %s AND picture = %s",
        choices.month,
        choices.language.code,
        name,
    )
    for one in found:
        drawn = base64.b64decode(one["content"]) if one["form"] == PNG else one["content"].encode()
        picture(title, shows, choices, asset, drawn)


def picture(title: Message, shows: Message, choices: Choices, asset: str, drawn: bytes | None) -> None:
    """A picture, PNG or SVG, with words for whoever cannot see it; nothing where nothing was drawn."""
    if drawn is None:
        return
    kind = {SVG: "svg+xml", PNG: "png"}[kind_of(drawn)]
    st.html(
        Markup('<figure><h3>{title}</h3><img alt="{shows}" src="{address}">{source}</figure>').format(
            title=choices.tell(title),
            shows=choices.tell(shows),
            address=f"data:image/{kind};base64,{base64.b64encode(drawn).decode()}",
            source=_source(asset, choices, "p"),
        )
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _cell(
    column: Column,
    row: Mapping[str, Any],
    choices: Choices,
    shades: Callable[[Mapping[str, Any], Column], int] | None,
) -> Markup:
    words = escape(written(row[column.name], column.kind, choices))
    address = column.address(row) if column.kind == LINK and column.address else None
    if address:
        words = Markup('<a href="{}" target="_self">{}</a>').format(address, words)
    shade = shades(row, column) if shades else 0
    marked = f" {'above' if shade > 0 else 'below'}{abs(shade)}" if shade else ""
    return Markup('<td class="{}{}">{}</td>').format(_side(column), marked, words)


def _side(column: Column) -> str:
    if column.kind in (NAME, PROSE):
        return column.kind
    return "words" if column.kind in (TEXT, LINK, MONTH, DAY, MOMENT) else "number"


def _source(asset: str, choices: Choices, element: str) -> Markup:
    """Which asset a figure comes from, with a link to it in Dagster."""
    address, tag = choices.asset_address(asset), Markup(element)
    if address is None:
        return Markup('<{tag} class="source">{asset}</{tag}>').format(tag=tag, asset=asset)
    return Markup(
        '<{tag} class="source"><a href="{address}" target="_blank" rel="noopener">{asset}</a></{tag}>'
    ).format(tag=tag, address=address, asset=asset)
