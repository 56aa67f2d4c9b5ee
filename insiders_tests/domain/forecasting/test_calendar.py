"""On which days a shop trades: what is learnt, what is believed of a public calendar, and what a person says."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insiders_assets.domain.forecasting.calendar import (
    StatedDays,
    checked_period,
    holiday_calendar,
    last_day_of_data,
    month_end,
    trading_days,
    yearly_closures,
)

ENGLAND = StatedDays("GB-ENG")
SATURDAY, SUNDAY = 5, 6
EVERY_DAY = range(7)


def sold(first: str, last: str, closed: tuple[int, ...] = (SATURDAY,), but: tuple[str, ...] = ()) -> set[dt.date]:
    """Days with a sale: all but those weekdays, and but those days and periods."""
    days = {day.date() for day in pd.date_range(first, last) if day.weekday() not in closed}
    for period in but:
        start, _, end = period.partition("/")
        days -= {day.date() for day in pd.date_range(start, end or start)}
    return days


def opened(
    sales: set[dt.date], last: str, end: str, stated: StatedDays | None = None, first: str | None = None
) -> pd.Series:
    start = dt.date.fromisoformat(first) if first else min(sales)
    return trading_days(sales, start, dt.date.fromisoformat(last), dt.date.fromisoformat(end), stated)


def shut(days: pd.Series, after: str) -> list[str]:
    """Closed days after a day."""
    ahead = days.loc[pd.Timestamp(after) + pd.Timedelta(days=1) :]
    return [f"{day:%Y-%m-%d}" for day in ahead.index[~ahead]]


# -- weekdays


def test_a_weekday_is_closed_only_after_eight_weeks_without_a_sale() -> None:
    eight_weeks, a_day_less = sold("2024-05-06", "2024-06-30"), sold("2024-05-07", "2024-06-30")
    assert list(opened(eight_weeks, "2024-06-30", "2024-07-07").iloc[-7:]) == [True] * 5 + [False, True]
    assert opened(a_day_less, "2024-06-30", "2024-07-07").iloc[-7:].all()


def test_one_sale_on_a_weekday_does_not_open_it_and_two_lately_do() -> None:
    once = sold("2024-03-01", "2024-06-30") | {dt.date(2024, 4, 6)}
    closed = shut(opened(once, "2024-06-30", "2024-07-31"), "2024-06-30")
    assert closed == ["2024-07-06", "2024-07-13", "2024-07-20", "2024-07-27"]
    lately = once | {dt.date(2024, 6, 22), dt.date(2024, 6, 29)}
    assert shut(opened(lately, "2024-06-30", "2024-07-31"), "2024-06-30") == []


def test_a_day_with_a_sale_was_open_and_the_same_day_later_is_closed_all_the_same() -> None:
    sales = sold("2024-03-01", "2024-06-30")
    days = opened(sales, "2024-06-30", "2024-07-31", StatedDays(closed=("06-03/06-05", "07-01")))
    assert days.loc["2024-06-03":"2024-06-05"].all()
    assert not days.loc["2024-07-01"]
    assert not days.loc["2024-06-08"]


# -- closures of every year


def test_the_holidays_at_the_turn_of_a_year_are_closed_at_the_next_one() -> None:
    sales = sold("2023-11-01", "2024-12-09", but=("2023-12-24/2024-01-03",))
    days = opened(sales, "2024-12-09", "2025-01-31")
    saturdays = [f"{day:%Y-%m-%d}" for day in pd.date_range("2024-12-10", "2025-01-31", freq="W-SAT")]
    closed = [f"{day:%Y-%m-%d}" for day in pd.date_range("2024-12-24", "2025-01-03")]
    assert shut(days, "2024-12-09") == sorted({*saturdays, *closed})


@pytest.mark.parametrize(("days", "learnt"), [(6, 0), (7, 7), (31, 31), (32, 0)])
def test_a_closure_is_a_week_to_a_month_without_a_sale(days: int, learnt: int) -> None:
    sales = pd.Series(True, index=pd.date_range("2024-01-01", "2024-12-31"))
    sales.loc["2024-08-01" : pd.Timestamp("2024-08-01") + pd.Timedelta(days=days - 1)] = False
    closures = yearly_closures(sales, EVERY_DAY)
    assert len(closures) == learnt
    assert ((8, 1) in closures) == (learnt > 0)


def test_a_closed_weekday_at_the_edge_of_a_closure_says_nothing_of_its_date() -> None:
    days = pd.date_range("2024-01-01", "2024-12-31")
    # Saturday 3 August, eight days of holiday, Saturday 17 August: the closure is Sunday 4 to Friday 16 August.
    sales = pd.Series((days.weekday != SATURDAY) & ~((days >= "2024-08-03") & (days <= "2024-08-17")), index=days)
    trading = [day for day in EVERY_DAY if day != SATURDAY]
    assert yearly_closures(sales, trading) == {(8, day) for day in range(4, 17)}


def test_a_quiet_group_has_no_closures() -> None:
    days = pd.date_range("2024-01-01", "2024-12-31")
    every_third = pd.Series(days.dayofyear % 3 == 0, index=days)
    every_third.loc["2024-08-01":"2024-08-14"] = False
    assert yearly_closures(every_third, EVERY_DAY) == set()
    busy = pd.Series(days.dayofyear % 15 != 0, index=days)
    busy.loc["2024-08-01":"2024-08-14"] = False
    assert (8, 7) in yearly_closures(busy, EVERY_DAY)


def test_time_before_the_first_and_after_the_last_sale_is_no_closure() -> None:
    sales = pd.Series(True, index=pd.date_range("2024-01-01", "2024-12-31"))
    sales.loc[:"2024-01-14"] = False
    sales.loc["2024-12-18":] = False
    assert yearly_closures(sales, EVERY_DAY) == set()
    assert yearly_closures(sales & False, EVERY_DAY) == set()


def test_a_date_is_judged_by_the_last_time_it_came_round() -> None:
    once = sold("2022-07-01", "2024-07-31", but=("2022-08-08/2022-08-19",))
    assert "2024-08-12" not in shut(opened(once, "2024-07-31", "2024-10-31"), "2024-07-31")
    again = sold("2022-07-01", "2024-07-31", but=("2023-08-08/2023-08-19",))
    assert "2024-08-12" in shut(opened(again, "2024-07-31", "2024-10-31"), "2024-07-31")


# -- public holidays


def test_a_public_holiday_that_was_never_seen_counts_as_closed() -> None:
    sales = sold("2010-12-01", "2011-04-28", but=("2010-12-24/2011-01-03", "2011-04-22", "2011-04-25"))
    days = opened(sales, "2011-04-28", "2011-06-30", ENGLAND)
    wedding, may_day, spring = "2011-04-29", "2011-05-02", "2011-05-30"
    weekdays = [day for day in shut(days, "2011-04-28") if dt.date.fromisoformat(day).weekday() != SATURDAY]
    assert weekdays == [wedding, may_day, spring]
    assert opened(sales, "2011-04-28", "2011-06-30").loc[[wedding, may_day, spring]].all()


def test_april_2011_whose_last_sale_is_on_the_eve_of_the_royal_wedding_is_complete() -> None:
    sales = sold("2010-12-01", "2011-04-28", but=("2010-12-24/2011-01-03", "2011-04-22", "2011-04-25"))
    assert last_day_of_data(sales, dt.date(2011, 4, 1), ENGLAND) == dt.date(2011, 4, 30)
    assert last_day_of_data(sales, dt.date(2011, 4, 1)) == dt.date(2011, 4, 28)


def test_a_shop_that_sells_on_public_holidays_keeps_the_next_ones_open() -> None:
    sales = sold("2010-12-01", "2011-04-28")
    days = opened(sales, "2011-04-28", "2011-06-30", ENGLAND)
    assert days.loc[["2011-04-29", "2011-05-02", "2011-05-30"]].all()
    assert last_day_of_data(sales, dt.date(2011, 4, 1), ENGLAND) == dt.date(2011, 4, 28)


@pytest.mark.parametrize(
    ("closed_in", "expected"), [("2010-04-02", True), ("2011-04-22", False)], ids=["closed long ago", "closed last"]
)
def test_of_several_holidays_of_a_name_the_last_one_decides(closed_in: str, expected: bool) -> None:
    sales = sold("2010-01-04", "2012-03-31", closed=(), but=(closed_in,))
    assert opened(sales, "2012-03-31", "2012-06-30", ENGLAND).loc["2012-04-06"] == expected


def test_a_holiday_follows_its_own_name_and_an_unknown_one_most_of_the_others() -> None:
    # Closed on both days of Easter and on May Day, open on every other public holiday.
    sales = sold("2011-01-03", "2012-03-31", closed=(), but=("2011-04-22", "2011-04-25", "2011-05-02"))
    days = opened(sales, "2012-03-31", "2012-06-30", ENGLAND)
    jubilee, spring, easter = "2012-06-05", "2012-06-04", ["2012-04-06", "2012-04-09", "2012-05-07"]
    assert not days.loc[easter].any()
    assert days.loc[[spring, jubilee]].all()


def test_a_holiday_on_a_weekday_that_is_closed_anyway_tells_nothing() -> None:
    # Boxing Day of 2010 was a Sunday, that of 2011 is a Monday; this shop has sold on every holiday it could.
    sales = sold("2010-01-04", "2011-11-30", closed=(SUNDAY,))
    assert opened(sales, "2011-11-30", "2012-02-29", ENGLAND).loc["2011-12-26"]


@pytest.mark.parametrize("code", ["XX", "GB-XX", "gb-eng", "England", "GB-ENG-LND", ""])
def test_a_holiday_calendar_that_does_not_exist_is_refused_with_a_sentence(code: str) -> None:
    with pytest.raises(
        ValueError, match=r"there is no holiday calendar .*; write a country, or a country and its part"
    ):
        holiday_calendar(code, [2011])


def test_without_a_calendar_no_day_is_a_public_holiday() -> None:
    assert StatedDays().holiday_names(dt.date(2011, 1, 1), dt.date(2011, 12, 31)) == {}
    named = ENGLAND.holiday_names(dt.date(2011, 4, 25), dt.date(2011, 5, 2))
    assert sorted(named) == [dt.date(2011, 4, 25), dt.date(2011, 4, 29), dt.date(2011, 5, 2)]
    assert set(StatedDays("BR-SP").holiday_names(dt.date(2011, 7, 1), dt.date(2011, 7, 31))) == {dt.date(2011, 7, 9)}


# -- what a person says


@pytest.mark.parametrize(
    ("period", "closed", "open_again"),
    [
        ("2012-06-04", ["2012-06-04"], ["2012-06-03", "2012-06-05", "2013-06-04"]),
        ("2012-06-04/2012-06-05", ["2012-06-04", "2012-06-05"], ["2012-06-03", "2012-06-06", "2011-06-04"]),
        ("2011-12-24/2012-01-03", ["2011-12-24", "2012-01-03"], ["2011-12-23", "2012-01-04", "2012-12-24"]),
        ("05-01", ["2011-05-01", "2012-05-01"], ["2012-04-30", "2012-05-02"]),
        ("08-10/08-12", ["2011-08-10", "2012-08-12"], ["2012-08-09", "2012-08-13"]),
        ("12-24/01-03", ["2011-12-24", "2011-12-31", "2012-01-01", "2012-01-03"], ["2011-12-23", "2012-01-04"]),
        ("02-29", ["2012-02-29"], ["2011-02-28", "2011-03-01"]),
    ],
)
def test_a_stated_period_holds_both_of_its_ends(period: str, closed: list[str], open_again: list[str]) -> None:
    stated = StatedDays(closed=("2030-01-01", checked_period(period)))
    assert all(stated.is_closed(dt.date.fromisoformat(day)) for day in closed)
    assert not any(stated.is_closed(dt.date.fromisoformat(day)) for day in open_again)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no day; write 2012-06-04"),
        ("tomorrow", "is no day; write 2012-06-04"),
        ("2012-6-4", "is no day; write 2012-06-04"),
        ("2012-06-04/06-05", "is no day; write 2012-06-04"),
        ("12-24/2012-01-03", "is no day; write 2012-06-04"),
        ("2012-06-04/", "is no day; write 2012-06-04"),
        ("2012-06-04/2012-06-05/2012-06-06", "is no day; write 2012-06-04"),
        ("2011-02-29", "is no day of the calendar"),
        ("02-30", "is no day of the calendar"),
        ("24-12", "is no day of the calendar"),
        ("2012-06-05/2012-06-04", "ends before it begins"),
    ],
)
def test_what_is_no_day_or_period_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        checked_period(text)


# -- the last day of the data


@pytest.mark.parametrize(
    ("last_sale", "last_day"),
    [
        ("2024-11-30", "2024-11-30"),  # a sale on the last day, a Saturday
        ("2024-11-29", "2024-11-30"),  # only the closed Saturday is left
        ("2024-11-28", "2024-11-28"),  # a Friday is left
    ],
)
def test_a_month_is_complete_where_only_closed_days_follow_the_last_sale(last_sale: str, last_day: str) -> None:
    sales = sold("2024-01-01", last_sale) | {dt.date.fromisoformat(last_sale)}
    assert last_day_of_data(sales, dt.date(2024, 11, 1)) == dt.date.fromisoformat(last_day)


def test_days_that_a_person_says_are_closed_complete_a_month() -> None:
    sales = sold("2024-01-01", "2024-12-20")
    december = dt.date(2024, 12, 1)
    assert last_day_of_data(sales, december) == dt.date(2024, 12, 20)
    assert last_day_of_data(sales, december, StatedDays(closed=("12-22/01-03",))) == dt.date(2024, 12, 31)


def test_the_end_of_a_month_is_its_last_day() -> None:
    assert [month_end(dt.date(2024, month, 1)).day for month in (1, 2, 4, 12)] == [31, 29, 30, 31]


# -- what always holds


@given(
    st.sets(st.integers(0, 199), min_size=1),
    st.sets(st.integers(0, 90)),
    st.lists(st.sampled_from(["2024-06-04", "05-01/05-20", "12-24/01-03", "2024-07-01/2024-08-31"]), max_size=2),
    st.sampled_from(["", "GB-ENG"]),
)
@settings(max_examples=50)
def test_a_day_with_a_sale_is_open_and_no_later_sale_is_seen(
    before: set[int], later: set[int], closed: list[str], holidays: str
) -> None:
    first, stated = dt.date(2024, 1, 1), StatedDays(holidays, tuple(closed))
    last, end = first + dt.timedelta(days=199), first + dt.timedelta(days=290)
    sales = {first + dt.timedelta(days=day) for day in before}
    days = trading_days(sales, first, last, end, stated)
    assert days.loc[pd.DatetimeIndex(sorted(sales))].all()
    assert list(days.index) == list(pd.date_range(first, end))
    spied = sales | {last + dt.timedelta(days=day + 1) for day in later}
    assert days.equals(trading_days(spied, first, last, end, stated))
