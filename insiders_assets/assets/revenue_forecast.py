"""revenue_forecast [month]: what the members bring in the months to come, with intervals and what they rest on."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandas as pd

from insiders_assets.assets.forecast_history import ForecastHistory
from insiders_assets.assets.forecast_origins import SEED
from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.forecast import LEVELS, REVENUE_FORECAST
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=REVENUE_FORECAST,
        partitions=partitions,
        inputs={
            **dict.fromkeys(("forecast_origins", "insiders_membership", "customer_purchases"), up_to_this_month),
            "forecast_backtest": None,
        },
        group="forecast",
        kinds={"scipy", "postgres"},
    )
    def revenue_forecast(
        month: Month,
        forecast_origins: Dataset,
        insiders_membership: Dataset,
        customer_purchases: Dataset,
        forecast_backtest: Dataset,
    ) -> Made:
        """What the members are expected to bring: the rest of an unfinished month and the next three. The mean of the
        families of models, each corrected for and weighted by its errors at past origins; or a naive model, where that
        was better by a margin. Intervals are calibrated on the same past errors."""
        from insiders_assets.domain.forecasting.records import forecast_rows

        history = ForecastHistory(month, forecast_origins, insiders_membership, customer_purchases)
        now = history.rows[history.rows["month"] == month.first_day]
        if now.empty:
            return Made(REVENUE_FORECAST.empty(), metadata={"no forecast": "there is no sale up to this month"})
        published = {horizon: one for (origin, horizon), one in history.published.items() if origin == month.first_day}
        rows = forecast_rows(
            history.said[-1],
            now[now["grain"] == "month"],
            published,
            (float(history.past["net"].iloc[-1]), float(history.past["gross"].iloc[-1])),
            forecast_backtest.arrow().to_pandas(),
            SEED,
        )
        next_month = published.get(1)
        return Made(
            rows,
            metadata={
                "published model": next_month.model if next_month else "none",
                "interval": f"{next_month.half.basis}, {next_month.half.origins} origins" if next_month else "none",
                "published by month": shown_as_table(published_months(rows), decimals=2),
                **_fan(history.past["net"], rows),
            },
        )

    return revenue_forecast


def _fan(past: pd.Series, rows: list[dict[str, Any]]) -> dict[str, dg.MetadataValue]:
    """What the members brought and what is published, as a picture that the page shows at once; nothing where nothing
    is published."""
    from insiders_assets.reporting.charts import as_markdown, fan_chart

    told = [row for row in rows if row["grain"] == "month" and row["published"]]
    if not told:
        return {}
    coming = [
        (row["net_revenue"], [(row.get(f"net_lower_{level}"), row.get(f"net_upper_{level}")) for level in LEVELS])
        for row in sorted(told, key=lambda row: row["period_start"])
    ]
    # A month that is not over is forecast whole: what is in the data of it is no month to compare with.
    begun = {row["period_start"] for row in told}
    known = [net for month, net in zip(past.index, past.tolist(), strict=True) if month not in begun]
    return {"brought and expected": dg.MetadataValue.md(as_markdown(fan_chart(known, coming), "the forecast"))}


def published_months(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is published of each month, for the page."""
    told = [row for row in rows if row["grain"] == "month" and row["published"]]
    return [
        {
            "month": f"{row['period_start']:%Y-%m}",
            "net revenue": row["net_revenue"],
            "80 % from": row.get("net_lower_80"),
            "to": row.get("net_upper_80"),
            "gross revenue": row["gross_revenue"],
            "of it in the data": row["observed"],
        }
        for row in sorted(told, key=lambda row: row["period_start"])
    ]
