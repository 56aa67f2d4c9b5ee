"""The reference recipe's embedding: a random forest's leaves, reduced by UMAP.

Belongs here: scaling, the forest, the choice of its features, the leaves, the embedding, and how the fitted models are
kept and reloaded. Does not belong here: clusters (:mod:`.clustering`). umap is imported only where it is used: it
brings TensorFlow and costs seconds.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from insiders_assets.contracts.table import as_floats

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.preprocessing import MinMaxScaler

FEATURES = (
    "recency_days",
    "purchases",
    "unique_products_purchased",
    "items_purchased",
    "avg_ticket",
    "avg_recency_days",
    "frequency",
    "number_returns",
    "monetary_returns",
    "avg_basket_size",
    "unique_avg_basket",
    "returns_ratio",
)
TREES = 250
SEED = 42
COMPONENTS = 10
LEAST_IMPORTANCE = 0.01
FEWEST_FOR_UMAP = 12


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


def in_order_of_appearance(features: pd.DataFrame) -> pd.DataFrame:
    """The clusterable customers in the order in which they first appear: the forest's draws depend on it."""
    clusterable = features[features["clusterable"].to_numpy(bool)]
    return clusterable.sort_values("appearance_order", ignore_index=True)


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


def fit_tree_embedding(customers: pd.DataFrame, target: np.ndarray) -> TreeEmbedding:
    """Fit the reference recipe on clusterable customers in order of appearance, n >= FEWEST_FOR_UMAP.

    `target` (n,) is what the forest predicts: gross revenue in the shop's currency.

    Forest of 250 trees on twelve min-max features to predict gross revenue; features with an importance above 1 % are
    kept; refit on these; leaf numbers of every tree; UMAP to ten components on the leaf numbers (Euclidean).
    Deterministic on one machine (seed 42). Memory O(n * TREES).
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.preprocessing import MinMaxScaler

    scaler = MinMaxScaler()
    scaled = scaler.fit_transform(design_matrix(customers))

    def forest() -> RandomForestRegressor:
        return RandomForestRegressor(TREES, random_state=SEED, n_jobs=-1)

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
        components=_umap(leaves),
    )


def _umap(leaves: np.ndarray) -> np.ndarray:
    import warnings

    import umap

    with warnings.catch_warnings():
        # With a seed UMAP runs on one thread and says so each time; that is what we want.
        warnings.filterwarnings("ignore", message="n_jobs value")
        # Customers whose leaves nobody shares keep a place of their own; the silhouette shows it.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        reducer = umap.UMAP(n_components=COMPONENTS, n_neighbors=min(15, len(leaves) - 1), random_state=SEED, n_jobs=1)
        return np.asarray(reducer.fit_transform(leaves), dtype="float64")


def model_files(fitted: TreeEmbedding, customer_ids: list[str]) -> dict[str, bytes]:
    """The fitted models as files that need no pickle: forest and scaler in skops, leaves in Parquet, choice in JSON."""
    import pyarrow.parquet as pq
    import skops.io

    leaves = io.BytesIO()
    columns = {f"tree_{i}": fitted.leaves[:, i].astype("int32") for i in range(fitted.leaves.shape[1])}
    pq.write_table(pa.table({"customer_id": customer_ids, **columns}), leaves, compression="zstd")

    def packed(model: object) -> bytes:
        return _plain(skops.io.dumps(model))

    about = {"features": list(FEATURES), "chosen": list(fitted.chosen), "importances": dict(fitted.importances)}
    return {
        "forest.skops": packed(fitted.forest),
        "scaler.skops": packed(fitted.scaler),
        "leaves.parquet": leaves.getvalue(),
        "embedding.json": json.dumps(about, indent=1).encode(),
    }


def _plain(archive: bytes) -> bytes:
    """A skops archive without the time of writing and without memory addresses: equal models give equal bytes."""
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        schema = old.read("schema.json").decode()
        found = re.findall(r'"__id__": ([0-9]+)|"([0-9]+)\.npy"', schema)
        addresses = dict.fromkeys(by_id or by_file for by_id, by_file in found)
        numbers = {address: str(i) for i, address in enumerate(addresses)}

        def numbered(place: re.Match[str]) -> str:
            return place[0].replace(place[1], numbers[place[1]])

        schema = re.sub(r'"__id__": ([0-9]+)', numbered, schema)
        schema = re.sub(r'"([0-9]+)\.npy"', numbered, schema)
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
            for name in old.namelist():
                content = schema.encode() if name == "schema.json" else old.read(name)
                new_name = f"{numbers[name.removesuffix('.npy')]}.npy" if name.endswith(".npy") else name
                new.writestr(zipfile.ZipInfo(new_name), content, zipfile.ZIP_DEFLATED, 1)
        return written.getvalue()


def leaves_from_files(files: Mapping[str, bytes], customers: pd.DataFrame) -> np.ndarray:
    """Leaf numbers (n, TREES) of customers in a forest that was kept by :func:`model_files`."""
    import skops.io

    chosen = json.loads(files["embedding.json"])["chosen"]
    scaler = skops.io.loads(files["scaler.skops"])
    # sklearn's own compiled tree is the one type beyond skops' defaults; anything else in the file is refused.
    forest = skops.io.loads(files["forest.skops"], trusted=["sklearn.tree._tree.Tree"])
    scaled = scaler.transform(design_matrix(customers))
    return forest.apply(scaled[:, [FEATURES.index(name) for name in chosen]])
