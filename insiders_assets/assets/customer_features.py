"""customer_features [month]: one row per identified customer, over a window of thirteen months."""

from __future__ import annotations

import dagster as dg
import pyarrow.compute as pc

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.contracts.customers import CUSTOMER_FEATURES
from insiders_assets.partitions import window
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition, history_months: int) -> dg.AssetsDefinition:
    """The asset over the months that can exist, with a window of so many months."""

    @monthly_asset(
        table=CUSTOMER_FEATURES,
        partitions=partitions,
        inputs={"raw_invoices": window(history_months)},
        group="customers",
        kinds={"duckdb", "postgres"},
        many_months_at_once=True,
    )
    def customer_features(month: Month, raw_invoices: Dataset) -> Made:
        """What each identified customer did in this month and the twelve before: money, purchases, baskets, returns,
        recency and rhythm, and whether the customer can be clustered. Guests stand in month_totals."""
        from insiders_assets.domain.features import customer_features

        engine = month.platform.distributed
        data = engine.run(customer_features(engine.table(raw_invoices), month.first_day))
        return Made(
            data,
            metadata={
                "identified buyers": pc.sum(pc.greater(data["purchases"], 0)).as_py() or 0,
                "clusterable customers": pc.sum(data["clusterable"]).as_py() or 0,
                "months in the window": len(raw_invoices.scopes),
            },
        )

    return customer_features
