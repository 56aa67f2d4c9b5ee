"""The rule card: the shortest faithful rule, its words in SQL, and what it is worth on customers it has not seen."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.domain import rule_card
from insiders_assets.domain.rule_card import fidelity, find_rule
from insiders_assets.domain.rules import ALL, ANY, AT_LEAST, AT_MOST, Condition, Rule

FEATURES = ("items", "recency", "ticket", "returns")


@pytest.fixture(scope="module")
def customers() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(7)
    return {
        "items": generator.lognormal(6, 1.2, 1500).round(),
        "recency": generator.integers(0, 365, 1500).astype(float),
        "ticket": generator.lognormal(5, 0.6, 1500).round(2),
        "returns": generator.poisson(0.7, 1500).astype(float),
    }


def items(threshold: float) -> Condition:
    return Condition("items", AT_LEAST, threshold)


RECENT = Condition("recency", AT_MOST, 30)


@pytest.mark.parametrize(
    "rule",
    [
        Rule((items(1000),)),
        Rule((items(500), RECENT), ALL),
        Rule((items(2000), Condition("returns", AT_LEAST, 4)), ANY),
        Rule((items(300), RECENT, Condition("ticket", AT_LEAST, 150)), ALL),
    ],
)
def test_a_rule_that_made_the_choice_is_found_as_short_as_it_is(rule: Rule, customers: dict[str, np.ndarray]) -> None:
    chosen = rule.holds(customers)
    card = find_rule(customers, chosen, FEATURES, seed=1)
    assert card.rule.connective == rule.connective or len(rule.conditions) == 1
    assert {(one.feature, one.direction) for one in card.rule.conditions} == {
        (one.feature, one.direction) for one in rule.conditions
    }
    assert (card.rule.holds(customers) == chosen).all()
    assert card.in_sample.f1 == 1
    assert card.cross_validated.f1 > 0.93
    assert not card.exceptions.any()
    assert card.runner_up
    assert not card.runner_up.features & card.rule.features


def test_the_threshold_is_the_roundest_that_selects_the_same(customers: dict[str, np.ndarray]) -> None:
    values = np.array([5.0, 1980.0, 2036.0, 2500.0])
    card = find_rule({"items": values}, values >= 2036, ["items"], seed=1)
    assert card.rule.sql == "items >= 2000"
    values = np.array([5.0, 2757.0, 2759.0, 4000.0])
    assert find_rule({"items": values}, values >= 2759, ["items"], seed=1).rule.sql == "items >= 2759"


def test_noise_is_no_condition_and_the_cross_validated_figure_is_not_flattered(
    customers: dict[str, np.ndarray],
) -> None:
    generator = np.random.default_rng(3)
    chosen = items(1000).holds(customers) ^ (generator.random(1500) < 0.03)
    card = find_rule(customers, chosen, FEATURES, seed=1)
    assert card.rule.features == {"items"}
    assert card.exceptions.sum() == (card.rule.holds(customers) != chosen).sum()
    at_random = find_rule(customers, generator.random(1500) < 0.1, FEATURES, seed=1)
    assert at_random.cross_validated.f1 < 0.35


def test_of_a_crowd_a_sample_is_searched_and_everybody_sets_the_threshold(
    customers: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Rule((items(500), RECENT))
    chosen = made.holds(customers)
    monkeypatch.setattr(rule_card, "MOST_SEARCHED", 400)
    card = find_rule(customers, chosen, FEATURES, seed=1)
    assert card.rule.features == made.features
    # On 400 customers both thresholds lie off; on all of them the choice can be told without an exception.
    assert not card.exceptions.any()
    assert card.exceptions.shape == chosen.shape
    assert card.in_sample.f1 == 1 > card.cross_validated.f1


def test_a_sample_of_a_crowd_has_some_of_the_few_who_are_chosen(
    customers: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_card, "MOST_SEARCHED", 100)
    chosen = customers["items"] >= np.sort(customers["items"])[-3]
    assert find_rule(customers, chosen, FEATURES, seed=1).exceptions.shape == chosen.shape


def test_sql_selects_the_same_customers(customers: dict[str, np.ndarray]) -> None:
    frame = pd.DataFrame(customers)
    connection = duckdb.connect()
    connection.register("customer_features", frame)
    for rule in (Rule((items(1234.5), RECENT)), Rule((items(2000), RECENT), ANY), Rule((items(float(10**15)),))):
        found = connection.execute(f"SELECT count(*) FROM customer_features WHERE {rule.sql}").fetchall()
        assert found == [(int(rule.holds(customers).sum()),)]


def test_slack_follows_the_direction_of_every_condition() -> None:
    there = {"items": np.array([100.0, 80, 79, np.nan]), "recency": np.array([30.0, 37.5, 38, 10])}
    assert items(100).holds(there, slack=0.8).tolist() == [True, True, False, False]
    assert RECENT.holds(there, slack=0.8).tolist() == [True, True, False, True]
    both = (items(100), RECENT)
    assert Rule(both, ALL).holds(there, slack=0.8).tolist() == [True, True, False, False]
    assert Rule(both, ANY).holds(there, slack=0.8).tolist() == [True, True, False, True]
    assert Condition("net", AT_LEAST, -10).holds({"net": np.array([-12.0, -13])}, slack=0.8).tolist() == [True, False]


def test_gaps_and_constants_are_borne(customers: dict[str, np.ndarray]) -> None:
    gaps = np.where(np.arange(1500) % 3 == 0, np.nan, customers["ticket"])
    odd = {"items": customers["items"], "gaps": gaps, "same": np.ones(1500), "empty": np.full(1500, np.nan)}
    chosen = items(1000).holds(odd)
    assert find_rule(odd, chosen, list(odd), seed=1).rule.features == {"items"}
    with pytest.raises(ValueError, match="customers who are chosen and customers who are not"):
        find_rule(odd, np.ones(1500, dtype=bool), ["items"], seed=1)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_fidelity_is_what_counting_gives(chosen: list[bool], data: st.DataObject) -> None:
    selected = data.draw(st.lists(st.booleans(), min_size=len(chosen), max_size=len(chosen)))
    found = fidelity(np.array(selected), np.array(chosen))
    both = sum(one and other for one, other in zip(selected, chosen, strict=True))
    assert found.precision == (both / sum(selected) if any(selected) else 0)
    assert found.recall == (both / sum(chosen) if any(chosen) else 0)
    if found.precision + found.recall:
        assert found.f1 == pytest.approx(2 * found.precision * found.recall / (found.precision + found.recall))


def test_of_a_rule_is_reached_what_its_weakest_condition_reaches() -> None:
    here = {"items": np.array([50.0, 200.0, np.nan, 100.0]), "recency": np.array([60.0, 15.0, 30.0, 0.0])}
    both = Rule((items(100), RECENT))
    np.testing.assert_allclose(both.reach(here), [0.5, 2.0, np.nan, 1.0])
    np.testing.assert_allclose(Rule(both.conditions, ANY).reach(here), [0.5, 2.0, 1.0, np.inf])
    assert (both.reach(here) >= 1).tolist() == both.holds(here).tolist()
    assert np.isnan(Rule((items(0),)).reach(here)).all()


def test_a_rule_moved_is_harder_above_one_and_easier_below() -> None:
    both = Rule((items(100), RECENT))
    assert both.moved(2).sql == "items >= 200 AND recency <= 15"
    assert both.moved(0.5).sql == "items >= 50 AND recency <= 60"
    assert both.moved(1) == both
    assert Rule((items(2757),)).moved(1.1).sql == "items >= 3032.7"
