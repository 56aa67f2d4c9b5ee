"""What a group of members will bring: naive models beside the network, one backtest, one interval.

Belongs here: origins, trading days, the models' one interface, backtest, interval, rows. Does not belong here: the
network's inside (:mod:`insiders_assets.domain.network`), who is a member, what they bought, and where things are kept.

A *daily series* is net revenue (purchases less returns) per calendar day, in the shop's currency, of those who are
members at its origin: a DatetimeIndex without gaps from the first to the last day that the data cover, 0 on days
without sales; empty if nobody is a member. The group is chosen by what it bought *before* the origin, so its past
flatters it and every model inherits that; the backtest, whose group is fixed at its own origin, shows how much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from insiders_assets.contracts.forecast import REVENUE_FORECAST
from insiders_assets.contracts.found_by import library
from insiders_assets.domain.network import MIN_DAYS, Network, checked, fit_network
from insiders_assets.errors import MissingMonthError

LEVEL = 0.80
BLOCK = 7
RESAMPLES = 2_000
MIN_WEEKDAY_DAYS = 56
MIN_SALES_DAYS = 30


def month_end(month: date) -> date:
    """The last day of the calendar month of `month`."""
    return pd.Period(month, "M").end_time.date()


def backtest_month(month: date, last_day: date) -> date:
    """First day of the last complete month up to `month`, when the data end on `last_day`.

    A complete month is its own backtest, from the end of the month before; an unfinished one has the month before.
    """
    period = pd.Period(month, "M")
    return (period if last_day >= month_end(month) else period - 1).start_time.date()


@dataclass(frozen=True)
class Backtest:
    """A complete month (first day), and the daily series of the members *at its origin*, to its end or later."""

    month: date
    daily: pd.Series

    @property
    def origin(self) -> date:
        """The last day that a model may see."""
        return (pd.Period(self.month, "M").start_time - pd.Timedelta(days=1)).date()


@dataclass(frozen=True)
class Outcome:
    """What a model says: money for each day of the horizon, or nothing and, in `note`, why."""

    daily: pd.Series | None = None
    note: str | None = None
    network: Network | None = None


@dataclass(frozen=True)
class Measured:
    """A model's backtest: totals of the month, errors (actual less forecast) of its trading days, and on what."""

    month: date | None = None
    actual: float | None = None
    forecast: float | None = None
    errors: np.ndarray | None = None
    measured_on: str = ""

    @property
    def error(self) -> float | None:
        """(Forecast - actual) / |actual|; None where there is no forecast or the actual is 0."""
        if self.forecast is None or not self.actual:
            return None
        return (self.forecast - self.actual) / abs(self.actual)


def open_days(history: pd.Series, horizon: pd.DatetimeIndex) -> pd.Series:
    """Whether the shop trades, for each day of the history and of the horizon, learnt from the history alone.

    A weekday without any sale in at least eight weeks is closed, and so is a date on which the shop was shut when it
    last came round (:func:`yearly_closures`). A day with a sale was open.
    """
    days = pd.DatetimeIndex(history.index).append(horizon)
    sale = history.to_numpy(dtype=float) != 0
    weekdays = set(history.index[sale].weekday) if len(history) >= MIN_WEEKDAY_DAYS else set(range(7))
    closures = yearly_closures(history, weekdays)
    opened = np.array([day.weekday() in weekdays and (day.month, day.day) not in closures for day in days], dtype=bool)
    opened[: len(history)] |= sale
    return pd.Series(opened, index=days)


def yearly_closures(history: pd.Series, weekdays: set[int]) -> set[tuple[int, int]]:
    """(month, day) of holidays such as Christmas: 7 to 31 days without a sale, trading weekdays at both ends.

    Only where the group otherwise buys on at least nine of ten trading days, so that a closed shop can be told from a
    quiet group. Runs before its first and after its last sale do not count, nor do those of more than 430 days ago: a
    year and the longest horizon, so that a date of the horizon is judged by the last time it came round.
    """
    sale = history.iloc[-430:] != 0
    if not sale.any():
        return set()
    active = sale.loc[sale.idxmax() : sale[::-1].idxmax()]
    trading = active[pd.DatetimeIndex(active.index).weekday.isin(weekdays)]
    # Counted in trading days: a weekly closed day at a run's edge says nothing of that date in another year.
    runs = trading.index.to_series()[~trading].groupby(trading.cumsum()).agg(["min", "max"])
    runs = runs[(runs["max"] - runs["min"]).dt.days.between(6, 30)]
    closed = {day for first, last in runs.to_numpy() for day in pd.date_range(first, last)}
    if trading[~trading.index.isin(list(closed))].mean() < 0.9:
        return set()
    return {(day.month, day.day) for day in closed}


def seasonal_naive(history: pd.Series, is_open: pd.Series, seed: int) -> Outcome:
    """The same group's day of 364 days before (the same weekday); where that reaches before the data it cannot."""
    horizon = pd.DatetimeIndex(is_open.index[len(history) :])
    before = horizon - pd.Timedelta(days=364)
    if before[0] < history.index[0]:
        return Outcome(
            note=f"It needs the days from {before[0].date()} on; the data begin on {history.index[0].date()}."
        )
    return Outcome(pd.Series(history.loc[before].to_numpy(dtype=float), index=horizon))


def last_30_days(history: pd.Series, is_open: pd.Series, seed: int) -> Outcome:
    """The mean per trading day over the last 30 days, on each trading day of the horizon; closed days are 0."""
    if len(history) < 30:
        return Outcome(note=f"It needs 30 days of history; there are {len(history)}.")
    opened = is_open.iloc[len(history) :]
    trading = int(is_open.iloc[len(history) - 30 : len(history)].sum())
    if not trading:
        return Outcome(note="The last 30 days hold no trading day.")
    return Outcome(opened * (float(history.iloc[-30:].sum()) / trading))


def network(history: pd.Series, is_open: pd.Series, seed: int) -> Outcome:
    """The seven-layer network, fitted on the history alone."""
    if len(history) < MIN_DAYS:
        return Outcome(note=f"It needs {MIN_DAYS} days of history; there are {len(history)}.")
    if (sales := int((history != 0).sum())) < MIN_SALES_DAYS:
        return Outcome(note=f"It needs {MIN_SALES_DAYS} days with sales; the history has {sales}.")
    fitted = fit_network(history, is_open.iloc[: len(history)], seed)
    daily = fitted.forecast(history, is_open)
    if not np.isfinite(daily).all():
        return Outcome(note="Its training did not settle on finite numbers.")
    plain = "Training found nothing beyond the mean trading day of the last 28 days." if fitted.epochs == 0 else None
    return Outcome(daily, plain, fitted)


# In the order of publishing: the first that can forecast is quoted.
Model = Callable[[pd.Series, pd.Series, int], Outcome]
MODELS: dict[str, Model] = {"network": network, "last_30_days": last_30_days, "seasonal_naive": seasonal_naive}


def run_models(history: pd.Series, horizon: pd.DatetimeIndex, seed: int) -> dict[str, Outcome]:
    """What every model says of the horizon, the days that follow the history's last."""
    if not (history != 0).any():
        reason = "The group has no sales in its history." if len(history) else "Nobody is a member at the origin."
        return {name: Outcome(note=reason) for name in MODELS}
    return {name: model(history, open_days(history, horizon), seed) for name, model in MODELS.items()}


def measure(backtest: Backtest | None, seed: int) -> dict[str, Measured]:
    """The backtest of every model, which sees nothing after the origin; errors of days thought open or with sales."""
    if backtest is None:
        return dict.fromkeys(MODELS, Measured(measured_on="Not measured: there is no complete month to test on."))
    origin, end = pd.Timestamp(backtest.origin), pd.Timestamp(month_end(backtest.month))
    daily = checked(backtest.daily)
    history, truth = daily.loc[:origin], daily.loc[origin + pd.Timedelta(days=1) : end]
    if history.empty or len(truth) != end.day:
        said = "nobody was a member" if daily.empty else f"the data do not cover {end:%Y-%m} and a day before it"
        return dict.fromkeys(MODELS, Measured(measured_on=f"Not measured: {said} (origin {origin.date()})."))
    horizon = pd.DatetimeIndex(truth.index)
    trading = open_days(history, horizon).to_numpy()[len(history) :] | (truth != 0).to_numpy()
    month, actual = end.replace(day=1).date(), float(truth.sum())
    on = (
        f"daily errors of this model in {end:%Y-%m}, {int(trading.sum())} trading days, one origin ({origin.date()}), "
        f"1 to {len(truth)} days ahead; another season is not covered"
    )
    measured = {}
    for name, outcome in run_models(history, horizon, seed).items():
        if outcome.daily is None:
            why = f"Not measured: at the origin {origin.date()} this model could not forecast. {outcome.note}"
            measured[name] = Measured(month, actual, measured_on=why)
        else:
            errors = (truth - outcome.daily).to_numpy()[trading]
            measured[name] = Measured(month, actual, float(outcome.daily.sum()), errors, on)
    return measured


def interval(point: float, errors: np.ndarray, days: int, seed: int) -> tuple[float, float]:
    """The 80 % interval of a total over `days` trading days, from daily errors: (lower, upper), point included.

    Moving-block bootstrap (Künsch 1989): runs of seven consecutive trading days' `errors` (actual less forecast, shape
    (n,)) are drawn with replacement until `days` (>= 0) are filled, and summed, 2,000 times. Each sum gets a random
    sign: one month's mean error mixes the model's bias with that month's luck, and one origin cannot tell them apart;
    so its size counts, on both sides, but its direction does not move the forecast. The price: the errors' skewness is
    lost, and one month's errors stand for any other's.
    """
    if days == 0 or not len(errors):
        return point, point
    block = min(BLOCK, len(errors))
    draw = np.random.default_rng(seed)
    starts = draw.integers(0, len(errors) - block + 1, (RESAMPLES, -(-days // block)))
    drawn = errors[starts[:, :, None] + np.arange(block)].reshape(RESAMPLES, -1)[:, :days].sum(axis=1)
    drawn = drawn * draw.choice([-1.0, 1.0], RESAMPLES)
    lower, upper = point + np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return min(float(lower), point), max(float(upper), point)


@dataclass(frozen=True)
class Forecast:
    """What every model says at the end of a month, with its backtest.

    `observed` is the net revenue of the month so far; `periods` the months (first days) that are forecast; `is_open`
    holds one bool per day of the horizon.
    """

    month: date
    observed: float
    periods: tuple[date, ...]
    is_open: pd.Series
    outcomes: dict[str, Outcome]
    measured: dict[str, Measured]
    seed: int

    @property
    def published(self) -> str | None:
        """The model that is quoted: the first of `MODELS` that can forecast; None if none can."""
        return next((name for name in MODELS if self.outcomes[name].daily is not None), None)

    def rows(self) -> pd.DataFrame:
        """The forecast in the columns of `REVENUE_FORECAST`, Arrow-backed; what cannot be said is null, never NaN."""
        rows = [self._month_row(name, period) for name in MODELS for period in self.periods]
        for name in MODELS:
            daily = self.outcomes[name].daily
            days = [] if daily is None else zip(pd.DatetimeIndex(daily.index).date, daily, strict=True)
            rows += [self._row(name, "day", day, day, 1) | {"net_revenue": float(money)} for day, money in days]
        table = pa.Table.from_pylist(rows, schema=REVENUE_FORECAST.arrow_schema)
        return table.to_pandas(types_mapper=pd.ArrowDtype)

    def _row(self, name: str, grain: str, start: date, end: date, days: int) -> dict[str, Any]:
        said = {"month": self.month, "model": name, "grain": grain, "period_start": start, "period_end": end}
        found = (
            {"library": library("keras"), "seed": self.seed} if name == "network" else {"library": library("pandas")}
        )
        return {**said, **found, "published": name == self.published, "days_forecast": days, "observed": 0.0}

    def _month_row(self, name: str, period: date) -> dict[str, Any]:
        is_open = self.is_open.loc[pd.Timestamp(period) : pd.Timestamp(month_end(period))]
        outcome, measured = self.outcomes[name], self.measured[name]
        row = self._row(name, "month", period, month_end(period), len(is_open)) | {
            "observed": self.observed if period == self.month else 0.0,
            "backtest_month": measured.month,
            "backtest_actual": measured.actual,
            "backtest_forecast": measured.forecast,
            "backtest_error": measured.error,
            "measured_on": measured.measured_on,
            "note": outcome.note,
        }
        if outcome.daily is None:
            return row
        point = row["observed"] + float(outcome.daily.loc[is_open.index].sum())
        if name == self.published and measured.errors is not None:
            lower, upper = interval(point, measured.errors, int(is_open.sum()), self.seed)
            row |= {"lower": lower, "upper": upper, "interval_level": LEVEL}
        return row | {"net_revenue": point}


def forecast_month(month: date, daily: pd.Series, backtest: Backtest | None, seed: int) -> Forecast:
    """Forecast the rest of `month`, if the data end before its end, and the whole month after it.

    `month` is any day of the month; days of `daily` (the series of the members at the origin: the last day of the
    month, or of the data) after its end are not looked at. `backtest` is the month of :func:`backtest_month` with its
    own members, or None. The same inputs and seed (>= 0) give the same rows on one machine.

    Raises ContractError if a series has gaps or numbers that are not finite, MissingMonthError if it ends too early.
    """
    first, end = pd.Timestamp(month).replace(day=1), pd.Timestamp(month_end(month))
    history = checked(daily).loc[:end]
    if len(history) and history.index[-1] < first:
        raise MissingMonthError(
            f"The daily series ends on {history.index[-1]:%Y-%m-%d}, before {first:%Y-%m}.",
            "Land that month, or declare it empty and fill its days with 0.",
        )
    origin = history.index[-1] if len(history) else end
    following = end + pd.Timedelta(days=1)
    horizon = pd.date_range(origin + pd.Timedelta(days=1), month_end(following))
    periods = (following.date(),) if origin == end else (first.date(), following.date())
    is_open = open_days(history, horizon).iloc[len(history) :]
    outcomes, measured = run_models(history, horizon, seed), measure(backtest, seed)
    return Forecast(first.date(), float(history.loc[first:].sum()), periods, is_open, outcomes, measured, seed)
