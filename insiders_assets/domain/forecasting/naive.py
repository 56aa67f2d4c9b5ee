"""The forecasts that any model has to beat: mean trading days of the recent past, and the same month a year before.

Belongs here: what needs no fit. Does not belong here: trading days themselves (:mod:`.calendar`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from insiders_assets.domain.forecasting.history import DAYS_OF_A_YEAR, History
from insiders_assets.domain.forecasting.outcome import CannotForecastError


def mean_trading_day(history: History, money: pd.Series, days: int) -> pd.Series:
    """The mean of `money`, a daily series of the history, per trading day of the last `days` days, on each trading day
    of the horizon."""
    trading = int(history.was_open[-days:].sum())
    if not trading:
        raise CannotForecastError(f"The last {days} days hold no trading day.")
    rate = float(money.iloc[-days:].sum()) / trading
    return pd.Series(np.where(history.will_open, rate, 0.0), index=history.horizon)


def last_30_days(history: History, seed: int) -> pd.Series:
    """The mean trading day of the last 30 days."""
    history.require(30)
    return mean_trading_day(history, history.net, 30)


def last_90_days(history: History, seed: int) -> pd.Series:
    """The mean trading day of the last 90 days."""
    history.require(90)
    return mean_trading_day(history, history.net, 90)


def seasonal_naive(history: History, seed: int) -> pd.Series:
    """The same group's mean trading day of the same days a year (52 weeks) before, month by month of the horizon."""
    horizon = history.horizon
    before = horizon - pd.Timedelta(days=DAYS_OF_A_YEAR)
    if before[0] < history.net.index[0]:
        raise CannotForecastError(
            f"It needs the days from {before[0].date()} on; the data begin on {history.net.index[0].date()}."
        )
    then = pd.DataFrame(
        {"net": history.net.loc[before].to_numpy(), "open": history.is_open.loc[before].to_numpy(dtype=float)},
        index=horizon,
    )
    by_month = then.groupby(horizon.to_period("M")).sum()
    if ((by_month["open"] == 0) & (by_month["net"] != 0)).any():
        raise CannotForecastError("The days of a year before hold sales, but no trading day.")
    rates = (by_month["net"] / by_month["open"].where(by_month["open"] > 0)).fillna(0.0)
    return pd.Series(np.where(history.will_open, rates.reindex(horizon.to_period("M")), 0.0), index=horizon)


def seasonal_rate(history: History, seed: int) -> pd.Series:
    """The mean trading day of the last 90 days without the shop's season, which each day of the horizon gets back."""
    if not history.season_years:
        raise CannotForecastError("It needs twelve whole months of the shop's sales, to know its season.")
    return mean_trading_day(history, history.adjusted, 90) * history.season_ahead
