"""forest_importances [month]: what the forest of the month's embedding looks at."""

from __future__ import annotations

import json

import dagster as dg

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.contracts.found_by import library
from insiders_assets.contracts.segments import FOREST_IMPORTANCES
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=FOREST_IMPORTANCES,
        partitions=partitions,
        inputs={"tree_embedding": None},
        group="segments",
        kinds={"scikitlearn", "postgres"},
    )
    def forest_importances(month: Month, tree_embedding: Dataset) -> Made:
        """The importance of every feature in the forest that the embedding stands on, and which of them were chosen;
        empty in a month that was not embedded."""
        from insiders_assets.domain.embedding import SEED
        from insiders_assets.domain.fitted_files import ABOUT

        if not tree_embedding.arrow(["month"]).num_rows:
            return Made(FOREST_IMPORTANCES.empty(), metadata={"no forest": "the month was not embedded"})
        about = json.loads(tree_embedding.file(ABOUT))
        return Made(
            [
                {
                    "month": month.first_day,
                    "feature": feature,
                    "importance": importance,
                    "chosen": feature in about["chosen"],
                    "library": library("scikit-learn"),
                    "seed": SEED,
                }
                for feature, importance in about["importances"].items()
            ]
        )

    return forest_importances
