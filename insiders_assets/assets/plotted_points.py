"""plotted_points [month]: what pictures draw of many customers."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow.compute as pc

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.contracts.pages import EMBEDDING, PLOTTED_POINTS, REVENUE_CURVE
from insiders_assets.contracts.segments import COMPONENT_COLUMNS
from insiders_assets.contracts.table import as_floats
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=PLOTTED_POINTS,
        partitions=partitions,
        inputs=dict.fromkeys(("customer_features", "tree_embedding", "cluster_labels")),
        group="pages",
        kinds={"postgres"},
    )
    def plotted_points(
        month: Month, customer_features: Dataset, tree_embedding: Dataset, cluster_labels: Dataset
    ) -> Made:
        """The curve of revenue over customers, and a sample of the embedding: a few thousand points, however many
        customers there are."""
        from insiders_assets.domain.curves import revenue_curve, spaced

        features = customer_features.arrow(["gross_revenue", "clusterable"])
        customers, revenue = revenue_curve(as_floats(features.filter(features["clusterable"])["gross_revenue"]))
        points, ranks = embedded(tree_embedding, cluster_labels)
        kept = spaced(len(points))
        sample = _points(EMBEDDING, points[kept, 0], points[kept, 1], ranks[kept])
        rows = pd.concat([_points(REVENUE_CURVE, customers, revenue), sample], ignore_index=True)
        return Made(rows.assign(month=month.first_day), metadata={"points": len(rows)})

    return plotted_points


def embedded(tree_embedding: Dataset, cluster_labels: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The segmented customers' first two components (n, 2), and the ranks of their segments (n,)."""
    labels = cluster_labels.arrow(["customer_id", "cluster_rank"])
    labels = labels.filter(pc.is_valid(labels["cluster_rank"]))
    points = tree_embedding.arrow(["customer_id", *COMPONENT_COLUMNS[:2]])
    placed = points.join(labels, "customer_id", join_type="inner").sort_by("customer_id")
    components = np.column_stack([placed[name].to_numpy() for name in COMPONENT_COLUMNS[:2]])
    return components, placed["cluster_rank"].to_numpy()


def _points(picture: str, x: np.ndarray, y: np.ndarray, ranks: np.ndarray | None = None) -> pd.DataFrame:
    ranked = pd.Series([pd.NA] * len(x) if ranks is None else ranks, dtype="Int64")
    return pd.DataFrame({"picture": picture, "position": range(1, len(x) + 1), "x": x, "y": y, "cluster_rank": ranked})
