"""`insiders status`: per month and table the content hash, and whether it stands, is due, or is not published.

Belongs here: reading what stands. Does not belong here: changing anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from insiders_assets.assets.platform import Platform
from insiders_assets.automation.arrivals import judged_again, refused, waiting
from insiders_assets.automation.due import READERS_LACK_IT, Due, Lookup, Published, due_months, lacks
from insiders_assets.automation.months import Months, find_months, first_gap, held_months
from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.definitions import reach_of_assets
from insiders_assets.errors import GapError, MissingMonthError
from insiders_assets.partitions import key_of, last_closed_month, month_of, shift
from insiders_assets.settings import Settings
from insiders_assets.storage.ledger import Ledger

# Of a month's table: as readers see it, to be made again, to be made, to be published, to be landed.
STANDS, DUE, MISSING, UNPUBLISHED, NO_FILE = "stands", "due", "missing", "not published", "no file"
# Of what is no month's yet: lines of a month that cannot exist, files that wait, files that cannot be used.
NO_MONTHS = HELD, WAITING, REFUSED = "held", "waiting", "refused"
MOST_NAMED = 10


@dataclass(frozen=True)
class TableStatus:
    """One table of one month: its state, why, the hash of its content and its rows; or what is no month's yet."""

    month: str
    table: str
    state: str
    reason: str
    content_hash: str = ""
    rows: int = 0


def status(platform: Platform, today: dt.date) -> list[TableStatus]:
    """Every table of every month that can exist, oldest first; then held lines, waiting files and refused ones."""
    ledger = platform.ledger()
    months = _months(platform.settings, ledger, today)
    lookup = Lookup(platform, reach_of_assets(platform.settings))
    due = due_months(lookup, months.wanted)
    gap = first_gap(ledger, months)
    published = platform.warehouse.published()
    held = [TableStatus(month, "landed_invoices", HELD, why) for month, why in held_months(ledger, months, today)]
    return [
        *(one for month in months.wanted for one in _month(lookup, published, month, due, gap)),
        *held,
        *_files(platform, ledger),
    ]


def _months(settings: Settings, ledger: Ledger, today: dt.date) -> Months:
    try:
        return find_months(settings, ledger, today)
    except MissingMonthError:
        # What was made before stands, even if no landed line counts any more.
        first, last = settings.first_month, settings.last_month
        if first and last:
            return Months(first, last, last)
        closed = last_closed_month(today)
        first = first or min(map(month_of, ledger.months()), default=closed)
        return Months(first, closed, shift(first, -1))


def _files(platform: Platform, ledger: Ledger) -> list[TableStatus]:
    entries = platform.landing.entries()
    found = [*waiting(entries, ledger, 0).ready, *judged_again(entries, ledger, platform.settings)]
    told = []
    if found:
        more = f" and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else ""
        names = ", ".join(entry.path for entry in found[:MOST_NAMED])
        told.append(TableStatus("", "landed_invoices", WAITING, f"{names}{more}: `insiders run` lands what waits"))
    useless = refused(entries, ledger)
    told += [TableStatus("", "landed_invoices", REFUSED, str(file.refused)) for file in useless[:MOST_NAMED]]
    if len(useless) > MOST_NAMED:
        query = "SELECT file_key, refused FROM landing_ledger WHERE refused IS NOT NULL"
        more = f'{len(useless) - MOST_NAMED:,} more files: `insiders sql "{query}"`'
        told.append(TableStatus("", "landed_invoices", REFUSED, more))
    return told


def as_records(found: list[TableStatus]) -> list[dict[str, Any]]:
    """The same as plain records, for `--json`."""
    return [asdict(one) for one in found]


def _month(
    lookup: Lookup,
    published: Published,
    month: dt.date,
    all_due: Sequence[Due],
    gap: GapError | None,
) -> list[TableStatus]:
    key = key_of(month)
    waits = f"waits for {gap.first_missing:%Y-%m}, which has no file: " if gap and month > gap.first_missing else ""
    due = {one.asset: f"{waits}{one.reason}" for one in all_due if one.month == month}
    no_file = lookup.ledger.is_missing(key)
    remedy = f"no landed file holds it: land one, or `insiders declare-empty {month:%Y-%m}`"
    found = []
    for asset, table in MONTHLY_TABLES.items():
        version = lookup.current(table.name, key)
        if version is None:
            state, reason = (NO_FILE, remedy) if no_file else (MISSING, due.get(asset, ""))
        elif asset in due:
            state, reason = (NO_FILE, f"{remedy}; readers see it as it was") if no_file else (DUE, due[asset])
        elif table.published and lacks(published, table.name, key, version):
            state, reason = UNPUBLISHED, READERS_LACK_IT
        else:
            state, reason = STANDS, ""
        content, rows = (version.content_hash, version.rows) if version else ("", 0)
        found.append(TableStatus(f"{month:%Y-%m}", table.name, state, reason, content, rows))
    return found
