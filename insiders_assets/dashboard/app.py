"""The dashboard's script, run by Streamlit for every look at a page: choices at the side, then the page.

Belongs here: putting choices and pages together, and what is said when there is nothing to show. Does not belong here:
any page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import streamlit as st
from markupsafe import Markup

from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import Choices, choose, chosen_language, keep
from insiders_assets.dashboard.page import (
    customer,
    forecast,
    health,
    members,
    movement,
    overview,
    programme,
    segments,
)
from insiders_assets.dashboard.parts import style
from insiders_assets.domain.facts.members import BASES
from insiders_assets.domain.messages import Message, say
from insiders_assets.errors import InsidersError, MissingMonthError, UnreachableError
from insiders_assets.partitions import last_month_expected
from insiders_assets.reporting.language import Language

# Address -> title, and what stands on it.
PAGES: dict[str, tuple[Message, Callable[[Choices], None]]] = {
    "overview": (say("Overview"), overview.show),
    "members": (say("Members"), members.show),
    "movement": (say("Movement"), movement.show),
    "segments": (say("Segments"), segments.show),
    "customer": (say("Customer"), customer.show),
    "programme": (say("Programme"), programme.show),
    "forecast": (say("Forecast"), forecast.show),
    "health": (say("Data health"), health.show),
}
SECONDS_BEFORE_ASKING_AGAIN = 5


def main() -> None:
    """One look at a page."""
    language = chosen_language()
    st.set_page_config(page_title="Insiders", layout="wide", initial_sidebar_state="auto")
    style()
    chosen = st.navigation(
        [
            st.Page(_page(name, language), title=language.tell(title), url_path=name, default=name == "overview")
            for name, (title, _) in PAGES.items()
        ]
    )
    chosen.run()


def _page(name: str, language: Language) -> Callable[[], None]:
    title, show = PAGES[name]

    def page() -> None:
        keep()
        try:
            months = reading.months()
            if not months:
                _nothing_yet(title, language)
                return
            choices = choose(months, language)
            _head(title, choices)
            _banner(choices, months)
            show(choices)
        except MissingMonthError:
            _nothing_yet(title, language)
        except InsidersError as trouble:
            _away(trouble, language)

    page.__name__ = name
    return page


def _head(title: Message, choices: Choices) -> None:
    st.title(choices.tell(title))
    told = {
        "month": choices.month,
        "currency": choices.currency,
        "base": BASES[choices.base],
    }
    words = say("{month}; amounts in {currency}; shares {base}", **told)
    if choices.before:
        words = say("{words}; compared with {before}", words=words, before=choices.before)
    st.html(Markup('<p class="quiet">{}</p>').format(choices.tell(words)))


def _banner(choices: Choices, months: list[dt.date]) -> None:
    """What a reader has to know before trusting a number: a month that is missing, a check that does not hold."""
    expected = last_month_expected(reading.settings(), dt.datetime.now(dt.UTC))
    if expected not in months:
        words = say(
            "The last closed month, {month}, has no report yet; the last one is of {last}.",
            month=expected,
            last=months[0],
        )
        st.warning(choices.tell(words))
    failing = sorted({one["check_name"] for one in reading.checks_of(choices.month) if not one["passed"]})
    if failing:
        words = say("Checks of {month} that do not hold: {checks}.", month=choices.month, checks=", ".join(failing))
        st.warning(choices.tell(words))


def _nothing_yet(title: Message, language: Language) -> None:
    st.title(language.tell(title))
    st.info(language.tell(say("No month has a report yet. `insiders run` makes the first one.")))
    _ask_again(language)


def _away(trouble: InsidersError, language: Language) -> None:
    """Say what is wrong, and where the database is away, that it is asked again."""
    if isinstance(trouble, UnreachableError):
        said = say("The pages cannot be read just now: the database does not answer.")
    else:
        said = say("The pages cannot be read just now: the database does not give what was asked.")
    st.error(language.tell(said))
    # In English, like everything that is told to whoever keeps a home.
    st.text(language.tell(say("For whoever keeps it: {trouble}", trouble=str(trouble))))
    if not isinstance(trouble, UnreachableError):
        return  # It answers: asked again, it would say the same.
    _ask_again(language)


def _ask_again(language: Language) -> None:
    """Look whether there is something to show by now; only here is anything asked of an idle page."""

    @st.fragment(run_every=SECONDS_BEFORE_ASKING_AGAIN)
    def ask_again() -> None:
        try:
            there = bool(reading.months())
        except InsidersError:
            there = False
        if there:
            st.rerun()
        st.text(language.tell(say("Asked again every few seconds.")))

    ask_again()


main()
