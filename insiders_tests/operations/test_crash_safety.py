"""Whatever is killed, and when: readers see only whole months, and the next run makes everything right.

A tiny shop stands in a home. Each moment lands the corrected file of a month, or the uncorrected one again, and kills
with signal 9 what works on it: the command, the worker or the daemon behind the web page, PostgreSQL itself, or all of
them. A reader looks at lake and warehouse from before the kill until after the next run, and every month that it finds
has to be the old one or the new one, whole.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import psutil
import psycopg
import pyarrow as pa
import pytest

from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.contracts.table import Table, content_hash
from insiders_assets.errors import BusyError, UnreachableError
from insiders_assets.operations.home import RUN_LOCK
from insiders_assets.operations.serving import ServeError
from insiders_assets.operations.status import STANDS, UNPUBLISHED
from insiders_assets.sample import ShopParameters, write_shop
from insiders_assets.settings import load_settings
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.lake import Lake, utc_now
from insiders_assets.storage.objects import open_store
from insiders_assets.storage.postgres_place import recorded_place
from insiders_assets.storage.postgres_process import Server
from insiders_tests.command import COMMAND, SECONDS, Hashes, environment, hashes, insiders_here
from insiders_tests.servers import free_port
from insiders_tests.web_page import ENDED, LAUNCH, SECONDS_TO_STOP, STATUS, Page, page_of

SEED = 20241125
COMMAND_RUN, CATCH_UP = "insiders run", "catch_up of the page"
PROCESS, WORKER, DAEMON, POSTGRES, ALL = "the process", "its worker", "the daemon", "PostgreSQL", "all at once"
TABLES = {table.name: table for table in MONTHLY_TABLES.values()}
PUBLISHED = [table for table in TABLES.values() if table.published]
# What a corrected file changes at the least, so that old and new months can be told apart.
CHANGING = {"raw_invoices", "customer_purchases", "customer_features", "month_totals", "report_facts"}
# A table and the first day of a month.
Place = tuple[str, str]


# -- moments


@dataclass(frozen=True)
class Moment:
    """Who works, who of them is killed, and when: so many manifests after the work began, and then some seconds more.

    `another_command`: right after the kill somebody else's command uses, and so starts, PostgreSQL.
    """

    work: str
    victim: str
    manifests: int
    seconds: float
    another_command: bool = False

    @classmethod
    def drawn(cls, number: int, months: int) -> Moment:
        """The moment of that number: the same in every session. `months` of them are due, with nine tables each."""
        chance = random.Random(f"{SEED}-{number}")
        work, victim = KINDS[number % len(KINDS)]
        # Half of them right behind a manifest, where the warehouse is given the month; the others anywhere.
        seconds = chance.random() * chance.choice([0.06, 0.7])
        return cls(work, victim, chance.randrange(len(TABLES) * months), seconds, chance.random() < 0.5)


KINDS = [
    (COMMAND_RUN, PROCESS),
    (CATCH_UP, WORKER),
    (COMMAND_RUN, POSTGRES),
    (COMMAND_RUN, PROCESS),
    (CATCH_UP, DAEMON),
    (COMMAND_RUN, POSTGRES),
    (COMMAND_RUN, PROCESS),
    (CATCH_UP, WORKER),
    (CATCH_UP, POSTGRES),
    (CATCH_UP, ALL),
]


# -- the shop and its reader


@dataclass
class Shop:
    """A home, the two contents of the file that is corrected, and the hashes that undisturbed runs gave with them.

    `stands` is the content whose hashes were found last; `pause` the seconds between two looks of a reader.
    """

    home: Path
    files: tuple[Path, Path]
    undisturbed: tuple[Hashes, Hashes]
    pause: float
    stands: int
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def months(self) -> list[str]:
        return sorted({month for month, _ in self.undisturbed[0]})

    @property
    def lake(self) -> Lake:
        return Lake(open_store(str(self.home / "lake")))

    def forget(self) -> None:
        """Leave only what stands: what a run then makes has to be written, even if the lake had it once."""
        self.lake.forget_versions(utc_now())
        self.lake.remove_orphans(0)

    def current(self, place: Place) -> str:
        """The content hash of the lake's version of a table of a month."""
        version = self.lake.current(*place)
        assert version
        return version.content_hash

    def expected(self, which: int) -> dict[Place, str]:
        return {(table, f"{month}-01"): content for (month, table), (_, content) in self.undisturbed[which].items()}

    def note_how_far(self, moment: Moment, new: int) -> None:
        """In how many of the tables and months that differ the lake has the new content at the time of a kill."""
        old, wanted = self.expected(1 - new), self.expected(new)
        changing = [place for place in wanted if wanted[place] != old[place]]
        made = sum(self.current(place) == wanted[place] for place in changing)
        when = "before" if not made else "after" if made == len(changing) else "in the middle"
        print(f"{made} of {len(changing)} made")
        self.seen[f"{moment.work}, {moment.victim}: killed {when}"] += 1

    def server(self) -> Server | None:
        place = recorded_place(self.home)
        return Server.found(place / "data") if place else None


def corrected(file: Path, folder: Path) -> Path:
    """The same file with one more of the article in every fifth line."""
    with file.open(newline="", encoding="utf-8") as before:
        lines = list(csv.reader(before))
    for line in lines[1::5]:
        if len(line) == len(lines[0]) and line[3].isdecimal():
            line[3] = str(int(line[3]) + 1)
    folder.mkdir()
    with (folder / file.name).open("w", newline="", encoding="utf-8") as after:
        csv.writer(after, lineterminator="\n").writerows(lines)
    return folder / file.name


def brought_up(home: Path, *files: Path) -> Hashes:
    said = insiders_here("run", "--home", home, *(["--data", *files] if files else []))
    assert said.code == 0, said.err
    return hashes(home)


def make_shop(folder: Path, months: int, which_is_corrected: int, *, another_home: bool, pause: float) -> Shop:
    """Undisturbed runs with both contents, in the home that will be disturbed or in another one."""
    folder.mkdir(mode=0o755)
    files = write_shop(
        ShopParameters(dt.date(2024, 1, 1), months, customers=60, articles=50, seed=7), folder / "files", files="month"
    )
    old = files[which_is_corrected]
    new = corrected(old, folder / "corrected")
    home = new_home(folder / "home")
    undisturbed_home = new_home(folder / "undisturbed") if another_home else home
    undisturbed = (brought_up(undisturbed_home, *files), brought_up(undisturbed_home, new))
    assert {state for found in undisturbed for state, _ in found.values()} == {STANDS}
    assert {place[1] for place in undisturbed[0] if undisturbed[0][place] != undisturbed[1][place]} >= CHANGING
    if another_home:
        assert brought_up(home, *files) == undisturbed[0]
    return Shop(home, (old, new), undisturbed, pause, stands=0 if another_home else 1)


def new_home(home: Path) -> Path:
    home.mkdir()
    # Too few customers for segments, so neither UMAP nor TensorFlow; nothing starts unasked, and no file is waited for.
    (home / "insiders.toml").write_text("min_clusterable = 1000\nautomation = false\nquiet_seconds = 0\n")
    return home


class Reader(threading.Thread):
    """Looks at every table of every month, in the lake and in the warehouse, again and again until it is stopped.

    `wrong` is everything that it should not have seen: rows that are neither the old month nor the new one, rows that
    are not those of the version that is noted with them, and an old month after the new one.
    """

    def __init__(self, shop: Shop, old: int, new: int):
        super().__init__(name="reader", daemon=True)
        self.shop, self.home = shop, shop.home
        self.contents = (shop.expected(old), shop.expected(new))
        self.seen: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.is_new: dict[str, set[Place]] = {"lake": set(), "warehouse": set()}
        self._stop_asked = threading.Event()

    def run(self) -> None:
        try:
            while not self._stop_asked.is_set():
                self._look()
                self._stop_asked.wait(self.shop.pause)
        except Exception as trouble:  # a reader that has died would see nothing wrong
            self.wrong.append(f"the reader failed: {trouble!r}")

    def stop(self) -> None:
        """Look a last time, and end."""
        self._stop_asked.set()
        self.join(SECONDS)
        assert not self.is_alive()
        self._look()

    def _places(self, tables: list[Table]) -> list[Place]:
        return [(table.name, f"{month}-01") for table in tables for month in self.shop.months]

    def _look(self) -> None:
        for name, month in self._places(list(TABLES.values())):
            self._judge("lake", (name, month), *in_lake(self.shop.lake, TABLES[name], month))
        self.seen["looks into the lake"] += 1
        try:
            url = EmbeddedPostgres(self.home).url_if_running()
            found = in_warehouse(url) if url else None
        except (UnreachableError, psycopg.OperationalError):
            found = None
        if found is None:
            self.seen["times without a server"] += 1
            return
        for place in self._places(PUBLISHED):
            self._judge("warehouse", place, *found.get(place, ("nothing", "nothing")))
        self.seen["looks into the warehouse"] += 1

    def _judge(self, where: str, place: Place, noted: str, read: str) -> None:
        old, new = (content[place] for content in self.contents)
        if noted != read or read not in (old, new):
            self.wrong.append(f"{where}, {place}: noted {noted[:8]}, read {read[:8]}; old {old[:8]}, new {new[:8]}")
        elif old != new:
            if read == new:
                self.is_new[where].add(place)
            elif place in self.is_new[where]:
                self.wrong.append(f"{where}, {place}: the old month after the new one")
        self.seen["whole months"] += 1


def in_lake(lake: Lake, table: Table, month: str) -> tuple[str, str]:
    """The content hash that the manifest notes, and that of the rows; the files beside them can be read."""
    handle = lake.dataset(table, [month])
    for name in handle.versions[month].files:
        assert handle.file(name)
    return handle.hashes[month], content_hash(table, handle.arrow())


def in_warehouse(url: str) -> dict[Place, tuple[str, str]]:
    """By table and month what is noted as published, and the hash of the rows; both as of the same instant."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        noted = connection.execute("SELECT table_name, scope, content_hash FROM insiders.published_versions").fetchall()
        rows = {}
        for table in PUBLISHED:
            columns = ", ".join(column.name for column in table.columns)
            rows[table.name] = connection.execute(f"SELECT {columns} FROM insiders.{table.name}").fetchall()
    return {
        (name, scope): (hash_noted, hash_of_rows(TABLES[name], [row for row in rows[name] if f"{row[at]}" == scope]))
        for name, scope, hash_noted in noted
        if name in rows
        for at in [[column.name for column in TABLES[name].columns].index("month")]
    }


def hash_of_rows(table: Table, rows: list[tuple]) -> str:
    columns = list(zip(*rows, strict=True)) or [()] * len(table.columns)
    arrays = [pa.array(values, column.type) for values, column in zip(columns, table.columns, strict=True)]
    return content_hash(table, pa.table(arrays, names=[column.name for column in table.columns]))


# -- work that is disturbed


@dataclass
class Work:
    """A run under way: whose process it is, and whether it has ended."""

    pid: int
    ended: Callable[[], bool]


@contextlib.contextmanager
def command_at_work(shop: Shop, file: Path) -> Iterator[tuple[Work, subprocess.Popen]]:
    """`insiders run --data FILE` from the time on when it holds the home."""
    told = shop.home.with_name("told-run.txt")
    with told.open("wb") as words:
        running = subprocess.Popen(
            [*COMMAND, "run", "--home", str(shop.home), "--data", str(file)],
            env=environment(),
            stdout=words,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: holder(shop.home) == running.pid or running.poll() is not None, told.read_text)
        yield Work(running.pid, lambda: running.poll() is not None), running
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()


def catch_up_at_work(shop: Shop, page: Page, file: Path) -> Work:
    """A file arrives, whole at once, and the page is asked to catch up; as of the time when the run holds the home."""
    before = holder(shop.home)
    arriving = shop.home / "landing" / f".{file.name}"
    shutil.copyfile(file, arriving)
    arriving.replace(shop.home / "landing" / file.name)
    selector = {
        "repositoryLocationName": "insiders",
        "repositoryName": "__repository__",
        "pipelineName": "catch_up",
    }
    parameters = {"selector": selector, "runConfigData": {}, "mode": "default"}
    launched = page.ask(LAUNCH, parameters=parameters)["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]

    def ended() -> bool:
        return page.process.poll() is not None or page.ask(STATUS, id=run_id)["runOrError"]["status"] in ENDED

    until(lambda: holder(shop.home) not in (None, before), lambda: str(page.ask(STATUS, id=run_id)))
    worker = holder(shop.home)
    assert worker
    return Work(worker, lambda: not psutil.pid_exists(worker) or ended())


def until(happened: Callable[[], object], words: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, words()
        time.sleep(0.005)


def holder(home: Path) -> int | None:
    """The process that its lock file names; it may be dead."""
    words = (home / RUN_LOCK).read_text()
    return int(words) if words else None


def wait_for(moment: Moment, shop: Shop, work: Work, since: int) -> None:
    """Wait until so many manifests were written, and some time more; a work that has ended is not waited for."""
    manifests = [
        shop.home / "lake" / "manifests" / table / f"{month}-01.json" for month in shop.months for table in TABLES
    ]
    looked = 0
    while sum(manifest.stat().st_mtime_ns > since for manifest in manifests) < moment.manifests:
        looked += 1
        if looked % 20 == 0 and work.ended():
            return
        time.sleep(0.01)
    time.sleep(moment.seconds)


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert not psutil.wait_procs(processes, timeout=SECONDS)[1]


def postgres_of(shop: Shop, work: Work) -> list[psutil.Process]:
    """The server and its children, once it is there."""
    until(lambda: shop.server() or work.ended(), lambda: "no server was started")
    server = shop.server()
    if server is None:
        return []
    with contextlib.suppress(psutil.NoSuchProcess):
        postmaster = psutil.Process(server.pid)
        return [postmaster, *postmaster.children(recursive=True)]
    return []


def run_again(shop: Shop, *files: Path) -> None:
    """`insiders run`, repeated while another one still works, as its message says."""
    deadline = time.monotonic() + SECONDS
    while True:
        said = insiders_here("run", "--home", shop.home, *(["--data", *files] if files else []))
        if said.code != BusyError.exit_code or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert said.code == 0, said


@contextlib.contextmanager
def watched(shop: Shop) -> Iterator[int]:
    """Give the content to bring up now; at the end it has to stand, and no reader may have seen anything by halves."""
    new = 1 - shop.stands
    shop.forget()
    reader = Reader(shop, shop.stands, new)
    reader.start()
    try:
        yield new
        assert hashes(shop.home) == shop.undisturbed[new]
        shop.stands = new
    finally:
        reader.stop()
        print(dict(reader.seen))
        shop.seen.update(reader.seen)
    assert reader.wrong == []
    assert reader.seen["looks into the warehouse"]
    with EmbeddedPostgres(shop.home).running() as url:
        assert {place: read for place, (_, read) in in_warehouse(url).items()} == {
            place: content for place, content in shop.expected(new).items() if TABLES[place[0]].published
        }


def no_run_looks_alive(shop: Shop) -> bool:
    """Whether Dagster's history knows of every run that it has ended: an unfinished one would keep others waiting."""
    with dg.DagsterInstance.from_config(str(load_settings(shop.home).instance_folder)) as instance:
        return all(run.is_finished for run in instance.get_runs())


def disturb(shop: Shop, moment: Moment) -> None:
    """Live through a moment, and through the run that comes after it."""
    print(moment)
    if moment.work == COMMAND_RUN:
        with watched(shop) as new:
            disturb_command(shop, moment, new)
            run_again(shop, shop.files[new])
    else:
        with page_of(shop.home, free_port()) as page, watched(shop) as new:
            disturb_catch_up(shop, moment, page, new)
            run_again(shop)
        if moment.victim == ALL:
            with page_of(shop.home, free_port()):
                # The sensors of the next page would otherwise wait for the dead run, for hours.
                until(lambda: no_run_looks_alive(shop), lambda: "a dead run looks alive", seconds=20)
    assert no_run_looks_alive(shop)


def disturb_command(shop: Shop, moment: Moment, new: int) -> None:
    """Kill the command or its server, and wait for the end of the command."""
    since = time.time_ns()
    with command_at_work(shop, shop.files[new]) as (work, running):
        wait_for(moment, shop, work, since)
        if moment.victim == PROCESS:
            running.kill()
            expected = (0, -signal.SIGKILL)
        else:
            kill(postgres_of(shop, work))
            expected = (0, UnreachableError.exit_code)
        shop.note_how_far(moment, new)
        if moment.another_command:
            assert insiders_here("sql", "SELECT 1", "--home", shop.home).code == 0
        code = running.wait(SECONDS)
        print(f"exit code {code}")
        assert code in expected, shop.home.with_name("told-run.txt").read_text()


def disturb_catch_up(shop: Shop, moment: Moment, page: Page, new: int) -> None:
    """Kill the page's worker, its daemon, of which the whole page dies, its PostgreSQL, or all of them at once."""
    since = time.time_ns()
    work = catch_up_at_work(shop, page, shop.files[new])
    wait_for(moment, shop, work, since)
    if moment.victim == WORKER:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            kill([psutil.Process(work.pid)])
    elif moment.victim == POSTGRES:
        kill(postgres_of(shop, work))
    elif moment.victim == ALL:
        kill([*page.family(), *postgres_of(shop, work)])
        page.process.wait()
    else:
        kill([one for one in page.family() if any("dagster-daemon" in word for word in one.cmdline())][:1])
    shop.note_how_far(moment, new)
    if moment.victim == DAEMON:
        assert page.process.wait(SECONDS_TO_STOP) == ServeError.exit_code


# -- what it must show


@pytest.fixture(scope="module")
def small_shop(open_folder: Path) -> Iterator[Shop]:
    """One month, and it is corrected; the server stays up between the commands, so that the tests are quick."""
    server = EmbeddedPostgres(open_folder / "small" / "home")
    shop = make_shop(open_folder / "small", months=1, which_is_corrected=0, another_home=False, pause=0.25)
    with server.running():
        yield shop
    server.remove()


@pytest.mark.parametrize(
    "moment",
    [
        Moment(COMMAND_RUN, POSTGRES, 3, 0.0, another_command=True),
        pytest.param(Moment(CATCH_UP, WORKER, 4, 0.1), marks=pytest.mark.slow),
    ],
    ids=["a command's PostgreSQL", "the worker of the page"],
)
def test_readers_see_whole_months_when_something_is_killed(moment: Moment, small_shop: Shop) -> None:
    disturb(small_shop, moment)


def test_a_version_that_was_written_but_not_published_is_published_by_the_next_run(small_shop: Shop) -> None:
    """The command is killed while it waits to publish a table, since another session of the database holds it up."""
    (month,), name = small_shop.months, "customer_features"
    place = (name, f"{month}-01")
    with watched(small_shop) as new, EmbeddedPostgres(small_shop.home).running() as url:
        old_content, new_content = (small_shop.expected(which)[place] for which in (1 - new, new))
        with psycopg.connect(url) as other:
            other.execute(f"SELECT pg_advisory_lock(hashtextextended('insiders:{name}/{place[1]}', 0))")
            with command_at_work(small_shop, small_shop.files[new]) as (_, running):
                until(lambda: small_shop.current(place) == new_content, running.poll)
                running.kill()
                running.wait()
        assert in_warehouse(url)[place] == (old_content, old_content)
        assert hashes(small_shop.home)[month, name] == (UNPUBLISHED, new_content)
        said = insiders_here("run", "--home", small_shop.home)
        assert said.code == 0, said.err
        assert f" {name} " not in said.out  # not made again: what stood in the lake was published
        assert in_warehouse(url)[place] == (new_content, new_content)
    assert no_run_looks_alive(small_shop)


@pytest.fixture(scope="module")
def larger_shop(open_folder: Path) -> Iterator[Shop]:
    """Three months, and the second one is corrected, so that the third is due with it."""
    shop = make_shop(open_folder / "larger", months=3, which_is_corrected=1, another_home=True, pause=0.02)
    yield shop
    print(*sorted(shop.seen.items()), sep="\n")
    EmbeddedPostgres(shop.home).remove()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(30))
def test_readers_see_whole_months_whatever_is_killed_and_when(number: int, larger_shop: Shop) -> None:
    disturb(larger_shop, Moment.drawn(number, months=2))
