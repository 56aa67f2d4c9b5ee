"""Runs whose process is gone and which nobody has ended: while they look alive, no file is landed and no month made.

Dagster's code server notices a run that dies, in a thread that itself ends for ever if Dagster's database is away at
that moment, and a database that goes away is what runs die of. The default launcher answers no other question. So the
sensors, which live in the code server as the runs do, look at the processes themselves.

Belongs here: telling a dead run from a living one. Does not belong here: starting it again, which the daemon does.
"""

from __future__ import annotations

import dagster as dg
import psutil
from dagster import DagsterEventType, DagsterRunStatus

from insiders_assets.automation.jobs import is_started_here

WHY = "The process of this run is gone and could not say why; Dagster's database may have been away."
# A clock that was set between the start of a process and its first word.
LEEWAY_SECONDS = 5


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Record as failed the started runs of this machine's code server whose process is gone; gives their ids.

    A run of another launcher is left alone, and so is one of `insiders run`, which may be on another machine.
    """
    if not isinstance(instance.run_launcher, dg.DefaultRunLauncher):
        return []
    started = instance.get_runs(dg.RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]))
    # The run's state is asked for once more: it may have ended well between the two looks.
    dead = [run for run in started if _is_dead(instance, run) and not _has_ended(instance, run)]
    for run in dead:
        instance.report_run_failed(run, WHY)
    return [run.run_id for run in dead]


def _is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    if is_started_here(run):
        return False
    found = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ENGINE_EVENT, limit=10).records
    for record in found:
        event = record.event_log_entry.get_dagster_event()
        pid = event.engine_event_data.metadata.get("pid")
        if pid is not None:
            return not _is_alive(int(str(pid.value)), record.event_log_entry.timestamp)
    return False


def _is_alive(pid: int, seen_at: float) -> bool:
    """Whether the process that had this number at that time (seconds since 1970) still runs; numbers are used again."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= seen_at + LEEWAY_SECONDS
    except psutil.NoSuchProcess:
        return False


def _has_ended(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    latest = instance.get_run_by_id(run.run_id)
    return latest is None or latest.is_finished
