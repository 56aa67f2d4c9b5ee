"""The consensus: what many fits agree on, whatever their seeds, and with landmarks as without."""

from __future__ import annotations

import numpy as np
import pytest

from insiders_assets.domain.consensus import Consensus, find_consensus
from insiders_assets.domain.rule_card import pairwise_jaccard

FEW_FITS = 4


def customers(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 4) and revenue (n,) of customers whose revenue hangs on the first feature, with noise."""
    generator = np.random.default_rng(seed)
    items = generator.lognormal(6, 1.2, n)
    revenue = items * generator.lognormal(0.6, 0.15, n)
    return np.column_stack([items, generator.normal(size=(n, 3))]), revenue


def consensus_of(features: np.ndarray, revenue: np.ndarray, seed: int = 1, **words: float) -> Consensus:
    return find_consensus(features, revenue, share=0.1, seed=seed, fits=FEW_FITS, **words)


@pytest.fixture(scope="module")
def few() -> tuple[np.ndarray, np.ndarray]:
    return customers(600, 3)


@pytest.fixture(scope="module")
def found(few: tuple[np.ndarray, np.ndarray]) -> Consensus:
    return consensus_of(*few)


def test_the_chosen_are_the_share_that_was_asked_for_and_spend_most(
    found: Consensus, few: tuple[np.ndarray, np.ndarray]
) -> None:
    revenue = few[1]
    assert found.chosen.sum() == 60
    assert sorted(found.ranks) == list(range(1, 601))
    assert (found.chosen == (found.ranks <= 60)).all()
    assert revenue[found.chosen].mean() > 4 * revenue[~found.chosen].mean()
    assert np.isfinite(found.scores).all()
    assert found.scores.min() >= 0
    assert found.scores.max() <= 1


def test_confidence_is_high_away_from_the_edge_and_low_at_it(found: Consensus) -> None:
    assert found.confidences.min() >= 0
    assert found.confidences.max() <= 1
    at_the_edge = np.abs(found.ranks - 60) <= 15
    assert found.confidences[found.ranks <= 20].mean() > found.confidences[at_the_edge].mean()
    assert found.confidences[found.ranks > 200].mean() > 0.99


def test_the_same_seed_gives_the_same_and_others_nearly_the_same(
    found: Consensus, few: tuple[np.ndarray, np.ndarray]
) -> None:
    again = consensus_of(*few)
    assert (again.ranks == found.ranks).all()
    assert (again.confidences == found.confidences).all()
    others = [found.chosen, *(consensus_of(*few, seed=seed).chosen for seed in (2, 3))]
    assert min(pairwise_jaccard(others)) > 0.8


def test_the_order_of_features_and_their_units_do_not_matter_much(
    found: Consensus, few: tuple[np.ndarray, np.ndarray]
) -> None:
    features, revenue = few
    other = consensus_of(features[:, ::-1] * 1000, revenue)
    assert min(pairwise_jaccard([found.chosen, other.chosen])) > 0.8


def test_beyond_the_landmarks_the_others_are_assigned_and_draws_agree() -> None:
    features, revenue = customers(1500, 5)
    whole = consensus_of(features, revenue)
    drawn = [consensus_of(features, revenue, seed=seed, landmarks=500).chosen for seed in (1, 2)]
    assert min(pairwise_jaccard([whole.chosen, *drawn])) > 0.8


@pytest.mark.parametrize(
    "features",
    [np.ones((80, 3)), np.column_stack([np.arange(80.0), np.zeros(80)]), np.tile([[1.0], [5.0]], (40, 2))],
    ids=["all alike", "one constant", "two kinds"],
)
def test_odd_customers_are_ranked_by_revenue_where_nothing_else_tells_them_apart(features: np.ndarray) -> None:
    revenue = np.linspace(-50, 900, 80)
    found = consensus_of(features, revenue)
    assert found.chosen.sum() == 8
    assert np.isfinite(found.scores).all()
    if np.unique(features, axis=0).shape[0] == 1:
        assert (found.ranks == np.arange(80, 0, -1)).all()
