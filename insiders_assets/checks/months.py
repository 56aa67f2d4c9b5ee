"""Claims about one month: every landed line is accounted for, its buckets add up, its labels cover everybody."""

import dagster as dg
import pyarrow.compute as pc

from insiders_assets.checks.monthly import monthly_check, platform_of
from insiders_assets.contracts.customers import CUSTOMER_FEATURES, MONTH_TOTALS
from insiders_assets.contracts.lines import LANDED_LINES, RAW_INVOICES
from insiders_assets.contracts.segments import CLUSTER_LABELS


def build(partitions: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks over the months that can exist."""

    @monthly_check(
        "cluster_labels",
        partitions,
        "Every customer of customer_features has exactly one row in cluster_labels, and nobody else has.",
    )
    def labels_cover_every_customer(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        lake, month = platform_of(context).lake, context.partition_key
        labelled = lake.dataset(CLUSTER_LABELS, [month]).arrow(["customer_id"])["customer_id"]
        known = lake.dataset(CUSTOMER_FEATURES, [month]).arrow(["customer_id"])["customer_id"]
        unlabelled = len(known) - pc.sum(pc.is_in(known, labelled)).as_py() if len(known) else 0
        return dg.AssetCheckResult(
            passed=unlabelled == 0 and len(labelled) == len(known),
            metadata={"customers": len(known), "labels": len(labelled), "without a label": unlabelled},
        )

    @monthly_check(
        "month_totals",
        partitions,
        "The lines and the money of all buckets are the lines and the money of raw_invoices, exactly.",
    )
    def buckets_add_up(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        lake, month = platform_of(context).lake, context.partition_key
        totals = lake.dataset(MONTH_TOTALS, [month]).arrow(["lines", "net_revenue"])
        raw = lake.dataset(RAW_INVOICES, [month]).arrow(["line_amount"])
        money = pc.sum(raw["line_amount"]).as_py() or 0
        counted = pc.sum(totals["net_revenue"]).as_py() or 0
        lines = pc.sum(totals["lines"]).as_py() or 0
        return dg.AssetCheckResult(
            passed=lines == raw.num_rows and counted == money,
            metadata={
                "lines": raw.num_rows,
                "lines in buckets": lines,
                "money": str(money),
                "money in buckets": str(counted),
            },
        )

    @monthly_check(
        "month_files",
        partitions,
        "Money and lines that were landed = kept + dropped by a rule + overlapping. The overlap is counted "
        "anew from the landed files, by another way than raw_invoices resolves it; lines in quarantine have no money.",
    )
    def landed_lines_are_accounted_for(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        from insiders_assets.domain.invoices import overlap

        platform, month = platform_of(context), context.partition_key
        raw = platform.lake.dataset(RAW_INVOICES, [month])
        ledger = platform.ledger()
        names = raw.versions[month].reads["landed_invoices"]
        parts = [file.months[month] for name in names if (file := ledger.find(name))]
        landed = platform.lake.objects(LANDED_LINES, [part.path for part in parts])
        money_in = pc.sum(landed.to_table(columns=["line_amount"])["line_amount"]).as_py() or 0
        common = platform.engine.run(overlap(platform.engine.table(landed))).to_pylist()[0]
        lines = raw.arrow(["line_amount", "dropped_by"])
        dropped = pc.is_valid(lines["dropped_by"])
        kept_money = pc.sum(lines.filter(pc.invert(dropped))["line_amount"]).as_py() or 0
        dropped_money = pc.sum(lines.filter(dropped)["line_amount"]).as_py() or 0
        lines_in = sum(part.lines for part in parts)
        return dg.AssetCheckResult(
            passed=lines_in == lines.num_rows + common["lines"]
            and money_in == kept_money + dropped_money + common["amount"],
            metadata={
                "lines landed": lines_in,
                "lines kept or dropped": lines.num_rows,
                "lines overlapping": common["lines"],
                "money landed": str(money_in),
                "money kept": str(kept_money),
                "money dropped": str(dropped_money),
                "money overlapping": str(common["amount"]),
            },
        )

    return [labels_cover_every_customer, buckets_add_up, landed_lines_are_accounted_for]
