"""What the models say: the naive ones by hand, the statistical ones on their three views, and all of one history."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insiders_assets.contracts.found_by import library
from insiders_assets.domain.forecasting.calendar import StatedDays
from insiders_assets.domain.forecasting.history import History
from insiders_assets.domain.forecasting.models import (
    MODELS,
    NETWORK,
    STATISTICAL_MEDIAN,
    STATISTICAL_MODELS,
    ask_all,
)
from insiders_assets.domain.forecasting.naive import last_30_days, last_90_days, seasonal_naive, seasonal_rate
from insiders_assets.domain.forecasting.outcome import CannotForecastError, Outcome
from insiders_assets.domain.forecasting.statistical import VIEWS, statistical
from insiders_tests.domain.forecasting.histories import (
    NOBODY,
    WEEK,
    constant,
    known,
    members_sales,
    rhythm,
    sales_of,
    shop_of,
)

SATURDAY = 5
QUICK = ("ets", "theta", "ces")


def saturdays(days: pd.Index) -> np.ndarray:
    return pd.DatetimeIndex(days).weekday == SATURDAY


# -- naive models, by hand


@pytest.mark.parametrize(("model", "days"), [(last_30_days, 30), (last_90_days, 90)])
def test_a_recent_rate_is_the_mean_trading_day_of_so_many_days(model, days: int) -> None:
    daily = constant("2024-01-01", "2024-06-30", 10.0, closed=(SATURDAY,))
    daily.iloc[-days:] *= 7
    said = model(known("2024-06-30", daily), 0)
    assert list(said.index) == list(pd.date_range("2024-07-01", "2024-09-30"))
    assert (said[saturdays(said.index)] == 0).all()
    assert said[~saturdays(said.index)].to_numpy() == pytest.approx(70.0)
    a_day_earlier = daily.copy()
    a_day_earlier.iloc[-days - 1] += 5_000
    assert model(known("2024-06-30", a_day_earlier), 0).equals(said)


def test_money_of_the_last_30_days_is_shared_among_their_trading_days() -> None:
    daily = rhythm("2024-01-01", "2024-06-30")
    said = last_30_days(known("2024-06-30", daily), 0)
    assert said.loc["2024-07-01"] == pytest.approx(daily.loc["2024-06-01":].sum() / 25)


def test_the_seasonal_model_repeats_the_trading_day_of_a_year_before_month_by_month() -> None:
    daily = constant("2023-01-01", "2024-06-30", 10.0, closed=(SATURDAY,))
    # The 364 days before July, August and September 2024 are 3 July to 2 August 2023, and so on.
    daily.loc["2023-07-03":"2023-08-02"] *= 2
    daily.loc["2023-08-03":"2023-09-02"] *= 3
    daily.loc["2023-07-05"] += 26.0
    daily.loc["2023-10-03":] *= 50
    stated = StatedDays(closed=("2024-07-08/2024-07-10",))
    said = seasonal_naive(known("2024-06-30", daily, stated=stated), 0)
    trading = said[~saturdays(said.index)]
    assert (said[saturdays(said.index)] == 0).all()
    assert (trading.loc["2024-07-08":"2024-07-10"] == 0).all()
    # 27 trading days of 20, and 26 more on one of them.
    july = trading.loc["2024-07"].drop(pd.date_range("2024-07-08", "2024-07-10"))
    assert july.to_numpy() == pytest.approx((27 * 20 + 26) / 27)
    assert trading.loc["2024-08"].to_numpy() == pytest.approx(30.0)
    assert trading.loc["2024-09"].to_numpy() == pytest.approx(10.0)


def test_a_month_that_was_closed_a_year_before_is_expected_to_bring_nothing() -> None:
    daily = constant("2023-01-01", "2024-06-30", 10.0)
    daily.loc["2023-07-03":"2023-08-02"] = 0.0
    said = seasonal_naive(known("2024-06-30", daily), 0)
    assert (said.loc["2024-07"] == 0).all()
    assert said.loc["2024-09"].to_numpy() == pytest.approx(10.0)


def test_the_seasonal_rate_takes_the_season_away_and_gives_it_back() -> None:
    factors = np.array([0.5, 0.8, 1.0, 1.0, 1.25, 1.0, 1.0, 1.0, 1.0, 1.25, 2.0, 0.8])
    daily = constant("2023-10-01", "2024-09-30", closed=(SATURDAY,))
    said = seasonal_rate(known("2024-09-30", daily * factors[pd.DatetimeIndex(daily.index).month - 1]), 0)
    # The last 90 days are of ordinary months; of a season that was seen once, half is believed.
    trading = said[~saturdays(said.index)]
    assert trading.loc["2024-10"].to_numpy() == pytest.approx(100 * np.sqrt(1.25))
    assert trading.loc["2024-11"].to_numpy() == pytest.approx(100 * np.sqrt(2.0))
    assert trading.loc["2024-12"].to_numpy() == pytest.approx(100 * np.sqrt(0.8))
    assert (said[saturdays(said.index)] == 0).all()
    after_november = constant("2023-03-01", "2024-02-29", closed=(SATURDAY,))
    said = seasonal_rate(
        known("2024-02-29", after_november * factors[pd.DatetimeIndex(after_november.index).month - 1]), 0
    )
    # Halves of .8, .5 and .8 are taken from the last 90 days before their mean.
    last = [
        np.sqrt({12: 0.8, 1: 0.5, 2: 0.8}[day.month])
        for day in pd.date_range("2023-12-02", "2024-02-29")
        if day.weekday() != SATURDAY
    ]
    assert said.loc["2024-03-01"] == pytest.approx(100 * np.mean(last))


@pytest.mark.parametrize(
    ("model", "enough", "reason"),
    [
        (last_30_days, 30, "It needs 30 days of history; there are 29."),
        (last_90_days, 90, "It needs 90 days of history; there are 89."),
        (statistical("ets", "weekly"), 112, "It needs 112 days of history; there are 111."),
        (MODELS["bg_nbd"], 56, "It needs 56 days of history; there are 55."),
    ],
    ids=["last_30_days", "last_90_days", "statistical", "bg_nbd"],
)
def test_a_day_less_than_a_model_needs_is_a_reason(model, enough: int, reason: str) -> None:
    last = pd.Timestamp("2024-06-30")
    first = last - pd.Timedelta(days=enough - 1)
    daily, sales = rhythm(f"{first:%Y-%m-%d}", "2024-06-30"), members_sales("2024-01-01", "2024-06-30", 60)
    daily += 1.0
    theirs = sales[sales["day"] >= first]
    assert np.isfinite(model(known("2024-06-30", daily, theirs), 0)).all()
    with pytest.raises(CannotForecastError) as said:
        model(known("2024-06-30", daily.iloc[1:], theirs[theirs["day"] > first]), 0)
    assert str(said.value) == reason


def test_the_seasonal_model_needs_the_days_of_a_year_before() -> None:
    enough = known("2024-06-30", constant("2023-07-03", "2024-06-30"))
    assert (seasonal_naive(enough, 0) == 100).all()
    with pytest.raises(CannotForecastError) as said:
        seasonal_naive(known("2024-06-30", constant("2023-07-04", "2024-06-30")), 0)
    assert str(said.value) == "It needs the days from 2023-07-03 on; the data begin on 2023-07-04."


def test_the_seasonal_rate_needs_twelve_whole_months() -> None:
    with pytest.raises(CannotForecastError, match="twelve whole months"):
        seasonal_rate(known("2024-06-30", constant("2023-08-01", "2024-06-30")), 0)


@pytest.mark.parametrize("model", [MODELS["ets_weekly"], MODELS[NETWORK]], ids=["statistical", "network"])
def test_fewer_than_thirty_days_with_sales_are_a_reason(model) -> None:
    few = constant("2024-06-03", "2024-06-30")
    few[pd.Timestamp("2024-01-01")] = 100.0
    with pytest.raises(CannotForecastError, match="It needs 30 days with sales; the history has 29"):
        model(known("2024-06-30", constant("2024-01-01", "2024-06-30"), sales_of(few)), 0)


# -- statistical models on their views


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("model", QUICK)
def test_closed_days_stay_0_on_every_view_and_the_rest_of_the_week_has_its_level(model: str, view: str) -> None:
    daily = rhythm("2024-01-01", "2024-06-30")
    said = statistical(model, view)(known("2024-06-30", daily, stated=StatedDays(closed=("2024-08-12/2024-08-16",))), 0)
    assert (said[saturdays(said.index)] == 0).all()
    assert (said.loc["2024-08-12":"2024-08-16"] == 0).all()
    assert said.loc["2024-07"].sum() == pytest.approx(
        WEEK[pd.date_range("2024-07-01", "2024-07-31").weekday].sum(), rel=0.3
    )


@pytest.mark.parametrize("view", ["daily", "trading"])
def test_the_views_of_days_know_the_rhythm_of_the_week(view: str) -> None:
    said = statistical("ets", view)(known("2024-06-30", rhythm("2024-01-01", "2024-06-30")), 0)
    by_weekday = said.groupby(said.index.weekday).mean()
    assert by_weekday.to_numpy() == pytest.approx(WEEK, rel=0.35)


def test_the_weekly_view_has_one_rate_for_the_trading_days_of_a_week() -> None:
    said = statistical("ets", "weekly")(known("2024-06-30", rhythm("2024-01-01", "2024-06-30")), 0)
    week = said.iloc[:7]
    assert week[~saturdays(week.index)].nunique() == 1


def test_the_weekly_view_goes_on_week_by_week() -> None:
    daily = constant("2024-01-01", "2024-06-30") + np.arange(182) // 7 * 10
    said = statistical("ets", "weekly")(known("2024-06-30", daily), 0)
    assert said.iloc[:21].to_numpy() == pytest.approx(np.repeat([360.0, 370.0, 380.0], 7), rel=1e-3)


@pytest.mark.parametrize("name", STATISTICAL_MODELS)
def test_a_constant_series_is_continued(name: str) -> None:
    history = known("2024-06-30", constant("2024-03-01", "2024-06-30"))
    assert MODELS[name](history, 0).to_numpy() == pytest.approx(100.0)


@pytest.mark.parametrize("view", ["trading", "weekly"])
def test_closed_days_are_no_dip_on_the_views_that_know_trading_days(view: str) -> None:
    history = known("2024-06-30", constant("2024-01-01", "2024-06-30", closed=(SATURDAY,)))
    closed = pd.DatetimeIndex(["2024-05-27", *pd.date_range("2024-06-03", "2024-06-16")])
    shut, net = history.is_open.copy(), history.net.copy()
    shut.loc[closed], net.loc[closed] = False, 0.0
    said = statistical("theta", view)(replace(history, is_open=shut, net=net), 0)
    assert said[~saturdays(said.index)].to_numpy() == pytest.approx(100.0)
    assert (said[saturdays(said.index)] == 0).all()


def test_the_season_is_taken_away_before_a_fit_and_given_back_to_its_forecast() -> None:
    history = known("2024-06-30", constant("2024-01-01", "2024-06-30"))
    season = pd.Series(np.linspace(0.5, 2.0, len(history.season)), index=history.season.index)
    busy = replace(history, season=season, net=history.net * season.iloc[: len(history.net)])
    said = statistical("ets", "weekly")(busy, 0)
    assert said.to_numpy() == pytest.approx(100 * season.iloc[len(history.net) :].to_numpy())


@pytest.mark.parametrize("name", ["theta_weekly", "ces_daily"])
def test_a_fit_that_fails_is_a_reason(name: str) -> None:
    huge = rhythm("2024-03-01", "2024-06-30") * 1e297
    with pytest.raises(CannotForecastError, match=r"^Its fit failed: no model able to be fitted\.$"):
        MODELS[name](known("2024-06-30", huge), 0)


@given(
    st.sampled_from(QUICK),
    st.lists(st.floats(-1e9, 1e9) | st.just(0.0) | st.floats(0, 10), min_size=16, max_size=20),
)
@settings(max_examples=25)
def test_a_wild_series_stays_within_its_own_spread_of_its_ends_or_is_a_reason(model: str, weeks: list[float]) -> None:
    daily = pd.Series(np.repeat(weeks, 7), index=pd.date_range(end="2024-06-30", periods=7 * len(weeks)))
    history = known("2024-06-30", constant(f"{daily.index[0]:%Y-%m-%d}", "2024-06-30"), sales_of(daily))
    try:
        said = statistical(model, "weekly")(history, 0)
    except CannotForecastError as reason:
        assert str(reason).startswith(("Its fit", "It needs"))
        return
    spread = np.ptp(weeks) * (1 + 1e-9) + 1e-9
    assert min(weeks) - spread <= said.min() <= said.max() <= max(weeks) + spread


@pytest.mark.parametrize("name", ["ets_weekly", "ces_weekly"])
def test_an_explosive_series_is_held_where_it_would_run_away(name: str) -> None:
    daily = constant("2024-01-01", "2024-06-30") * np.exp(np.arange(182) // 7 * 0.2)
    said = MODELS[name](known("2024-06-30", daily), 0)
    assert said.max() == pytest.approx(2 * daily.max() - daily.min())


# -- all of them


@pytest.fixture(scope="module")
def of_a_year() -> History:
    """Thirteen months of sixty members, at an origin after which the shop and they buy on."""
    shop, sales = rhythm("2023-03-01", "2024-06-30"), members_sales("2023-03-01", "2024-06-30", 60)
    return known("2024-03-31", shop, sales)


@pytest.fixture(scope="module")
def asked(of_a_year: History) -> dict[str, Outcome]:
    return ask_all(of_a_year, 7)


def test_after_thirteen_months_every_model_can_forecast(of_a_year: History, asked: dict[str, Outcome]) -> None:
    assert list(asked) == [*MODELS, STATISTICAL_MEDIAN]
    assert [name for name, outcome in asked.items() if outcome.daily is None] == []
    closed = ~of_a_year.will_open
    assert closed.any()
    for outcome in asked.values():
        assert outcome.daily is not None
        assert list(outcome.daily.index) == list(of_a_year.horizon)
        assert np.isfinite(outcome.daily).all()
        assert (outcome.daily[closed] == 0).all()


def test_of_steady_members_no_model_is_far_off(of_a_year: History, asked: dict[str, Outcome]) -> None:
    steady = of_a_year.net.iloc[-364:].sum() / 4
    found = {name: outcome.daily.sum() / steady for name, outcome in asked.items() if outcome.daily is not None}
    assert {name: round(share, 2) for name, share in found.items() if not 0.75 < share < 1.25} == {}


def test_the_statistical_median_is_the_median_of_each_day(asked: dict[str, Outcome]) -> None:
    each = np.array([asked[name].daily for name in STATISTICAL_MODELS])
    assert np.array_equal(asked[STATISTICAL_MEDIAN].daily, np.median(each, axis=0))


def test_the_network_is_the_mean_of_three_seeds_and_keeps_their_files(asked: dict[str, Outcome]) -> None:
    network = asked[NETWORK]
    assert network.of_seeds is not None
    assert network.daily is not None
    assert list(network.of_seeds) == ["7", "8", "9"]
    assert network.of_seeds.nunique(axis=1).max() == 3
    assert network.daily.to_numpy() == pytest.approx(network.of_seeds.mean(axis=1).to_numpy())
    assert set(network.files) == {f"{seed}-{file}" for seed in (7, 8, 9) for file in ("network.keras", "scaler.json")}
    # When to stop was looked for once.
    assert len({json.loads(network.files[f"{seed}-scaler.json"])["epochs"] for seed in (7, 8, 9)}) == 1


def test_every_model_names_its_library_and_what_it_took(asked: dict[str, Outcome]) -> None:
    libraries = {name: outcome.library for name, outcome in asked.items()}
    assert libraries["last_30_days"] == library("pandas")
    assert libraries["ces_weekly"] == libraries[STATISTICAL_MEDIAN] == library("statsforecast")
    assert libraries["bg_nbd"] == library("scipy")
    assert libraries[NETWORK] == library("keras")
    assert all(asked[name].seconds > 0 for name in MODELS)


def test_a_thirtyfold_spike_after_the_origin_changes_no_models_answer_in_the_last_bit(
    asked: dict[str, Outcome],
) -> None:
    shop, sales = rhythm("2023-03-01", "2024-06-30"), members_sales("2023-03-01", "2024-06-30", 60)
    shop.loc["2024-04-01":] *= 30
    sales.loc[sales["day"] >= "2024-04-01", ["gross", "returns"]] *= 30
    assert shop_of(shop)["net"].max() > 20_000
    again = ask_all(known("2024-03-31", shop, sales), 7)
    assert list(again) == list(asked)
    for name, outcome in asked.items():
        assert again[name].note == outcome.note
        pd.testing.assert_series_equal(again[name].daily, outcome.daily, check_exact=True)
        assert again[name].files == outcome.files


def test_two_months_of_history_are_enough_for_the_last_30_days_and_the_others_say_why_not() -> None:
    asked = ask_all(known("2024-06-30", rhythm("2024-05-01", "2024-06-30")), 0)
    assert [name for name, outcome in asked.items() if outcome.daily is not None] == ["last_30_days"]
    assert {name: outcome.note for name, outcome in asked.items() if outcome.note} == {
        "last_90_days": "It needs 90 days of history; there are 61.",
        "seasonal_naive": "It needs the days from 2023-07-03 on; the data begin on 2024-05-01.",
        "seasonal_rate": "It needs twelve whole months of the shop's sales, to know its season.",
        **dict.fromkeys((*STATISTICAL_MODELS, STATISTICAL_MEDIAN), "It needs 112 days of history; there are 61."),
        "bg_nbd": "It needs 20 members who bought on two days or more; there are 1.",
        NETWORK: "It needs 182 days of history; there are 61.",
    }


@pytest.mark.parametrize(
    ("members", "reason"),
    [(0, "Nobody is a member at the origin."), (3, "The group has no sales in its history.")],
)
def test_where_nothing_can_be_said_every_model_says_why(members: int, reason: str) -> None:
    asked = ask_all(known("2024-06-30", rhythm("2023-01-01", "2024-06-30"), NOBODY, members), 0)
    assert list(asked) == [*MODELS, STATISTICAL_MEDIAN]
    assert {outcome.note for outcome in asked.values()} == {reason}
    assert all(outcome.daily is None for outcome in asked.values())


def test_importing_the_models_imports_none_of_the_slow_libraries() -> None:
    slow = ("tensorflow", "keras", "statsforecast", "statsmodels", "numba", "umap", "scipy.optimize")
    program = (
        "import sys, insiders_assets.domain.forecasting.models, insiders_assets.domain.forecasting.records;"
        f"print([name for name in {slow} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
