"""Months and windows: which can exist, and which a month stands on."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.errors import MissingMonthError, SettingsError
from insiders_assets.partitions import (
    all_up_to,
    key_of,
    last_closed_month,
    month_of,
    month_range,
    monthly_partitions,
    refuse_unless_possible,
    shift,
    window,
)
from insiders_assets.settings import Settings

DECEMBER_2010, DECEMBER_2011 = dt.date(2010, 12, 1), dt.date(2011, 12, 1)
MONTHS = st.dates(dt.date(1990, 1, 1), dt.date(2100, 12, 31)).map(lambda day: day.replace(day=1))


def settings(**given_values: object) -> Settings:
    return Settings(home=Path("/nowhere"), **given_values)  # type: ignore[arg-type]


@given(MONTHS, st.integers(-600, 600), st.integers(-600, 600))
def test_shifting_is_counting(month: dt.date, there: int, further: int) -> None:
    assert shift(shift(month, there), further) == shift(month, there + further)
    assert shift(month, there).day == 1
    assert shift(month, 12) == month.replace(year=month.year + 1)


@given(MONTHS, st.integers(-3, 60))
def test_a_range_has_every_month_once_in_order(first: dt.date, count: int) -> None:
    months = month_range(first, shift(first, count - 1))
    assert len(months) == max(count, 0)
    assert months == sorted(set(months))
    assert all(shift(before, 1) == after for before, after in itertools.pairwise(months))


@given(MONTHS)
def test_a_month_and_its_key_are_one_another(month: dt.date) -> None:
    assert month_of(key_of(month)) == month


@given(st.dates(dt.date(1990, 1, 1), dt.date(2100, 12, 31)))
def test_the_last_closed_month_ends_the_day_before_the_month_of_today(today: dt.date) -> None:
    closed = last_closed_month(today)
    assert shift(closed, 1) == today.replace(day=1)


def test_the_months_that_can_exist_are_those_of_the_settings_both_included() -> None:
    partitions = monthly_partitions(settings(first_month="2010-12", last_month="2011-12"))
    assert partitions.get_partition_keys() == [key_of(m) for m in month_range(DECEMBER_2010, DECEMBER_2011)]


def test_without_a_last_month_the_open_month_is_not_among_them() -> None:
    partitions = monthly_partitions(settings(first_month="2011-10"))
    keys = partitions.get_partition_keys(current_time=dt.datetime(2011, 12, 9, tzinfo=dt.UTC))
    assert keys == ["2011-10-01", "2011-11-01"]


def test_a_single_month_is_enough() -> None:
    assert monthly_partitions(settings(first_month="2011-12", last_month="2011-12")).get_partition_keys() == [
        "2011-12-01"
    ]


def test_a_home_without_data_has_months_so_that_the_page_loads() -> None:
    assert "2020-01-01" in monthly_partitions(settings()).get_partition_keys()


def test_a_last_month_before_the_first_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"last_month 2010-11 is before first_month 2010-12"):
        monthly_partitions(settings(first_month="2010-12", last_month="2010-11"))


def read_by(mapping: dg.TimeWindowPartitionMapping, partitions: dg.PartitionsDefinition, month: str) -> list[str]:
    """The upstream months that the mapping asks for."""
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(
        partitions.empty_subset().with_partition_keys([month]), partitions, partitions
    )
    return sorted(found.partitions_subset.get_partition_keys())


def test_a_window_is_this_month_and_those_before_it_as_far_as_there_are_any() -> None:
    partitions = monthly_partitions(settings(first_month="2010-12", last_month="2012-12"))
    thirteen = window(13)
    assert read_by(thirteen, partitions, "2010-12-01") == ["2010-12-01"]
    assert read_by(thirteen, partitions, "2011-02-01") == ["2010-12-01", "2011-01-01", "2011-02-01"]
    assert read_by(thirteen, partitions, "2012-12-01") == [
        key_of(m) for m in month_range(DECEMBER_2011, dt.date(2012, 12, 1))
    ]


def test_a_window_of_one_month_is_the_month() -> None:
    partitions = monthly_partitions(settings(first_month="2010-12", last_month="2011-12"))
    assert read_by(window(1), partitions, "2011-05-01") == ["2011-05-01"]


@pytest.mark.parametrize("last", ["2010-12", "2011-12", None])
def test_all_up_to_a_month_reaches_back_to_the_first(last: str | None) -> None:
    ours = settings(first_month="2010-12", last_month=last)
    partitions = monthly_partitions(ours)
    for month in partitions.get_partition_keys()[:13]:
        assert read_by(all_up_to(ours), partitions, month) == [
            key_of(m) for m in month_range(DECEMBER_2010, month_of(month))
        ]


def test_a_month_outside_is_refused_with_those_that_there_are() -> None:
    refuse_unless_possible(DECEMBER_2011, DECEMBER_2010, DECEMBER_2011)
    with pytest.raises(MissingMonthError, match=r"2012-01 is not among the months .*2010-12 to 2011-12.*or land files"):
        refuse_unless_possible(dt.date(2012, 1, 1), DECEMBER_2010, DECEMBER_2011)
