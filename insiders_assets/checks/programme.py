"""Claims about the programme: its SQL, its events, and whether this month's clustering still suggests its rule.

Belongs here: comparing what the programme's tables say. Does not belong here: who is a member.
"""

from collections.abc import Mapping

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.checks.monthly import monthly_check, platform_of
from insiders_assets.contracts.customers import CUSTOMER_FEATURES
from insiders_assets.contracts.programme import INSIDERS_MEMBERSHIP, OUTSIDE, PROGRAMME_RULE
from insiders_assets.contracts.segments import CUSTOMER_SEGMENTS
from insiders_assets.partitions import key_of, month_of, shift
from insiders_assets.storage.lake import Lake

# Under that the rule in force and the candidate do not mean the same customers any more.
LEAST_AGREEMENT = 0.80


def build(partitions: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks over the months that can exist."""

    @monthly_check(
        "programme_rule",
        partitions,
        "The card's SQL, run on the warehouse, gives as many customers as the card says it selects, and "
        "its SQL for the exceptions as many exceptions.",
    )
    def rule_sql_gives_the_customers_of_the_card(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        platform, month = platform_of(context), context.partition_key
        cards = platform.lake.dataset(PROGRAMME_RULE, [month]).arrow().to_pylist()
        found = {
            name: (card[name], len(platform.warehouse.query(card[sql]).rows))
            for card in cards
            for name, sql in (("selected", "sql"), ("exceptions", "exceptions_sql"))
        }
        return dg.AssetCheckResult(
            passed=all(card == warehouse for card, warehouse in found.values()),
            metadata={name: f"{card:,} on the card, {there:,} by SQL" for name, (card, there) in found.items()},
        )

    @monthly_check(
        "insiders_membership",
        partitions,
        "Every customer whose status differs from the month before has exactly one event, and nobody else has one.",
    )
    def every_change_of_status_has_its_event(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        lake, month = platform_of(context).lake, context.partition_key
        now = lake.dataset(INSIDERS_MEMBERSHIP, [month]).arrow(["customer_id", "status", "event", "since"])
        before, here = _statuses_of(lake, key_of(shift(month_of(month), -1))), _statuses(now)
        changed = {name for name, status in here.items() if status != before.get(name, OUTSIDE)}
        gone = {name for name, status in before.items() if name not in here and status != OUTSIDE}
        if not before:  # months come in any order, so the one before need not be there yet
            changed = set(now.filter(pc.equal(now["since"], month_of(month)))["customer_id"].to_pylist())
        told = set(now.filter(pc.is_valid(now["event"]))["customer_id"].to_pylist())
        return dg.AssetCheckResult(
            passed=changed == told and not gone,
            metadata={"changes": len(changed), "events": len(told), "members who are not told of": len(gone)},
        )

    @monthly_check(
        "insiders_membership",
        partitions,
        "The rule in force and the candidate of this month's clustering mean the same customers: "
        f"{LEAST_AGREEMENT:.0%} of those for whom either holds (Jaccard). Otherwise the shop drifts from the rule.",
    )
    def clustering_still_suggests_the_rule(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        from insiders_assets.assets.programme_history import columns_of
        from insiders_assets.domain.rules import parse_rule

        lake, month = platform_of(context).lake, context.partition_key
        cards = lake.dataset(PROGRAMME_RULE, [month]).arrow(["rule"]).to_pylist()
        standing = lake.dataset(INSIDERS_MEMBERSHIP, [month]).arrow(["customer_id", "rule_holds", "rule_version"])
        in_force = set(standing.filter(standing["rule_holds"])["customer_id"].to_pylist())
        if not cards or not in_force:
            return dg.AssetCheckResult(passed=True, metadata={"compared": "there is no candidate, or no rule in force"})
        rule = parse_rule(cards[0]["rule"])
        customers = columns_of(lake.dataset(CUSTOMER_FEATURES, [month]), rule.features)
        candidate = set(customers.ids[rule.holds(customers.columns)].tolist())
        agreement = len(candidate & in_force) / len(candidate | in_force)
        return dg.AssetCheckResult(
            passed=agreement >= LEAST_AGREEMENT,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "rule in force": str(standing["rule_version"][0].as_py()),
                "candidate": rule.sql,
                "agreement": round(agreement, 4),
                "only the candidate": len(candidate - in_force),
                "only the rule in force": len(in_force - candidate),
            },
        )

    @monthly_check(
        "customer_segments",
        partitions,
        "Every customer of customer_features is in exactly one segment, and nobody else is in any.",
    )
    def segments_cover_every_customer(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        lake, month = platform_of(context).lake, context.partition_key
        known = lake.dataset(CUSTOMER_FEATURES, [month]).arrow(["customer_id"])["customer_id"]
        placed = lake.dataset(CUSTOMER_SEGMENTS, [month]).arrow(["customer_id"])["customer_id"]
        return dg.AssetCheckResult(
            passed=known.to_pylist() == placed.to_pylist(),
            metadata={"customers": len(known), "in a segment": len(placed)},
        )

    return [
        rule_sql_gives_the_customers_of_the_card,
        every_change_of_status_has_its_event,
        clustering_still_suggests_the_rule,
        segments_cover_every_customer,
    ]


def _statuses_of(lake: Lake, month: str) -> Mapping[str, str]:
    """Customer -> status at the end of a month; empty where the month is not there."""
    if lake.current(INSIDERS_MEMBERSHIP.name, month) is None:
        return {}
    return _statuses(lake.dataset(INSIDERS_MEMBERSHIP, [month]).arrow(["customer_id", "status"]))


def _statuses(rows: pa.Table) -> Mapping[str, str]:
    columns = rows.to_pydict()
    return dict(zip(columns["customer_id"], columns["status"], strict=True))
