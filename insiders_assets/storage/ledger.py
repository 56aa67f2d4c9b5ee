"""The ledger of landed files: which versions there are, which count, and which months each touches.

Belongs here: one small document in the lake, changed by swapping it whole. Does not belong here: parsing files, or the
table that readers see (`landed_files`, made from this by the asset that lands).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace

from insiders_assets.storage.lake import Lake

LEDGER_PATH = "ledger/landed_invoices.json"


@dataclass(frozen=True)
class Part:
    """The good lines of one file version in one month: where they are, how many, and the hash of their content."""

    path: str
    lines: int
    content_hash: str


@dataclass(frozen=True)
class FileVersion:
    """A file version that arrived: its key, its content, what was found in it, and why it no longer counts, if so.

    `months` are first days in ISO form; `landed_at` and `retired_at` are UTC in ISO form; dates are ISO. `etag` is what
    the landing zone's listing last showed for this content: it tells that nothing new is there without reading it.
    A version with a `refused` sentence was looked at, and nothing of it was landed; `refused_under` tells the settings
    of that moment from others. `acts` are what was done with it, in order, in words; no later landing erases them.
    """

    file_version: str
    file_key: str
    sha256: str
    layout: str
    profile: str | None
    landed_by: str
    landed_at: str
    lines: int
    good_lines: int
    quarantined_lines: int
    reasons: Mapping[str, int]
    quarantine_path: str
    first_date: str | None
    last_date: str | None
    months: Mapping[str, Part] = field(default_factory=dict)
    replaced_by: str | None = None
    etag: str | None = None
    refused: str | None = None
    refused_under: str | None = None
    retired_at: str | None = None
    retired_by: str | None = None
    acts: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether its lines are among the shop's."""
        return not (self.replaced_by or self.refused or self.retired_at)


@dataclass(frozen=True)
class Ledger:
    """All file versions in the order of landing, and the months that somebody declared empty."""

    files: tuple[FileVersion, ...] = ()
    declared_empty: tuple[str, ...] = ()

    @property
    def live(self) -> list[FileVersion]:
        """The versions that count, ordered by (first date, key): the order in which they own overlapping lines."""
        return sorted((f for f in self.files if f.counts), key=lambda f: (f.first_date or "9999", f.file_key))

    def find(self, file_version: str) -> FileVersion | None:
        """The version of that name, counting or not."""
        return next((f for f in self.files if f.file_version == file_version), None)

    def parts(self, month: str) -> dict[str, Part]:
        """The parts that make a month, by file version, in owning order."""
        return {f.file_version: f.months[month] for f in self.live if month in f.months}

    def months(self) -> list[str]:
        """Months with a good line in a live file, sorted."""
        return sorted({month for f in self.live for month in f.months})

    def is_empty(self, month: str) -> bool:
        """Whether a month without lines is known to be empty: inside a live file's span of dates, or declared so."""
        covered = any((f.first_date or "9")[:7] <= month[:7] <= (f.last_date or "0")[:7] for f in self.live)
        return not self.parts(month) and (covered or month in self.declared_empty)

    def is_missing(self, month: str) -> bool:
        """Whether nothing is known of a month: no line, no file that covers it, no declaration."""
        return not self.parts(month) and not self.is_empty(month)

    def counting(self, file_key: str) -> FileVersion | None:
        """The version of a key that counts."""
        return next((f for f in self.files if f.file_key == file_key and f.counts), None)

    def with_landed(self, new: FileVersion) -> Ledger:
        """The ledger after a landing: the version counts, and replaces the one of the same key that counted before."""
        before = self.find(new.file_version)
        others = [f for f in self.files if f.file_version != new.file_version]
        # A retired one too: should its content come back after this, that is news.
        act = f"{new.landed_at} replaced by {new.landed_by}"
        replaced = [
            replace(f, replaced_by=new.file_version, acts=(*f.acts, act))
            if f.file_key == new.file_key and not f.replaced_by and not f.refused
            else f
            for f in others
        ]
        landing = f"{new.landed_at} landed by {new.landed_by}"
        return replace(self, files=(*replaced, replace(new, acts=_with_act(before, landing))))

    def with_refused(self, refused: FileVersion) -> Ledger:
        """The ledger after a refusal: the version is noted, and what counts stays. One that counts is not touched.

        Of content that was landed once, what was found in it then is kept.
        """
        before = self.find(refused.file_version)
        if before and before.counts:
            return self
        others = [f for f in self.files if f.file_version != refused.file_version]
        noted = replace(
            before or refused,
            replaced_by=None,
            etag=refused.etag,
            refused=refused.refused,
            refused_under=refused.refused_under,
            acts=_with_act(before, f"{refused.landed_at} refused by {refused.landed_by}"),
        )
        return replace(self, files=(*others, noted))

    def without_retirement(self, file_key: str, at: str, by: str) -> Ledger:
        """The ledger after somebody said that the version of a key that was retired last counts again."""
        retired = self.retired(file_key)
        act = f"{at} restored by {by}"
        return replace(
            self,
            files=tuple(
                replace(f, retired_at=None, retired_by=None, acts=(*f.acts, act)) if f is retired else f
                for f in self.files
            ),
        )

    def retired(self, file_key: str) -> FileVersion | None:
        """The version of a key that would count had it not been retired."""
        return next((f for f in self.files if f.file_key == file_key and f.retired_at and not f.replaced_by), None)

    def with_etag(self, file_version: str, etag: str) -> Ledger:
        """The ledger after the same content was seen under another ETag."""
        return replace(
            self, files=tuple(replace(f, etag=etag) if f.file_version == file_version else f for f in self.files)
        )

    def with_retired(self, file_key: str, at: str, by: str) -> Ledger:
        """The ledger after somebody said that a key's lines no longer count."""
        return replace(
            self,
            files=tuple(
                replace(f, retired_at=at, retired_by=by, acts=(*f.acts, f"{at} retired by {by}"))
                if f.file_key == file_key and f.counts
                else f
                for f in self.files
            ),
        )


def read_ledger(lake: Lake) -> Ledger:
    """The ledger as it stands; empty where nothing was landed yet."""
    return _parse(lake.store.read(LEDGER_PATH))


def change_ledger(lake: Lake, change: Callable[[Ledger], Ledger]) -> Ledger:
    """Swap the ledger for a changed one; `change` is asked again if another process was faster."""
    return _parse(lake.store.swap(LEDGER_PATH, lambda before: _render(change(_parse(before)))))


def declare_empty(lake: Lake, month: dt.date) -> Ledger:
    """Record that a month is known to have no lines."""
    return change_ledger(
        lake, lambda book: replace(book, declared_empty=tuple(sorted({*book.declared_empty, month.isoformat()})))
    )


def _with_act(before: FileVersion | None, act: str) -> tuple[str, ...]:
    """What was done with a version before, and this; a change that is asked for twice is one act."""
    acts = before.acts if before else ()
    return acts if act in acts else (*acts, act)


def _parse(document: bytes | None) -> Ledger:
    if not document:
        return Ledger()
    book = json.loads(document)
    files = (
        FileVersion(
            **{
                **entry,
                "months": {month: Part(**part) for month, part in entry["months"].items()},
                "acts": tuple(entry.get("acts", ())),
            }
        )
        for entry in book["files"]
    )
    return Ledger(tuple(files), tuple(book["declared_empty"]))


def _render(ledger: Ledger) -> bytes:
    return json.dumps(asdict(ledger), indent=1).encode()
