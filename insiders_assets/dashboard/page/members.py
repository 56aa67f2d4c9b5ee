"""Members: who is in or just went out, filtered, sorted and searched, with reason and distance from the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from insiders_assets.contracts.programme import INSIDE, LEFT, STATUSES
from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import Choices, typed
from insiders_assets.dashboard.parts import MONTH, PROSE, Column, table
from insiders_assets.dashboard.words import STATUS_WORDS, customer_column, segment_name, spoken
from insiders_assets.domain.facts.fact import COUNT, CURRENCY, SHARE
from insiders_assets.domain.messages import Message, say

EVERYBODY = say("all")
ROWS_PER_PAGE, MOST_IN_FILE = 50, 100_000
ORDERS = {
    "gross_revenue": (say("gross revenue"), "gross_revenue DESC NULLS LAST"),
    # Who is gone is past it; who is in without a line in the window has reached nothing of the rule.
    "reach": (say("nearest to the door"), f"status = '{LEFT}', reach ASC NULLS FIRST"),
    "recency_days": (say("longest without a purchase"), "recency_days DESC NULLS LAST"),
    "since": (say("newest status"), "since DESC NULLS LAST"),
    "customer_id": (say("customer"), "customer_id"),
}


def show(choices: Choices) -> None:
    """Draw the page."""
    tell = choices.tell
    search, status, segment, order = st.columns([2, 2, 2, 2])
    wanted = typed(search.text_input(tell(say("Search a customer")), key="member_search", max_chars=100))
    statuses = status.multiselect(
        tell(say("Status")),
        STATUSES[1:],
        format_func=lambda one: tell(STATUS_WORDS[one]),
        key="member_status",
        placeholder=tell(EVERYBODY),
    )
    named = {row["segment_id"]: segment_name(row, choices) for row in reading.segments_of(choices.month)}
    segments = segment.multiselect(
        tell(say("Segment")),
        list(named),
        # One that another month has, chosen there, is kept by its number.
        format_func=lambda one: named.get(one, str(one)),
        key="member_segment",
        placeholder=tell(EVERYBODY),
    )
    by = order.selectbox(tell(say("Sort by")), list(ORDERS), format_func=lambda one: tell(ORDERS[one][0]))
    where = "month = %s"
    parameters: list[Any] = [choices.month]
    if statuses:
        where, parameters = f"{where} AND status = ANY(%s)", [*parameters, list(statuses)]
    if segments:
        where, parameters = f"{where} AND segment_id = ANY(%s)", [*parameters, list(segments)]
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
    page = 1
    if pages > 1:
        page = int(st.number_input(tell(say("Page, of {count}", count=choices.language.number(pages))), 1, pages))
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
        Column(say("Since"), "since", MONTH),
        Column(say("Segment"), "segment"),
        Column(money, "gross_revenue", CURRENCY),
        Column(say("Purchases"), "purchases", COUNT),
        Column(say("Days since the last"), "recency_days", COUNT),
        Column(say("Of the rule reached"), "reach", SHARE),
        Column(say("What would change it"), "needs_words", PROSE),
        Column(say("Why it changed this month"), "reason_words", PROSE),
    ]


def _plain(text: str) -> str:
    """Text in which LIKE finds only itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
