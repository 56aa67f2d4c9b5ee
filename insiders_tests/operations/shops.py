"""Made-up shops in homes of their own, for tests that bring months up in every order and say what came of it.

Belongs here: making such a home, the few ways of working on it, and what there is to compare. Does not belong here:
what should come of it.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation.due import Due, Lookup, due_months
from insiders_assets.automation.jobs import MONTHLY
from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.definitions import reach_of_assets
from insiders_assets.operations import landing
from insiders_assets.operations.executing import Progress, execute
from insiders_assets.operations.home import only_one, open_instance, prepare_home
from insiders_assets.operations.retiring import Retired, retire
from insiders_assets.operations.running import Wanted, catch_up, check_before_work, run
from insiders_assets.operations.status import NO_MONTHS, TableStatus, status
from insiders_assets.partitions import month_of
from insiders_assets.settings import PREFIX, Settings, load_settings
from insiders_assets.storage.ledger import Ledger
from insiders_assets.storage.warehouse import Warehouse

MEMORY, ROOM = Path("/dev/shm"), 4 * 1024**3
TODAY = dt.date(2024, 7, 1)
HEADER = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
DATES = "%m/%d/%Y %H:%M"
PUBLISHED = [table for table in MONTHLY_TABLES.values() if table.published]
# What `prepare_home` sets for the processes that a run starts.
OURS = (f"{PREFIX}HOME", "DAGSTER_HOME", "NUMBA_CACHE_DIR", "TF_CPP_MIN_LOG_LEVEL")

# Few fits, and no comparison of spaces: both are tested by themselves, and would take most of a small home's time.
QUICK = {"programme_fits": 3, "compare": "asked"}

Hashes = dict[tuple[str, str], str]
Rows = dict[str, list[tuple]]


@contextmanager
def environment_as_before() -> Iterator[None]:
    """Runs name their home to the processes they start; other tests must not see it."""
    with pytest.MonkeyPatch.context() as environment:
        for name in {*os.environ, *OURS}:
            if (name.startswith(PREFIX) and name != f"{PREFIX}REAL_DATA") or name in OURS:
                # Set and taken away: what preparing a home sets is undone as well.
                environment.setenv(name, "")
                environment.delenv(name)
        yield


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is room, which spares Dagster's event log the disk: half the time of a month."""
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    folder = Path(tempfile.mkdtemp(prefix="insiders-", dir=MEMORY if roomy else None))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compiled_by_numba(config: pytest.Config) -> Path:
    """Where Numba keeps what it compiled, from one session to the next, as for the parity tests."""
    cache = getattr(config, "cache", None)
    return Path(cache.mkdir("numba")) if cache else Path(tempfile.gettempdir(), "insiders-numba")


def new_home(folder: Path, server: str, compiled: Path | None = None, **words: Any) -> Home:
    """A home with settings (`words`, over a shop too small for segments) and a database of its own on the server."""
    name = f"shop_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    home = folder / name
    home.mkdir()
    if compiled:
        compiled.mkdir(exist_ok=True)
        (home / "numba").symlink_to(compiled)
    told = {"min_clusterable": 1000, **QUICK, "warehouse": f"{server.rpartition('/')[0]}/{name}", **words}
    lines = [f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"' for key, value in told.items()]
    (home / "insiders.toml").write_text("\n".join(lines), "utf-8")
    return Home(load_settings(home))


@dataclass
class Home:
    """A home, and what its last command has told."""

    settings: Settings
    told: list[Progress] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.settings.home

    @contextmanager
    def platform(self) -> Iterator[Platform]:
        with open_platform(self.settings) as platform:
            yield platform

    def run(self, *files: Path, today: dt.date = TODAY, **wanted: Any) -> None:
        """What `insiders run` does."""
        self.told.clear()
        self.settings = run(self.settings, Wanted(files=files, **wanted), today, self.told.append)

    def catch_up(self, today: dt.date = TODAY) -> None:
        """What a sensor's run does, but that files may have been written just now."""
        self.told.clear()
        catch_up(self.settings.model_copy(update={"quiet_seconds": 0}), today, self.told.append)

    def land(self, *files: Path) -> None:
        """Only the first half of `insiders run`."""
        self.told.clear()
        prepare_home(self.settings)
        with only_one(self.settings), open_instance(self.settings) as instance, self.platform() as platform:
            check_before_work(platform)
            for file in files:
                landing.land_file(platform, instance, file, self.told.append)

    def retire(self, file_key: str) -> Retired:
        with only_one(self.settings), self.platform() as platform:
            return retire(platform, file_key)

    def make(self, *months: str, assets: Sequence[str] = ()) -> None:
        """Make months (or some of their assets) through the monthly job, in this order, whether due or not."""
        self.told.clear()
        prepare_home(self.settings)
        with open_instance(self.settings) as instance:
            for month in months:
                execute(self.settings, instance, MONTHLY, month, self.told.append, assets=assets)

    def made(self) -> set[tuple[str, str]]:
        """Months and assets that the last command has made."""
        return {(one.subject, one.asset) for one in self.told if one.outcome == "made"}

    def failing_checks(self) -> set[tuple[str, str]]:
        """Months and checks that did not hold in the last command."""
        return {(one.subject, one.outcome.split()[1]) for one in self.told if one.outcome.startswith("fails ")}

    def ledger(self) -> Ledger:
        with self.platform() as platform:
            return platform.ledger()

    def status(self, today: dt.date = TODAY) -> list[TableStatus]:
        with self.platform() as platform:
            return status(platform, today)

    def months(self) -> list[TableStatus]:
        """What is said of months that can exist."""
        return [one for one in self.status() if one.state not in NO_MONTHS]

    def hashes(self, *months: str) -> Hashes:
        """Content hash by month and table; of all months unless some are named."""
        return {(f.month, f.table): f.content_hash for f in self.months() if not months or f"{f.month}-01" in months}

    def stands(self) -> bool:
        return {one.state for one in self.months()} == {"stands"}

    def due(self, *months: str) -> list[Due]:
        with self.platform() as platform:
            lookup = Lookup(platform, reach_of_assets(self.settings))
            return due_months(lookup, [month_of(month) for month in months])

    def sql(self, query: str) -> list[tuple]:
        with self.platform() as platform:
            return platform.warehouse.query(query).rows

    def published_rows(self) -> Rows:
        """Every row of every published table of months, in the order of its key."""
        with self.platform() as platform:
            return {table.name: published(platform.warehouse, table.name, ", ".join(table.key)) for table in PUBLISHED}

    def versions(self) -> dict[tuple[str, str], list[str]]:
        """The kept versions of every table and month, oldest first."""
        with self.platform() as platform:
            return {
                (table.name, scope): [version.version for version in platform.lake.history(table.name, scope)]
                for table in MONTHLY_TABLES.values()
                for scope in platform.lake.scopes(table.name)
            }


def published(warehouse: Warehouse, table: str, key: str) -> list[tuple]:
    return warehouse.query(f"SELECT * FROM insiders.{table} ORDER BY {key}").rows


def lines_of(file: Path) -> list[list[str]]:
    """Lines of a shop's file that can be read, without the shop's own dirt."""
    with file.open(newline="") as opened:
        header, *rows = csv.reader(opened)
    return [row for row in rows if len(row) == len(header) and row[4][:1].isdigit() and "x" not in row[4]]


def write_lines(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])
    return path


def moved(rows: Sequence[Sequence[str]], year: int, month: int) -> list[list[str]]:
    """The same lines in another month."""

    def date(text: str) -> str:
        when = dt.datetime.strptime(text, DATES).replace(tzinfo=dt.UTC)
        return when.replace(year=year, month=month, day=min(when.day, 28)).strftime(DATES)

    return [[*row[:4], date(row[4]), *row[5:]] for row in rows]


def as_if_at(moment: dt.datetime, *arguments: object, imports: str = "sklearn") -> list[str]:
    """Command line that runs `insiders` with the clock of its process at another moment, going on from there.

    Everything that a run imports is imported before, `imports` too: pandas and TensorFlow do not bear to be loaded
    under a class of dates that is not the real one.
    """
    return [sys.executable, "-c", f"import {imports}\n{AT_ANOTHER_TIME}", moment.isoformat(), *map(str, arguments)]


AT_ANOTHER_TIME = """
import datetime as dt, sys
import duckdb, ibis, pandas, pandera.pandas, pyarrow.dataset
import insiders_assets.operations.maintaining, insiders_assets.operations.running, insiders_assets.operations.summary
from freezegun import freeze_time
from insiders_assets.cli import main
moment, *sys.argv[1:] = sys.argv[1:]
with freeze_time(dt.datetime.fromisoformat(moment), tick=True):
    main()
"""
