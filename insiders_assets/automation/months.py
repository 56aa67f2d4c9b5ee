"""Which months can exist and which are wanted, how far they can be made, and what is held.

Belongs here: months against the ledger and today's date. Does not belong here: making months
(:mod:`insiders_assets.operations.running`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from insiders_assets.errors import GapError, MissingMonthError, NoMonthYetError
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
    settings: Settings,
    ledger: Ledger,
    today: dt.date,
    wanted_from: dt.date | None = None,
    wanted_to: dt.date | None = None,
    settle_days: int = 0,
) -> Months:
    """The months from the first landed line (or the first month set) to the last month that has closed.

    An earlier month that is wanted by name, and that landed lines reach, becomes the first. One that closed less than
    `settle_days` ago is none yet, unless it was recorded before.

    Raises
    ------
    MissingMonthError: there is none, or a wanted one cannot exist or has not closed.
    """
    landed = [dt.date.fromisoformat(month) for month in ledger.months()]
    if not landed:
        retired = any(file.retired_at for file in ledger.files)
        raise NoMonthYetError(
            "No landed file counts any more." if retired else "No invoice line was ever landed in this home.",
            "Give a file with `insiders run --data FILE`.",
        )
    first = _first(settings, landed[0], wanted_from)
    settled, closed = last_closed_month(today - dt.timedelta(days=settle_days)), last_closed_month(today)
    if wanted_to and wanted_to > closed:
        raise MissingMonthError(
            f"{wanted_to:%Y-%m} has not closed yet; the last closed month is {closed:%Y-%m}.",
            "What is landed of it is kept until then; leave out --to.",
        )
    if landed[0] > settled:
        raise NoMonthYetError(
            f"All landed lines are of {landed[0]:%Y-%m} or later; the last closed month is {closed:%Y-%m}"
            + (f", and it waits {settle_days} days for its last files." if settled < closed else "."),
            "They are kept: run again when their month has closed, or correct the dates if they are wrong.",
        )
    recorded = settings.last_month
    last = max(filter(None, ([month for month in landed if month <= settled][-1], recorded, wanted_to)))
    if recorded and is_set_in_environment("last_month"):
        last = recorded
    last = min(last, closed)  # Dagster has no partition for a month that has not closed
    if last < first:
        raise MissingMonthError(
            f"All landed lines lie before the first month, {first:%Y-%m}.",
            f"They are kept; to bring them up, {_how_to_begin_at(landed[0])}.",
        )
    for month in filter(None, (wanted_from, wanted_to)):
        refuse_unless_possible(month, first, last)
    return Months(first, last, wanted_to or last)


def _first(settings: Settings, first_landed: dt.date, wanted_from: dt.date | None) -> dt.date:
    if settings.first_month is None:
        return first_landed
    reached = wanted_from and first_landed <= wanted_from and not is_set_in_environment("first_month")
    return min(settings.first_month, wanted_from) if wanted_from and reached else settings.first_month


def _how_to_begin_at(month: dt.date) -> str:
    if is_set_in_environment("first_month"):
        return f"set INSIDERS_FIRST_MONTH={month:%Y-%m}"
    return f"`insiders run --from {month:%Y-%m}`"


def up_to_gap(settings: Settings, ledger: Ledger, months: Months) -> tuple[Months, GapError | None]:
    """The months that can be made, and what stops the later ones: a month that no file holds or covers, or a year
    without a line.

    Raises
    ------
    GapError: none can be made; or the first month is new to the home, and recorded it would keep months waiting: the
        gap is a year, or it parts a first month that was asked for by name from the one that was recorded.
    """
    gap = _find_gap(ledger, months)
    if gap is None:
        return months, None
    before, recorded = shift(gap.months[0], -1), settings.first_month
    if recorded and months.first < recorded and before < recorded:
        raise GapError(gap.error.problem, f"{gap.error.remedy} The first month stays {recorded:%Y-%m}.", gap.months[0])
    if before < months.first or (recorded is None and len(gap.months) > LONGEST_PAUSE):
        raise gap.error
    # What the home has recorded stays: a month before it may have lost its file since.
    last = max(before, min(settings.last_month or before, months.last))
    return Months(months.first, last, before), gap.error


def held_months(ledger: Ledger, months: Months, today: dt.date) -> list[tuple[str, str]]:
    """Months with landed lines that cannot exist yet, each with the reason and the remedy."""
    open_month = shift(last_closed_month(today), 1)
    held = []
    for key in ledger.months():
        month, lines = dt.date.fromisoformat(key), sum(part.lines for part in ledger.parts(key).values())
        if month < months.first:
            why = f"before the first month {months.first:%Y-%m}; to bring it up, {_how_to_begin_at(month)}"
        elif month <= months.last:
            continue
        elif month < open_month and not is_set_in_environment("last_month"):
            why = "the month has closed, and waits for its last files; `insiders run` makes it now"
        elif month == open_month:
            why = "the month has not closed yet; run again when it has"
        elif month > open_month:
            files = ", ".join(sorted(part.rpartition("@")[0] for part in ledger.parts(key)))
            why = f"dated in the future; if that is wrong, correct {files} and land it again"
        else:
            why = f"after the last month {months.last:%Y-%m}, which INSIDERS_LAST_MONTH sets"
        held.append((key[:7], f"{lines:,} {'line' if lines == 1 else 'lines'} held: {why}"))
    return held


@dataclass(frozen=True)
class _Gap:
    months: list[dt.date]
    error: GapError


def first_gap(ledger: Ledger, months: Months) -> GapError | None:
    """What stops the later ones of the wanted months, if something does."""
    gap = _find_gap(ledger, months)
    return gap.error if gap else None


def _find_gap(ledger: Ledger, months: Months) -> _Gap | None:
    """A covered month without lines is known to be empty, and no gap; hundreds of them come from one mistyped year."""
    for has_no_line, run in groupby(months.wanted, lambda month: _has_no_line(ledger, month)):
        pause = list(run)
        missing = [month for month in pause if ledger.is_missing(key_of(month))]
        if has_no_line and (missing or len(pause) > LONGEST_PAUSE):
            all_missing = [month for month in months.wanted if ledger.is_missing(key_of(month))]
            error = _hole(ledger, all_missing) if missing else _long_pause(pause)
            return _Gap(pause[pause.index(error.first_missing) :], error)
    return None


def _has_no_line(ledger: Ledger, month: dt.date) -> bool:
    """Whether nobody has said so, too."""
    key = key_of(month)
    return not ledger.parts(key) and key not in ledger.declared_empty


def _hole(ledger: Ledger, missing: Sequence[dt.date]) -> GapError:
    begins = key_of(missing[0])
    is_between = any(month < begins for month in ledger.months()) and any(month > begins for month in ledger.months())
    forget = "" if is_between else f" If it is no month of the shop: `insiders forget {begins[:7]}`."
    if len(missing) > LONGEST_PAUSE:
        forget += " If a year is mistyped, correct its file, or `insiders retire` it."
    return GapError(
        f"No landed file holds or covers {_in_words(missing)}"
        + ("; later months stand on it." if is_between else ", which the home has as its months."),
        "Land the file, or say that a month had no sales, for example with "
        f"`insiders declare-empty {begins[:7]}`.{forget}",
        missing[0],
    )


def _long_pause(pause: Sequence[dt.date]) -> GapError:
    return GapError(
        f"No line is dated {_in_words(pause)} ({len(pause)} months), but lines before and after are: "
        "a year may be mistyped.",
        f'Correct the file; or leave out what lies before (first_month = "{shift(pause[-1], 1):%Y-%m}" in the '
        f"home's insiders.toml) or after (`insiders run --to {shift(pause[0], -1):%Y-%m}`).",
        pause[0],
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
