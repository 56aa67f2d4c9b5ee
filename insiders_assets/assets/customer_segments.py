"""customer_segments [month]: the segment of every customer, under an id and a name that last."""

from __future__ import annotations

import dagster as dg
import pandas as pd

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.segments import (
    CUSTOMER_SEGMENTS,
    NOT_CLUSTERABLE,
    NOT_CLUSTERABLE_ID,
    NOT_SEGMENTED_ID,
)
from insiders_assets.reporting.language import PORTUGUESE, Language
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=CUSTOMER_SEGMENTS,
        partitions=partitions,
        inputs={"cluster_labels": up_to_this_month, "customer_features": up_to_this_month},
        group="segments",
        kinds={"scipy", "postgres"},
    )
    def customer_segments(month: Month, cluster_labels: Dataset, customer_features: Dataset) -> Made:
        """The segment of every customer, under an id that stays the same from month to month: the month's clusters are
        matched with the segments of the months before by the customers that they share. Names in English and
        Portuguese are given when a segment begins."""
        from insiders_assets.assets.segment_history import replayed_segments
        from insiders_assets.domain.segment_names import NAMES_OF_OTHERS

        segmented, found = replayed_segments(cluster_labels, customer_features)
        names = {segment.id: segment.name for segment in found.segments} | NAMES_OF_OTHERS
        english = {one: str(name) for one, name in names.items()}
        portuguese = {one: Language(PORTUGUESE).tell(name) for one, name in names.items()}
        labels = cluster_labels.only(month.key).frame(["customer_id", "status"])
        others = labels["status"].eq(NOT_CLUSTERABLE).map({True: NOT_CLUSTERABLE_ID, False: NOT_SEGMENTED_ID})
        own = pd.Series(found.ids, index=segmented, dtype="int64").reindex(labels["customer_id"].to_numpy(object))
        ids = pd.Series(own.to_numpy()).fillna(others.astype("float64")).astype("int64")
        return Made(
            pd.DataFrame(
                {
                    "month": month.first_day,
                    "customer_id": labels["customer_id"],
                    "segment_id": ids,
                    "segment_en": ids.map(english),
                    "segment_pt": ids.map(portuguese),
                }
            ),
            metadata={
                "segments": shown_as_table(
                    [
                        {"id": segment.id, "segment": str(segment.name), "customers": segment.customers}
                        for segment in found.segments
                    ]
                ),
                "changes": "; ".join(str(change.text) for change in found.changes) or "none",
            },
        )

    return customer_segments
