"""Spaces side by side: customers in PCA, t-SNE, UMAP and the leaves of a forest, and how well each holds its groups.

Belongs here: the spaces that are only compared, the same groups and measures in each, and which comparison is fair.
Does not belong here: the product's own space (the caller hands it in), the choice of a clusterer (:mod:`.clusterers`),
or pictures.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from time import perf_counter

import numpy as np

from insiders_assets.domain.clustering import CLUSTERS, cut, rank_by_mean, silhouette_scan
from insiders_assets.domain.rule_card import disagreement
from insiders_assets.domain.scaling import signed_log

PCA, T_SNE, UMAP, TREES = "PCA", "t-SNE", "UMAP", "tree embedding"
# t-SNE is begun from PCA, and its steps draw no lots.
SEEDLESS = (PCA, T_SNE)
FEWEST = 15
# More customers than that are compared by so many drawn ones: distances grow with the square.
LANDMARKS = 3_000
SEEDS, DRAWS, SUBSAMPLE = 3, 3, 0.8
# PCA keeps as many components as hold that share of the variance.
VARIANCE_KEPT = 0.9
# Half of scikit-learn's steps and a coarser tree: t-SNE's cost moves by a tenth, its time to a third.
T_SNE_STEPS, T_SNE_ANGLE = 500, 0.8
UMAP_STEPS = 200

FAIR = (
    "Silhouettes in the spaces' own distances cannot be compared with each other: t-SNE and UMAP pull neighbours "
    "together, so that even one cloud falls into tight islands. What can be compared: the silhouette of each space's "
    "groups in the common space (the features themselves, on a log scale, standardised), where low values are usual; "
    "and stability, how far the groups stay the same with another seed or without a fifth of the customers. PCA "
    "and t-SNE (begun from PCA) use no seed, so their 1 there says nothing: only the subsamples test these two."
)

TreeSpace = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""(features (m, d), revenue (m,), seed) -> points (m, any)."""


@dataclass(frozen=True, eq=False)
class Space:
    """How m customers lie and group in one space.

    picture: (m, 2) coordinates to draw, the first two principal axes where the space has more. ranks: (m,) Ward's
    groups in the space, 1 = highest mean revenue; fewer where the space has fewer places. silhouettes: (m,) of the
    groups in the space's own distances. own_silhouette, common_silhouette: means in the own and the common space, -1 to
    1, and their standard errors from sampling, 0 where all customers were used; NaN where all are in one place.
    seed_agreement, sample_agreement: mean adjusted Rand index of the groups of every two fits, with other seeds and on
    subsamples of 80 % (common customers); seed_jaccard, sample_jaccard: mean Jaccard index of the top group over the
    same pairs; NaN without pairs. seconds: mean per fit, without Ward's groups.
    """

    name: str
    picture: np.ndarray
    ranks: np.ndarray
    silhouettes: np.ndarray
    own_silhouette: float
    own_error: float
    common_silhouette: float
    common_error: float
    seed_agreement: float
    seed_jaccard: float
    sample_agreement: float
    sample_jaccard: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """The spaces; `landmarks` (m,): which customers they hold, ascending; `fair`: what may be compared, in words."""

    spaces: tuple[Space, ...]
    landmarks: np.ndarray
    fair: str = FAIR


@dataclass(frozen=True, eq=False)
class _Customers:
    """features: (m, d). revenue: (m,). common: (m, d') standardised log features. distances: (m, m) among these."""

    features: np.ndarray
    revenue: np.ndarray
    common: np.ndarray
    distances: np.ndarray

    def only(self, rows: np.ndarray) -> _Customers:
        among = self.distances[np.ix_(rows, rows)]
        return _Customers(self.features[rows], self.revenue[rows], self.common[rows], among)


@dataclass(frozen=True, eq=False)
class _Fit:
    """Points of the customers `rows` in a space, their ranks, and the seconds that the space took."""

    rows: np.ndarray
    points: np.ndarray
    ranks: np.ndarray
    seconds: float


def compare_spaces(
    features: np.ndarray,
    revenue: np.ndarray,
    *,
    tree_space: TreeSpace,
    seed: int,
    groups: int = CLUSTERS,
    seeds: int = SEEDS,
    draws: int = DRAWS,
    landmarks: int = LANDMARKS,
) -> Comparison:
    """PCA, t-SNE, UMAP and the caller's tree embedding of the same customers, each with its groups and measures.

    Parameters
    ----------
    features: (n, d) floats without gaps, in any units. revenue: (n,) in the shop's currency; ranks the groups.
    tree_space: the product's embedding. groups: Ward's groups in each space. seeds: fits of all customers, the first
    with `seed`. draws: fits of subsamples.

    Raises
    ------
    ValueError: fewer than FEWEST customers, too few for the groups, gaps, or all customers alike.

    Notes
    -----
    On one thread: t-SNE's steps are so short that threads would wait for each other. The customers are sorted first, so
    that the order in which they come has no influence.
    """
    from scipy.spatial.distance import pdist, squareform
    from threadpoolctl import threadpool_limits

    _check(features, revenue, groups)
    lots = np.random.default_rng(seed).spawn(2)
    order = np.lexsort((revenue, *features.T))
    common = standardised_logs(features[order])
    if len(order) > landmarks:
        drawn = np.sort(lots[0].choice(len(order), landmarks, replace=False))
        order, common = order[drawn], common[drawn]
    everyone = np.arange(len(order))
    subsamples = [np.sort(lots[1].choice(everyone, round(SUBSAMPLE * len(order)), replace=False)) for _ in range(draws)]
    makers: dict[str, Callable[[_Customers, int], np.ndarray]] = {
        PCA: lambda customers, _: _principal(customers.common, VARIANCE_KEPT),
        T_SNE: _t_sne,
        UMAP: _umap,
        TREES: lambda customers, seed: np.asarray(tree_space(customers.features, customers.revenue, seed), "float64"),
    }
    spaces = []
    with threadpool_limits(1):
        customers = _Customers(features[order], revenue[order], common, squareform(pdist(common)))
        for name, make in makers.items():
            others = [] if name in SEEDLESS else range(1, seeds)
            whole = [_fit(make, customers, everyone, seed + i, groups) for i in (0, *others)]
            whole += whole * (seeds - len(whole))
            partial = [_fit(make, customers, rows, seed, groups) for rows in subsamples]
            spaces.append(_space(name, whole, partial, customers, order, len(order) / len(features)))
    return Comparison(tuple(spaces), np.sort(order))


def standardised_logs(features: np.ndarray) -> np.ndarray:
    """sign(x) log(1 + |x|) of each feature, with mean 0 and variance 1; constant features are left out: (n, d')."""
    logs = signed_log(features)
    logs = logs[:, np.ptp(logs, axis=0) > 0]
    standardised: np.ndarray = (logs - logs.mean(axis=0)) / logs.std(axis=0)
    return standardised


def _check(features: np.ndarray, revenue: np.ndarray, groups: int) -> None:
    n, fewest = len(features), max(FEWEST, int(np.ceil((groups + 1) / SUBSAMPLE)))
    if n < fewest:
        raise ValueError(
            f"{n} customers are too few to compare {groups} groups in several spaces: {fewest} are needed."
        )
    if not (np.isfinite(features).all() and np.isfinite(revenue).all()):
        raise ValueError("A feature or the revenue of some customers is missing or infinite.")
    if not np.ptp(features, axis=0).any():
        raise ValueError("All customers are alike in every feature: no space can tell them apart.")


def _t_sne(customers: _Customers, seed: int) -> np.ndarray:
    """In two dimensions, begun from PCA, which keeps the islands' places meaningful (Kobak and Berens 2019)."""
    from sklearn.manifold import TSNE

    start = flat(customers.common)
    reducer = TSNE(
        perplexity=min(30.0, (len(start) - 1) / 3),
        max_iter=T_SNE_STEPS,
        angle=T_SNE_ANGLE,
        init=1e-4 * start / start[:, 0].std(),
        random_state=seed,
    )
    return np.asarray(reducer.fit_transform(customers.common), dtype="float64")


def _umap(customers: _Customers, seed: int) -> np.ndarray:
    """In two dimensions. From ready distances: below 4,096 customers umap takes six of seven seconds for its own."""
    import umap

    with warnings.catch_warnings():
        # It says what nobody asks of it here, and that customers unlike all others keep a place of their own.
        warnings.filterwarnings("ignore", module="umap")
        neighbours = min(15, len(customers.common) - 1)
        reducer = umap.UMAP(neighbours, n_epochs=UMAP_STEPS, metric="precomputed", random_state=seed, n_jobs=1)
        return np.asarray(reducer.fit_transform(customers.distances), dtype="float64")


def _principal(points: np.ndarray, kept: float) -> np.ndarray:
    """Coordinates (m, c) on the fewest principal axes that hold a share `kept` of the variance."""
    left, lengths, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    held = np.cumsum(lengths**2) / max(np.sum(lengths**2), np.finfo(float).tiny)
    axes = min(int(np.searchsorted(held, kept)) + 1, len(lengths))
    # The sign of an axis means nothing; a fixed one keeps pictures of neighbouring months alike.
    upright = np.sign(left[np.abs(left).argmax(axis=0), np.arange(len(lengths))])
    coordinates: np.ndarray = left[:, :axes] * lengths[:axes] * upright[:axes]
    return coordinates


def flat(points: np.ndarray) -> np.ndarray:
    """Coordinates (m, 2) to draw: the points themselves, or their first two principal axes; one axis is laid flat."""
    if points.shape[1] == 2:
        return points
    axes = _principal(points, kept=1.0)[:, :2]
    return np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))


def _fit(
    make: Callable[[_Customers, int], np.ndarray], everyone: _Customers, rows: np.ndarray, seed: int, groups: int
) -> _Fit:
    from scipy.cluster.hierarchy import ward
    from scipy.spatial.distance import pdist

    customers = everyone if len(rows) == len(everyone.revenue) else everyone.only(rows)
    started = perf_counter()
    points = make(customers, seed)
    seconds = perf_counter() - started
    places = len(np.unique(np.round(points, 9), axis=0))
    labels = cut(ward(pdist(points)), min(groups, places))
    return _Fit(rows, points, rank_by_mean(labels, customers.revenue), seconds)


def _space(
    name: str, whole: Sequence[_Fit], partial: Sequence[_Fit], customers: _Customers, order: np.ndarray, share: float
) -> Space:
    from scipy.spatial.distance import pdist, squareform

    shown = whole[0]
    own = _silhouettes(squareform(pdist(shown.points)), shown.ranks)
    common = _silhouettes(customers.distances, shown.ranks)
    back = np.argsort(order)
    seed_agreement, seed_jaccard = _agreement(whole)
    sample_agreement, sample_jaccard = _agreement(partial)
    return Space(
        name=name,
        picture=flat(shown.points)[back],
        ranks=shown.ranks[back],
        silhouettes=own[back],
        own_silhouette=float(own.mean()),
        own_error=_sampling_error(own, share),
        common_silhouette=float(common.mean()),
        common_error=_sampling_error(common, share),
        seed_agreement=seed_agreement,
        seed_jaccard=seed_jaccard,
        sample_agreement=sample_agreement,
        sample_jaccard=sample_jaccard,
        seconds=float(np.mean([fit.seconds for fit in (*whole, *partial)])),
    )


def _silhouettes(distances: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    groups = int(ranks.max())
    if groups == 1:
        return np.full(len(ranks), np.nan)
    return silhouette_scan(distances, {groups: ranks - 1})[groups]


def _sampling_error(values: np.ndarray, share: float) -> float:
    """Standard error of the mean of `values` (m,), a `share` of all drawn without replacement (Cochran 1977, 2.9)."""
    return float(values.std(ddof=1) * np.sqrt((1 - share) / len(values)))


def _agreement(fits: Sequence[_Fit]) -> tuple[float, float]:
    """Mean adjusted Rand index (Hubert and Arabie 1985) of the groups and mean Jaccard index of the top one.

    Over every two fits, on the customers that both have; NaN for fewer than two fits.
    """
    from sklearn.metrics import adjusted_rand_score

    pairs = []
    for first, second in combinations(fits, 2):
        _, one, other = np.intersect1d(first.rows, second.rows, assume_unique=True, return_indices=True)
        ranks = first.ranks[one], second.ranks[other]
        pairs.append((adjusted_rand_score(*ranks), 1 - disagreement(ranks[0] == 1, ranks[1] == 1)))
    agreement, jaccard = np.mean(pairs, axis=0) if pairs else (np.nan, np.nan)
    return float(agreement), float(jaccard)
