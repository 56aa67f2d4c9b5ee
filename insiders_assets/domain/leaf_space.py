"""The leaves of a forest as a space: whose leaves they are, who shares them, and points by them.

Belongs here: what the consensus and the product's embedding both take of a fitted forest. Does not belong here: fitting
one, or grouping customers (:mod:`.consensus`, :mod:`.proximity`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike
    from scipy.sparse import csr_array
    from sklearn.ensemble import RandomForestRegressor

COMPONENTS = 10
LEAST_IN_LEAF = 20


def least_in_leaf(customers: int) -> int:
    """How many customers a leaf holds at least: LEAST_IN_LEAF, or a tenth of them where there are fewer than ten such
    leaves' worth. Under some 65 customers no tree would split otherwise, since a bootstrap sample has two thirds of
    them."""
    return min(LEAST_IN_LEAF, max(1, customers // 10))


def as_trees_read(features: np.ndarray) -> np.ndarray:
    """As scikit-learn's trees compare values; otherwise every call would convert them anew."""
    return np.ascontiguousarray(features, dtype=np.float32)


def leaves_of(forest: RandomForestRegressor, matrix: np.ndarray) -> np.ndarray:
    """The numbers (n, trees) of the leaves that customers (n, d), as trees read them, fall into: what `forest.apply`
    gives, without handing single trees to threads, which takes longer than the trees do."""
    return np.column_stack([tree.tree_.apply(matrix) for tree in forest.estimators_])


def numbering(forest: RandomForestRegressor) -> tuple[np.ndarray, int]:
    """What to add to every tree's leaf numbers (trees,) so that no two trees share one, and how many there are."""
    sizes = [tree.tree_.node_count for tree in forest.estimators_]
    return np.cumsum([0, *sizes[:-1]]), int(sum(sizes))


def leaf_indicator(leaves: np.ndarray, nodes: int, dtype: DTypeLike = np.float64) -> csr_array:
    """1 where a customer is in a leaf, shape (rows, nodes). `leaves`: (rows, trees), each tree's in a range of its
    own."""
    from scipy.sparse import csr_array

    rows, trees = leaves.shape
    ends = np.arange(0, leaves.size + 1, trees)
    return csr_array((np.ones(leaves.size, dtype), leaves.ravel(), ends), shape=(rows, nodes))


def in_one_place(leaves: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The points (n, d), customers of the same leaves (n, trees) all at the mean of theirs.

    No tree tells them apart; a layout that begins with noise, as UMAP's does, puts them beside one another.
    """
    _, who = np.unique(leaves, axis=0, return_inverse=True)
    who = who.ravel()
    sizes = np.bincount(who)
    if (sizes == 1).all():
        return points
    return np.column_stack([np.bincount(who, weights=column) / sizes for column in points.T])[who]


class LeafSpace:
    """The space of a forest's leaves: truncated singular vectors of the customers' degree-normalised leaf indicator.

    Two customers are near where they share leaves in many trees (forest proximity, Breiman 2001); dividing by the root
    of the degree keeps customers of large leaves from lying at the centre, as in spectral clustering (Ng, Jordan and
    Weiss 2001).
    """

    def __init__(self, leaves: np.ndarray, nodes: int, seed: int):
        """`leaves`: (m, trees) numbers of leaves, each tree's in a range of its own, below `nodes`."""
        from sklearn.utils.extmath import randomized_svd

        indicator = leaf_indicator(leaves, nodes)
        sizes = np.asarray(indicator.sum(axis=0)).ravel()
        degrees = sizes[leaves].sum(axis=1)
        _, _, directions = randomized_svd(
            indicator / np.sqrt(degrees)[:, None],
            min(COMPONENTS, len(leaves)),
            n_iter=4,
            random_state=seed,
        )
        self.of_leaves = np.column_stack([directions.T, sizes])
        self.points = self.place(leaves)

    def place(self, leaves: np.ndarray) -> np.ndarray:
        """Points (rows, components) of customers by their leaves, of landmarks and of others alike."""
        sums = np.zeros((len(leaves), self.of_leaves.shape[1]))
        of_tree = np.empty_like(sums)
        for tree in np.ascontiguousarray(leaves.T):
            # Clipping, as nothing has to be, spares a copy of what was taken.
            sums += self.of_leaves.take(tree, axis=0, out=of_tree, mode="clip")
        # How many landmarks each customer meets in its leaves, over all trees; a leaf of bootstrap draws has some.
        degrees = np.maximum(sums[:, -1:], 1.0)
        return sums[:, :-1] / np.sqrt(degrees)
