"""Files that arrive in a bucket while `insiders serve` runs: every month gets its report, and nobody lends a hand.

The months are the same, to the content hash, as those of one file with all lines in another home.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.operations.status import STANDS
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.lake import Lake
from insiders_assets.storage.ledger import read_ledger
from insiders_assets.storage.objects import open_store
from insiders_tests.command import COMMAND, Hashes, environment, shop_files
from insiders_tests.command import hashes as hashes_by_status
from insiders_tests.servers import S3, free_port
from insiders_tests.web_page import Page, page_of

SECONDS_BETWEEN_LOOKS = 2
NO_SEGMENTS = "min_clusterable = 1000"  # the whole way without UMAP and TensorFlow
RUNS = "{ runsOrError { ... on Runs { results { jobName status tags { key value } } } } }"
UNFINISHED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")


class Bucket:
    """The landing zone and the lake of a home, as those see them who only have the bucket."""

    def __init__(self, s3: S3):
        self.endpoint = s3.endpoint
        prefix = uuid.uuid4().hex
        self.landing, self.lake = s3.location(f"{prefix}/landing"), s3.location(f"{prefix}/lake")

    @property
    def settings(self) -> list[str]:
        return [f'landing = "{self.landing}"', f'lake = "{self.lake}"', f's3_endpoint = "{self.endpoint}"']

    def put(self, file: Path) -> None:
        content = file.read_bytes()
        open_store(self.landing, self.endpoint).swap(file.name, lambda _: content)

    def has_landed(self, *files: Path) -> bool:
        live = {file.file_key for file in read_ledger(Lake(open_store(self.lake, self.endpoint))).live}
        return {file.name for file in files} <= live

    def has_report(self, month: str) -> bool:
        table = MONTHLY_TABLES["insiders_report"].name
        return f"{month}-01" in Lake(open_store(self.lake, self.endpoint)).scopes(table)


@pytest.fixture
def make_home(open_folder: Path) -> Iterator[Callable[..., Path]]:
    """Homes with these lines of settings; their databases are gone at the end."""
    made: list[Path] = []

    def make(*lines: str) -> Path:
        parent = Path(tempfile.mkdtemp(dir=open_folder))
        parent.chmod(0o755)
        made.append(parent / "home")
        made[-1].mkdir()
        (made[-1] / "insiders.toml").write_text("\n".join(lines) + "\n", "utf-8")
        return made[-1]

    yield make
    for home in made:
        EmbeddedPostgres(home).remove()


def serving_home(make_home: Callable[..., Path], bucket: Bucket, *lines: str) -> Path:
    """A home whose sensors look often, at objects that were not written just now."""
    often = (f"sensor_seconds = {SECONDS_BETWEEN_LOOKS}", f"quiet_seconds = {SECONDS_BETWEEN_LOOKS}")
    return make_home(*bucket.settings, *often, *lines)


def until(happened: Callable[[], bool], what: str, seconds: float, page: Page) -> None:
    """Wait, and do nothing else."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert page.process.poll() is None, "insiders serve has ended"
        assert time.monotonic() < deadline, f"{what} after {seconds} s; runs: {runs(page)}"
        time.sleep(0.5)


def runs(page: Page) -> Counter[tuple[str, str]]:
    """How many runs of each job ended (or stand) how."""
    return Counter((run["jobName"], run["status"]) for run in page.ask(RUNS)["runsOrError"]["results"])


def is_idle(page: Page) -> bool:
    return not any(status in UNFINISHED for _, status in runs(page))


def landed_and_run(home: Path, file: Path, seconds: float) -> Hashes:
    """One landing of all lines, and every month brought up by one command."""
    command = [*COMMAND, "run", "--home", str(home), "--data", str(file)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return hashes_by_status(home)


def one_file(files: Sequence[Path], target: Path) -> Path:
    """The lines of csv files with the same header."""
    texts = [file.read_text("utf-8") for file in files]
    header = texts[0].split("\n", 1)[0]
    target.write_text("\n".join([header, *(text.split("\n", 1)[1].rstrip("\n") for text in texts)]) + "\n", "utf-8")
    return target


def by_month(file: Path, folder: Path) -> list[Path]:
    """The real file's lines, a Parquet file for each calendar month, in their order."""
    lines = pq.read_table(file)
    months = pc.strftime(lines["InvoiceDate"], format="%Y-%m")
    written = []
    for month in sorted(pc.unique(months).to_pylist()):
        written.append(folder / f"online-retail-{month}.parquet")
        pq.write_table(lines.filter(pc.equal(months, pa.scalar(month))), written[-1])
    return written


# Its small form is the month that lands in production (insiders_tests/deploy/test_production.py).
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_months_that_arrive_while_it_is_served_get_their_reports(
    make_home: Callable[..., Path], s3: S3, tmp_path: Path
) -> None:
    files, bucket = shop_files(tmp_path / "shop"), Bucket(s3)
    home = serving_home(make_home, bucket, NO_SEGMENTS)
    with page_of(home, free_port()) as page:
        bucket.put(files[0])
        until(lambda: bucket.has_landed(files[0]), "the first file has not landed", 240, page)
        for file in files[1:]:  # while the first month is being made
            bucket.put(file)
        until(lambda: bucket.has_report("2024-03"), "the last month has no report", 480, page)
        until(lambda: is_idle(page), "a run goes on", 180, page)
        told = runs(page)
        served = hashes_by_status(home)
    assert set(served.values()) == {(STANDS, content) for _, content in served.values()}
    assert served == landed_and_run(make_home(NO_SEGMENTS), one_file(files, tmp_path / "whole.csv"), 480)
    assert {status for _, status in told} == {"SUCCESS"}
    # Each file once, each month once; the two files that came together in one go.
    assert (told["land", "SUCCESS"], told["monthly", "SUCCESS"]) == (3, 3)
    assert told["catch_up", "SUCCESS"] in (2, 3)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.timeout(7200)
def test_the_real_file_month_by_month_through_the_daemon_gives_what_the_whole_file_gives(
    make_home: Callable[..., Path],
    s3: S3,
    tmp_path: Path,
    real_data: Path,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    files, bucket = by_month(real_data, tmp_path), Bucket(s3)
    assert len(files) == 13
    home, other = serving_home(make_home, bucket), make_home()
    cache = getattr(pytestconfig, "cache", None)
    compiled = Path(cache.mkdir("numba")) if cache else tmp_path / "numba"
    for one in (home, other):
        (one / "numba").symlink_to(compiled)
    expected = landed_and_run(other, real_data, 2400)
    started = time.monotonic()
    with page_of(home, free_port()) as page:
        for file in files:
            bucket.put(file)
            month = file.stem[-7:]
            until(lambda month=month: bucket.has_report(month), f"{month} has no report", 600, page)
        until(lambda: is_idle(page), "a run goes on", 120, page)
        told = runs(page)
        served = hashes_by_status(home)
    record_property("seconds", round(time.monotonic() - started))
    assert {month for month, _ in served} == {file.stem[-7:] for file in files}
    different = {place for place in served if served[place] != expected[place]}
    assert different == set(), json.dumps(sorted(different))
    assert {state for state, _ in served.values()} == {STANDS}
    assert {status for _, status in told} == {"SUCCESS"}
    assert (told["land", "SUCCESS"], told["monthly", "SUCCESS"]) == (13, 13)
