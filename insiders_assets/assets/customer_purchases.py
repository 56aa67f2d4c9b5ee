"""customer_purchases [month]: one row per customer and invoice of the month."""

from __future__ import annotations

import dagster as dg
import pyarrow.compute as pc

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.contracts.customers import CUSTOMER_PURCHASES
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=CUSTOMER_PURCHASES,
        partitions=partitions,
        inputs={"raw_invoices": None},
        group="customers",
        kinds={"duckdb", "postgres"},
    )
    def customer_purchases(month: Month, raw_invoices: Dataset) -> Made:
        """One row per customer and invoice of the month: lines, pieces and money bought and returned."""
        from insiders_assets.domain.features import customer_purchases

        engine = month.platform.engine
        data = engine.run(customer_purchases(engine.table(raw_invoices), month.first_day))
        return Made(
            data,
            metadata={
                "customers": pc.count_distinct(data["customer_id"]).as_py(),
                "gross revenue": float(pc.sum(data["gross_revenue"]).as_py() or 0),
                "returns": float(pc.sum(data["monetary_returns"]).as_py() or 0),
            },
        )

    return customer_purchases
