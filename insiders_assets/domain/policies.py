"""What a policy costs and brings: how much a group changes from month to month, who comes back, how far it grows.

Belongs here: figures of groups over consecutive months, and policies beside each other on the same months. Does not
belong here: what a policy is (:mod:`.membership`), or which rule is in force (:mod:`.programme`).

Every figure is of the months in force: the first of them begins the programme and changes nobody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from insiders_assets.contracts.programme import INSIDE
from insiders_assets.domain.membership import MonthOfRule, Policy, replay
from insiders_assets.domain.messages import say

MONTHS_OF_A_YEAR = 12
IN_FORCE, FIXED, PATIENT = "programme", "rule without grace", "three months in, three out"
CONSENSUS, TOP_CLUSTER = "consensus each month", "top cluster each month"
# What a reader is told of each.
NAMES = {
    IN_FORCE: say("programme"),
    FIXED: say("rule without grace"),
    PATIENT: say("three months in, three out"),
    CONSENSUS: say("consensus each month"),
    TOP_CLUSTER: say("top cluster each month"),
}
DESCRIPTIONS = {
    IN_FORCE: say(
        "the rule in force with the months and the share that the settings say; no person's word counts here"
    ),
    FIXED: say("the rule in force, month by month: in while it holds, out when it does not"),
    PATIENT: say(
        "the rule in force has to hold three months in a row to enter, and to be missed three in a row to leave"
    ),
    CONSENSUS: say("every month whom that month's consensus chooses"),
    TOP_CLUSTER: say("every month that month's cluster with the highest mean revenue"),
}

Group = frozenset[str]


@dataclass(frozen=True)
class PolicyFigures:
    """A group's months in figures; shares of 0 to 1 and beyond.

    changes: customers entering plus leaving in a month, over the group at the month's beginning; of every month after
    the first, NaN where the group was empty. returning: customers who left and were back within twelve months' changes
    in a row, over the mean group of these months; the mean over every such stretch, or of all months where there are
    fewer; NaN where there is no change or no group. growth: members over the customers for whom the rule holds, minus
    1, of every month; NaN where it holds for nobody. sizes: members at the end of every month.
    """

    changes: np.ndarray
    returning: float
    growth: np.ndarray
    sizes: np.ndarray

    @property
    def mean_change(self) -> float:
        """Of the months after the first."""
        return _mean(self.changes)

    @property
    def worst_change(self) -> float:
        """Of the months after the first."""
        return _most(self.changes)

    @property
    def mean_growth(self) -> float:
        """Of all months but the first, in which members and rule are the same by definition."""
        return _mean(self.growth[1:])

    @property
    def worst_growth(self) -> float:
        """Of all months."""
        return _most(self.growth)


def measure(months: Sequence[dt.date], groups: Sequence[Group], held: Sequence[Group]) -> PolicyFigures:
    """Figures of one sequence of groups.

    Parameters
    ----------
    months: consecutive first days, oldest first. groups: of each month. held: for whom the rule holds in each month.
    """
    if not len(months) == len(groups) == len(held):
        raise ValueError(f"{len(months)} months, {len(groups)} groups and {len(held)} of the rule do not fit together")
    sizes = np.array([len(group) for group in groups])
    changed = np.array([len(before ^ after) for before, after in pairwise(groups)], dtype=float)
    return PolicyFigures(
        changes=_over(changed, sizes[:-1]),
        returning=_mean(np.array([_share_returning(stretch) for stretch in _years(groups)])),
        growth=_over(sizes, np.array([len(group) for group in held])) - 1,
        sizes=sizes,
    )


def by_rule(policy: Policy) -> dict[str, tuple[Policy, bool]]:
    """The policies that go by the rule in force, by name: how each moves, and whether a member may fall short of the
    rule by the share that the settings say; `policy` is the programme's own."""
    return {IN_FORCE: (policy, True), FIXED: (Policy(1, 1), False), PATIENT: (Policy(3, 3), True)}


def groups_by_rule(months: Sequence[MonthOfRule], policy: Policy) -> dict[str, list[Group]]:
    """Groups of those policies."""
    return {
        name: groups_of(months if slack else without_slack(months), moves)
        for name, (moves, slack) in by_rule(policy).items()
    }


def terms_of(policy: Policy, leave_share: float) -> dict[str, dict[str, float]]:
    """The terms of those policies, in columns of MEMBERSHIP_POLICIES."""
    return {
        name: {
            "months_to_enter": moves.months_to_enter,
            "months_to_leave": moves.months_to_leave,
            "leave_share": leave_share if slack else 1.0,
        }
        for name, (moves, slack) in by_rule(policy).items()
    }


def groups_of(months: Sequence[MonthOfRule], policy: Policy) -> list[Group]:
    """Who has the programme's advantages at the end of each month, without anybody's word."""
    standings = replay(months, policy).standings
    return [frozenset(one.customer_id for one in standings[month.month] if one.status in INSIDE) for month in months]


def returners(groups: Sequence[Group]) -> Group:
    """Customers who left at the end of one of the months and were in again at the end of a later one."""
    left: set[str] = set()
    back: set[str] = set()
    for before, after in pairwise(groups):
        back |= left & (after - before)
        left |= before - after
    return frozenset(back)


def holding(month: MonthOfRule) -> Group:
    """For whom the rule holds in a month."""
    return frozenset(np.asarray(month.known, dtype=object)[month.holds])


def without_slack(months: Sequence[MonthOfRule]) -> list[MonthOfRule]:
    """The same months, with everybody short for whom the rule does not hold; with Policy(1, 1) it is the bare rule."""
    return [replace(month, short=~month.holds) for month in months]


def _years(groups: Sequence[Group]) -> list[Sequence[Group]]:
    """Every stretch of twelve changes: the groups of thirteen months in a row, or all of them where there are fewer."""
    starts = range(max(1, len(groups) - MONTHS_OF_A_YEAR)) if len(groups) > 1 else ()
    return [groups[start : start + MONTHS_OF_A_YEAR + 1] for start in starts]


def _share_returning(stretch: Sequence[Group]) -> float:
    """Customers who left and were back within the stretch, over its mean group; NaN where there never is one."""
    everybody = sum(len(group) for group in stretch)
    return len(returners(stretch)) * len(stretch) / everybody if everybody else float("nan")


def _over(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """NaN where there is nothing to divide by."""
    return np.divide(numerator, denominator, out=np.full(len(denominator), np.nan), where=denominator > 0)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _most(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else float("nan")
