"""What the month's report says: the nine answers, as pieces of a document.

Belongs here: which fact stands where, and the sentences between them, in English as the source of all languages. Does
not belong here: computing facts, how a number is written, or what a form looks like.
"""

from __future__ import annotations

from insiders_assets.domain.messages import say
from insiders_assets.reporting.content.actions import actions
from insiders_assets.reporting.content.appendix import every_number, what_moved
from insiders_assets.reporting.content.forecast import forecast
from insiders_assets.reporting.content.guarantees import guarantees
from insiders_assets.reporting.content.likeness import likeness
from insiders_assets.reporting.content.matter import Matter
from insiders_assets.reporting.content.members import headline, members, shares
from insiders_assets.reporting.content.programme import conditions, movement, near_the_door, policies
from insiders_assets.reporting.document import Document


def report(matter: Matter) -> Document:
    """The report of a month."""
    outline = matter.outline
    lead = (
        say("Sales of {month}; money in {currency}.", month=outline.month, currency=matter.currency)
        if outline.first == outline.month
        else say(
            "Sales from {first} to {month}; money in {currency}.",
            first=outline.first,
            month=outline.month,
            currency=matter.currency,
        )
    )
    blocks = [
        *headline(matter),
        *members(matter),
        *likeness(matter),
        *shares(matter),
        *conditions(matter),
        *near_the_door(matter),
        *movement(matter),
        *policies(matter),
        *guarantees(matter),
        *forecast(matter),
        *actions(matter),
        *what_moved(matter),
        *every_number(matter),
    ]
    return Document(say("Insiders, {month}", month=outline.month), lead, blocks)


__all__ = ["Matter", "report"]
