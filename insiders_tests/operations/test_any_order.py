"""Months made in any order, two at a time, many in one run or in another decade have the same content.

Two shops: one with segments (forest, UMAP, clusters, network), and one too small for them, where that says enough.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest

from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.definitions import build_definitions
from insiders_assets.errors import MissingMonthError
from insiders_assets.operations.home import open_instance
from insiders_assets.sample import ShopParameters, write_shop
from insiders_tests.command import environment
from insiders_tests.operations import shops
from insiders_tests.operations.shops import Hashes, Home, Rows, as_if_at, lines_of, moved, new_home, write_lines
from insiders_tests.servers import tcp_postgres

pytestmark = pytest.mark.usefixtures("plain_environment")

SEGMENTED = ShopParameters(dt.date(2024, 1, 1), 3, 90, seed=3, articles=60, invoices_per_month=1.5)
# Long enough for the network that forecasts, whose training takes the most time.
LONGER = replace(SEGMENTED, months=7)
PLAIN = ShopParameters(dt.date(2024, 1, 1), 3, 60, seed=3, articles=60)
MONTHS = [f"2024-{month:02d}-01" for month in range(1, 8)]
FIRST, SECOND, THIRD, FOURTH = MONTHS[:4]
SHUFFLED = [MONTHS[place] for place in (2, 6, 0, 3, 5, 1, 4)]
ANOTHER_DECADE = dt.datetime(2041, 7, 9, 23, 58, tzinfo=dt.UTC)
WINDOWED = ("raw_invoices", "customer_features")
SECONDS = 300


@dataclass(frozen=True)
class Built:
    """A home in which every month was made, oldest first, and what came of it."""

    home: Home
    months: list[str]
    hashes: Hashes
    rows: Rows

    def is_as_it_was(self) -> bool:
        """Whether every table of its months has the content that it had, for readers too."""
        assert self.home.hashes(*self.months) == self.hashes
        rows, until = self.home.published_rows(), dt.date.fromisoformat(self.months[-1])
        for name in rows.keys() - {"month_files"}:  # which names the file version; its hash does not
            assert [row for row in rows[name] if row[0] <= until] == self.rows[name], name
        return True


def built(home: Home, files: Sequence[Path]) -> Built:
    home.run(*files)
    assert home.stands()
    hashes, months = home.hashes(), MONTHS[: len(files)]
    assert set(hashes) == {(month[:7], table.name) for month in months for table in MONTHLY_TABLES.values()}
    return Built(home, months, hashes, home.published_rows())


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with shops.quick_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def compiled(pytestconfig: pytest.Config) -> Path:
    return shops.compiled_by_numba(pytestconfig)


@pytest.fixture(scope="module")
def server(open_folder: Path) -> Iterator[str]:
    with tcp_postgres(open_folder / "any-order") as url:
        yield url


@pytest.fixture(scope="module")
def plain_files(folder: Path) -> list[Path]:
    return write_shop(PLAIN, folder / "plain-files", files="month")


@pytest.fixture(scope="module")
def segmented(folder: Path, server: str, compiled: Path) -> Built:
    files = write_shop(SEGMENTED, folder / "segmented-files", files="month")
    return built(new_home(folder, server, compiled, min_clusterable=20), files)


@pytest.fixture(scope="module")
def longer(folder: Path, server: str, compiled: Path) -> Built:
    files = write_shop(LONGER, folder / "longer-files", files="month")
    return built(new_home(folder, server, compiled, min_clusterable=20), files)


@pytest.fixture(scope="module")
def plain(folder: Path, server: str, plain_files: list[Path]) -> Built:
    return built(new_home(folder, server), plain_files)


@pytest.fixture(scope="module")
def with_holes(folder: Path, server: str, plain_files: list[Path]) -> Home:
    """The files of the first and the third month are landed, of four that can exist; no month is made."""
    home = new_home(folder, server, first_month="2024-01", last_month="2024-04")
    home.land(plain_files[0], plain_files[2])
    return home


# -- with segments


def segmented_customers(home: Home) -> list[int]:
    """How many customers have a segment, month by month."""
    query = "SELECT count(cluster_rank) FROM insiders.cluster_labels GROUP BY month ORDER BY month"
    return [count for (count,) in home.sql(query)]


@pytest.mark.slow
def test_there_are_segments_to_compare(segmented: Built) -> None:
    counts = segmented_customers(segmented.home)
    assert len(counts) == len(segmented.months)
    assert all(count >= 20 for count in counts)


@pytest.mark.slow
def test_shuffled_months_have_the_same_content(segmented: Built) -> None:
    segmented.home.make(THIRD, FIRST, SECOND)
    assert segmented.home.made() == {(month[:7], asset) for month in segmented.months for asset in MONTHLY_TABLES}
    assert segmented.is_as_it_was()


@pytest.mark.slow
def test_shuffled_months_with_a_network_have_the_same_content(longer: Built) -> None:
    (forecast,) = longer.home.sql(
        "SELECT count(net_revenue) FROM insiders.forecast_origins WHERE model = 'network' AND month = '2024-07-01'"
    )
    assert forecast[0] > 0
    longer.home.make(*SHUFFLED)
    assert longer.home.made() == {(month[:7], asset) for month in SHUFFLED for asset in MONTHLY_TABLES}
    assert longer.is_as_it_was()


MAKING = """
import sys
from pathlib import Path
from insiders_assets.automation.jobs import MONTHLY
from insiders_assets.operations.executing import execute
from insiders_assets.operations.home import open_instance, prepare_home
from insiders_assets.settings import load_settings
home, *months = sys.argv[1:]
settings = load_settings(Path(home))
prepare_home(settings)
with open_instance(settings) as instance:
    for month in months:
        execute(settings, instance, MONTHLY, month, lambda progress: print(month, progress.asset, progress.outcome))
"""


# Every process loads UMAP anew, which takes longer than all the months.
@pytest.mark.parametrize("shop", ["plain", pytest.param("segmented", marks=pytest.mark.slow)])
def test_months_two_at_a_time_have_the_same_content(shop: str, request: pytest.FixtureRequest) -> None:
    there: Built = request.getfixturevalue(shop)
    orders = [(THIRD, FIRST), (SECOND,)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", MAKING, there.home.folder, *order],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for order in orders
    ]
    for process, order in zip(running, orders, strict=True):
        out, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, err
        for month in order:
            assert f"{month} insiders_report made" in out
        assert "failed" not in out
    assert there.is_as_it_was()


# -- without segments, which is quicker


def stands_in_another_decade(home: Home, files: Sequence[Path], expected: Built, **words: str) -> None:
    """A whole first run, from the files to the reports, with the clock in another decade and passing midnight."""
    done = subprocess.run(
        as_if_at(ANOTHER_DECADE, "run", "--home", home.folder, "--data", *files, **words),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    there = Home(shops.load_settings(home.folder))
    manifests = [json.loads(path.read_text()) for path in (home.folder / "lake/manifests").rglob("2024-*.json")]
    # Its clock was there indeed, for everything that the lake has dated.
    assert {version["recorded_at"][:6] for one in manifests for version in one["versions"]} == {"2041-0"}
    assert {file.landed_at[:4] for file in there.ledger().files} == {"2041"}
    assert there.hashes() == expected.hashes
    assert there.published_rows() == expected.rows


def test_the_wall_clock_has_no_influence(plain: Built, plain_files: list[Path], folder: Path, server: str) -> None:
    stands_in_another_decade(new_home(folder, server), plain_files, plain)


@pytest.mark.slow
def test_the_wall_clock_has_no_influence_on_segments_and_network(
    longer: Built, folder: Path, server: str, compiled: Path
) -> None:
    home = new_home(folder, server, compiled, min_clusterable=20)
    files = sorted((folder / "longer-files").glob("*.csv"))
    stands_in_another_decade(home, files, longer, imports="sklearn, tensorflow, umap")


@pytest.mark.parametrize(
    "order",
    [
        pytest.param((FIRST, SECOND, THIRD), id="forwards", marks=pytest.mark.slow),
        pytest.param((THIRD, SECOND, FIRST), id="backwards"),
    ],
)
def test_months_made_again_have_the_same_content(order: tuple[str, ...], plain: Built) -> None:
    versions = plain.home.versions()
    plain.home.make(*order)
    assert plain.home.made() == {(month[:7], asset) for month in plain.months for asset in MONTHLY_TABLES}
    assert plain.is_as_it_was()
    assert plain.home.versions() == versions


def in_one_run(home: Home, first: str, last: str) -> dg.ExecuteInProcessResult:
    """The run that a backfill of both assets becomes: one for the whole range of months."""
    job = build_definitions(home.settings).resolve_implicit_global_asset_job_def()
    with open_instance(home.settings) as instance:
        return job.execute_in_process(
            asset_selection=[dg.AssetKey(asset) for asset in WINDOWED],
            tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
            instance=instance,
        )


def test_all_months_in_one_run_have_the_same_content(plain: Built) -> None:
    versions = plain.home.versions()
    result = in_one_run(plain.home, FIRST, THIRD)
    made = [(event.asset_key.to_user_string(), event.partition) for event in result.get_asset_materialization_events()]
    assert sorted(made) == sorted((asset, month) for asset in WINDOWED for month in plain.months)
    assert plain.is_as_it_was()
    assert plain.home.versions() == versions


def test_a_first_build_in_one_run_gives_what_month_by_month_gives(
    plain: Built, plain_files: list[Path], folder: Path, server: str
) -> None:
    home = new_home(folder, server, first_month="2024-01", last_month="2024-03")
    home.land(*reversed(plain_files))
    in_one_run(home, FIRST, THIRD)
    found = {place: content for place, content in home.hashes().items() if content}
    assert found == {(month, name): plain.hashes[month, name] for month, name in plain.hashes if name in WINDOWED}


def test_a_row_dated_after_a_month_changes_nothing_in_it(plain: Built, plain_files: list[Path], folder: Path) -> None:
    """Later purchases and returns of the same customers: in a file of their own, and added to the last month's file."""
    later = moved(lines_of(plain_files[2]), 2024, 4)
    returned = [[f"C{row[0]}", *row[1:3], f"-{row[3]}", *row[4:]] for row in later[:20] if not row[3].startswith("-")]
    plain.home.run(write_lines(folder / "later" / "april.csv", [*later, *returned]))
    assert {month for month, _ in plain.home.made() if month.startswith("2024")} == {"2024-04"}
    assert plain.is_as_it_was()

    last = write_lines(folder / "later" / plain_files[2].name, [*lines_of(plain_files[2]), *later[:15]])
    plain.home.run(last)
    # The file that was replaced touches its own month: that one is made again, and comes out the same.
    assert {month for month, _ in plain.home.made() if month.startswith("2024")} == {"2024-03", "2024-04"}
    assert plain.is_as_it_was()


# -- what is missing


def test_a_first_build_refuses_a_month_that_stands_on_missing_ones_and_names_them(with_holes: Home) -> None:
    with pytest.raises(MissingMonthError) as refused:
        with_holes.make(THIRD)
    assert str(refused.value).startswith("raw_invoices is missing for 2024-01, 2024-02. Bring these months up first")
    assert ("2024-03", "customer_features") in {(one.subject, one.asset) for one in with_holes.told}
    assert not {asset for _, asset in with_holes.made()} & {"customer_features", "tree_embedding", "insiders_report"}
    with pytest.raises(MissingMonthError, match="No landed file holds or covers 2024-02, 2024-04; later months stand"):
        with_holes.run(last=dt.date(2024, 4, 1))


@pytest.mark.parametrize("month", [SECOND, FOURTH])
def test_a_month_whose_own_file_never_came_is_skipped_with_a_sentence(month: str, with_holes: Home) -> None:
    with_holes.make(month)
    said = [one.outcome for one in with_holes.told if one.asset == "raw_invoices" and one.outcome != "made"]
    assert said[0].startswith(f"No landed file holds or covers {month[:7]}: the month is skipped. Land its file, or ")
    assert f"insiders declare-empty {month[:7]}" in said[0]
    skipped = {one.asset for one in with_holes.told if one.outcome == "skipped"}
    assert skipped == set(MONTHLY_TABLES) - {"raw_invoices"}
    assert not {table for (found, table), content in with_holes.hashes().items() if found == month[:7] and content}


def test_one_run_over_a_hole_fails_and_names_it(with_holes: Home) -> None:
    with pytest.raises(MissingMonthError, match="No landed file holds or covers 2024-02"):
        in_one_run(with_holes, FIRST, THIRD)
