"""Movement: who moved between two months, whose status changed and why, and whom to call first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from insiders_assets.contracts.programme import GRACE, PROVISIONAL
from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import Choices
from insiders_assets.dashboard.page.members import MOST_IN_FILE, columns
from insiders_assets.dashboard.parts import DRAWING, PROSE, Column, picture, table
from insiders_assets.dashboard.words import (
    ENTER,
    EXIT,
    OVERRIDE,
    RETURN,
    TO_GRACE,
    customer_column,
    segment_name,
    spoken,
)
from insiders_assets.domain.facts.fact import CURRENCY, CUSTOMERS
from insiders_assets.domain.messages import Message, say
from insiders_assets.reporting.content.matter import GONE, NOT_BEFORE
from insiders_assets.reporting.language import Language
from insiders_assets.reporting.pictures.flows import alluvial

MOST_CALLED, MOST_EVENTS = 20, 200
MOST_URGENT_FIRST = (EXIT, TO_GRACE, OVERRIDE, RETURN, ENTER)
INSIDE, OUTSIDE = say("Insiders"), say("everybody else")
BY_PROGRAMME, BY_SEGMENT = "programme", "segment"
VIEWS = {BY_PROGRAMME: say("in and out of the programme"), BY_SEGMENT: say("between segments")}


def show(choices: Choices) -> None:
    """Draw the page."""
    if choices.before is None:
        st.info(choices.tell(say("There is no earlier month to compare with.")))
    else:
        _flows(choices, choices.before)
    _calls(choices)
    _events(choices)


def _flows(choices: Choices, then: dt.date) -> None:
    found = reading.rows(
        "SELECT segment_before, segment_now, inside_before, inside_now, customers FROM page_movement "
        "WHERE month = %s AND month_before = %s",
        choices.month,
        then,
    )
    if not found:
        st.info(choices.tell(say("So far apart months are not compared: choose one of the 24 before.")))
        return
    view = st.radio(
        choices.tell(say("Movement")),
        list(VIEWS),
        format_func=lambda one: choices.tell(VIEWS[one]),
        horizontal=True,
        key="view",
    )
    sides = _by_programme(found, choices) if view == BY_PROGRAMME else _by_segment(found, choices)
    counts, before, now = sides
    shows = say(
        "Customers by where they stood in {before} and where they stand in {now}; the table below has the counts.",
        before=then,
        now=choices.month,
    )
    title = say("From {before} to {now}", before=then, now=choices.month)
    heads = (choices.language.short_month(then), choices.language.short_month(choices.month))
    drawn = _drawn(counts, before, now, heads, choices.language.code)
    picture(title, shows, choices, "group_movement", drawn)
    rows = [
        {"before": before[row], "now": now[column], "customers": int(counts[row, column])}
        for row, column in zip(*np.nonzero(counts), strict=True)
    ]
    rows.sort(key=lambda row: -row["customers"])
    columns_of_flows = [
        Column(say("Then"), "before"),
        Column(say("Now"), "now"),
        Column(say("Customers"), "customers", CUSTOMERS),
    ]
    table(say("From where to where"), columns_of_flows, rows, choices, "group_movement", "movement")


@st.cache_data(max_entries=64, show_spinner=False)
def _drawn(
    counts: np.ndarray, before: Sequence[str], now: Sequence[str], heads: tuple[str, str], language: str
) -> bytes | None:
    """Customers between two months that the reader has chosen; drawn once."""
    with DRAWING:
        return alluvial(counts, before, now, Language(language), heads)


def _by_programme(found: Sequence[Mapping[str, Any]], choices: Choices) -> tuple[np.ndarray, list[str], list[str]]:
    def side(row: Mapping[str, Any], when: str) -> str:
        if row[f"segment_{when}"] is None and not row[f"inside_{when}"]:
            return choices.tell(NOT_BEFORE if when == "before" else GONE)
        return choices.tell(INSIDE if row[f"inside_{when}"] else OUTSIDE)

    return _counted(found, side, [choices.tell(one) for one in (INSIDE, OUTSIDE, NOT_BEFORE, GONE)])


def _by_segment(found: Sequence[Mapping[str, Any]], choices: Choices) -> tuple[np.ndarray, list[str], list[str]]:
    months = [month for month in (choices.before, choices.month) if month]
    names = {row["segment_id"]: segment_name(row, choices) for month in months for row in reading.segments_of(month)}
    without = choices.tell(say("not segmented"))

    def side(row: Mapping[str, Any], when: str) -> str:
        segment = row[f"segment_{when}"]
        if segment is None and not row[f"inside_{when}"]:
            return choices.tell(NOT_BEFORE if when == "before" else GONE)
        return names.get(segment, without)

    last = [without, choices.tell(NOT_BEFORE), choices.tell(GONE)]
    return _counted(found, side, [*names.values(), *last])


def _counted(
    found: Sequence[Mapping[str, Any]], side: Any, order: Sequence[str]
) -> tuple[np.ndarray, list[str], list[str]]:
    """Customers by both sides, in an order of names."""
    place = {name: number for number, name in enumerate(dict.fromkeys(order))}
    counts = np.zeros((len(place), len(place)), dtype=int)
    for row in found:
        counts[place[side(row, "before")], place[side(row, "now")]] += row["customers"]
    names = list(place)
    rows, columns = (np.flatnonzero(counts.sum(axis=axis)) for axis in (1, 0))
    return counts[np.ix_(rows, columns)], [names[one] for one in rows], [names[one] for one in columns]


def _calls(choices: Choices) -> None:
    found = reading.rows(
        "SELECT * FROM page_members WHERE month = %s AND override_reason IS NULL AND (status = %s OR event = %s) "
        "ORDER BY gross_revenue DESC NULLS LAST, customer_id LIMIT %s",
        choices.month,
        GRACE,
        EXIT,
        MOST_CALLED,
    )
    table(
        say("Whom to call first"),
        columns(choices),
        [spoken(row, choices) for row in found],
        choices,
        "member_list",
        "calls",
        note=say("In grace, or gone out this month: those who brought the most in the window, by no person's word."),
    )


def _events(choices: Choices) -> None:
    statement = (
        "SELECT * FROM page_members WHERE month = %s AND event IS NOT NULL "
        # Whoever was in already, and is a member now that the programme has begun, is the least news.
        "ORDER BY array_position(%s, event), coalesce(status_before = %s, false), gross_revenue DESC NULLS LAST, "
        "customer_id"
    )
    asked = (statement, choices.month, list(MOST_URGENT_FIRST), PROVISIONAL)
    found = [spoken(row, choices) for row in reading.rows(*asked, limit=MOST_EVENTS)]
    heads = [
        customer_column(choices),
        Column(say("What happened"), "event_words"),
        Column(say("Status"), "status_words"),
        Column(say("Why"), "reason_words", PROSE),
        Column(say("What moved most"), "moved_words", PROSE),
        Column(say("Gross revenue ({currency})", currency=choices.currency), "gross_revenue", CURRENCY),
    ]
    table(
        say("Changes of status in {month}", month=choices.month),
        heads,
        found,
        choices,
        "insiders_membership",
        "events",
        every=lambda: [spoken(row, choices) for row in reading.unremembered(*asked, limit=MOST_IN_FILE)],
        note=_shown(len(found)),
    )


def _shown(number: int) -> Message | None:
    return say("The first {count}; the file has all.", count=str(number)) if number == MOST_EVENTS else None
