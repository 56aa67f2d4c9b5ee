"""Reading the months as they were known at a moment: the lake keeps the versions that were restated since.

Belongs here: SQL over kept versions. Does not belong here: what stands now (the warehouse answers that).
"""

from __future__ import annotations

import datetime as dt
import re

from insiders_assets.assets.platform import Platform
from insiders_assets.contracts.catalogue import TABLES_BY_MONTH
from insiders_assets.errors import InputError, SettingsError
from insiders_assets.storage.engine import Answer, DuckDBEngine

DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"


def query_as_known_at(platform: Platform, query: str, moment: dt.datetime) -> Answer:
    """Rows of a query over the tables as they were known at a moment (with its time zone), read from the lake.

    Tables and `current_…` views have the names that they have in the warehouse; the SQL is DuckDB's, which reads nearly
    all of PostgreSQL's.

    Raises
    ------
    InputError: the query cannot be answered, or nothing was known then.
    """
    lake, tables = platform.lake, {}
    for table in TABLES_BY_MONTH.values():
        known = [scope for scope in lake.scopes(table.name) if lake.as_known_at(table.name, scope, moment)]
        tables[table.name] = lake.dataset(table, known, moment).arrow() if known else table.empty()
    if not any(rows.num_rows for rows in tables.values()):
        raise InputError(f"Nothing was known at {moment:%Y-%m-%d %H:%M %Z}.", "`insiders status` shows what there is.")
    engine = DuckDBEngine()
    try:
        return engine.answer(query, tables)
    except InputError as wrong:
        raise InputError(
            wrong.problem,
            f"As it was known then there are: {', '.join(sorted(tables))}, and their current_… views; the SQL is "
            "DuckDB's.",
        ) from None
    finally:
        engine.close()


def parse_moment(text: str) -> dt.datetime:
    """`2011-12-05` (its end, UTC) or `2011-12-05T10:30` (UTC unless it names a zone).

    Raises
    ------
    SettingsError: the text is neither.
    """
    try:
        if re.fullmatch(DAY, text):
            return dt.datetime.combine(dt.date.fromisoformat(text), dt.time.max, dt.UTC)
        moment = dt.datetime.fromisoformat(text) if re.match(f"{DAY}[T ]", text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise SettingsError(
            f"{text!r} is no moment.", "Write 2011-12-05 (the end of that day) or 2011-12-05T10:30, in UTC."
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
