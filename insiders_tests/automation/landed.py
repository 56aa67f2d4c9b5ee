"""Files of a landing zone as the ledger and a listing name them, made up.

Belongs here: what tests of arrivals and of the sensors begin with. Does not belong here: landing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from insiders_assets.storage.ledger import FileVersion, Part
from insiders_assets.storage.objects import Entry, FolderStore, ObjectStore

JANUARY, FEBRUARY = "2024-01-01", "2024-02-01"
CONTENT = b"InvoiceNo,StockCode\n"


def version(key: str, content: str, *months: str, etag: str = "", **words: str) -> FileVersion:
    """A version of a file as the ledger holds it after its landing."""
    return FileVersion(
        file_version=f"{key}@{content}",
        file_key=key,
        sha256=content * 64,
        layout="uci_352",
        profile=None,
        landed_by="tester",
        landed_at="2024-02-01T10:00:00+00:00",
        lines=10,
        good_lines=10,
        quarantined_lines=0,
        reasons={},
        quarantine_path="",
        first_date=min(months, default=None),
        last_date=max(months, default=None),
        months={month: Part(f"landed_lines/{key}@{content}/{month}", 10, content) for month in months},
        etag=etag or f"etag of {content}",
        **words,
    )


def refusal(key: str, content: str, etag: str = "") -> FileVersion:
    return version(key, content, etag=etag, refused="No layout fits.")


def entry(key: str, content: str, age_seconds: float = 3600) -> Entry:
    return Entry(key, f"etag of {content}", 100, age_seconds)


def write_many(store: ObjectStore, names: list[str]) -> None:
    if isinstance(store, FolderStore):
        for name in names:
            Path(store.root, name).parent.mkdir(parents=True, exist_ok=True)
            Path(store.root, name).write_bytes(CONTENT)
        return
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: store.write(name, CONTENT), names))
