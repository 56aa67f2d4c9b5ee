"""tree_embedding [month]: clusterable customers in the space of a random forest's leaves, reduced by UMAP."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pandas as pd

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table, too_few_clusterable
from insiders_assets.contracts.segments import COMPONENT_COLUMNS, TREE_EMBEDDING
from insiders_assets.domain.embedding import TreeEmbedding
from insiders_assets.domain.proximity import ProximityEmbedding
from insiders_assets.partitions import window
from insiders_assets.settings import PRODUCT
from insiders_assets.storage.engine import Engine
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition, history_months: int) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=TREE_EMBEDDING,
        partitions=partitions,
        # The lines are read for the reference forest's target: see domain.embedding.revenue_as_the_notebook_added_it.
        inputs={"customer_features": None, "raw_invoices": window(history_months)},
        group="segments",
        settings_read=("recipe", "min_clusterable"),
        kinds={"scikitlearn", "postgres"},
    )
    def tree_embedding(month: Month, customer_features: Dataset, raw_invoices: Dataset) -> Made:
        """Clusterable customers in the space of a random forest's leaves, reduced to ten dimensions by UMAP: by forest
        proximity (product recipe) or by the numbers of the leaves (reference recipe). The fitted models, the leaves and
        the importances are kept beside the table. Empty in a month with too few clusterable customers."""
        from insiders_assets.domain import fitted_files
        from insiders_assets.domain.embedding import in_order_of_appearance

        customers = in_order_of_appearance(customer_features.frame())
        if few := too_few_clusterable(month, len(customers)):
            return Made(TREE_EMBEDDING.empty(), metadata={"not embedded": few})
        ids = customers["customer_id"].to_numpy(object)
        recipe = month.platform.settings.recipe
        fitted: ProximityEmbedding | TreeEmbedding
        if recipe == PRODUCT:
            fitted, components, landmark = _by_proximity(customers, month.platform.distributed)
        else:
            fitted, components, landmark = _by_leaf_numbers(customers, raw_invoices)
        places = dict(zip(COMPONENT_COLUMNS, components.T, strict=True))
        importances = [
            {"feature": name, "importance": round(float(share), 4), "chosen": name in fitted.chosen}
            for name, share in sorted(fitted.importances.items(), key=lambda entry: -entry[1])
        ]
        return Made(
            pd.DataFrame({"month": month.first_day, "customer_id": ids, "landmark": landmark, **places}),
            metadata={
                "recipe": recipe,
                "customers": len(customers),
                "landmarks": int(landmark.sum()),
                "features by importance": shown_as_table(importances),
            },
            files=fitted_files.model_files(fitted, ids[landmark].tolist()),
        )

    return tree_embedding


def _by_proximity(customers: pd.DataFrame, engine: Engine) -> tuple[ProximityEmbedding, np.ndarray, np.ndarray]:
    from insiders_assets.domain.embedding import design_matrix
    from insiders_assets.domain.proximity import fit_proximity_embedding

    features = design_matrix(customers)
    fitted = fit_proximity_embedding(features, customers["gross_revenue"].to_numpy("float64"))
    landmark = np.zeros(len(customers), dtype=bool)
    landmark[fitted.landmarks] = True
    components = np.empty((len(customers), fitted.landmark_components.shape[1]))
    components[landmark] = fitted.landmark_components
    components[~landmark] = engine.by_row(fitted.place, features[~landmark])
    return fitted, components, landmark


def _by_leaf_numbers(customers: pd.DataFrame, lines: Dataset) -> tuple[TreeEmbedding, np.ndarray, np.ndarray]:
    from insiders_assets.domain.embedding import design_matrix, fit_tree_embedding, revenue_as_the_notebook_added_it

    read = lines.arrow(["customer_id", "quantity", "unit_price", "dropped_by"])
    target = revenue_as_the_notebook_added_it(read, customers["customer_id"].tolist())
    fitted = fit_tree_embedding(design_matrix(customers), target)
    return fitted, fitted.components, np.ones(len(customers), dtype=bool)
