"""The reports' pages in the home, under names that stay the same: the lake's own names change with the content.

Belongs here: where a month's page stands for a person. Does not belong here: what it says (:mod:`..reporting`).
"""

from __future__ import annotations

from pathlib import Path

from insiders_assets.assets.clusterer_trials import PAGE as COMPARISON
from insiders_assets.assets.insiders_report import PAGE
from insiders_assets.assets.platform import Platform
from insiders_assets.contracts.comparisons import CLUSTERER_TRIALS
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.errors import StorageError
from insiders_assets.settings import Settings


def place_of_page(settings: Settings, month: str) -> Path:
    """Where the page of a month (`2011-12-01`) stands."""
    return settings.home / "reports" / f"{month[:7]}.html"


def show_page(platform: Platform, month: str) -> None:
    """Write the page of a month that has a report, unless it stands there already.

    Raises
    ------
    StorageError: the home cannot be written.
    """
    version = platform.lake.current(REPORT_FACTS.name, month)
    if version is None:
        return
    write_whole(place_of_page(platform.settings, month), platform.lake.read_file(version.files[PAGE]))


def show_comparison(platform: Platform, month: str) -> Path | None:
    """Write the page of a month's comparison, and say where; None where it was not compared."""
    version = platform.lake.current(CLUSTERER_TRIALS.name, month)
    if version is None or COMPARISON not in version.files:
        return None
    target = platform.settings.home / "reports" / f"{month[:7]}-comparison.html"
    write_whole(target, platform.lake.read_file(version.files[COMPARISON]))
    return target


def write_whole(target: Path, content: bytes) -> None:
    """Write a file for people, whole or not at all, unless it stands there already.

    Raises
    ------
    StorageError: it cannot be written.
    """
    try:
        if target.exists() and target.read_bytes() == content:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f"{target.name}.unfinished")
        unfinished.write_bytes(content)
        unfinished.replace(target)
    except OSError as wrong:
        raise StorageError(
            f"{target} cannot be written ({wrong.strerror}).",
            "Free some space or give this user the right to write there; everything else stands.",
        ) from wrong
