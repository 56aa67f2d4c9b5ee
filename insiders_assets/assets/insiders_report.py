"""insiders_report [month]: the facts of the month, and the documents made from them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from insiders_assets.assets.monthly import SETTINGS, Made, Month, monthly_asset
from insiders_assets.assets.programme_history import member_ids
from insiders_assets.assets.report_documents import documents_of, matter_of, outline_of, rows_for_facts
from insiders_assets.contracts.programme import INSIDERS_MEMBERSHIP
from insiders_assets.contracts.report import COMPUTED, RECORDED, REPORT_FACTS
from insiders_assets.domain.restatement import Restatement, what_moved
from insiders_assets.partitions import key_of, window
from insiders_assets.storage.lake import Dataset, Reads, Version

if TYPE_CHECKING:
    from insiders_assets.domain.facts import Fact

RESTATED = "restated.json"


def build(
    partitions: dg.PartitionsDefinition, history_months: int, up_to_this_month: dg.PartitionMapping
) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=REPORT_FACTS,
        partitions=partitions,
        inputs={
            "month_totals": window(history_months),
            "customer_features": None,
            "customer_purchases": window(history_months),
            "tree_embedding": None,
            "forest_importances": None,
            "cluster_labels": None,
            "customer_segments": window(2),
            "segment_profiles": None,
            "programme_rule": None,
            "insiders_membership": up_to_this_month,
            "membership_policies": None,
            "group_comparisons": None,
            "holdout_plan": None,
            "marketing_actions": None,
            "revenue_forecast": None,
        },
        group="report",
        settings_read=("currency", "programme_leave_share"),
        kinds={"duckdb", "postgres"},
    )
    def insiders_report(month: Month, **inputs: Dataset) -> Made:
        """Who is in, how many, what share of which revenue, what they are like, what next month brings: every number
        with its unit, its denominator and the SQL that gives it again; and the report made from nothing else, as HTML,
        PDF and Markdown, in English and in Brazilian Portuguese."""
        from insiders_assets.domain.facts import SQL_TABLES, facts_of

        ask = month.platform.engine.over({name: rows_for_facts(month, inputs[name]) for name in SQL_TABLES})
        outline = outline_of(month, inputs, ask)
        facts = facts_of(outline)
        rows = rows_of_facts(facts, month.first_day, ask, inputs)
        data = pa.Table.from_pylist(rows, schema=REPORT_FACTS.arrow_schema)
        currency = month.platform.settings.currency
        reads = {handle.table.name: handle.hashes for handle in inputs.values()}
        earlier = month.platform.lake.history(REPORT_FACTS.name, month.key)
        membership = inputs["insiders_membership"].only(month.key)
        moved = compared_with_before(month, earlier, reads, rows, membership)
        if moved and _tables_read(earlier[-1]) != reads:  # made again from the same, it says no news
            month.log.warning(in_words(moved, currency))
        documents = documents_of(matter_of(month, outline, facts, rows, inputs, moved), inputs)
        headline: dict[str, float] = {row["key"]: row["value"] for row in rows if row["value"] is not None}
        expected = headline.get("forecast.net_revenue")
        return Made(
            data,
            metadata={
                **({"restated": in_words(moved, currency)} if moved else {}),
                "insiders": int(headline["members.count"]),
                "share of clusterable revenue": round(headline.get("members.share_of_revenue_clusterable", 0.0), 4),
                **({"net revenue of next month": round(expected, 2)} if expected is not None else {}),
                "to open the report": dg.MetadataValue.md(f"`insiders report --month {month.key[:7]}`"),
            },
            files={**documents, **({RESTATED: json.dumps(asdict(moved), indent=1).encode()} if moved else {})},
        )

    return insiders_report


def rows_of_facts(
    facts: Sequence[Fact], month: dt.date, ask: Callable[[str], list[tuple]], inputs: Mapping[str, Dataset]
) -> list[dict[str, Any]]:
    """Rows of REPORT_FACTS: every fact of the month with its value, and the version of the table it comes from."""
    from insiders_assets.domain.facts import values_of

    found = values_of(facts, ask)
    rows = []
    for position, fact in enumerate(facts, start=1):
        value, *found_by = found[fact.key] or (None,)
        function, library, seed = found_by or (None, None, None)
        rows.append(
            {
                "month": month,
                "key": fact.key,
                "position": position,
                "description": str(fact.words),
                "value": None if value is None else float(value),
                "unit": fact.unit,
                "denominator": None if fact.over is None else str(fact.over),
                "source": fact.source,
                "version": inputs[fact.source].hashes.get(key_of(month)),
                "how": RECORDED if fact.found_by else COMPUTED,
                "function": function,
                "library": library,
                "seed": seed,
                "sql": fact.sql,
            }
        )
    return rows


def compared_with_before(
    month: Month, earlier: Sequence[Version], reads: Reads, rows: Sequence[Mapping[str, Any]], membership: Dataset
) -> Restatement | None:
    """What moved against the last version of this month's report that was made from other tables than `reads`.

    None if there is none, or if nothing moved. It stands beside the table and not in it: a month's rows are the same
    whatever was known before. Not against the last version with other facts: where new lines change none of them, that
    one is not the version that was replaced, and its difference was told already.
    """
    from_others = [version for version in earlier if _tables_read(version) != reads]
    if not from_others:
        return None
    before = from_others[-1]
    facts = month.platform.lake.objects(REPORT_FACTS, [before.path]).to_table().to_pylist()
    membership_before = _membership_of(month, before)
    members_before = member_ids(membership_before)["customer_id"].to_pylist() if membership_before else None
    moved = what_moved(
        before.recorded_at, facts, rows, members_before, member_ids(membership)["customer_id"].to_pylist()
    )
    return moved if moved.facts or moved.entered or moved.left else None


def _tables_read(version: Version) -> Reads:
    """What a version was made from, its settings left out."""
    return {table: scopes for table, scopes in version.reads.items() if table != SETTINGS}


def in_words(moved: Restatement, currency: str) -> str:
    """The restatement in a line: members in and out, and their revenue before and after."""
    from insiders_assets.reporting.language import ENGLISH, Language

    written = Language(ENGLISH).written
    if moved.entered is None or moved.left is None:
        who = "who was a member then is not kept any more"
    else:
        who = f"{len(moved.entered)} members in, {len(moved.left)} out"
    told = [f"restated, against the version of {moved.moment} UTC: {who}"]
    for key, name in (
        ("members.revenue", "their gross revenue"),
        ("base.revenue_all", "all cleaned sales"),
        ("base.net_revenue_all", "net of returns"),
    ):
        if fact := moved.fact(key):
            before, after = (written(value, fact.unit, currency) for value in (fact.before, fact.after))
            told.append(f"{name} {before} -> {after}")
    return "; ".join(told)


def _membership_of(month: Month, report: Version) -> Dataset | None:
    """The membership that an earlier report was made from, while the lake keeps it."""
    table = INSIDERS_MEMBERSHIP
    wanted = report.reads.get(table.name, {}).get(month.key)
    found = [one for one in month.platform.lake.history(table.name, month.key) if one.content_hash == wanted]
    return Dataset(month.platform.lake, table, {month.key: found[-1]}) if found else None
