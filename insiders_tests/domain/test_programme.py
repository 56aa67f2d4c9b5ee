"""The programme as people set it: what its file may say, and which rule is in force in which month."""

from __future__ import annotations

import datetime as dt
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.domain.programme import Candidate, Programme, PublishedRule, parse_programme, rules_in_force
from insiders_assets.domain.rules import ANY, AT_LEAST, AT_MOST, Condition, Rule, parse_rule
from insiders_assets.partitions import month_range, shift

FIRST, FULL = dt.date(2024, 1, 1), dt.date(2025, 1, 1)
MONTHS = month_range(FIRST, shift(FIRST, 23))


def rule(threshold: float) -> Rule:
    return Rule((Condition("items_purchased", AT_LEAST, threshold),))


def candidates(*left_out: dt.date) -> list[Candidate]:
    return [Candidate(month, rule(100 + place)) for place, month in enumerate(MONTHS) if month not in left_out]


def published(version: str, first: dt.date, threshold: float) -> PublishedRule:
    return PublishedRule(version=version, first_month=first, rule=rule(threshold))


# -- which rule is in force


def test_before_the_window_is_full_each_month_goes_by_its_own_candidate_provisionally() -> None:
    found = rules_in_force(MONTHS, candidates(), [], first_full=FULL, renewal_months=0)
    early = [found[month] for month in MONTHS if month < FULL]
    assert [one.rule for one in early] == [rule(100 + place) for place in range(12)]
    assert {one.provisional for one in early} == {True}


def test_the_candidate_of_the_first_full_month_stays_in_force() -> None:
    found = rules_in_force(MONTHS, candidates(), [], first_full=FULL, renewal_months=0)
    assert {(one.version, one.rule) for month, one in found.items() if month >= FULL} == {
        ("candidate 2025-01", rule(112))
    }


def test_it_is_renewed_every_so_many_months_by_setting() -> None:
    found = rules_in_force(MONTHS, candidates(), [], first_full=FULL, renewal_months=6)
    assert [found[shift(FULL, later)].version for later in (0, 5, 6, 11)] == [
        "candidate 2025-01",
        "candidate 2025-01",
        "candidate 2025-07",
        "candidate 2025-07",
    ]


def test_a_full_month_without_a_candidate_leaves_the_programme_to_the_next_one() -> None:
    found = rules_in_force(MONTHS, candidates(FULL), [], first_full=FULL, renewal_months=0)
    assert FULL not in found
    assert found[shift(FULL, 1)].version == "candidate 2025-02"


def test_a_published_rule_is_in_force_from_its_first_month_until_the_next_one() -> None:
    said = [published("spring", dt.date(2025, 3, 1), 900), published("summer", dt.date(2025, 6, 1), 800)]
    found = rules_in_force(MONTHS, candidates(), said, first_full=FULL, renewal_months=0)
    assert [found[dt.date(2025, number, 1)].version for number in (2, 3, 5, 6, 12)] == [
        "candidate 2025-01",
        "spring",
        "spring",
        "summer",
        "summer",
    ]


def test_a_published_rule_needs_no_full_window() -> None:
    found = rules_in_force(MONTHS, [], [published("own", FIRST, 50)], first_full=FULL, renewal_months=0)
    assert {(one.version, one.provisional) for one in found.values()} == {("own", False)}


@given(st.integers(0, 23), st.integers(0, 12))
def test_a_months_rule_hangs_on_no_later_month(until: int, renewal: int) -> None:
    all_months = rules_in_force(MONTHS, candidates(), [], first_full=FULL, renewal_months=renewal)
    months = MONTHS[: until + 1]
    known = [candidate for candidate in candidates() if candidate.month <= months[-1]]
    found = rules_in_force(months, known, [], first_full=FULL, renewal_months=renewal)
    assert found == {month: all_months[month] for month in months}


# -- what the file says

FILE = """
[[rules]]
version = "2012"
from = "2012-01"
rule = "items_purchased >= 2759 and recency_days <= 90"

[[overrides]]
customer = 12346
do = "include"
reason = "press partner"
from = "2012-02"
until = "2012-06"

[[overrides]]
customer = "B-7"
do = "exclude"
reason = "sells on"
from = "2011-12"
"""


def test_a_programme_is_read_from_its_file() -> None:
    found = parse_programme(tomllib.loads(FILE))
    (own,) = found.rules
    assert own.rule == Rule((Condition("items_purchased", AT_LEAST, 2759), Condition("recency_days", AT_MOST, 90)))
    assert [(word.customer_id, word.kind, word.since, word.until) for word in found.words] == [
        ("12346", "include", dt.date(2012, 2, 1), dt.date(2012, 6, 1)),
        ("B-7", "exclude", dt.date(2011, 12, 1), None),
    ]


def test_only_what_can_matter_to_a_month_changes_its_fingerprint() -> None:
    found = parse_programme(tomllib.loads(FILE))
    assert found.until(dt.date(2011, 11, 1)).fingerprint == Programme().fingerprint
    prints = [found.until(dt.date(*day, 1)).fingerprint for day in ((2011, 12), (2012, 1), (2012, 2), (2012, 9))]
    assert len(set(prints)) == 3
    assert prints[2] == prints[3] == found.fingerprint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("items_purchased >= 2759", "items >= 2759"),
            "items is no feature that a rule can use; there are recency_days",
        ),
        (
            ("and recency_days <= 90", "and purchases > 3"),
            "is no rule; write up to 3 conditions joined by `and` or by `or`",
        ),
        (("2759 and", "2759 and purchases >= 3 or"), "is no rule"),
        (('"2012-02"', '"2012-13"'), "'2012-13' is not a month"),
        (('"2012-06"', '"2012-01"'), "the word on customer 12346 ends before it begins"),
        (('"B-7"', "12346"), "two words on customer 12346 hold in 2012-02; end the first before"),
        (('do = "exclude"', 'do = "ban"'), "overrides.2.do: Input should be 'include' or 'exclude'"),
        (('reason = "sells on"', 'reason = ""'), "overrides.2.reason: String should have at least 1 character"),
        (('reason = "sells on"', 'why = "sells on"'), "overrides.2.why: Extra inputs are not permitted"),
        (('"2012-02"', "2012-02-15"), "2012-02-15 is a day; write the month as 2012-02"),
        (('"B-7"', '["B-7", "B-8"]'), "overrides.2.customer: ['B-7', 'B-8'] is no text; write it in quotes"),
        (('version = "2012"', 'version = "candidate 2012-01"'), "is taken for a rule that nobody published"),
        (("2759 and", f"{'9' * 400} and"), "asks for a number too large to be one"),
    ],
)
def test_what_cannot_be_is_said_where_it_stands(change: tuple[str, str], said: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_programme(tomllib.loads(FILE.replace(*change, 1)))
    assert said in str(refused.value)


def test_two_rules_cannot_begin_in_one_month() -> None:
    twice = [{"version": name, "from": "2012-01", "rule": "purchases >= 3"} for name in ("a", "b")]
    with pytest.raises(ValueError, match="two rules have the first month 2012-01"):
        parse_programme({"rules": twice})


# -- a rule's text

conditions = st.builds(
    Condition,
    st.sampled_from(["items_purchased", "recency_days", "avg_ticket", "net_revenue"]),
    st.sampled_from([AT_LEAST, AT_MOST]),
    st.one_of(st.integers(-10_000, 10_000_000).map(float), st.floats(1e-6, 1e6).map(lambda value: round(value, 6))),
)


@given(st.lists(conditions, min_size=1, max_size=3), st.booleans())
def test_a_rule_is_read_back_from_its_sql(parts: list[Condition], any_of: bool) -> None:
    written = Rule(tuple(parts), ANY) if any_of and len(parts) > 1 else Rule(tuple(parts))
    assert parse_rule(written.sql) == written
