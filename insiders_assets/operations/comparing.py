"""Spaces and clusterers of a month side by side: for the last month of a run, and for any month that is asked for.

Belongs here: whether a month's comparison is due, and running it. Does not belong here: comparing.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg

from insiders_assets.assets.monthly import SETTINGS
from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation.jobs import COMPARE
from insiders_assets.contracts.catalogue import COMPARISON_TABLES
from insiders_assets.contracts.segments import CLUSTER_LABELS, TREE_EMBEDDING
from insiders_assets.errors import MissingMonthError
from insiders_assets.operations.executing import Tell, execute
from insiders_assets.operations.home import only_one, open_instance
from insiders_assets.operations.pages import show_comparison
from insiders_assets.operations.quiet import without_greetings
from insiders_assets.partitions import key_of
from insiders_assets.settings import Settings


def compare(settings: Settings, month: dt.date, tell: Tell) -> Path | None:
    """Compare spaces and clusterers of a month that is made, whether or not it was done before; gives the page's place.

    Raises
    ------
    MissingMonthError: the month is not made.
    """
    with (
        only_one(settings),
        open_instance(settings) as instance,
        without_greetings(),
        open_platform(settings) as platform,
    ):
        if platform.lake.current(CLUSTER_LABELS.name, key_of(month)) is None:
            raise MissingMonthError(f"{month:%Y-%m} is not made yet.", "`insiders run` makes it; then compare again.")
        execute(settings, instance, COMPARE, key_of(month), tell, why="asked for")
        return show_comparison(platform, key_of(month))


def compare_if_due(platform: Platform, instance: dg.DagsterInstance, month: dt.date, tell: Tell) -> None:
    """Compare a month that has segments, unless its comparison was made from what stands."""
    embedded = platform.lake.current(TREE_EMBEDDING.name, key_of(month))
    if embedded and embedded.rows and _is_due(platform, month):
        execute(platform.settings, instance, COMPARE, key_of(month), tell, why="the last month")
    show_comparison(platform, key_of(month))


def _is_due(platform: Platform, month: dt.date) -> bool:
    versions = [platform.lake.current(table.name, key_of(month)) for table in COMPARISON_TABLES.values()]
    if not all(versions):
        return True
    made_from = [read for version in versions if version for read in version.reads.items()]
    return any(_has_changed(platform, month, table, dict(was)) for table, was in made_from)


def _has_changed(platform: Platform, month: dt.date, table: str, was: dict[str, str]) -> bool:
    if table == SETTINGS:
        return any(value != platform.said(setting, month) for setting, value in was.items())
    now = platform.lake.current(table, key_of(month))
    return now is None or was != {key_of(month): now.content_hash}
