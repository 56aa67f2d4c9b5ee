"""Bad days: what breaks, what comes back by itself, and that the rows are right at the end.

Every scenario ends with the same question: are the months, to the content hash, those of an undisturbed home?
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from insiders_assets.operations.status import STANDS
from insiders_assets.sample import ShopParameters, write_shop
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_tests.command import COMMAND, environment, insiders
from insiders_tests.deploy.production import DAEMON, NEEDED, QUICK, Box, box_of, proxy, start_everything
from insiders_tests.servers import S3

pytestmark = [
    pytest.mark.slow,
    *NEEDED,
    pytest.mark.timeout(3600),
]
MONTHS = 6
SHOP = ShopParameters(first_month=dt.date(2024, 1, 1), months=MONTHS, customers=120, articles=100, seed=3)
SETTINGS = {**QUICK, "INSIDERS_LAST_MONTH": "2024-06", "INSIDERS_SENSOR_SECONDS": "2"}
RUNS = "{ runsOrError { ... on Runs { results { id jobName status } } } }"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
MINUTE = 60
SMALL_DISK = 64 * 1024 * 1024

Hashes = dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def files(open_folder: Path) -> list[Path]:
    """A file a month."""
    return write_shop(SHOP, open_folder / "drill-files", files="month")


@pytest.fixture(scope="module")
def undisturbed(open_folder: Path, files: list[Path]) -> Iterator[Hashes]:
    """The months of a laptop's home that was left in peace."""
    home = open_folder / "peace"
    command = [*COMMAND, "run", "--home", home, "--data", *files]
    subprocess.run(command, env=environment(**SETTINGS), check=True, capture_output=True, timeout=1200)
    done = insiders("status", "--json", "--home", home, **SETTINGS)
    yield {(row["month"], row["table"]): row["content_hash"] for row in json.loads(done.out)}
    EmbeddedPostgres(home).remove()


@pytest.fixture(scope="module")
def disk(open_folder: Path) -> Iterator[Path]:
    """A small disk of its own, for Dagster's folder; a plain folder where nothing can be mounted."""
    place = open_folder / "small-disk"
    place.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", place], check=False
        ).returncode
    )
    yield place
    if mounted:
        subprocess.run(["umount", "-l", place], check=False)


@pytest.fixture(scope="module")
def box(open_folder: Path, s3: S3, disk: Path, undisturbed: Hashes) -> Iterator[Box]:
    assert undisturbed  # made before anything else runs beside it
    folder = Path(tempfile.mkdtemp(dir=open_folder))
    folder.chmod(0o755)
    with box_of(folder, s3, **SETTINGS, DAGSTER_HOME=str(folder / "home" / "dagster")) as made:
        shutil.rmtree(made.home / "dagster")
        (made.home / "dagster").symlink_to(disk)
        start_everything(made)
        with proxy(made):
            yield made


def hashes(box: Box) -> Hashes:
    """Of what stands, by month and table."""
    return {(row["month"], row["table"]): row["content_hash"] for row in box.status() if row["state"] == STANDS}


def expected(undisturbed: Hashes, months: int) -> Hashes:
    """The months that can be there when the files of so many have landed."""
    return {key: found for key, found in undisturbed.items() if key[0] <= f"2024-{months:02}"}


def has_come_back(box: Box, undisturbed: Hashes, months: int) -> bool:
    found = hashes(box)
    return all(found.get(key) == content for key, content in expected(undisturbed, months).items())


def runs(box: Box) -> list[dict[str, str]]:
    return box.graphql(RUNS)["runsOrError"]["results"]


def a_run_is_under_way(box: Box) -> bool:
    return any(run["status"] == "STARTED" and run["jobName"] == "catch_up" for run in runs(box))


def nothing_runs(box: Box) -> bool:
    return all(run["status"] in ENDED for run in runs(box))


def settle(box: Box, undisturbed: Hashes, months: int, seconds: float = 600) -> None:
    def settled() -> bool:
        return nothing_runs(box) and has_come_back(box, undisturbed, months)

    box.wait_until(settled, f"{months} months stand as in the undisturbed home", seconds=seconds)


def test_the_daemon_is_killed_in_a_run_the_run_goes_on_and_the_next_file_is_seen(
    box: Box, files: list[Path], undisturbed: Hashes
) -> None:
    box.land(files[0])
    box.wait_until(lambda: a_run_is_under_way(box), "a run is under way")
    (running,) = [run["id"] for run in runs(box) if run["status"] == "STARTED" and run["jobName"] == "catch_up"]
    box.kill(DAEMON)
    box.wait_until(lambda: nothing_runs(box), "the run ends without the daemon")
    assert {run["id"]: run["status"] for run in runs(box)}[running] == "SUCCESS"
    box.start(DAEMON)
    box.land(files[1])
    settle(box, undisturbed, 2)


def test_the_code_server_is_killed_in_a_run_which_is_closed_told_and_started_again(
    box: Box, files: list[Path], undisturbed: Hashes
) -> None:
    box.land(files[2])
    box.wait_until(lambda: a_run_is_under_way(box), "a run is under way")
    (running,) = [run["id"] for run in runs(box) if run["status"] == "STARTED" and run["jobName"] == "catch_up"]
    box.kill("insiders-code")
    # systemd stops the daemon with it (Requires=) and starts both again.
    box.stop(DAEMON)
    box.start("insiders-code")
    assert {run["id"]: run["status"] for run in runs(box)}[running] == "FAILURE"
    box.start(DAEMON)
    settle(box, undisturbed, 3)
    box.wait_until(
        lambda: any(running in text for _, text in box.subscriber.heard()), "a notice names the run", seconds=90
    )


def test_the_database_is_away_for_a_minute_and_everything_comes_back(
    box: Box, files: list[Path], undisturbed: Hashes
) -> None:
    box.land(files[3])
    box.wait_until(lambda: a_run_is_under_way(box), "a run is under way")
    box.database.stop()
    time.sleep(MINUTE)
    box.database.start()
    settle(box, undisturbed, 4, seconds=900)
    assert box.processes[DAEMON].poll() is None
    assert box.processes["insiders-code"].poll() is None
    assert box.processes["insiders-web"].poll() is None


def test_a_full_disk_under_dagsters_folder_costs_logs_and_no_rows(
    box: Box, disk: Path, files: list[Path], undisturbed: Hashes
) -> None:
    if not os.path.ismount(disk):
        pytest.skip("no disk of its own can be mounted by this user")
    ballast = disk / "ballast"
    with ballast.open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"\0" * 1024 * 1024)
            file.flush()
    box.land(files[4])
    try:
        box.wait_until(lambda: len(runs(box)) > 0 and nothing_runs(box), "whatever runs has ended")
    finally:
        ballast.unlink()
    settle(box, undisturbed, 5, seconds=900)


def test_yesterdays_database_is_restored_over_todays_bucket_and_catches_up(
    box: Box, files: list[Path], undisturbed: Hashes
) -> None:
    for file in files[:5]:
        box.land(file)
    settle(box, undisturbed, 5)
    as_master = box.database.as_master()
    programs = box.database.programs
    dumps = {name: box.folder / f"{name}.dump" for name in ("insiders", "dagster")}
    for name, place in dumps.items():
        subprocess.run([programs / "pg_dump", "-Fc", "-f", place, name], env=as_master, check=True)
    box.land(files[5])
    settle(box, undisturbed, 6)
    for unit in (DAEMON, "insiders-web-readonly", "insiders-web", "insiders-code"):
        box.stop(unit)
    for name, place in dumps.items():
        restore = [programs / "pg_restore", "--clean", "--if-exists", "-d", name, place]
        subprocess.run(restore, env=as_master, check=True)
    with psycopg.connect(box.database.url("insiders", "", "insiders")) as connection:
        (last,) = connection.execute("SELECT max(month) FROM insiders.report_facts").fetchone()
    assert last == dt.date(2024, 5, 1)
    states = {row["state"] for row in box.status()}
    assert states != {STANDS}
    start_everything(box, ("insiders-migrate", "insiders-code", "insiders-web", "insiders-web-readonly", DAEMON))
    settle(box, undisturbed, 6, seconds=900)
    with psycopg.connect(box.database.url("insiders", "", "insiders")) as connection:
        (last,) = connection.execute("SELECT max(month) FROM insiders.report_facts").fetchone()
    assert last == dt.date(2024, 6, 1)


def test_a_stop_waits_for_the_run_that_is_under_way(box: Box, undisturbed: Hashes) -> None:
    launch = """mutation { launchRun(executionParams: {mode: "default", runConfigData: {}, selector: {
        repositoryLocationName: "insiders", repositoryName: "__repository__", pipelineName: "catch_up"}}) {
        __typename ... on LaunchRunSuccess { run { id } } } }"""
    started = box.graphql(launch)["launchRun"]["run"]["id"]
    box.wait_until(lambda: a_run_is_under_way(box), "the run is under way")
    box.stop(DAEMON)
    said = box.stop("insiders-code", seconds=300)
    assert started in said
    assert {run["id"]: run["status"] for run in runs(box)}[started] == "SUCCESS"
    start_everything(box, ("insiders-code", DAEMON))
    settle(box, undisturbed, MONTHS)
