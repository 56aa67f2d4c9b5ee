"""`insiders run`: land files, then bring months up, oldest first, through the same jobs as the web page.

Belongs here: the order of work and what is checked before it. Does not belong here: what an asset does, which months
can exist and which are due (:mod:`insiders_assets.automation`), how a file is landed (:mod:`.landing`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from insiders_assets.assets.landed_invoices import publish_ledger
from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation.due import Due, Lookup, due_assets, lacks
from insiders_assets.automation.jobs import MONTHLY
from insiders_assets.automation.months import Months, find_months, held_months, up_to_gap
from insiders_assets.automation.run_records import record_runs
from insiders_assets.checks.publishing import rows_differ
from insiders_assets.contracts.catalogue import MONTHLY_TABLES, PUBLISHED_TABLES, PUBLISHED_VIEWS
from insiders_assets.definitions import reach_of_assets
from insiders_assets.errors import GapError, InsidersError, MissingMonthError, NoMonthYetError
from insiders_assets.operations.comparing import compare_if_due
from insiders_assets.operations.executing import Progress, Tell, end_killed_runs, execute
from insiders_assets.operations.home import only_one, open_instance, prepare_home
from insiders_assets.operations.landing import land_arrivals, land_file, refuse_unusable, tidy_zone
from insiders_assets.operations.notebooks import keep_notebooks
from insiders_assets.operations.pages import show_report
from insiders_assets.operations.quiet import without_greetings
from insiders_assets.operations.tracing import show_trace
from insiders_assets.partitions import key_of
from insiders_assets.settings import LAST, Settings, is_set_in_environment, load_settings, record_settings
from insiders_assets.storage.io_managers import publish


@dataclass(frozen=True)
class Wanted:
    """What a run is asked for: files to land, months to bring up (None: all), and whether to make again what stands.

    Files that wait in the landing zone are landed too: those written `quiet_seconds` ago or earlier. A month that has
    just closed is left until `settle_days` later. Spaces and clusterers of the last month are compared where the
    settings say so, unless `compares` is not.
    """

    files: Sequence[Path] = ()
    first: dt.date | None = None
    last: dt.date | None = None
    date_format: str | None = None
    decimal_mark: str | None = None
    again: bool = False
    quiet_seconds: float = 0
    settle_days: int = 0
    compares: bool = True


def run(settings: Settings, wanted: Wanted, today: dt.date, tell: Tell) -> Settings:
    """Land the files and bring the wanted months up; gives the settings of the home afterwards.

    Months that stand and whose inputs are unchanged are left alone. Whatever is finished when a run is interrupted
    stays; the next run goes on from there. When it returns, every wanted month stands and is published.

    Raises
    ------
    GapError: later months stand on some that nothing is known of; the earlier ones were brought up.
    InsidersError: of the kind of the trouble; no month is half-written.
    """
    files = list({file.absolute(): file for file in wanted.files}.values())
    refuse_unusable(files)
    prepare_home(settings)
    with only_one(settings), open_instance(settings) as instance, without_greetings():
        end_killed_runs(instance)
        with open_platform(settings) as platform:
            check_before_work(platform)
            tidy_zone(platform.landing)
            for file in files:
                land_file(
                    platform,
                    instance,
                    file,
                    tell,
                    date_format=wanted.date_format,
                    decimal_mark=wanted.decimal_mark,
                )
            land_arrivals(platform, instance, tell, quiet_seconds=wanted.quiet_seconds)
            publish_ledger(platform, platform.ledger())
            months = find_months(
                settings, platform.ledger(), today, wanted.first, wanted.last, settle_days=wanted.settle_days
            )
            for month, why in held_months(platform.ledger(), months, today):
                tell(Progress(month, "raw_invoices", why))
            reachable, gap = up_to_gap(settings, platform.ledger(), months)
            settings = _record(settings, reachable)
        with open_platform(settings) as platform:
            try:
                _bring_up(platform, instance, reachable, wanted, tell)
            finally:
                # What is not written now is written at the next look; it must not hide how the run ended.
                with suppress(InsidersError):
                    record_runs(platform, instance)
    if gap:
        raise gap
    return settings


def catch_up(settings: Settings, today: dt.date, tell: Tell) -> Settings:
    """The run that nobody has to ask for: land what has arrived, and bring every due month up.

    A month that has just closed is left until `settle_days` later, when its last files have come. That no month can
    be made, or none beyond a gap, is told and is no failure: nothing but another file or a word of a person mends it.

    Raises
    ------
    InsidersError: of the kind of the trouble; no month is half-written.
    """
    wanted = Wanted(quiet_seconds=settings.quiet_seconds, settle_days=settings.settle_days)
    try:
        return run(settings, wanted, today, tell)
    except NoMonthYetError as nothing:
        tell(Progress("no month", "all assets", str(nothing)))
    except GapError as gap:
        tell(Progress(f"{gap.first_missing:%Y-%m}", "all assets", str(gap)))
    return load_settings(settings.home)


def check_before_work(platform: Platform) -> None:
    """Raise unless lake, landing zone and warehouse can be written, and what people published can be read: before any
    work is done."""
    platform.programme.until(dt.date.max)
    platform.lake.store.check_writable()
    platform.landing.check_writable()
    platform.warehouse.check()
    platform.warehouse.prepare(PUBLISHED_TABLES, PUBLISHED_VIEWS)


def _record(settings: Settings, months: Months) -> Settings:
    """Note in the home which months can exist, unless the environment says it."""
    said = {"first_month": f"{months.first:%Y-%m}", "last_month": f"{months.last:%Y-%m}"}
    record_settings(settings.home, {name: month for name, month in said.items() if not is_set_in_environment(name)})
    return load_settings(settings.home)


def _bring_up(platform: Platform, instance: dg.DagsterInstance, months: Months, wanted: Wanted, tell: Tell) -> None:
    again_from = (wanted.first or months.first) if wanted.again else None
    lookup = Lookup(platform, reach_of_assets(platform.settings))
    for month in months.wanted:
        made_again = again_from is not None and month >= again_from
        due = (
            [Due(asset, month, "asked for again") for asset in MONTHLY_TABLES]
            if made_again
            else due_assets(lookup, month)
        )
        if due:
            why, assets = f"{due[0].asset}: {due[0].reason}", [one.asset for one in due]
            execute(platform.settings, instance, MONTHLY, key_of(month), tell, why=why, assets=assets)
            lookup.forget(key_of(month))
            _refuse_unless_made(lookup, month)
        publish_what_readers_lack(platform, key_of(month), looking_at_rows=made_again)
        show_report(platform, key_of(month))
        show_trace(lookup, instance, key_of(month))
        if not due:
            tell(Progress(f"{month:%Y-%m}", "all assets", "up to date"))
    if wanted.compares and platform.settings.compare == LAST and months.wanted:
        compare_if_due(lookup, instance, months.wanted[-1], tell)
        show_trace(lookup, instance, key_of(months.wanted[-1]))
    if platform.settings.keep_notebook:
        keep_notebooks(lookup, [key_of(month) for month in months.wanted], tell)


def _refuse_unless_made(lookup: Lookup, month: dt.date) -> None:
    """A run may end well and yet have skipped a month: later ones do not stand on that."""
    if still_due := due_assets(lookup, month):
        raise MissingMonthError(
            f"{month:%Y-%m} does not stand: {still_due[0].asset}, {still_due[0].reason}.",
            "See the lines above; the same command tries again.",
        )


def publish_what_readers_lack(platform: Platform, month: str, looking_at_rows: bool = False) -> None:
    """Publish versions of a month that the lake has and the warehouse lacks, as after a killed run or a restore.

    Looking at the rows, also those that somebody has changed in the database since.
    """
    published = platform.warehouse.published()
    for table in MONTHLY_TABLES.values():
        version = platform.lake.current(table.name, month) if table.published else None
        lacking = lacks(published, table.name, month, version)
        changed = version is not None and looking_at_rows and bool(rows_differ(platform, table, month))
        if version and (lacking or changed):
            rows = platform.lake.dataset(table, [month]).arrow()
            publish(platform.warehouse, table, month, rows, version, anew=changed)


__all__ = ["Progress", "Tell", "Wanted", "catch_up", "check_before_work", "publish_what_readers_lack", "run"]
