"""What pages read: rows of the warehouse's views, with a limit and a time-out each, kept until something is published.

Belongs here: asking and remembering. Does not belong here: what is asked (the pages), and how the database is reached
(:mod:`insiders_assets.storage.warehouse`).

Nothing is asked while nobody touches a page. Whether something was published since is asked at most every few seconds,
once for everybody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import streamlit as st

from insiders_assets.assets.platform import Platform
from insiders_assets.settings import Settings, load_settings

MOST_ROWS = 2_000
SECONDS_PER_QUERY = 5
# So long may a page show what has been replaced.
SECONDS_UNASKED = 5

# A year more of months adds some three hundred facts to a report.
MOST_FACTS = 20_000

Row = dict[str, Any]


class Rows(list[Row]):
    """Rows, and whether there are more than were asked for."""

    truncated = False


@st.cache_resource(show_spinner=False)
def platform() -> Platform:
    """The stores of the home, opened when first used and kept as long as the process lives."""
    opened = Platform(load_settings())
    # Here and not by whoever asks first: several readers may come at once.
    _ = opened.warehouse
    return opened


def settings() -> Settings:
    """The settings of the home."""
    return platform().settings


def rows(statement: str, *parameters: Any, limit: int = MOST_ROWS) -> Rows:
    """Rows of a statement over the views `page_…`; `%s` stands for a parameter.

    Raises
    ------
    InsidersError: the database is away, lacks the role that reads, or takes longer than SECONDS_PER_QUERY.
    """
    return _remembered(published_last(), statement, parameters, limit)


def unremembered(statement: str, *parameters: Any, limit: int) -> Rows:
    """The same, for a file that somebody takes once: too many rows to be kept."""
    return _ask(statement, parameters, limit)


def facts_of(month: dt.date) -> Mapping[str, Row]:
    """The facts of a month by key: value, unit, denominator, and the asset that they come from."""
    asked = "SELECT key, value, unit, denominator, source FROM page_facts WHERE month = %s"
    told = rows(asked, month, limit=MOST_FACTS)
    return {row["key"]: row for row in told}


def checks_of(month: dt.date) -> Rows:
    """What each check of a month said last, those that do not hold first."""
    return rows("SELECT * FROM page_checks WHERE partition = %s ORDER BY passed, asset, check_name", month.isoformat())


def segments_of(month: dt.date) -> Rows:
    """The segments of a month, best first."""
    return rows("SELECT * FROM page_segments WHERE month = %s ORDER BY cluster_rank", month)


def months() -> list[dt.date]:
    """The months that have a report, the last one first."""
    return [row["month"] for row in rows("SELECT month FROM page_months ORDER BY month DESC")]


@st.cache_data(ttl=SECONDS_UNASKED, show_spinner=False)
def published_last() -> str:
    """Says when something was published last: another text, other rows."""
    # By all of them: of two publications the one that began first may end last, and a version may come once more.
    each = (
        "SELECT md5(string_agg(version || published_at, ',' ORDER BY table_name, scope)) AS stand FROM page_published"
    )
    return str(_ask(each, (), 1))


@st.cache_data(max_entries=128, show_spinner=False)
def _remembered(published: str, statement: str, parameters: tuple[Any, ...], limit: int) -> Rows:
    return _ask(statement, parameters, limit)


def _ask(statement: str, parameters: tuple[Any, ...], limit: int) -> Rows:
    found = platform().warehouse.read(statement, parameters, limit=limit, timeout_seconds=SECONDS_PER_QUERY)
    answer = Rows(dict(zip(found.columns, row, strict=True)) for row in found.rows)
    answer.truncated = found.truncated
    return answer
