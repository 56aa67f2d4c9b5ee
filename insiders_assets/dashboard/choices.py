"""What a reader has chosen: month, month to compare with, language, and of what shares are taken.

Belongs here: the selectors and the address that holds them. Does not belong here: what a page does with them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from insiders_assets.contracts.catalogue import TABLES_BY_MONTH
from insiders_assets.dashboard import reading
from insiders_assets.domain.facts.members import BASES
from insiders_assets.domain.messages import Message, say
from insiders_assets.reporting.language import ENGLISH, LANGUAGES, Language

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

NAMES = {ENGLISH: "English", "pt-BR": "Português (Brasil)"}
# BASES in the few words that a selector has room for; a page's head says them whole.
IN_SHORT = {
    "clusterable": say("of clusterable customers"),
    "identified": say("of identified customers"),
    "all": say("of all, guests included"),
}
# The one asset whose parts are files.
LANDED = "landed_invoices"
# Names in the address: a page with its choices can be sent to somebody.
MONTH, BEFORE, LANGUAGE, BASE = "month", "before", "lang", "of"
LONGEST_TEXT = 100
# How the keys of buttons begin: what was pressed cannot be chosen beforehand.
BUTTON = "csv-"
Words = Callable[[str], str]


@dataclass(frozen=True)
class Choices:
    """What the pages are told. `before` is None where there is no earlier month; `base` is a key of BASES."""

    month: dt.date
    before: dt.date | None
    language: Language
    base: str
    currency: str
    dagster: str | None

    def tell(self, message: Message | str) -> str:
        """A message in the reader's language."""
        return self.language.tell(message)

    def asset_address(self, asset: str) -> str | None:
        """Where Dagster shows an asset, and of it the month; None for what is none, or where Dagster has no address."""
        if not self.dagster or asset not in (*TABLES_BY_MONTH, LANDED):
            return None
        month = f"?view=partitions&partition={self.month}" if asset in TABLES_BY_MONTH else ""
        return f"{self.dagster}/assets/{asset}{month}"

    def in_language(self, row: Mapping[str, Any], column: str) -> str | None:
        """A column that a table has in both languages: `column_en` (or plain `column`) and `column_pt`."""
        if self.language.code == ENGLISH:
            return row.get(f"{column}_en", row.get(column))
        return row.get(f"{column}_pt") or row.get(column)


def typed(text: str) -> str:
    """What somebody has typed or an address holds, without what no text of PostgreSQL can hold."""
    return text.replace("\0", "").strip()


def keep() -> None:
    """Hold on to what was chosen, though this look may draw no selector of it: another page does, or the database is
    away. Streamlit forgets what is not drawn, and on the way to another page it leaves the address bare."""
    for name in (MONTH, BEFORE, BASE):
        if name not in st.session_state and name in st.query_params:
            st.session_state[name] = st.query_params[name]
    for name in map(str, [*st.session_state]):
        if not name.startswith(BUTTON):
            st.session_state[name] = st.session_state[name]
    _remember()


def kept_text(place: DeltaGenerator, label: str, name: str) -> str:
    """Draw a box for text, which stays in the address."""
    if name not in st.session_state:
        st.session_state[name] = typed(st.query_params.get(name, ""))[:LONGEST_TEXT]
    text = typed(place.text_input(label, key=name, max_chars=LONGEST_TEXT))
    _write(name, text)
    return text


def kept_choice(place: DeltaGenerator, label: str, options: Sequence[str], words: Words, name: str) -> str:
    """Draw a selector of one, which stays in the address."""
    _from_address(name, options)
    chosen = place.selectbox(label, options, format_func=words, key=name)
    _write(name, chosen)
    return chosen


def kept_choices(
    place: DeltaGenerator, label: str, options: Sequence[str], words: Words, name: str, choices: Choices, nothing: str
) -> list[str]:
    """Draw a selector of several, which stays in the address; `nothing` is what stands there without a choice.

    Each language has one of its own, since Streamlit keeps the words of what was chosen.
    """
    code, drawn_in = choices.language.code, f"{name}.in"
    key = f"{name}.{code}"
    if key in st.session_state and st.session_state.get(drawn_in) == code:
        asked = st.session_state[key]
    else:
        asked = st.session_state.get(name, st.query_params.get(name, "").split(","))
    # What another month has and this one has not is let go: Streamlit has no word for it.
    st.session_state[key] = [one for one in options if one in asked]
    chosen = place.multiselect(label, options, format_func=words, key=key, placeholder=nothing)
    st.session_state[name], st.session_state[drawn_in] = chosen, code
    _write(name, ",".join(chosen))
    return chosen


def chosen_language() -> Language:
    """The language, before anything is drawn: the page's own names are said in it."""
    # Written at every look: what a selector of another page has written goes with that page.
    asked = st.session_state.get(LANGUAGE, st.query_params.get(LANGUAGE, ENGLISH))
    st.session_state[LANGUAGE] = asked if asked in LANGUAGES else ENGLISH
    return Language(st.session_state[LANGUAGE])


def choose(months: Sequence[dt.date], language: Language) -> Choices:
    """Draw the selectors at the side; `months` are those that have a report, the last one first."""
    tell, side = language.tell, st.sidebar
    side.selectbox(tell(say("Language")), LANGUAGES, format_func=lambda code: NAMES[code], key=LANGUAGE)
    month = _month(MONTH, tell(say("Month")), months, language)
    earlier = [one for one in months if one < month]
    before = _month(BEFORE, tell(say("Compare with")), earlier, language) if earlier else None
    base = kept_choice(side, tell(say("Shares are taken")), list(BASES), lambda name: tell(IN_SHORT[name]), BASE)
    _remember()
    settings = reading.settings()
    return Choices(month, before, language, base, settings.currency, settings.page)


def _month(name: str, label: str, months: Sequence[dt.date], language: Language) -> dt.date:
    written = [month.isoformat()[:7] for month in months]
    chosen = kept_choice(
        st.sidebar, label, written, lambda month: language.month(dt.date.fromisoformat(f"{month}-01")), name
    )
    return dt.date.fromisoformat(f"{chosen}-01")


def _from_address(name: str, possible: Sequence[str]) -> None:
    """Begin with what the address says; what is not possible any more makes room for the first."""
    asked = st.session_state.get(name, st.query_params.get(name))
    st.session_state[name] = asked if asked in possible else possible[0]


def _remember() -> None:
    for name in (MONTH, BEFORE, LANGUAGE, BASE):
        if name in st.session_state:
            _write(name, st.session_state[name])


def _write(name: str, value: str) -> None:
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)
