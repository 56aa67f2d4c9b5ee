"""`insiders retire`: the lines of a landed file no longer count, or count again, by acts that the ledger keeps.

Belongs here: recording them, and what follows. Does not belong here: landing (:mod:`.landing`).
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
from insiders_assets.partitions import key_of, month_of
from insiders_assets.storage.ledger import FileVersion, change_ledger


@dataclass(frozen=True)
class Retired:
    """A file that was retired, the months that are due for it, and those made that no file holds or covers any more."""

    file: FileVersion
    due: list[dt.date]
    without_file: list[dt.date]


def retire(platform: Platform, file_key: str) -> Retired:
    """Record that the lines of a file no longer count; its months are due again, and those whose window holds them.

    Raises
    ------
    InputError: no file of that name counts.
    """
    ledger = platform.ledger()
    file = ledger.counting(file_key)
    if file is None:
        counting = ", ".join(live.file_key for live in ledger.live[:10])
        raise InputError(
            f"No landed file called {file_key} counts.",
            f'Those that do: {counting or "none"}. `insiders sql "SELECT * FROM landing_ledger"` lists all.',
        )
    at, by = _now_and_who(platform)
    made = [month_of(month) for month in platform.lake.current_scopes(RAW_INVOICES.name)]
    before = _due(platform, made)
    ledger = change_ledger(platform.lake, lambda book: book.with_retired(file_key, at, by))
    publish_ledger(platform, ledger, [file_key])
    return Retired(
        file,
        sorted(_due(platform, made) - before),
        [month for month in made if key_of(month) in file.months and ledger.is_missing(key_of(month))],
    )


def restore(platform: Platform, file_key: str) -> FileVersion:
    """Record that the lines of a retired file count again.

    Raises
    ------
    InputError: no file of that name was retired, or another version of it counts.
    """
    ledger = platform.ledger()
    file = ledger.retired(file_key)
    if file is None:
        counts = ledger.counting(file_key)
        raise InputError(
            f"{file_key} counts." if counts else f"No landed file called {file_key} was retired.",
            '`insiders sql "SELECT * FROM landing_ledger"` lists all.',
        )
    at, by = _now_and_who(platform)
    publish_ledger(
        platform, change_ledger(platform.lake, lambda book: book.without_retirement(file_key, at, by)), [file_key]
    )
    return file


def _due(platform: Platform, months: list[dt.date]) -> set[dt.date]:
    return {one.month for one in due_months(Lookup(platform, reach_of_assets(platform.settings)), months)}


def _now_and_who(platform: Platform) -> tuple[str, str]:
    return platform.lake.clock().isoformat(timespec="seconds"), getpass.getuser()
