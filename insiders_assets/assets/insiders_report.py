"""insiders_report [month]: the facts of the month, and a page made from them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from insiders_assets.assets.monthly import SETTINGS, Made, Month, monthly_asset
from insiders_assets.assets.revenue_forecast import member_ids
from insiders_assets.contracts.programme import INSIDERS_MEMBERSHIP
from insiders_assets.contracts.report import COMPUTED, RECORDED, REPORT_FACTS
from insiders_assets.domain.restatement import Restatement, what_moved
from insiders_assets.partitions import key_of, month_of, window
from insiders_assets.reporting.programme import ProgrammeOfMonth
from insiders_assets.storage.lake import Dataset, Reads, Version

PAGE, RESTATED = "report.html", "restated.json"


def build(partitions: dg.PartitionsDefinition, history_months: int) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=REPORT_FACTS,
        partitions=partitions,
        inputs={
            "month_totals": window(history_months),
            "customer_features": None,
            "cluster_labels": None,
            "customer_segments": window(2),
            "segment_profiles": None,
            "programme_rule": None,
            "insiders_membership": None,
            "membership_policies": None,
            "group_comparisons": None,
            "holdout_plan": None,
            "revenue_forecast": None,
        },
        group="report",
        settings_read=("currency",),
        kinds={"duckdb", "postgres"},
    )
    def insiders_report(month: Month, **inputs: Dataset) -> Made:
        """Who is in, how many, what share of which revenue, what they are like, what next month brings: every number
        with its unit, its denominator and the SQL that gives it again; and a page made from nothing else."""
        from insiders_assets.domain.facts import SQL_TABLES
        from insiders_assets.reporting.page import render_page

        first = month_of(inputs["month_totals"].scopes[0])
        ask = month.platform.engine.over({name: inputs[name].arrow() for name in SQL_TABLES})
        rows = rows_of_facts(month.first_day, first, ask, inputs)
        data = pa.Table.from_pylist(rows, schema=REPORT_FACTS.arrow_schema)
        currency = month.platform.settings.currency
        reads = {handle.table.name: handle.hashes for handle in inputs.values()}
        earlier = month.platform.lake.history(REPORT_FACTS.name, month.key)
        moved = compared_with_before(month, earlier, reads, rows, inputs["insiders_membership"])
        if moved and _tables_read(earlier[-1]) != reads:  # made again from the same, it says no news
            month.log.warning(in_words(moved, currency))
        page = render_page(
            month.first_day,
            first,
            rows,
            inputs["revenue_forecast"].frame(),
            currency,
            moved,
            programme_of(month, inputs),
        )
        headline: dict[str, float] = {row["key"]: row["value"] for row in rows if row["value"] is not None}
        expected = headline.get("forecast.net_revenue")
        return Made(
            data,
            metadata={
                **({"restated": in_words(moved, currency)} if moved else {}),
                "insiders": int(headline["members.count"]),
                "share of clusterable revenue": round(headline.get("members.share_of_revenue_clusterable", 0.0), 4),
                **({"net revenue of next month": round(expected, 2)} if expected is not None else {}),
            },
            files={PAGE: page.encode(), **({RESTATED: json.dumps(asdict(moved), indent=1).encode()} if moved else {})},
        )

    return insiders_report


def rows_of_facts(
    month: dt.date, first: dt.date, ask: Callable[[str], list[tuple]], inputs: Mapping[str, Dataset]
) -> list[dict[str, Any]]:
    """Rows of REPORT_FACTS: every fact of the month with its value, and the version of the table it comes from."""
    from insiders_assets.domain.facts import facts_of

    origins = set(inputs["group_comparisons"].arrow(["origin"])["origin"].to_pylist()) - {month}
    rows = []
    for position, fact in enumerate(facts_of(month, first, sorted(origins)), start=1):
        answer = ask(fact.sql)
        value, *found_by = answer[0] if answer else (None,)
        function, library, seed = found_by or (None, None, None)
        rows.append(
            {
                "month": month,
                "key": fact.key,
                "position": position,
                "description": fact.description,
                "value": None if value is None else float(value),
                "unit": fact.unit,
                "denominator": fact.denominator,
                "source": fact.source,
                "version": inputs[fact.source].hashes.get(key_of(month)),
                "how": RECORDED if fact.recorded else COMPUTED,
                "function": function,
                "library": library,
                "seed": seed,
                "sql": fact.sql,
            }
        )
    return rows


def programme_of(month: Month, inputs: Mapping[str, Dataset]) -> ProgrammeOfMonth:
    """What the programme's tables say of the month, and who moved between segments since the month before."""
    from insiders_assets.domain.segments import movement

    standing = inputs["insiders_membership"].arrow(["rule_version", "rule"]).slice(length=1).to_pylist()
    cards = inputs["programme_rule"].arrow().to_pylist()
    segments = inputs["customer_segments"]

    def placed(scope: str) -> tuple[np.ndarray, list[str]]:
        rows = segments.only(scope).arrow(["segment_id", "customer_id"])
        return rows["segment_id"].to_numpy(), rows["customer_id"].to_pylist()

    earlier = [scope for scope in segments.scopes if scope < month.key]
    return ProgrammeOfMonth(
        card=cards[0] if cards else None,
        profiles=inputs["segment_profiles"].arrow().to_pylist(),
        movement=movement(placed(earlier[-1]), placed(month.key)) if earlier else None,
        policies=inputs["membership_policies"].arrow().to_pylist(),
        in_force="; ".join(f"{row['rule']} ({row['rule_version']})" for row in standing if row["rule"]),
    )


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
    from insiders_assets.reporting.page import write_number

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
            before, after = (write_number(value, fact.unit, currency) for value in (fact.before, fact.after))
            told.append(f"{name} {before} -> {after}")
    return "; ".join(told)


def _membership_of(month: Month, report: Version) -> Dataset | None:
    """The membership that an earlier report was made from, while the lake keeps it."""
    table = INSIDERS_MEMBERSHIP
    wanted = report.reads.get(table.name, {}).get(month.key)
    found = [one for one in month.platform.lake.history(table.name, month.key) if one.content_hash == wanted]
    return Dataset(month.platform.lake, table, {month.key: found[-1]}) if found else None
