"""cluster_labels [month]: the segment of every customer, ranked by mean revenue within the month."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pandas as pd

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.segments import (
    CLUSTER_LABELS,
    COMPONENT_COLUMNS,
    NOT_CLUSTERABLE,
    NOT_SEGMENTED,
    SEGMENTED,
)
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=CLUSTER_LABELS,
        partitions=partitions,
        inputs={"tree_embedding": None, "customer_features": None},
        group="segments",
        kinds={"scikitlearn", "postgres"},
    )
    def cluster_labels(month: Month, tree_embedding: Dataset, customer_features: Dataset) -> Made:
        """The segment of every customer of the month: ten Ward clusters of the embedding, ranked by mean gross revenue.
        Customers who cannot be clustered are listed with their status."""
        from insiders_assets.domain.clustering import CLUSTERS, segment_by_landmarks
        from insiders_assets.reporting.charts import as_markdown, line_chart

        customers = customer_features.frame(["customer_id", "clusterable", "gross_revenue", "appearance_order"])
        embedded = customers.merge(tree_embedding.frame(), on="customer_id").sort_values("appearance_order")
        clusterable = customers["clusterable"].to_numpy(bool)

        def labels(of_clusterable: str) -> pd.DataFrame:
            status = np.where(clusterable, of_clusterable, NOT_CLUSTERABLE)
            return pd.DataFrame({"month": month.first_day, "customer_id": customers["customer_id"], "status": status})

        def not_segmented(why: str) -> Made:
            return Made(
                labels(NOT_SEGMENTED).assign(cluster_rank=None, silhouette=None),
                metadata={"not segmented": f"{int(clusterable.sum())} clusterable customers {why}"},
            )

        if embedded.empty:
            return not_segmented("are too few")
        points = embedded[list(COMPONENT_COLUMNS)].to_numpy("float64")
        revenue = embedded["gross_revenue"].to_numpy("float64")
        landmark = embedded["landmark"].to_numpy(bool)
        found = segment_by_landmarks(points, revenue, landmark, by_row=month.platform.distributed.by_row)
        if found.ranks.max() == 1:
            return not_segmented("are one group: nothing tells them apart")
        ranked = pd.DataFrame(
            {
                "customer_id": embedded["customer_id"].to_numpy(),
                "cluster_rank": found.ranks,
                "silhouette": found.silhouettes,
            }
        )
        segments = [
            {
                "segment": rank,
                "customers": int((found.ranks == rank).sum()),
                "mean gross revenue": round(float(revenue[found.ranks == rank].mean()), 2),
                "mean silhouette": round(float(np.nanmean(found.silhouettes[found.ranks == rank])), 2),
            }
            for rank in np.unique(found.ranks).tolist()
        ]
        scan = {k: mean for k, mean in found.scan.items() if np.isfinite(mean)}
        chart = as_markdown(line_chart(scan, CLUSTERS), "mean silhouette") if CLUSTERS in scan and len(scan) > 1 else ""
        return Made(
            labels(SEGMENTED).merge(ranked.astype({"cluster_rank": "int64[pyarrow]"}), on="customer_id", how="left"),
            metadata={
                "segments": shown_as_table(segments),
                "silhouette": round(float(np.nanmean(found.silhouettes)), 4),
                "standard error of the silhouette": round(_standard_error(found.silhouettes[landmark]), 4),
                "silhouette by number of segments": dg.MetadataValue.md(chart),
            },
        )

    return cluster_labels


def _standard_error(silhouettes: np.ndarray) -> float:
    """Of the mean over the landmarks, as an estimate for all customers that they were drawn from."""
    return float(silhouettes.std() / np.sqrt(len(silhouettes)))
