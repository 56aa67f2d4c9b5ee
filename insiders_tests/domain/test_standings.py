"""The rows of a month: every customer's status with what would change it, and each event with its reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from insiders_assets.domain.feature_words import RULE_FEATURES
from insiders_assets.domain.membership import Override, Policy
from insiders_assets.domain.messages import Message
from insiders_assets.domain.programme import RuleInForce
from insiders_assets.domain.rules import ANY, AT_LEAST, AT_MOST, Condition, Rule
from insiders_assets.domain.standings import Course, CustomersOfMonth, month_of_rule, standing_rows
from insiders_assets.partitions import month_range, shift

FIRST = dt.date(2025, 1, 1)
ITEMS = RuleInForce("candidate 2025-01", Rule((Condition("items_purchased", AT_LEAST, 2759),)))
BY_RANK = RuleInForce("candidate 2025-01", None)


def customers(items: dict[str, float], **others: dict[str, float]) -> CustomersOfMonth:
    """Customers by what they bought; ranked by it, the first two are chosen."""
    names = sorted(items)
    values = {name: np.array([others.get(name, items).get(one, 1.0) for one in names]) for name in ("items_purchased",)}
    columns = {feature: np.array([others.get(feature, {}).get(one, 1.0) for one in names]) for feature in RULE_FEATURES}
    ranks = np.argsort(np.argsort(-values["items_purchased"])) + 1.0
    return CustomersOfMonth(np.array(names, dtype=object), columns | values, ranks, ranks <= 2)


def rows_after(
    months: Sequence[CustomersOfMonth],
    in_force: RuleInForce | None = ITEMS,
    policy: Policy | None = None,
    words: Sequence[Override] = (),
    provisional: int = 0,
) -> dict[str, dict[str, Any]]:
    """The last month's rows by customer; the first `provisional` months have no rule in force yet."""
    days = month_range(FIRST, shift(FIRST, len(months) - 1))
    rules = {}
    if in_force:
        rules = {
            day: RuleInForce(in_force.version, in_force.rule, provisional=place < provisional)
            for place, day in enumerate(days)
        }
    said = [month_of_rule(day, here, rules.get(day), 0.8) for day, here in zip(days, months, strict=True)]
    course = Course(said, rules, policy or Policy(), 0.8, words)
    ranked = {name: f"ranked {int(rank)}" for name, rank in zip(months[-1].ids, months[-1].ranks, strict=True)}
    before = months[-2] if len(months) > 1 else None
    rows = standing_rows(course, months[-1], before, ranked)
    return {row["customer_id"]: {name: _in_english(value) for name, value in row.items()} for row in rows}


def _in_english(value: object) -> object:
    return str(value) if isinstance(value, Message) else value


def test_who_is_outside_is_told_what_is_missing() -> None:
    found = rows_after([customers({"a": 2310, "b": 4000})])
    assert found["a"]["status"] == "outside"
    assert found["a"]["needs"] == "2,310 of 2,759 items bought; 449 more by month end"
    assert (found["a"]["since"], found["a"]["event"], found["a"]["rule_holds"]) == (None, None, False)


def test_a_member_is_told_what_would_lead_out() -> None:
    found = rows_after([customers({"b": 4000})])["b"]
    assert found["needs"] == "4,000 items bought, 2,759 needed; out after 2 months in a row under 2,207.2 items bought"
    assert found["event"] == "enter"
    assert found["reason"] == "the programme begins with candidate 2025-01: 4,000 items bought, 2,759 needed"


def test_grace_counts_the_months_and_the_way_back() -> None:
    found = rows_after([customers({"b": one}) for one in (4000, 2300, 2100)])["b"]
    assert (found["status"], found["since"]) == ("grace", shift(FIRST, 1))
    assert (found["months_in_grace"], found["months_short"]) == (2, 1)
    assert found["needs"] == (
        "2,100 of 2,759 items bought; 659 more to be safe; out after 2 months in a row under 2,207.2 items bought "
        "(1 so far)"
    )


def test_who_leaves_is_told_why_and_what_moved() -> None:
    months = [customers({"b": one}, purchases={"b": 9}, recency_days={"b": 10}) for one in (4000, 2000)]
    months.append(customers({"b": 1000, "c": 5}, purchases={"b": 3, "c": 40}, recency_days={"b": 10}))
    found = rows_after(months)["b"]
    assert (found["status"], found["event"], found["status_before"]) == ("left", "exit", "grace")
    assert found["reason"] == "under 2,207.2 items bought for 2 months in a row: 1,000 of 2,759 items bought"
    assert found["moved_most"] == "purchases 9 → 3; items bought 2,000 → 1,000"
    assert (found["months_in_grace"], found["months_short"]) == (0, 0)


def test_who_disappears_from_the_window_is_told_of_all_the_same() -> None:
    found = rows_after([customers({"a": 1, "b": 4000}), customers({"a": 1}), customers({"a": 1})])["b"]
    assert (found["status"], found["event"]) == ("left", "exit")
    assert "no longer among the clusterable customers of the window" in found["reason"]


def test_two_conditions_are_told_with_what_is_missing_of_each() -> None:
    both = Rule((Condition("items_purchased", AT_LEAST, 100), Condition("recency_days", AT_MOST, 30)))
    here = customers({"a": 90, "b": 120}, recency_days={"a": 40, "b": 40})
    found = rows_after([here], RuleInForce("own", both))
    assert found["a"]["needs"] == (
        "90 of 100 items bought and 40 days since the last purchase, at most 30; 10 more and 10 fewer by month end"
    )
    assert found["b"]["status"] == "outside"
    either = rows_after([here], RuleInForce("own", Rule(both.conditions, ANY)))
    assert either["b"]["status"] == "member"
    assert "under 80 items bought and over 37.5 days since the last purchase" in either["b"]["needs"]


def test_by_rank_a_quarter_more_places_than_are_chosen_are_kept() -> None:
    here = customers({"a": 50, "b": 40, "c": 30, "d": 20})
    month = month_of_rule(FIRST, here, BY_RANK, 0.8)
    assert month.holds.tolist() == [True, True, False, False]
    assert month.short.tolist() == [False, False, True, True]
    assert month_of_rule(FIRST, here, BY_RANK, 0.5).short.tolist() == [False] * 4
    assert rows_after([here], BY_RANK)["c"]["needs"] == "ranked 3"


def test_a_persons_word_is_told_with_its_reason_and_its_end() -> None:
    word = Override("a", "include", "press partner", FIRST, FIRST)
    first = rows_after([customers({"a": 10})], words=[word])["a"]
    assert (first["status"], first["event"], first["override_reason"]) == ("member", "override", "press partner")
    assert first["needs"] == first["reason"] == "included by hand until 2025-01: press partner"
    after = rows_after([customers({"a": 10}), customers({"a": 10})], words=[word])["a"]
    assert (after["status"], after["event"]) == ("outside", "exit")
    assert after["reason"].startswith("a person's word has ended; the rule (candidate 2025-01) does not hold: 10 of")


def test_a_provisional_member_who_misses_the_candidate_is_outside_at_once() -> None:
    months = [customers({"a": 3000}), customers({"a": 2000})]
    found = rows_after(months, provisional=2)["a"]
    assert (found["status"], found["event"], found["status_before"]) == ("outside", "exit", "provisional")
    assert rows_after(months[:1], provisional=1)["a"]["status"] == "provisional"


def test_months_to_enter_are_told_while_they_are_waited_for() -> None:
    months = [customers({"a": 1, "b": 3000}), customers({"a": 3000, "b": 3000})]
    found = rows_after(months, policy=Policy(3, 3))["a"]
    assert found["status"] == "outside"
    assert found["months_holding"] == 1
    assert found["needs"].endswith("the rule has to hold 3 months in a row, 1 so far")


def test_without_a_rule_nobody_is_in_and_nothing_is_promised() -> None:
    found = rows_after([customers({"a": 3000})], in_force=None)["a"]
    assert (found["status"], found["needs"], found["rule_version"], found["event"]) == ("outside", None, None, None)


@pytest.mark.parametrize("missing", ["purchases", "items_purchased"])
def test_a_missing_value_does_not_hold_and_does_not_break_the_words(missing: str) -> None:
    here = customers({"a": 10}, **{missing: {"a": float("nan")}})
    found = rows_after([here, here], RuleInForce("own", Rule((Condition(missing, AT_LEAST, 5),))))["a"]
    assert found["status"] == "outside"
    assert found["needs"].startswith("none of 5 ")
