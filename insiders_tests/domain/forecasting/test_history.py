"""What is known at an origin: nothing after it, every day of it, and the shop's season."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insiders_assets.domain.forecasting.calendar import StatedDays
from insiders_assets.domain.forecasting.history import History, history_of, season_of
from insiders_assets.errors import ContractError, MissingMonthError
from insiders_tests.domain.forecasting.histories import (
    NOBODY,
    constant,
    known,
    members_sales,
    rhythm,
    sales_of,
    shop_of,
)

SATURDAY = 5


# -- nothing after the origin


def spiked(rows: pd.DataFrame, after: str, amounts: tuple[str, ...]) -> pd.DataFrame:
    """Thirty times as much on every day after a day."""
    later = rows["day"] > pd.Timestamp(after)
    assert later.any()
    return rows.assign(**{name: rows[name].where(~later, 30 * rows[name]) for name in amounts})


def test_a_thirtyfold_spike_after_the_origin_changes_nothing_of_what_is_known() -> None:
    shop, sales = shop_of(rhythm("2023-03-01", "2024-06-30")), members_sales("2023-03-01", "2024-06-30", 12)
    month, last_day = dt.date(2024, 4, 1), dt.date(2024, 4, 18)
    seen = history_of(month, last_day, shop, sales, 12, StatedDays("GB-ENG"))
    new = pd.DataFrame({"customer_id": ["late"], "day": [pd.Timestamp("2024-04-19")], "gross": [9e9], "returns": [0.0]})
    saturday = pd.DataFrame({"day": [pd.Timestamp("2024-04-20")], "net": [np.inf]})
    after = history_of(
        month,
        last_day,
        pd.concat([spiked(shop, "2024-04-18", ("net",)), saturday]),
        pd.concat([spiked(sales, "2024-04-18", ("gross", "returns")), new]),
        12,
        StatedDays("GB-ENG"),
    )
    for name in ("net", "gross", "is_open", "season"):
        pd.testing.assert_series_equal(getattr(after, name), getattr(seen, name), check_exact=True)
    pd.testing.assert_frame_equal(after.purchases, seen.purchases, check_exact=True)
    assert (after.season_years, after.members, after.month) == (seen.season_years, seen.members, seen.month)
    assert seen.season_years == 1


def test_a_sale_on_the_origin_itself_is_seen() -> None:
    daily = constant("2024-01-01", "2024-06-30")
    daily.loc["2024-04-18"] = 777.0
    assert known("2024-04-18", daily).net.iloc[-1] == 777.0
    assert known("2024-04-17", daily).net.max() == 100.0


# -- what it holds


def test_every_day_has_a_place_and_one_without_sales_is_0() -> None:
    shop = constant("2024-01-01", "2024-03-31")
    sales = pd.DataFrame(
        {
            "customer_id": ["a", "b", "a"],
            "day": pd.to_datetime(["2024-01-10", "2024-01-10", "2024-02-20"]),
            "gross": [30.0, 12.5, 0.0],
            "returns": [5.0, 0.0, 7.5],
        }
    )
    history = known("2024-03-31", shop, sales, members=3)
    # From the group's first sale on; the shop had sold before.
    assert list(history.net.index) == list(pd.date_range("2024-01-10", "2024-03-31"))
    assert history.net[history.net != 0].to_dict() == {
        pd.Timestamp("2024-01-10"): 37.5,
        pd.Timestamp("2024-02-20"): -7.5,
    }
    assert history.gross.sum() == 42.5
    assert (history.sales_days, history.members) == (2, 3)
    # What only came back was not bought.
    assert list(history.purchases["customer_id"]) == ["a", "b"]
    assert list(history.purchases["gross"]) == [30.0, 12.5]


def test_a_group_that_is_new_begins_with_its_first_sale_or_thirty_days_ago() -> None:
    shop = constant("2023-01-01", "2024-06-30")
    history = known("2024-06-30", shop, sales_of(constant("2024-06-10", "2024-06-30")))
    assert len(history.net) == len(history.was_open) == len(history.adjusted) == 30
    assert (history.net.iloc[:-21] == 0).all()
    assert (history.net.iloc[-21:] == 100).all()
    older = known("2024-06-30", shop, sales_of(constant("2024-03-01", "2024-06-30")))
    assert older.net.index[0] == older.is_open.index[0] == older.season.index[0] == pd.Timestamp("2024-03-01")
    assert older.season_years == 1


@pytest.mark.parametrize(
    ("last_day", "periods"),
    [
        (
            "2024-11-30",
            [(1, "2024-12-01", "2024-12-31"), (2, "2025-01-01", "2025-01-31"), (3, "2025-02-01", "2025-02-28")],
        ),
        (
            "2024-12-09",
            [
                (0, "2024-12-10", "2024-12-31"),
                (1, "2025-01-01", "2025-01-31"),
                (2, "2025-02-01", "2025-02-28"),
                (3, "2025-03-01", "2025-03-31"),
            ],
        ),
    ],
    ids=["complete", "unfinished"],
)
def test_the_rest_of_an_unfinished_month_and_the_next_three_are_forecast(
    last_day: str, periods: list[tuple[int, str, str]]
) -> None:
    history = known(last_day, constant("2024-08-01", "2024-12-31"))
    assert [(later, f"{first}", f"{last}") for later, _, first, last in history.periods()] == periods
    assert list(history.horizon) == list(pd.date_range(periods[0][1], periods[-1][2]))
    assert all(month == first.replace(day=1) for _, month, first, _ in history.periods())
    assert len(history.will_open) == len(history.season_ahead) == len(history.horizon)
    assert history.origin == pd.Timestamp(last_day)


def test_returns_are_a_share_of_the_gross_revenue_of_the_last_year() -> None:
    shop = constant("2022-01-01", "2024-06-30")
    sales = sales_of(shop).assign(returns=lambda rows: np.where(rows["day"] > "2023-07-01", 20.0, 0.0))
    assert known("2024-06-30", shop, sales).returns_share() == pytest.approx(0.2)
    all_back = sales.assign(returns=sales["gross"] * 1.5)
    assert known("2024-06-30", shop, all_back).returns_share() == 0.9
    more_than_sold = sales.assign(returns=-5.0)
    assert known("2024-06-30", shop, more_than_sold).returns_share() == 0.0
    assert known("2024-06-30", shop, NOBODY).returns_share() == 0.0


def test_amounts_that_are_not_finite_are_refused() -> None:
    shop, sales = shop_of(constant("2024-01-01", "2024-03-31")), sales_of(constant("2024-01-01", "2024-03-31"))
    month, last_day = dt.date(2024, 3, 1), dt.date(2024, 3, 31)
    broken = [
        (shop.assign(net=np.where(shop.index == 3, np.inf, 1.0)), sales),
        (shop, sales.assign(gross=np.where(sales.index == 3, np.nan, 1.0))),
        (shop, sales.assign(returns=np.where(sales.index == 3, -np.inf, 1.0))),
    ]
    for of_all, of_members in broken:
        with pytest.raises(ContractError, match="not finite"):
            history_of(month, last_day, of_all, of_members, 1)


def test_a_shop_that_has_not_sold_anything_yet_has_no_history() -> None:
    with pytest.raises(MissingMonthError, match="no sale up to 2024-03-31"):
        known("2024-03-31", constant("2024-04-01", "2024-04-30"))


# -- the shop's season


def seasonal(first: str, last: str, factors: np.ndarray, closed: tuple[int, ...] = (SATURDAY,)) -> History:
    """A shop that sells 100 on each trading day, times a factor of the month."""
    daily = constant(first, last, closed=closed)
    return known(last, daily * factors[pd.DatetimeIndex(daily.index).month - 1])


def factors_of(history: History) -> np.ndarray:
    """The season's factor of each month, January first."""
    season = history.season.groupby(pd.DatetimeIndex(history.season.index).month)
    assert (season.nunique() == 1).all()
    return season.first().reindex(range(1, 13)).to_numpy(float)


# With the geometric mean 1.
AUTUMN = np.array([0.5, 0.8, 1.0, 1.0, 1.25, 1.0, 1.0, 1.0, 1.0, 1.25, 2.0, 0.8])


@pytest.mark.parametrize(("first", "years"), [("2023-07-01", 1), ("2022-07-01", 2), ("2021-07-01", 3)])
def test_a_season_is_found_and_shrunk_by_the_years_that_it_was_seen_in(first: str, years: int) -> None:
    history = seasonal(first, "2024-06-30", AUTUMN)
    assert history.season_years == years
    assert factors_of(history) == pytest.approx(AUTUMN ** (years / (years + 1)))


def test_a_month_with_fewer_trading_days_has_no_weaker_season() -> None:
    assert factors_of(seasonal("2022-07-01", "2024-06-30", np.ones(12))) == pytest.approx(np.ones(12))


def test_seasons_of_several_years_are_averaged_in_proportion() -> None:
    daily = constant("2022-07-01", "2024-06-30")
    daily.loc["2022-11-01":"2022-11-30"] = 400.0
    history = known("2024-06-30", daily)
    first_year = np.log(400 / 100) * 11 / 12
    assert factors_of(history)[10] == pytest.approx(np.exp(first_year / 2 * 2 / 3))


def test_below_twelve_whole_months_there_is_no_season() -> None:
    eleven = seasonal("2023-08-01", "2024-06-30", AUTUMN)
    assert eleven.season_years == 0
    assert (eleven.season == 1).all()
    # Twelve months, but the last of them is not over, or the first began late.
    assert seasonal("2023-07-01", "2024-06-29", AUTUMN).season_years == 0
    assert seasonal("2023-07-08", "2024-06-30", AUTUMN, closed=()).season_years == 0
    assert seasonal("2023-07-07", "2024-06-30", AUTUMN, closed=()).season_years == 1


def test_an_unfinished_last_month_is_left_out() -> None:
    complete = constant("2023-06-01", "2024-05-31")
    begun = pd.concat([complete, constant("2024-06-01", "2024-06-09", 9_999.0)])
    history = known("2024-06-09", begun)
    assert history.season_years == 1
    assert factors_of(history) == pytest.approx(np.ones(12))


@pytest.mark.parametrize("money", [0.0, -5.0], ids=["without sales", "of returns alone"])
def test_a_year_with_a_month_without_net_sales_teaches_no_season(money: float) -> None:
    daily = constant("2022-07-01", "2024-06-30")
    daily.loc["2023-02-01":"2023-02-28"] = money
    daily.loc["2023-11-01":"2023-11-30"] = 200.0
    history = known("2024-06-30", daily)
    assert history.season_years == 1
    assert factors_of(history)[10] == pytest.approx(np.exp(np.log(2) * 11 / 12 / 2))


def test_the_adjusted_series_is_without_the_season() -> None:
    history = seasonal("2023-07-01", "2024-06-30", AUTUMN)
    trading = history.adjusted[history.was_open].groupby(pd.DatetimeIndex(history.net.index[history.was_open]).month)
    assert trading.first().to_numpy() == pytest.approx(100 * np.sqrt(AUTUMN))
    twice = replace(history, net=history.net * 2)
    assert (twice.adjusted == 2 * history.adjusted).all()


@given(st.lists(st.floats(0.01, 1e6), min_size=12, max_size=36))
@settings(max_examples=40)
def test_the_factors_of_a_year_have_the_geometric_mean_1_and_are_nearer_to_1_than_what_was_seen(
    levels: list[float],
) -> None:
    months = pd.period_range("2020-01", periods=len(levels), freq="M")
    days = pd.date_range("2020-01-01", months[-1].end_time.normalize())
    shop = pd.Series(np.array(levels)[(days.year - 2020) * 12 + days.month - 1], index=days)
    season, years = season_of(shop, pd.Series(True, index=days))
    assert years == len(levels) // 12
    factors = np.log(season.groupby(days.month).first().to_numpy())
    assert factors.mean() == pytest.approx(0, abs=1e-9)
    # The trend that is taken out changes a year by no more than the levels differ.
    assert np.ptp(factors) <= 2 * np.ptp(np.log(levels)) * years / (years + 1) + 1e-9


@pytest.mark.parametrize("growth", [-0.03, 0.01, 0.03])
def test_growth_is_no_season_once_two_years_are_known(growth: float) -> None:
    days = pd.date_range("2021-01-01", "2023-12-31")
    shop = pd.Series(1_000 * np.exp(growth * ((days.year - 2021) * 12 + days.month)), index=days)
    season, years = season_of(shop, pd.Series(True, index=pd.date_range("2021-01-01", "2024-03-31")))
    assert years == 3
    assert season.to_numpy() == pytest.approx(1.0, abs=1e-9)


def test_a_month_in_which_the_shop_is_shut_takes_no_part_in_the_season() -> None:
    days = pd.date_range("2021-01-01", "2022-12-31")
    is_open = pd.Series(days.month != 8, index=days)
    shop = pd.Series(np.where(days.month == 12, 200.0, 100.0), index=days).where(is_open, 0.0)
    season, years = season_of(shop, is_open)
    assert years == 2
    assert season["2022-12-15"] > season["2022-11-15"] == pytest.approx(season["2022-03-15"])
    assert season["2022-08-15"] == 1.0
