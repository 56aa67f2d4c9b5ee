"""The two jobs and the schedule: `land` takes a file version, `monthly` takes a month."""

from __future__ import annotations

import dagster as dg

from insiders_assets.assets.landed_invoices import FILE_VERSIONS

LAND = "land"
MONTHLY = "monthly"
LANDED = dg.AssetSelection.assets("landed_invoices")


def jobs(partitions: dg.PartitionsDefinition) -> list:
    """Two jobs: a job cannot hold assets of two kinds of partitions."""
    return [
        dg.define_asset_job(
            LAND,
            selection=LANDED,
            partitions_def=FILE_VERSIONS,
            executor_def=dg.in_process_executor,
            description="Parse one version of a file of the landing zone and enter it in the ledger.",
        ),
        dg.define_asset_job(
            MONTHLY,
            selection=dg.AssetSelection.all() - LANDED,
            partitions_def=partitions,
            # Three trivial steps take 11 s in one process and 33 s in one process each.
            executor_def=dg.in_process_executor,
            description="Everything of one month, from its lines to its report.",
        ),
    ]


def schedules(monthly_job: dg.UnresolvedAssetJobDefinition) -> list:
    """The month that has closed, on the third day of the next, when its last files have come; off until switched on."""
    return [
        dg.build_schedule_from_partitioned_job(
            monthly_job,
            name="monthly_schedule",
            day_of_month=3,
            hour_of_day=6,
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description="Materialises the month that has just closed.",
        )
    ]
