"""What waits in the landing zone: objects that the ledger has not seen, told from those that are still being written.

Belongs here: comparing a listing with the ledger. Does not belong here: listing (storage), landing (operations).

There is no high-water mark to lose: whatever the ledger does not know is waiting, in whichever second it was written,
and whatever it knows is not, even if everything else is forgotten.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from insiders_assets.settings import Settings
from insiders_assets.storage.ledger import FileVersion, Ledger
from insiders_assets.storage.objects import Entry
from insiders_assets.storage.source_files import SUPPORTED

# A file version is a partition of Dagster's, which refuses these; half a character is no name in a ledger of UTF-8.
_REFUSED_IN_NAMES = re.compile("[\x00-\x1f\x7f\ud800-\udfff]|\\.\\.\\.")
# A file version is a folder of the lake: with its hash it has to fit a file system's 255 bytes and a bucket's 1024.
LONGEST_PART, LONGEST_NAME = 200, 600


@dataclass(frozen=True)
class Arrivals:
    """Objects that wait: those that can be landed, and those that were written so lately that more may come."""

    ready: list[Entry]
    arriving: list[Entry]


def waiting(entries: Iterable[Entry], ledger: Ledger, quiet_seconds: float) -> Arrivals:
    """Sort the objects of a listing that the ledger does not know by whether they have been quiet for long enough."""
    seen = {(file.file_key, file.etag) for file in ledger.files if not file.replaced_by}
    new = [entry for entry in entries if (entry.path, entry.etag) not in seen]
    return Arrivals(
        [entry for entry in new if entry.age_seconds >= quiet_seconds],
        [entry for entry in new if entry.age_seconds < quiet_seconds],
    )


def refused(entries: Iterable[Entry], ledger: Ledger) -> list[FileVersion]:
    """The file versions among the objects of a listing that were found to be of no use."""
    lying = {(entry.path, entry.etag) for entry in entries}
    return [file for file in ledger.files if file.refused and (file.file_key, file.etag) in lying]


def judged_again(entries: Sequence[Entry], ledger: Ledger, settings: Settings) -> list[Entry]:
    """The objects of a listing that were refused for something that has changed since."""
    same = {None, *judged_under(settings, ledger).values()}
    keys = {file.file_key for file in refused(entries, ledger) if file.refused_under not in same}
    return [entry for entry in entries if entry.path in keys]


def judged_under(settings: Settings, ledger: Ledger) -> dict[bool, str]:
    """What the refusal of a file may hang on beside its content, as fingerprints: the settings; or (True) the files
    that count, where it would have replaced the only one that holds a month."""
    described = {name: layout.model_dump(mode="json") for name, layout in settings.layouts.items()}
    release = importlib.metadata.version("insiders-assets")
    things = [release, described, settings.max_quarantined_share]
    counting = [[file.file_version for file in ledger.live], ledger.declared_empty]
    return {
        on_files: hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
        for on_files, what in ((False, things), (True, counting))
    }


def wrong_name(name: str) -> str:
    """Why an object of that name cannot be landed; empty where it can."""
    if why := not_keepable(name):
        return why
    if name.casefold().endswith(SUPPORTED):
        return ""
    return f"It is of a kind that cannot be read; supported are {', '.join(SUPPORTED)}."


def not_keepable(name: str) -> str:
    """Why lake, database or Dagster cannot keep a file of that name, whatever its kind; empty where they can."""
    if _REFUSED_IN_NAMES.search(name):
        return "Rename it: its name has a control character, half a character or three dots in a row."
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "Rename it: its name leads through an empty folder, . or .. to another place."
    if any(len(part.encode()) > LONGEST_PART for part in parts) or len(name.encode()) > LONGEST_NAME:
        return f"Rename it: its name has over {LONGEST_NAME} bytes, or a part of it over {LONGEST_PART}."
    return ""
