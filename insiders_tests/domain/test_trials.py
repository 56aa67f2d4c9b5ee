"""Other thresholds and other shares over the last year: what they would have given, counted by hand here."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from insiders_assets.contracts.pages import SHARE_OF_CUSTOMERS, THRESHOLD
from insiders_assets.domain.membership import Policy
from insiders_assets.domain.programme import RuleInForce
from insiders_assets.domain.rules import AT_LEAST, Condition, Rule
from insiders_assets.domain.standings import CustomersOfMonth
from insiders_assets.domain.trials import FACTORS, SHARES, MonthOfTrial, trials
from insiders_assets.partitions import month_range

RULE = RuleInForce("candidate 2025-01", Rule((Condition("items_purchased", AT_LEAST, 100),)))
NAMES = np.array([f"c{number:02d}" for number in range(20)], dtype=object)
# From 10 to 200 items: at 100 and more eleven of twenty.
ITEMS = np.arange(10.0, 210.0, 10.0)


def months(number: int = 3, rule: RuleInForce = RULE, ranked: bool = True) -> list[MonthOfTrial]:
    ranks = np.arange(20.0, 0.0, -1.0) if ranked else np.full(20, np.inf)
    customers = CustomersOfMonth(
        NAMES, {"items_purchased": ITEMS, "gross_revenue": ITEMS * 2}, ranks, np.zeros(20, dtype=bool)
    )
    bought = dict(zip(NAMES.tolist(), ITEMS.tolist(), strict=True))
    days = month_range(dt.date(2025, 1, 1), dt.date(2025, 12, 1))[:number]
    return [MonthOfTrial(day, customers, rule, bought) for day in days]


def by_value(kind: str, **of: object) -> dict[float, dict]:
    return {row["value"]: row for row in trials(months(**of), Policy(1, 2), 0.8) if row["kind"] == kind}  # type: ignore[arg-type]


def test_the_rule_as_it_is_stands_among_the_others() -> None:
    row = by_value(THRESHOLD)[1.0]
    assert row["rule"] == "items_purchased >= 100"
    assert (row["members"], row["customer_share"]) == (11, 11 / 20)
    assert row["revenue_share"] == pytest.approx(ITEMS[9:].sum() / ITEMS.sum())
    # Of three months two follow another; the same eleven are in.
    assert row["months"] == 3
    assert row["year_net_revenue"] == pytest.approx(2 * ITEMS[9:].sum())
    assert row["year_net_share"] == pytest.approx(ITEMS[9:].sum() / ITEMS.sum())
    assert (row["churn"], row["worst_churn"]) == (0, 0)


def test_a_harder_rule_has_fewer_members_and_half_of_it_more() -> None:
    found = by_value(THRESHOLD)
    members = [found[factor]["members"] for factor in FACTORS]
    assert members == sorted(members, reverse=True)
    assert (found[0.5]["members"], found[2.0]["members"]) == (16, 1)
    assert found[2.0]["rule"] == "items_purchased >= 200"


def test_where_many_share_a_rank_no_share_of_them_is_the_first() -> None:
    """By the reference's recipe the whole top segment has the first rank."""
    same = months()
    for one in same:
        one.customers.ranks[:] = np.where(ITEMS > 100, 1.0, np.inf)
    assert {row["kind"] for row in trials(same, Policy(1, 1), 0.8)} == {THRESHOLD}


def test_a_share_takes_the_first_by_rank() -> None:
    found = by_value(SHARE_OF_CUSTOMERS)
    assert [found[share]["members"] for share in SHARES] == [int(share * 20) for share in SHARES]
    assert found[0.10]["revenue_share"] == pytest.approx(ITEMS[-2:].sum() / ITEMS.sum())
    assert found[0.10]["rule"] is None


def test_without_ranks_there_are_no_shares_and_without_a_rule_no_thresholds() -> None:
    assert by_value(SHARE_OF_CUSTOMERS, ranked=False) == {}
    assert by_value(THRESHOLD, rule=RuleInForce("candidate 2025-01", None)) == {}
    assert by_value(SHARE_OF_CUSTOMERS, rule=RuleInForce("candidate 2025-01", None))


def test_a_first_month_alone_has_members_but_no_year() -> None:
    row = by_value(THRESHOLD, number=1)[1.0]
    assert (row["members"], row["year_net_revenue"], row["year_net_share"], row["churn"]) == (11, None, None, None)
