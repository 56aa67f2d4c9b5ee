"""forecast_backtest [month]: how far off every model was, at every origin whose months are over."""

from __future__ import annotations

import dagster as dg
import pandas as pd

from insiders_assets.assets.forecast_history import ForecastHistory
from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.forecast import FORECAST_BACKTEST
from insiders_assets.contracts.table import or_null
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=FORECAST_BACKTEST,
        partitions=partitions,
        inputs=dict.fromkeys(("forecast_origins", "insiders_membership", "customer_purchases"), up_to_this_month),
        group="forecast",
        kinds={"pandas", "postgres"},
    )
    def forecast_backtest(
        month: Month, forecast_origins: Dataset, insiders_membership: Dataset, customer_purchases: Dataset
    ) -> Made:
        """Every model at every past origin, one, two and three months ahead: forecast, actual, error, and whether the
        intervals held that its errors known then had given. The members are those of the origin."""
        from insiders_assets.domain.forecasting.records import backtest_rows

        history = ForecastHistory(month, forecast_origins, insiders_membership, customer_purchases)
        rows = backtest_rows(month.first_day, history.said, history.published, history.actual)
        return Made(
            rows,
            metadata={
                "origins": len({row["origin"] for row in rows}),
                "next month by model": shown_as_table(errors_by_model(rows), decimals=3),
            },
        )

    return forecast_backtest


def errors_by_model(rows: list[dict]) -> list[dict]:
    """Mean and median absolute error, bias and coverage of each model one month ahead, the best first; what would have
    been published among them."""
    next_month = pd.DataFrame([row for row in rows if row["horizon"] == 1 and row["net_error"] is not None])
    if next_month.empty:
        return []
    quoted = next_month[next_month["published"]].assign(model="published")
    told = pd.concat([quoted, next_month])
    held = told["inside_80"].astype(float) if "inside_80" in told else float("nan")  # no interval yet anywhere
    grouped = told.assign(size=told["net_error"].astype(float).abs(), held=held).groupby("model")
    found = grouped.agg(
        origins=("net_error", "size"),
        mean_error=("size", "mean"),
        median_error=("size", "median"),
        bias=("net_error", "mean"),
        inside_80=("held", "mean"),
    ).sort_values("mean_error")
    return [
        {
            "model": model,
            "origins": row["origins"],
            "mean error": row["mean_error"],
            "median error": row["median_error"],
            "bias": row["bias"],
            "inside 80 %": or_null(row["inside_80"]),
        }
        for model, row in found.to_dict("index").items()
    ]
