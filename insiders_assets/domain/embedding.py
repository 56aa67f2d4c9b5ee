"""The reference recipe's embedding: a random forest's leaves, reduced by UMAP.

Belongs here: the design matrix, scaling, the reference's forest, the choice of its features, its leaves, and the one
way to call UMAP. Does not belong here: the product's own embedding (:mod:`.proximity`), how fitted models are kept
(:mod:`.fitted_files`), clusters (:mod:`.clustering`). umap is imported only where it is used: it brings TensorFlow and
costs seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from insiders_assets.contracts.table import as_floats
from insiders_assets.domain.feature_words import FEATURES
from insiders_assets.domain.leaf_space import in_one_place

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.preprocessing import MinMaxScaler

TREES = 250
SEED = 42
COMPONENTS = 10
LEAST_IMPORTANCE = 0.01
FEWEST_FOR_UMAP = 12
NEIGHBOURS = 15


@dataclass(frozen=True)
class TreeEmbedding:
    """A fitted embedding: n customers, d chosen features, TREES trees.

    importances: of all FEATURES in the first forest, shares that sum to 1. chosen: features above LEAST_IMPORTANCE.
    leaves: int array (n, TREES), the leaf number of each customer in each tree. components: float array (n, 10).
    """

    importances: Mapping[str, float]
    chosen: tuple[str, ...]
    scaler: MinMaxScaler
    forest: RandomForestRegressor
    leaves: np.ndarray
    components: np.ndarray


def clusterable(features: pd.DataFrame) -> pd.DataFrame:
    """The clusterable customers, in the order in which they stand."""
    return features[features["clusterable"].to_numpy(bool)].reset_index(drop=True)


def in_order_of_appearance(features: pd.DataFrame) -> pd.DataFrame:
    """The clusterable customers in the order in which they first appear: the forest's draws depend on it."""
    return clusterable(features).sort_values("appearance_order", ignore_index=True)


def design_matrix(customers: pd.DataFrame) -> np.ndarray:
    """The twelve features as floats, shape (n, 12), in the order of FEATURES; an undefined ratio counts as 0."""
    return np.column_stack([customers[name].to_numpy(dtype="float64", na_value=0.0) for name in FEATURES])


def revenue_as_the_notebook_added_it(lines: pa.Table, customer_ids: list[str]) -> np.ndarray:
    """Gross revenue per customer (n,), added in 64-bit floats line by line: the reference forest's target.

    It differs from the exact gross revenue by less than a millionth of a cent, yet the forest breaks ties between equal
    splits by it: with the exact sums two of the reference's ten clusters have other sizes (482 and 266 for 512 and
    236). pandas adds with Kahan's compensation, so the sum hangs on the order of the lines alone.

    Parameters
    ----------
    lines: RAW_INVOICES of the window in order; customer_id, quantity, unit_price, dropped_by.
    """
    import pandas as pd
    import pyarrow.compute as pc

    zero = pa.scalar(0, lines.schema.field("quantity").type)
    counted = pc.and_(pc.is_null(lines["dropped_by"]), pc.is_valid(lines["customer_id"]))
    bought = lines.filter(pc.and_(counted, pc.greater_equal(lines["quantity"], zero)))
    amounts = as_floats(bought["quantity"]) * as_floats(bought["unit_price"])
    sums = pd.Series(amounts).groupby(bought["customer_id"].to_numpy()).sum()
    return sums.reindex(customer_ids).to_numpy()


def fit_tree_embedding(features: np.ndarray, target: np.ndarray, seed: int = SEED) -> TreeEmbedding:
    """Fit the reference recipe on clusterable customers in order of appearance, n >= FEWEST_FOR_UMAP.

    `features`: (n, 12), see :func:`design_matrix`.

    `target` (n,) is what the forest predicts: gross revenue in the shop's currency.

    Forest of 250 trees on twelve min-max features to predict gross revenue; features with an importance above 1 % are
    kept; refit on these; leaf numbers of every tree; UMAP to ten components on the leaf numbers (Euclidean).
    Deterministic on one machine (by `seed`). Memory O(n * TREES).
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.preprocessing import MinMaxScaler

    scaler = MinMaxScaler()
    scaled = scaler.fit_transform(features)

    def forest() -> RandomForestRegressor:
        return RandomForestRegressor(TREES, random_state=seed, n_jobs=-1)

    importances = forest().fit(scaled, target).feature_importances_
    chosen = tuple(name for name, share in zip(FEATURES, importances, strict=True) if share > LEAST_IMPORTANCE)
    if not chosen:  # all customers alike: no feature tells them apart, and every leaf holds everybody
        chosen = FEATURES
    columns = [FEATURES.index(name) for name in chosen]
    fitted = forest().fit(scaled[:, columns], target)
    leaves = fitted.apply(scaled[:, columns])
    return TreeEmbedding(
        importances=dict(zip(FEATURES, importances.tolist(), strict=True)),
        chosen=chosen,
        scaler=scaler,
        forest=fitted,
        leaves=leaves,
        components=in_one_place(leaves, reduced_by_umap(leaves, seed=seed)),
    )


def reduced_by_umap(
    points: np.ndarray,
    neighbours: tuple[np.ndarray, np.ndarray] | None = None,
    start: np.ndarray | None = None,
    seed: int = SEED,
) -> np.ndarray:
    """UMAP (McInnes, Healy and Melville 2018) of n points, shape (n, 10); on one thread.

    `neighbours` are the numbers and distances (n, k) of each point's nearest ones, itself first, where they are known;
    otherwise they are found by Euclidean distance of `points` (n, d). `start` (n, 10) is where the layout begins,
    otherwise the graph's eigenvectors.
    """
    import warnings

    import umap

    begin = "spectral" if start is None else start
    near = min(NEIGHBOURS, len(points) - 1)
    known = {"precomputed_knn": tuple(one[:, :near] for one in neighbours)} if neighbours is not None else {}
    with warnings.catch_warnings():
        # With a seed UMAP runs on one thread and says so each time; that is what we want.
        warnings.filterwarnings("ignore", message="n_jobs value")
        # Customers whose leaves nobody shares keep a place of their own; the silhouette shows it.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        # Nobody is placed later by UMAP itself.
        warnings.filterwarnings("ignore", message="precomputed_knn")
        reducer = umap.UMAP(n_components=COMPONENTS, n_neighbors=near, init=begin, random_state=seed, n_jobs=1, **known)
        return np.asarray(reducer.fit_transform(points), dtype="float64")
