"""The reports in the home, under names that stay the same: the lake's own names change with the content.

Belongs here: where a month's documents stand for a person. Does not belong here: what they say (:mod:`..reporting`).
"""

from __future__ import annotations

from pathlib import Path

from insiders_assets.assets.clusterer_trials import PAGE as COMPARISON
from insiders_assets.assets.platform import Platform
from insiders_assets.contracts.comparisons import CLUSTERER_TRIALS
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.errors import MissingMonthError, StorageError
from insiders_assets.partitions import month_of
from insiders_assets.reporting.files import HTML, belongs_to_report, file_of
from insiders_assets.reporting.language import ENGLISH
from insiders_assets.settings import Settings

FOLDER = "reports"


def place_of_report(settings: Settings, month: str, language: str = ENGLISH, form: str = HTML) -> Path:
    """Where a document of a month (`2011-12-01`) stands."""
    return settings.home / FOLDER / file_of(month_of(month), language, form)


def show_report(platform: Platform, month: str) -> None:
    """Write the documents of a month that has a report, and their pictures, unless they stand there already.

    Raises
    ------
    StorageError: the home cannot be written.
    """
    version = platform.lake.current(REPORT_FACTS.name, month)
    for name, path in version.files.items() if version else ():
        if belongs_to_report(name, month_of(month)):
            write_whole(platform.settings.home / FOLDER / name, platform.lake.read_file(path))


def report_of(platform: Platform, month: str | None, language: str, form: str) -> Path:
    """The document of a month, or of the last month that has a report; written into the home if it is not there.

    Raises
    ------
    MissingMonthError: the month has no report.
    StorageError: the home cannot be written.
    """
    made = platform.lake.current_scopes(REPORT_FACTS.name)
    if not made or (month is not None and month not in made):
        there = f"There are reports from {made[0][:7]} to {made[-1][:7]}." if made else "`insiders run` makes it."
        raise MissingMonthError(f"{month[:7]} has no report." if month else "There is no report yet.", there)
    wanted = month or made[-1]
    show_report(platform, wanted)
    place = place_of_report(platform.settings, wanted, language, form)
    if not place.exists():
        raise MissingMonthError(
            f"The report of {wanted[:7]} was made by an earlier version, without this language and format.",
            f"`insiders run --from {wanted[:7]} --to {wanted[:7]} --again` makes it anew.",
        )
    return place


def withdraw_report(settings: Settings, month: str) -> None:
    """Take a month's documents out of the home, and what stands beside them."""
    for path in (settings.home / FOLDER).glob(f"{month[:7]}*"):
        path.unlink(missing_ok=True)


def show_comparison(platform: Platform, month: str) -> Path | None:
    """Write the page of a month's comparison, and say where; None where it was not compared."""
    version = platform.lake.current(CLUSTERER_TRIALS.name, month)
    if version is None or COMPARISON not in version.files:
        return None
    target = platform.settings.home / FOLDER / f"{month[:7]}-comparison.html"
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
        if target.parent.exists() and not target.parent.is_dir():
            raise StorageError(
                f"{target.parent} is a file, and no folder.", "Move it away; everything else stands."
            ) from wrong
        raise StorageError(
            f"{target} cannot be written ({wrong.strerror}).",
            "Free some space or give this user the right to write there; everything else stands.",
        ) from wrong
