"""The sensors: one sees what has arrived in the landing zone, the other what is due, or made and not shown to readers;
both ask for the job `catch_up`.

Belongs here: when to ask. Does not belong here: landing and making months, which the job does in one run for all files
and months together: several arrivals for one month make one run.

A failed run is asked for again, after an hour, then two, four, up to a day. How often it was tried stands in Dagster's
history of runs, so nothing is forgotten with a cursor; and a run key is never used twice, since Dagster would silently
leave out the second request.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Sequence

import dagster as dg

from insiders_assets.assets.landed_invoices import in_utf8, ledger_that_readers_lack
from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation.arrivals import judged_again, judged_under, waiting
from insiders_assets.automation.due import READERS_LACK_IT, Due, Lookup, Reach, due_months, unpublished
from insiders_assets.automation.jobs import CATCH_UP, CATCHING_UP, UNDER_WAY
from insiders_assets.automation.months import Months, find_months, up_to_gap
from insiders_assets.errors import GapError, InsidersError
from insiders_assets.partitions import key_of
from insiders_assets.settings import Settings, load_settings
from insiders_assets.storage.ledger import Ledger
from insiders_assets.storage.objects import Entry

# A tick has a minute: a listing of so many keys takes seconds; the next tick goes on where it ended.
KEYS_PER_TICK = 10_000
REQUEST = "insiders/request"
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(hours=1), dt.timedelta(days=1)
# The same again after it went well: an object that took turns with another. Not at once, lest it go round in circles.
PAUSE_AFTER_SUCCESS = dt.timedelta(minutes=5)
UNFINISHED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, *UNDER_WAY]


def sensors(settings: Settings, reach_of_assets: Callable[[Settings], Reach]) -> list[dg.SensorDefinition]:
    """Both sensors, on by default where automation is (INSIDERS_AUTOMATION).

    A tick reads the home's settings anew, as the run that it asks for does: a run may have recorded another month since
    the code location was loaded.
    """
    status = dg.DefaultSensorStatus.RUNNING if settings.automation else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="arrivals",
        job_name=CATCH_UP,
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description=f"Looks into {settings.landing_location} for objects that the ledger does not hold.",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if catching_up(context.instance):
            return dg.SensorResult(skip_reason="Files are being landed or months brought up just now.")
        with open_platform(load_settings(settings.home)) as platform:
            return look_for_arrivals(context, platform)

    @dg.sensor(
        name="due_months",
        job_name=CATCH_UP,
        minimum_interval_seconds=5 * settings.sensor_seconds,
        default_status=status,
        description="Sees to it that a month that is due is not forgotten: a month that has closed, a changed setting, "
        "a run that failed, a database that was restored.",
    )
    def due(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if catching_up(context.instance):
            return dg.SensorResult(skip_reason="Files are being landed or months brought up just now.")
        with open_platform(load_settings(settings.home)) as platform:
            return look_for_due_months(context, platform, reach_of_assets(platform.settings))

    return [arrivals, due]


def look_for_arrivals(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SensorResult:
    """Ask for a run if an object waits; the cursor is the key where a listing that was too long goes on."""
    try:
        entries = platform.landing.entries(context.cursor or "", KEYS_PER_TICK)
        ledger = platform.ledger()
        found = waiting(entries, ledger, platform.settings.quiet_seconds)
        again = judged_again(entries, ledger, platform.settings)
    except InsidersError as trouble:
        return dg.SensorResult(skip_reason=f"{trouble} Looked for again in a moment.")
    cursor = _last_text(entries) if len(entries) == KEYS_PER_TICK else ""
    if not found.ready and not again:
        arriving = f"; {len(found.arriving)} written just now" if found.arriving else ""
        return dg.SensorResult(skip_reason=f"Nothing new among {len(entries)} objects{arriving}.", cursor=cursor)
    words = [f"{entry.path} {entry.etag}" for entry in found.ready]
    if again:
        words += [f"again {entry.path} {entry.etag} {judged_under(platform.settings, ledger)}" for entry in again]
    what, entries = ("arrived", found.ready) if found.ready else ("refused before may be usable now", again)
    return _ask(context, f"{len(entries)} {what}: {in_utf8(entries[0].path)}, …", words, cursor)


def look_for_due_months(context: dg.SensorEvaluationContext, platform: Platform, reach: Reach) -> dg.SensorResult:
    """Ask for a run if a month that has closed and settled is due and can be made, or readers lack what stands; the
    cursor tells what the assets' pages say of it already."""
    settings, today = platform.settings, dt.datetime.now(dt.UTC).date()
    try:
        lookup = Lookup(platform, reach)
        if not lookup.ledger.live:
            return dg.SensorResult(skip_reason="Nothing was landed yet.")
        months = find_months(settings, lookup.ledger, today, settle_days=settings.settle_days)
        # One that has no file is not due but missing; a mistyped year makes hundreds of them.
        found = due_months(lookup, [one for one in months.wanted if not lookup.ledger.is_missing(key_of(one))])
        until, gap = _reachable(settings, lookup.ledger, months)
        published = platform.warehouse.published()
        found += unpublished(lookup, published, months.wanted)
        files = {scope for _, lacking in ledger_that_readers_lack(published, lookup.ledger) for scope in lacking}
    except InsidersError as trouble:
        return dg.SensorResult(skip_reason=str(trouble))
    known = _digest(_in_words(found))
    said = _observed(found) if known != context.cursor else []
    due = [one for one in found if until and one.month <= until]
    if not due and not files:
        return dg.SensorResult(skip_reason=str(gap or "No month is due."), cursor=known, asset_events=said)
    return _ask(context, _why(due, files), [*_in_words(due), *sorted(files)], known, said)


def _why(due: Sequence[Due], files: Collection[str]) -> str:
    names = sorted({f"{one.month:%Y-%m}" for one in due})
    if names:
        return f"{len(names)} due from {names[0]} on: {due[0].asset}, {due[0].reason}"
    return f"landed_invoices of {len(files)} file{'s' if len(files) > 1 else ''}: {READERS_LACK_IT}"


def _reachable(settings: Settings, ledger: Ledger, months: Months) -> tuple[dt.date | None, GapError | None]:
    """The last month that can be made (None: not one), and the gap that stops the later ones."""
    try:
        reachable, gap = up_to_gap(settings, ledger, months)
    except GapError as stopping:
        return None, stopping
    return reachable.until, gap


def catching_up(instance: dg.DagsterInstance) -> bool:
    """Whether a run of the job is queued or under way."""
    return bool(instance.get_runs(dg.RunsFilter(tags=CATCHING_UP, statuses=UNFINISHED), limit=1))


def _last_text(entries: Sequence[Entry]) -> str:
    """The last path that Dagster's database can keep; a file system may have names that are no text."""
    return next((entry.path for entry in reversed(entries) if in_utf8(entry.path) == entry.path), "")


def _ask(
    context: dg.SensorEvaluationContext,
    why: str,
    what: Sequence[str],
    cursor: str | None = None,
    said: Sequence[dg.AssetObservation] = (),
) -> dg.SensorResult:
    """A request for a run, unless the same was asked for a short while ago; `said` appears on the assets' pages."""
    request = _digest(what)
    tried = context.instance.get_run_records(dg.RunsFilter(tags={REQUEST: request}))
    if tried:  # the latest first
        failed = [one.dagster_run.status != dg.DagsterRunStatus.SUCCESS for one in tried]
        in_a_row = failed.index(False) if False in failed else len(failed)
        pause = min(FIRST_PAUSE * 2 ** (in_a_row - 1), LONGEST_PAUSE) if in_a_row else PAUSE_AFTER_SUCCESS
        last = tried[0].create_timestamp
        if dt.datetime.now(dt.UTC) - last.astimezone(dt.UTC) < pause:
            return dg.SensorResult(
                skip_reason=f"{why}. Tried at {last:%Y-%m-%d %H:%M}, and again {pause} after that; "
                f"a click on the job {CATCH_UP} does it at once.",
                cursor=cursor,
                asset_events=said,
            )
    tags = {**CATCHING_UP, REQUEST: request, "insiders/why": why}
    asked = dg.RunRequest(run_key=f"{request}-{len(tried)}", tags=tags)
    return dg.SensorResult([asked], cursor=cursor, asset_events=said)


def _digest(what: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(what).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _in_words(found: Sequence[Due]) -> list[str]:
    return [f"{one.asset} {one.month} {one.reason}" for one in found]


def _observed(found: Sequence[Due]) -> list[dg.AssetObservation]:
    """What the page of each asset says of the months that are due."""
    return [
        dg.AssetObservation(one.asset, partition=key_of(one.month), metadata={"due, because": one.reason})
        for one in found
    ]
