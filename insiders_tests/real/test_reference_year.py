"""The real shop's whole year in one run: every table of thirteen months, its forecast, and twice the same.

Its last month by itself, which takes a quarter of the time, is tested in :mod:`.test_reference_month`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from insiders_assets.assets.platform import open_platform
from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.operations.running import Progress, Wanted, run
from insiders_assets.operations.status import STANDS
from insiders_assets.partitions import key_of, month_range
from insiders_tests.real.reference import (
    FIRST,
    MONTH,
    MONTHS,
    TODAY,
    Reference,
    empty_home,
    every_fact_is_what_its_sql_gives,
)

# Minutes on two cores, before the first test.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def first_run(real_data: Path, open_folder: Path) -> Iterator[Reference]:
    """The file landed and all months brought up, once."""
    told: list[Progress] = []
    with empty_home(open_folder) as empty:
        settings = run(empty, Wanted(files=[real_data]), TODAY, told.append)
        with open_platform(settings) as platform:
            yield Reference(settings, platform, told)


@pytest.fixture(scope="module")
def made_by_first_run(first_run: Reference) -> list[Progress]:
    """What the first run told, before another test runs anything."""
    return list(first_run.told)


@pytest.fixture
def reference(first_run: Reference, made_by_first_run: list[Progress]) -> Reference:
    return first_run


def test_one_run_makes_every_asset_of_all_thirteen_months(made_by_first_run: list[Progress]) -> None:
    made = {(one.subject, one.asset) for one in made_by_first_run if one.outcome == "made"}
    assert {(f"{month:%Y-%m}", asset) for month in MONTHS for asset in MONTHLY_TABLES} <= made
    assert not {one.outcome for one in made_by_first_run} & {"failed", "skipped", "up to date"}


def test_every_table_of_every_month_stands_and_is_published(reference: Reference) -> None:
    found = reference.status()
    assert {one.month for one in found} == {f"{month:%Y-%m}" for month in MONTHS}
    assert [(one.month, one.table, one.state, one.reason) for one in found if one.state != STANDS] == []


def test_the_thirty_days_after_them_are_forecast_far_below(reference: Reference) -> None:
    """Autumn's trade is not January's, a group chosen by its past is flattered by it, and at Christmas the shop is
    shut."""
    net = reference.one(
        f"SELECT sum(net_revenue) FROM insiders.revenue_forecast WHERE month = DATE '{MONTH}' AND published "
        "AND grain = 'day' AND period_start BETWEEN DATE '2011-12-10' AND DATE '2012-01-08'"
    )
    assert 150_000 < net < 300_000


def test_the_rest_of_december_and_three_months_are_published(reference: Reference) -> None:
    rows = reference.rows(
        "SELECT period_start, horizon, days_forecast, trading_days, observed, net_revenue, net_lower_80, net_upper_80 "
        f"FROM insiders.revenue_forecast WHERE month = DATE '{MONTH}' AND published AND grain = 'month' ORDER BY 1"
    )
    first_days = [row[0] for row in rows]
    assert first_days == month_range(MONTH, dt.date(2012, 3, 1))
    _, horizons, days, trading, observed, *_ = zip(*rows, strict=True)
    assert horizons == (0, 1, 2, 3)
    assert days == (22, 31, 29, 31)
    # The shop sells on six days a week and was shut from before Christmas until the fourth of January.
    assert 0 < trading[0] < 15
    assert 0 < trading[1] < 26
    assert observed[0] > 0
    assert observed[1:] == (0, 0, 0)
    assert rows[0][5] > observed[0]
    for *_, net, lower, upper in rows:
        assert lower < net < upper


@pytest.mark.parametrize("month", [FIRST, MONTH])
def test_the_sql_of_every_fact_gives_its_value_on_postgresql(reference: Reference, month: dt.date) -> None:
    every_fact_is_what_its_sql_gives(reference, month)


def test_running_again_makes_nothing_and_changes_nothing(reference: Reference) -> None:
    before = reference.hashes()
    reference.run(Wanted())
    assert {one.outcome for one in reference.told} == {"up to date"}
    assert {one.subject for one in reference.told} == {f"{month:%Y-%m}" for month in MONTHS}
    assert reference.hashes() == before


def test_making_the_last_month_again_gives_the_same_content(reference: Reference) -> None:
    before = reference.hashes()
    reference.run(Wanted(first=MONTH, again=True))
    made = {(one.subject, one.asset) for one in reference.told if one.outcome == "made"}
    assert {("2011-12", asset) for asset in MONTHLY_TABLES} <= made
    assert {subject for subject, _ in made} == {"2011-12"}
    after = reference.hashes()
    assert {place for place in after if after[place] != before[place]} == set()
    assert [one for one in reference.status() if one.state != STANDS] == []
    lake = reference.platform.lake
    versions = {table.name: len(lake.history(table.name, key_of(MONTH))) for table in MONTHLY_TABLES.values()}
    assert set(versions.values()) == {1}, versions
