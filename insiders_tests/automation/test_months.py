"""Which months can exist, how far they can be made, and what is held."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from insiders_assets.automation.months import Months, find_months, held_months, up_to_gap
from insiders_assets.errors import GapError, MissingMonthError, NoMonthYetError
from insiders_assets.partitions import month_range
from insiders_assets.settings import Settings, load_settings
from insiders_assets.storage.ledger import Ledger
from insiders_tests.automation.landed import version
from insiders_tests.operations.shops import environment_as_before

TODAY = dt.date(2024, 7, 1)


@pytest.fixture(autouse=True)
def plain_environment() -> Iterator[None]:
    with environment_as_before():
        yield


def month(text: str) -> dt.date:
    return dt.date.fromisoformat(f"{text}-01")


def holding(*months: str) -> Ledger:
    """A file for each month, which covers nothing else."""
    book = Ledger()
    for one in months:
        file = version(f"{one}.csv", "a", f"{one}-01")
        book = book.with_landed(replace(file, first_date=f"{one}-03", last_date=f"{one}-20"))
    return book


def covering(first: str, last: str, *months: str) -> Ledger:
    """One file with lines of these months, whose dates go from the first to the last."""
    file = version("all.csv", "a", *(f"{one}-01" for one in months))
    return Ledger().with_landed(replace(file, first_date=f"{first}-03", last_date=f"{last}-20"))


def settings_of(folder: Path, first: str | None = None, last: str | None = None) -> Settings:
    return load_settings(folder, first_month=first, last_month=last)


def reach(settings: Settings, ledger: Ledger, wanted_from: str = "") -> tuple[Months, GapError | None]:
    wanted = month(wanted_from) if wanted_from else None
    return up_to_gap(settings, ledger, find_months(settings, ledger, TODAY, wanted, None))


def test_months_before_a_hole_can_be_made_and_the_hole_is_named(tmp_path: Path) -> None:
    months, gap = reach(settings_of(tmp_path), holding("2024-01", "2024-02", "2024-04", "2024-06"))
    assert months == Months(month("2024-01"), month("2024-02"), month("2024-02"))
    assert gap
    assert gap.first_missing == month("2024-03")
    assert gap.problem.startswith("No landed file holds or covers 2024-03, 2024-05;")


def test_a_hole_that_opens_later_keeps_the_last_month_that_was_recorded(tmp_path: Path) -> None:
    """Its partition is in the history, though it waits now."""
    months, gap = reach(settings_of(tmp_path, "2024-01", "2024-04"), holding("2024-01", "2024-03", "2024-04"))
    assert months == Months(month("2024-01"), month("2024-04"), month("2024-01"))
    assert gap


@pytest.mark.parametrize(
    ("ledger", "begins"),
    [
        (holding("2011-01", "2024-01"), "2011-02"),
        (covering("2011-01", "2024-01", "2011-01", "2024-01"), "2011-02"),
    ],
)
def test_a_year_that_may_be_mistyped_stops_everything_before_it_is_recorded(
    ledger: Ledger, begins: str, tmp_path: Path
) -> None:
    with pytest.raises(GapError) as stopped:
        reach(settings_of(tmp_path), ledger)
    assert stopped.value.first_missing == month(begins)
    # Recorded, the first month is no mistake: what stands before the gap goes on.
    months, gap = reach(settings_of(tmp_path, "2011-01", "2011-01"), ledger)
    assert months.wanted == [month("2011-01")]
    assert months.last == month("2011-01")
    assert gap


def test_a_pause_that_somebody_declared_or_that_is_short_is_none(tmp_path: Path) -> None:
    pause = [one.isoformat() for one in month_range(month("2022-02"), month("2023-12"))]
    declared = replace(covering("2022-01", "2024-01", "2022-01", "2024-01"), declared_empty=tuple(pause))
    short = covering("2023-01", "2024-01", "2023-01", "2024-01")
    for ledger in (declared, short):
        months, gap = reach(settings_of(tmp_path), ledger)
        assert gap is None
        assert months.wanted[-1] == month("2024-01")


def test_a_first_month_without_a_file_stops_everything_and_promises_nothing_before_it(tmp_path: Path) -> None:
    with pytest.raises(GapError) as stopped:
        reach(settings_of(tmp_path, "2024-01", "2024-02"), holding("2024-02"))
    assert "2024-01" in stopped.value.problem
    assert "--to" not in stopped.value.remedy


# -- an earlier month that comes later


def test_an_earlier_month_is_held_until_somebody_asks_for_it_by_name(tmp_path: Path) -> None:
    settings, ledger = settings_of(tmp_path, "2024-03", "2024-04"), holding("2024-01", "2024-02", "2024-03", "2024-04")
    months, gap = reach(settings, ledger)
    assert months.wanted == [month("2024-03"), month("2024-04")]
    assert gap is None
    (first, why), (second, _) = held_months(ledger, months, TODAY)
    assert (first, second) == ("2024-01", "2024-02")
    assert why == "10 lines held: before the first month 2024-03; to bring it up, `insiders run --from 2024-01`"
    months, gap = reach(settings, ledger, wanted_from="2024-02")
    assert months.first == month("2024-02")
    assert gap is None
    assert [held for held, _ in held_months(ledger, months, TODAY)] == ["2024-01"]


def test_a_month_that_no_landed_line_reaches_is_no_first_month(tmp_path: Path) -> None:
    with pytest.raises(MissingMonthError, match="2023-12 is not among the months of this home"):
        reach(settings_of(tmp_path, "2024-03"), holding("2024-01", "2024-02", "2024-03"), wanted_from="2023-12")


def test_an_earlier_first_month_that_a_hole_would_part_from_the_others_is_refused(tmp_path: Path) -> None:
    """Recorded, it would keep every month waiting that stands today."""
    with pytest.raises(GapError, match="2024-02"):
        reach(settings_of(tmp_path, "2024-03", "2024-04"), holding("2024-01", "2024-03", "2024-04"), "2024-01")


def test_the_environments_first_month_is_not_moved_and_the_remedy_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDERS_FIRST_MONTH", "2024-03")
    settings, ledger = load_settings(tmp_path), holding("2024-01", "2024-02", "2024-03")
    with pytest.raises(MissingMonthError, match="2024-02 is not among the months of this home"):
        reach(settings, ledger, wanted_from="2024-02")
    months, _ = reach(settings, ledger)
    assert "set INSIDERS_FIRST_MONTH=2024-01" in held_months(ledger, months, TODAY)[0][1]


def test_what_was_landed_and_retired_is_not_said_never_to_have_been(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with pytest.raises(NoMonthYetError, match="was ever landed"):
        find_months(settings, Ledger(), TODAY, None, None)
    retired = holding("2024-01").with_retired("2024-01.csv", "2024-02-02T10:00:00+00:00", "tester")
    with pytest.raises(NoMonthYetError, match="No landed file counts any more"):
        find_months(settings, retired, TODAY, None, None)
