"""Bringing a person's files into the landing zone and landing them, one after the other, each wholly or not at all.

Belongs here: what is refused before a file is touched, and the zone as it was if a landing fails. Does not belong here:
parsing (the asset `landed_invoices`).
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from insiders_assets.assets.landed_invoices import FILE_VERSIONS_NAME, version_name
from insiders_assets.assets.platform import Platform
from insiders_assets.automation.jobs import LAND
from insiders_assets.errors import InputError, StorageError
from insiders_assets.operations.executing import Progress, Tell, execute
from insiders_assets.storage.ledger import FileVersion
from insiders_assets.storage.objects import FolderStore, ObjectStore

ASSET = "landed_invoices"
ARRIVING, BEFORE = ".arriving-", ".before-"

# A file version is a partition of Dagster's, which refuses these; half a character is no name in a ledger of UTF-8.
_REFUSED_IN_NAMES = re.compile("[\x00-\x1f\x7f\ud800-\udfff]|\\.\\.\\.")


def refuse_unusable(files: Sequence[Path]) -> None:
    """Raise InputError for files that are not there, are no files, or whose names cannot be those of landed files."""
    for file in files:
        if not file.exists():
            raise InputError(f"There is no file {file}.", "Check the path.")
        if file.is_dir():
            raise InputError(f"{file} is a folder.", "Give its files, for example `--data folder/*.csv`.")
        if not file.is_file():
            raise InputError(f"{file} is no file, but a pipe or a device.", "Write it into a file first.")
        if _REFUSED_IN_NAMES.search(file.name):
            raise InputError(
                f"The name of the file {file} has a control character, half a character or three dots in a row.",
                "Rename it; a landed file is known by its name.",
            )
    names = [file.name for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"Two of the files are called {twice[0]}; a landed file is known by its name.", "Rename one of them."
        )


def land_file(
    platform: Platform,
    instance: dg.DagsterInstance,
    file: Path,
    tell: Tell,
    *,
    date_format: str | None = None,
    decimal_mark: str | None = None,
) -> None:
    """Land a file unless this content already counts under its name; tells what it held and what it replaces.

    Raises
    ------
    InsidersError: the landing zone and the ledger are as they were.
    """
    version = version_name(file.name, _sha256(file))
    before = _counting(platform, file.name)
    if before and before.file_version == version:
        tell(Progress(file.name, ASSET, "already landed, unchanged"))
        return
    config = {"ops": {ASSET: {"config": {"date_format": date_format, "decimal_mark": decimal_mark}}}}
    instance.add_dynamic_partitions(FILE_VERSIONS_NAME, [version])
    try:
        with _in_landing_zone(platform, file, version):
            execute(platform.settings, instance, LAND, version, tell, config=config)
    except BaseException:
        if not _counts(platform, version):
            instance.delete_dynamic_partition(FILE_VERSIONS_NAME, version)
        raise
    if landed := _counting(platform, file.name):
        tell(Progress(file.name, ASSET, _in_words(landed, before)))


def tidy_zone(zone: ObjectStore) -> None:
    """Undo what a killed command left in the landing zone; only for the holder of the home's lock."""
    if not isinstance(zone, FolderStore):
        return
    for arriving in Path(zone.root).glob(f"{ARRIVING}*"):
        arriving.unlink()
    for before in Path(zone.root).glob(f"{BEFORE}*"):
        target = before.with_name(before.name.removeprefix(BEFORE))
        if target.exists():
            before.unlink()
        else:
            before.replace(target)


def _in_words(landed: FileVersion, before: FileVersion | None) -> str:
    told = f"{landed.good_lines:,} good lines"
    if landed.quarantined_lines:
        reasons = "; ".join(f"{reason} ({lines:,})" for reason, lines in landed.reasons.items())
        told += f", {landed.quarantined_lines:,} in quarantine: {reasons}"
    if before:
        told += f"; replaces the {before.good_lines:,} of its earlier version"
    return told


def _counting(platform: Platform, name: str) -> FileVersion | None:
    return next((file for file in platform.ledger().live if file.file_key == name), None)


def _counts(platform: Platform, version: str) -> bool:
    try:
        landed = platform.ledger().find(version)
    except Exception:  # the trouble that brought us here is the one to tell
        return False
    return landed is not None and not landed.replaced_by


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as wrong:
        raise InputError(f"{file} cannot be read ({wrong.strerror}).", "Give this user the right to read it.") from None


@contextmanager
def _in_landing_zone(platform: Platform, file: Path, version: str) -> Iterator[None]:
    """Bring a file into the landing zone; if its landing fails, the zone is as it was before."""
    zone = platform.landing
    if not isinstance(zone, FolderStore):
        content = file.read_bytes()
        zone.swap(file.name, lambda _: content)
        yield
        return
    target = Path(zone.root, file.name)
    if target.exists() and target.samefile(file):
        yield
        return
    before = target.with_name(f"{BEFORE}{target.name}")
    arriving = target.with_name(f"{ARRIVING}{target.name}")
    try:
        shutil.copyfile(file, arriving)
        if target.exists():
            target.replace(before)
        arriving.replace(target)
        yield
    except BaseException as wrong:
        arriving.unlink(missing_ok=True)
        # What the ledger has taken stays, even if the command was interrupted just after.
        if not _counts(platform, version):
            if before.exists():
                before.replace(target)
            else:
                target.unlink(missing_ok=True)
        if isinstance(wrong, OSError):
            raise StorageError(
                f"{file.name} cannot be brought to {zone.location}: {wrong.strerror}.",
                "Free some space or give this user the right to write there; nothing was landed.",
            ) from wrong
        raise
    finally:
        if target.exists():
            before.unlink(missing_ok=True)
