"""Ward clusters of an embedding: one linkage, many cuts, their silhouettes, and ranks by mean revenue.

Belongs here: grouping customers who already stand in a space. Does not belong here: making that space
(:mod:`.embedding`) or naming the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

ByRow = Callable[[Callable[[np.ndarray], np.ndarray], np.ndarray], np.ndarray]

CLUSTERS = 10
SCAN = range(2, 26)
MOST_FOR_FULL_DISTANCES = 25_000
VOTES = 5


@dataclass(frozen=True)
class Segmentation:
    """A cut of the tree: `ranks` (n,) from 1 = highest mean revenue; `silhouettes` (n,) per customer, -1 to 1;
    `scan`: mean silhouette for every k of the scan."""

    ranks: np.ndarray
    silhouettes: np.ndarray
    scan: Mapping[int, float]


def segment(components: np.ndarray, revenue: np.ndarray, clusters: int = CLUSTERS) -> Segmentation:
    """Ward clusters of points, ranked by mean revenue, with the silhouette of every k in SCAN.

    Parameters
    ----------
    components: (n, d) points. revenue: (n,) gross revenue in the shop's currency. clusters: groups wanted, from 2 to
        n - 1, as silhouettes need; there are never more than places at which points stand.

    Notes
    -----
    Points at one place are never parted: nothing tells them apart, and a group cut through them would be made up. Where
    all stand at one place they are one group, with silhouettes of 0.

    Ward's linkage and the silhouettes share one matrix of Euclidean distances: O(n^2) memory, for n up to
    MOST_FOR_FULL_DISTANCES.
    """
    from scipy.cluster.hierarchy import ward
    from scipy.spatial.distance import pdist, squareform

    n = len(components)
    places = len(np.unique(components, axis=0))
    groups = min(clusters, places)
    if groups == 1:
        return Segmentation(ranks=np.ones(n, dtype=np.int64), silhouettes=np.zeros(n), scan={})
    condensed = pdist(components)
    tree = ward(condensed)
    distances = squareform(condensed, checks=False)
    cuts = {k: cut(tree, k) for k in {*SCAN, groups} if k < n and k <= places}
    values = silhouette_scan(distances, cuts)
    labels = cuts[groups]
    return Segmentation(
        ranks=rank_by_mean(labels, revenue),
        silhouettes=values[groups],
        scan={k: float(values[k].mean()) for k in SCAN if k in values},
    )


def segment_by_landmarks(
    components: np.ndarray,
    revenue: np.ndarray,
    landmark: np.ndarray,
    clusters: int = CLUSTERS,
    by_row: ByRow = lambda function, rows: function(rows),
) -> Segmentation:
    """As :func:`segment`, fitted on the landmarks alone; every other customer joins the group that most of the nearest
    VOTES landmarks belong to. Silhouettes are the landmarks'; the others' are NaN.

    Parameters
    ----------
    components: (n, d) points. revenue: (n,). landmark: (n,) bool. by_row: what applies a function that gives each row
        its own result to the others' points; it may do so in pieces.
    """
    fitted = segment(components[landmark], revenue[landmark], clusters)
    labels = np.empty(len(components), dtype=np.int64)
    labels[landmark] = fitted.ranks
    joined = partial(joined_to, landmarks=components[landmark], labels=fitted.ranks)
    labels[~landmark] = by_row(joined, components[~landmark])
    silhouettes = np.full(len(components), np.nan)
    silhouettes[landmark] = fitted.silhouettes
    return Segmentation(rank_by_mean(labels, revenue), silhouettes, fitted.scan)


def joined_to(points: np.ndarray, landmarks: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The label (n,) that most of the nearest VOTES landmarks (m, d) of each point (n, d) carry; ties to the smaller
    label. O(n log m)."""
    from scipy.spatial import cKDTree

    if not len(points):
        return np.empty(0, dtype=np.int64)
    nearest = cKDTree(landmarks).query(points, k=min(VOTES, len(landmarks)), workers=-1)[1].reshape(len(points), -1)
    votes = np.zeros((len(points), int(labels.max()) + 1), dtype=np.int16)
    for column in labels[nearest].T:
        votes[np.arange(len(points)), column] += 1
    return votes.argmax(axis=1)


def cut(tree: np.ndarray, clusters: int) -> np.ndarray:
    """Labels (n,) from 0 of exactly so many groups: the linkage `tree` (n - 1, 4) without its last merges.

    SciPy's fcluster cuts at a height instead and gives fewer groups where merges are equally high.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    points = len(tree) + 1
    merges = np.arange(points - clusters)
    merged = tree[merges, :2].astype(np.int64)
    nodes = points + len(merges)
    edges = (np.ones(2 * len(merges)), (np.tile(points + merges, 2), merged.T.ravel()))
    _, group = connected_components(coo_array(edges, shape=(nodes, nodes)), directed=False)
    return np.unique(group[:points], return_inverse=True)[1]


def silhouette_scan(distances: np.ndarray, cuts: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Silhouettes (Rousseeuw 1987) of every point for several cuts of one tree.

    Parameters
    ----------
    distances: (n, n). cuts: k -> labels (n,) from 0; each coarser cut merges groups of the finer ones.

    Returns
    -------
    k -> (n,) silhouettes; 0 for a point alone in its group, as in scikit-learn.

    Notes
    -----
    The sums of distances from every point to every group are taken once, for the finest cut; a coarser cut adds up
    columns of it, so a scan costs little more than one silhouette.
    """
    finest = max(cuts)
    sums_to_finest = distances @ _indicator(cuts[finest])
    return {k: _silhouettes(sums_to_finest @ _merging(cuts[finest], labels), labels) for k, labels in cuts.items()}


def rank_by_mean(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Rank of each point's group by the group's mean value, 1 = highest; ties by the group's first point."""
    groups, first, members = np.unique(labels, return_index=True, return_inverse=True)
    means = np.bincount(members, weights=values) / np.bincount(members)
    order = np.lexsort((first, -means))
    rank_of_group = np.empty(len(groups), dtype=np.int64)
    rank_of_group[order] = np.arange(1, len(groups) + 1)
    return rank_of_group[members]


def _indicator(labels: np.ndarray) -> np.ndarray:
    return np.eye(labels.max() + 1)[labels]


def _merging(fine: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    merging = np.zeros((fine.max() + 1, coarse.max() + 1))
    merging[fine, coarse] = 1.0
    return merging


def _silhouettes(sums: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """From (n, k) sums of distances to each group."""
    points = np.arange(len(labels))
    sizes = np.bincount(labels, minlength=sums.shape[1]).astype(float)
    own_size = sizes[labels]
    inside = sums[points, labels] / np.maximum(own_size - 1, 1)
    means = sums / sizes
    means[points, labels] = np.inf
    outside = means.min(axis=1)
    widest = np.maximum(inside, outside)
    values = np.divide(outside - inside, widest, out=np.zeros_like(widest), where=(widest > 0) & (own_size > 1))
    return values
