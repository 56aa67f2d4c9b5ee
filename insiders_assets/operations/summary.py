"""What a run has brought, in a few lines: who, how many, what share of which revenue, next month, and where to look.

Belongs here: choosing facts of the last month. Does not belong here: computing them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from insiders_assets.assets.platform import Platform
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.domain.facts import MEMBER
from insiders_assets.operations.pages import place_of_report, show_report
from insiders_assets.partitions import key_of
from insiders_assets.reporting.language import ENGLISH, NOT_KNOWN, Language

LINES = (
    ("Insiders", "members.count", "members.share_of_clusterable", "of the clusterable customers"),
    (
        "their gross revenue",
        "members.revenue",
        "members.share_of_revenue_clusterable",
        "of the clusterable customers' sales",
    ),
    ("", "", "members.share_of_revenue_identified", "of identified customers' cleaned sales"),
    ("", "", "members.share_of_revenue_all", "of all cleaned sales, guests included"),
)


@dataclass(frozen=True)
class Summary:
    """The month, its lines (name, value, note), the members with the highest revenue, and where its page stands."""

    month: str
    lines: list[tuple[str, str, str]]
    first_members: list[tuple[str, str]]
    report: Path


def summarise(platform: Platform, until: dt.date | None = None) -> Summary | None:
    """The summary of the last month (up to one) that has a report; None where there is none."""
    made = platform.lake.current_scopes(REPORT_FACTS.name)
    months = [month for month in made if until is None or month <= key_of(until)]
    if not months:
        return None
    month = months[-1]
    dataset = platform.lake.dataset(REPORT_FACTS, [month])
    currency, written = platform.settings.currency, Language(ENGLISH).written
    facts = dataset.arrow().to_pylist()
    values = {fact["key"]: fact["value"] for fact in facts}
    told = {fact["key"]: written(fact["value"], fact["unit"], currency) for fact in facts}
    if not values["members.count"]:
        lines = [("Insiders", "0", _why_nobody(values, platform.settings.min_clusterable))]
    else:
        lines = [(name, told[key] if key else "", f"{told[share]} {base}") for name, key, share, base in LINES]
    show_report(platform, month)
    page = place_of_report(platform.settings, month)
    return Summary(month[:7], lines + _next_month(told), _first_members(platform, month, currency), page)


def _why_nobody(values: dict[str, float | None], fewest: int) -> str:
    clusterable = int(values["base.clusterable"] or 0)
    if clusterable < fewest:
        return f"not segmented: fewer than {fewest} clusterable customers"
    if not values["base.segmented"]:
        return f"not segmented: nothing tells the {clusterable:,} clusterable customers apart"
    return "nobody fulfils the rule in force"


def _next_month(told: dict[str, str]) -> list[tuple[str, str, str]]:
    interval = f"{told['forecast.lower']} to {told['forecast.upper']}"
    return [
        (
            "next month, net",
            told["forecast.net_revenue"],
            "no interval yet" if told["forecast.lower"] == str(NOT_KNOWN) else interval,
        ),
        ("", "", f"last 30 days: {told['forecast.last_30_days_actual']}"),
        ("", "", f"as a year before: {told['forecast.seasonal_naive.net_revenue']}"),
    ]


def _first_members(platform: Platform, month: str, currency: str) -> list[tuple[str, str]]:
    found = platform.warehouse.query(
        "SELECT f.customer_id, f.gross_revenue "
        "FROM customer_features f JOIN insiders_membership m USING (month, customer_id) "
        f"WHERE f.month = DATE '{month}' AND {MEMBER} ORDER BY f.gross_revenue DESC, f.customer_id LIMIT 5"
    )
    written = Language(ENGLISH).written
    return [(customer, written(float(revenue), "currency", currency)) for customer, revenue in found.rows]
