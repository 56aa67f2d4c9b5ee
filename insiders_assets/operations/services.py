"""What the units of a production set-up ask for: is everything set and does it answer, is a run under way, where is the
password.

Belongs here: what comes before and after the long-running servers. Does not belong here: the servers (Dagster's own
commands, `deploy/`), and looking at a home in general (:mod:`.doctor`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import dagster as dg

from insiders_assets.assets.platform import open_platform
from insiders_assets.automation.jobs import UNDER_WAY, is_started_here
from insiders_assets.errors import BusyError, SettingsError, StorageError, UnreachableError
from insiders_assets.operations.home import DRIVER, open_instance, prepare_home
from insiders_assets.settings import PREFIX, Settings
from insiders_assets.storage.aws import read_secret

RUNBOOK = "deploy/insiders.env.example has each with a sentence."
# Without these a box would work for itself alone, and forget with its disk.
NEEDED = ("landing", "lake", "warehouse", "instance", "logs_bucket", "first_month")
# The one that is secret, and that the dashboard is not given.
DAGSTERS_OWN = "instance"
# Without these it works, and nobody hears of its troubles.
ADVISED = ("notify_topic", "metrics", "page")
IN_THE_SECRET = ("username", "password", "host", "dbname")
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
SECONDS_BETWEEN_LOOKS = 2.0

Say = Callable[[str], None]
T = TypeVar("T")


def check_variables(settings: Settings, say: Say, pages: bool = False) -> None:
    """Refuse settings that are those of a laptop, all missing ones in one sentence.

    Parameters
    ----------
    pages: what the dashboard needs, which is not told the login of Dagster's database.

    Raises
    ------
    SettingsError: names them and where they are explained.
    """
    missing = [
        _variable(name) for name in NEEDED if not _is_set(settings, name) and not (pages and name == DAGSTERS_OWN)
    ]
    if missing:
        raise SettingsError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.", RUNBOOK)
    local = [
        _variable(name)
        for name, place in (("landing", settings.landing_location), ("lake", settings.lake_location))
        if not place.startswith("s3://")
    ]
    if local:
        raise SettingsError(f"{', '.join(local)} must be s3://bucket/prefix in production.", RUNBOOK)
    unheard = [_variable(name) for name in ADVISED if not _is_set(settings, name)]
    if unheard:
        say(f"Not set: {', '.join(unheard)}. Everything works, but nobody is told of troubles. {RUNBOOK}")


def ready(settings: Settings, seconds: float, say: Say, starting_code: bool = False, pages: bool = False) -> None:
    """Return when a service can be started: every variable is there, databases and bucket answer.

    Parameters
    ----------
    seconds: how long to go on asking what does not answer. starting_code: the code server is about to start, so no run
        can be alive in it: those that died with the last one are recorded as failed, and Dagster starts them again.
    pages: the dashboard is about to start, which reads the warehouse and nothing else: only that is asked, and the home
        is left alone. (What is written there for Dagster, without the login of its database, would be a laptop's.)

    Raises
    ------
    SettingsError: a variable is missing or wrong; at once. UnreachableError: something did not answer in that time.
    """
    check_variables(settings, say, pages)
    if not pages:
        prepare_home(settings)
    with open_platform(settings) as platform:
        looks: list[Callable[[], None]] = [platform.warehouse.check]
        if not pages:
            looks += [
                platform.lake.store.check_writable,
                platform.landing.check_writable,
                lambda: _look_at_instance(settings),
            ]
        began = time.monotonic()
        for look in looks:
            _asked_until(look, began, seconds, say)
    if starting_code:
        end_dead_runs(settings, "The code server was stopped or killed during this run.", say)


def _asked_until(ask: Callable[[], T], began: float, seconds: float, say: Say) -> T:
    """What `ask` gives; while nobody answers asked again, with growing pauses, until so long after the beginning."""
    pause = FIRST_PAUSE
    while True:
        try:
            return ask()
        except UnreachableError as trouble:
            left = began + seconds - time.monotonic()
            if left <= 0:
                raise UnreachableError(f"{trouble.problem} Asked for {seconds:.0f} s.", trouble.remedy) from None
            say(f"{trouble.problem} Asked again in {min(pause, left):.0f} s.")
            time.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE)


def _look_at_instance(settings: Settings) -> None:
    with open_instance(settings):
        pass


def end_dead_runs(settings: Settings, why: str, say: Say | None = None) -> None:
    """Record as failed the runs that went with their code server: nobody else would, and they would look alive.

    Only when no code server runs. Runs of `insiders run` live in a process of their own and are left alone.
    """
    with open_instance(settings) as instance:
        for run in _under_way(instance):
            instance.report_run_failed(run, why)
            if say:
                say(f"Run {run.run_id} of {run.job_name} is recorded as failed: {why}")


def drain(settings: Settings, seconds: float, say: Say) -> None:
    """Return when no run is under way in the code server; the daemon, which would start others, has to be stopped.

    Where Dagster's database is away meanwhile, it is asked again: whoever waits would end the runs otherwise.

    Raises
    ------
    BusyError: some are under way still; they are named. UnreachableError: nobody could say in that time.
    """
    began, told = time.monotonic(), ""
    while True:
        running = _asked_until(lambda: _ids_under_way(settings), began, seconds, say)
        if not running:
            return
        if running != told:
            say(f"Under way: {running}. Waiting.")
            told = running
        if time.monotonic() > began + seconds:
            raise BusyError(
                f"After {seconds:.0f} s still under way: {running}.",
                "Wait longer, or end them on the page; a run that is killed is started again.",
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _ids_under_way(settings: Settings) -> str:
    with open_instance(settings) as instance:
        return ", ".join(run.run_id for run in _under_way(instance))


def _under_way(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return [run for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)) if not is_started_here(run)]


def write_secrets(settings: Settings, path: Path, seconds: float, say: Say) -> None:
    """Write the variables that are secret, from Secrets Manager, into a file that only its owner can read.

    It is asked for so many seconds: at a boot the network may come later. The login of Dagster's storage; how to prove
    the server's name is taken over from the warehouse's address.

    Raises
    ------
    SettingsError: INSIDERS_SECRET is missing, the secret lacks a field, or the warehouse's address is none.
    UnreachableError: it cannot be read.
    StorageError: the file cannot be written.
    """
    if settings.secret is None:
        raise SettingsError("INSIDERS_SECRET is not set.", RUNBOOK)
    name_of_secret = settings.secret
    found = _asked_until(lambda: read_secret(name_of_secret), time.monotonic(), seconds, say)
    if lacking := [name for name in IN_THE_SECRET if not found.get(name)]:
        raise SettingsError(f"The secret {settings.secret} has no {', '.join(lacking)}.", RUNBOOK)
    user, password, host, name = (quote(str(found[field]), safe="") for field in IN_THE_SECRET)
    query = _query_of(settings.warehouse.get_secret_value())
    address = f"{host}:{found.get('port') or 5432}/{name}{f'?{query}' if query else ''}"
    try:
        unfinished = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{PREFIX}INSTANCE={DRIVER}://{user}:{password}@{address}\n")
        unfinished.replace(path)
    except OSError as wrong:
        raise StorageError(f"{path} cannot be written ({wrong.strerror}).", "Give this user the right.") from wrong


def _query_of(address: str) -> str:
    """What stands behind the question mark of an address; refuses one that a sign of its password has cut short."""
    try:
        parts = urlsplit(address)
        cut = (
            not parts.hostname or bool(parts.fragment) or ("@" in parts.path + parts.query and "@" not in parts.netloc)
        )
    except ValueError:  # a bracket opens an address of IPv6, which the rest is not
        cut = True
    if cut:
        raise SettingsError(
            "INSIDERS_WAREHOUSE is not an address: it names no server, or a sign of its password cuts it short.",
            "Write signs of the password such as # ? / [ ] @ percent-encoded: %23 %3F %2F %5B %5D %40.",
        ) from None
    return parts.query


def _is_set(settings: Settings, name: str) -> bool:
    return not settings.uses_embedded_postgres if name == "warehouse" else getattr(settings, name) is not None


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"
