"""Customers held out by chance: nobody moves, errors are as often as stated, what is promised is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.domain.holdout import (
    STRATA,
    adjusted,
    analyse,
    customers_needed,
    detectable_effect,
    held_out,
    places,
    sample_ratio_p,
    strata_of,
    winsorised,
)

IDS = [str(number) for number in range(12_000, 16_000)]


def spending(seed: int, customers: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """A month's revenue as skewed as a shop's, and that of the months before, which says something of it."""
    generator = np.random.default_rng(seed)
    taste = generator.lognormal(5, 1, customers)
    active = generator.random(customers) < 0.7
    return taste * generator.lognormal(0, 0.6, customers) * active, taste * generator.lognormal(0, 0.4, customers)


@given(st.lists(st.text(max_size=8), unique=True, max_size=30), st.text(max_size=8))
def test_nobody_moves_when_customers_come_or_the_share_grows(ids: list[str], newcomer: str) -> None:
    before = dict(zip(ids, held_out(ids, "salt", 0.2), strict=True))
    more = [newcomer, *reversed([one for one in ids if one != newcomer])]
    after = dict(zip(more, held_out(more, "salt", 0.2), strict=True))
    larger = dict(zip(more, held_out(more, "salt", 0.5), strict=True))
    assert all(after[one] == before[one] for one in ids)
    assert all(larger[one] for one in more if after[one])


def test_places_are_even_and_another_salt_draws_anew() -> None:
    found, other = places(IDS, "2012"), places(IDS, "2013")
    assert 0 <= found.min() < 0.01 < 0.99 < found.max() < 1
    assert np.histogram(found, 10, (0, 1))[0].max() < 1.15 * len(IDS) / 10
    assert abs(np.corrcoef(found, other)[0, 1]) < 0.05
    assert places(["17850"], "2012").tolist() == places(["1", "17850"], "2012")[1:].tolist()


def test_a_trial_without_an_effect_finds_one_as_often_as_its_level() -> None:
    found = {"raw": 0, "winsorised": 0, "adjusted": 0, "in strata": 0}
    for trial in range(1_000):
        outcome, before = spending(trial)
        held = held_out(IDS[: len(outcome)], f"trial {trial}", 0.3)
        for name, values, strata in (
            ("raw", outcome, None),
            ("winsorised", winsorised(outcome), None),
            ("adjusted", adjusted(winsorised(outcome), winsorised(before)), None),
            ("in strata", winsorised(outcome), strata_of(before)),
        ):
            effect = analyse(values, held, strata)
            assert effect is not None
            found[name] += effect.p < 0.05
    assert all(35 <= count <= 65 for count in found.values()), found


def test_the_detectable_effect_is_found_four_times_out_of_five() -> None:
    found = 0
    for trial in range(400):
        outcome, before = spending(trial, 600)
        values = adjusted(winsorised(outcome), winsorised(before))
        held = held_out(IDS[: len(outcome)], f"trial {trial}", 0.3)
        effect = analyse(values + detectable_effect(values, 0.3) * ~held, held)
        assert effect is not None
        found += effect.p < 0.05
    assert 0.74 <= found / 400 <= 0.86


def test_what_is_known_beforehand_makes_smaller_effects_detectable() -> None:
    outcome, before = spending(1, 2_000)
    raw, clipped = detectable_effect(outcome, 0.2), detectable_effect(winsorised(outcome), 0.2)
    best = detectable_effect(adjusted(winsorised(outcome), winsorised(before)), 0.2)
    assert best < clipped < raw
    assert adjusted(outcome, before).mean() == pytest.approx(outcome.mean())
    needed = customers_needed(outcome, 0.2, raw)
    assert needed == pytest.approx(len(outcome), abs=2)
    assert customers_needed(outcome, 0.2, raw / 2) == pytest.approx(4 * len(outcome), rel=0.01)


def test_a_split_that_chance_does_not_give_is_noticed() -> None:
    assert sample_ratio_p(5_200, 10_000, 0.5) < 0.001
    assert sample_ratio_p(5_020, 10_000, 0.5) > 0.5
    assert sample_ratio_p(int(held_out(IDS, "2012", 0.2).sum()), len(IDS), 0.2) > 0.001


def test_strata_share_equals_and_small_ones_are_taken_together() -> None:
    assert np.bincount(strata_of(np.arange(300.0))).tolist() == [100] * STRATA
    assert len(set(strata_of(np.ones(50)))) == 1
    generator = np.random.default_rng(5)
    outcome, held = generator.normal(size=40), np.arange(40) < 12
    strata = np.where(np.arange(40) == 0, 1, 0)  # one customer alone
    effect, plain = analyse(outcome, held, strata), analyse(outcome, held)
    assert effect is not None
    assert plain is not None
    assert effect.difference == pytest.approx(plain.difference)


def test_where_an_arm_is_empty_nothing_is_said() -> None:
    outcome = np.array([1.0, 2.0, 3.0])
    assert analyse(outcome, np.zeros(3, dtype=bool)) is None
    assert analyse(outcome, np.array([True, False, False])) is None
    assert detectable_effect(outcome, 0.0) == np.inf
    assert detectable_effect(outcome[:1], 0.5) == np.inf
    assert customers_needed(outcome, 0.5, 0.0) == np.inf
    equal = analyse(np.ones(6), np.array([True, True, False, False, False, True]))
    assert equal is not None
    assert (equal.difference, equal.p) == (0, 1)
