"""What the forecast, its backtest and its interval promise, on made-up groups."""

import subprocess
import sys
from datetime import date

import numpy as np
import pandas as pd
import pytest

from insiders_assets.contracts.forecast import REVENUE_FORECAST
from insiders_assets.domain import forecasting
from insiders_assets.domain.forecasting import (
    MODELS,
    Backtest,
    Outcome,
    backtest_month,
    forecast_month,
    interval,
    measure,
    open_days,
    run_models,
)
from insiders_assets.errors import ContractError, MissingMonthError

WEEK = np.array([1000.0, 1400.0, 800.0, 1600.0, 600.0, 0.0, 200.0])


def sales(first: str, last: str, seed: int = 5) -> pd.Series:
    """Daily sales with a weekly rhythm and closed Saturdays."""
    days = pd.date_range(first, last)
    return pd.Series(WEEK[days.weekday] * np.random.default_rng(seed).gamma(8, 1 / 8, len(days)), index=days)


def zeros(first: str, last: str) -> pd.Series:
    days = pd.date_range(first, last)
    return pd.Series(np.zeros(len(days)), index=days)


def months(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["grain"] == "month"].set_index(["model", "period_start"])


@pytest.fixture
def no_network(monkeypatch):
    """The rows, intervals and reasons do not depend on what the network says: these tests do without its seconds."""
    monkeypatch.setitem(forecasting.MODELS, "network", lambda *_: Outcome(note="Not in this test."))


@pytest.fixture(scope="module")
def unfinished():
    """A shop of 14 months whose data end on 9 December, forecast with its backtest by all three models."""
    daily = sales("2023-11-01", "2024-12-09")
    return daily, forecast_month(date(2024, 12, 1), daily, Backtest(date(2024, 11, 1), daily), 1)


def test_a_complete_month_is_tested_on_itself_and_an_unfinished_one_on_the_month_before():
    assert backtest_month(date(2011, 11, 1), date(2011, 11, 30)) == date(2011, 11, 1)
    assert Backtest(date(2011, 11, 1), zeros("2011-01-01", "2011-11-30")).origin == date(2011, 10, 31)
    assert backtest_month(date(2011, 12, 1), date(2011, 12, 9)) == date(2011, 11, 1)
    assert backtest_month(date(2012, 1, 1), date(2012, 1, 9)) == date(2011, 12, 1)


def test_an_unfinished_month_gets_its_rest_and_the_next_month(unfinished):
    daily, forecast = unfinished
    rows = REVENUE_FORECAST.to_frame(REVENUE_FORECAST.validate(forecast.rows()))
    totals = months(rows)
    assert set(totals.index.get_level_values(1)) == {date(2024, 12, 1), date(2025, 1, 1)}
    december = totals.xs(date(2024, 12, 1), level="period_start")
    assert set(december["days_forecast"]) == {22}
    assert december["observed"].to_numpy(dtype=float) == pytest.approx(daily.loc["2024-12"].sum())
    days = rows[(rows["grain"] == "day") & (rows["model"] == "network")]
    assert len(days) == 22 + 31
    rest = days[days["period_start"] < date(2025, 1, 1)]["net_revenue"].sum()
    assert december.loc["network", "net_revenue"] == pytest.approx(december.loc["network", "observed"] + rest)


def test_one_model_is_published_and_carries_an_interval_that_holds_its_forecast(unfinished):
    totals = months(unfinished[1].rows())
    assert set(totals[totals["published"]].index.get_level_values(0)) == {"network"}
    quoted, others = totals[totals["published"]], totals[~totals["published"]]
    assert ((quoted["lower"] < quoted["net_revenue"]) & (quoted["net_revenue"] < quoted["upper"])).all()
    assert set(quoted["interval_level"]) == {0.80}
    assert others[["lower", "upper", "interval_level"]].isna().all(axis=None)


def test_it_says_on_what_it_was_measured(unfinished):
    said = months(unfinished[1].rows())["measured_on"].loc[("network", date(2024, 12, 1))]
    assert said == (
        "daily errors of this model in 2024-11, 25 trading days, one origin (2024-10-31), 1 to 30 days ahead; "
        "another season is not covered"
    )


def test_a_spike_after_the_origin_is_unseen_by_every_model(unfinished):
    daily, forecast = unfinished
    spiked = daily.copy()
    spiked.loc["2024-11-02":] += 1e6
    measured = measure(Backtest(date(2024, 11, 1), spiked), 1)
    for name in MODELS:
        assert measured[name].forecast == forecast.measured[name].forecast
    assert measured["network"].forecast is not None
    assert measured["network"].actual > forecast.measured["network"].actual + 1e6


def test_days_after_the_month_are_not_looked_at(no_network):
    daily = sales("2024-01-01", "2024-08-31")
    spiked = daily.copy()
    spiked.loc["2024-07-01":] = 1e9
    rows = [forecast_month(date(2024, 6, 1), series, None, 0).rows() for series in (daily, spiked)]
    pd.testing.assert_frame_equal(*rows)


def test_the_error_is_a_signed_share_of_the_actual(no_network):
    daily = pd.Series(100.0, index=pd.date_range("2024-01-01", "2024-06-30"))
    daily.loc["2024-06-01":] = 80.0
    measured = measure(Backtest(date(2024, 6, 1), daily), 0)["last_30_days"]
    assert (measured.actual, measured.forecast) == (pytest.approx(2400.0), pytest.approx(3000.0))
    assert measured.error == pytest.approx(0.25)
    assert list(measured.errors) == pytest.approx([-20.0] * 30)
    returns = measure(Backtest(date(2024, 6, 1), -daily), 0)["last_30_days"]
    assert returns.error == pytest.approx(-0.25)


def test_the_seasonal_model_repeats_the_same_weekday_of_a_year_before(no_network):
    daily = sales("2023-06-01", "2024-06-30")
    horizon = pd.date_range("2024-07-01", "2024-07-31")
    said = run_models(daily, horizon, 0)["seasonal_naive"].daily
    assert list(said) == list(daily.loc["2023-07-03":"2023-08-02"])
    late = run_models(daily.loc["2023-08-01":], horizon, 0)["seasonal_naive"]
    assert late.daily is None
    assert late.note == "It needs the days from 2023-07-03 on; the data begin on 2023-08-01."


def test_the_last_30_days_are_spread_over_trading_days_only(no_network):
    daily = sales("2024-01-01", "2024-06-30")
    said = run_models(daily, pd.date_range("2024-07-01", "2024-07-31"), 0)["last_30_days"].daily
    trading = said.index.weekday != 5
    assert (said[~trading] == 0).all()
    assert said[trading].to_numpy() == pytest.approx(daily.iloc[-30:].sum() / 25)


def test_a_weekday_is_closed_only_after_eight_weeks_without_a_sale():
    horizon = pd.date_range("2024-07-01", "2024-07-07")
    long, short = sales("2024-05-06", "2024-06-30"), sales("2024-05-07", "2024-06-30")
    assert list(open_days(long, horizon).iloc[-7:]) == [True] * 5 + [False, True]
    assert open_days(short, horizon).iloc[-7:].all()


def test_holidays_at_the_turn_of_the_year_are_learnt_and_a_quiet_group_is_no_holiday():
    daily = sales("2023-11-01", "2024-12-09")
    daily.loc["2023-12-24":"2024-01-03"] = 0.0
    horizon = pd.date_range("2024-12-10", "2025-01-31")
    opened = open_days(daily, horizon).loc[horizon[0] :]
    assert not opened.loc["2024-12-24":"2025-01-03"].any()
    assert opened.loc["2024-12-23"] and opened.loc["2025-01-06"]
    quiet = daily.where(daily.index.weekday == 0, 0.0)
    quiet.loc[daily.index.weekday != 5] += np.where(np.arange((daily.index.weekday != 5).sum()) % 40 == 0, 9.0, 0.0)
    assert open_days(quiet, horizon).loc["2024-12-30"]


@pytest.mark.parametrize("days", [1, 5, 25, 40])
def test_the_interval_holds_the_forecast_whatever_the_errors(days):
    for errors in (np.full(26, 50.0), np.full(26, -50.0), np.random.default_rng(0).normal(10, 90, 26), np.array([3.0])):
        lower, upper = interval(1000.0, errors, days, 0)
        assert lower <= 1000.0 <= upper
        assert (lower, upper) == interval(1000.0, errors, days, 0)


def test_the_interval_is_as_wide_as_a_month_that_was_missed_and_widens_with_the_days():
    errors = np.full(26, 50.0)
    assert interval(1000.0, errors, 26, 0) == (1000.0 - 1300.0, 1000.0 + 1300.0)
    noise = np.random.default_rng(0).normal(0, 90, 26)
    widths = [np.diff(interval(0.0, noise, days, 0))[0] for days in (0, 5, 25)]
    assert widths[0] == 0 < widths[1] < widths[2]


def test_blocks_keep_days_together_that_err_together():
    together = np.repeat([100.0, -100.0, 100.0, -100.0], 7)
    apart = np.tile([100.0, -100.0], 14)
    assert np.diff(interval(0.0, together, 14, 0))[0] > 2 * np.diff(interval(0.0, apart, 14, 0))[0]


@pytest.mark.parametrize(
    ("daily", "reason"),
    [
        (pd.Series([], dtype=float), "Nobody is a member"),
        (zeros("2024-01-01", "2024-06-30"), "no sales"),
        (sales("2024-06-30", "2024-06-30"), "It needs"),
    ],
    ids=["nobody", "no sales", "one day"],
)
def test_where_nothing_can_be_said_every_model_says_why(daily, reason):
    forecast = forecast_month(date(2024, 6, 1), daily, Backtest(date(2024, 6, 1), daily), 0)
    assert forecast.published is None
    rows = REVENUE_FORECAST.to_frame(REVENUE_FORECAST.validate(forecast.rows()))
    assert list(rows["model"]) == sorted(MODELS) and set(rows["grain"]) == {"month"}
    assert rows["net_revenue"].isna().all() and not rows["published"].any()
    assert rows["note"].str.contains(reason).all()
    assert rows["measured_on"].str.startswith("Not measured").all()


def test_two_months_of_history_are_enough_for_the_last_30_days_but_say_why_not_for_the_others():
    daily = sales("2024-05-01", "2024-06-30")
    forecast = forecast_month(date(2024, 6, 1), daily, Backtest(date(2024, 6, 1), daily), 0)
    assert forecast.published == "last_30_days"
    row = months(forecast.rows()).loc[("last_30_days", date(2024, 7, 1))]
    assert row["lower"] <= row["net_revenue"] <= row["upper"]
    assert forecast.outcomes["network"].note == "It needs 90 days of history; there are 61."
    assert "364" not in forecast.outcomes["seasonal_naive"].note


def test_without_a_backtest_there_is_no_interval_and_a_reason(no_network):
    rows = months(forecast_month(date(2024, 6, 1), sales("2024-01-01", "2024-06-30"), None, 0).rows())
    assert rows["lower"].isna().all() and rows["interval_level"].isna().all()
    assert set(rows["measured_on"]) == {"Not measured: there is no complete month to test on."}


def test_a_model_that_could_not_be_tested_is_quoted_without_an_interval(no_network):
    daily = sales("2024-06-10", "2024-07-31")
    row = months(forecast_month(date(2024, 7, 1), daily, Backtest(date(2024, 7, 1), daily), 0).rows())
    row = row.loc[("last_30_days", date(2024, 8, 1))]
    assert row["published"] and row["net_revenue"] > 0 and pd.isna(row["lower"])
    assert row["measured_on"].startswith("Not measured: at the origin 2024-06-30 this model could not forecast.")


def test_odd_series_give_finite_rows_or_nothing():
    constant = pd.Series(100.0, index=pd.date_range("2024-01-01", "2024-06-30"))
    spiked = sales("2024-01-01", "2024-06-30")
    spiked.loc["2024-04-10"] *= 30
    negative = sales("2024-01-01", "2024-06-30") - 1500.0
    totals = {}
    for name, daily in {"constant": constant, "spiked": spiked, "negative": negative}.items():
        forecast = forecast_month(date(2024, 6, 1), daily, None, 0)
        rows = REVENUE_FORECAST.validate(forecast.rows()).to_pandas()
        assert np.isfinite(rows["net_revenue"].dropna()).all()
        totals[name] = forecast.outcomes["network"].daily.sum()
    assert totals["constant"] == pytest.approx(3100.0, rel=0.02)
    assert totals["negative"] < 0
    assert 0.5 < totals["spiked"] / sales("2024-07-01", "2024-07-31").sum() < 2


def test_a_series_that_ends_before_the_month_or_has_gaps_is_refused():
    daily = sales("2024-01-01", "2024-05-31")
    with pytest.raises(MissingMonthError, match="ends on 2024-05-31, before 2024-06"):
        forecast_month(date(2024, 6, 1), daily, None, 0)
    with pytest.raises(ContractError, match="gaps"):
        forecast_month(date(2024, 5, 1), daily.drop(daily.index[50]), None, 0)


def test_importing_the_forecast_does_not_import_tensorflow():
    program = "import sys, insiders_assets.domain.forecasting; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
