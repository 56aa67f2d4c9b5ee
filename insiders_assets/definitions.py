"""The Dagster code location: everything put together for one set of settings.

Belongs here: assembly. Does not belong here: any asset, job or check of its own. Importing this module reads nothing;
`defs` reads the settings when Dagster calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from insiders_assets.assets import (
    cluster_labels,
    customer_features,
    customer_purchases,
    insiders_report,
    landed_invoices,
    month_totals,
    raw_invoices,
    revenue_forecast,
    tree_embedding,
)
from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation.jobs import jobs, schedules
from insiders_assets.checks import months
from insiders_assets.contracts.customers import CUSTOMER_FEATURES, CUSTOMER_PURCHASES, MONTH_TOTALS
from insiders_assets.contracts.forecast import REVENUE_FORECAST
from insiders_assets.contracts.lines import LANDED_FILES, QUARANTINE_COUNTS, RAW_INVOICES
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.contracts.segments import CLUSTER_LABELS, TREE_EMBEDDING
from insiders_assets.contracts.table import Table
from insiders_assets.partitions import all_up_to, monthly_partitions
from insiders_assets.settings import Settings, load_settings
from insiders_assets.storage.io_managers import LakeIOManager, WarehouseIOManager

# The tables of the monthly assets, in the order in which a month makes them.
MONTHLY_TABLES: dict[str, Table] = {
    "raw_invoices": RAW_INVOICES,
    "customer_purchases": CUSTOMER_PURCHASES,
    "customer_features": CUSTOMER_FEATURES,
    "month_totals": MONTH_TOTALS,
    "tree_embedding": TREE_EMBEDDING,
    "cluster_labels": CLUSTER_LABELS,
    "revenue_forecast": REVENUE_FORECAST,
    "insiders_report": REPORT_FACTS,
}
PUBLISHED_TABLES = (*(table for table in MONTHLY_TABLES.values() if table.published), LANDED_FILES, QUARANTINE_COUNTS)


def build_definitions(settings: Settings, loggers: dict[str, dg.LoggerDefinition] | None = None) -> dg.Definitions:
    """The assets, jobs, schedules and resources of one set of settings; tests and the command line build their own."""
    partitions = monthly_partitions(settings)
    history = settings.history_months
    monthly_job = jobs(partitions)
    return dg.Definitions(
        assets=[
            landed_invoices.landed_invoices,
            raw_invoices.build(partitions),
            customer_purchases.build(partitions),
            customer_features.build(partitions, history),
            month_totals.build(partitions),
            tree_embedding.build(partitions, history),
            cluster_labels.build(partitions),
            revenue_forecast.build(partitions, all_up_to(settings)),
            insiders_report.build(partitions, history),
        ],
        asset_checks=months.build(partitions),
        jobs=monthly_job,
        schedules=schedules(monthly_job[1]),
        resources=_resources(settings),
        loggers=loggers,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The code location of the home that the environment names."""
    return build_definitions(load_settings())


def _resources(settings: Settings) -> dict[str, Any]:
    @dg.resource(description="Lake, ledger, engine and warehouse of this home.")
    def platform(_: dg.InitResourceContext) -> Iterator[Platform]:
        with open_platform(settings) as opened:
            yield opened

    def io_manager(make: Callable[[Platform], dg.IOManager]) -> dg.IOManagerDefinition:
        @dg.io_manager(required_resource_keys={"platform"})
        def manager(context: dg.InitResourceContext) -> dg.IOManager:
            return make(context.resources.platform)

        return manager

    return {
        "platform": platform,
        "lake_io": io_manager(lambda opened: LakeIOManager(opened.lake, MONTHLY_TABLES)),
        "warehouse_io": io_manager(lambda opened: WarehouseIOManager(opened.lake, MONTHLY_TABLES, opened.warehouse)),
    }
