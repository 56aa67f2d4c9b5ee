"""`insiders export`: the members, and who came and went, as files for people and for audience-sync tools.

Belongs here: which rows go into which file, and making them safe to open. Does not belong here: who is a member.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from insiders_assets.assets.platform import Platform
from insiders_assets.contracts.customers import CUSTOMER_FEATURES
from insiders_assets.contracts.programme import INSIDERS_MEMBERSHIP
from insiders_assets.contracts.table import TEXT, TIMESTAMP
from insiders_assets.errors import MissingMonthError
from insiders_assets.operations.pages import write_whole
from insiders_assets.reporting.csv_text import as_csv

FOLDER = "exports"

TYPES = {
    **{column.name: column.type for table in (CUSTOMER_FEATURES, INSIDERS_MEMBERSHIP) for column in table.columns},
    **dict.fromkeys(("audience_id", "person_id", "event_type"), TEXT),
    "timestamp": TIMESTAMP,
}

MEMBERS = """
    SELECT m.customer_id, m.status, m.since, m.months_in_grace, m.needs, m.event, m.reason, m.rule_version, m.rule,
           f.gross_revenue, f.net_revenue, f.purchases, f.items_purchased, f.recency_days
    FROM insiders.insiders_membership m
    JOIN insiders.audience_memberships a ON a.person_id = m.customer_id
    LEFT JOIN insiders.customer_features f ON f.month = m.month AND f.customer_id = m.customer_id
    WHERE m.month = DATE '{month}' ORDER BY m.customer_id
"""
MEMBERSHIPS = "SELECT audience_id, person_id FROM insiders.audience_memberships ORDER BY person_id"
EVENTS = """
    SELECT audience_id, person_id, event_type, timestamp FROM insiders.audience_events
    WHERE timestamp > TIMESTAMP '{since}' ORDER BY timestamp, event_type, person_id
"""


def export(platform: Platform, since: dt.date, folder: Path | None = None) -> dict[Path, int]:
    """Write the last month's members, and who came and went later than 00:00 of a day, as CSV and as Parquet; gives the
    rows of each file. Without `folder` they go to `exports/YYYY-MM` in the home.

    Raises
    ------
    MissingMonthError: no month has a membership yet.
    StorageError: the folder cannot be written; no file is half-written.
    """
    ((month,),) = platform.warehouse.query("SELECT max(month) FROM insiders.insiders_membership").rows
    if month is None:
        raise MissingMonthError("There is no membership to export yet.", "`insiders run` makes it.")
    target = folder or platform.settings.home / FOLDER / f"{month:%Y-%m}"
    queries = {
        "members": MEMBERS.format(month=month),
        "audience_memberships": MEMBERSHIPS,
        "audience_events": EVENTS.format(since=since),
    }
    # All is read before anything is written: the three files speak of one state.
    found = {name: platform.warehouse.query(query) for name, query in queries.items()}
    written: dict[Path, int] = {}
    for name, result in found.items():
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
        write_whole(target / f"{name}.csv", as_csv(result.columns, rows).encode())
        write_whole(target / f"{name}.parquet", as_parquet(result.columns, rows))
        written |= {target / f"{name}.csv": len(rows), target / f"{name}.parquet": len(rows)}
    return written


def as_parquet(columns: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as Parquet, with the types of the contracts, whatever the rows hold."""
    table = pa.table({name: pa.array([row[name] for row in rows], TYPES[name]) for name in columns})
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()
