"""clusterer_trials [month, where asked]: clusterers side by side on the month's embedding, and a page of it."""

from __future__ import annotations

from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from insiders_assets.assets.embedding_spaces import PICTURE as SPACES_PICTURE
from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.comparisons import CLUSTERER_TRIALS
from insiders_assets.contracts.segments import COMPONENT_COLUMNS
from insiders_assets.contracts.table import or_null
from insiders_assets.storage.lake import Dataset

SEED = 42
PAGE, SCAN, SILHOUETTES, DENDROGRAM = "comparison.html", "scan.png", "silhouettes.png", "dendrogram.png"
MEASURES = ("silhouette", "standard_error", "stability", "noise_share", "own_measure")


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=CLUSTERER_TRIALS,
        partitions=partitions,
        inputs={"tree_embedding": None, "cluster_labels": None, "embedding_spaces": None},
        group="comparisons",
        kinds={"scikitlearn", "postgres"},
    )
    def clusterer_trials(
        month: Month, tree_embedding: Dataset, cluster_labels: Dataset, embedding_spaces: Dataset
    ) -> Made:
        """k-means, Ward and Gaussian mixture for 2 to 25 groups, and DBSCAN over a small grid, on the month's
        embedding: silhouette, stability on subsamples, smallest group; and the one that the written criterion prefers.
        Pictures and the page of the comparison stand beside the table."""
        from insiders_assets.domain.clusterer_choice import choose
        from insiders_assets.domain.clusterers import scan_clusterers
        from insiders_assets.reporting.comparison import render_comparison

        embedded = tree_embedding.frame().merge(cluster_labels.frame(), on=["month", "customer_id"])
        embedded = embedded[embedded["landmark"].to_numpy(bool)]
        if embedded["cluster_rank"].isna().any():
            return Made(CLUSTERER_TRIALS.empty(), metadata={"not compared": "the month has no segments"})
        try:
            points = embedded[list(COMPONENT_COLUMNS)].to_numpy("float64")
            scan = scan_clusterers(points, seed=SEED)
            choice = choose(scan.trials)
        except ValueError as impossible:
            return Made(CLUSTERER_TRIALS.empty(), metadata={"not compared": str(impossible)})
        rows = [
            {
                "month": month.first_day,
                "clusterer": trial.clusterer,
                "setting": trial.setting,
                "groups": trial.groups,
                "smallest": trial.smallest,
                **{name: or_null(getattr(trial, name)) for name in MEASURES},
                "preferred": trial is choice.trial,
                "reason": choice.reason if trial is choice.trial else None,
                "seconds": trial.seconds,
            }
            for trial in scan.trials
        ]
        pictures = _pictures(embedded, points, scan.trials, choice)
        spaces = embedding_spaces.frame().to_dict("records")
        shown = {"spaces": embedding_spaces.file(SPACES_PICTURE) if spaces else None, **pictures}
        page = render_comparison(month.first_day, spaces, rows, choice.reason, shown)
        return Made(
            rows,
            metadata={
                "preferred": choice.reason,
                "used": f"Ward with {int(embedded['cluster_rank'].max())} groups, as the recipe says",
                "best of each": shown_as_table(_best_of_each(rows), decimals=3),
            },
            files={PAGE: page.encode(), **pictures},
        )

    return clusterer_trials


def _pictures(embedded: pd.DataFrame, points: np.ndarray, trials: Any, choice: Any) -> dict[str, bytes]:
    from scipy.cluster.hierarchy import ward
    from scipy.spatial.distance import pdist

    from insiders_assets.domain.clustering import cut, rank_by_mean
    from insiders_assets.reporting.pictures.comparison import dendrogram, scan_chart, silhouette_plot

    ranks = embedded["cluster_rank"].to_numpy("int64")
    tree = ward(pdist(points))
    own = rank_by_mean(cut(tree, int(ranks.max())), -ranks.astype("float64"))
    return {
        SCAN: scan_chart(trials, choice),
        SILHOUETTES: silhouette_plot(embedded["silhouette"].to_numpy("float64"), ranks),
        DENDROGRAM: dendrogram(tree, own),
    }


def _best_of_each(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = [row for row in rows if row["silhouette"] is not None]
    best = {row["clusterer"]: row for row in sorted(known, key=lambda row: float(row["silhouette"]))}
    names = ("clusterer", "setting", "silhouette", "stability", "smallest")
    return [{name: row[name] for name in names} for row in best.values()]
