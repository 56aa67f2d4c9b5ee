"""Which months can exist and which are wanted: what is refused before the first month is made, and what is held.

Belongs here: months against the ledger and today's date. Does not belong here: making months
(:mod:`insiders_assets.operations.running`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from insiders_assets.errors import MissingMonthError, NoMonthYetError
from insiders_assets.partitions import key_of, last_closed_month, month_range, refuse_unless_possible, shift
from insiders_assets.settings import Settings, is_set_in_environment
from insiders_assets.storage.ledger import Ledger

# A shop may be closed for a year; beyond that a mistyped year is the likelier cause, and would make hundreds of months.
LONGEST_PAUSE = 12


@dataclass(frozen=True)
class Months:
    """The months that can exist, and the last one wanted."""

    first: dt.date
    last: dt.date
    until: dt.date

    @property
    def wanted(self) -> list[dt.date]:
        """Every month up to the last wanted one: the earlier ones are needed by the later ones."""
        return month_range(self.first, self.until)


def find_months(
    settings: Settings, ledger: Ledger, today: dt.date, wanted_from: dt.date | None, wanted_to: dt.date | None
) -> Months:
    """The months from the first landed line (or the first month set) to the last month that has closed.

    Raises
    ------
    MissingMonthError: there is none, or a wanted one cannot exist or has not closed.
    """
    landed = [dt.date.fromisoformat(month) for month in ledger.months()]
    if not landed:
        raise NoMonthYetError(
            "No invoice line was ever landed in this home.", "Give a file with `insiders run --data FILE`."
        )
    first, closed = settings.first_month or landed[0], last_closed_month(today)
    if wanted_to and wanted_to > closed:
        raise MissingMonthError(
            f"{wanted_to:%Y-%m} has not closed yet; the last closed month is {closed:%Y-%m}.",
            "What is landed of it is kept until then; leave out --to.",
        )
    if landed[0] > closed:
        raise NoMonthYetError(
            f"All landed lines are of {landed[0]:%Y-%m} or later; the last closed month is {closed:%Y-%m}.",
            "They are kept: run again when their month has closed, or correct the dates if they are wrong.",
        )
    last = max(filter(None, ([month for month in landed if month <= closed][-1], settings.last_month, wanted_to)))
    if settings.last_month and is_set_in_environment("last_month"):
        last = settings.last_month
    last = min(last, closed)  # Dagster has no partition for a month that has not closed
    if last < first:
        raise MissingMonthError(
            f"All landed lines lie before the first month, {first:%Y-%m}.",
            f'They are kept; to bring them up, set first_month = "{landed[0]:%Y-%m}" (INSIDERS_FIRST_MONTH).',
        )
    for month in filter(None, (wanted_from, wanted_to)):
        refuse_unless_possible(month, first, last)
    return Months(first, last, wanted_to or last)


def refuse_gaps(ledger: Ledger, months: Months) -> None:
    """Raise MissingMonthError where no file holds or covers a wanted month, or where a year seems to be mistyped."""
    _refuse_holes([month for month in months.wanted if ledger.is_missing(key_of(month))])
    _refuse_long_pauses(ledger, months.wanted)


def held_months(ledger: Ledger, months: Months, today: dt.date) -> list[tuple[str, str]]:
    """Months with landed lines that cannot exist yet, each with the reason and the remedy."""
    open_month = shift(last_closed_month(today), 1)
    held = []
    for key in ledger.months():
        month, lines = dt.date.fromisoformat(key), sum(part.lines for part in ledger.parts(key).values())
        if month < months.first:
            why = f'before the first month {months.first:%Y-%m}; set first_month = "{key[:7]}" in insiders.toml'
        elif month <= months.last:
            continue
        elif month == open_month:
            why = "the month has not closed yet; run again when it has"
        elif month > open_month:
            files = ", ".join(sorted(part.rpartition("@")[0] for part in ledger.parts(key)))
            why = f"dated in the future; if that is wrong, correct {files} and land it again"
        else:
            why = f"after the last month {months.last:%Y-%m}; set INSIDERS_LAST_MONTH or last_month in insiders.toml"
        held.append((key[:7], f"{lines:,} {'line' if lines == 1 else 'lines'} held: {why}"))
    return held


def _refuse_holes(missing: Sequence[dt.date]) -> None:
    if missing:
        raise MissingMonthError(
            f"No landed file holds or covers {_in_words(missing)}; later months stand on it.",
            "Land the file, or say that a month had no sales, for example with "
            f"`insiders declare-empty {missing[0]:%Y-%m}`. The months before can be had with "
            f"`insiders run --to {shift(missing[0], -1):%Y-%m}`.",
        )


def _refuse_long_pauses(ledger: Ledger, wanted: Sequence[dt.date]) -> None:
    """A covered month without lines is known to be empty; hundreds of them come from one mistyped year."""
    for is_empty, run in groupby(wanted, lambda month: ledger.is_empty(key_of(month))):
        pause = list(run)
        undeclared = [month for month in pause if key_of(month) not in ledger.declared_empty]
        if is_empty and len(undeclared) > LONGEST_PAUSE:
            after = shift(pause[-1], 1)
            raise MissingMonthError(
                f"No line is dated {_in_words(pause)} ({len(pause)} months), but lines before and after are: "
                "a year may be mistyped.",
                f'Correct the file; or leave out what lies before (first_month = "{after:%Y-%m}" in the '
                f"home's insiders.toml) or after (`insiders run --to {shift(pause[0], -1):%Y-%m}`).",
            )


def _in_words(months: Sequence[dt.date]) -> str:
    """Months as `2024-02, 2024-04 to 2024-06`."""
    spans: list[list[dt.date]] = []
    for month in months:
        if spans and shift(spans[-1][-1], 1) == month:
            spans[-1].append(month)
        else:
            spans.append([month])
    return ", ".join(f"{s[0]:%Y-%m}" if len(s) == 1 else f"{s[0]:%Y-%m} to {s[-1]:%Y-%m}" for s in spans)
