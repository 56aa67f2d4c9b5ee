"""Two groups on one measure: held against brute force, SciPy and worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from insiders_assets.domain.guarantees import (
    ASYMPTOTIC,
    BCA,
    _by_variance,
    cliffs_delta,
    compare,
    describe,
    holm,
    interval_of_mean,
)

VALUES = st.lists(st.integers(-5, 5), min_size=1, max_size=25).map(lambda drawn: np.array(drawn, dtype="float64"))


@settings(deadline=None)
@given(VALUES, VALUES)
def test_cliffs_delta_is_the_mean_sign_of_all_pairs_and_follows_from_u(x: np.ndarray, y: np.ndarray) -> None:
    assert cliffs_delta(x, y) == pytest.approx(np.sign(x[:, None] - y[None, :]).mean(), abs=1e-12)
    assert cliffs_delta(y, x) == pytest.approx(-cliffs_delta(x, y), abs=1e-12)
    u = stats.mannwhitneyu(x, y).statistic
    assert cliffs_delta(x, y) == pytest.approx(2 * u / (len(x) * len(y)) - 1, abs=1e-12)


def test_groups_with_the_same_share_are_exactly_alike() -> None:
    for share, of in ((7, 11), (1, 23), (3, 58)):
        values = np.arange(of) < share
        assert cliffs_delta(values.astype(float), values.astype(float)[::-1]) == 0


def test_holm_as_in_a_worked_example() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values: list[float]) -> None:
    found = holm(p_values)
    assert all(p <= adjusted <= 1 for p, adjusted in zip(p_values, found, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(found)[order]) >= 0).all()
    assert min(found) == pytest.approx(min(1, len(p_values) * min(p_values)))


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.random.default_rng(1).lognormal(size=200)
    expected = stats.t.interval(0.95, 199, values.mean(), stats.sem(values))
    assert interval_of_mean(values, ddof=1) == pytest.approx(expected)
    low, high = interval_of_mean(values)
    assert expected[0] < low < high < expected[1]


def test_the_interval_of_delta_holds_the_truth_as_often_as_it_says() -> None:
    generator, truth = np.random.default_rng(4), 2 * stats.norm.cdf(0.5 / np.sqrt(2)) - 1
    inside = {BCA: 0, ASYMPTOTIC: 0}
    for trial in range(100):
        x, y = generator.normal(0.5, 1, 60), generator.normal(0, 1, 40)
        found = compare(x, y, trial)
        assert found is not None
        assert found.interval == BCA
        inside[BCA] += found.delta_low <= truth <= found.delta_high
        low, high = _by_variance(x, y)
        inside[ASYMPTOTIC] += low <= truth <= high
    assert all(88 <= count <= 100 for count in inside.values()), inside


def test_both_intervals_of_delta_agree_on_larger_groups_and_the_same_seed_gives_the_same() -> None:
    generator = np.random.default_rng(2)
    x, y = generator.lognormal(0.5, 1, 300), generator.lognormal(0, 1, 200)
    found = compare(x, y, 7)
    assert found == compare(x, y, 7)
    assert found is not None
    assert _by_variance(x, y) == pytest.approx((found.delta_low, found.delta_high), abs=0.01)
    many = compare(np.tile(x, 10), np.tile(y, 10), 7)
    assert many is not None
    assert many.interval == ASYMPTOTIC
    assert many.delta == pytest.approx(found.delta)
    assert many.delta_high - many.delta_low < found.delta_high - found.delta_low


def test_groups_too_small_or_all_alike_give_what_can_be_said() -> None:
    assert compare(np.array([]), np.array([1.0]), 1) is None
    one = compare(np.array([3.0]), np.array([1.0, 2.0]), 1)
    assert one is not None
    assert (one.delta, one.first.customers) == (1, 1)
    assert np.isnan(one.first.low)
    assert np.isnan(one.first.shapiro_p)
    alike = compare(np.full(10, 2.0), np.full(12, 2.0), 1)
    assert alike is not None
    assert (alike.delta, alike.p) == (0, 1)
    assert alike.delta_low <= 0 <= alike.delta_high
    apart = compare(np.full(10, 3.0), np.full(12, 2.0), 1)
    assert apart is not None
    assert (apart.delta_low, apart.delta_high) == (1, 1)


def test_normality_is_tested_on_a_sample_where_there_are_many() -> None:
    values = np.random.default_rng(3).normal(size=20_000)
    found = describe(values, 1)
    assert found == describe(values, 1)
    assert found.shapiro_p > 0.001
    assert describe(np.exp(values), 1).shapiro_p < 1e-20
