"""Ward's cuts, their silhouettes and the ranks: held against scikit-learn, on points that are drawn, not chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import ward
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import silhouette_samples, silhouette_score

from insiders_assets.domain.clustering import CLUSTERS, SCAN, cut, rank_by_mean, segment, silhouette_scan

ONE_POINT = [0.0, 0.0]


@st.composite
def points(draw: st.DrawFn, fewest: int = 3, most: int = 40) -> np.ndarray:
    """Points of a plane; from a coarse grid, many fall on one place and many distances are equal."""
    n = draw(st.integers(fewest, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        return rng.integers(0, 4, (n, 2)).astype(float)
    return rng.normal(0, draw(st.sampled_from([1e-3, 1.0, 1e3])), (n, 2))


@st.composite
def nested_labels(draw: st.DrawFn, n: int) -> dict[int, np.ndarray]:
    """Cuts of some tree of n points by their number of groups, each coarser one merging two groups of the finer."""
    finest = np.array(draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n)))
    labels = np.unique(finest, return_inverse=True)[1]
    assume(2 <= labels.max() + 1 < n)
    cuts = {}
    while (groups := int(labels.max()) + 1) >= 2:
        cuts[groups] = labels
        gone, kept = draw(st.permutations(range(groups)))[:2]
        labels = np.unique(np.where(labels == gone, kept, labels), return_inverse=True)[1]
    return cuts


def same_groups(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether two labelings divide the points alike, whatever they call the groups."""
    pairs = set(zip(ours.tolist(), theirs.tolist(), strict=True))
    return len(pairs) == len(set(ours.tolist())) == len(set(theirs.tolist()))


def places(points: np.ndarray) -> int:
    """At how many places the points stand."""
    return len(np.unique(points, axis=0))


# -- silhouettes


@settings(deadline=None, max_examples=100)
@given(st.data(), points(fewest=4, most=20))
def test_silhouettes_are_scikit_learn_s_for_any_nested_labels(data: st.DataObject, x: np.ndarray) -> None:
    cuts = data.draw(nested_labels(len(x)))
    distances = squareform(pdist(x))
    found = silhouette_scan(distances, cuts)
    assert set(found) == set(cuts)
    for k, labels in cuts.items():
        expected = silhouette_samples(distances, labels, metric="precomputed")
        np.testing.assert_allclose(found[k], expected, rtol=0, atol=1e-9, err_msg=f"{k} groups")


@settings(deadline=None, max_examples=50)
@given(points())
@example(np.array([ONE_POINT] * 11))
@example(np.array([ONE_POINT] * 11 + [[5.0, 5.0]]))
def test_the_scan_gives_scikit_learn_s_mean_silhouette_for_every_number_of_groups(x: np.ndarray) -> None:
    clusters = min(CLUSTERS, len(x) - 1)
    found = segment(x, np.arange(len(x), dtype=float), clusters)
    assert list(found.scan) == [k for k in SCAN if k < len(x) and k <= places(x)]
    for k, value in found.scan.items():
        labels = cut(ward(pdist(x)), k)
        assert value == pytest.approx(silhouette_score(x, labels), abs=1e-9), k


def test_a_customer_alone_in_a_group_has_silhouette_zero() -> None:
    x = np.array([[0.0], [0.1], [9.0]])
    (values,) = silhouette_scan(squareform(pdist(x)), {2: np.array([0, 0, 1])}).values()
    assert values[2] == 0
    assert (values[:2] > 0.9).all()


# -- Ward's groups


@settings(deadline=None, max_examples=60)
@given(points(), st.integers(2, 25))
@example(np.array([ONE_POINT] * 30), 10)
def test_ward_s_groups_are_scikit_learn_s_also_where_merges_are_equally_high(x: np.ndarray, clusters: int) -> None:
    assume(clusters < len(x) and clusters <= places(x))
    expected = AgglomerativeClustering(n_clusters=clusters, linkage="ward").fit_predict(x)
    found = cut(ward(pdist(x)), clusters)
    assert same_groups(found, expected)
    assert set(found) == set(range(clusters))
    ranks = segment(x, np.arange(len(x), dtype=float), clusters).ranks
    assert same_groups(ranks, expected)
    assert set(ranks) == set(range(1, clusters + 1))


def test_customers_who_are_all_alike_are_one_group() -> None:
    found = segment(np.full((60, 10), 3.5), np.full(60, 100.0))
    assert set(found.ranks) == {1}
    assert not found.silhouettes.any()
    assert found.scan == {}


def test_customers_of_one_place_are_never_parted() -> None:
    place = np.repeat(np.arange(4), 15)
    found = segment(np.column_stack([place, place**2]).astype(float), place.astype(float))
    assert found.ranks.tolist() == (4 - place).tolist()
    assert found.silhouettes.min() == 1


def test_the_fewest_customers_that_ten_groups_can_have() -> None:
    x = np.arange(11, dtype=float)[:, None] ** 2
    found = segment(x, np.arange(11, dtype=float))
    assert sorted(np.bincount(found.ranks)[1:]) == [1] * 9 + [2]
    assert list(found.scan) == list(range(2, 11))


@settings(deadline=None, max_examples=20)
@given(points(fewest=12))
def test_the_customers_silhouettes_are_those_of_the_scan(x: np.ndarray) -> None:
    assume(places(x) >= CLUSTERS)
    found = segment(x, np.arange(len(x), dtype=float))
    assert found.silhouettes.mean() == pytest.approx(found.scan[CLUSTERS], abs=1e-12)
    assert (np.abs(found.silhouettes) <= 1).all()


# -- ranks


LABELS_AND_VALUES = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 5), min_size=n, max_size=n),
        st.lists(st.sampled_from([0.0, 1.0, 2.5, 1e6]), min_size=n, max_size=n),
    )
)


@settings(deadline=None)
@given(LABELS_AND_VALUES, st.permutations(range(6)))
def test_ranks_do_not_hang_on_what_the_groups_are_called(
    drawn: tuple[list[int], list[float]], names: list[int]
) -> None:
    labels, values = np.array(drawn[0]), np.array(drawn[1])
    assert np.array_equal(rank_by_mean(labels, values), rank_by_mean(np.array(names)[labels], values))


@settings(deadline=None)
@given(LABELS_AND_VALUES)
def test_ranks_count_from_one_and_fall_with_the_mean_ties_by_the_first_customer(
    drawn: tuple[list[int], list[float]],
) -> None:
    labels, values = np.array(drawn[0]), np.array(drawn[1])
    ranks = rank_by_mean(labels, values)
    assert same_groups(ranks, labels)
    groups = range(1, ranks.max() + 1)
    order = [(-values[ranks == rank].mean(), np.flatnonzero(ranks == rank)[0]) for rank in groups]
    assert order == sorted(order)
