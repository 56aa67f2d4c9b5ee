"""The notebook's steps in plain pandas and scikit-learn, as a notebook's author writes them: what we are compared with.

Belongs here: the earlier recipe, row by row and customer by customer, with nothing of ours in it, so that both its
figures and its seconds are independent of the platform. Does not belong here: an improvement of it, or a slowdown
made on purpose (no needless copies, no sleeps; every step is what the pandas documentation shows first).

Amounts are floats and added as floats, and how they are added decides ties between equal splits of the forest. A
column's ``groupby().sum()``, which adds line by line, gives the reference: importances .869, .027, .026, .017, .015 and
clusters of 291, 175, 365, 331, 242, 326, 252, 512, 237, 236. ``groupby().apply(lambda group: group["amount"].sum())``
adds each customer's lines in pairs; for 1,249 customers the last bits differ, and with them the importances (.866) and
two sizes (325 and 253 for 326 and 252).

Run it: ``python -m benchmarks.naive FILE [--scan]`` with the UCI file as Parquet or Excel.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

EXCLUDED_CUSTOMERS = (16446, 15749)
EXCLUDED_COUNTRIES = ("European Community", "Unspecified")
LOWEST_PRICE = 0.04
LEAST_IMPORTANCE = 0.01
# The order of the columns decides which the forest draws: another order gives other leaves.
FOREST_FEATURES = [
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
]


class NaiveReference(NamedTuple):
    """What the notebook ends with: the features, the embedding (n × 10) and a cluster 1…10 by mean revenue."""

    features: pd.DataFrame
    importances: pd.Series
    embedding: np.ndarray
    clusters: pd.Series


def naive_clean(lines: pd.DataFrame) -> pd.DataFrame:
    """Lines of the UCI layout that the profile `uci` keeps, with `date`, `amount` (currency) and `is_return`."""
    kept = lines.dropna(subset=["CustomerID"])
    kept = kept[kept["UnitPrice"] >= LOWEST_PRICE]
    kept = kept[~kept["StockCode"].apply(lambda code: str(code).isascii() and str(code).isalpha())]
    kept = kept[~kept["Country"].isin(EXCLUDED_COUNTRIES)]
    kept = kept[~kept["CustomerID"].isin(EXCLUDED_CUSTOMERS)].copy()
    kept["amount"] = kept.apply(lambda row: row["Quantity"] * row["UnitPrice"], axis=1)
    kept["is_return"] = kept.apply(lambda row: row["Quantity"] < 0, axis=1)
    kept["date"] = pd.to_datetime(kept["InvoiceDate"]).dt.normalize()
    kept["CustomerID"] = kept["CustomerID"].astype(int)
    return kept


def naive_features(lines: pd.DataFrame) -> pd.DataFrame:
    """One row per identified customer, in order of first appearance; the window is the whole file.

    Parameters
    ----------
    lines: invoice lines in the columns of UCI 352.

    Returns
    -------
    Indexed by customer (int). Money in pounds, times in days, `returns_ratio` 0–1 (or more); `clusterable` marks
    customers with a purchase and two activity dates. Ratios of a customer without a purchase are missing.
    """
    kept = naive_clean(lines)
    purchases = kept[~kept["is_return"]]
    returns = kept[kept["is_return"]]
    as_of = purchases["date"].max()
    bought = purchases.groupby("CustomerID")
    brought_back = returns.groupby("CustomerID")

    features = pd.DataFrame(index=pd.Index(kept["CustomerID"].drop_duplicates(), name="CustomerID"))
    features["gross_revenue"] = bought["amount"].sum()
    features["recency_days"] = bought.apply(lambda group: (as_of - group["date"].max()).days)
    features["purchases"] = bought.apply(lambda group: group["InvoiceNo"].nunique())
    features["items_purchased"] = bought.apply(lambda group: group["Quantity"].sum())
    features["unique_products_purchased"] = bought.apply(lambda group: group["StockCode"].count())
    features["distinct_products"] = bought.apply(lambda group: group["StockCode"].nunique())
    features["days_active"] = bought.apply(lambda group: (group["date"].max() - group["date"].min()).days + 1)
    features["activity_dates"] = kept.groupby("CustomerID").apply(lambda group: group["date"].nunique())
    features["avg_recency_days"] = kept.groupby("CustomerID").apply(_mean_gap)
    features["number_returns"] = brought_back.apply(lambda group: group["InvoiceNo"].nunique())
    features["monetary_returns"] = -brought_back["amount"].sum()
    counted = ["gross_revenue", "purchases", "items_purchased", "unique_products_purchased", "distinct_products"]
    counted += ["number_returns", "monetary_returns"]
    features[counted] = features[counted].fillna(0)

    features["avg_ticket"] = features.apply(lambda row: _ratio(row["gross_revenue"], row["purchases"]), axis=1)
    features["frequency"] = features.apply(lambda row: _ratio(row["purchases"], row["days_active"]), axis=1)
    features["avg_basket_size"] = features.apply(lambda row: _ratio(row["items_purchased"], row["purchases"]), axis=1)
    features["unique_avg_basket"] = features.apply(
        lambda row: _ratio(row["unique_products_purchased"], row["purchases"]), axis=1
    )
    features["returns_ratio"] = features.apply(
        lambda row: _ratio(row["monetary_returns"], row["gross_revenue"]), axis=1
    )
    features["net_revenue"] = features.apply(lambda row: row["gross_revenue"] - row["monetary_returns"], axis=1)
    features["clusterable"] = features.apply(
        lambda row: bool(row["purchases"] > 0 and row["activity_dates"] >= 2), axis=1
    )
    return features


def _mean_gap(group: pd.DataFrame) -> float:
    """Mean days between a customer's distinct activity dates; missing for a single date."""
    dates = group["date"].drop_duplicates().sort_values()
    return dates.diff().dt.days.mean()


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def naive_forest(features: pd.DataFrame) -> tuple[np.ndarray, pd.Series]:
    """Leaf ids (n × 250) of the refitted forest, and the importances that chose its columns.

    Parameters
    ----------
    features: clusterable customers only, in order of first appearance.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.preprocessing import MinMaxScaler

    scaled = pd.DataFrame(MinMaxScaler().fit_transform(features[FOREST_FEATURES]), columns=FOREST_FEATURES)
    target = features["gross_revenue"].to_numpy()
    forest = RandomForestRegressor(n_estimators=250, random_state=42).fit(scaled, target)
    importances = pd.Series(forest.feature_importances_, index=FOREST_FEATURES)
    chosen = scaled.loc[:, importances > LEAST_IMPORTANCE]
    refitted = RandomForestRegressor(n_estimators=250, random_state=42).fit(chosen, target)
    return refitted.apply(chosen), importances


def naive_embedding(leaves: np.ndarray) -> np.ndarray:
    """UMAP of the leaf ids in ten components (n × 10), seed 42. UMAP is not bit-portable between machines."""
    from umap import UMAP

    return UMAP(n_components=10, random_state=42).fit_transform(leaves)


def naive_k_scan(embedding: np.ndarray, ks: Iterable[int] = range(2, 26)) -> list[tuple[int, float]]:
    """Silhouette of Ward's clustering for each number of clusters, each one fitted and scored from scratch."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import silhouette_score

    scores = []
    for k in ks:
        labels = AgglomerativeClustering(n_clusters=k, linkage="ward").fit_predict(embedding)
        scores.append((k, float(silhouette_score(embedding, labels))))
    return scores


def naive_clusters(embedding: np.ndarray, features: pd.DataFrame) -> pd.Series:
    """Ward's ten clusters, numbered 1…10 by falling mean revenue; indexed by customer."""
    from sklearn.cluster import AgglomerativeClustering

    labels = pd.Series(AgglomerativeClustering(n_clusters=10, linkage="ward").fit_predict(embedding), features.index)
    by_revenue = features["gross_revenue"].groupby(labels).mean().sort_values(ascending=False)
    rank = {label: place for place, label in enumerate(by_revenue.index, start=1)}
    return labels.apply(lambda label: rank[label]).rename("cluster")


def naive_reference(lines: pd.DataFrame) -> NaiveReference:
    """The notebook from lines to ten clusters, the scan over k apart."""
    features = naive_features(lines)
    clusterable = features[features["clusterable"]]
    leaves, importances = naive_forest(clusterable)
    embedding = naive_embedding(leaves)
    return NaiveReference(features, importances, embedding, naive_clusters(embedding, clusterable))


def read_lines(path: Path) -> pd.DataFrame:
    """Invoice lines of the UCI file, Parquet or Excel, in the file's own columns."""
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_excel(path, dtype={"InvoiceNo": str})


def main() -> None:
    """Time every stage of the notebook on a file and print the table."""
    from benchmarks.measure import Meter, as_markdown

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--scan", action="store_true", help="also scan k = 2…25")
    asked = parser.parse_args()
    meter = Meter()
    lines = meter.run("read", read_lines, asked.file)
    features = meter.run("features", naive_features, lines)
    clusterable = features[features["clusterable"]]
    leaves, importances = meter.run("forest, twice", naive_forest, clusterable)
    embedding = meter.run("UMAP (import and compilation included)", naive_embedding, leaves)
    clusters = meter.run("Ward, 10 clusters", naive_clusters, embedding, clusterable)
    scan = meter.run("k = 2…25", naive_k_scan, embedding) if asked.scan else []
    print(as_markdown(meter.stages))
    print(f"\nbuyers {(features['purchases'] > 0).sum()}, clusterable {len(clusterable)}", end=", ")
    print(f"gross revenue {clusterable['gross_revenue'].sum():.2f}")
    print("importances", importances[importances > LEAST_IMPORTANCE].round(3).to_dict())
    print("cluster sizes", clusters.value_counts().sort_index().tolist())
    for k, silhouette in scan:
        print(f"k {k}: silhouette {silhouette:.3f}")


if __name__ == "__main__":
    main()
