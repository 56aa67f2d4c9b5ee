"""`insiders status`: per month and table the content hash, and whether it stands, is due, or is not published.

Belongs here: reading what stands. Does not belong here: changing anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from insiders_assets.assets.platform import Platform
from insiders_assets.automation.due import Due, Lookup, due_months
from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.definitions import reach_of_assets
from insiders_assets.partitions import key_of, month_of, month_range

STANDS, DUE, MISSING, UNPUBLISHED, NO_FILE = "stands", "due", "missing", "not published", "no file"


@dataclass(frozen=True)
class TableStatus:
    """One table of one month: its state, why, the hash of its content and its rows."""

    month: str
    table: str
    state: str
    reason: str
    content_hash: str
    rows: int


def status(platform: Platform) -> list[TableStatus]:
    """Every table of every month that can exist, oldest first; of the landed ones before a run has recorded which."""
    first, last = platform.settings.first_month, platform.settings.last_month
    landed = [month_of(month) for month in platform.ledger().months()]
    months = month_range(first or landed[0], last or landed[-1]) if landed or (first and last) else []
    if not months:
        return []
    lookup = Lookup(platform, reach_of_assets(platform.settings))
    due = due_months(lookup, months)
    published = {place: found.version for place, found in platform.warehouse.published().items()}
    return [one for month in months for one in _month(lookup, published, month, due)]


def as_records(found: list[TableStatus]) -> list[dict[str, Any]]:
    """The same as plain records, for `--json`."""
    return [asdict(one) for one in found]


def _month(
    lookup: Lookup, published: dict[tuple[str, str], str], month: dt.date, all_due: Sequence[Due]
) -> list[TableStatus]:
    key = key_of(month)
    due = {one.asset: one.reason for one in all_due if one.month == month}
    no_file = lookup.ledger.is_missing(key)
    found = []
    for asset, table in MONTHLY_TABLES.items():
        version = lookup.current(table.name, key)
        if version is None:
            remedy = f"no landed file holds it: land one, or `insiders declare-empty {month:%Y-%m}`"
            state, reason = (NO_FILE, remedy) if no_file else (MISSING, due.get(asset, ""))
        elif asset in due:
            state, reason = DUE, due[asset]
        elif table.published and published.get((table.name, key)) != version.version:
            state, reason = UNPUBLISHED, "the lake has a version that readers lack"
        else:
            state, reason = STANDS, ""
        content, rows = (version.content_hash, version.rows) if version else ("", 0)
        found.append(TableStatus(f"{month:%Y-%m}", table.name, state, reason, content, rows))
    return found
