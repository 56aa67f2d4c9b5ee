"""The month's report as one HTML page without any link to the network.

Belongs here: choosing which fact stands where, and how a number is written. Does not belong here: computing facts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from insiders_assets.domain.restatement import Restatement
from insiders_assets.partitions import shift
from insiders_assets.reporting.programme import ProgrammeOfMonth, names_by_rank, told_of_programme

if TYPE_CHECKING:
    import pandas as pd

NOT_KNOWN = "not known"
MOST_NAMED = 20
SEGMENTS = range(1, 11)
MODELS = {
    "network": "neural network",
    "last_30_days": "mean of the last 30 days",
    "seasonal_naive": "same days a year before",
}


def render_page(
    month: dt.date,
    first_of_window: dt.date,
    facts: Sequence[Mapping[str, Any]],
    forecast: pd.DataFrame,
    currency: str,
    moved: Restatement | None = None,
    programme: ProgrammeOfMonth | None = None,
) -> str:
    """The page of a month.

    Parameters
    ----------
    facts: rows of REPORT_FACTS. forecast: rows of REVENUE_FORECAST of the month; its month rows are shown per model.
    currency: ISO code of the shop's currency.
    moved: how the month stood in its earlier version, if it was restated.
    programme: what the programme's tables say of the month.
    """
    by_key = {fact["key"]: fact for fact in facts}

    def told(key: str) -> str:
        return write_number(by_key[key]["value"], by_key[key]["unit"], currency)

    def in_table(key: str) -> str:
        """Without the currency, which stands in the table's head."""
        return told(key).removesuffix(f" {currency}")

    programme = programme or ProgrammeOfMonth()
    profiles = names_by_rank(programme)
    revenues = [by_key[f"segment_{rank:02d}.mean_gross_revenue"]["value"] or 0.0 for rank in SEGMENTS]
    segments = [
        {
            "rank": rank,
            "customers": in_table(f"segment_{rank:02d}.customers"),
            "revenue": in_table(f"segment_{rank:02d}.mean_gross_revenue"),
            "name": profiles[rank]["name_en"] if rank in profiles else "",
            "change": profiles[rank]["change_en"] if rank in profiles else None,
            "of_the_highest": max(revenue, 0.0) / max(*revenues, 1.0),
        }
        for rank, revenue in zip(SEGMENTS, revenues, strict=True)
        if by_key[f"segment_{rank:02d}.customers"]["value"]
    ]
    return (
        templates()
        .get_template("report.html")
        .render(
            month=month,
            first_of_window=first_of_window,
            next_month=shift(month, 1),
            currency=currency,
            told=told,
            in_table=in_table,
            value=lambda key: by_key[key]["value"],
            segments=segments,
            origins=_origins(by_key),
            outlook=_outlook(forecast),
            **told_of_programme(programme, shift(month, -1)),
            restated=_restated(moved, currency) if moved else None,
            facts=[{**fact, "written": write_number(fact["value"], fact["unit"], currency)} for fact in facts],
        )
    )


def _origins(by_key: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The months (2011-11) whose members are compared by the month that followed."""
    parts = [key.split(".") for key, fact in by_key.items() if fact["value"] is not None]
    return [part[2] for part in parts if part[:2] == ["next_month", "net_revenue"] and part[-1] == "member_mean"]


def templates() -> Environment:
    """The templates of this room; a name that nobody gives is an error, and not an empty place."""
    return Environment(
        loader=PackageLoader("insiders_assets.reporting"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_number(value: float | None, unit: str, currency: str) -> str:
    """A number as a reader expects it: money with two decimals and its currency, shares in per cent.

    A mean of a thousand or more is written without decimals: they would say nothing. What rounds to zero has no minus.
    """
    if value is None:
        return NOT_KNOWN
    if unit == "currency":
        return f"{value:z,.2f} {currency}"
    if unit == "share":
        return f"{value:z.2%}"
    if unit == "silhouette":
        return f"{value:z.2f}"
    if unit == "p":
        return f"{value:.3g}"
    if unit == "effect":
        return f"{value:z.4f}"
    return f"{value:z,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:z,.2f}"


def _outlook(forecast: pd.DataFrame) -> dict[str, Any]:
    """What the page says of the coming months: per month a line of every model that can forecast it, and the notes.

    A note that holds for several months of a model is said once.
    """
    months = forecast[forecast["grain"] == "month"].sort_values(["period_start", "published"], ascending=[True, False])
    rows = months.astype(object).where(months.notna(), None).to_dict("records")
    periods: dict[dt.date, dict[str, Any]] = {}
    notes: dict[str, list[str]] = {}
    for row in rows:
        for sentence in (row["measured_on"], row["note"]):
            told = notes.setdefault(_model(row), [])
            if sentence and _sentence(sentence) not in told:
                told.append(_sentence(sentence))
        if row["net_revenue"] is None:
            continue
        period = periods.setdefault(
            row["period_start"],
            {
                "start": row["period_start"],
                "days": row["days_forecast"],
                "observed": f"{row['observed']:,.2f}" if row["observed"] else "",
                "rows": [],
            },
        )
        period["rows"].append(
            {
                "model": _model(row),
                "published": row["published"],
                "net_revenue": f"{row['net_revenue']:,.2f}",
                "interval": f"{row['lower']:,.2f} to {row['upper']:,.2f}" if row["lower"] is not None else "",
                "error": f"{row['backtest_error']:+.2%}" if row["backtest_error"] is not None else "not tested",
            }
        )
    return {
        "periods": list(periods.values()),
        "notes": [(model, " ".join(told)) for model, told in notes.items() if told],
        "tested_on": next((row["backtest_month"] for row in rows if row["backtest_error"] is not None), None),
        "level": next((row["interval_level"] for row in rows if row["interval_level"] is not None), None),
    }


def _restated(moved: Restatement, currency: str) -> dict[str, Any]:
    """What the page says of a restatement: who came and went, and the facts that changed, but for single segments."""

    def named(customers: tuple[str, ...] | None) -> str | None:
        if customers is None:
            return None
        more = f" and {len(customers) - MOST_NAMED:,} more" if len(customers) > MOST_NAMED else ""
        return ", ".join(customers[:MOST_NAMED]) + more

    def difference(before: float | None, after: float | None, unit: str) -> str:
        if before is None or after is None:
            return ""
        if unit == "share":
            return f"{100 * (after - before):+.2f} points"
        sign = "+" if after > before else ""
        return sign + write_number(after - before, unit, currency)

    return {
        "version": moved.moment,
        "entered": named(moved.entered),
        "left": named(moved.left),
        "counts": None if moved.entered is None or moved.left is None else (len(moved.entered), len(moved.left)),
        "facts": [
            {
                "description": fact.description,
                "before": write_number(fact.before, fact.unit, currency),
                "after": write_number(fact.after, fact.unit, currency),
                "difference": difference(fact.before, fact.after, fact.unit),
            }
            for fact in moved.facts
            if not fact.key.startswith("segment_")
        ],
    }


def _model(row: Mapping[Any, Any]) -> str:
    return MODELS.get(row["model"], row["model"].replace("_", " "))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].removesuffix(".") + "."
