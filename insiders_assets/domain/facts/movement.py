"""Facts on who moved between segments: every cell of the matrix, so that rows and columns add up to everybody."""

from __future__ import annotations

from collections.abc import Iterator

from insiders_assets.domain.facts.fact import CUSTOMERS, Fact, Outline
from insiders_assets.domain.messages import Message, say

NOWHERE = "none"


def movement_facts(outline: Outline) -> Iterator[Fact]:
    """Customers by their segment of the month before and of this one; who was or is not there stands in `none`."""
    if outline.before is None or not outline.segments:
        return
    of_month = "(SELECT customer_id, segment_id FROM insiders.customer_segments WHERE month = DATE '{}')"
    rows = (
        f"FROM {of_month.format(outline.before)} b FULL JOIN {of_month.format(outline.month)} n "
        "ON n.customer_id = b.customer_id"
    )
    for before in (*outline.segments_before, None):
        for now in (*outline.segments, None):
            if before is None and now is None:
                continue
            value = f"count(CASE WHEN {_is('b', before)} AND {_is('n', now)} THEN 1 END)"
            said = say("Customers from {before} to {now}", before=_named(before), now=_named(now))
            yield Fact(movement_key(before, now), said, CUSTOMERS, "customer_segments", value, rows)


def movement_key(before: int | None, now: int | None) -> str:
    """The key of a cell; None for who was not there, or is not there any more."""
    return f"movement.{NOWHERE if before is None else before}_to_{NOWHERE if now is None else now}"


def _is(side: str, segment: int | None) -> str:
    return f"{side}.customer_id IS NULL" if segment is None else f"{side}.segment_id = {segment}"


def _named(segment: int | None) -> Message:
    return say("nowhere") if segment is None else say("segment {number}", number=str(segment))
