"""What is due: which assets of a month are missing, or were made from something that has changed since.

Belongs here: comparing what a version was made from with what stands now. Dagster's own staleness is not asked: by it
one new file would make every month stale. Does not belong here: running anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from insiders_assets.assets.monthly import SETTINGS
from insiders_assets.assets.platform import Platform
from insiders_assets.assets.raw_invoices import profile_in_force
from insiders_assets.contracts.catalogue import MONTHLY_TABLES, TABLES_BY_MONTH
from insiders_assets.partitions import key_of, month_range, months_back, shift
from insiders_assets.storage.lake import Version
from insiders_assets.storage.ledger import Ledger
from insiders_assets.storage.warehouse import PublishedVersion

# Assets whose file versions the ledger names; the others read tables of the lake only.
READ_FROM_LEDGER = ("raw_invoices", "month_files")
READERS_LACK_IT = "the lake has a version that readers lack"
# By table and scope, as the warehouse says it.
Published = Mapping[tuple[str, str], PublishedVersion]
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

    def __init__(self, platform: Platform, reach: Reach):
        self.platform = platform
        self.ledger: Ledger = platform.ledger()
        self.reach = reach
        self._versions: dict[tuple[str, str], Version | None] = {}

    @property
    def first_month(self) -> dt.date | None:
        """The first month that can exist, as the home says it."""
        return self.platform.settings.first_month

    def current(self, table: str, scope: str) -> Version | None:
        """The version that counts now."""
        if (table, scope) not in self._versions:
            self._versions[table, scope] = self.platform.lake.current(table, scope)
        return self._versions[table, scope]

    def window(self, month: dt.date, back: int) -> list[dt.date]:
        """The months that an asset of this month reads, none before the first that can exist."""
        return month_range(max(self.first_month or month, shift(month, -back)), month)

    def forget(self, month: str) -> None:
        """Read the month's manifests again next time."""
        self._versions = {place: version for place, version in self._versions.items() if place[1] != month}


def reach_of(assets: Iterable[dg.AssetsDefinition]) -> Reach:
    """What every asset that has months reads and how far back, as its partition mappings say it."""
    specs = {spec.key.to_user_string(): spec for definition in assets for spec in definition.specs}
    return {
        name: {
            dep.asset_key.to_user_string(): months_back(dep.partition_mapping)
            for dep in specs[name].deps
            if dep.asset_key.to_user_string() in TABLES_BY_MONTH
        }
        for name in TABLES_BY_MONTH
    }


def due_assets(lookup: Lookup, month: dt.date) -> list[Due]:
    """The assets of a month that have to be made as things stand, in order, each with its reason; empty where the month
    stands. Earlier months that are due themselves are not looked at: see :func:`due_months`."""
    return _due(lookup, month, {})


def due_months(lookup: Lookup, months: Sequence[dt.date]) -> list[Due]:
    """What has to be made in these months, oldest first: what is due by itself, and what stands on it.

    An asset that stands on a due one may turn out to be unchanged once that is made; until then nobody can know.
    """
    found: dict[tuple[str, dt.date], Due] = {}
    for month in months:
        found.update({(one.asset, month): one for one in _due(lookup, month, found)})
    return list(found.values())


def unpublished(lookup: Lookup, published: Published, months: Sequence[dt.date]) -> list[Due]:
    """What the lake has of these months and readers lack: after a killed run, or a restored database."""
    return [
        Due(asset, month, READERS_LACK_IT)
        for month in months
        for asset, table in MONTHLY_TABLES.items()
        if table.published and lacks(published, table.name, key_of(month), lookup.current(table.name, key_of(month)))
    ]


def lacks(published: Published, table: str, scope: str, version: Version | None) -> bool:
    """Whether readers lack this version of a table's scope."""
    there = published.get((table, scope))
    return version is not None and (there is None or there.version != version.version)


def _due(lookup: Lookup, month: dt.date, earlier: Mapping[tuple[str, dt.date], Due]) -> list[Due]:
    reasons: dict[str, str] = {}
    for asset in MONTHLY_TABLES:
        if reason := reason_to_make(lookup, asset, month) or _stands_on_due(lookup, asset, month, reasons, earlier):
            reasons[asset] = reason
    return [Due(asset, month, reason) for asset, reason in reasons.items()]


def _stands_on_due(
    lookup: Lookup, asset: str, month: dt.date, here: Mapping[str, str], earlier: Mapping[tuple[str, dt.date], Due]
) -> str:
    for read, back in lookup.reach[asset].items():
        changing = [one for one in lookup.window(month, back) if (read, one) in earlier]
        if changing:
            others = f" and {len(changing) - 1} more" if len(changing) > 1 else ""
            return f"{read} of {changing[0]:%Y-%m}{others} is made again"
        if read in here:
            return f"{read} is made again"
    return ""


def reason_to_make(lookup: Lookup, asset: str, month: dt.date) -> str:
    """Why an asset of a month has to be made as things stand by themselves; empty where it stands."""
    version = lookup.current(TABLES_BY_MONTH[asset].name, key_of(month))
    if version is None:
        return "it was never made"
    if asset in READ_FROM_LEDGER and (was := dict(version.reads.get("landed_invoices", {}))) != _parts(lookup, month):
        return _files_changed(was, _parts(lookup, month))
    for setting, value in version.reads.get(SETTINGS, {}).items():
        if value != _in_force(lookup, setting, month):
            return f"the setting {setting} has changed"
    for read, back in lookup.reach[asset].items():
        table = TABLES_BY_MONTH[read].name
        was_read = version.reads.get(table, {})
        # A first month set earlier, or a longer history, gives months to read that were not there before.
        expected = [key_of(one) for one in lookup.window(month, back)]
        if sorted(was_read) != expected:
            return f"its window of {read} has other months now"
        for scope, content in was_read.items():
            now = lookup.current(table, scope)
            if now is None or now.content_hash != content:
                return f"{read} of {scope[:7]} has changed"
    return ""


def _files_changed(was: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Which landed files came and went, in words; three of each at the most."""

    def named(versions: Iterable[str]) -> str:
        names = sorted({version.rpartition("@")[0] for version in versions})
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

    came, went = now.keys() - was.keys(), was.keys() - now.keys()
    if not came and not went:
        return "its landed files have changed"
    told = [f"{named(came)} landed"] if came else []
    if gone := {v for v in went if v.rpartition("@")[0] not in {c.rpartition("@")[0] for c in came}}:
        told.append(f"{named(gone)} no longer counts")
    return "its landed files have changed: " + "; ".join(told)


def _parts(lookup: Lookup, month: dt.date) -> dict[str, str]:
    return {name: part.content_hash for name, part in lookup.ledger.parts(key_of(month)).items()}


def _in_force(lookup: Lookup, setting: str, month: dt.date) -> str:
    if setting == "profile":
        return profile_in_force(lookup.platform.settings, lookup.ledger).fingerprint
    return lookup.platform.said(setting, month)
