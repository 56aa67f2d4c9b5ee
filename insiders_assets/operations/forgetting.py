"""`insiders forget`: months at an end of the home that no landed line reaches are no months of it any more.

Belongs here: taking such months back, as after a mistyped year. Does not belong here: old versions of months that are
there (:mod:`.maintaining`). What was known of a forgotten month can still be read as of then.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from insiders_assets.assets.platform import Platform
from insiders_assets.contracts.catalogue import PUBLISHED_TABLES, TABLES_BY_MONTH
from insiders_assets.errors import MissingMonthError, SettingsError
from insiders_assets.operations.pages import withdraw_report
from insiders_assets.partitions import key_of, month_range, shift
from insiders_assets.settings import is_set_in_environment, record_settings
from insiders_assets.storage.ledger import change_ledger


def forget(platform: Platform, month: dt.date) -> list[dt.date]:
    """Take back a month and those beyond it, as seen from the months that have lines; gives them, oldest first.

    Readers lose their rows, a declaration that they are empty is lifted, and the home's first or last month moves. Done
    twice, or again after it was killed, it ends the same.

    Raises
    ------
    MissingMonthError: the month is none of the home's, or landed lines lie on both sides of it, or in it.
    SettingsError: the environment sets the month that would have to move.
    """
    settings, landed = platform.settings, platform.ledger().months()
    first, last, key = settings.first_month, settings.last_month, key_of(month)
    if first is None or last is None or not first <= month <= last:
        known = f"{first:%Y-%m} to {last:%Y-%m}" if first and last else "none yet"
        raise MissingMonthError(
            f"{month:%Y-%m} is not among the months of this home ({known}).", "`insiders status` shows them."
        )
    if not any(one >= key for one in landed) and month > first:
        gone, name, moved = month_range(month, last), "last_month", shift(month, -1)
    elif not any(one <= key for one in landed) and month < last:
        gone, name, moved = month_range(first, month), "first_month", shift(month, 1)
    else:
        raise MissingMonthError(
            f"Landed lines lie in {month:%Y-%m} or on both sides of it, or it is the only month.",
            f"If it had no sales: `insiders declare-empty {month:%Y-%m}`; if its lines are wrong, land a corrected "
            "file, or `insiders retire` theirs.",
        )
    if is_set_in_environment(name):
        raise SettingsError(f"INSIDERS_{name.upper()} sets the month that would have to move.", "Set another there.")
    platform.warehouse.prepare(PUBLISHED_TABLES)
    for one in gone:
        for table in TABLES_BY_MONTH.values():
            if table.published:
                platform.warehouse.withdraw(table, one)
            platform.lake.withdraw(table.name, key_of(one))
        withdraw_report(settings, key_of(one))
    keys = {key_of(one) for one in gone}
    change_ledger(
        platform.lake,
        lambda book: replace(book, declared_empty=tuple(one for one in book.declared_empty if one not in keys)),
    )
    record_settings(settings.home, {name: f"{moved:%Y-%m}"})
    return gone
