"""The days on which the shop trades: learnt from its sales, from public holidays, and from what a person says.

Belongs here: closed weekdays, closed periods, holidays, and whether a month's data are complete. Does not belong here:
what is sold on a day.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

MIN_WEEKDAY_DAYS = 56
MIN_WEEKDAY_SHARE = 0.1
LONGEST_MEMORY = 430
MIN_SHARE_OF_SALES_DAYS = 0.9
_DATE, _DAY_OF_YEAR = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "[0-9]{2}-[0-9]{2}"


@dataclass(frozen=True)
class StatedDays:
    """What is not learnt: a public holiday calendar, and days that a person says are closed.

    holidays: country, or country-subdivision, as the `holidays` package knows it (`GB-ENG`, `BR-SP`); empty: none.
    closed: dates and periods, `2012-06-04`, `2012-06-04/2012-06-05`, or every year `12-24/01-03`.
    """

    holidays: str = ""
    closed: tuple[str, ...] = ()

    def is_closed(self, day: dt.date) -> bool:
        """Whether a person says that the shop is closed on that day."""
        return any(_holds(period, day) for period in self.closed)

    def holiday_names(self, first: dt.date, last: dt.date) -> dict[dt.date, str]:
        """Public holidays between two days, both included, by date."""
        if not self.holidays:
            return {}
        calendar = holiday_calendar(self.holidays, range(first.year, last.year + 1))
        return {day: name for day, name in calendar.items() if first <= day <= last}


def holiday_calendar(code: str, years: Sequence[int] | range) -> dict[dt.date, str]:
    """Public holidays of a country (`GB`) or of a part of one (`GB-ENG`), by date.

    Raises
    ------
    ValueError: there is no such country or part.
    """
    import holidays

    country, dash, part = code.partition("-")
    unknown = ValueError(
        f"there is no holiday calendar {code!r}; write a country, or a country and its part: GB-ENG, BR-SP"
    )
    if dash and not part:
        raise unknown
    try:
        return dict(holidays.country_holidays(country, subdiv=part or None, years=list(years)))
    except NotImplementedError:  # what the package says of a country or part that it does not know
        raise unknown from None


def checked_period(text: str) -> str:
    """The text, if it is a date, a period, or a period of every year.

    Raises
    ------
    ValueError: it is none.
    """
    if not any(re.fullmatch(f"{form}(/{form})?", text) for form in (_DATE, _DAY_OF_YEAR)):
        raise ValueError(f"{text!r} is no day; write 2012-06-04, 2012-06-04/2012-06-05, or for every year 12-24/01-03")
    for edge in text.split("/"):
        try:
            dt.date.fromisoformat(edge if len(edge) == 10 else f"2000-{edge}")
        except ValueError:
            raise ValueError(f"{edge!r} is no day of the calendar") from None
    start, _, end = text.partition("/")
    if len(end) == 10 and end < start:
        raise ValueError(f"{text!r} ends before it begins")
    return text


def _holds(period: str, day: dt.date) -> bool:
    start, _, end = period.partition("/")
    end = end or start
    today = day.isoformat() if len(start) == 10 else day.isoformat()[5:]
    return start <= today <= end if start <= end else today >= start or today <= end


def trading_days(
    sales_days: Collection[dt.date], first: dt.date, last: dt.date, end: dt.date, stated: StatedDays | None = None
) -> pd.Series:
    """Whether the shop trades, for each day from `first` to `end`, learnt from the days up to `last` alone.

    Closed are: a weekday with hardly a sale in at least eight weeks; a date on which the shop was shut when it last
    came round (:func:`yearly_closures`); a public holiday, unless the shop sold on the last one of that name, or
    on most of the others; and what a person says. A day with a sale was open, whatever else is said of it.

    Returns
    -------
    bool by day, DatetimeIndex from `first` to `end`.
    """
    stated = stated or StatedDays()
    days = pd.date_range(first, end)
    known = pd.date_range(first, last)
    sold = known.isin(pd.DatetimeIndex([pd.Timestamp(day) for day in sales_days]))
    weekdays = _trading_weekdays(pd.Series(sold, index=known))
    closures = yearly_closures(pd.Series(sold, index=known), weekdays)
    closed_holidays = _closed_holidays(stated.holiday_names(first, end), set(known[sold].date), last, weekdays)
    opened = np.array(
        [
            day.weekday() in weekdays
            and (day.month, day.day) not in closures
            and day not in closed_holidays
            and not stated.is_closed(day)
            for day in days.date
        ],
        dtype=bool,
    )
    opened[: len(known)] |= sold
    return pd.Series(opened, index=days)


def _trading_weekdays(sold: pd.Series) -> set[int]:
    """Weekdays (Monday is 0) on which the shop sells: in the last 430 days at least a tenth as often as on the median
    one of those with sales, so that a mistyped date opens none for good; or on both of the last two. All, while fewer
    than eight weeks are known."""
    if len(sold) < MIN_WEEKDAY_DAYS:
        return set(range(7))
    recent = sold.iloc[-LONGEST_MEMORY:]
    by_weekday = recent.groupby(pd.DatetimeIndex(recent.index).weekday)
    shares = by_weekday.mean()
    usual = float(shares[shares > 0].median()) if (shares > 0).any() else 0.0
    lately = by_weekday.tail(2)
    both = lately.groupby(pd.DatetimeIndex(lately.index).weekday).all()
    return {day for day in range(7) if shares[day] > 0 and (shares[day] >= MIN_WEEKDAY_SHARE * usual or both[day])}


def yearly_closures(sold: pd.Series, weekdays: Collection[int]) -> set[tuple[int, int]]:
    """(month, day) of holidays such as Christmas: 7 to 31 days without a sale, trading weekdays at both ends.

    Only where there otherwise is a sale on at least nine of ten trading days, so that a closed shop can be told from a
    quiet one. Runs before the first and after the last sale do not count, nor do those of more than 430 days ago: a
    year and the longest horizon, so that a date of the horizon is judged by the last time it came round.

    Parameters
    ----------
    sold: whether there was a sale, bool by day.
    """
    recent = sold.iloc[-LONGEST_MEMORY:]
    if not recent.any():
        return set()
    active = recent.loc[recent.idxmax() : recent[::-1].idxmax()]
    trading = active[pd.DatetimeIndex(active.index).weekday.isin(list(weekdays))]
    # Counted in trading days: a weekly closed day at a run's edge says nothing of that date in another year.
    runs = trading.index.to_series()[~trading].groupby(trading.cumsum()).agg(["min", "max"])
    runs = runs[(runs["max"] - runs["min"]).dt.days.between(6, 30)]
    closed = {day for first, last in runs.to_numpy() for day in pd.date_range(first, last)}
    if trading[~trading.index.isin(list(closed))].mean() < MIN_SHARE_OF_SALES_DAYS:
        return set()
    return {(day.month, day.day) for day in closed}


def _closed_holidays(
    named: dict[dt.date, str], sold: Collection[dt.date], last: dt.date, weekdays: Collection[int]
) -> set[dt.date]:
    """Holidays on which the shop is closed: what it did when one of that name last came, else what it mostly does.

    A holiday on a weekday that is closed anyway tells nothing. Where none was seen yet, the calendar is believed.
    """
    named = {day: re.sub(r" \(.*\)$", "", name.partition(";")[0]) for day, name in named.items()}
    seen = {day: day in sold for day in sorted(named) if day <= last and day.weekday() in weekdays}
    opens = {named[day]: opened for day, opened in seen.items()}
    mostly_open = bool(seen) and sum(seen.values()) * 2 > len(seen)
    return {day for day, name in named.items() if not opens.get(name, mostly_open)}


def last_day_of_data(sales_days: Collection[dt.date], month: dt.date, stated: StatedDays | None = None) -> dt.date:
    """The last day that the data cover: the month's end where only closed days follow the last sale, else that sale's.

    A month without any sale is over: that it is there at all says that its data are complete. Only days up to the
    month's end count, so a later file changes nothing in it.

    Parameters
    ----------
    sales_days: at least one, none after the month. month: its first day.
    """
    end = month_end(month)
    last_sale = max(sales_days)
    if last_sale < month or last_sale >= end:
        return end
    opened = trading_days(sales_days, min(sales_days), last_sale, end, stated)
    return last_sale if opened.loc[pd.Timestamp(last_sale) + pd.Timedelta(days=1) :].any() else end


def month_end(month: dt.date) -> dt.date:
    """The last day of the calendar month of `month`."""
    return pd.Period(month, "M").end_time.date()
