"""Words for what tables keep as names.

Belongs here: statuses, events, segments and customers as a reader knows them. Does not belong here: a page's sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from insiders_assets.contracts.programme import EVENTS, GRACE, INSIDE, LEFT, MEMBER, OUTSIDE, PROVISIONAL
from insiders_assets.dashboard.choices import BASE, BEFORE, LANGUAGE, MONTH, Choices
from insiders_assets.dashboard.parts import LINK, Column
from insiders_assets.domain.messages import Message, say

STATUS_WORDS = {
    OUTSIDE: say("outside"),
    PROVISIONAL: say("in, provisionally"),
    MEMBER: say("member"),
    GRACE: say("in, in grace"),
    LEFT: say("gone out"),
}
ENTER, EXIT, TO_GRACE, RETURN, OVERRIDE = EVENTS
EVENT_WORDS = {
    ENTER: say("came in"),
    EXIT: say("went out"),
    TO_GRACE: say("into grace"),
    RETURN: say("came back"),
    OVERRIDE: say("out, by a person's word"),
}
IN_BY_HAND, CONFIRMED = say("in, by a person's word"), say("confirmed, as the programme began")


def spoken(row: Mapping[str, Any], choices: Choices) -> dict[str, Any]:
    """A row of page_members or page_customers with its words in the reader's language."""

    def named(words: Mapping[str, Message], name: str | None) -> str | None:
        return choices.tell(words[name]) if name else None

    return {
        **row,
        # Who goes out of a provisional group was never a member; to a reader they have gone out all the same.
        "status_words": named(STATUS_WORDS, LEFT if _went_out(row) else row["status"]),
        "event_words": choices.tell(event) if (event := _event(row)) else None,
        "segment": choices.in_language(row, "segment"),
        "needs_words": choices.in_language(row, "needs"),
        "reason_words": choices.in_language(row, "reason"),
        "moved_words": choices.in_language(row, "moved_most"),
    }


def _went_out(row: Mapping[str, Any]) -> bool:
    return row["status"] == OUTSIDE and row["event"] is not None


def _event(row: Mapping[str, Any]) -> Message | None:
    if row["event"] == OVERRIDE and row["status"] in INSIDE:
        return IN_BY_HAND
    if row["event"] == ENTER and row["status_before"] == PROVISIONAL:
        return CONFIRMED
    return EVENT_WORDS[row["event"]] if row["event"] else None


def segment_name(row: Mapping[str, Any], choices: Choices) -> str:
    """A segment of page_segments as a reader knows it: its number and its name."""
    return f"{row['segment_id']}. {choices.in_language(row, 'name')}"


def customer_column(choices: Choices) -> Column:
    """The column with a customer's number, which leads to their page with the choices of this one."""
    kept = {MONTH: f"{choices.month:%Y-%m}", LANGUAGE: choices.language.code, BASE: choices.base}
    if choices.before:
        kept[BEFORE] = f"{choices.before:%Y-%m}"

    def address(row: Mapping[str, Any]) -> str:
        return f"customer?{urlencode({'customer': row['customer_id'], **kept})}"

    return Column(say("Customer"), "customer_id", LINK, address)
