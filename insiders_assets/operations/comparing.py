"""Spaces and clusterers of a month side by side: for the last month of a run, and for any month that is asked for.

Belongs here: whether a month's comparison is due, and running it. Does not belong here: comparing.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg

from insiders_assets.assets.platform import open_platform
from insiders_assets.automation.due import Lookup, reason_to_make
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


def compare_if_due(lookup: Lookup, instance: dg.DagsterInstance, month: dt.date, tell: Tell) -> None:
    """Compare a month that has segments, unless its comparison was made from what stands."""
    platform, key = lookup.platform, key_of(month)
    embedded = lookup.current(TREE_EMBEDDING.name, key)
    reasons = [reason for asset in COMPARISON_TABLES if (reason := reason_to_make(lookup, asset, month))]
    if embedded and embedded.rows and reasons:
        execute(platform.settings, instance, COMPARE, key, tell, why=f"comparison: {reasons[0]}")
        lookup.forget(key)
    show_comparison(platform, key)
