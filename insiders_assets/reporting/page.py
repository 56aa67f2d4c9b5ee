"""The month's report as one HTML page without any link to the network.

Belongs here: choosing which fact stands where, and how a number is written. Does not belong here: computing facts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

if TYPE_CHECKING:
    import pandas as pd

NOT_KNOWN = "not known"


def render_page(
    month: dt.date, first_of_window: dt.date, facts: Sequence[Mapping[str, Any]], forecast: pd.DataFrame, currency: str
) -> str:
    """The page of a month.

    Parameters
    ----------
    facts: rows of REPORT_FACTS. forecast: rows of REVENUE_FORECAST of the month; its month rows are shown per model.
    currency: ISO code of the shop's currency.
    """
    environment = Environment(
        loader=PackageLoader("insiders_assets.reporting"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    by_key = {fact["key"]: fact for fact in facts}

    def told(key: str) -> str:
        return write_number(by_key[key]["value"], by_key[key]["unit"], currency)

    segments = [
        {
            "rank": rank,
            "customers": told(f"segment_{rank:02d}.customers"),
            "revenue": told(f"segment_{rank:02d}.mean_gross_revenue"),
        }
        for rank in range(1, 11)
        if by_key[f"segment_{rank:02d}.customers"]["value"]
    ]
    return environment.get_template("report.html").render(
        month=month,
        first_of_window=first_of_window,
        currency=currency,
        told=told,
        value=lambda key: by_key[key]["value"],
        segments=segments,
        forecasts=_forecasts(forecast, currency),
        facts=[{**fact, "written": write_number(fact["value"], fact["unit"], currency)} for fact in facts],
    )


def write_number(value: float | None, unit: str, currency: str) -> str:
    """A number as a reader expects it: money with two decimals and its currency, shares in per cent."""
    if value is None:
        return NOT_KNOWN
    if unit == "currency":
        return f"{value:,.2f} {currency}"
    if unit == "share":
        return f"{value:.2%}"
    if unit == "silhouette":
        return f"{value:.2f}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _forecasts(forecast: pd.DataFrame, currency: str) -> list[dict[str, Any]]:
    months = forecast[forecast["grain"] == "month"].sort_values(["period_start", "published"], ascending=[True, False])

    def written(row: Mapping[Any, Any], name: str, unit: str = "currency") -> str:
        value = row[name]
        return write_number(None if value is None or value != value else float(value), unit, currency)

    return [
        {
            "period": row["period_start"],
            "model": row["model"].replace("_", " "),
            "published": row["published"],
            "net_revenue": written(row, "net_revenue"),
            "interval": f"{written(row, 'lower')} to {written(row, 'upper')}" if row["lower"] == row["lower"] else "",
            "error": written(row, "backtest_error", "share"),
            "tested_on": row["backtest_month"],
            "note": " ".join(str(row[name]) for name in ("measured_on", "note") if row[name]),
        }
        for row in months.astype(object).where(months.notna(), None).to_dict("records")
    ]
