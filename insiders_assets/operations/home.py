"""The home directory: its folders, its Dagster instance, its lock, and the environment that its processes share.

Belongs here: making and opening a home. Does not belong here: what runs in it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from insiders_assets.automation.jobs import CATCHING_UP
from insiders_assets.errors import BusyError, InsidersError, StorageError, UnreachableError
from insiders_assets.settings import PREFIX, Settings
from insiders_assets.storage.warehouse import Warehouse

if TYPE_CHECKING:
    import dagster as dg

# For runs of this process: what they write is on the terminal already, and capturing it for the page starts four
# processes per run, one of which shows its traceback on Ctrl-C.
NO_COMPUTE_LOGS = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
# SQLite takes paths of 512 bytes; the longest of its files below this folder is named with a hundred.
LONGEST_PLACE = 400
RUN_LOCK = "run.lock"
# Left to its own choice SQLAlchemy 2.1 takes psycopg 3, which refuses the NOTIFY of Dagster's events.
DRIVER = "postgresql+psycopg2"
LOCATION = "insiders"
WORKSPACE = {
    "load_from": [
        {
            "python_module": {
                "module_name": "insiders_assets.definitions",
                "attribute": "defs",
                "location_name": LOCATION,
            }
        }
    ]
}


def prepare_home(settings: Settings) -> None:
    """Make the home's folders and write its Dagster configuration; what is there stays.

    Raises
    ------
    StorageError: the home cannot be written.
    """
    if len(str(settings.instance_folder)) > LONGEST_PLACE:
        raise StorageError(
            f"The home {settings.home} has too long a path ({len(str(settings.home))} signs); SQLite cannot open a "
            "database that deep.",
            "Choose a shorter one with --home.",
        )
    try:
        settings.instance_folder.mkdir(parents=True, exist_ok=True)
        _write_config(settings.instance_folder / "dagster.yaml", instance_config(settings))
        _write_config(settings.instance_folder / "workspace.yaml", WORKSPACE)
    except OSError as wrong:
        raise StorageError(
            f"The home {settings.home} cannot be written ({wrong.strerror}).",
            "Choose another with --home, give this user the right to write there, or free some space.",
        ) from wrong
    os.environ.update(environment(settings))


def environment(settings: Settings) -> dict[str, str]:
    """Variables that every process of this home needs: where it is, and where Numba keeps what it compiled."""
    variables = {
        "DAGSTER_HOME": str(settings.instance_folder),
        f"{PREFIX}HOME": str(settings.home),
        # Without it UMAP is compiled anew by every process.
        "NUMBA_CACHE_DIR": str(settings.home / "numba"),
        # TensorFlow otherwise greets every process with lines about processors.
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    if settings.instance:
        _, _, rest = settings.instance.get_secret_value().partition("://")
        variables[f"{PREFIX}INSTANCE"] = f"{DRIVER}://{rest}"
    if settings.logs_bucket:
        variables |= {f"{PREFIX}LOGS_BUCKET": settings.logs_bucket, f"{PREFIX}LOGS_PREFIX": settings.logs_prefix}
    return variables


def instance_config(settings: Settings) -> dict[str, Any]:
    """Dagster's configuration of this home (dagster.yaml): SQLite and logs in the home, or PostgreSQL and S3 where they
    are set."""
    config: dict[str, Any] = {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        # Few runs at once: instance storage opens a connection per call.
        "concurrency": {
            "runs": {
                "max_concurrent_runs": 2,
                "tag_concurrency_limits": [{"key": next(iter(CATCHING_UP)), "limit": 1}],
            }
        },
        # The default launcher has no health check: without a limit a dead run would stay STARTED for ever.
        "run_monitoring": {"enabled": True, "max_runtime_seconds": 6 * 60 * 60},
        "run_retries": {"enabled": True, "max_retries": 0, "retry_on_asset_or_op_failure": False},
        "retention": {"schedule": {"purge_after_days": 90}, "sensor": {"purge_after_days": 30}},
    }
    if settings.instance:
        # The URL is read from the environment, so the password does not stand in the file.
        config["storage"] = {"postgres": {"postgres_url": {"env": f"{PREFIX}INSTANCE"}}}
    if settings.logs_bucket:
        config["compute_logs"] = {
            "module": "dagster_aws.s3.compute_log_manager",
            "class": "S3ComputeLogManager",
            "config": {
                "bucket": {"env": f"{PREFIX}LOGS_BUCKET"},
                "prefix": {"env": f"{PREFIX}LOGS_PREFIX"},
                # Where a log grows until it is in the bucket; then it is removed here.
                "local_dir": {"env": "DAGSTER_HOME"},
                "skip_empty_files": True,
                "upload_interval": 30,
            },
        }
    return config


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance of the home: runs from here and from the web page are one history.

    Raises
    ------
    StorageError, UnreachableError: the instance's own database fails, at any time within the block.
    """
    import dagster as dg
    import sqlalchemy.exc
    from dagster._core.instance.ref import InstanceRef

    from insiders_assets.storage.run_history import history_of

    if settings.instance:
        # Dagster would try for a quarter of a minute, with a warning each time, before it says so.
        Warehouse(settings.instance.get_secret_value()).check()
    try:
        here: dict[str, Any] = {"compute_logs": NO_COMPUTE_LOGS}
        if not settings.instance:
            here["storage"] = history_of(settings.instance_folder)
        reference = InstanceRef.from_dir(str(settings.instance_folder), overrides=here)
        with dg.DagsterInstance.from_ref(reference) as instance:
            yield instance
    except Exception as wrong:
        kinds = (InsidersError, sqlalchemy.exc.DBAPIError)
        cause = next((cause for cause in causes(wrong) if isinstance(cause, kinds)), None)
        if not isinstance(cause, sqlalchemy.exc.DBAPIError):
            raise
        words = str(cause.orig).strip().splitlines()[0]
        if settings.instance:
            raise UnreachableError(
                f"The database of Dagster's instance does not answer: {words}.",
                "Start it, or correct INSIDERS_INSTANCE.",
            ) from wrong
        raise StorageError(
            f"Dagster's instance in {settings.instance_folder} cannot be written: {words}.",
            "Free some space or give this user the right to write there; what was finished stays.",
        ) from wrong


def causes(wrong: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from, outermost first; the chain may run in a circle."""
    seen: set[int] = set()
    cause: BaseException | None = wrong
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def is_home(settings: Settings) -> bool:
    """Whether a command has made this folder a home: another folder is not to be filled with a database."""
    return settings.instance_folder.is_dir()


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the home's lock for a command that changes it.

    Raises
    ------
    BusyError: another process holds it; its number is named.
    """
    path = settings.home / RUN_LOCK
    try:
        lock = path.open("a+")
    except OSError as wrong:
        raise StorageError(f"{path} cannot be written ({wrong.strerror}).", "Choose another home.") from wrong
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise BusyError(
                f"Another `insiders` (process {lock.read().strip() or 'unknown'}) is working on {settings.home}.",
                "Wait until it has finished; nothing was changed.",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
        with suppress(OSError):
            lock.truncate(0)


def _write_config(path: Path, config: dict[str, Any]) -> None:
    """Write a file of Dagster's, unless it says the same already, in whatever words: a person's comments stay."""
    import yaml

    if path.exists() and yaml.safe_load(path.read_text("utf-8")) == config:
        return
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    unfinished.replace(path)
