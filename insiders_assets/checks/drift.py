"""Warnings when a month is unlike the months before it: its volume, and the members' share of revenue.

Belongs here: comparing a month with earlier ones. Does not belong here: stopping anything; a strange month may be true.
"""

import statistics
from collections.abc import Mapping, Sequence

import dagster as dg
import pyarrow.compute as pc

from insiders_assets.checks.monthly import monthly_check, platform_of
from insiders_assets.contracts.customers import MONTH_TOTALS
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.partitions import key_of, month_of, month_range, shift
from insiders_assets.storage.lake import Lake

FEWEST_MONTHS = 3
LOOK_BACK = 12
# A month with less than half or more than double the median of those before it; seasons of a shop stay within that.
LEAST, MOST = 0.5, 2.0
SHARE_POINTS = 0.10
SHARE = "members.share_of_revenue_clusterable"


def build(partitions: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks over the months that can exist."""
    return [_volume(partitions), _share(partitions)]


def unlike(now: float, before: Sequence[float]) -> str:
    """How a number stands to the median of earlier ones, where that is out of the ordinary; else empty."""
    if len(before) < FEWEST_MONTHS:
        return ""
    usual = statistics.median(before)
    if usual <= 0 or LEAST <= now / usual <= MOST:
        return ""
    return f"{now:,.0f}, which is {now / usual:.0%} of the usual {usual:,.0f}"


def _volume(partitions: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @monthly_check(
        "month_totals",
        partitions,
        f"Lines and gross revenue of the month are between {LEAST:.0%} and {MOST:.0%} of the median of "
        f"up to {LOOK_BACK} months before it.",
    )
    def volume_is_as_usual(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        lake, month = platform_of(context).lake, context.partition_key
        now = volumes(lake, month)
        earlier = [volumes(lake, one) for one in _before(lake, MONTH_TOTALS.name, month)]
        found = {name: unlike(value, [one[name] for one in earlier]) for name, value in now.items()}
        strange = {name: how for name, how in found.items() if how}
        return _warning(strange, len(earlier))

    return volume_is_as_usual


def _share(partitions: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @monthly_check(
        "insiders_report",
        partitions,
        f"The members' share of the clusterable customers' revenue is within {SHARE_POINTS:.0%} points of "
        f"the median of up to {LOOK_BACK} months before.",
    )
    def members_share_is_as_usual(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        lake, month = platform_of(context).lake, context.partition_key
        now = share(lake, month)
        found = [share(lake, one) for one in _before(lake, REPORT_FACTS.name, month)]
        earlier = [one for one in found if one is not None]
        strange = {}
        if now is not None and len(earlier) >= FEWEST_MONTHS:
            usual = statistics.median(earlier)
            if abs(now - usual) > SHARE_POINTS:
                strange["share of revenue"] = f"{now:.1%}, usually {usual:.1%}"
        return _warning(strange, len(earlier))

    return members_share_is_as_usual


def volumes(lake: Lake, month: str) -> dict[str, float]:
    """Lines and gross revenue of a month's cleaned sales, guests included."""
    totals = lake.dataset(MONTH_TOTALS, [month]).arrow(["bucket", "lines", "gross_revenue"])
    kept = totals.filter(pc.invert(pc.starts_with(totals["bucket"], "dropped")))
    return {name: float(pc.sum(kept[name]).as_py() or 0) for name in ("lines", "gross_revenue")}


def share(lake: Lake, month: str) -> float | None:
    """The members' share of the clusterable customers' gross revenue (0 to 1) as the month's report states it."""
    facts = lake.dataset(REPORT_FACTS, [month]).arrow(["key", "value"])
    return dict(zip(*(facts[name].to_pylist() for name in ("key", "value")), strict=True)).get(SHARE)


def _before(lake: Lake, table: str, month: str) -> list[str]:
    first = month_of(month)
    return [
        key_of(one)
        for one in month_range(shift(first, -LOOK_BACK), shift(first, -1))
        if lake.current(table, key_of(one))
    ]


def _warning(strange: Mapping[str, str], compared: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not strange,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"months compared": compared, **strange},
    )
