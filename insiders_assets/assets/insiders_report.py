"""insiders_report [month]: the facts of the month, and a page made from them."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pyarrow as pa

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.partitions import month_of, window
from insiders_assets.storage.lake import Dataset

PAGE = "report.html"


def build(partitions: dg.PartitionsDefinition, history_months: int) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=REPORT_FACTS,
        partitions=partitions,
        inputs={
            "month_totals": window(history_months),
            "customer_features": None,
            "cluster_labels": None,
            "revenue_forecast": None,
        },
        group="report",
        settings_read=("currency",),
        kinds={"duckdb", "postgres"},
    )
    def insiders_report(month: Month, **inputs: Dataset) -> Made:
        """Who is in, how many, what share of which revenue, what they are like, what next month brings: every number
        with its unit, its denominator and the SQL that gives it again; and a page made from nothing else."""
        from insiders_assets.domain.facts import facts_of
        from insiders_assets.reporting.page import render_page

        first = month_of(inputs["month_totals"].scopes[0])
        tables = {name: handle.arrow() for name, handle in inputs.items()}
        engine = month.platform.engine
        rows: list[dict[str, Any]] = [
            {
                "month": month.first_day,
                "key": fact.key,
                "position": position,
                "description": fact.description,
                "value": _number(engine.query(fact.sql, tables)),
                "unit": fact.unit,
                "denominator": fact.denominator,
                "source": fact.source,
                "sql": fact.sql,
            }
            for position, fact in enumerate(facts_of(month.first_day, first), start=1)
        ]
        forecast = inputs["revenue_forecast"].frame()
        page = render_page(month.first_day, first, rows, forecast, month.platform.settings.currency)
        headline: dict[str, float] = {row["key"]: row["value"] for row in rows if row["value"] is not None}
        expected = headline.get("forecast.net_revenue")
        return Made(
            pa.Table.from_pylist(rows, schema=REPORT_FACTS.arrow_schema),
            metadata={
                "insiders": int(headline["members.count"]),
                "share of clusterable revenue": round(headline.get("members.share_of_revenue_clusterable", 0.0), 4),
                **({"net revenue of next month": round(expected, 2)} if expected is not None else {}),
            },
            files={PAGE: page.encode()},
        )

    return insiders_report


def _number(rows: list[tuple]) -> float | None:
    """The only number of a query's only row; none where the query finds nothing."""
    return float(rows[0][0]) if rows and rows[0][0] is not None else None
