"""The jobs: `land` takes a file version, `monthly` a month; `catch_up`, `watch` and `maintain` are told neither.

Belongs here: what is started together, and the schedules. Does not belong here: what decides that something waits
(:mod:`.sensors`) or what catching up consists of (:mod:`insiders_assets.operations.running`).
"""

import datetime as dt
from collections.abc import Callable
from typing import TypeVar

import dagster as dg

from insiders_assets.assets.landed_invoices import FILE_VERSIONS
from insiders_assets.contracts.catalogue import COMPARISON_TABLES
from insiders_assets.errors import BusyError, InsidersError, UnreachableError
from insiders_assets.settings import Settings, load_settings

T = TypeVar("T")
LAND = "land"
MONTHLY = "monthly"
COMPARE = "compare"
CATCH_UP = "catch_up"
MAINTAIN = "maintain"
WATCH = "watch"
# The only check that asks for the date of today: it is no month's.
FRESHNESS = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("insiders_report"), "last_closed_month_is_there"))
LANDED = dg.AssetSelection.assets("landed_invoices")
COMPARISONS = dg.AssetSelection.assets(*COMPARISON_TABLES)
# One at a time: dagster.yaml limits runs with this tag.
CATCHING_UP = {"insiders/catching_up": "yes"}
# By the command line, or by the job that does the same.
STARTED_HERE = {"insiders/started_by": "insiders run"}
UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
# A run whose process was killed is started again; one that ended with an error is not, since the same would come of it.
STARTED_AGAIN = {
    "dagster/max_retries": "2",
    "dagster/retry_on_asset_or_op_failure": "false",
    "dagster/retry_strategy": "ALL_STEPS",
}
# Trouble that passes: a server that is restarted, another command that works on the home.
PASSING = (UnreachableError, BusyError)
TRIES_AGAIN, SECONDS_BETWEEN = 5, 60


def is_started_here(run: dg.DagsterRun) -> bool:
    """Whether a run lives in the process of `insiders run`, or of the job that does the same, and not in one of its
    own in the code server."""
    return STARTED_HERE.items() <= run.tags.items()


def jobs(partitions: dg.PartitionsDefinition) -> list:
    """Two jobs of assets, since one cannot hold assets of two kinds of partitions, and those that are told no month."""
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
            selection=dg.AssetSelection.all() - LANDED - COMPARISONS - FRESHNESS,
            partitions_def=partitions,
            # Three trivial steps take 11 s in one process and 33 s in one process each.
            executor_def=dg.in_process_executor,
            description="Everything of one month, from its lines to its report.",
        ),
        dg.define_asset_job(
            COMPARE,
            selection=COMPARISONS,
            partitions_def=partitions,
            executor_def=dg.in_process_executor,
            description="Spaces and clusterers of one month side by side, beside what the month itself needs.",
        ),
        catch_up,
        maintain,
        watch,
    ]


@dg.op(description="What `insiders run` does without being given a file.")
def land_and_bring_up(context: dg.OpExecutionContext) -> None:
    """Land what has arrived and bring every due month up; each file and month is a run of its own in the history."""
    from insiders_assets.operations.executing import Progress
    from insiders_assets.operations.running import catch_up as run

    def tell(progress: Progress) -> None:
        context.log.info(f"{progress.subject} {progress.asset}: {progress.outcome}")

    _doing(lambda: run(load_settings(), dt.datetime.now(dt.UTC).date(), tell))


@dg.op(description="What `insiders maintain` does.")
def prune(context: dg.OpExecutionContext) -> None:
    """Remove old versions, objects that nothing names, and old runs; never what counts."""
    from insiders_assets.operations.maintaining import maintain as tidy

    for line in _doing(lambda: tidy(load_settings())).lines:
        context.log.info(line)


@dg.job(
    name=CATCH_UP,
    executor_def=dg.in_process_executor,
    tags={**CATCHING_UP, **STARTED_AGAIN},
    description="Land what waits in the landing zone, then bring every due month up, oldest first.",
)
def catch_up() -> None:
    """One click for everything that is due."""
    land_and_bring_up()


@dg.job(
    name=MAINTAIN,
    executor_def=dg.in_process_executor,
    tags=CATCHING_UP,
    description="Prune old versions, orphaned objects and old runs by the policy of the settings.",
)
def maintain() -> None:
    """One click for tidying up."""
    prune()


watch = dg.define_asset_job(
    WATCH,
    selection=FRESHNESS,
    executor_def=dg.in_process_executor,
    description="Look whether the last closed month is there, and warn if not.",
)


def schedules(settings: Settings) -> list:
    """Catching up some days after a month has closed, when its last files have come; a look every day whether that
    was done; tidying up on Sundays."""
    status = dg.DefaultScheduleStatus.RUNNING if settings.automation else dg.DefaultScheduleStatus.STOPPED
    return [
        dg.ScheduleDefinition(
            name="monthly_schedule",
            job=catch_up,
            cron_schedule=f"0 6 {settings.settle_days + 1} * *",
            default_status=status,
            description="The month that has closed, and whatever else is due.",
        ),
        dg.ScheduleDefinition(
            name="watch_schedule",
            job=watch,
            cron_schedule="0 8 * * *",
            default_status=status,
            description="The last closed month is there, or the check says so.",
        ),
        dg.ScheduleDefinition(
            name="maintenance_schedule",
            job=maintain,
            cron_schedule="0 4 * * 0",
            default_status=status,
            description="Old versions, orphaned objects and old runs are pruned.",
        ),
    ]


def _doing(work: Callable[[], T]) -> T:
    """Do it; trouble that passes is tried again, and no other."""
    try:
        return work()
    except PASSING as trouble:
        raise dg.RetryRequested(TRIES_AGAIN, SECONDS_BETWEEN) from trouble
    except InsidersError as trouble:
        raise dg.Failure(str(trouble), allow_retries=False) from trouble
