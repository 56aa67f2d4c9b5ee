"""The sensors for people who are not looking at the page: failed runs and warning checks in words; signs of life.

Belongs here: what is told, to whom and when. Does not belong here: how Amazon's services are asked (:mod:`.aws` of the
storage), what is checked, and what decides that a run failed.

A notice is sent before the cursor moves on, so that one is rather told twice than not at all. The numbers are signs of
life of the whole chain: a missing `Heartbeat` means that daemon, code server, database or the way to Amazon is broken,
so the alarm hangs on its absence. Words and numbers have a sensor each, hence a cursor each: where one service is away,
the other is neither silent nor told the same twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation.jobs import is_started_here
from insiders_assets.automation.run_records import checks_of, found_by
from insiders_assets.checks.publishing import last_report_missing
from insiders_assets.errors import InsidersError
from insiders_assets.settings import Settings, load_settings
from insiders_assets.storage.aws import publish_notice, put_metrics

SECONDS_BETWEEN = 60
# Of one tick; a backfill of years is told in several notices.
RUNS_PER_NOTICE = 50
HEARTBEAT, FAILED_RUNS, MONTH_MISSING = "Heartbeat", "FailedRuns", "LastMonthMissing"
FAILURE: Literal[dg.DagsterEventType.RUN_FAILURE] = dg.DagsterEventType.RUN_FAILURE
SUCCESS: Literal[dg.DagsterEventType.RUN_SUCCESS] = dg.DagsterEventType.RUN_SUCCESS


@dataclass(frozen=True)
class Trouble:
    """One thing to tell: a run that failed (`check` empty), or a check of it that does not hold.

    subject: the month, or what else the run was of. words: a sentence.
    """

    run_id: str
    job: str
    subject: str
    words: str
    check: str = ""


# What a sensor does with the troubles since its last look; it gives a sentence of what was done.
Look = Callable[[Platform, Sequence[Trouble]], str]


def notices(settings: Settings) -> list[dg.SensorDefinition]:
    """The sensors: of words where the settings name a topic, of numbers where they name a namespace of metrics."""
    asked = (
        (settings.notify_topic, "notices", "Tells the topic of failed runs and of checks that warn.", tell_of_troubles),
        (settings.metrics, "signs_of_life", "Puts heartbeat, failed runs and a missing month into the metrics.", live),
    )
    return [_sensor(settings, name, description, look) for where, name, description, look in asked if where]


def tell_of_troubles(platform: Platform, troubles: Sequence[Trouble]) -> str:
    """Send what has happened since the last look; what was done, in words."""
    topic = platform.settings.notify_topic
    if not topic or not troubles:
        return "Nothing to tell."
    publish_notice(topic, *in_words(troubles, platform.settings.page))
    return f"{len(troubles)} troubles told."


def live(platform: Platform, troubles: Sequence[Trouble]) -> str:
    """Put the numbers of this look; what was done, in words."""
    # A landing zone that cannot be listed makes no run fail: no file is seen any more, and only silence would tell it.
    platform.landing.entries(at_most=1)
    failed = sum(not one.check for one in troubles)
    missing = last_report_missing(platform.settings, platform.lake)
    if platform.settings.metrics:
        put_metrics(platform.settings.metrics, {HEARTBEAT: 1, FAILED_RUNS: failed, MONTH_MISSING: float(missing)})
    return f"Alive; {failed} runs failed."


def look_once(context: dg.SensorEvaluationContext, platform: Platform, look: Look) -> dg.SensorResult:
    """One tick: what has happened since the last one is given to `look`; the cursor moves on if that went well."""
    before = json.loads(context.cursor) if context.cursor else _now(context.instance)
    try:
        troubles, after = _since(context.instance, before)
        done = look(platform, troubles)
    except InsidersError as trouble:
        # Nothing is lost: the cursor stays, and the next tick tells it.
        return dg.SensorResult(skip_reason=f"{trouble} Told again in a moment.", cursor=json.dumps(before))
    return dg.SensorResult(skip_reason=done, cursor=json.dumps(after))


def _sensor(settings: Settings, name: str, description: str, look: Look) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        minimum_interval_seconds=min(SECONDS_BETWEEN, settings.sensor_seconds),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with open_platform(load_settings(settings.home)) as platform:
            return look_once(context, platform, look)

    return tick


def in_words(troubles: Sequence[Trouble], page: str | None) -> tuple[str, str]:
    """Subject and text of a notice."""
    failed = [one for one in troubles if not one.check]
    warned = [one for one in troubles if one.check]
    parts = []
    if failed:
        parts.append(f"{len(failed)} run{'s' if len(failed) > 1 else ''} failed")
    if warned:
        parts.append(f"{len(warned)} check{'s' if len(warned) > 1 else ''} warn{'' if len(warned) > 1 else 's'}")
    subjects = ", ".join(dict.fromkeys(one.subject for one in [*failed, *warned] if one.subject))
    lines = []
    for one in [*failed, *warned]:
        what = f"check {one.check}" if one.check else f"run of {one.job} failed"
        lines += [f"{one.subject or one.job}: {what}", f"  {one.words}"]
        lines += [f"  {page}/runs/{one.run_id}", ""] if page else [f"  run {one.run_id}", ""]
    return f"Insiders: {' and '.join(parts)}{f' ({subjects})' if subjects else ''}", "\n".join(lines)


def _now(instance: dg.DagsterInstance) -> dict[str, int]:
    """The end of the history as it stands: of what lies before it nobody is told."""
    latest = {end: instance.fetch_run_status_changes(end, limit=1).records for end in (FAILURE, SUCCESS)}
    return {end.value: records[0].storage_id if records else 0 for end, records in latest.items()}


def _since(instance: dg.DagsterInstance, cursor: dict[str, int]) -> tuple[list[Trouble], dict[str, int]]:
    """What has happened to runs after a cursor, and the cursor after it."""
    troubles, after = [], dict(cursor)
    for end in (FAILURE, SUCCESS):
        changes = dg.RunStatusChangeRecordsFilter(event_type=end, after_storage_id=cursor.get(end.value, 0))
        for record in instance.fetch_run_status_changes(changes, RUNS_PER_NOTICE, ascending=True).records:
            after[end.value] = record.storage_id
            run = instance.get_run_by_id(record.run_id)
            if run is None:
                continue
            # The job `catch_up` says itself what became of the runs that it has started.
            if end == FAILURE and not is_started_here(run):
                troubles.append(Trouble(run.run_id, run.job_name, _subject(run), _why(instance, record)))
            troubles += _warnings(instance, run)
    return troubles, after


def _why(instance: dg.DagsterInstance, record: dg.EventLogRecord) -> str:
    """The sentence with which a run failed: of the step that failed first, else of the run."""
    failures = instance.get_records_for_run(record.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1).records
    for failure in (record.event_log_entry.get_dagster_event() for record in failures):
        error = failure.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            # An error as Dagster keeps it begins with the name of its class.
            return error.message.strip().partition(": ")[2] or error.message.strip()
    return record.event_log_entry.message or "It gave no reason."


def _warnings(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[Trouble]:
    """The checks of a run that did not hold."""
    for _, check in checks_of(instance, run):
        if not check.passed:
            words = ". ".join(filter(None, (check.asset_key.to_user_string(), check.description, found_by(check))))
            yield Trouble(run.run_id, run.job_name, _subject(run), words, check.check_name)


def _subject(run: dg.DagsterRun) -> str:
    """The month of a run, or the file."""
    key = run.tags.get("dagster/partition", "")
    return key.rpartition("@")[0] if "@" in key else key[:7]
