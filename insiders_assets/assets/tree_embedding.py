"""tree_embedding [month]: clusterable customers in the space of a random forest's leaves, reduced by UMAP."""

from __future__ import annotations

import dagster as dg
import pandas as pd

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.segments import TREE_EMBEDDING
from insiders_assets.partitions import window
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition, history_months: int) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=TREE_EMBEDDING,
        partitions=partitions,
        # The lines are read for the forest's target only; see domain.embedding.revenue_as_the_notebook_added_it.
        inputs={"customer_features": None, "raw_invoices": window(history_months)},
        group="segments",
        settings_read=("recipe", "min_clusterable"),
        kinds={"scikitlearn", "postgres"},
    )
    def tree_embedding(month: Month, customer_features: Dataset, raw_invoices: Dataset) -> Made:
        """Clusterable customers in the space of a random forest's leaves, reduced to ten dimensions by UMAP. The fitted
        forest and scaler, the leaves and the importances are kept beside the table. Empty in a month with too few
        clusterable customers."""
        from insiders_assets.domain import embedding

        customers = embedding.in_order_of_appearance(customer_features.frame())
        fewest = month.platform.settings.min_clusterable
        if len(customers) < fewest:
            return Made(
                TREE_EMBEDDING.empty(),
                metadata={"not embedded": f"{len(customers)} clusterable customers; at least {fewest} are needed"},
            )
        lines = raw_invoices.arrow(["customer_id", "quantity", "unit_price", "dropped_by"])
        target = embedding.revenue_as_the_notebook_added_it(lines, customers["customer_id"].tolist())
        fitted = embedding.fit_tree_embedding(customers, target)
        components = {f"component_{i + 1}": fitted.components[:, i] for i in range(fitted.components.shape[1])}
        identity = {"month": month.first_day, "customer_id": customers["customer_id"].tolist()}
        importances = [
            {"feature": name, "importance": round(float(share), 4), "chosen": name in fitted.chosen}
            for name, share in sorted(fitted.importances.items(), key=lambda entry: -entry[1])
        ]
        return Made(
            pd.DataFrame({**identity, **components}),
            metadata={
                "customers": len(customers),
                "features by importance": shown_as_table(importances),
            },
            files=embedding.model_files(fitted, customers["customer_id"].tolist()),
        )

    return tree_embedding
