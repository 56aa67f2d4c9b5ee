"""Files that arrive by themselves: late, twice, corrected, cut off, deleted, or no invoices; in a bucket or a folder.

Nothing is lost, nothing counts twice, and one that cannot be used never keeps the others waiting.
"""

from __future__ import annotations

import datetime as dt
import gzip
import http.client
import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import dagster as dg
import pytest

from insiders_assets.assets.platform import open_platform
from insiders_assets.automation.jobs import LAND
from insiders_assets.automation.sensors import look_for_arrivals
from insiders_assets.contracts.lines import RAW_INVOICES
from insiders_assets.errors import InputError
from insiders_assets.operations.executing import Progress
from insiders_assets.operations.home import open_instance
from insiders_assets.operations.retiring import retire
from insiders_assets.operations.running import Wanted, catch_up, run
from insiders_assets.operations.status import NO_MONTHS, status
from insiders_assets.settings import Settings, load_settings
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.ledger import Ledger
from insiders_assets.storage.objects import BucketStore, ObjectStore, open_store
from insiders_tests.operations.shops import quick_folder
from insiders_tests.servers import S3

pytestmark = pytest.mark.usefixtures("plain_environment")

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
# January has closed and settled, February is open: files of February are landed, and no month has to be made.
IN_FEBRUARY, IN_APRIL = dt.date(2024, 2, 20), dt.date(2024, 4, 20)
QUIET = "already landed, unchanged"


@dataclass
class Shop:
    """A home that nobody gives files to; they are put into its landing zone."""

    settings: Settings
    zone: ObjectStore
    told: list[Progress] = field(default_factory=list)

    def put(self, name: str, content: bytes) -> None:
        self.zone.swap(name, lambda _: content)

    def catch_up(self, today: dt.date = IN_FEBRUARY, **settings: float) -> dict[str, str]:
        """What a sensor's run does; gives what it told of each file."""
        self.told.clear()
        catch_up(self.settings.model_copy(update=settings), today, self.told.append)
        self.settings = load_settings(self.settings.home)
        return {one.subject: one.outcome for one in self.told if one.asset == "landed_invoices"}

    def run(self, today: dt.date = IN_FEBRUARY) -> dict[str, str]:
        """What a person does who calls `insiders run`."""
        self.told.clear()
        self.settings = run(self.settings, Wanted(), today, self.told.append)
        return {one.subject: one.outcome for one in self.told if one.asset == "landed_invoices"}

    @property
    def ledger(self) -> Ledger:
        with open_platform(self.settings) as platform:
            return platform.ledger()

    def landed_lines(self, *keys: str) -> dict[str, int]:
        """Good lines of the versions of these files that count."""
        return {file.file_key: file.good_lines for file in self.ledger.live if file.file_key in keys}

    def lines(self, month: str) -> Counter[str]:
        """The invoice lines of a month that was made, by their number."""
        with open_platform(self.settings) as platform:
            read = platform.lake.dataset(RAW_INVOICES, [f"{month}-01"]).arrow(["invoice_no"])
        return Counter(read["invoice_no"].to_pylist())

    def made(self, asset: str) -> list[str]:
        """The months of which the last run made that asset."""
        return [one.subject for one in self.told if (one.asset, one.outcome) == (asset, "made")]

    def told_by_sql(self, key: str) -> list[tuple]:
        """What readers see of a file: lines, whether it counts, and why it was refused; oldest first."""
        statement = f"""
            SELECT l.good_lines, l.counts, l.refused FROM insiders.landing_ledger l
            JOIN insiders.landed_files f USING (file_version)
            WHERE f.file_key = '{key}' ORDER BY l.landed_at, l.counts"""
        with open_platform(self.settings) as platform:
            return platform.warehouse.query(statement).rows

    def hashes(self) -> dict[tuple[str, str], tuple[str, str]]:
        with open_platform(self.settings) as platform:
            found = [one for one in status(platform, IN_FEBRUARY) if one.state not in NO_MONTHS]
        return {(one.month, one.table): (one.state, one.content_hash) for one in found}

    def landings(self) -> Counter[str]:
        """How often a run has landed which file."""
        with open_instance(self.settings) as instance:
            runs = instance.get_runs(dg.RunsFilter(job_name=LAND, statuses=[dg.DagsterRunStatus.SUCCESS]))
        return Counter(run.tags["dagster/partition"].rpartition("@")[0] for run in runs)

    def sensor(self, cursor: str | None = None) -> dg.SensorResult:
        """What the sensor finds, with nothing in Dagster's history."""
        with (
            open_platform(self.settings) as platform,
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(instance=instance, cursor=cursor) as context,
        ):
            return look_for_arrivals(context, platform)


def line(number: int, month: int, day: int) -> str:
    return f"{500_000 + number},A1,MUG,{1 + number % 5},{month}/{day}/2024 8:26,1.50,1{number % 40:04},France"


def csv(*lines: str) -> bytes:
    return ("\n".join([HEADER, *lines]) + "\n").encode()


def numbers(*ranges: Sequence[int]) -> Counter[str]:
    return Counter(str(500_000 + number) for one in ranges for number in one)


JANUARY = csv(*(line(number, 1, 13 + number) for number in range(12)))


def of_february(number: int, lines: int = 3) -> bytes:
    return csv(*(line(number, 2, 13 + which % 15) for which in range(lines)))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with quick_folder() as made:
        yield made


@contextmanager
def opened(folder: Path, s3: S3 | None = None) -> Iterator[Shop]:
    """A home whose database stays up between the runs."""
    home = Path(tempfile.mkdtemp(dir=folder)) / "home"
    home.mkdir()
    home.parent.chmod(0o755)
    words = ["min_clusterable = 1000", "quiet_seconds = 0"]
    if s3:
        prefix = uuid.uuid4().hex
        words += [f's3_endpoint = "{s3.endpoint}"']
        words += [f'{name} = "{s3.location(f"{prefix}/{name}")}"' for name in ("landing", "lake")]
    (home / "insiders.toml").write_text("\n".join(words) + "\n", "utf-8")
    settings = load_settings(home)
    with EmbeddedPostgres(home).running():
        yield Shop(settings, open_store(settings.landing_location, settings.s3_endpoint))


@pytest.fixture(scope="module")
def bucket(folder: Path, s3: S3) -> Iterator[Shop]:
    """Landing zone and lake in a bucket; January stands."""
    with opened(folder, s3) as shop:
        shop.put("january.csv", JANUARY)
        shop.catch_up()
        assert shop.lines("2024-01") == numbers(range(12))
        yield shop


# -- many, and again


@pytest.mark.parametrize("many", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_files_of_the_same_second_are_all_landed_in_one_go_and_each_once(bucket: Shop, many: int) -> None:
    names = [f"same-second-{many}/{number:03}.csv" for number in range(many)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: bucket.put(name, of_february(int(name[-7:-4]))), names))
    told = bucket.catch_up()
    assert told == dict.fromkeys(names, "3 good lines")
    assert bucket.landed_lines(*names) == dict.fromkeys(names, 3)
    assert bucket.catch_up() == {}
    assert {name: times for name, times in bucket.landings().items() if name in names} == dict.fromkeys(names, 1)


def test_the_same_bytes_under_a_new_etag_are_not_landed_again(bucket: Shop) -> None:
    bucket.put("twice.csv", of_february(1))
    bucket.catch_up()
    before = bucket.zone.stat("twice.csv")
    upload_in_parts(bucket.zone, "twice.csv", of_february(1))
    after = bucket.zone.stat("twice.csv")
    assert before
    assert after
    assert before.etag != after.etag
    assert bucket.catch_up() == {"twice.csv": QUIET}
    assert bucket.catch_up() == {}  # the new ETag is known now, so that the content need not be read again
    assert bucket.landings()["twice.csv"] == 1
    assert bucket.told_by_sql("twice.csv") == [(3, True, None)]


def upload_in_parts(zone: ObjectStore, name: str, content: bytes) -> None:
    """As tools upload what is large: its ETag is not that of a plain upload."""
    assert isinstance(zone, BucketStore)
    place = {"Bucket": zone.bucket, "Key": f"{zone.prefix}/{name}"}
    upload = {**place, "UploadId": zone.client.create_multipart_upload(**place)["UploadId"]}
    part = zone.client.upload_part(**upload, PartNumber=1, Body=content)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    zone.client.complete_multipart_upload(**upload, MultipartUpload=parts)


# -- cut off


def test_an_object_that_was_written_just_now_is_left_for_the_next_time(bucket: Shop) -> None:
    bucket.put("young.csv", of_february(2))
    assert bucket.catch_up(quiet_seconds=3600) == {"young.csv": "is still arriving; left for the next time"}
    assert bucket.landed_lines("young.csv") == {}
    assert bucket.catch_up() == {"young.csv": "3 good lines"}


def test_a_file_that_was_cut_off_is_replaced_once_it_is_whole(bucket: Shop) -> None:
    whole = of_february(3, lines=60)
    cut, packed = whole[: len(whole) * 3 // 4], gzip.compress(whole, mtime=0)
    bucket.put("cut.csv", cut)
    bucket.put("cut.csv.gz", packed[: len(packed) // 2])
    told = bucket.catch_up()
    assert "in quarantine" in told["cut.csv"]
    assert told["cut.csv.gz"].startswith("refused: ")
    assert "cut off" in told["cut.csv.gz"]
    assert 40 < bucket.landed_lines("cut.csv")["cut.csv"] < 50
    bucket.put("cut.csv", whole)
    bucket.put("cut.csv.gz", packed)
    bucket.catch_up()
    assert bucket.landed_lines("cut.csv", "cut.csv.gz") == {"cut.csv": 60, "cut.csv.gz": 60}
    assert [counts for _, counts, _ in bucket.told_by_sql("cut.csv")] == [False, True]
    assert [counts for _, counts, _ in bucket.told_by_sql("cut.csv.gz")] == [False, True]


# -- what cannot be used


WRONG = ["notes.txt", "bell\x07.csv", "and so on....csv", f"{'long' * 70}.csv"]


def test_objects_with_wrong_names_are_refused_with_a_reason_and_the_others_go_on(bucket: Shop) -> None:
    for name in [*WRONG, "right.csv"]:
        bucket.put(name, of_february(4))
    told = bucket.catch_up()
    assert told.pop("right.csv") == "3 good lines"
    assert set(told) == set(WRONG)
    assert all(outcome.startswith("refused: ") for outcome in told.values())
    for name in WRONG:
        ((lines, counts, refused),) = bucket.told_by_sql(name)
        assert (lines, counts) == (0, False)
        assert "cannot be landed" in refused
    assert bucket.catch_up() == {}
    assert bucket.run() == {}  # a name is not better the next time


def test_a_file_with_too_many_bad_lines_is_refused_with_the_ten_commonest_reasons(bucket: Shop) -> None:
    good = [line(5, 2, 13) for _ in range(50)]
    # A line too short by one field stands there twelve times, one too long by six only once.
    fields = [7, 6, 5, 4, 3, 2, 9, 10, 11, 12, 13, 14]
    bad = [",".join(["x"] * wide) for times, wide in zip(range(12, 0, -1), fields, strict=True) for _ in range(times)]
    bucket.put("bad.csv", csv(*good, *bad))
    bucket.put("beside it.csv", of_february(6))
    told = bucket.catch_up()
    assert told["beside it.csv"] == "3 good lines"
    ((lines, counts, refused),) = bucket.told_by_sql("bad.csv")
    assert (lines, counts) == (0, False)
    assert "78 of 128 lines cannot be used (61%; at most 5% is accepted)" in refused
    assert told["bad.csv"] == f"refused: {refused}"
    assert [f"({times})" in refused for times in range(12, 0, -1)] == [True] * 10 + [False] * 2
    assert bucket.catch_up() == {}
    assert bucket.run() == {}
    # The layout may have been described since, or more bad lines be accepted, as here.
    assert bucket.catch_up(max_quarantined_share=0.7)["bad.csv"].startswith("50 good lines, 78 in quarantine")


def test_a_correction_that_cannot_be_used_leaves_what_counts(bucket: Shop) -> None:
    bucket.put("corrected.csv", of_february(7))
    bucket.catch_up()
    bucket.put("corrected.csv", b"<html>Service unavailable</html>")
    assert bucket.catch_up()["corrected.csv"].startswith("refused: ")
    assert bucket.landed_lines("corrected.csv") == {"corrected.csv": 3}
    assert [counts for _, counts, _ in bucket.told_by_sql("corrected.csv")].count(True) == 1


# -- more keys than S3 lists at once


def put_plainly(zone: ObjectStore, names: Sequence[str], content: bytes) -> None:
    """Many objects without the time that boto3 takes."""
    assert isinstance(zone, BucketStore)
    server = urlsplit(zone.endpoint or "")

    def put(some: Sequence[str]) -> None:
        connection = http.client.HTTPConnection(server.hostname or "", server.port)
        for name in some:
            connection.request("PUT", quote(f"/{zone.root}/{name}"), content)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(put, (names[::2], names[1::2])))


@pytest.mark.parametrize("keys", [60, pytest.param(1_500, marks=pytest.mark.slow)])
def test_among_many_keys_every_file_is_found_and_no_cursor_matters(keys: int, bucket: Shop) -> None:
    before = len(bucket.zone.entries())
    junk = [f"many/{number:04}.txt" for number in range(keys - 3)]
    files = ["a first.csv", f"many/{keys - 10:04}.csv", "z last.csv"]
    put_plainly(bucket.zone, junk, b"no invoices")
    for number, name in enumerate(files):
        bucket.put(name, of_february(100 + number))
    (request,) = bucket.sensor().run_requests or []
    assert request.tags["insiders/why"] == f"{keys} arrived: a first.csv, …"
    told = bucket.catch_up()
    assert set(told) == {*junk, *files}
    assert bucket.landed_lines(*files) == dict.fromkeys(files, 3)
    with open_platform(bucket.settings) as platform:
        refused = platform.warehouse.query("SELECT count(*) FROM insiders.landed_files WHERE refused LIKE 'many/%'")
    assert refused.rows == [(keys - 3,)]
    assert f"Nothing new among {before + keys} objects" in str(bucket.sensor().skip_reason)
    bucket.put("many/0000.csv", of_february(103))
    for cursor in (None, "long/gone.csv"):
        assert len(bucket.sensor(cursor).run_requests or []) == 1
    bucket.zone.remove(junk)
    assert len(bucket.zone.entries()) == before + 4
    assert bucket.catch_up() == {"many/0000.csv": "3 good lines"}


# -- months that are due again


@pytest.mark.parametrize("place", ["folder", pytest.param("s3", marks=pytest.mark.slow)])
def test_a_rewrite_a_deletion_and_a_retirement_make_due_exactly_the_months_they_touch(
    folder: Path, place: str, request: pytest.FixtureRequest
) -> None:
    base = [line(number, 1 + number // 10, 13 + number % 10) for number in range(30)]
    in_february = [line(number, 2, 20) for number in range(100, 105)]
    in_march = [line(number, 3, 20) for number in range(200, 205)]
    with opened(folder, request.getfixturevalue("s3") if place == "s3" else None) as shop:
        shop.put("base.csv", csv(*base))
        shop.put("extra.csv", csv(*in_february))
        shop.catch_up(IN_APRIL)
        assert shop.made("raw_invoices") == ["2024-01", "2024-02", "2024-03"]
        assert shop.lines("2024-02") == numbers(range(10, 20), range(100, 105))

        shop.put("extra.csv", csv(*in_march))
        assert shop.catch_up(IN_APRIL) == {"extra.csv": "5 good lines; replaces the 5 of its earlier version"}
        assert shop.made("raw_invoices") == ["2024-02", "2024-03"]
        assert shop.lines("2024-01") == numbers(range(10))
        assert shop.lines("2024-02") == numbers(range(10, 20))
        assert shop.lines("2024-03") == numbers(range(20, 30), range(200, 205))

        stood = shop.hashes()
        shop.zone.remove(["extra.csv"])
        assert shop.catch_up(IN_APRIL) == {}
        assert shop.hashes() == stood
        assert shop.lines("2024-03") == numbers(range(20, 30), range(200, 205))

        with open_platform(shop.settings) as platform:
            retire(platform, "extra.csv")
            with pytest.raises(InputError, match=r"No landed file called extra\.csv counts"):
                retire(platform, "extra.csv")
        shop.catch_up(IN_APRIL)
        assert shop.made("raw_invoices") == ["2024-03"]
        assert shop.lines("2024-03") == numbers(range(20, 30))
        assert [counts for _, counts, _ in shop.told_by_sql("extra.csv")] == [False, False]

        shop.put("extra.csv", csv(*in_march))  # the same bytes once more: retired is retired
        shop.catch_up(IN_APRIL)
        assert shop.made("raw_invoices") == []


def test_files_that_overlap_give_the_same_month_in_whatever_order_they_come(folder: Path) -> None:
    """Nine days stand in both; a line that is twice in one file counts twice, as often as the file with most has it."""
    first = [*(line(number, 1, 1 + number) for number in range(20)), line(14, 1, 15)]
    second = [line(number, 1, 1 + number) for number in range(11, 31)]
    files = {"first.csv": csv(*first), "second.csv": csv(*second)}
    found = []
    for order in (["first.csv", "second.csv"], ["second.csv", "first.csv"]):
        with opened(folder) as shop:
            shop.put(order[0], files[order[0]])
            shop.catch_up(dt.date(2024, 1, 25))  # landed, though its month has not closed
            assert "They are kept" in shop.told[-1].outcome
            shop.put(order[1], files[order[1]])
            shop.catch_up()
            assert shop.lines("2024-01") == numbers(range(31), [14])
            found.append(shop.hashes())
    assert found[0] == found[1]
    assert {state for state, _ in found[0].values()} == {"stands"}


def test_in_a_folder_names_that_are_no_text_and_files_that_go_are_no_trouble(folder: Path) -> None:
    with opened(folder) as shop:
        root = Path(shop.settings.landing_location)
        (root / "till 1").mkdir(parents=True)
        (root / "till 1" / "january.csv").write_bytes(JANUARY)
        odd = root / os.fsdecode(b"\xff\xfe.csv")
        odd.write_bytes(JANUARY)
        told = shop.catch_up()
        assert told["till 1/january.csv"] == "12 good lines"
        assert told[odd.name].startswith("refused: ")
        assert shop.catch_up() == {}
        assert shop.lines("2024-01") == numbers(range(12))

        os.utime(root / "till 1" / "january.csv")
        assert shop.catch_up() == {"till 1/january.csv": QUIET}
        (root / "till 1" / "january.csv").unlink()
        assert shop.catch_up() == {}
        assert shop.hashes()[("2024-01", "raw_invoices")][0] == "stands"
        assert shop.landings() == Counter({"till 1/january.csv": 1})
