"""raw_invoices [month]: every good line of the month, overlap between files resolved, with the rule that drops it."""

from __future__ import annotations

import dagster as dg
import pyarrow as pa

from insiders_assets.assets.monthly import SETTINGS, Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.lines import LANDED_LINES, RAW_INVOICES
from insiders_assets.domain.invoices import Profile, choose_profile, with_excluded_customers
from insiders_assets.settings import Settings
from insiders_assets.storage.ledger import Ledger


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=RAW_INVOICES,
        partitions=partitions,
        inputs={},
        # Lineage only: which file versions make a month is read from the ledger.
        lineage={"landed_invoices": dg.AllPartitionMapping()},
        group="lines",
        kinds={"duckdb", "parquet"},
        may_skip=True,
        many_months_at_once=True,
    )
    def raw_invoices(month: Month) -> Made:
        """Every good line of the month from all files that count, overlap resolved; `dropped_by` names the cleaning
        rule that drops a line, so a change of rules needs no new landing."""
        ledger = month.platform.ledger()
        if ledger.is_missing(month.key):
            return Made(
                skip=f"No landed file holds or covers {month.key[:7]}: the month is skipped. Land its file, or "
                f"say that it had no lines with `insiders declare-empty {month.key[:7]}`."
            )
        return clean_month(month, ledger)

    return raw_invoices


def clean_month(month: Month, ledger: Ledger) -> Made:
    """The month's lines from the ledger's parts, cleaned by the profile in force."""
    import ibis

    from insiders_assets.domain import invoices

    platform, parts = month.platform, ledger.parts(month.key)
    profile = profile_in_force(platform.settings, ledger)
    lines = platform.engine.table(platform.lake.objects(LANDED_LINES, [part.path for part in parts.values()]))
    if len(parts) > 1:
        ranks = pa.table({"source_file": list(parts), "rank": range(len(parts))})
        united = invoices.multiset_union(lines, platform.engine.table(ranks))
    else:
        united = invoices.single_file(lines)
    cleaned = invoices.with_dropping_rule(united, profile).mutate(month=ibis.literal(month.first_day))
    data = platform.engine.run(cleaned)
    dropped = _count(data["dropped_by"])
    invoices.refuse_greedy_rules(dropped, data.num_rows, month.key[:7], platform.settings.max_dropped_share)
    landed = sum(part.lines for part in parts.values())
    return Made(
        data=data,
        metadata={
            "files": len(parts),
            "profile": profile.name,
            "landed lines": landed,
            "overlapping lines": landed - data.num_rows,
            "dropped lines": sum(dropped.values()),
            "dropped by rule": shown_as_table([{"rule": rule, "lines": lines} for rule, lines in dropped.items()]),
        },
        reads={
            "landed_invoices": {name: part.content_hash for name, part in parts.items()},
            SETTINGS: {"profile": profile.fingerprint},
        },
    )


def profile_in_force(settings: Settings, ledger: Ledger) -> Profile:
    """The cleaning rules that count: those of the settings, or else of the layouts that were landed."""
    profile = choose_profile(settings.profile, [file.profile for file in ledger.live])
    excluded = settings.excluded_customers
    return profile if excluded is None else with_excluded_customers(profile, excluded)


def _count(dropped_by: pa.ChunkedArray) -> dict[str, int]:
    counted = dropped_by.drop_null().value_counts().to_pylist()
    return {entry["values"]: entry["counts"] for entry in counted}
