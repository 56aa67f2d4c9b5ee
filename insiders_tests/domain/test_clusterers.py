"""Clusterers side by side: measures held against scikit-learn's, and the written choice in cases made for it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples, silhouette_score

from insiders_assets.domain.clusterer_choice import Choice, Criterion, choose
from insiders_assets.domain.clusterers import (
    CLUSTERERS,
    DBSCAN,
    K_MEANS,
    MIXTURE,
    WARD,
    Scan,
    Trial,
    scan_clusterers,
)
from insiders_assets.domain.clustering import joined_to

KS = range(2, 13)


def clouds(sizes: tuple[int, ...], seed: int = 0, width: float = 0.5, dimensions: int = 3) -> np.ndarray:
    """Round clouds of these sizes whose centres stand ten apart, in shuffled order."""
    generator = np.random.default_rng(seed)
    centres = 10.0 * np.arange(len(sizes))[:, None] * np.eye(1, dimensions)
    points = np.repeat(centres, sizes, axis=0) + generator.normal(0, width, (sum(sizes), dimensions))
    return generator.permutation(points)


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(260, 3)) * [3, 1, 1]


@pytest.fixture(scope="module")
def scan(points: np.ndarray) -> Scan:
    return scan_clusterers(points, seed=1, ks=KS, draws=2)


def by_name(scan: Scan) -> Mapping[tuple[str, str], Trial]:
    return {(trial.clusterer, trial.setting): trial for trial in scan.trials}


# -- measures


def test_every_clusterer_is_tried_for_every_number_of_groups(scan: Scan, points: np.ndarray) -> None:
    tried = by_name(scan)
    assert set(tried) >= {(name, f"k = {k}") for name in (WARD, K_MEANS, MIXTURE) for k in KS}
    assert any(name == DBSCAN for name, _ in tried)
    assert all(trial.labels.shape == (len(points),) for trial in scan.trials)
    assert (scan.landmarks == np.arange(len(points))).all()


def test_silhouettes_are_scikit_learn_s(scan: Scan, points: np.ndarray) -> None:
    compared = 0
    for trial in scan.trials:
        if trial.groups > 1 and trial.noise_share == 0:
            assert trial.silhouette == pytest.approx(silhouette_score(points, trial.labels), abs=1e-9), trial.name
            compared += 1
    assert compared >= 3 * len(KS)


def test_noise_counts_as_zero_so_that_it_does_not_pay(scan: Scan, points: np.ndarray) -> None:
    noisy = [trial for trial in scan.trials if trial.noise_share > 0 and trial.groups > 1]
    assert noisy
    for trial in noisy:
        clustered = trial.labels >= 0
        of_the_clustered = silhouette_samples(points[clustered], trial.labels[clustered]).sum()
        assert trial.silhouette == pytest.approx(of_the_clustered / len(points), abs=1e-9)
        assert trial.noise_share == pytest.approx(1 - clustered.mean())


def test_the_fits_report_what_they_improve_and_their_smallest_group(scan: Scan, points: np.ndarray) -> None:
    for trial in scan.trials:
        sizes = np.bincount(trial.labels[trial.labels >= 0])
        assert (trial.groups, trial.smallest) == (len(sizes), sizes.min() if len(sizes) else 0)
        assert trial.seconds > 0
    means = by_name(scan)[K_MEANS, "k = 4"]
    inertia = sum(((points[means.labels == g] - points[means.labels == g].mean(0)) ** 2).sum() for g in range(4))
    assert means.own_measure == pytest.approx(inertia)


def test_warm_starts_lose_next_to_nothing_against_ten_restarts(scan: Scan, points: np.ndarray) -> None:
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    found = by_name(scan)
    for k in (2, 5, 10):
        means = KMeans(k, n_init=10, random_state=0).fit(points)
        assert found[K_MEANS, f"k = {k}"].own_measure < 1.1 * means.inertia_
        mixture = GaussianMixture(k, random_state=0).fit(points)
        assert found[MIXTURE, f"k = {k}"].own_measure > mixture.score(points) - 0.25


def test_clear_groups_are_stable_and_a_cut_through_a_cloud_is_not() -> None:
    found = by_name(scan_clusterers(clouds((80, 60, 60)), seed=3, ks=(3, 7)))
    for clusterer in (WARD, K_MEANS, MIXTURE):
        assert found[clusterer, "k = 3"].stability == 1.0
        assert found[clusterer, "k = 7"].stability < 0.9


def test_a_thinner_subsample_of_clear_groups_is_not_called_noise() -> None:
    found = scan_clusterers(clouds((80, 60, 60)), seed=3, ks=(3,), clusterers=(DBSCAN,))
    assert min(trial.stability for trial in found.trials) > 0.9


def test_without_draws_stability_is_unknown(points: np.ndarray) -> None:
    found = scan_clusterers(points[:40], seed=1, ks=(2, 3), draws=0)
    assert all(np.isnan(trial.stability) for trial in found.trials)
    assert choose(found.trials).trial.groups in (2, 3)


def test_permuting_the_customers_changes_nothing(points: np.ndarray, scan: Scan) -> None:
    order = np.random.default_rng(9).permutation(len(points))
    again = by_name(scan_clusterers(points[order], seed=1, ks=KS, draws=2))
    for key, trial in by_name(scan).items():
        assert (again[key].labels == trial.labels[order]).all()
        assert again[key].silhouette == pytest.approx(trial.silhouette, abs=1e-12, nan_ok=True)
        assert again[key].stability == trial.stability


def test_beyond_the_landmarks_a_sample_is_scanned_and_its_error_covers_the_whole() -> None:
    points = clouds((300, 200, 100), width=2.0)
    found = scan_clusterers(points, seed=2, ks=(3,), clusterers=(WARD,), draws=1, landmarks=200)
    (trial,) = found.trials
    assert trial.labels.shape == found.landmarks.shape == (200,)
    assert (np.diff(found.landmarks) > 0).all()
    assert 0 < trial.standard_error < 0.05
    everyone = joined_to(points, points[found.landmarks], trial.labels)
    assert trial.silhouette == pytest.approx(silhouette_score(points, everyone), abs=4 * trial.standard_error)
    (whole,) = scan_clusterers(points, seed=2, ks=(3,), clusterers=(WARD,), draws=1).trials
    assert whole.standard_error == 0


# -- odd customers


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (np.zeros((14, 2)), "14 customers are too few"),
        (np.full((30, 2), 7.0), "nothing tells them apart"),
        (np.vstack([np.zeros((20, 2)), [[np.nan, 0]]]), "missing or infinite"),
    ],
)
def test_what_cannot_be_grouped_is_refused_in_a_sentence(points: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        scan_clusterers(points, seed=1)


@pytest.mark.parametrize(
    "points",
    [
        np.repeat([[0.0, 1.0], [5.0, 1.0]], 20, axis=0),
        np.column_stack([np.arange(15.0) ** 2, np.zeros(15)]),
        np.vstack([np.zeros((39, 2)), [[1e9, 1e9]]]),
        np.arange(40.0)[:, None] * 1e-9,
    ],
    ids=["two kinds", "the fewest, one constant", "one far away", "one tiny dimension"],
)
def test_odd_customers_get_as_many_groups_as_they_have_places(points: np.ndarray) -> None:
    found = scan_clusterers(points, seed=1, draws=2)
    places = len(np.unique(points, axis=0))
    assert max(trial.groups for trial in found.trials if trial.clusterer == WARD) == min(25, places, len(points) - 1)
    assert 2 <= choose(found.trials).trial.groups <= 25


# -- the choice


def trial(groups: int, silhouette: float, stability: float = 0.9, clusterer: str = WARD, smallest: int = 90) -> Trial:
    return Trial(
        clusterer=clusterer,
        setting=f"k = {groups}",
        labels=np.zeros(3_000, dtype=int),
        groups=groups,
        silhouette=silhouette,
        standard_error=0.0,
        stability=stability,
        smallest=smallest,
        noise_share=0.0,
        own_measure=np.nan,
        seconds=0.1,
    )


def chosen_groups(*trials: Trial) -> int:
    return choose(trials).trial.groups


def test_ten_groups_are_preferred_to_fourteen_that_are_hardly_better() -> None:
    ten, fourteen = trial(10, 0.745), trial(14, 0.78)
    choice = choose([fourteen, trial(4, 0.43), ten])
    assert choice.trial is ten
    assert "0.745, within 0.05 of the best (0.780, Ward with 14 groups)" in choice.reason
    assert choice.reason.endswith("the fewest groups of the 2 that are left.")


def test_fewer_groups_do_not_make_up_for_a_worse_silhouette_or_stability() -> None:
    assert chosen_groups(trial(14, 0.78), trial(10, 0.72)) == 14
    assert chosen_groups(trial(14, 0.78, stability=0.95), trial(10, 0.77, stability=0.6)) == 14


def test_stability_is_compared_among_the_good_only() -> None:
    assert chosen_groups(trial(2, 0.3, stability=1.0), trial(12, 0.78, stability=0.7)) == 12


def test_of_equally_many_groups_the_better_silhouette_wins() -> None:
    best = trial(10, 0.75, clusterer=MIXTURE)
    assert choose([trial(10, 0.74), best, trial(10, 0.745, clusterer=K_MEANS)]).trial is best


def test_tiny_groups_and_too_many_are_chosen_only_where_nothing_else_is() -> None:
    assert chosen_groups(trial(2, 0.95, smallest=1), trial(8, 0.5)) == 8
    assert chosen_groups(trial(60, 0.95, clusterer=DBSCAN), trial(8, 0.5)) == 8
    assert chosen_groups(trial(2, 0.95, smallest=1)) == 2


def test_the_tolerances_can_be_set() -> None:
    trials = [trial(10, 0.745), trial(14, 0.78)]
    assert choose(trials, Criterion(quality=0.01)).trial.groups == 14


def test_no_silhouette_no_choice() -> None:
    with pytest.raises(ValueError, match="do not fall into groups"):
        choose([trial(1, np.nan)])


def test_three_clouds_are_found_whichever_clusterer_is_asked() -> None:
    points = clouds((100, 70, 50))
    for clusterer in CLUSTERERS:
        choice: Choice = choose(scan_clusterers(points, seed=1, ks=KS, clusterers=(clusterer,), draws=2).trials)
        assert sorted(np.bincount(choice.trial.labels[choice.trial.labels >= 0]))[-1] >= 95
        assert choice.trial.groups == 3, choice.reason
