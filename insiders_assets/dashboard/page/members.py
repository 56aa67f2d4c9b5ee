"""Members: who is in or just went out, filtered, sorted and searched, with reason and distance from the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from insiders_assets.contracts.programme import INSIDE, LEFT, OUTSIDE, STATUSES
from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import Choices, kept_choice, kept_choices, kept_text
from insiders_assets.dashboard.parts import MONTH, NAME, PROSE, Column, table
from insiders_assets.dashboard.words import STATUS_WORDS, customer_column, segment_name, spoken
from insiders_assets.domain.facts.fact import COUNT, CURRENCY, SHARE
from insiders_assets.domain.messages import Message, say

EVERYBODY = say("all")
ROWS_PER_PAGE, MOST_IN_FILE = 50, 100_000
PAGE, LIST = "page", "list"
ORDERS = {
    "gross_revenue": (say("gross revenue"), "gross_revenue DESC NULLS LAST"),
    # Who is gone is past it; who is in without a line in the window has reached nothing of the rule.
    "reach": (say("nearest to the door"), f"status IN ('{LEFT}', '{OUTSIDE}'), reach ASC NULLS FIRST"),
    "recency_days": (say("longest without a purchase"), "recency_days DESC NULLS LAST"),
    "since": (say("newest status"), "since DESC NULLS LAST"),
    "customer_id": (say("customer"), "customer_id"),
}


def show(choices: Choices) -> None:
    """Draw the page."""
    tell = choices.tell
    search, status, segment, order = st.columns([2, 2, 2, 2])
    nothing = tell(EVERYBODY)
    wanted = kept_text(search, tell(say("Search a customer")), "find")
    statuses = kept_choices(
        status, tell(say("Status")), STATUSES[1:], lambda one: tell(STATUS_WORDS[one]), "status", choices, nothing
    )
    named = {str(row["segment_id"]): segment_name(row, choices) for row in reading.segments_of(choices.month)}
    segments = kept_choices(
        segment, tell(say("Segment")), list(named), lambda one: named[one], "segment", choices, nothing
    )
    by = kept_choice(order, tell(say("Sort by")), list(ORDERS), lambda one: tell(ORDERS[one][0]), "sort")
    where = "month = %s"
    parameters: list[Any] = [choices.month]
    if statuses:
        # Of the outsiders only those are here who went out this month, before they were ever members.
        asked = [*statuses, OUTSIDE] if LEFT in statuses else statuses
        where, parameters = f"{where} AND status = ANY(%s)", [*parameters, asked]
    if segments:
        where, parameters = f"{where} AND segment_id = ANY(%s)", [*parameters, [int(one) for one in segments]]
    if wanted:
        where, parameters = f"{where} AND customer_id ILIKE %s", [*parameters, f"%{_plain(wanted)}%"]
    counted = reading.rows(
        "SELECT count(*) AS customers, count(*) FILTER (WHERE status = ANY(%s)) AS inside, "
        f"coalesce(sum(gross_revenue) FILTER (WHERE status = ANY(%s)), 0) AS revenue FROM page_members WHERE {where}",
        list(INSIDE),
        list(INSIDE),
        *parameters,
    )[0]
    told = {
        "customers": choices.language.number(counted["customers"]),
        "inside": choices.language.number(counted["inside"]),
        "revenue": choices.language.money(counted["revenue"], choices.currency),
    }
    pages = max(1, -(-counted["customers"] // ROWS_PER_PAGE))
    page = _page(pages, repr((where, parameters, by)), choices)
    statement = f"SELECT * FROM page_members WHERE {where} ORDER BY {ORDERS[by][1]}, customer_id"
    rows = reading.rows(f"{statement} LIMIT %s OFFSET %s", *parameters, ROWS_PER_PAGE, (page - 1) * ROWS_PER_PAGE)
    table(
        say("Members"),
        columns(choices),
        [spoken(row, choices) for row in rows],
        choices,
        "member_list",
        "members",
        every=lambda: [
            spoken(row, choices) for row in reading.unremembered(statement, *parameters, limit=MOST_IN_FILE)
        ],
        note=_counted(counted["customers"], told, choices),
    )


def _page(pages: int, asked: str, choices: Choices) -> int:
    """Which page of the list; another list begins with its first."""
    if st.session_state.get(LIST) != asked:
        st.session_state[LIST], st.session_state[PAGE] = asked, 1
    st.session_state[PAGE] = min(st.session_state.get(PAGE, 1), pages)
    if pages == 1:
        return 1
    label = choices.tell(say("Page, of {count}", count=choices.language.number(pages)))
    return int(st.number_input(label, 1, pages, key=PAGE))


def _counted(customers: int, told: Mapping[str, str], choices: Choices) -> Message:
    """How many there are, and whether the file has all of them."""
    words = say(
        "{customers} customers, {inside} of them Insiders with {revenue} of gross revenue in the window.", **told
    )
    if customers <= MOST_IN_FILE:
        return words
    return say("{words} The file has the first {most}.", words=words, most=choices.language.number(MOST_IN_FILE))


def columns(choices: Choices) -> list[Column]:
    """The columns of a list of members."""
    money = say("Gross revenue ({currency})", currency=choices.currency)
    return [
        customer_column(choices),
        Column(say("Status"), "status_words"),
        Column(say("In it since"), "since", MONTH),
        Column(say("Of the rule reached"), "reach", SHARE),
        Column(say("What would change it"), "needs_words", PROSE),
        Column(money, "gross_revenue", CURRENCY),
        Column(say("Purchases"), "purchases", COUNT),
        Column(say("Days since the last"), "recency_days", COUNT),
        Column(say("Segment"), "segment", NAME),
        Column(say("Why it changed this month"), "reason_words", PROSE),
    ]


def _plain(text: str) -> str:
    """Text in which LIKE finds only itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
