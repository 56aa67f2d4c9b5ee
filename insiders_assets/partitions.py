"""Months: which can exist, which a window needs, which is the last closed one.

Belongs here: months as first days and as partition keys (`2011-12-01`). Does not belong here: which months have data
(the ledger of landed files knows).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from insiders_assets.domain.months import months_between, parse_month
from insiders_assets.errors import MissingMonthError, SettingsError
from insiders_assets.settings import Settings, is_set_in_environment

if TYPE_CHECKING:
    import dagster as dg

# A code location that was never given data still has to load: it then shows the last closed months from here.
FIRST_MONTH_WITHOUT_DATA = dt.date(2020, 1, 1)
MOST_MONTHS = 600


def shift(month: dt.date, months: int) -> dt.date:
    """The first day of the month so many months later (or earlier)."""
    count = month.year * 12 + month.month - 1 + months
    return dt.date(count // 12, count % 12 + 1, 1)


def month_range(first: dt.date, last: dt.date) -> list[dt.date]:
    """All months from first to last, both included; empty where last is earlier."""
    return [shift(first, later) for later in range(months_between(first, last) + 1)]


def key_of(month: dt.date) -> str:
    """The partition key of a month: its first day in ISO form."""
    return month.isoformat()


def month_of(key: str) -> dt.date:
    """The month of a partition key."""
    return dt.date.fromisoformat(key)


def month_asked_for(text: str | dt.date) -> dt.date:
    """The month that a person has written as `2011-12`.

    Raises
    ------
    SettingsError: it is no month.
    """
    try:
        return parse_month(text)
    except ValueError:
        raise SettingsError(f"{text!r} is not a month.", "Write it as YYYY-MM, for example 2011-12.") from None


def last_closed_month(today: dt.date) -> dt.date:
    """The month before today's."""
    return shift(dt.date(today.year, today.month, 1), -1)


def last_month_expected(settings: Settings, now: dt.datetime) -> dt.date:
    """The last month that has closed and settled, or INSIDERS_LAST_MONTH if that is earlier."""
    settled = (now - dt.timedelta(days=settings.settle_days)).date()
    # Not what the last run has recorded in the home: that month is always there.
    last = settings.last_month if is_set_in_environment("last_month") else None
    return min(filter(None, (last_closed_month(settled), last)))


def monthly_partitions(settings: Settings) -> dg.MonthlyPartitionsDefinition:
    """The months that can exist: from the first set to the last set, or else to the last closed one."""
    import dagster as dg

    first = settings.first_month or FIRST_MONTH_WITHOUT_DATA
    if settings.last_month and settings.last_month < first:
        raise SettingsError(
            f"last_month {settings.last_month:%Y-%m} is before first_month {first:%Y-%m}.", "Correct one of them."
        )
    end = key_of(shift(settings.last_month, 1)) if settings.last_month else None
    return dg.MonthlyPartitionsDefinition(start_date=key_of(first), end_date=end)


def window(months: int) -> dg.TimeWindowPartitionMapping:
    """This month and the ones before it, so many in all; clamped at the first month by Dagster."""
    import dagster as dg

    return dg.TimeWindowPartitionMapping(start_offset=1 - months)


def months_back(mapping: dg.PartitionMapping | None) -> int:
    """How many months before its own an asset reads through a mapping; 0 where it reads its own month only."""
    import dagster as dg

    return -mapping.start_offset if isinstance(mapping, dg.TimeWindowPartitionMapping) else 0


def all_up_to(settings: Settings) -> dg.TimeWindowPartitionMapping:
    """Every month up to this one.

    As many as there are, not a huge offset: an offset of -1200 made the same look-up thirty times slower.
    """
    first = settings.first_month or FIRST_MONTH_WITHOUT_DATA
    last = settings.last_month or shift(first, MOST_MONTHS)
    return window(max(len(month_range(first, last)), 1))


def refuse_unless_possible(month: dt.date, first: dt.date, last: dt.date) -> None:
    """Raise MissingMonthError where a month lies outside those that can exist."""
    if not first <= month <= last:
        raise MissingMonthError(
            f"{month:%Y-%m} is not among the months of this home ({first:%Y-%m} to {last:%Y-%m}).",
            "Leave out --from or --to, or land files that hold it.",
        )
