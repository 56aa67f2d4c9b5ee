"""Clusterers side by side on one embedding: k-means, Ward, a Gaussian mixture and DBSCAN.

Belongs here: the trials and what is measured of each. Does not belong here: the choice among them
(:mod:`.clusterer_choice`), the embedding (:mod:`.embedding`), the cut that is kept with its ranks (:mod:`.clustering`),
or other spaces (:mod:`.spaces`).

One Ward tree gives the groups of every k; their centres start k-means, whose groups start the mixture: no restarts.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np

from insiders_assets.domain.clustering import SCAN, cut, silhouette_scan

WARD, K_MEANS, MIXTURE, DBSCAN = "Ward", "k-means", "Gaussian mixture", "DBSCAN"
CLUSTERERS = (WARD, K_MEANS, MIXTURE, DBSCAN)
# More customers are scanned by so many drawn ones: distances grow with the square.
LANDMARKS = 4_000
FEWEST, DRAWS, SUBSAMPLE = 15, 5, 0.8
# DBSCAN: points that make a core with their neighbours, and the share of all points that shall be such cores.
LEAST_NEIGHBOURS, CORE_SHARES = (5, 10, 20), (0.75, 0.9, 0.97, 0.995)
# Keeps the covariance of a group of few points invertible, as scikit-learn's, but relative to the points' own scale.
LEAST_VARIANCE = 1e-8


@dataclass(frozen=True, eq=False)
class Trial:
    """One partition of m points.

    labels: (m,) from 0 in the order of the points, -1 = noise. silhouette: mean over the points, -1 to 1; noise counts
    as 0, so that calling the awkward customers noise does not pay; NaN for a single group. standard_error: what
    sampling adds to it, 0 where all points were used. stability: mean adjusted Rand index (Hubert and Arabie 1985) with
    the partitions of subsamples, on the points of these; 1 = always the same. smallest: points of the smallest group.
    noise_share: 0 to 1. own_measure: what the clusterer itself improves: k-means' inertia (squared distances to the
    centres), the mixture's log-likelihood per point. seconds: without the warm start; Ward's tree is shared out.
    """

    clusterer: str
    setting: str
    labels: np.ndarray
    groups: int
    silhouette: float
    standard_error: float
    stability: float
    smallest: int
    noise_share: float
    own_measure: float
    seconds: float

    @property
    def name(self) -> str:
        """Clusterer and number of groups in words."""
        return f"{self.clusterer} with {self.groups} groups"


@dataclass(frozen=True, eq=False)
class Scan:
    """All trials, and `landmarks` (m,): which of the points they divide, ascending; all where there are few."""

    trials: tuple[Trial, ...]
    landmarks: np.ndarray


class _Fit(NamedTuple):
    clusterer: str
    setting: str
    labels: np.ndarray
    own_measure: float
    seconds: float

    @property
    def key(self) -> tuple[str, str]:
        return self.clusterer, self.setting


class _Density(NamedTuple):
    """A radius in the units of the embedding, the points within it that make a core, and both in words."""

    radius: float
    least: int
    setting: str


def scan_clusterers(
    points: np.ndarray,
    *,
    seed: int,
    ks: Sequence[int] = SCAN,
    clusterers: Sequence[str] = CLUSTERERS,
    draws: int = DRAWS,
    landmarks: int = LANDMARKS,
) -> Scan:
    """Partitions of an embedding by every clusterer and number of groups, each with its quality and stability.

    Parameters
    ----------
    points: (n, d) floats. ks: numbers of groups; those that the points cannot give are left out. draws: subsamples of
        80 % for the stability, which is NaN without any. landmarks: most points for which all distances are taken.

    Raises
    ------
    ValueError: fewer than FEWEST points, gaps among them, or all of them in one place.

    Notes
    -----
    On one thread: matrices are so small that threads would wait for each other, at several times the CPU seconds. The
    points are sorted first, so that the order in which customers come has no influence.
    """
    from scipy.spatial.distance import pdist, squareform
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import adjusted_rand_score
    from threadpoolctl import threadpool_limits

    points = _checked(points)
    lots = np.random.default_rng(seed).spawn(2)
    order = np.lexsort(points.T)
    if len(points) > landmarks:
        order = order[np.sort(lots[0].choice(len(points), landmarks, replace=False))]
    back = np.argsort(order)
    with threadpool_limits(1), warnings.catch_warnings():
        # A mixture stopped after its hundred steps and groups that k-means lets fall together are measured like any.
        warnings.simplefilter("ignore", ConvergenceWarning)
        condensed = pdist(points[order])
        distances = squareform(condensed, checks=False)
        grid = _grid(distances) if DBSCAN in clusterers else []
        fits = {fit.key: fit for fit in _fits(points[order], condensed, ks, clusterers, grid)}
        silhouettes = _all_silhouettes(distances, fits)
        agreements = defaultdict[tuple[str, str], list[float]](list)
        for _ in range(draws):
            drawn = np.sort(lots[1].choice(len(order), round(SUBSAMPLE * len(order)), replace=False))
            subsample = points[order[drawn]]
            for fit in _fits(subsample, pdist(subsample), ks, clusterers, [_thinned(density) for density in grid]):
                agreements[fit.key].append(adjusted_rand_score(fits[fit.key].labels[drawn], fit.labels))
    trials = (
        _trial(fit, silhouettes[key], agreements[key], back, len(order) / len(points)) for key, fit in fits.items()
    )
    return Scan(tuple(trials), order[back])


def _checked(points: np.ndarray) -> np.ndarray:
    points = np.asarray(points, dtype="float64")
    if len(points) < FEWEST:
        raise ValueError(f"{len(points)} customers are too few to compare groups of: {FEWEST} are needed.")
    if not np.isfinite(points).all():
        raise ValueError("Some customers have no place in the embedding: a coordinate is missing or infinite.")
    if not np.ptp(points, axis=0).any():
        raise ValueError("All customers stand in one place of the embedding: nothing tells them apart.")
    return points


def _fits(
    points: np.ndarray,
    condensed: np.ndarray,
    ks: Sequence[int],
    clusterers: Sequence[str],
    grid: Sequence[_Density],
) -> Iterator[_Fit]:
    from scipy.cluster.hierarchy import ward

    started = perf_counter()
    tree = ward(condensed)
    planting = (perf_counter() - started) / len(ks)
    most = min(len(np.unique(points, axis=0)), len(points) - 1)
    for k in filter(most.__ge__, ks):
        started = perf_counter()
        labels = cut(tree, k)
        if WARD in clusterers:
            yield _Fit(WARD, f"k = {k}", labels, np.nan, planting + perf_counter() - started)
        if K_MEANS in clusterers or MIXTURE in clusterers:
            means = _k_means(points, labels)
            if K_MEANS in clusterers:
                yield means
            if MIXTURE in clusterers:
                yield _mixture(points, means.labels, means.setting)
    yield from (_dbscan(points, density) for density in grid)


def _k_means(points: np.ndarray, start: np.ndarray) -> _Fit:
    from sklearn.cluster import KMeans

    k = start.max() + 1
    started = perf_counter()
    fitted = KMeans(k, init=_means(points, start), n_init=1, random_state=0).fit(points)
    return _Fit(K_MEANS, f"k = {k}", _from_zero(fitted.labels_), float(fitted.inertia_), perf_counter() - started)


def _mixture(points: np.ndarray, start: np.ndarray, setting: str) -> _Fit:
    """Full covariances, by expectation maximisation from the moments of the groups of `start`."""
    from sklearn.mixture import GaussianMixture

    k = start.max() + 1
    started = perf_counter()
    least = max(LEAST_VARIANCE * float(points.var(axis=0).mean()), np.finfo(float).tiny)
    covariances = [np.atleast_2d(np.cov(points[start == group].T, bias=True)) for group in range(k)]
    fitted = GaussianMixture(
        k,
        reg_covar=least,
        weights_init=np.bincount(start) / len(start),
        means_init=_means(points, start),
        precisions_init=[_precision(covariance, least) for covariance in covariances],
        random_state=0,
    )
    labels = _from_zero(fitted.fit_predict(points))
    return _Fit(MIXTURE, setting, labels, float(fitted.lower_bound_), perf_counter() - started)


def _precision(covariance: np.ndarray, least: float) -> np.ndarray:
    """The inverse of a covariance whose variances are `least` or more; by its axes, since plain inversion gives a
    matrix that is not symmetric any more for a group of few points."""
    variances, axes = np.linalg.eigh(covariance)
    scaled = axes / np.sqrt(np.maximum(variances, 0) + least)
    precision: np.ndarray = scaled @ scaled.T
    return precision


def _dbscan(points: np.ndarray, density: _Density) -> _Fit:
    from sklearn.cluster import dbscan

    started = perf_counter()
    _, labels = dbscan(points, eps=density.radius, min_samples=density.least)
    return _Fit(DBSCAN, density.setting, labels, np.nan, perf_counter() - started)


def _grid(distances: np.ndarray) -> list[_Density]:
    """Radii within which the wanted shares of all points have their least neighbours, themselves included."""
    least = [number for number in LEAST_NEIGHBOURS if number < len(distances)]
    nearest = np.partition(distances, np.array(least) - 1, axis=1)
    # DBSCAN refuses a radius of 0, which points of one place would give.
    radii = {number: np.quantile(nearest[:, number - 1], CORE_SHARES) + np.finfo(float).tiny for number in least}
    return [
        _Density(float(radius), number, f"eps = {radius:.4g}, min_samples = {number}")
        for number in least
        for radius in np.unique(radii[number])
    ]


def _thinned(density: _Density) -> _Density:
    """The same density for a subsample, which has fewer neighbours within the same radius."""
    return density._replace(least=round(SUBSAMPLE * density.least))


def _all_silhouettes(distances: np.ndarray, fits: Mapping[tuple[str, str], _Fit]) -> dict[tuple[str, str], np.ndarray]:
    """Silhouettes (m,) of every fit; NaN where it has a single group, 0 for noise.

    Ward's cuts are nested and share one multiplication; other clusterers often find the same groups as Ward.
    """
    cuts = {fit.labels.max() + 1: fit.labels for fit in fits.values() if fit.clusterer == WARD}
    seen = {cuts[k].tobytes(): values for k, values in (silhouette_scan(distances, cuts) if cuts else {}).items()}
    for fit in fits.values():
        if fit.labels.tobytes() not in seen:
            seen[fit.labels.tobytes()] = _silhouettes(distances, fit.labels)
    return {key: seen[fit.labels.tobytes()] for key, fit in fits.items()}


def _silhouettes(distances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    if labels.max() < 1:
        return np.full(len(labels), np.nan)
    values, clustered = np.zeros(len(labels)), labels >= 0
    among = distances if clustered.all() else distances[np.ix_(clustered, clustered)]
    values[clustered] = silhouette_scan(among, {0: labels[clustered]})[0]
    return values


def _trial(fit: _Fit, silhouettes: np.ndarray, agreements: Sequence[float], back: np.ndarray, share: float) -> Trial:
    sizes = np.bincount(fit.labels[fit.labels >= 0])
    return Trial(
        clusterer=fit.clusterer,
        setting=fit.setting,
        labels=fit.labels[back],
        groups=len(sizes),
        silhouette=float(silhouettes.mean()),
        # Of a mean over a sample without replacement (Cochran 1977, 2.9).
        standard_error=float(silhouettes.std(ddof=1) * np.sqrt((1 - share) / len(silhouettes))),
        stability=float(np.mean(agreements)) if agreements else np.nan,
        smallest=int(sizes.min()) if len(sizes) else 0,
        noise_share=float((fit.labels < 0).mean()),
        own_measure=fit.own_measure,
        seconds=fit.seconds,
    )


def _means(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    sums = np.column_stack([np.bincount(labels, weights=column) for column in points.T])
    return sums / np.bincount(labels)[:, None]


def _from_zero(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1]
