"""What is due: which assets of a month are missing, or were made from something that has changed since.

Belongs here: comparing what a version was made from with what stands now. Dagster's own staleness is not asked: by it
one new file would make every month stale. Does not belong here: running anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from insiders_assets.assets.platform import Platform
from insiders_assets.definitions import MONTHLY_TABLES
from insiders_assets.domain.invoices import choose_profile, with_excluded_customers
from insiders_assets.partitions import key_of
from insiders_assets.storage.lake import Version
from insiders_assets.storage.ledger import Ledger

# Assets of the same month that read an asset, directly.
READ_BY: Mapping[str, tuple[str, ...]] = {
    "raw_invoices": (
        "customer_purchases",
        "customer_features",
        "month_totals",
        "tree_embedding",
        "revenue_forecast",
    ),
    "customer_features": ("month_totals", "tree_embedding", "cluster_labels", "insiders_report"),
    "tree_embedding": ("cluster_labels",),
    "cluster_labels": ("revenue_forecast", "insiders_report"),
    "month_totals": ("insiders_report",),
    "revenue_forecast": ("insiders_report",),
}


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
    reasons: dict[str, str] = {}
    for asset, table in MONTHLY_TABLES.items():
        reason = reasons.get(asset) or _reason(lookup, asset, table.name, month)
        if reason:
            reasons[asset] = reason
            for reader in READ_BY.get(asset, ()):
                reasons.setdefault(reader, f"{asset} is made again")
    return [Due(asset, month, reasons[asset]) for asset in MONTHLY_TABLES if asset in reasons]


def _reason(lookup: Lookup, asset: str, table: str, month: dt.date) -> str:
    version = lookup.current(table, key_of(month))
    if version is None:
        return "it was never made"
    if asset == "raw_invoices":
        return _lines_changed(lookup, version, month)
    for read, scopes in version.reads.items():
        for scope, content in scopes.items():
            now = lookup.current(read, scope)
            if now is None or now.content_hash != content:
                return f"{read} of {scope[:7]} has changed"
    return ""


def _lines_changed(lookup: Lookup, version: Version, month: dt.date) -> str:
    settings = lookup.platform.settings
    parts = {name: part.content_hash for name, part in lookup.ledger.parts(key_of(month)).items()}
    if dict(version.reads.get("landed_invoices", {})) != parts:
        return "its landed files have changed"
    profile = choose_profile(settings.profile, [file.profile for file in lookup.ledger.live])
    if settings.excluded_customers is not None:
        profile = with_excluded_customers(profile, settings.excluded_customers)
    if dict(version.reads.get("settings", {})) != {"profile": profile.fingerprint}:
        return "the cleaning rules have changed"
    return ""
