"""Membership: who is in, from when, and why, by replaying every month from the first under the rule in force.

Belongs here: the states of a customer in the programme and what moves one to another. Does not belong here: which rule
is in force or whether it holds (:mod:`.rules`), and nothing of a month after the last one replayed.

A month's statuses hang on the months before it and on nothing else, so they are the same in whatever order months are
made. Months are given as sets of customers, so the replay knows no feature and no rule.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from insiders_assets.contracts.programme import EVENTS, GRACE, INSIDE, LEFT, MEMBER, OUTSIDE, PROVISIONAL

ENTER, EXIT, TO_GRACE, RETURN, OVERRIDE = EVENTS
INCLUDE, EXCLUDE = "include", "exclude"


@dataclass(frozen=True)
class Policy:
    """Months in a row that the rule has to hold to enter, and that a member has to fall short to leave."""

    months_to_enter: int = 1
    months_to_leave: int = 2


@dataclass(frozen=True)
class Override:
    """A person's word on one customer, in these months (both included; no `until`: for good), and the reason."""

    customer_id: str
    kind: str
    reason: str
    since: dt.date
    until: dt.date | None = None

    def is_in_force(self, month: dt.date) -> bool:
        """Whether it counts in a month."""
        return self.since <= month and (self.until is None or month <= self.until)


@dataclass(frozen=True)
class MonthOfRule:
    """What the rule in force says of a month: for whom it holds, and who falls short of the share that is to be kept.

    `known` are the customers of the month; others have left its window and fall short. `provisional`: no rule is in
    force yet, and the month's own candidate is used.
    """

    month: dt.date
    known: Sequence[str]
    holds: np.ndarray
    short: np.ndarray
    provisional: bool = False


@dataclass(frozen=True)
class Standing:
    """A customer at the end of a month.

    since: first month of the status; None for who was never in. months_in_grace: months in a row below the rule.
    months_short: of them, in a row so far below that staying is at stake. months_holding: in a row in which the rule
    holds.
    """

    customer_id: str
    status: str
    since: dt.date | None
    months_in_grace: int
    months_short: int
    months_holding: int
    override: Override | None = None


@dataclass(frozen=True)
class Event:
    """A change of status in a month."""

    month: dt.date
    customer_id: str
    kind: str
    before: str
    after: str
    override: Override | None = None


@dataclass
class _Customer:
    """Beneath a person's word the rule goes on: when the word has expired, it counts again as if nothing had been."""

    ruled: str = OUTSIDE
    shown: str = OUTSIDE
    since: dt.date | None = None
    holding: int = 0
    below: int = 0
    short: int = 0
    was_member: bool = False


@dataclass(frozen=True)
class Replay:
    """Every month's standings, of all for whom the rule or a word ever held, and all events, in order."""

    standings: Mapping[dt.date, list[Standing]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)


def replay(months: Sequence[MonthOfRule], policy: Policy, overrides: Sequence[Override] = ()) -> Replay:
    """Statuses and events of consecutive months, oldest first.

    In the first month of a rule in force everybody for whom it holds enters at once: the programme begins with them.
    Later the rule has to hold `months_to_enter` months in a row. A member for whom it does not hold is in grace, and
    leaves at the end of the `months_to_leave`-th month in a row that falls short.
    """
    customers: dict[str, _Customer] = {}
    standings: dict[dt.date, list[Standing]] = {}
    events: list[Event] = []
    begun = False
    for month in months:
        holds, short = _sets(month)
        words = {one.customer_id: one for one in overrides if one.is_in_force(month.month)}
        for name in sorted({*customers, *holds, *words}):
            customer = customers.setdefault(name, _Customer())
            _count(customer, name in holds, name in short)
            customer.ruled = _next(customer, month.provisional, not begun and not month.provisional, policy)
            customer.was_member |= customer.ruled == MEMBER
            if event := _show(customer, name, month.month, words.get(name)):
                events.append(event)
        begun = begun or not month.provisional
        standings[month.month] = [
            _standing(name, customer, words.get(name)) for name, customer in sorted(customers.items())
        ]
    return Replay(standings, events)


def _sets(month: MonthOfRule) -> tuple[set[str], _Short]:
    known = np.asarray(month.known, dtype=object)
    return set(known[month.holds]), _Short(set(known), set(known[month.short]))


@dataclass(frozen=True)
class _Short:
    """Who falls short: those of whom it is said, and those who are not there any more."""

    known: set[str]
    short: set[str]

    def __contains__(self, name: object) -> bool:
        return name in self.short or name not in self.known


def _count(customer: _Customer, holds: bool, short: bool) -> None:
    customer.holding = customer.holding + 1 if holds else 0
    customer.below = 0 if holds else customer.below + 1
    customer.short = customer.short + 1 if short and not holds else 0


def _next(customer: _Customer, provisional: bool, first: bool, policy: Policy) -> str:
    """The status that the rule gives at the end of a month; the counts are those of the month."""
    if provisional:
        return PROVISIONAL if customer.holding else OUTSIDE
    if customer.ruled in (MEMBER, GRACE):
        if customer.holding:
            return MEMBER
        return LEFT if customer.short >= policy.months_to_leave else GRACE
    if customer.holding and (first or customer.holding >= policy.months_to_enter):
        # What was below the rule before is no breach of a member.
        customer.below = customer.short = 0
        return MEMBER
    return LEFT if customer.was_member else OUTSIDE


def _show(customer: _Customer, name: str, month: dt.date, word: Override | None) -> Event | None:
    """Put the status into effect, a person's word over the rule's; gives the event if it changed."""
    before = customer.shown
    after = customer.ruled
    if word is not None:
        after = MEMBER if word.kind == INCLUDE else LEFT if before in INSIDE or customer.was_member else OUTSIDE
    if after == before:
        return None
    # Only what differs from the rule comes from the word; where a word has ended, the rule's status comes back.
    by_word = word is not None and after != customer.ruled
    customer.shown, customer.since = after, month
    return Event(month, name, OVERRIDE if by_word else _kind(before, after), before, after, word if by_word else None)


def _kind(before: str, after: str) -> str:
    if after == GRACE:
        return TO_GRACE
    if after in (LEFT, OUTSIDE):
        return EXIT
    return RETURN if before in (GRACE, LEFT) else ENTER


def _standing(name: str, customer: _Customer, word: Override | None) -> Standing:
    return Standing(name, customer.shown, customer.since, customer.below, customer.short, customer.holding, word)
