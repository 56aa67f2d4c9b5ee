"""Running one job for one partition in this process: its progress, its warnings, and the error that a person can use.

Belongs here: what lies between a Dagster job and the person who waits for it. Does not belong here: which jobs run, and
in which order (:mod:`.running`).
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg

from insiders_assets.assets.monthly import CONTRACT_CHECK
from insiders_assets.automation.jobs import COMPARE, MONTHLY, STARTED_HERE, UNDER_WAY
from insiders_assets.contracts.catalogue import TABLES_BY_MONTH
from insiders_assets.definitions import build_definitions
from insiders_assets.errors import InsidersError
from insiders_assets.operations.home import causes
from insiders_assets.settings import Settings

ASSETS = ("landed_invoices", *TABLES_BY_MONTH)
UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, *UNDER_WAY]


@dataclass(frozen=True)
class Progress:
    """One line of progress: what (a month, a file), which asset, and what became of it."""

    subject: str
    asset: str
    outcome: str
    seconds: float | None = None


Tell = Callable[[Progress], None]


def execute(
    settings: Settings,
    instance: dg.DagsterInstance,
    job: str,
    partition: str,
    tell: Tell,
    config: Mapping[str, Any] | None = None,
    why: str = "",
    assets: Collection[str] = (),
) -> None:
    """Run a job of this home for one partition, or only some of its assets.

    `why` stands beside the run in Dagster's history.

    Raises
    ------
    InsidersError: the one that an asset raised, out of Dagster's wrapping.
    KeyboardInterrupt: it was interrupted; the run is recorded as failed.
    """
    subject = partition[:7] if job in (MONTHLY, COMPARE) else partition.rpartition("@")[0]
    definitions = build_definitions(settings, loggers={"progress": _progress_logger(subject, tell)})
    with _noticing_interrupts() as interrupted:
        try:
            _of_assets(definitions.resolve_job_def(job), assets).execute_in_process(
                run_config={"loggers": {"progress": {}}, **(config or {})},
                partition_key=partition,
                instance=instance,
                tags={**STARTED_HERE, **({"insiders/why": why} if why else {})},
            )
        except (Exception, dg.DagsterExecutionInterruptedError) as wrong:
            raise (KeyboardInterrupt() if interrupted() else _speaking(wrong)) from wrong
        if interrupted():
            raise KeyboardInterrupt


def _of_assets(job: dg.JobDefinition, assets: Collection[str]) -> dg.JobDefinition:
    """The job with some of its assets and their checks, all of it without a choice.

    The checks are named: left to itself Dagster adds those of the chosen assets that the job leaves out.
    """
    if not assets:
        return job
    keys = {dg.AssetKey(asset) for asset in assets}
    checks = {check for check in job.asset_layer.asset_graph.asset_check_keys if check.asset_key in keys}
    return job.get_subset(asset_selection=keys, asset_check_selection=checks)


@contextmanager
def _noticing_interrupts() -> Iterator[Callable[[], bool]]:
    """Give a question: has Ctrl-C come within the block?

    Python writes every signal to this pipe, whoever handles it. The exception alone does not tell: DuckDB made an error
    of its own of one that reached it in a callback, and another library may swallow it.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread hears of signals
        yield lambda: False
        return
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)

    def has_come() -> bool:
        with suppress(BlockingIOError):
            return signal.SIGINT in os.read(reading, 4096)
        return False

    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield has_come
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)


def end_killed_runs(instance: dg.DagsterInstance) -> None:
    """Record as failed what an earlier command left as running; only for the holder of the home's lock.

    A killed process cannot say that it has ended: its run would stay STARTED for ever, and take one of the few places
    that the web page's queue has.
    """
    for run in instance.get_runs(dg.RunsFilter(tags=STARTED_HERE, statuses=UNFINISHED)):
        instance.report_run_failed(run, "The command that had started this run was stopped or killed.")


def _speaking(wrong: BaseException) -> BaseException:
    """The error that speaks to a person, where Dagster has wrapped it."""
    for cause in causes(wrong):
        if isinstance(cause, InsidersError):
            return cause
        if isinstance(cause, KeyboardInterrupt | dg.DagsterExecutionInterruptedError):
            return KeyboardInterrupt()
    return wrong


class _Listener(logging.Handler):
    """Hears of Dagster's events and of assets' warnings, and tells one line each."""

    def __init__(self, subject: str, tell: Tell):
        super().__init__()
        self.subject = subject
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        said = getattr(record, "dagster_meta", {})
        event = said.get("dagster_event")
        if event is not None:
            self._hear(event)
        elif record.levelno >= logging.WARNING and said.get("step_key"):
            self.tell(Progress(self.subject, said["step_key"], said.get("orig_message") or record.getMessage()))

    def _hear(self, event: dg.DagsterEvent) -> None:
        kind, step = event.event_type_value, str(event.step_key)
        if kind == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            # A broken contract stops its asset and is told as the error that it raises.
            if not check.passed and check.check_name != CONTRACT_CHECK:
                self.tell(Progress(self.subject, check.asset_key.to_user_string(), f"fails {check.check_name}"))
        elif step not in ASSETS:
            return  # a check: heard of above if it does not hold
        elif kind == "STEP_SUCCESS":
            self.tell(Progress(self.subject, step, "made", event.step_success_data.duration_ms / 1000))
        elif kind in ("STEP_SKIPPED", "STEP_FAILURE"):
            self.tell(Progress(self.subject, step, "skipped" if kind == "STEP_SKIPPED" else "failed"))


def _progress_logger(subject: str, tell: Tell) -> dg.LoggerDefinition:
    """A logger that hears of Dagster's events and tells one line per asset."""

    @dg.logger(config_schema=None, description="One line per asset.")
    def progress(_: dg.InitLoggerContext) -> logging.Logger:
        heard = logging.Logger(f"insiders.progress.{os.getpid()}", logging.DEBUG)
        heard.addHandler(_Listener(subject, tell))
        return heard

    return progress
