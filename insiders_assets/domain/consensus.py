"""A consensus over many fits: where every customer ranks when the forest, its draws and its landmarks change.

Belongs here: the fits and what they agree on. Does not belong here: the embedding that is shown (:mod:`.embedding`), or
the rule that is drawn from the consensus (:mod:`.rules`).

One fit is a bootstrap sample, a forest on it, the customers in the space of its leaves, and Ward's groups there. One
fit's top group changes with its seed; the mean over two dozen does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from insiders_assets.domain.clustering import cut
from insiders_assets.domain.leaf_space import LeafSpace, as_trees_read, least_in_leaf, leaves_of, numbering

FITS = 24
TREES = 100
GROUPS = 10
# More customers than that are assigned to groups of so many drawn ones: Ward's distances grow with the square.
LANDMARKS = 4_000
# Customers whose leaves are held at a time; so few that a processor's cache holds them.
CHUNK = 5_000


@dataclass(frozen=True)
class Consensus:
    """What the fits agree on, for n customers.

    scores: (n,) mean over the fits of the cumulative percentile of the customer's group, 0 to 1; groups by mean
    revenue. ranks: (n,) from 1 = highest score, ties by revenue. chosen: (n,) the first `share` of the ranks.
    confidences: (n,) share of the fits that by themselves put the customer on the side on which the consensus has them.
    """

    scores: np.ndarray
    ranks: np.ndarray
    chosen: np.ndarray
    confidences: np.ndarray


def find_consensus(
    features: np.ndarray,
    revenue: np.ndarray,
    *,
    share: float,
    seed: int,
    fits: int = FITS,
    landmarks: int = LANDMARKS,
) -> Consensus:
    """Rank customers by the groups that they fall into over many fits.

    Parameters
    ----------
    features: (n, d) floats, without gaps; their scale does not matter to trees. revenue: (n,) gross revenue in the
        shop's currency: what the forests predict, and what ranks the groups. share: of the customers to choose, 0 to 1.

    Notes
    -----
    Beyond `landmarks` customers every fit draws landmarks of its own; memory and time are linear in n then.
    """
    from joblib import cpu_count
    from threadpoolctl import threadpool_limits

    n = len(revenue)
    wanted = round(share * n)
    total, votes = np.zeros(n), np.zeros(n)
    matrix = as_trees_read(features)
    # Customers of like revenue take like ways through the trees, which is what a processor guesses.
    by_revenue = np.argsort(revenue, kind="stable")

    def percentiles(draws: np.random.SeedSequence) -> np.ndarray:
        return _percentiles(matrix, revenue, by_revenue, np.random.default_rng(draws), landmarks)

    # A fit a core: the trees of a small shop are made faster than scikit-learn hands them to threads of its own.
    with threadpool_limits(1), ThreadPoolExecutor(cpu_count()) as cores:
        for found in cores.map(percentiles, np.random.SeedSequence(seed).spawn(fits)):
            total += found
            votes[_chosen(found, revenue, wanted)] += 1
    scores = total / fits
    ranks = np.empty(n, dtype=np.int64)
    ranks[_order(scores, revenue)] = np.arange(1, n + 1)
    chosen = _chosen(scores, revenue, wanted)
    return Consensus(scores, ranks, chosen, np.where(chosen, votes, fits - votes) / fits)


def _chosen(scores: np.ndarray, revenue: np.ndarray, wanted: int) -> np.ndarray:
    """The first `wanted` (n,), without those who are like the first one left out: nothing tells them apart, and a group
    cut through them would be made up."""
    order = _order(scores, revenue)
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[order[:wanted]] = True
    if wanted < len(order):
        first_out = order[wanted]
        chosen &= (np.round(scores, 12) != np.round(scores[first_out], 12)) | (revenue != revenue[first_out])
    return chosen


def _order(scores: np.ndarray, revenue: np.ndarray) -> np.ndarray:
    """Highest first; ties by revenue, then by place. Not by a feature that a rule may use: that would make any rule on
    it look stable, whatever the fits say."""
    return np.lexsort((-revenue, -np.round(scores, 12)))


def _percentiles(
    matrix: np.ndarray, revenue: np.ndarray, by_revenue: np.ndarray, generator: np.random.Generator, landmarks: int
) -> np.ndarray:
    """One fit: the middle of the percentiles that each customer's group takes, by the groups' mean revenue."""
    from sklearn.ensemble import RandomForestRegressor

    n = len(revenue)
    drawn = np.arange(n) if n <= landmarks else np.sort(generator.choice(n, landmarks, replace=False))
    sample = drawn[generator.integers(0, len(drawn), len(drawn))]
    forest = RandomForestRegressor(
        TREES, min_samples_leaf=least_in_leaf(len(drawn)), random_state=int(generator.integers(2**31)), n_jobs=1
    )
    forest.fit(matrix[sample], revenue[sample])
    offsets, nodes = numbering(forest)
    space = LeafSpace(leaves_of(forest, matrix[drawn]) + offsets, nodes, int(generator.integers(2**31)))
    labels = np.full(n, -1)
    labels[drawn] = grouped = _groups(space.points)
    centres = _means(space.points, grouped)
    for rows in _chunks(by_revenue[labels[by_revenue] < 0]):
        labels[rows] = _nearest(space.place(leaves_of(forest, matrix[rows]) + offsets), centres)
    sizes = np.bincount(labels)
    means = np.bincount(labels, weights=revenue) / np.maximum(sizes, 1)
    ascending = np.argsort(means, kind="stable")
    below = np.cumsum(sizes[ascending]) - sizes[ascending] / 2
    percentile = np.empty(len(sizes))
    percentile[ascending] = below / n
    return percentile[labels]


def _groups(points: np.ndarray) -> np.ndarray:
    """Ward's groups (m,), numbered from 0; customers in the same place share one, however few places there are."""
    from scipy.cluster.hierarchy import ward
    from scipy.spatial.distance import pdist

    places, at = np.unique(np.round(points, 9), axis=0, return_inverse=True)
    if len(places) <= GROUPS:
        return at.ravel()
    return cut(ward(pdist(points)), GROUPS)


def _means(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    sizes = np.bincount(labels)[:, None]
    return np.column_stack([np.bincount(labels, weights=column) for column in points.T]) / sizes


def _nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return cdist(points, centres).argmin(axis=1)


def _chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
