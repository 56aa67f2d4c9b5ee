"""The standing of every customer at the end of a month, as rows: status, what would change it, event and reason.

Belongs here: putting rule, replay and words together for one month. Does not belong here: the rules of moving
(:mod:`.membership`) or the sentences (:mod:`.membership_words`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from insiders_assets.contracts.programme import GRACE, OUTSIDE
from insiders_assets.domain.membership import Event, MonthOfRule, Override, Policy, Standing, replay
from insiders_assets.domain.membership_words import Speaker, by_hand, moved_most
from insiders_assets.domain.messages import Message, say
from insiders_assets.domain.months import months_between
from insiders_assets.domain.programme import RuleInForce
from insiders_assets.domain.rules import Columns
from insiders_assets.domain.scaling import signed_log


@dataclass(frozen=True)
class CustomersOfMonth:
    """The n clusterable customers of a month.

    ids: (n,) objects. columns: feature -> (n,) floats, NaN where missing; at least those of the rule in force. ranks:
    (n,) from 1 as the programme goes by them, infinite for who has none. chosen: (n,) bool, the month's own choice.
    """

    ids: np.ndarray
    columns: Columns
    ranks: np.ndarray
    chosen: np.ndarray


def month_of_rule(
    month: dt.date, customers: CustomersOfMonth, in_force: RuleInForce | None, leave_share: float
) -> MonthOfRule:
    """For whom the rule in force holds, and who falls short of the share of it that a member has to keep.

    By rank, that share is of the places: with 80 %, a quarter more of them than are chosen.
    """
    known = customers.ids.tolist()
    if in_force is None:
        nobody = np.zeros(len(known), dtype=bool)
        return MonthOfRule(month, known, nobody, ~nobody, provisional=True)
    if in_force.rule is None:
        kept = customers.ranks <= customers.chosen.sum() / leave_share
        return MonthOfRule(month, known, customers.chosen, ~kept, in_force.provisional)
    holds = in_force.rule.holds(customers.columns)
    kept = in_force.rule.holds(customers.columns, leave_share)
    return MonthOfRule(month, known, holds, ~kept, in_force.provisional)


@dataclass(frozen=True)
class Course:
    """The programme's course up to a month: the rule of every month that has one, and what it says of it."""

    months: Sequence[MonthOfRule]
    in_force: Mapping[dt.date, RuleInForce]
    policy: Policy
    leave_share: float
    words: Sequence[Override] = ()


def standing_rows(
    course: Course,
    customers: CustomersOfMonth,
    before: CustomersOfMonth | None,
    by_rank: Mapping[str, Message],
) -> list[dict[str, Any]]:
    """The last month's rows, one for every customer of it and everybody who was ever in; sentences as messages.

    Parameters
    ----------
    customers, before: of the last month and the one before it, with the features whose moves are told. by_rank: what is
        said of a customer where the programme goes by rank.
    """
    month = course.months[-1]
    replayed = replay(course.months, course.policy, course.words)
    standings = {one.customer_id: one for one in replayed.standings[month.month]}
    for name in customers.ids.tolist():
        standings.setdefault(name, Standing(name, OUTSIDE, None, 0, 0, 0))
    events = {event.customer_id: event for event in replayed.events if event.month == month.month}
    teller = _Teller(course, customers, before, by_rank)
    holding = set(customers.ids[month.holds].tolist())
    rows = []
    for name, standing in sorted(standings.items()):
        in_grace = standing.status == GRACE
        event = events.get(name)
        rows.append(
            {
                "month": month.month,
                "customer_id": name,
                "status": standing.status,
                "since": standing.since,
                "months_in_grace": standing.months_in_grace if in_grace else 0,
                "months_short": standing.months_short if in_grace else 0,
                "months_holding": standing.months_holding,
                "rule_version": teller.rule.version if teller.rule else None,
                "rule": teller.rule.text if teller.rule else None,
                "rule_holds": name in holding,
                "needs": teller.needs(standing),
                "event": event.kind if event else None,
                "status_before": event.before if event else None,
                "reason": teller.reason(event, standing) if event else None,
                "moved_most": teller.moved(name) if event else None,
                "override_reason": standing.override.reason if standing.override else None,
            }
        )
    return rows


class _Teller:
    """Finds what the sentences on single customers speak of."""

    def __init__(
        self,
        course: Course,
        customers: CustomersOfMonth,
        before: CustomersOfMonth | None,
        by_rank: Mapping[str, Message],
    ):
        self.month = course.months[-1].month
        self.rule = course.in_force.get(self.month)
        begun = [month for month, rule in course.in_force.items() if not rule.provisional]
        self.begins = bool(begun) and min(begun) == self.month
        self.words = course.words
        self.now, self.before = _Values(customers), _Values(before) if before else None
        self.spreads = {name: _spread(column) for name, column in customers.columns.items()}
        self.looked_at = self.rule.rule.features if self.rule and self.rule.rule else ()
        self.speaker = Speaker(self.rule, course.policy, course.leave_share, by_rank) if self.rule else None

    def needs(self, standing: Standing) -> Message | None:
        if standing.override is not None:
            return by_hand(standing.override)
        if self.speaker is None:
            return None
        # Said of everybody, so only what the rule looks at is fetched; all features are for the few with an event.
        return self.speaker.needs(standing, self.now.of(standing.customer_id, self.looked_at))

    def reason(self, event: Event, standing: Standing) -> Message:
        if event.override is not None:
            return by_hand(event.override)
        ended = any(
            word.customer_id == event.customer_id
            and word.until is not None
            and months_between(word.until, self.month) == 1
            for word in self.words
        )
        if ended:  # the months below the rule before that are not what leads out
            standing = replace(standing, months_short=0)
        told = (
            self.speaker.reason(event, standing, self.now.of(event.customer_id), self.begins)
            if self.speaker
            else say("no rule is in force")
        )
        return say("a person's word has ended; {why}", why=told) if ended else told

    def moved(self, name: str) -> Message:
        return moved_most(self.before.of(name) if self.before else None, self.now.of(name), self.spreads)


class _Values:
    """The features of single customers."""

    def __init__(self, customers: CustomersOfMonth):
        self.columns = customers.columns
        self.places = {name: place for place, name in enumerate(customers.ids.tolist())}

    def of(self, name: str, features: Collection[str] | None = None) -> dict[str, float] | None:
        """A customer's features, all or these; None for who is not there."""
        place = self.places.get(name)
        if place is None:
            return None
        return {one: float(self.columns[one][place]) for one in (self.columns if features is None else features)}


def _spread(column: np.ndarray) -> float:
    known = signed_log(column[~np.isnan(column)])
    return float(known.std()) if len(known) else 0.0
