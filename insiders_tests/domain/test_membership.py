"""Membership by replay: who enters, who is in grace, who leaves and why; whatever happens, events tell the statuses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.domain.membership import (
    ENTER,
    EXCLUDE,
    EXIT,
    GRACE,
    INCLUDE,
    INSIDE,
    LEFT,
    MEMBER,
    OUTSIDE,
    OVERRIDE,
    PROVISIONAL,
    RETURN,
    TO_GRACE,
    MonthOfRule,
    Override,
    Policy,
    Replay,
    replay,
)
from insiders_assets.partitions import month_range, shift

START = dt.date(2024, 1, 1)
# Of one customer in one month: the rule holds, it does not but nothing is at stake, it falls short, or nobody is there.
HOLDS, BELOW, SHORT, GONE = "+", "o", "-", " "


def of_months(*customers: str, provisional: int = 0) -> list[MonthOfRule]:
    """Customers a, b, … by a sign for every month; the first so many months are provisional."""
    names = [chr(ord("a") + i) for i in range(len(customers))]
    months = []
    for i, signs in enumerate(zip(*customers, strict=True)):
        there = [(name, sign) for name, sign in zip(names, signs, strict=True) if sign != GONE]
        months.append(
            MonthOfRule(
                shift(START, i),
                [name for name, _ in there],
                np.array([sign == HOLDS for _, sign in there], dtype=bool),
                np.array([sign == SHORT for _, sign in there], dtype=bool),
                provisional=i < provisional,
            )
        )
    return months


def statuses(found: Replay, customer: str = "a") -> list[str]:
    """The customer's status at the end of every month."""
    by_month = []
    for standings in found.standings.values():
        (status,) = [one.status for one in standings if one.customer_id == customer] or [OUTSIDE]
        by_month.append(status)
    return by_month


def kinds(found: Replay, customer: str = "a") -> list[tuple[int, str]]:
    """The number of the month and the kind of every event of a customer."""
    months = list(found.standings)
    return [(months.index(one.month), one.kind) for one in found.events if one.customer_id == customer]


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("+++", [MEMBER, MEMBER, MEMBER]),
        ("-+", [OUTSIDE, MEMBER]),
        ("+o+", [MEMBER, GRACE, MEMBER]),
        ("+oooo", [MEMBER, GRACE, GRACE, GRACE, GRACE]),
        ("+-+-+", [MEMBER, GRACE, MEMBER, GRACE, MEMBER]),
        ("+--+", [MEMBER, GRACE, LEFT, MEMBER]),
        ("+-o-o", [MEMBER, GRACE, GRACE, GRACE, GRACE]),
        ("+-o--", [MEMBER, GRACE, GRACE, GRACE, LEFT]),
        ("+  ", [MEMBER, GRACE, LEFT]),
        ("oo-", [OUTSIDE, OUTSIDE, OUTSIDE]),
    ],
)
def test_a_member_leaves_after_two_months_in_a_row_that_fall_short(signs: str, expected: list[str]) -> None:
    assert statuses(replay(of_months(signs), Policy())) == expected


def test_three_months_in_and_three_out() -> None:
    founder, newcomer = "+---+++", "-++-+++"
    found = replay(of_months(founder, newcomer), Policy(3, 3))
    assert statuses(found) == [MEMBER, GRACE, GRACE, LEFT, LEFT, LEFT, MEMBER]
    assert statuses(found, "b") == [OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE, OUTSIDE, MEMBER]


def test_before_a_rule_is_in_force_members_are_provisional_and_then_the_programme_begins_with_whom_it_holds() -> None:
    found = replay(of_months("+o++", "o+oo", "oo++", provisional=2), Policy(months_to_enter=3))
    assert statuses(found) == [PROVISIONAL, OUTSIDE, MEMBER, MEMBER]
    assert statuses(found, "b") == [OUTSIDE, PROVISIONAL, OUTSIDE, OUTSIDE]
    assert statuses(found, "c") == [OUTSIDE, OUTSIDE, MEMBER, MEMBER]
    assert kinds(found, "b") == [(1, ENTER), (2, EXIT)]


def test_events_tell_what_happened() -> None:
    found = replay(of_months("+o+--+"), Policy())
    assert kinds(found) == [(0, ENTER), (1, TO_GRACE), (2, RETURN), (3, TO_GRACE), (4, EXIT), (5, RETURN)]


def test_months_before_entering_are_no_breaches_of_a_member() -> None:
    found = replay(of_months("--+-+"), Policy())
    assert statuses(found)[3:] == [GRACE, MEMBER]


def word(kind: str, first: int, last: int | None = None, customer: str = "a") -> Override:
    return Override(customer, kind, "a reason", shift(START, first), None if last is None else shift(START, last))


def test_a_persons_word_counts_while_it_is_in_force_and_the_rule_goes_on_beneath() -> None:
    included = replay(of_months("----"), Policy(), [word(INCLUDE, 1, 2)])
    assert statuses(included) == [OUTSIDE, MEMBER, MEMBER, OUTSIDE]
    assert kinds(included) == [(1, OVERRIDE), (3, EXIT)]
    excluded = replay(of_months("+++++"), Policy(), [word(EXCLUDE, 1, 2)])
    assert statuses(excluded) == [MEMBER, LEFT, LEFT, MEMBER, MEMBER]
    assert kinds(excluded) == [(0, ENTER), (1, OVERRIDE), (3, RETURN)]
    event = excluded.events[1]
    assert event.override
    assert event.override.reason == "a reason"


def test_a_word_that_says_what_the_rule_says_changes_nothing() -> None:
    found = replay(of_months("+++"), Policy(), [word(INCLUDE, 1)])
    assert kinds(found) == [(0, ENTER)]


def test_a_word_on_somebody_who_never_bought_is_kept_to() -> None:
    found = replay(of_months("++"), Policy(), [word(INCLUDE, 1, customer="z")])
    assert statuses(found, "z") == [OUTSIDE, MEMBER]


SIGNS = st.text(HOLDS + BELOW + SHORT + GONE, min_size=8, max_size=8)
POLICIES = st.builds(Policy, st.integers(1, 4), st.integers(1, 4))
WORDS = st.lists(
    st.tuples(st.sampled_from([INCLUDE, EXCLUDE]), st.integers(0, 7), st.integers(0, 3)).map(
        lambda told: word(told[0], told[1], told[1] + told[2])
    ),
    max_size=2,
)


def after_events(found: Replay, customer: str, months: Sequence[dt.date]) -> list[str]:
    """The statuses that the events alone give."""
    status, told = OUTSIDE, []
    events = {one.month: one for one in found.events if one.customer_id == customer}
    for month in months:
        if month in events:
            assert events[month].before == status
            status = events[month].after
        told.append(status)
    return told


@given(st.lists(SIGNS, min_size=1, max_size=4), POLICIES, WORDS, st.integers(0, 3))
def test_events_and_statuses_say_the_same_and_every_change_has_one_event(
    customers: list[str], policy: Policy, words: list[Override], provisional: int
) -> None:
    found = replay(of_months(*customers, provisional=provisional), policy, words)
    months = month_range(START, shift(START, 7))
    assert len({(one.month, one.customer_id) for one in found.events}) == len(found.events)
    assert all(one.before != one.after for one in found.events)
    for i in range(len(customers)):
        name = chr(ord("a") + i)
        assert after_events(found, name, months) == statuses(found, name)


@given(SIGNS, POLICIES)
def test_nobody_leaves_with_fewer_breaches_in_a_row_than_the_policy_says(signs: str, policy: Policy) -> None:
    told = statuses(replay(of_months(signs), policy))
    for i, (before, after) in enumerate(pairwise(told), start=1):
        if before in (MEMBER, GRACE) and after == LEFT:
            last = signs[i + 1 - policy.months_to_leave : i + 1]
            assert len(last) == policy.months_to_leave
            assert set(last) <= {SHORT, GONE}
        if before not in INSIDE and after == MEMBER:
            assert signs[i + 1 - policy.months_to_enter : i + 1] == HOLDS * policy.months_to_enter


@given(st.lists(SIGNS, min_size=1, max_size=3), POLICIES, st.integers(1, 7))
def test_a_later_month_changes_nothing_before_it(customers: list[str], policy: Policy, until: int) -> None:
    months = of_months(*customers)
    all_of_them, some = replay(months, policy), replay(months[:until], policy)
    assert list(all_of_them.standings.items())[:until] == list(some.standings.items())
    assert [one for one in all_of_them.events if one.month < shift(START, until)] == some.events
