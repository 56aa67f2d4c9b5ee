"""Spaces side by side: the same customers, groups and measures in each, on a made-up shop of few customers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from insiders_assets.domain.spaces import (
    FAIR,
    PCA,
    T_SNE,
    TREES,
    UMAP,
    Comparison,
    Space,
    compare_spaces,
    flat,
    standardised_logs,
)


def shop(kinds: tuple[int, ...] = (30, 25, 25), seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 4) and revenue (n,) of kinds of customers who differ in all but the last feature, a constant."""
    generator = np.random.default_rng(seed)
    kind = generator.permutation(np.repeat(np.arange(len(kinds)), kinds))
    features = np.exp(3.0 * kind[:, None] * [1, 0.5, -0.5] + generator.normal(4, 0.15, (len(kind), 3)))
    return np.column_stack([features, np.full(len(kind), 7.0)]), 100.0 * 5.0**kind + generator.random(len(kind))


def first_two_logs(features: np.ndarray, revenue: np.ndarray, seed: int) -> np.ndarray:
    """Stands for the product's tree embedding: three dimensions, of which one hangs on the seed."""
    wobble = np.random.default_rng(seed).normal(0, 0.01, len(features))
    return np.column_stack([np.log(features[:, :2]), wobble])


def compare(features: np.ndarray, revenue: np.ndarray, **words: int) -> Comparison:
    return compare_spaces(features, revenue, **{"tree_space": first_two_logs, "seed": 1, "groups": 3, **words})


def by_name(found: Comparison) -> Mapping[str, Space]:
    return {space.name: space for space in found.spaces}


@pytest.fixture(scope="module")
def customers() -> tuple[np.ndarray, np.ndarray]:
    return shop()


@pytest.fixture(scope="module")
def found(customers: tuple[np.ndarray, np.ndarray]) -> Comparison:
    return compare(*customers, seeds=2, draws=2)


def test_every_space_shows_the_same_customers_in_two_dimensions(found: Comparison) -> None:
    assert [space.name for space in found.spaces] == [PCA, T_SNE, UMAP, TREES]
    for space in found.spaces:
        assert space.picture.shape == (80, 2)
        assert np.isfinite(space.picture).all()
        assert space.seconds > 0
    assert (found.landmarks == np.arange(80)).all()


def test_clear_kinds_are_found_in_every_space_and_ranked_by_revenue(
    found: Comparison, customers: tuple[np.ndarray, np.ndarray]
) -> None:
    kind = np.round(np.log(customers[1] / 100) / np.log(5)).astype(int)
    for space in found.spaces:
        assert (space.ranks == 3 - kind).all(), space.name
        assert space.sample_agreement == space.sample_jaccard == 1, space.name
        assert space.seed_agreement == space.seed_jaccard == 1, space.name


def test_silhouettes_are_scikit_learn_s_in_the_own_and_in_the_common_space(
    found: Comparison, customers: tuple[np.ndarray, np.ndarray]
) -> None:
    common = standardised_logs(customers[0])
    for space in found.spaces:
        assert space.common_silhouette == pytest.approx(silhouette_score(common, space.ranks), abs=1e-9)
        assert space.own_silhouette == pytest.approx(space.silhouettes.mean(), abs=1e-12)
        assert space.own_error == space.common_error == 0
    for name in (T_SNE, UMAP):
        shown = by_name(found)[name]
        assert shown.own_silhouette == pytest.approx(silhouette_score(shown.picture, shown.ranks), abs=1e-6)


def test_equal_groups_have_equal_silhouettes_only_in_the_common_space(found: Comparison) -> None:
    own = [space.own_silhouette for space in found.spaces]
    common = [space.common_silhouette for space in found.spaces]
    assert min(abs(a - b) for a, b in combinations(own, 2)) > 1e-6
    assert max(common) - min(common) < 1e-12
    assert "cannot be compared" in FAIR
    assert found.fair == FAIR


def test_the_same_seed_gives_the_same_in_whatever_order_the_customers_come(
    found: Comparison, customers: tuple[np.ndarray, np.ndarray]
) -> None:
    features, revenue = customers
    order = np.random.default_rng(2).permutation(len(revenue))
    again = compare(features[order], revenue[order], seeds=2, draws=2)
    for one, other in zip(found.spaces, again.spaces, strict=True):
        assert (one.ranks[order] == other.ranks).all()
        assert (one.picture[order] == other.picture).all()
        assert one.common_silhouette == pytest.approx(other.common_silhouette, abs=1e-12)
        assert (one.seed_agreement, one.sample_agreement) == (other.seed_agreement, other.sample_agreement)


def test_a_space_that_hangs_on_its_seed_is_seen_to() -> None:
    features, revenue = shop()

    def noise(features: np.ndarray, revenue: np.ndarray, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).normal(size=(len(features), 2))

    found = compare_spaces(features, revenue, tree_space=noise, seed=1, groups=3, seeds=3, draws=0)
    shown = by_name(found)[TREES]
    assert shown.seed_agreement < 0.2
    assert shown.seed_jaccard < 0.7
    assert shown.common_silhouette < 0.1
    assert np.isnan(shown.sample_agreement)


def test_beyond_the_landmarks_a_sample_is_compared_and_its_error_told() -> None:
    features, revenue = shop((70, 60, 50))
    found = compare(features, revenue, seeds=1, draws=1, landmarks=60)
    assert found.landmarks.shape == (60,)
    assert (np.diff(found.landmarks) > 0).all()
    for space in found.spaces:
        assert space.ranks.shape == (60,)
        assert 0 < space.common_error < 0.05
        assert np.isnan(space.seed_agreement)
    kind = np.round(np.log(revenue[found.landmarks] / 100) / np.log(5))
    assert (by_name(found)[PCA].ranks == 3 - kind).all()


@pytest.mark.parametrize(
    ("features", "groups", "said"),
    [
        (np.random.default_rng(0).random((14, 3)), 3, "14 customers are too few to compare 3 groups"),
        (np.random.default_rng(0).random((30, 3)), 25, "33 are needed"),
        (np.ones((40, 3)), 3, "alike in every feature"),
        (np.full((40, 3), np.nan), 3, "missing or infinite"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(features: np.ndarray, groups: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(features, np.arange(len(features), dtype=float), groups=groups)


def in_one_place(features: np.ndarray, revenue: np.ndarray, seed: int) -> np.ndarray:
    return np.zeros((len(features), 3))


@pytest.mark.parametrize(
    "features",
    [
        np.random.default_rng(0).random((15, 2)),
        np.column_stack([np.arange(20.0), np.zeros(20)]),
        np.repeat([[0.0, 5.0], [9.0, -50.0]], 15, axis=0),
        np.vstack([np.zeros((39, 2)), [[1e12, -1e12]]]),
    ],
    ids=["the fewest", "one constant", "two kinds, one negative", "one far away"],
)
def test_odd_customers_crash_no_space(features: np.ndarray) -> None:
    revenue = np.linspace(-5, 100, len(features))
    found = compare(
        features, revenue, tree_space=in_one_place, groups=10 if len(features) < 20 else 3, draws=2, seeds=2
    )
    for space in found.spaces:
        assert np.isfinite(space.picture).all(), space.name
        assert set(space.ranks) == set(range(1, space.ranks.max() + 1))
    shown = by_name(found)[TREES]
    assert shown.ranks.max() == 1
    assert np.isnan(shown.own_silhouette)
    assert np.isnan(shown.common_silhouette)


def test_logs_keep_the_sign_and_leave_constant_features_out() -> None:
    logs = standardised_logs(np.array([[-10.0, 3.0, 0.0], [0.0, 3.0, 1.0], [10.0, 3.0, 2.0]]))
    assert logs.shape == (3, 2)
    assert logs[0, 0] == -logs[2, 0]
    assert logs[1, 0] == 0
    np.testing.assert_allclose(logs.std(axis=0), 1)


def test_a_picture_keeps_the_widest_directions_and_lays_a_line_flat() -> None:
    wide = np.random.default_rng(3).normal(size=(50, 4)) * [0.1, 9, 0.1, 4]
    assert flat(wide).std(axis=0) == pytest.approx([9, 4], rel=0.25)
    line = flat(np.arange(5.0)[:, None])
    assert np.ptp(line[:, 0]) == 4
    assert not line[:, 1].any()
