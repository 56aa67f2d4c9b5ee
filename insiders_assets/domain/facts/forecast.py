"""Facts on what the members will bring."""

from __future__ import annotations

import datetime as dt

from insiders_assets.domain.facts.fact import Fact


def forecast_facts(month: dt.date) -> list[Fact]:
    """The next month by the published model, its interval and its error, and by the others."""

    def next_month(column: str, which: str = "published") -> str:
        return (
            f"SELECT {column} FROM insiders.revenue_forecast WHERE month = DATE '{month}' AND grain = 'month' "
            f"AND {which} AND period_start > DATE '{month}'"
        )

    other = (("last_30_days", "the mean of the last 30 days"), ("seasonal_naive", "the same days a year before"))
    return [
        Fact(
            "forecast.net_revenue",
            "Net revenue of the Insiders next month, as published",
            "currency",
            "revenue_forecast",
            next_month("net_revenue"),
        ),
        Fact("forecast.lower", "Lower end of the interval", "currency", "revenue_forecast", next_month("lower")),
        Fact("forecast.upper", "Upper end of the interval", "currency", "revenue_forecast", next_month("upper")),
        Fact(
            "forecast.backtest_error",
            "Error of the published model on the last complete month, signed",
            "share",
            "revenue_forecast",
            next_month("backtest_error"),
            "actual net revenue of that month",
        ),
        *(
            Fact(
                f"forecast.{model}",
                f"The same by {words}",
                "currency",
                "revenue_forecast",
                next_month("net_revenue", f"model = '{model}'"),
            )
            for model, words in other
        ),
    ]
