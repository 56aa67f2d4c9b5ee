"""month_totals [month]: money and lines of the month per bucket."""

from __future__ import annotations

import dagster as dg
import pyarrow.compute as pc

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.customers import MONTH_TOTALS
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=MONTH_TOTALS,
        partitions=partitions,
        inputs={"raw_invoices": None, "customer_features": None},
        group="customers",
        kinds={"duckdb", "postgres"},
    )
    def month_totals(month: Month, raw_invoices: Dataset, customer_features: Dataset) -> Made:
        """Money and lines of the month per bucket: clusterable customers, other identified customers, guests, and each
        cleaning rule. The buckets add up to every good line of the month."""
        from insiders_assets.domain.features import month_totals

        engine = month.platform.engine
        features = customer_features.arrow(["customer_id", "clusterable"])
        clusterable = engine.table(features.filter(pc.field("clusterable")).select(["customer_id"]))
        data = engine.run(month_totals(engine.table(raw_invoices), clusterable, month.first_day))
        buckets = [
            {"bucket": row["bucket"], "lines": row["lines"], "net revenue": float(row["net_revenue"])}
            for row in sorted(data.to_pylist(), key=lambda row: (row["bucket"].startswith("dropped"), row["bucket"]))
        ]
        return Made(data, metadata={"buckets": shown_as_table(buckets)})

    return month_totals
