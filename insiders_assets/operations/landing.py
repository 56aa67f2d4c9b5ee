"""Landing files, one after the other, each wholly or not at all: those that a person brings, and those that arrived.

Belongs here: what is refused before a file is touched, the zone as it was if the landing of a brought file fails, and
going on with the others if an arrived one cannot be used. Does not belong here: parsing (the asset `landed_invoices`),
what waits (:mod:`insiders_assets.automation.arrivals`).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from insiders_assets.assets.landed_invoices import (
    FILE_VERSIONS_NAME,
    local_file,
    refuse,
    refused_version,
    version_name,
)
from insiders_assets.assets.platform import Platform
from insiders_assets.automation.arrivals import judged_again, judged_under, not_keepable, waiting, wrong_name
from insiders_assets.automation.jobs import LAND
from insiders_assets.errors import InputError, LostMonthError, StorageError
from insiders_assets.operations.executing import Progress, Tell, execute
from insiders_assets.storage.ledger import FileVersion, change_ledger
from insiders_assets.storage.objects import Entry, FolderStore, ObjectStore

ASSET = "landed_invoices"
ARRIVING, BEFORE = ".arriving-", ".before-"


def refuse_unusable(files: Sequence[Path]) -> None:
    """Raise InputError for files that are not there, are no files, or whose names cannot be those of landed files."""
    for file in files:
        if not file.exists():
            raise InputError(f"There is no file {file}.", "Check the path.")
        if file.is_dir():
            raise InputError(f"{file} is a folder.", "Give its files, for example `--data folder/*.csv`.")
        if not file.is_file():
            raise InputError(f"{file} is no file, but a pipe or a device.", "Write it into a file first.")
        # Of its kind the reader tells, which also says what the file is instead.
        if why := not_keepable(file.name):
            raise InputError(f"The file {file} cannot be landed.", why)
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
    key = _key_of(platform.landing, file)
    version = version_name(key, _sha256(file))
    before = platform.ledger().counting(key)
    if before and before.file_version == version:
        tell(Progress(key, ASSET, "already landed, unchanged"))
        return
    with _in_landing_zone(platform, file, version):
        _land(platform, instance, version, before, tell, {"date_format": date_format, "decimal_mark": decimal_mark})


def land_arrivals(platform: Platform, instance: dg.DagsterInstance, tell: Tell, *, quiet_seconds: float) -> None:
    """Land what waits in the landing zone; a file that cannot be used is entered in the ledger, and the others go on.

    Objects written within the last `quiet_seconds` are left for the next time. A file that was refused is looked at
    again when what it was refused under has changed: a person may have described its layout since.

    Raises
    ------
    InsidersError: storage or database do not answer; what was landed stays.
    """
    ledger = platform.ledger()
    entries = platform.landing.entries()
    waits = waiting(entries, ledger, quiet_seconds)
    for entry in waits.arriving:
        tell(Progress(entry.path, ASSET, "is still arriving; left for the next time"))
    again = judged_again(entries, ledger, platform.settings)
    _refuse_wrong_names(platform, [entry for entry in waits.ready if wrong_name(entry.path)], tell)
    for entry in [*(entry for entry in waits.ready if not wrong_name(entry.path)), *again]:
        _land_arrival(platform, instance, entry, tell)


def _key_of(zone: ObjectStore, file: Path) -> str:
    """The name that a file is known by: of one that lies in the landing zone already, its path there."""
    if isinstance(zone, FolderStore) and file.resolve().is_relative_to(Path(zone.root).resolve()):
        return file.resolve().relative_to(Path(zone.root).resolve()).as_posix()
    return file.name


def _refuse_wrong_names(platform: Platform, entries: Sequence[Entry], tell: Tell) -> None:
    """Enter objects in the ledger that cannot be landed for their names, all at once and unread: there may be thousands
    of them, or one of many gigabytes."""
    useless = []
    for entry in entries:
        why = str(InputError(f"{entry.path} cannot be landed.", wrong_name(entry.path)))
        sha256 = hashlib.sha256(entry.etag.encode()).hexdigest()
        useless.append(refused_version(platform, entry.path, sha256, entry.etag, why))
        tell(Progress(entry.path, ASSET, f"refused: {why}"))
    if useless:
        refuse(platform, useless)


def _land_arrival(platform: Platform, instance: dg.DagsterInstance, entry: Entry, tell: Tell) -> None:
    if platform.landing.stat(entry.path) is None:
        return  # deleted since the listing
    try:
        with local_file(platform, entry.path) as (_, sha256):
            name = version_name(entry.path, sha256)
    except InputError as unreadable:  # closed to this user, or deleted just now
        tell(Progress(entry.path, ASSET, f"left for the next time: {unreadable}"))
        return
    ledger = platform.ledger()
    under = judged_under(platform.settings, ledger)
    known, before = ledger.find(name), ledger.counting(entry.path)
    if known and not known.replaced_by and not (known.refused and known.refused_under not in under.values()):
        change_ledger(platform.lake, lambda book: book.with_etag(name, entry.etag))
        tell(Progress(entry.path, ASSET, _seen_before(known)))
        return
    try:
        _land(platform, instance, name, before, tell, {})
    except InputError as unusable:
        now = platform.landing.stat(entry.path)
        if now is None or now.etag != entry.etag:
            return  # written again meanwhile: that is another version, for the next time
        why, hangs_on = str(unusable), under[isinstance(unusable, LostMonthError)]
        refuse(platform, [refused_version(platform, entry.path, sha256, entry.etag, why, hangs_on)])
        tell(Progress(entry.path, ASSET, f"refused: {unusable}"))


def _seen_before(known: FileVersion) -> str:
    if known.retired_at:
        return (
            f"was retired by {known.retired_by}, and stays so; `insiders retire {known.file_key} --undo` has it "
            "count again"
        )
    return "was refused before, unchanged" if known.refused else "already landed, unchanged"


def _land(
    platform: Platform,
    instance: dg.DagsterInstance,
    version: str,
    before: FileVersion | None,
    tell: Tell,
    config: dict[str, str | None],
) -> None:
    """Run the job that lands a version of the zone; its partition stays only if the version then counts."""
    instance.add_dynamic_partitions(FILE_VERSIONS_NAME, [version])
    try:
        execute(platform.settings, instance, LAND, version, tell, config={"ops": {ASSET: {"config": config}}})
    except BaseException:
        if not _counts(platform, version):
            instance.delete_dynamic_partition(FILE_VERSIONS_NAME, version)
        raise
    if landed := platform.ledger().find(version):
        tell(Progress(landed.file_key, ASSET, _in_words(landed, before)))


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
    told = f"{landed.good_lines:,} good {'line' if landed.good_lines == 1 else 'lines'}"
    if landed.quarantined_lines:
        reasons = "; ".join(f"{reason} ({lines:,})" for reason, lines in landed.reasons.items())
        told += f", {landed.quarantined_lines:,} in quarantine: {reasons}"
    if before:
        told += f"; replaces the {before.good_lines:,} of its earlier version"
    return told


def _counts(platform: Platform, version: str) -> bool:
    try:
        landed = platform.ledger().find(version)
    except Exception:  # the trouble that brought us here is the one to tell
        return False
    return landed is not None and landed.counts


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
    target = Path(zone.root, _key_of(zone, file))
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
