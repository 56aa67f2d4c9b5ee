"""What a model may see at an origin, and nothing after it.

Belongs here: daily series, trading days, the shop's season and the members' purchases, all cut at the origin. Does not
belong here: what a model makes of them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from insiders_assets.domain.forecasting.calendar import StatedDays, month_end, trading_days
from insiders_assets.domain.forecasting.outcome import CannotForecastError
from insiders_assets.errors import ContractError, MissingMonthError

MONTHS_AHEAD = 3
DAYS_OF_A_YEAR = 364  # whole weeks: the same weekday
RETURNS_DAYS = 365
FEWEST_DAYS = 30
# Of what is fitted: beyond two years its time grows, and what it learns does not.
LONGEST = 730
MIN_SALES_DAYS = 30


@dataclass(frozen=True)
class History:
    """What is known on the day `origin` of a group of members.

    net, gross: daily series to the origin, from the group's first sale or thirty days before. is_open: bool, from their
    first day to the end of the horizon. season: factor of each of those days against an average one
    (:func:`season_of`), 1 where nothing is known. season_years: whole years it was learnt from. members: how many they
    are. purchases: customer_id, day, gross: one row per member and day with a purchase, to the origin.
    """

    month: dt.date
    net: pd.Series
    gross: pd.Series
    is_open: pd.Series
    season: pd.Series
    season_years: int
    members: int
    purchases: pd.DataFrame

    @property
    def origin(self) -> pd.Timestamp:
        """The last day that is known."""
        return pd.Timestamp(self.net.index[-1])

    @property
    def horizon(self) -> pd.DatetimeIndex:
        """The days to forecast: from the day after the origin to the end of the third month after the origin's."""
        return pd.DatetimeIndex(self.is_open.index[len(self.net) :])

    @property
    def was_open(self) -> np.ndarray:
        """Whether the shop traded, for each day of the series, shape (n,)."""
        return self.is_open.to_numpy(dtype=bool)[: len(self.net)]

    @property
    def will_open(self) -> np.ndarray:
        """Whether it will, for each day of the horizon, shape (h,)."""
        return self.is_open.to_numpy(dtype=bool)[len(self.net) :]

    @property
    def season_ahead(self) -> np.ndarray:
        """The season's factor for each day of the horizon, shape (h,)."""
        return self.season.to_numpy(dtype=float)[len(self.net) :]

    @cached_property
    def adjusted(self) -> pd.Series:
        """The net series without the shop's season."""
        return self.net / self.season.to_numpy(dtype=float)[: len(self.net)]

    @property
    def sales_days(self) -> int:
        """Days on which the group's net revenue was not 0."""
        return int((self.net != 0).sum())

    def require(self, days: int, sales_days: int = 0) -> None:
        """Raise CannotForecastError where the series has fewer than `days`, or sales on fewer than `sales_days`."""
        if len(self.net) < days:
            raise CannotForecastError(f"It needs {days} days of history; there are {len(self.net)}.")
        if self.sales_days < sales_days:
            raise CannotForecastError(f"It needs {sales_days} days with sales; the history has {self.sales_days}.")

    def periods(self) -> list[tuple[int, dt.date, dt.date, dt.date]]:
        """(horizon, first day of the month, first day forecast, last day) of each month of the horizon."""
        ahead = self.horizon
        found = []
        for period in ahead.to_period("M").unique():
            days = ahead[ahead.to_period("M") == period]
            later = (period - pd.Period(self.month, "M")).n
            found.append((later, period.start_time.date(), days[0].date(), days[-1].date()))
        return found

    def returns_share(self) -> float:
        """Returns of the group as a share of its gross revenue, over the last year; between 0 and .9."""
        gross = float(self.gross.iloc[-RETURNS_DAYS:].sum())
        net = float(self.net.iloc[-RETURNS_DAYS:].sum())
        return float(np.clip(1 - net / gross, 0.0, 0.9)) if gross > 0 else 0.0


def history_of(
    month: dt.date,
    last_day: dt.date,
    shop: pd.DataFrame,
    sales: pd.DataFrame,
    members: int,
    stated: StatedDays | None = None,
) -> History:
    """What is known at the end of a month, or on the last day of its data, of those who are members then.

    Parameters
    ----------
    month: its first day. last_day: the last day of the data, in that month. shop: day, net: one row per day with sales,
        of everybody. sales: customer_id, day, gross, returns: one row per member and day. members: how many they are,
        without sales or with. What lies after `last_day` is not looked at.

    Raises
    ------
    ContractError: an amount is not finite. MissingMonthError: there is no sale of anybody up to that day.
    """
    shop, sales = (rows.assign(day=pd.to_datetime(rows["day"])) for rows in (shop, sales))
    shop, sales = (rows[rows["day"] <= pd.Timestamp(last_day)] for rows in (shop, sales))
    amounts = [shop["net"], sales["gross"], sales["returns"]]
    if not all(np.isfinite(amount.to_numpy(float)).all() for amount in amounts):
        raise ContractError("The sales hold amounts that are not finite.")
    if shop.empty:
        raise MissingMonthError(f"There is no sale up to {last_day}.", "Land that month, or declare it empty.")
    first = shop["day"].min().date()
    end = month_end((pd.Period(month, "M") + MONTHS_AHEAD).start_time.date())
    is_open = trading_days(set(shop["day"].dt.date), first, last_day, end, stated)
    known = pd.date_range(first, last_day)

    def daily(frame: pd.DataFrame, column: str) -> pd.Series:
        return frame.groupby("day")[column].sum().reindex(known, fill_value=0.0).astype(float)

    gross, returns = daily(sales, "gross"), daily(sales, "returns")
    season, years = season_of(daily(shop, "net"), is_open)
    # A group that is younger than the shop has no past of noughts: what a model needs, it needs from the first sale on.
    # The last thirty days stay, for the simplest model.
    begun = (gross != 0) | (returns != 0)
    start = min(int(begun.to_numpy().argmax()), max(len(known) - FEWEST_DAYS, 0)) if begun.any() else 0
    gross, returns, is_open, season = (one.iloc[start:] for one in (gross, returns, is_open, season))
    bought = sales[sales["gross"] > 0]
    purchases = pd.DataFrame(
        {
            "customer_id": bought["customer_id"].to_numpy(object),
            "day": bought["day"].to_numpy(),
            "gross": bought["gross"].to_numpy(float),
        }
    )
    return History(month, gross - returns, gross, is_open, season, years, members, purchases)


def season_of(shop: pd.Series, is_open: pd.Series) -> tuple[pd.Series, int]:
    """The shop's month-of-year factors, for each day of `is_open`, and the whole years that they were learnt from.

    Of each block of twelve months back from the origin: the logarithm of a month's revenue per trading day, less the
    trend and the mean over the block; averaged over the blocks, and shrunk by years / (years + 1), because of one
    year's factor half is that year's luck (the weight that a best linear predictor gives to n equally good measurements
    of something that varies as much as they err; Robinson 1991). The trend is the median change against the same month
    of the year before; from one year alone it cannot be told from a season, and with fewer than twelve such pairs it
    counts in part. The factors of a year have the geometric mean 1. Of the whole shop, not of the group: the group is
    chosen by this very past.

    Parameters
    ----------
    shop: daily net revenue of everybody, to the origin. is_open: bool, from its first day to the end of the horizon.
    """
    flat = pd.Series(1.0, index=is_open.index)
    logs = _monthly_logs(shop, is_open)
    pairs = (logs - logs.shift(12)).dropna()
    slope = float(pairs.median()) / 12 * min(len(pairs) / 12, 1.0) if len(pairs) else 0.0
    level = logs - slope * np.arange(len(logs))
    years = []
    for back in range(len(level) // 12):
        block = level.iloc[len(level) - 12 * (back + 1) : len(level) - 12 * back]
        if not np.isinf(block).any():
            # A month in which the shop was shut has no rate, and so no part in the season.
            factors = (block - block.mean()).fillna(0.0)
            years.append(pd.Series(factors.to_numpy(), index=pd.PeriodIndex(block.index).month))
    if not years:
        return flat, 0
    mean = pd.concat(years, axis=1).mean(axis=1) * len(years) / (len(years) + 1)
    of_days = np.exp(mean.reindex(pd.DatetimeIndex(is_open.index).month).to_numpy())
    return pd.Series(of_days, index=is_open.index), len(years)


def _monthly_logs(shop: pd.Series, is_open: pd.Series) -> pd.Series:
    """Logarithms of revenue per trading day of the whole months, by month: NaN where there was no trading day, infinite
    where there was no revenue to take one of."""
    months = pd.DatetimeIndex(shop.index).to_period("M")
    sums, trading = shop.groupby(months).sum(), is_open.iloc[: len(shop)].groupby(months).sum()
    if shop.index[0].day > 7:  # a month that begins late, or is not over, has not its own mean day
        sums, trading = sums.iloc[1:], trading.iloc[1:]
    if not pd.Timestamp(shop.index[-1]).is_month_end:
        sums, trading = sums.iloc[:-1], trading.iloc[:-1]
    logs = pd.Series(np.nan, index=sums.index)
    logs[trading > 0] = np.inf
    sold = (trading > 0) & (sums > 0)
    logs[sold] = np.log(sums[sold] / trading[sold])
    return logs
