"""customer_consensus [month]: where every clusterable customer ranks over many fits, and how sure the fits are."""

from __future__ import annotations

import dagster as dg
import pandas as pd

from insiders_assets.assets.monthly import Made, Month, monthly_asset, too_few_clusterable
from insiders_assets.contracts.programme import CUSTOMER_CONSENSUS
from insiders_assets.settings import PRODUCT
from insiders_assets.storage.lake import Dataset

SEED = 42
UNSURE = 0.75


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=CUSTOMER_CONSENSUS,
        partitions=partitions,
        inputs={"customer_features": None},
        group="programme",
        settings_read=("recipe", "min_clusterable", "programme_share", "programme_fits"),
        kinds={"scikitlearn", "postgres"},
    )
    def customer_consensus(month: Month, customer_features: Dataset) -> Made:
        """Where every clusterable customer ranks when many forests, each on a bootstrap sample, group the customers by
        whom they share leaves with; and in how many of these fits the customer stands on the same side of the cut.
        Empty with the reference recipe, and in a month with too few clusterable customers."""
        from insiders_assets.domain.consensus import find_consensus
        from insiders_assets.domain.embedding import clusterable, design_matrix

        settings = month.platform.settings
        if settings.recipe != PRODUCT:
            return Made(CUSTOMER_CONSENSUS.empty(), metadata={"no consensus": "the reference recipe has none"})
        # By name, as the table is sorted: where they first appear has no influence on what the fits draw.
        customers = clusterable(customer_features.frame())
        if few := too_few_clusterable(month, len(customers)):
            return Made(CUSTOMER_CONSENSUS.empty(), metadata={"no consensus": few})
        found = find_consensus(
            design_matrix(customers),
            customers["gross_revenue"].to_numpy("float64"),
            share=settings.programme_share,
            seed=SEED,
            fits=settings.programme_fits,
        )
        unsure = int(((found.confidences < UNSURE) & found.chosen).sum())
        return Made(
            pd.DataFrame(
                {
                    "month": month.first_day,
                    "customer_id": customers["customer_id"],
                    "score": found.scores,
                    "consensus_rank": found.ranks,
                    "chosen": found.chosen,
                    "confidence": found.confidences,
                }
            ),
            metadata={
                "fits": settings.programme_fits,
                "customers": len(customers),
                "chosen": int(found.chosen.sum()),
                f"chosen with less than {UNSURE:.0%} of the fits": unsure,
            },
        )

    return customer_consensus
