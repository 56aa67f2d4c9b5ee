"""`insiders retire`: the lines of a landed file no longer count, by an act that the ledger keeps.

Belongs here: recording it, and what follows from it. Does not belong here: landing (:mod:`.landing`).
"""

from __future__ import annotations

import datetime as dt
import getpass
from dataclasses import dataclass

from insiders_assets.assets.landed_invoices import publish_ledger
from insiders_assets.assets.platform import Platform
from insiders_assets.automation.due import Lookup, due_months
from insiders_assets.contracts.lines import RAW_INVOICES
from insiders_assets.definitions import reach_of_assets
from insiders_assets.errors import InputError
from insiders_assets.partitions import month_of
from insiders_assets.storage.ledger import FileVersion, change_ledger


@dataclass(frozen=True)
class Retired:
    """A file that was retired, the months that are due for it, and those that no file holds or covers any more."""

    file: FileVersion
    due: list[dt.date]
    without_file: list[dt.date]


def retire(platform: Platform, file_key: str) -> Retired:
    """Record that the lines of a file no longer count; its months are due again, and those whose window holds them.

    Raises
    ------
    InputError: no file of that name counts.
    """
    before = platform.ledger().counting(file_key)
    if before is None:
        counting = ", ".join(file.file_key for file in platform.ledger().live[:10])
        raise InputError(
            f"No landed file called {file_key} counts.",
            f'Those that do: {counting or "none"}. `insiders sql "SELECT * FROM landing_ledger"` lists all.',
        )
    at, by = platform.lake.clock().isoformat(timespec="seconds"), getpass.getuser()
    ledger = change_ledger(platform.lake, lambda book: book.with_retired(file_key, at, by))
    publish_ledger(platform, ledger, [file_key])
    made = [month_of(month) for month in platform.lake.scopes(RAW_INVOICES.name)]
    due = due_months(Lookup(platform, reach_of_assets(platform.settings)), made)
    return Retired(
        before,
        sorted({one.month for one in due}),
        [month_of(month) for month in before.months if ledger.is_missing(month)],
    )
