"""Months that nobody meant: they come of a mistyped date, stop what follows, and can be taken back.

One home lives through it all, in the order of the tests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from insiders_assets.automation.sensors import look_for_arrivals
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.definitions import build_definitions
from insiders_assets.errors import GapError
from insiders_assets.operations.home import open_instance
from insiders_assets.operations.notebooks import place_of_notebook
from insiders_assets.operations.pages import place_of_report
from insiders_assets.operations.status import HELD, REFUSED, WAITING
from insiders_assets.partitions import month_of, month_range
from insiders_assets.sample import ShopParameters, write_shop
from insiders_assets.settings import load_settings
from insiders_tests.command import Said, insiders_here
from insiders_tests.operations import shops
from insiders_tests.operations.shops import Home, lines_of, moved, new_home, write_lines
from insiders_tests.servers import tcp_postgres

pytestmark = pytest.mark.usefixtures("plain_environment")

FIRST, LAST = month_of("2024-01-01"), month_of("2024-02-01")
IN_JULY = dt.date(2024, 7, 20)
MISTAKEN = month_range(month_of("2024-03-01"), month_of("2024-06-01"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_shop(ShopParameters(FIRST, 2, 40, seed=5, articles=40), tmp_path_factory.mktemp("f"), files="month")


@pytest.fixture(scope="module")
def server(open_folder: Path) -> Iterator[str]:
    with tcp_postgres(open_folder / "forgetting") as url:
        yield url


@pytest.fixture(scope="module")
def home(server: str, files: list[Path]) -> Iterator[Home]:
    """Two months, and four that came of one line of February dated in June."""
    with shops.quick_folder() as folder:
        home = new_home(folder, server)
        zone = Path(home.settings.landing_location)
        zone.mkdir()
        (zone / files[0].name).write_bytes(files[0].read_bytes())
        rows = lines_of(files[1])
        write_lines(zone / files[1].name, [*rows[1:], *moved(rows[:1], 2024, 6)])
        home.run(today=IN_JULY)
        yield home


def correct(home: Home, files: list[Path]) -> Path:
    return write_lines(Path(home.settings.landing_location, files[1].name), lines_of(files[1]))


def said(home: Home, *words: object) -> Said:
    return insiders_here(*words, "--home", home.folder)


def reasons(home: Home, state: str) -> list[str]:
    return [one.reason for one in home.status(IN_JULY) if one.state == state]


def test_a_correction_that_takes_a_months_only_lines_is_refused_with_the_way_out(home: Home, files: list[Path]) -> None:
    assert {one.month for one in home.months()} == {f"{one:%Y-%m}" for one in [FIRST, LAST, *MISTAKEN]}
    assert home.settings.last_month == MISTAKEN[-1]
    correct(home, files)
    home.run(today=IN_JULY)
    (refusal,) = reasons(home, REFUSED)
    assert "alone holds lines of 2024-06" in refusal
    assert f"`insiders retire {files[1].name}`" in refusal
    home.run(today=IN_JULY)
    assert not [one for one in home.told if one.subject == files[1].name]


def test_retired_the_correction_is_judged_again_by_sensor_and_run(home: Home, files: list[Path]) -> None:
    home.retire(files[1].name)
    assert not [one for one in reasons(home, WAITING) if files[1].name not in one]
    with open_instance(home.settings) as instance, home.platform() as platform:
        definitions = build_definitions(home.settings)
        with dg.build_sensor_context(instance=instance, definitions=definitions) as context:
            (request,) = look_for_arrivals(context, platform).run_requests or []
    assert request.tags["insiders/why"].startswith("1 refused before may be usable now")
    with pytest.raises(GapError) as gap:
        home.run(today=IN_JULY)
    assert "2024-03 to 2024-06, which the home has as its months" in gap.value.problem
    assert "`insiders forget 2024-03`" in gap.value.remedy
    counting = home.ledger().counting(files[1].name)
    assert counting
    assert list(counting.months) == [LAST.isoformat()]


def test_a_month_with_lines_or_between_such_is_not_forgotten(home: Home) -> None:
    for month, words in (
        ("2024-02", "Landed lines lie in 2024-02"),
        ("2023-01", "is not among the months of this home (2024-01 to 2024-06)"),
    ):
        refused = said(home, "forget", month)
        assert refused.code == 5
        assert words in refused.err


def test_forgotten_months_are_gone_for_readers_and_the_others_stand(home: Home, server: str, files: list[Path]) -> None:
    was = dt.datetime.now(dt.UTC)
    assert said(home, "declare-empty", "2024-05").code == 0
    notebooks = [place_of_notebook(home.settings, one.isoformat()) for one in [FIRST, *MISTAKEN]]
    for notebook in notebooks:
        notebook.write_text("{}")
    forgotten = said(home, "forget", "2024-03")
    assert forgotten.out == "No months of this home any more: 2024-03, 2024-04, 2024-05, 2024-06.\n", forgotten.err
    home.settings = load_settings(home.folder)
    assert home.sql("SELECT max(month) FROM insiders.report_facts") == [(LAST,)]
    assert home.sql("SELECT count(*) FROM insiders.current_report_facts WHERE month = '2024-02-01'") != [(0,)]
    assert not home.ledger().declared_empty
    assert not any(place_of_report(home.settings, one.isoformat()).exists() for one in MISTAKEN)
    assert [one for one in notebooks if one.exists()] == notebooks[:1]
    home.run(today=IN_JULY)
    assert home.settings.last_month == LAST
    assert {(one.month, one.state) for one in home.status(IN_JULY)} == {("2024-01", "stands"), ("2024-02", "stands")}
    with home.platform() as platform:
        assert platform.lake.current_scopes(REPORT_FACTS.name) == [FIRST.isoformat(), LAST.isoformat()]
        assert platform.lake.as_known_at(REPORT_FACTS.name, MISTAKEN[-1].isoformat(), was)

    fresh = new_home(home.folder.parent, server)
    fresh.run(files[0], Path(home.settings.landing_location, files[1].name), today=IN_JULY)
    assert fresh.hashes() == home.hashes()


def test_forgotten_and_landed_after_all_it_is_a_month_again(home: Home, files: list[Path]) -> None:
    home.run(write_lines(home.folder / "march.csv", moved(lines_of(files[0]), 2024, 3)), today=IN_JULY)
    assert home.stands()
    assert home.sql("SELECT max(month) FROM insiders.current_report_facts") == [(MISTAKEN[0],)]


def test_a_line_dated_in_the_future_is_corrected_without_more_ado(home: Home, files: list[Path]) -> None:
    rows = lines_of(files[1])
    zone = Path(home.settings.landing_location)
    write_lines(zone / files[1].name, [*rows[1:], *moved(rows[:1], 2031, 6)])
    home.run(today=IN_JULY)
    assert len(reasons(home, HELD)) == 1
    correct(home, files)
    home.run(today=IN_JULY)
    assert not reasons(home, HELD)
    assert not reasons(home, REFUSED)
    assert home.stands()


# -- the days in which a closed month waits for its last files


def test_while_a_month_settles_it_is_not_taken_from_a_home_that_has_made_it(server: str, files: list[Path]) -> None:
    with shops.quick_folder() as folder:
        home = new_home(folder, server)
        zone = Path(home.settings.landing_location)
        zone.mkdir()
        for file in files:
            (zone / file.name).write_bytes(file.read_bytes())
        home.catch_up(dt.date(2024, 3, 2))
        (held,) = [one for one in home.told if one.subject == "2024-02"]
        assert "waits for its last files; `insiders run` makes it now" in held.outcome
        home.run(today=dt.date(2024, 3, 2))
        assert home.settings.last_month == LAST
        home.catch_up(dt.date(2024, 3, 2))
        assert home.told
        assert {one.outcome for one in home.told} == {"up to date"}
        assert {one.state for one in home.status(dt.date(2024, 3, 2))} == {"stands"}
