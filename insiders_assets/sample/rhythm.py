"""When the shop is open, how busy each day and month is, and where randomness comes from.

Belongs here: calendar arithmetic without customers. Does not belong here: rates of people.
"""

import datetime as dt
import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from insiders_assets.sample.parameters import MonthDay, ShopParameters, month_after, month_starts

WEEKDAY_WEIGHTS = (1.05, 1.1, 1.05, 1.12, 0.9, 0.7, 0.7)  # Monday to Sunday, shaped after UCI 352
DAYS_PER_MONTH = 365.25 / 12
MINUTES_PER_DAY = 1440
OPENING, NOON_RUSH, CLOSING = 8 * 60, 13 * 60, 19 * 60  # minutes of the day
STREAMS = ("customers", "articles", "purchases", "returns", "dirt", "unreadable", "large_orders", "timing")


def stream(seed: int, name: str, month: dt.date | None = None) -> np.random.Generator:
    """Return the generator of one purpose and month: no month's draws depend on another's having been made."""
    index = 0 if month is None else month.year * 12 + month.month
    return np.random.default_rng([seed, STREAMS.index(name), index])


@dataclass(frozen=True)
class Rhythm:
    """The shop's days, numbered from the first day of its first month.

    cumulative: (days + 1,) busyness before each day, where one average month (its closed weekdays included) is 1;
    a closed day adds nothing.
    """

    parameters: ShopParameters
    cumulative: NDArray[np.float64]

    @functools.cached_property
    def open(self) -> NDArray[np.bool_]:
        """(days,) whether the shop is open."""
        return np.diff(self.cumulative) > 0

    @functools.cached_property
    def demand(self) -> NDArray[np.float64]:
        """(days + 1,) busyness times the month's level, before each day: a rate per month is multiplied by it."""
        dates = np.datetime64(self.parameters.first_month, "D") + np.arange(len(self.open))
        months, place = np.unique(dates.astype("datetime64[M]"), return_inverse=True)
        levels = np.array([self.factor(month.astype("datetime64[D]").item()) for month in months])
        return np.concatenate([[0.0], np.cumsum(np.diff(self.cumulative) * levels[place])])

    def day(self, date: dt.date) -> int:
        """Return the number of a date; negative before the shop's first month."""
        return (date - self.parameters.first_month).days

    def span(self, month: dt.date) -> tuple[int, int]:
        """Return the month as day numbers [first, last + 1)."""
        return self.day(month), self.day(month_after(month))

    def factor(self, month: dt.date) -> float:
        """Return the level of rates in a month: season, growth, trend break and promotion multiplied."""
        given = self.parameters
        elapsed = (month.year - given.first_month.year) * 12 + month.month - given.first_month.month
        broken = given.trend_break is not None and month >= given.trend_break[0]
        return (
            given.seasonality[month.month - 1]
            * (1 + given.growth) ** elapsed
            * (given.trend_break[1] if broken and given.trend_break else 1.0)
            * (given.promotion_lift if month in given.promotion_months else 1.0)
        )

    def day_at(self, demand: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the open day in which each amount of cumulative demand is reached; `days` beyond the end."""
        return np.searchsorted(self.demand, demand, side="right").astype(np.int64) - 1

    def next_open_day(self, days: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the same or the next open day; the number of days where there is none any more."""
        opened = np.append(np.flatnonzero(self.open), len(self.open))
        return opened[np.searchsorted(opened, np.minimum(days, len(self.open)))]


def make_rhythm(parameters: ShopParameters) -> Rhythm:
    """Weigh each day by its weekday; closed weekdays and closed periods weigh nothing."""
    months = month_starts(parameters)
    count = (month_after(months[-1]) - months[0]).days
    dates = [months[0] + dt.timedelta(days=number) for number in range(count)]
    week = [0.0 if day in parameters.closed_weekdays else weight for day, weight in enumerate(WEEKDAY_WEIGHTS)]
    weights = np.array([0.0 if _is_closed(date, parameters.closed_periods) else week[date.weekday()] for date in dates])
    average_month = sum(week) / 7 * DAYS_PER_MONTH or 1.0
    return Rhythm(parameters, np.concatenate([[0.0], np.cumsum(weights / average_month)]))


def draw_minutes(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Draw minutes of the day within opening hours, most of them around the noon rush."""
    return rng.triangular(OPENING, NOON_RUSH, CLOSING, count).astype(np.int64)


def _is_closed(date: dt.date, periods: tuple[tuple[MonthDay, MonthDay], ...]) -> bool:
    today = (date.month, date.day)
    return any(start <= today <= end if start <= end else today >= start or today <= end for start, end in periods)
