"""Policies in figures: who comes and goes, who returns, how far a group grows; counted by hand here."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from insiders_assets.domain.membership import MonthOfRule, Policy
from insiders_assets.domain.policies import groups_of, holding, measure, returners, without_slack
from insiders_assets.partitions import month_range

MONTHS = month_range(dt.date(2025, 1, 1), dt.date(2025, 5, 1))


def months(*holds: str, kept: str = "") -> list[MonthOfRule]:
    """Months in which the rule holds for the customers named; those in `kept` never fall short."""
    known = list("abcdef")
    return [
        MonthOfRule(
            month,
            known,
            np.array([name in names for name in known]),
            np.array([name not in names and name not in kept for name in known]),
        )
        for month, names in zip(MONTHS, holds, strict=False)
    ]


def groups(*names: str) -> list[frozenset[str]]:
    return [frozenset(one) for one in names]


def test_changes_are_shares_of_the_group_at_the_months_beginning() -> None:
    found = measure(MONTHS[:3], groups("abcd", "abce", "abcdef"), groups("abcd", "ab", "abcdef"))
    assert found.changes.tolist() == [2 / 4, 2 / 4]
    assert (found.mean_change, found.worst_change) == (0.5, 0.5)
    assert found.sizes.tolist() == [4, 4, 6]
    assert found.growth.tolist() == [0, 1, 0]
    assert (found.mean_growth, found.worst_growth) == (0.5, 1)


def test_who_leaves_and_is_back_returns() -> None:
    assert returners(groups("ab", "a", "ab")) == {"b"}
    assert returners(groups("ab", "a", "", "ab")) == {"a", "b"}
    assert returners(groups("a", "ab", "ab")) == frozenset()
    assert returners(groups("ab", "a")) == frozenset()


def test_returning_is_a_year_however_many_months_there_are() -> None:
    fewer = groups("ab", "a", "ab")
    assert measure(MONTHS[:3], fewer, fewer).returning == pytest.approx(1 / (5 / 3))
    # Back after eleven months: in the first year of changes alone, and not in the one that begins a month later.
    longer = groups("ab", *["a"] * 11, "ab", "ab")
    later = month_range(dt.date(2025, 1, 1), dt.date(2026, 2, 1))
    first, second = 1 / ((2 * 2 + 11) / 13), 0
    assert measure(later, longer, longer).returning == pytest.approx((first + second) / 2)

    def after(years: int) -> float:
        absent_each_december = groups(*(["ab"] * 11 + ["a"]) * years)
        months = month_range(dt.date(2025, 1, 1), dt.date(2024 + years, 12, 1))
        return measure(months, absent_each_december, absent_each_december).returning

    assert after(2) == pytest.approx(after(4))


def test_an_empty_group_has_no_share() -> None:
    found = measure(MONTHS[:3], groups("", "a", "a"), groups("", "a", ""))
    assert np.isnan(found.changes[0])
    assert found.changes[1] == 0
    assert np.isnan(found.growth[2])
    alone = measure(MONTHS[:1], groups("a"), groups("a"))
    assert np.isnan(alone.mean_change)
    assert np.isnan(alone.mean_growth)
    assert np.isnan(alone.returning)
    assert np.isnan(measure(MONTHS[:2], groups("", ""), groups("", "")).returning)


def test_the_bare_rule_follows_the_rule_and_grace_keeps_members() -> None:
    said = months("ab", "a", "abc", "c", kept="b")
    assert groups_of(without_slack(said), Policy(1, 1)) == [holding(month) for month in said]
    assert groups_of(said, Policy(1, 2)) == groups("ab", "ab", "abc", "abc")


def test_months_do_not_fit_together_is_said() -> None:
    with pytest.raises(ValueError, match="2 months, 1 groups and 2 of the rule"):
        measure(MONTHS[:2], groups("a"), groups("a", "a"))
