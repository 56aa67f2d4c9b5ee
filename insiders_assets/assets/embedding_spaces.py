"""embedding_spaces [month, where asked]: PCA, t-SNE, UMAP and the tree embedding side by side."""

from __future__ import annotations

import dagster as dg
import numpy as np

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table, too_few_clusterable
from insiders_assets.contracts.comparisons import EMBEDDING_SPACES
from insiders_assets.contracts.table import or_null
from insiders_assets.settings import PRODUCT
from insiders_assets.storage.lake import Dataset

SEED = 42
PICTURE = "spaces.png"
MEASURES = (
    "own_silhouette",
    "own_error",
    "common_silhouette",
    "common_error",
    "seed_agreement",
    "seed_jaccard",
    "sample_agreement",
    "sample_jaccard",
)


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=EMBEDDING_SPACES,
        partitions=partitions,
        inputs={"customer_features": None},
        group="comparisons",
        settings_read=("recipe", "min_clusterable"),
        kinds={"scikitlearn", "postgres"},
    )
    def embedding_spaces(month: Month, customer_features: Dataset) -> Made:
        """The same customers in PCA, t-SNE, UMAP and the tree embedding: ten groups in each, how well they hold in the
        space's own distances and in a common one, and how far they stay the same with another seed or without a fifth
        of the customers. Costs more than the month itself, so it is made for the last month and where asked."""
        from insiders_assets.domain.embedding import design_matrix, in_order_of_appearance
        from insiders_assets.domain.spaces import compare_spaces
        from insiders_assets.reporting.pictures.comparison import scatter_of_spaces

        customers = in_order_of_appearance(customer_features.frame())
        if few := too_few_clusterable(month, len(customers)):
            return Made(EMBEDDING_SPACES.empty(), metadata={"not compared": few})
        space_of_trees = _by_proximity if month.platform.settings.recipe == PRODUCT else _by_leaf_numbers
        revenue = customers["gross_revenue"].to_numpy("float64")
        try:
            found = compare_spaces(design_matrix(customers), revenue, tree_space=space_of_trees, seed=SEED)
        except ValueError as impossible:
            return Made(EMBEDDING_SPACES.empty(), metadata={"not compared": str(impossible)})
        rows = [
            {
                "month": month.first_day,
                "space": space.name,
                "customers": len(found.landmarks),
                **{name: or_null(getattr(space, name)) for name in MEASURES},
                "seconds": space.seconds,
            }
            for space in found.spaces
        ]
        shown = ("space", "own_silhouette", "common_silhouette", "seed_jaccard", "sample_jaccard")
        return Made(
            rows,
            metadata={
                "spaces": shown_as_table([{name: row[name] for name in shown} for row in rows], decimals=3),
                "what may be compared": found.fair,
            },
            files={PICTURE: scatter_of_spaces(found.spaces)},
        )

    return embedding_spaces


def _by_proximity(features: np.ndarray, revenue: np.ndarray, seed: int) -> np.ndarray:
    from insiders_assets.domain.proximity import fit_proximity_embedding

    return fit_proximity_embedding(features, revenue, landmarks=len(revenue), seed=seed).landmark_components


def _by_leaf_numbers(features: np.ndarray, revenue: np.ndarray, seed: int) -> np.ndarray:
    from insiders_assets.domain.embedding import fit_tree_embedding

    return fit_tree_embedding(features, revenue, seed).components
