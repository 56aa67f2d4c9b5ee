"""Facts on what marketing can do: customers and money of every action."""

from __future__ import annotations

from collections.abc import Iterator

from insiders_assets.contracts.actions import IN, IN_GRACE, OUT
from insiders_assets.domain.facts.fact import CURRENCY, CUSTOMERS, Fact, Outline, one_row, text
from insiders_assets.domain.messages import say

STATE_WORDS = {IN: say("in"), IN_GRACE: say("in grace"), OUT: say("out")}


def action_facts(outline: Outline) -> Iterator[Fact]:
    """How many customers an action is for, and the money at stake."""
    for segment, state, action in outline.actions:
        where = f"segment_id = {segment} AND state = {text(state)} AND action = {text(action)}"
        rows = one_row("marketing_actions", outline.month, where)
        place = {"action": action, "number": str(segment), "state": STATE_WORDS[state]}
        key = action_key(segment, state, action)
        words = say("Customers for the action {action}, segment {number}, {state}", **place)
        yield Fact(f"{key}.customers", words, CUSTOMERS, "marketing_actions", "customers", rows)
        words = say("Money at stake in the action {action}, segment {number}, {state}", **place)
        yield Fact(f"{key}.money", words, CURRENCY, "marketing_actions", "money", rows)


def action_key(segment: int, state: str, action: str) -> str:
    """Where the facts on an action stand."""
    return f"action.{segment}.{state.replace(' ', '_')}.{action}"
