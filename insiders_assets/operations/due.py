"""What is due: which assets of a month are missing, or were made from something that has changed since.

Belongs here: comparing what a version was made from with what stands now. Dagster's own staleness is not asked: by it
one new file would make every month stale. Does not belong here: running anything.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from insiders_assets.assets.platform import Platform
from insiders_assets.assets.raw_invoices import profile_in_force
from insiders_assets.definitions import MONTHLY_TABLES
from insiders_assets.partitions import key_of
from insiders_assets.storage.lake import Version
from insiders_assets.storage.ledger import Ledger


@dataclass(frozen=True)
class Due:
    """An asset of a month that has to be made, and why."""

    asset: str
    month: dt.date
    reason: str


class Lookup:
    """Current versions by table and month, each manifest read once; forgotten for a month that was made again."""

    def __init__(self, platform: Platform):
        self.platform = platform
        self.ledger: Ledger = platform.ledger()
        self._versions: dict[tuple[str, str], Version | None] = {}

    def current(self, table: str, scope: str) -> Version | None:
        """The version that counts now."""
        if (table, scope) not in self._versions:
            self._versions[table, scope] = self.platform.lake.current(table, scope)
        return self._versions[table, scope]

    def forget(self, month: str) -> None:
        """Read the month's manifests again next time."""
        self._versions = {place: version for place, version in self._versions.items() if place[1] != month}


def due_assets(lookup: Lookup, month: dt.date) -> list[Due]:
    """The assets of a month that have to be made, in order, each with its reason; empty where the month stands."""
    due: dict[str, Due] = {}
    for asset, table in MONTHLY_TABLES.items():
        made_again = {MONTHLY_TABLES[one].name for one in due}
        if reason := _reason(lookup, table.name, month, made_again):
            due[asset] = Due(asset, month, reason)
    return list(due.values())


def _reason(lookup: Lookup, table: str, month: dt.date, made_again: set[str]) -> str:
    """Why a table's month has to be made; empty where it stands. `made_again`: tables of this month that are due."""
    version = lookup.current(table, key_of(month))
    if version is None:
        return "it was never made"
    for read, scopes in version.reads.items():
        if read == "landed_invoices":
            if dict(scopes) != {name: part.content_hash for name, part in lookup.ledger.parts(key_of(month)).items()}:
                return "its landed files have changed"
        elif read == "settings":
            if dict(scopes) != {"profile": profile_in_force(lookup.platform.settings, lookup.ledger).fingerprint}:
                return "the cleaning rules have changed"
        elif read in made_again:
            return f"{read} is made again"
        else:
            for scope, content in scopes.items():
                now = lookup.current(read, scope)
                if now is None or now.content_hash != content:
                    return f"{read} of {scope[:7]} has changed"
    return ""
