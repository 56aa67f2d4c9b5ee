"""segment_profiles [month]: what the segments of the month are like, and what became of them."""

from __future__ import annotations

from typing import Any

import dagster as dg

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.contracts.segments import NOT_CLUSTERABLE_ID, SEGMENT_PROFILES
from insiders_assets.contracts.table import as_floats
from insiders_assets.reporting.language import in_both_languages
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=SEGMENT_PROFILES,
        partitions=partitions,
        inputs={"cluster_labels": up_to_this_month, "customer_features": up_to_this_month},
        group="segments",
        kinds={"scipy", "postgres"},
    )
    def segment_profiles(month: Month, cluster_labels: Dataset, customer_features: Dataset) -> Made:
        """The segments of the month: name, what they are like now, how many and how much, since when, how many of their
        customers stayed, and whether they split, merged or are new."""
        from insiders_assets.assets.segment_history import replayed_segments

        _, found = replayed_segments(cluster_labels, customer_features)
        rows: list[dict[str, Any]] = [
            {
                "month": month.first_day,
                "segment_id": one.id,
                **in_both_languages("name", one.name),
                **in_both_languages("profile", one.profile),
                "customers": one.customers,
                "cluster_rank": one.rank,
                "mean_revenue": one.mean_revenue,
                "born": one.born,
                "kept": one.kept,
                **(in_both_languages("change", one.change) if one.change else {}),
            }
            for one in found.segments
        ]
        return Made(
            [*rows, _of_others(month, customer_features.only(month.key))],
            metadata={"segments": len(rows), "changes": "; ".join(str(one.text) for one in found.changes) or "none"},
        )

    return segment_profiles


def _of_others(month: Month, features: Dataset) -> dict[str, Any]:
    """The customers who cannot be clustered, as a segment of their own."""
    from insiders_assets.domain.segment_names import NAMES_OF_OTHERS, PROFILE_OF_NOT_CLUSTERABLE

    rows = features.arrow(["clusterable", "gross_revenue"])
    revenue = as_floats(rows["gross_revenue"])[~rows["clusterable"].to_numpy()]
    return {
        "month": month.first_day,
        "segment_id": NOT_CLUSTERABLE_ID,
        **in_both_languages("name", NAMES_OF_OTHERS[NOT_CLUSTERABLE_ID]),
        **in_both_languages("profile", PROFILE_OF_NOT_CLUSTERABLE),
        "customers": len(revenue),
        "mean_revenue": float(revenue.mean()) if len(revenue) else 0.0,
    }
