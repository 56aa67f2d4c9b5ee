"""`insiders run`: land files, then bring months up, oldest first, through the same jobs as the web page.

Belongs here: the order of work and what is checked before it. Does not belong here: what an asset does.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from insiders_assets.assets.landed_invoices import FILE_VERSIONS_NAME, version_name
from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation.jobs import LAND, MONTHLY
from insiders_assets.definitions import MONTHLY_TABLES, PUBLISHED_TABLES, build_definitions
from insiders_assets.errors import InputError, InsidersError, MissingMonthError, StorageError
from insiders_assets.operations.due import Due, Lookup, due_assets
from insiders_assets.operations.home import only_one, open_instance, prepare_home
from insiders_assets.partitions import key_of, last_closed_month, month_range, refuse_unless_possible
from insiders_assets.settings import Settings, is_set_in_environment, load_settings, record_settings
from insiders_assets.storage.io_managers import publish
from insiders_assets.storage.objects import FolderStore


@dataclass(frozen=True)
class Progress:
    """One line of progress: what (a month, a file), which asset, and what became of it."""

    subject: str
    asset: str
    outcome: str
    seconds: float | None = None


Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Wanted:
    """What a run is asked for: files to land, months to bring up (None: all), and whether to make again what stands."""

    files: Sequence[Path] = ()
    first: dt.date | None = None
    last: dt.date | None = None
    date_format: str | None = None
    decimal_mark: str | None = None
    again: bool = False


def run(settings: Settings, wanted: Wanted, today: dt.date, tell: Tell) -> Settings:
    """Land the files and bring the wanted months up; gives the settings of the home afterwards.

    Months that stand and whose inputs are unchanged are left alone. Whatever is finished when a run is interrupted
    stays; the next run goes on from there.

    Raises
    ------
    InsidersError: of the kind of the trouble; no month is half-written.
    """
    _refuse_same_names(wanted.files)
    prepare_home(settings)
    with only_one(settings), open_instance(settings) as instance:
        with open_platform(settings) as platform:
            check_before_work(platform)
            for file in wanted.files:
                _land(platform, instance, file, wanted, tell)
            settings = _with_months(platform, wanted, today)
        with open_platform(settings) as platform:
            _bring_up(platform, instance, wanted, tell)
    return settings


def check_before_work(platform: Platform) -> None:
    """Raise unless lake, landing zone and warehouse can be written: before any work is done."""
    platform.lake.store.check_writable()
    platform.landing.check_writable()
    platform.warehouse.check()
    platform.warehouse.prepare(PUBLISHED_TABLES)


def _refuse_same_names(files: Sequence[Path]) -> None:
    names = [file.name for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"Two of the files are called {twice[0]}; a landed file is known by its name.", "Rename one of them."
        )


def _land(platform: Platform, instance: dg.DagsterInstance, file: Path, wanted: Wanted, tell: Tell) -> None:
    sha256 = _sha256(file)
    version = version_name(file.name, sha256)
    known = platform.ledger().find(version)
    if known and not known.replaced_by:
        tell(Progress(file.name, "landed_invoices", "already landed, unchanged"))
        return
    config = {"date_format": wanted.date_format, "decimal_mark": wanted.decimal_mark}
    with _in_landing_zone(platform, file):
        instance.add_dynamic_partitions(FILE_VERSIONS_NAME, [version])
        try:
            _execute(
                platform.settings,
                instance,
                LAND,
                version,
                tell,
                config={"ops": {"landed_invoices": {"config": config}}},
            )
        except BaseException:
            instance.delete_dynamic_partition(FILE_VERSIONS_NAME, version)
            raise


def _sha256(file: Path) -> str:
    import hashlib

    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"There is no file {file}.", "Check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{file} is a folder.", "Give its files, for example `--data folder/*.csv`.") from None
    except OSError as wrong:
        raise InputError(f"{file} cannot be read ({wrong.strerror}).", "Give this user the right to read it.") from None


@contextmanager
def _in_landing_zone(platform: Platform, file: Path) -> Iterator[None]:
    """Bring a file into the landing zone; if its landing fails, the zone is as it was before."""
    zone = platform.landing
    if not isinstance(zone, FolderStore):
        content = file.read_bytes()
        zone.swap(file.name, lambda _: content)
        yield
        return
    target = Path(zone.root, file.name)
    if target.exists() and target.samefile(file):
        yield
        return
    before = target.with_name(f".before-{target.name}")
    arriving = target.with_name(f".arriving-{target.name}")
    try:
        shutil.copyfile(file, arriving)
        if target.exists():
            target.replace(before)
        arriving.replace(target)
        yield
    except BaseException as wrong:
        arriving.unlink(missing_ok=True)
        if before.exists():
            before.replace(target)
        elif not isinstance(wrong, KeyboardInterrupt):
            target.unlink(missing_ok=True)
        if isinstance(wrong, OSError):
            raise StorageError(f"{file.name} cannot be brought to {zone.location}: {wrong.strerror}.") from wrong
        raise
    before.unlink(missing_ok=True)


def _with_months(platform: Platform, wanted: Wanted, today: dt.date) -> Settings:
    """The settings with the months that can exist, recorded in the home from the first file on."""
    settings = platform.settings
    months = [dt.date.fromisoformat(month) for month in platform.ledger().months()]
    if not months:
        raise InputError(
            "No invoice line was ever landed in this home.", "Give a file with `insiders run --data FILE`."
        )
    first = settings.first_month or months[0]
    closed = last_closed_month(today)
    # The open month is left out; a clock that lies before all data says nothing.
    last_with_lines = months[-1] if months[-1] <= closed or closed < first else closed
    last = max(filter(None, (settings.last_month, last_with_lines, wanted.last)))
    recorded = {}
    if not is_set_in_environment("first_month"):
        recorded["first_month"] = f"{first:%Y-%m}"
    if is_set_in_environment("last_month"):
        last = settings.last_month or last
    else:
        recorded["last_month"] = f"{last:%Y-%m}"
    record_settings(settings.home, recorded)
    return load_settings(settings.home)


def _bring_up(platform: Platform, instance: dg.DagsterInstance, wanted: Wanted, tell: Tell) -> None:
    first, last = platform.settings.first_month, platform.settings.last_month
    if first is None or last is None:
        raise MissingMonthError("This home has no months yet.", "Give a file with `insiders run --data FILE`.")
    for month in filter(None, (wanted.first, wanted.last)):
        refuse_unless_possible(month, first, last)
    until = wanted.last or last
    ledger = platform.ledger()
    refuse_holes([month for month in month_range(first, until) if ledger.is_missing(key_of(month))])
    if held := [month[:7] for month in ledger.months() if month < key_of(first)]:
        tell(
            Progress(
                f"{held[0]} to {held[-1]}",
                "raw_invoices",
                f'held: before the first month {first:%Y-%m}; set first_month = "{held[0]}" in insiders.toml',
            )
        )
    again_from = (wanted.first or first) if wanted.again else None
    lookup = Lookup(platform)
    for month in month_range(first, until):
        made_again = again_from is not None and month >= again_from
        due = (
            [Due(asset, month, "asked for again") for asset in MONTHLY_TABLES]
            if made_again
            else due_assets(lookup, month)
        )
        if due:
            _execute(
                platform.settings,
                instance,
                MONTHLY,
                key_of(month),
                tell,
                asset_selection=[dg.AssetKey(one.asset) for one in due],
            )
            lookup.forget(key_of(month))
        publish_what_readers_lack(platform, key_of(month))
        if not due:
            tell(Progress(f"{month:%Y-%m}", "all assets", "up to date"))


def refuse_holes(missing: Sequence[dt.date]) -> None:
    """Raise MissingMonthError, naming them, where wanted months have no landed file."""
    if missing:
        names = ", ".join(f"{month:%Y-%m}" for month in missing)
        raise MissingMonthError(
            f"No landed file holds or covers {names}; later months stand on them.",
            "Land their files, or say that a month had no sales with `insiders declare-empty YYYY-MM`.",
        )


def publish_what_readers_lack(platform: Platform, month: str) -> None:
    """Publish versions of a month that the lake has and the warehouse lacks, as after a killed run."""
    published = platform.warehouse.published()
    for table in MONTHLY_TABLES.values():
        version = platform.lake.current(table.name, month) if table.published else None
        there = published.get((table.name, month))
        if version and (there is None or there.version != version.version):
            publish(platform.warehouse, table, month, platform.lake.dataset(table, [month]).arrow(), version)


def _execute(
    settings: Settings,
    instance: dg.DagsterInstance,
    job: str,
    partition: str,
    tell: Tell,
    config: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    subject = partition[:7] if job == MONTHLY else partition.rpartition("@")[0]
    definitions = build_definitions(settings, loggers={"progress": _progress_logger(subject, tell)})
    try:
        definitions.resolve_job_def(job).execute_in_process(
            run_config={"loggers": {"progress": {}}, **(config or {})},
            partition_key=partition,
            instance=instance,
            tags={"insiders/started_by": "command line"},
            **options,
        )
    except dg.DagsterError as wrong:
        raise _speaking(wrong) from wrong


def _speaking(wrong: BaseException) -> BaseException:
    """The error that speaks to a person, where Dagster has wrapped it."""
    cause: BaseException | None = wrong
    while cause is not None:
        if isinstance(cause, InsidersError | KeyboardInterrupt):
            return cause
        if isinstance(cause, dg.DagsterExecutionInterruptedError):
            return KeyboardInterrupt()
        cause = cause.__cause__ or cause.__context__
    return wrong


def _progress_logger(subject: str, tell: Tell) -> dg.LoggerDefinition:
    """A logger that hears of Dagster's events and tells one line per asset."""

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event = getattr(record, "dagster_meta", {}).get("dagster_event")
            if event is not None and event.event_type_value == "STEP_SUCCESS":
                seconds = event.step_success_data.duration_ms / 1000
                tell(Progress(subject, event.step_key, "made", seconds))
            elif event is not None and event.event_type_value == "STEP_SKIPPED":
                tell(Progress(subject, event.step_key, "skipped"))
            elif event is not None and event.event_type_value == "STEP_FAILURE":
                tell(Progress(subject, event.step_key, "failed"))

    @dg.logger(config_schema=None, description="One line per asset.")
    def progress(_: dg.InitLoggerContext) -> logging.Logger:
        heard = logging.Logger(f"insiders.progress.{os.getpid()}", logging.DEBUG)
        heard.addHandler(Listener())
        return heard

    return progress
