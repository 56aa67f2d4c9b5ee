"""The product's embedding: forest proximity as a sparse neighbour graph, laid out by UMAP; others placed by landmarks.

Belongs here: the forest with filled leaves, its proximities, and the places of customers in it. Does not belong here:
the reference's embedding (:mod:`.embedding`) or clusters (:mod:`.clustering`).

With leaves of at least 20 customers two forests agree on who is near whom; with the reference's leaves of 1.6 they do
not, and Euclid on the numbers of leaves means nothing. Nothing here grows with the square of the customers beyond
LANDMARKS.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from insiders_assets.domain.embedding import COMPONENTS, NEIGHBOURS, SEED, TREES, reduced_by_umap
from insiders_assets.domain.feature_words import FEATURES
from insiders_assets.domain.leaf_space import (
    LeafSpace,
    as_trees_read,
    in_one_place,
    leaf_indicator,
    least_in_leaf,
    leaves_of,
    numbering,
)

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

LANDMARKS = 4_000
# Customers whose shared leaves with the landmarks stand in memory at a time, on each core.
CHUNK = 2_000


@dataclass(frozen=True)
class ProximityEmbedding:
    """A fitted embedding of n customers, m of them landmarks.

    importances: of all FEATURES in the forest, shares that sum to 1. landmarks: (m,) places of the landmarks among the
    n customers, ascending. leaves: (m, TREES) the landmarks' leaf numbers. landmark_components: (m, 10).
    """

    importances: Mapping[str, float]
    forest: RandomForestRegressor
    landmarks: np.ndarray
    leaves: np.ndarray
    landmark_components: np.ndarray

    @property
    def chosen(self) -> tuple[str, ...]:
        """The features that the forest looks at: all, since filled leaves need no choice among them."""
        return FEATURES

    def place(self, features: np.ndarray) -> np.ndarray:
        """Components (rows, 10) of customers by their features (rows, 12) in the order of FEATURES: the mean of the
        nearest landmarks', weighted by proximity. Time and memory are linear in the rows."""
        from joblib import cpu_count

        graph = _Proximity(self.forest, self.leaves)
        places = np.empty((len(features), self.landmark_components.shape[1]))

        def place(start: int) -> None:
            rows = slice(start, start + CHUNK)
            numbers, distances = graph.nearest(leaves_of(self.forest, as_trees_read(features[rows])))
            # A customer who shares no leaf with any landmark stands at the mean of the first ones.
            weights = np.maximum(1 - distances, 1e-9)
            weights /= weights.sum(axis=1, keepdims=True)
            places[rows] = np.einsum("nk,nkc->nc", weights, self.landmark_components[numbers])

        with ThreadPoolExecutor(cpu_count()) as cores:
            deque(cores.map(place, range(0, len(features), CHUNK)), maxlen=0)  # so that an error is raised
        return places


def fit_proximity_embedding(
    features: np.ndarray, revenue: np.ndarray, landmarks: int = LANDMARKS, seed: int = SEED
) -> ProximityEmbedding:
    """Fit the product's recipe.

    Parameters
    ----------
    features: (n, 12) floats in the order of FEATURES, n >= FEWEST_FOR_UMAP; their scale does not matter to trees.
    revenue: (n,) gross revenue in the shop's currency: what the forest predicts.
    landmarks: beyond so many customers the embedding is fitted on so many drawn ones.

    Notes
    -----
    The proximity of two customers is the share of trees in which they fall in the same leaf (Breiman 2001); their
    distance is one minus that (Hamming on leaves). UMAP gets the nearest NEIGHBOURS of each landmark, not a matrix.
    """
    from sklearn.ensemble import RandomForestRegressor

    n = len(revenue)
    drawn = np.arange(n)
    if n > landmarks:
        drawn = np.sort(np.random.default_rng(seed).choice(n, landmarks, replace=False))
    matrix = as_trees_read(features[drawn])
    forest = RandomForestRegressor(TREES, min_samples_leaf=least_in_leaf(len(drawn)), random_state=seed, n_jobs=-1)
    forest.fit(matrix, revenue[drawn])
    leaves = leaves_of(forest, matrix)
    graph = _Proximity(forest, leaves)
    laid_out = reduced_by_umap(matrix, _neighbours(graph, leaves), _start(graph, leaves, seed), seed)
    return ProximityEmbedding(
        importances=dict(zip(FEATURES, forest.feature_importances_.tolist(), strict=True)),
        forest=forest,
        landmarks=drawn,
        leaves=leaves,
        landmark_components=in_one_place(leaves, laid_out),
    )


class _Proximity:
    """Who is near whom: leaves that customers share with the landmarks of a forest."""

    def __init__(self, forest: RandomForestRegressor, leaves: np.ndarray):
        self.offsets, self.nodes = numbering(forest)
        self.trees = leaves.shape[1]
        self.of_landmarks = leaf_indicator(leaves + self.offsets, self.nodes, np.float32).T.tocsr()

    def nearest(self, leaves: np.ndarray, own: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and distances (rows, k) of the nearest landmarks, nearest first; ties by the landmarks' order.

        `own` (rows,) is each row's own number where the rows are landmarks: it comes first, whoever else is as near.
        """
        shared = leaf_indicator(leaves + self.offsets, self.nodes, np.float32) @ self.of_landmarks
        rows, landmarks = shared.shape
        row_of = np.repeat(np.arange(rows), np.diff(shared.indptr))
        if own is not None:
            shared.data[shared.indices == own[row_of]] = self.trees + 1
        most = min(NEIGHBOURS, landmarks)
        # Whole numbers, each its own: the rows' order, in a row more shared leaves first, then the landmarks' order. So
        # one sort of those who share any leaf, a tenth of all pairs, puts every row's nearest first.
        width = (self.trees + 2) * landmarks
        order = (self.trees + 1 - shared.data.astype(np.int64)) * landmarks + shared.indices
        keys = np.sort(row_of * width + order)
        firsts = np.minimum(shared.indptr[:-1, None] + np.arange(most), len(keys) - 1)
        nearest = keys[firsts] - np.arange(rows)[:, None] * width
        for row in np.flatnonzero(np.diff(shared.indptr) < most):  # the first of those who share none make up for it
            sharing = keys[shared.indptr[row] : shared.indptr[row + 1]] - row * width
            others = np.setdiff1d(np.arange(landmarks), sharing % landmarks)[: most - len(sharing)]
            nearest[row] = [*sharing, *((self.trees + 1) * landmarks + others)]
        numbers = nearest % landmarks
        counts = np.minimum(self.trees + 1 - nearest // landmarks, self.trees).astype(np.float32)
        return numbers, 1 - counts / self.trees


def _neighbours(graph: _Proximity, leaves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest landmarks of every landmark, itself first."""
    starts = range(0, len(leaves), CHUNK)
    found = [
        graph.nearest(leaves[start : start + CHUNK], np.arange(start, min(start + CHUNK, len(leaves))))
        for start in starts
    ]
    return np.concatenate([numbers for numbers, _ in found]), np.concatenate([distances for _, distances in found])


def _start(graph: _Proximity, leaves: np.ndarray, seed: int) -> np.ndarray:
    """Where UMAP begins (m, COMPONENTS): the landmarks in the space of their leaves.

    Its axes are nearly the graph's own eigenvectors, which UMAP would take. Where many landmarks share all their leaves
    ARPACK, which finds those, draws numbers that no seed governs: two builds of a small month then differed.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        points = LeafSpace(leaves + graph.offsets, graph.nodes, seed).points
    places = np.pad(points, ((0, 0), (0, COMPONENTS - points.shape[1])))
    # As UMAP's own start: ten wide, and a little noise, without which landmarks of one place would stay there, and a
    # month whose landmarks all share one leaf would have no width to divide by.
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=places.shape)
    return places * (10 / np.abs(places).max()) + noise
