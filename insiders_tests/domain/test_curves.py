"""Many customers as few points, and what they show stays the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.domain.curves import MOST_POINTS, revenue_curve, spaced

AMOUNTS = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=900)


@given(AMOUNTS)
def test_the_curve_goes_from_nothing_to_everything_and_never_bends_upwards(amounts: list[float]) -> None:
    customers, shares = revenue_curve(np.array(amounts))
    assert len(shares) <= MOST_POINTS
    assert (customers[0], shares[0], customers[-1]) == (0, 0, 1)
    assert abs(shares[-1] - 1) < 1e-9
    slopes = np.diff(shares) / np.diff(customers)
    assert (np.diff(slopes) <= 1e-6).all()


def test_the_best_tenth_is_read_off_the_curve() -> None:
    revenues = np.array([910.0, *[10.0] * 9])
    customers, shares = revenue_curve(revenues)
    assert np.interp(0.1, customers, shares) == 0.91


def test_of_nothing_there_are_no_shares() -> None:
    for amounts in ([], [0.0, 0.0], [5.0, -9.0]):
        assert len(revenue_curve(np.array(amounts))[1]) == 0


@given(st.integers(0, 20_000), st.integers(1, 5_000))
def test_a_sample_has_both_ends_and_no_more_than_asked(number: int, most: int) -> None:
    places = spaced(number, most)
    assert len(places) == min(number, most)
    assert (np.diff(places) > 0).all()
    if number and most > 1:
        assert (places[0], places[-1]) == (0, number - 1)
