"""What runs did, written into the warehouse for readers who do not open Dagster: seconds, memory, what checks said.

Belongs here: reading Dagster's history of a run. Does not belong here: what a page makes of it, and telling people of
trouble (:mod:`.notices`).

There is no cursor to lose: a run that has ended and is not in the warehouse is written, whoever looks first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg
import pyarrow as pa

from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.contracts.runs import RUN_ASSETS, RUN_CHECKS
from insiders_assets.contracts.table import Table, content_hash
from insiders_assets.errors import InsidersError
from insiders_assets.settings import Settings, load_settings

# Of one look, newest first; a longer history is written in several.
MOST_RUNS = 100
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
LONGEST_WORDS = 200


def run_records(settings: Settings) -> dg.SensorDefinition:
    """The sensor that writes them while the daemon runs; `insiders run` does it by itself."""

    @dg.sensor(
        name="run_records",
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if settings.automation else dg.DefaultSensorStatus.STOPPED,
        description="Writes what runs did (seconds, memory, checks) into the warehouse, for the dashboard.",
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        try:
            with open_platform(load_settings(settings.home)) as platform:
                return dg.SkipReason(f"{record_runs(platform, context.instance)} runs written.")
        except InsidersError as trouble:
            return dg.SkipReason(f"{trouble} Written in a moment.")

    return tick


def record_runs(platform: Platform, instance: dg.DagsterInstance) -> int:
    """Write the runs that have ended and are not in the warehouse yet; how many.

    Raises
    ------
    StorageError, UnreachableError: the database did not take them; nothing is half-written.
    """
    platform.warehouse.prepare((RUN_ASSETS, RUN_CHECKS))
    written = {run for _, run in platform.warehouse.published(RUN_CHECKS.name)}
    ended = instance.get_runs(dg.RunsFilter(statuses=ENDED), limit=MOST_RUNS)
    fresh = [run for run in ended if run.run_id not in written]
    for run in fresh:
        # The checks last: they say that the run is written.
        _publish(platform, RUN_ASSETS, run.run_id, _made(instance, run))
        _publish(platform, RUN_CHECKS, run.run_id, _checked(instance, run))
    return len(fresh)


def _publish(platform: Platform, table: Table, run_id: str, rows: Iterable[dict[str, Any]]) -> None:
    # A step that was tried again has said some of it twice: the last word counts.
    last = {tuple(row[name] for name in table.key): row for row in rows}
    data = table.validate(pa.Table.from_pylist(list(last.values()), schema=table.arrow_schema))
    said = content_hash(table, data)
    platform.warehouse.publish(table, run_id, data, version=said[:24], content_hash=said)


def _made(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[dict[str, Any]]:
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    for record in instance.get_records_for_run(run.run_id, of_type=kind).records:
        made = record.event_log_entry.get_dagster_event().step_materialization_data.materialization
        told = {name: value.value for name, value in made.metadata.items()}
        yield {
            "run_id": run.run_id,
            "asset": made.asset_key.to_user_string(),
            "partition": made.partition or "",
            "job": run.job_name,
            "made_at": _moment(record),
            "seconds": told.get("seconds"),
            "peak_mb": told.get("peak MB"),
            "rows": told.get("dagster/row_count"),
            "content_hash": told.get("content hash"),
        }


def _checked(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[dict[str, Any]]:
    for record, check in checks_of(instance, run):
        yield {
            "run_id": run.run_id,
            "asset": check.asset_key.to_user_string(),
            "check_name": check.check_name,
            "partition": check.partition or run.tags.get("dagster/partition", ""),
            "checked_at": _moment(record),
            "passed": check.passed,
            "severity": check.severity.value,
            "description": check.description,
            "found": found_by(check) or None,
        }


def checks_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[tuple[dg.EventLogRecord, Any]]:
    """What each check of a run said, with the record that has it."""
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    for record in instance.get_records_for_run(run.run_id, of_type=kind).records:
        yield record, record.event_log_entry.get_dagster_event().asset_check_evaluation_data


def found_by(check: Any) -> str:
    """What a check found, as `name: value` of whatever is short."""
    values = {name: value.value for name, value in check.metadata.items()}
    return ", ".join(
        f"{name}: {value}"
        for name, value in values.items()
        if isinstance(value, str | int | float) and len(str(value)) < LONGEST_WORDS
    )


def _moment(record: dg.EventLogRecord) -> dt.datetime:
    return dt.datetime.fromtimestamp(record.event_log_entry.timestamp, dt.UTC).replace(tzinfo=None)
