"""What is due: which assets of a month are missing, or were made from something that has changed since.

Belongs here: comparing what a version was made from with what stands now. Dagster's own staleness is not asked: by it
one new file would make every month stale. Does not belong here: running anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from insiders_assets.assets.monthly import SETTINGS
from insiders_assets.assets.platform import Platform
from insiders_assets.assets.raw_invoices import profile_in_force
from insiders_assets.definitions import MONTHLY_TABLES, build_definitions
from insiders_assets.partitions import key_of, month_range, shift
from insiders_assets.settings import Settings
from insiders_assets.storage.lake import Version
from insiders_assets.storage.ledger import Ledger

# How many months back an asset reads another one, by the names of both; 0: its own month only.
Reach = Mapping[str, Mapping[str, int]]


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
        self.reach = reach_of_assets(platform.settings)
        self._versions: dict[tuple[str, str], Version | None] = {}

    def current(self, table: str, scope: str) -> Version | None:
        """The version that counts now."""
        if (table, scope) not in self._versions:
            self._versions[table, scope] = self.platform.lake.current(table, scope)
        return self._versions[table, scope]

    def forget(self, month: str) -> None:
        """Read the month's manifests again next time."""
        self._versions = {place: version for place, version in self._versions.items() if place[1] != month}


def reach_of_assets(settings: Settings) -> Reach:
    """What every monthly asset reads and how far back, as its partition mappings say it."""

    def months_back(dep: dg.AssetDep) -> int:
        mapping = dep.partition_mapping
        return -mapping.start_offset if isinstance(mapping, dg.TimeWindowPartitionMapping) else 0

    definitions = build_definitions(settings)
    specs = {name: definitions.get_assets_def(name).get_asset_spec(dg.AssetKey(name)) for name in MONTHLY_TABLES}
    return {
        name: {
            dep.asset_key.to_user_string(): months_back(dep)
            for dep in spec.deps
            if dep.asset_key.to_user_string() in MONTHLY_TABLES
        }
        for name, spec in specs.items()
    }


def due_assets(lookup: Lookup, month: dt.date) -> list[Due]:
    """The assets of a month that have to be made, in order, each with its reason; empty where the month stands."""
    reasons: dict[str, str] = {}
    for asset in MONTHLY_TABLES:
        made_again = (f"{read} is made again" for read in lookup.reach[asset] if read in reasons)
        if reason := _reason(lookup, asset, month) or next(made_again, ""):
            reasons[asset] = reason
    return [Due(asset, month, reason) for asset, reason in reasons.items()]


def _reason(lookup: Lookup, asset: str, month: dt.date) -> str:
    version = lookup.current(MONTHLY_TABLES[asset].name, key_of(month))
    if version is None:
        return "it was never made"
    if asset == "raw_invoices" and dict(version.reads.get("landed_invoices", {})) != _parts(lookup, month):
        return "its landed files have changed"
    for setting, value in version.reads.get(SETTINGS, {}).items():
        if value != _in_force(lookup, setting):
            return f"the setting {setting} has changed"
    first = lookup.platform.settings.first_month or month
    for read, months_back in lookup.reach[asset].items():
        table = MONTHLY_TABLES[read].name
        was_read = version.reads.get(table, {})
        # A first month set earlier, or a longer history, gives months to read that were not there before.
        expected = [key_of(one) for one in month_range(max(first, shift(month, -months_back)), month)]
        if sorted(was_read) != expected:
            return f"its window of {read} has other months now"
        for scope, content in was_read.items():
            now = lookup.current(table, scope)
            if now is None or now.content_hash != content:
                return f"{read} of {scope[:7]} has changed"
    return ""


def _parts(lookup: Lookup, month: dt.date) -> dict[str, str]:
    return {name: part.content_hash for name, part in lookup.ledger.parts(key_of(month)).items()}


def _in_force(lookup: Lookup, setting: str) -> str:
    settings = lookup.platform.settings
    if setting == "profile":
        return profile_in_force(settings, lookup.ledger).fingerprint
    return str(getattr(settings, setting))
