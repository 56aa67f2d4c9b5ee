"""The Dagster code location: everything put together for one set of settings.

Belongs here: assembly. Does not belong here: any asset, job or check of its own. Importing this module reads nothing;
`defs` reads the settings when Dagster calls it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from insiders_assets.assets import (
    cluster_labels,
    clusterer_trials,
    customer_consensus,
    customer_features,
    customer_purchases,
    customer_segments,
    embedding_spaces,
    forecast_backtest,
    forecast_origins,
    forest_importances,
    group_comparisons,
    group_movement,
    holdout_plan,
    insiders_membership,
    insiders_report,
    landed_invoices,
    marketing_actions,
    member_list,
    membership_policies,
    month_files,
    month_totals,
    product_affinities,
    programme_rule,
    programme_trials,
    raw_invoices,
    report_pictures,
    revenue_forecast,
    segment_profiles,
    tree_embedding,
)
from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation.code_server import keep_watching_runs
from insiders_assets.automation.due import Reach, reach_of
from insiders_assets.automation.jobs import MONTHLY, jobs, schedules
from insiders_assets.automation.notices import notices
from insiders_assets.automation.run_records import run_records
from insiders_assets.automation.sensors import sensors
from insiders_assets.checks import drift, months, programme, publishing
from insiders_assets.contracts.catalogue import TABLES_BY_MONTH
from insiders_assets.partitions import all_up_to, monthly_partitions
from insiders_assets.settings import Settings, load_settings
from insiders_assets.storage.io_managers import LakeIOManager, WarehouseIOManager


def build_definitions(settings: Settings, loggers: dict[str, dg.LoggerDefinition] | None = None) -> dg.Definitions:
    """The assets, jobs, schedules and resources of one set of settings; tests and the command line build their own."""
    # A backfill of single assets makes many months in one run where the asset can; one of the whole job goes month by
    # month. Dagster warns of the difference at every load, and offers no way to say that it is meant.
    warnings.filterwarnings("ignore", message=f"Asset job {MONTHLY} materializes assets with varying BackfillPolicies")
    partitions = monthly_partitions(settings)
    return dg.Definitions(
        assets=[landed_invoices.landed_invoices, *_assets_by_month(settings, partitions)],
        asset_checks=[
            *months.build(partitions),
            *programme.build(partitions),
            *drift.build(partitions),
            *publishing.build(partitions, settings),
        ],
        jobs=jobs(partitions),
        schedules=schedules(settings),
        sensors=[*sensors(settings, reach_of_assets), run_records(settings), *notices(settings)],
        resources=_resources(settings),
        # Of what the page materialises too: a process for each step costs seconds, and gigabytes for the models.
        executor=dg.in_process_executor,
        loggers=loggers,
    )


def reach_of_assets(settings: Settings) -> Reach:
    """What every asset that has months reads with these settings, and how far back."""
    return reach_of(_assets_by_month(settings, monthly_partitions(settings)))


def _assets_by_month(settings: Settings, partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    history, up_to_this_month = settings.history_months, all_up_to(settings)
    # Dagster calls `backfill_policy` of an asset beta and says so at every load. Drop when it no longer does.
    warnings.filterwarnings("ignore", message="Parameter `backfill_policy` of function `asset`")
    return [
        raw_invoices.build(partitions),
        month_files.build(partitions),
        customer_purchases.build(partitions),
        customer_features.build(partitions, history),
        month_totals.build(partitions),
        tree_embedding.build(partitions, history),
        forest_importances.build(partitions),
        cluster_labels.build(partitions),
        customer_segments.build(partitions, up_to_this_month),
        segment_profiles.build(partitions, up_to_this_month),
        customer_consensus.build(partitions),
        programme_rule.build(partitions),
        insiders_membership.build(partitions, up_to_this_month),
        membership_policies.build(partitions, up_to_this_month),
        programme_trials.build(partitions, up_to_this_month),
        group_comparisons.build(partitions, up_to_this_month),
        holdout_plan.build_plan(partitions, history),
        holdout_plan.build_assignment(partitions, history),
        product_affinities.build_pairs(partitions, history),
        product_affinities.build_candidates(partitions, history),
        marketing_actions.build(partitions, history),
        forecast_origins.build(partitions, up_to_this_month),
        forecast_backtest.build(partitions, up_to_this_month),
        revenue_forecast.build(partitions, up_to_this_month),
        insiders_report.build(partitions, history, up_to_this_month),
        member_list.build(partitions),
        group_movement.build(partitions, up_to_this_month),
        report_pictures.build(partitions),
        embedding_spaces.build(partitions),
        clusterer_trials.build(partitions),
    ]


@dg.definitions
def defs() -> dg.Definitions:
    """The code location of the home that the environment names."""
    keep_watching_runs()
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
        "lake_io": io_manager(lambda opened: LakeIOManager(opened.lake, TABLES_BY_MONTH)),
        "warehouse_io": io_manager(lambda opened: WarehouseIOManager(opened.lake, TABLES_BY_MONTH, opened.warehouse)),
    }
