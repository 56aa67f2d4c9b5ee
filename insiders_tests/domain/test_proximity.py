"""The product's embedding: neighbours by forest proximity, landmarks, and customers who are placed by them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from insiders_assets.domain import proximity
from insiders_assets.domain.clustering import joined_to, segment, segment_by_landmarks
from insiders_assets.domain.embedding import NEIGHBOURS, TREES
from insiders_assets.domain.leaf_space import LEAST_IN_LEAF, as_trees_read
from insiders_assets.domain.proximity import ProximityEmbedding, fit_proximity_embedding

CUSTOMERS, LANDMARKS = 400, 250


def shop(customers: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    features = generator.lognormal(1, 1, (customers, 12))
    return features, features[:, 3] * generator.normal(2, 0.2, customers).clip(0.5)


@pytest.fixture(scope="module")
def fitted() -> ProximityEmbedding:
    return fit_proximity_embedding(*shop(CUSTOMERS), landmarks=LANDMARKS)


def shared_leaves(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Share of trees in which customers (n, trees) and (m, trees) fall in the same leaf, the plain way."""
    return (first[:, None, :] == second[None, :, :]).mean(axis=2)


def test_leaves_are_filled_and_landmarks_are_drawn_once(fitted: ProximityEmbedding) -> None:
    assert fitted.leaves.shape == (LANDMARKS, TREES)
    assert len(set(fitted.landmarks)) == LANDMARKS
    assert fitted.landmarks.max() < CUSTOMERS
    sizes = [tree.tree_.n_node_samples[tree.tree_.children_left == -1].min() for tree in fitted.forest.estimators_]
    # Draws of a bootstrap sample: a customer drawn twice counts twice.
    assert min(tree.tree_.weighted_n_node_samples[tree.tree_.children_left == -1].min() for tree in fitted.forest) >= (
        LEAST_IN_LEAF
    )
    assert min(sizes) > 1


def test_the_neighbours_are_those_who_share_most_leaves(fitted: ProximityEmbedding) -> None:
    graph = proximity._Proximity(fitted.forest, fitted.leaves)
    numbers, distances = proximity._neighbours(graph, fitted.leaves)
    plain = 1 - shared_leaves(fitted.leaves, fitted.leaves)
    assert np.array_equal(numbers[:, 0], np.arange(LANDMARKS))
    assert np.allclose(distances, np.take_along_axis(plain, numbers, axis=1), atol=1e-6)
    np.fill_diagonal(plain, -1)
    assert np.allclose(distances[:, 1:], np.sort(plain, axis=1)[:, 1:NEIGHBOURS], atol=1e-6)


def test_a_customer_is_placed_among_the_landmarks_it_shares_leaves_with(fitted: ProximityEmbedding) -> None:
    features, _ = shop(CUSTOMERS)
    others = np.setdiff1d(np.arange(CUSTOMERS), fitted.landmarks)[:20]
    placed = fitted.place(features[others])
    near = shared_leaves(fitted.forest.apply(as_trees_read(features[others])), fitted.leaves)
    for place, shares in zip(placed, near, strict=True):
        first = np.argsort(-shares, kind="stable")[:NEIGHBOURS]
        weights = shares[first] / shares[first].sum()
        assert np.allclose(place, weights @ fitted.landmark_components[first], atol=1e-4)


def test_who_shares_leaves_with_few_has_the_first_of_the_others_beside_them() -> None:
    features, revenue = shop(60)
    matrix = as_trees_read(features)
    forest = RandomForestRegressor(3, min_samples_leaf=4, random_state=1).fit(matrix, revenue)
    leaves = forest.apply(matrix)
    numbers, distances = proximity._Proximity(forest, leaves).nearest(leaves)
    shares = shared_leaves(leaves, leaves)
    plain = np.argsort(-shares, axis=1, kind="stable")[:, :NEIGHBOURS]
    assert (shares > 0).sum(axis=1).min() < NEIGHBOURS
    assert np.array_equal(numbers, plain)
    assert np.allclose(distances, 1 - np.take_along_axis(shares, plain, axis=1), atol=1e-6)


def test_where_a_customer_is_placed_hangs_on_nobody_else(
    fitted: ProximityEmbedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, _ = shop(CUSTOMERS)
    together = fitted.place(features)
    monkeypatch.setattr(proximity, "CHUNK", 7)
    assert np.array_equal(fitted.place(features), together)
    assert np.array_equal(fitted.place(features[[5]]), together[[5]])


def test_the_same_customers_give_the_same_places(fitted: ProximityEmbedding) -> None:
    again = fit_proximity_embedding(*shop(CUSTOMERS), landmarks=LANDMARKS)
    assert np.array_equal(again.landmark_components, fitted.landmark_components)
    assert np.array_equal(again.landmarks, fitted.landmarks)


@pytest.mark.parametrize("places", [1, 2, 3])
def test_few_places_have_the_same_layout_every_time(places: int) -> None:
    features = np.repeat(np.arange(places), 60 // places)[:, None] * np.ones(12)
    found = [fit_proximity_embedding(features, features[:, 0] + 1).landmark_components for _ in range(3)]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


@pytest.mark.parametrize("customers", [12, 38, 60])
def test_customers_who_are_all_alike_or_too_few_for_a_split_have_a_place(customers: int) -> None:
    features, revenue = shop(customers)
    for matrix, amounts in ((np.ones((customers, 12)), np.full(customers, 5.0)), (features, revenue)):
        alike = fit_proximity_embedding(matrix, amounts)
        assert np.isfinite(alike.landmark_components).all()
        assert np.isfinite(alike.place(matrix[:3])).all()


# -- segments fitted on landmarks


def test_with_landmarks_alone_the_segments_are_those_of_all() -> None:
    points, revenue = np.random.default_rng(1).normal(size=(120, 4)), np.arange(120.0)
    everybody = np.ones(120, dtype=bool)
    plain, by_landmarks = segment(points, revenue), segment_by_landmarks(points, revenue, everybody)
    assert np.array_equal(plain.ranks, by_landmarks.ranks)
    assert np.array_equal(plain.silhouettes, by_landmarks.silhouettes)


def test_others_join_the_group_around_them_and_ranks_count_everybody() -> None:
    generator = np.random.default_rng(2)
    group = np.repeat(np.arange(12), 50)
    points = generator.normal(scale=0.05, size=(600, 3)) + np.column_stack([group % 4, group // 4, group * 0]) * 3
    landmark = generator.random(600) < 0.4
    revenue = np.where(landmark, 1.0, group + 1.0)
    found = segment_by_landmarks(points, revenue, landmark, clusters=12)
    assert len({(one, rank) for one, rank in zip(group, found.ranks, strict=True)}) == 12
    means = [revenue[found.ranks == rank].mean() for rank in range(1, 13)]
    assert means == sorted(means, reverse=True)
    assert np.isnan(found.silhouettes[~landmark]).all()
    assert np.isfinite(found.silhouettes[landmark]).all()


def test_votes_are_counted_and_a_tie_goes_to_the_smaller_label() -> None:
    landmarks = np.array([[0.0], [0.1], [0.2], [5.0]])
    assert joined_to(np.array([[0.05], [4.9]]), landmarks, np.array([2, 2, 1, 1])).tolist() == [1, 1]
    assert joined_to(np.empty((0, 1)), landmarks, np.array([2, 2, 1, 1])).tolist() == []
