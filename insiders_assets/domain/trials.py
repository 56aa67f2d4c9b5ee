"""Other programmes on the same months: the rule with its thresholds moved, or a share of the customers by rank.

Belongs here: what each would have given over the last year. Does not belong here: policies that go by the rule as it
is (:mod:`.policies`), and how a programme moves (:mod:`.membership`).

A trial is replayed from the first of its months on, as if it had begun then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from insiders_assets.contracts.pages import SHARE_OF_CUSTOMERS, THRESHOLD
from insiders_assets.contracts.table import or_null
from insiders_assets.domain.membership import MonthOfRule, Policy
from insiders_assets.domain.policies import Group, groups_of, holding, measure
from insiders_assets.domain.programme import RuleInForce
from insiders_assets.domain.standings import CustomersOfMonth, month_of_rule

# A year, and the month that only begins.
MOST_MONTHS = 13
FACTORS = (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)
SHARES = (0.02, 0.05, 0.10, 0.15, 0.20, 0.30)
BY_SHARE = RuleInForce("a share of the customers", None)


@dataclass(frozen=True)
class MonthOfTrial:
    """A month as trials see it.

    customers: with the rule's features, `gross_revenue`, and ranks where there are any. in_force: the month's rule.
    purchases: net revenue in this calendar month, of every identified customer who has any.
    """

    first_day: dt.date
    customers: CustomersOfMonth
    in_force: RuleInForce
    purchases: Mapping[str, float]


def trials(months: Sequence[MonthOfTrial], policy: Policy, leave_share: float) -> list[dict[str, Any]]:
    """Rows of PROGRAMME_TRIALS, without their month.

    Parameters
    ----------
    months: consecutive, oldest first, at most MOST_MONTHS, in all of which a rule is in force.

    Thresholds are moved only where every month goes by a rule, shares are taken only where every month has ranks.
    """
    rows: list[dict[str, Any]] = []
    if all(month.in_force.rule for month in months):
        for position, factor in enumerate(FACTORS, start=1):
            moved = [_moved(month.in_force, factor) for month in months]
            told = [
                month_of_rule(one.first_day, one.customers, rule, leave_share)
                for one, rule in zip(months, moved, strict=True)
            ]
            row = {"kind": THRESHOLD, "position": position, "value": factor, "rule": moved[-1].text}
            rows.append(row | _figures(months, told, policy))
    if all(_is_an_order(month.customers.ranks) for month in months):
        for position, share in enumerate(SHARES, start=1):
            told = [month_of_rule(one.first_day, _first(one.customers, share), BY_SHARE, leave_share) for one in months]
            row = {"kind": SHARE_OF_CUSTOMERS, "position": position, "value": share, "rule": None}
            rows.append(row | _figures(months, told, policy))
    return rows


def _moved(in_force: RuleInForce, factor: float) -> RuleInForce:
    return replace(in_force, rule=in_force.rule.moved(factor)) if in_force.rule else in_force


def _is_an_order(ranks: np.ndarray) -> bool:
    """Whether nobody shares a rank; by the reference's recipe the whole top segment has the first."""
    placed = ranks[np.isfinite(ranks)]
    return bool(placed.size) and np.unique(placed).size == placed.size


def _first(customers: CustomersOfMonth, share: float) -> CustomersOfMonth:
    """The first so many of all clusterable customers chosen."""
    return replace(customers, chosen=customers.ranks <= share * len(customers.ids))


def _figures(months: Sequence[MonthOfTrial], told: Sequence[MonthOfRule], policy: Policy) -> dict[str, Any]:
    groups = groups_of(told, policy)
    measured = measure([one.first_day for one in months], groups, [holding(one) for one in told])
    last = months[-1].customers
    inside = np.fromiter((one in groups[-1] for one in last.ids), dtype=bool, count=len(last.ids))
    revenue = last.columns["gross_revenue"]
    brought = _brought(groups, months)
    everybody = sum(sum(month.purchases.values()) for month in months[1:])
    return {
        "months": len(months),
        "members": len(groups[-1]),
        "customer_share": float(inside.mean()) if len(inside) else 0.0,
        "revenue_share": float(revenue[inside].sum() / revenue.sum()) if revenue.sum() > 0 else None,
        "churn": or_null(measured.mean_change),
        "worst_churn": or_null(measured.worst_change),
        "year_net_revenue": brought if len(months) > 1 else None,
        "year_net_share": brought / everybody if len(months) > 1 and everybody > 0 else None,
    }


def _brought(groups: Sequence[Group], months: Sequence[MonthOfTrial]) -> float:
    """What each month's members brought in the month after it."""
    after = zip(groups[:-1], months[1:], strict=True)
    return float(sum(month.purchases.get(one, 0.0) for group, month in after for one in group))
