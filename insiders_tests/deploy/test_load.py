"""A year of schedules and sensors in a quarter of an hour: connections, logs and memory stay bounded.

A file of the next month lands every minute and a quarter, and the sensors look every two seconds, thirty times as often
as they do on a box: what grows with ticks and runs has grown as in a year.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest

from insiders_assets.operations.status import STANDS
from insiders_assets.sample import ShopParameters, write_shop
from insiders_tests.deploy.production import DAEMON, NEEDED, QUICK, Box, box_of, proxy, start_everything
from insiders_tests.servers import S3

pytestmark = [
    pytest.mark.slow,
    *NEEDED,
    pytest.mark.timeout(3600),
]
MONTHS, SECONDS_A_MONTH = 12, 75
SHOP = ShopParameters(first_month=dt.date(2024, 1, 1), months=MONTHS, customers=120, articles=100, seed=3)
SETTINGS = {**QUICK, "INSIDERS_LAST_MONTH": "2024-12", "INSIDERS_SENSOR_SECONDS": "2"}
# The smallest database of the template allows about 80 connections.
MOST_CONNECTIONS = 50
MOST_GROWTH_OF_DAEMON = 1.25
MOST_LOG_BYTES_A_MINUTE = 100_000


@dataclass
class Watch:
    """What was seen every second: (seconds since the start, number)."""

    box: Box
    connections: list[int] = field(default_factory=list)
    memory: dict[str, list[float]] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        with psycopg.connect(self.box.database.url("master", "master%27s%20word", "postgres")) as connection:
            connection.autocommit = True
            while not self.done.wait(1):
                counted = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                self.connections.append(connection.execute(counted).fetchone()[0] - 1)
                for unit, process in self.box.processes.items():
                    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
                    total = 0
                    for one in family:
                        try:
                            total += one.memory_info().rss
                        except psutil.NoSuchProcess:
                            continue
                    self.memory.setdefault(unit, []).append(total / 1e6)


@pytest.fixture(scope="module")
def year(open_folder: Path, s3: S3) -> Iterator[tuple[Box, Watch, dict[str, float]]]:
    """The box after twelve months in fifteen minutes, what was seen, and sizes in the middle and at the end."""
    folder = Path(tempfile.mkdtemp(dir=open_folder))
    folder.chmod(0o755)
    files = write_shop(SHOP, folder / "files", files="month")
    with box_of(folder, s3, **SETTINGS) as box:
        start_everything(box)
        with proxy(box):
            watch = Watch(box)
            watching = threading.Thread(target=watch.look)
            watching.start()
            began = time.monotonic()
            for place, file in enumerate(files):
                time.sleep(max(began + place * SECONDS_A_MONTH - time.monotonic(), 0))
                box.land(file)
            time.sleep(max(began + MONTHS * SECONDS_A_MONTH - time.monotonic(), 0))
            box.wait_until(lambda: {row["state"] for row in box.status()} == {STANDS}, "the year stands", seconds=900)
            minutes = (time.monotonic() - began) / 60
            watch.done.set()
            watching.join()
            sizes = {
                "minutes": minutes,
                "log bytes a minute": sum(log.stat().st_size for log in folder.glob("*.log")) / minutes,
                "ticks": _ticks(box),
                "rows of events": _rows(box, "event_logs"),
                "database MB": _size(box),
            }
            print(json.dumps({**sizes, "most connections": max(watch.connections)}, indent=1))
            for unit, seen in watch.memory.items():
                third = len(seen) // 3
                print(f"{unit}: {max(seen[:third]):.0f} MB in the first third, {max(seen[-third:]):.0f} in the last")
            yield box, watch, sizes


def _rows(box: Box, table: str) -> int:
    with psycopg.connect(box.database.url("master", "master%27s%20word", "dagster")) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def _ticks(box: Box) -> int:
    return _rows(box, "job_ticks")


def _size(box: Box) -> float:
    with psycopg.connect(box.database.url("master", "master%27s%20word", "dagster")) as connection:
        return connection.execute("SELECT pg_database_size('dagster')").fetchone()[0] / 1e6


def test_connections_stay_bounded(year: tuple[Box, Watch, dict[str, float]]) -> None:
    _, watch, _ = year
    assert len(watch.connections) > 600
    assert max(watch.connections) <= MOST_CONNECTIONS


def test_the_daemon_does_not_grow(year: tuple[Box, Watch, dict[str, float]]) -> None:
    seen = year[1].memory[DAEMON]
    third = len(seen) // 3
    assert max(seen[-third:]) <= MOST_GROWTH_OF_DAEMON * max(seen[:third])


def test_logs_grow_slowly_and_ticks_are_pruned_by_their_age(year: tuple[Box, Watch, dict[str, float]]) -> None:
    sizes = year[2]
    assert sizes["ticks"] > 300
    assert sizes["log bytes a minute"] <= MOST_LOG_BYTES_A_MINUTE
