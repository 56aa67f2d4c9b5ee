"""revenue_forecast [month]: what the members bring next month, with an interval and what it was measured on."""

from __future__ import annotations

import datetime as dt
from typing import Any

import dagster as dg
import pandas as pd

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.assets.programme_history import member_ids
from insiders_assets.contracts.forecast import REVENUE_FORECAST
from insiders_assets.contracts.table import as_floats
from insiders_assets.partitions import key_of, shift
from insiders_assets.storage.lake import Dataset

SEED = 42


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=REVENUE_FORECAST,
        partitions=partitions,
        inputs={"insiders_membership": up_to_this_month, "raw_invoices": up_to_this_month},
        group="forecast",
        kinds={"tensorflow", "postgres"},
    )
    def revenue_forecast(month: Month, insiders_membership: Dataset, raw_invoices: Dataset) -> Made:
        """The members' net revenue by day and month: the rest of an unfinished month and the next one, by a seven-layer
        network, the mean of the last 30 days and the same days a year before; tested on the last complete month with
        the members of its origin."""
        from insiders_assets.domain.forecasting import Backtest, backtest_month, forecast_month

        shop = daily_net(month, raw_invoices)
        if shop.empty:
            return Made(REVENUE_FORECAST.empty(), metadata={"no forecast": "there is no sale up to this month"})
        last_day = last_day_of_data(shop, month.first_day)
        calendar = pd.date_range(shop.index[0], last_day, freq="D")

        def members_of(origin: str) -> pd.Series:
            sold = daily_net(month, raw_invoices, insiders_membership.only(origin))
            return sold.reindex(calendar, fill_value=0.0)

        tested = backtest_month(month.first_day, last_day)
        origin = key_of(shift(tested, -1))
        backtest = Backtest(tested, members_of(origin)) if origin in insiders_membership.scopes else None
        found = forecast_month(month.first_day, members_of(month.key), backtest, SEED)
        network = found.outcomes["network"].network
        rows = found.rows()
        return Made(
            rows,
            metadata={
                "published model": found.published or "none",
                "last day of data": last_day.isoformat(),
                "net revenue by month": shown_as_table(months_of(rows)),
            },
            files=network.to_files() if network else {},
        )

    return revenue_forecast


def months_of(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """What each model says of each month, for the page; a model that cannot forecast is left out."""
    told = rows[(rows["grain"] == "month") & rows["net_revenue"].notna()].sort_values(
        ["period_start", "published"], ascending=[True, False]
    )

    def number(value: float, decimals: int) -> float | None:
        return None if pd.isna(value) else round(float(value), decimals)

    return [
        {
            "month": str(row["period_start"])[:7],
            "model": row["model"],
            "published": bool(row["published"]),
            "net revenue": number(row["net_revenue"], 2),
            "lower": number(row["lower"], 2),
            "upper": number(row["upper"], 2),
            "backtest error": number(row["backtest_error"], 4),
        }
        for row in told.to_dict("records")
    ]


def daily_net(month: Month, lines: Dataset, membership: Dataset | None = None) -> pd.Series:
    """Net revenue per day with sales, of the whole shop or of the members in `membership`."""
    from insiders_assets.domain.features import net_by_day

    engine = month.platform.engine
    sold = engine.run(net_by_day(engine.table(lines), engine.table(member_ids(membership)) if membership else None))
    days = pd.DatetimeIndex(pd.to_datetime(sold["day"].to_pandas()))
    return pd.Series(as_floats(sold["net_revenue"]), index=days, dtype="float64")


def last_day_of_data(shop: pd.Series, month: dt.date) -> dt.date:
    """The last day that the data cover: the month's end where only closed days follow the last sale, else that sale's.

    Only the month's own days say whether it is finished, so a later file changes nothing in it.
    """
    from insiders_assets.domain.forecasting import month_end, open_days

    last_sale = max(shop.index[-1].date(), month)
    rest = pd.date_range(last_sale + dt.timedelta(days=1), month_end(month), freq="D")
    finished = not len(rest) or not open_days(shop.asfreq("D", fill_value=0.0), rest).any()
    return month_end(month) if finished else last_sale
