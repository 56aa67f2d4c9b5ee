"""The same files give the same content wherever it is kept: folder and embedded PostgreSQL, or S3 and a server.

And however often: a second run changes nothing, and making everything again gives what stood.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from insiders_assets.assets.platform import open_platform
from insiders_assets.contracts.catalogue import COMPARISON_TABLES, MONTHLY_TABLES
from insiders_assets.operations.running import Progress, Wanted, run
from insiders_assets.operations.status import STANDS, TableStatus, status
from insiders_assets.sample import ShopParameters, write_shop
from insiders_assets.settings import PREFIX, Settings, load_settings
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.lake import Lake
from insiders_tests.servers import S3, tcp_postgres

SHOP = ShopParameters(
    first_month=dt.date(2024, 1, 1), months=2, customers=220, articles=100, seed=3, invoices_per_month=1.5
)
TODAY = dt.date(2024, 3, 2)
MONTHS = ["2024-01", "2024-02"]
# An origin needs members, and a month that followed it; articles that are bought together are found on three quarters
# of the months and tested on the last.
NEED_MORE_MONTHS = ("forecast_backtest", "product_affinities", "affinity_candidates")
PUBLISHED = [table for table in MONTHLY_TABLES.values() if table.published]


@dataclass
class Place:
    """A home and what is kept where, with everything that its runs have told."""

    settings: Settings
    files: list[Path]
    told: list[Progress] = field(default_factory=list)

    def run(self, *, again: bool = False, first: dt.date | None = None) -> None:
        wanted = Wanted(files=self.files, again=again, first=first)
        self.told.clear()
        self.settings = run(self.settings, wanted, TODAY, self.told.append)

    def status(self) -> list[TableStatus]:
        with open_platform(self.settings) as platform:
            return status(platform, TODAY)

    def hashes(self) -> dict[tuple[str, str], str]:
        return {(one.month, one.table): one.content_hash for one in self.status()}

    def published_rows(self) -> dict[str, list[tuple]]:
        """Every row of every published table, in the order of its key."""
        with open_platform(self.settings) as platform:
            return {
                table.name: platform.warehouse.query(
                    f"SELECT * FROM insiders.{table.name} ORDER BY {', '.join(table.key)}"
                ).rows
                for table in PUBLISHED
            }

    def lake(self) -> Lake:
        with open_platform(self.settings) as platform:
            return platform.lake


@pytest.fixture(scope="module", autouse=True)
def environment_as_before() -> Iterator[None]:
    """Runs name their home to the processes they start; other tests must not see it."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [*os.environ, f"{PREFIX}HOME", "DAGSTER_HOME", "NUMBA_CACHE_DIR", "TF_CPP_MIN_LOG_LEVEL"]:
            if (name.startswith(PREFIX) and name != f"{PREFIX}REAL_DATA") or name not in os.environ:
                environment.setenv(name, "")
                environment.delenv(name)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("shop")
    write_shop(SHOP, folder, files="month")
    return sorted(folder.glob("*.csv"))


@pytest.fixture(scope="module")
def compiled(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Numba keeps what it compiled, from one session to the next: UMAP's first fit compiles for half a minute."""
    cache = getattr(pytestconfig, "cache", None)
    return Path(cache.mkdir("numba")) if cache else tmp_path_factory.mktemp("numba")


def make_place(folder: Path, compiled: Path, files: list[Path], **words: str) -> Place:
    home = Path(tempfile.mkdtemp(dir=folder)) / "home"
    home.mkdir()
    home.parent.chmod(0o755)
    (home / "numba").symlink_to(compiled)
    lines = [
        "min_clusterable = 20",
        "programme_fits = 3",
        "history_months = 2",
        *(f'{name} = "{value}"' for name, value in words.items()),
    ]
    (home / "insiders.toml").write_text("\n".join(lines), "utf-8")
    return Place(load_settings(home), files)


@pytest.fixture(scope="module")
def here(open_folder: Path, compiled: Path, files: list[Path]) -> Iterator[Place]:
    """Everything in one folder; its server stays up between the commands, so that the tests are quick."""
    place = make_place(open_folder, compiled, files)
    with EmbeddedPostgres(place.settings.home).running():
        place.run()
        yield place


@pytest.fixture(scope="module")
def there(open_folder: Path, compiled: Path, files: list[Path], s3: S3) -> Iterator[Place]:
    """Lake and landing zone in a bucket, the warehouse and Dagster's storage in a server on the network."""
    prefix = uuid.uuid4().hex
    with tcp_postgres(open_folder / "server") as url:
        place = make_place(
            open_folder,
            compiled,
            files,
            lake=s3.location(f"{prefix}/lake"),
            landing=s3.location(f"{prefix}/landing"),
            s3_endpoint=s3.endpoint,
            warehouse=url,
            instance=url,
        )
        place.run()
        yield place


def test_every_table_of_every_month_stands_in_both_places(here: Place, there: Place) -> None:
    for place in (here, there):
        found = place.status()
        assert {(one.month, one.table) for one in found} == {
            (m, t.name) for m in MONTHS for t in MONTHLY_TABLES.values()
        }
        assert [(one.month, one.table, one.state, one.reason) for one in found if one.state != STANDS] == []


def test_there_is_a_segmentation_to_compare(here: Place) -> None:
    with open_platform(here.settings) as platform:
        answer = platform.warehouse.query("SELECT count(*) FROM insiders.cluster_labels WHERE cluster_rank IS NOT NULL")
    assert answer.rows[0][0] > 20


def test_the_content_of_every_table_and_month_is_the_same(here: Place, there: Place) -> None:
    ours, theirs = here.hashes(), there.hashes()
    assert {place for place in ours if ours[place] != theirs[place]} == set()


def test_what_readers_see_is_the_same_by_sql(here: Place, there: Place) -> None:
    ours, theirs = here.published_rows(), there.published_rows()
    for name, rows in ours.items():
        assert rows or name in NEED_MORE_MONTHS, name
        assert rows == theirs[name], name


def test_both_lakes_have_the_same_objects(here: Place, there: Place) -> None:
    """Tables are named by their content; files beside them (models, pictures), the ledger, and comparisons, which keep
    the seconds that they took, are not compared."""

    def tables(lake: Lake) -> set[str]:
        return {
            name
            for name in lake.store.names("")
            if name.endswith(".parquet") and "/files/" not in name and name.split("/")[0] not in COMPARISON_TABLES
        }

    assert tables(here.lake()) == tables(there.lake())


def test_the_home_of_the_second_place_keeps_no_data_but_the_pages_for_a_person(there: Place) -> None:
    kept = {path.name for path in there.settings.home.iterdir()}
    assert kept <= {"insiders.toml", "dagster", "numba", "reports", "run.lock"}
    assert not [*there.settings.instance_folder.rglob("*.db")]


@pytest.mark.parametrize("place_name", ["here", "there"])
def test_a_second_run_makes_nothing_and_doubles_nothing(place_name: str, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue(place_name)
    before, rows = place.hashes(), place.published_rows()
    place.run()
    assert {one.outcome for one in place.told} == {"already landed, unchanged", "up to date"}
    assert place.hashes() == before
    assert place.published_rows() == rows


@pytest.mark.slow
def test_making_everything_again_gives_what_stood(here: Place) -> None:
    before, rows = here.hashes(), here.published_rows()
    here.run(again=True)
    made = {(one.subject, one.asset) for one in here.told if one.outcome == "made"}
    assert {(month, asset) for month in MONTHS for asset in MONTHLY_TABLES} <= made
    assert here.hashes() == before
    assert here.published_rows() == rows
    versions = {
        asset: [len(here.lake().history(table.name, f"{month}-01")) for month in MONTHS]
        for asset, table in MONTHLY_TABLES.items()
    }
    # skops writes the time of day and memory addresses into a model's file: the same rows, but another version.
    assert versions.pop("tree_embedding") == [1, 1]
    assert versions == {asset: [1, 1] for asset in versions}


def test_making_a_month_again_on_the_server_gives_what_stood(there: Place) -> None:
    before, rows = there.hashes(), there.published_rows()
    there.run(again=True, first=dt.date(2024, 2, 1))
    assert {one.subject for one in there.told if one.outcome == "made"} == {"2024-02"}
    assert there.hashes() == before
    assert there.published_rows() == rows
