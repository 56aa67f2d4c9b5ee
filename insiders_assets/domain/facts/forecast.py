"""Facts on what the members have brought, month by month, and on what they will bring."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from insiders_assets.domain.facts.fact import CURRENCY, DAYS, MEMBER, SHARE, Fact, Outline, one_row, text
from insiders_assets.domain.messages import Message, say

SOURCE = "revenue_forecast"
FOUND = "forecasting.forecast_month"
MODELS = {
    "network": say("neural network"),
    "last_30_days": say("mean trading day of the last 30 days"),
    "seasonal_naive": say("same days a year before"),
}
NET = "coalesce(sum(p.gross_revenue) - sum(p.monetary_returns), 0)"
ACTUAL = say("actual net revenue of that month")


def forecast_facts(outline: Outline) -> Iterator[Fact]:
    """The next month by the published model, every month by every model, and what went before."""
    month = outline.month
    published = one_row(SOURCE, month, f"grain = 'month' AND published AND period_start > DATE '{month}'")
    for column, words, unit, over in (
        ("net_revenue", say("Net revenue of the Insiders next month, as published"), CURRENCY, None),
        ("lower", say("Lower end of the interval"), CURRENCY, None),
        ("upper", say("Upper end of the interval"), CURRENCY, None),
        ("backtest_error", say("Error of the published model on the last complete month, signed"), SHARE, ACTUAL),
        ("interval_level", say("Share of cases in which the interval should hold"), SHARE, say("months forecast")),
    ):
        yield Fact(f"forecast.{column}", words, unit, SOURCE, column, published, over, FOUND)
    for model in ("last_30_days", "seasonal_naive"):
        where = f"grain = 'month' AND model = '{model}' AND period_start > DATE '{month}'"
        words = say("The same by another model: {model}", model=MODELS[model])
        yield Fact(
            f"forecast.{model}", words, CURRENCY, SOURCE, "net_revenue", one_row(SOURCE, month, where), None, FOUND
        )
    yield _last_days(outline)
    for model, period in outline.forecasts:
        yield from _of_model(month, model, period)
    yield from _history(outline)


def model_words(model: str) -> Message:
    """A model as a reader knows it."""
    return MODELS.get(model) or say("{name}", name=model.replace("_", " "))


def _of_model(month: dt.date, model: str, period: dt.date) -> Iterator[Fact]:
    where = f"grain = 'month' AND model = {text(model)} AND period_start = DATE '{period}'"
    rows = one_row(SOURCE, month, where)
    for column, words, unit, over in (
        ("net_revenue", say("Net revenue of {month} by the {model}"), CURRENCY, None),
        ("lower", say("Lower end of its interval, {month}, {model}"), CURRENCY, None),
        ("upper", say("Upper end of its interval, {month}, {model}"), CURRENCY, None),
        ("observed", say("Of it already in the data, {month}, {model}"), CURRENCY, None),
        ("days_forecast", say("Days still to come, {month}, {model}"), DAYS, None),
        ("backtest_error", say("Error on the last complete month when {month} was forecast, {model}"), SHARE, ACTUAL),
    ):
        said = say(words.template, month=period, model=model_words(model))
        yield Fact(f"forecast.{model}.{period:%Y-%m}.{column}", said, unit, SOURCE, column, rows, over, FOUND)


def _last_days(outline: Outline) -> Fact:
    last_day = f"(SELECT max(as_of_date) FROM insiders.customer_features WHERE month = DATE '{outline.month}')"
    rows = (
        "FROM insiders.customer_purchases p JOIN insiders.insiders_membership m "
        f"ON m.month = DATE '{outline.month}' AND m.customer_id = p.customer_id "
        f"WHERE p.month BETWEEN DATE '{outline.first}' AND DATE '{outline.month}' AND {MEMBER} "
        f"AND p.invoice_date > {last_day} - 30 AND p.invoice_date <= {last_day}"
    )
    words = say("Net revenue of today's Insiders in the last 30 days of the data")
    return Fact("forecast.last_30_days_actual", words, CURRENCY, "customer_purchases", NET, rows)


def _history(outline: Outline) -> Iterator[Fact]:
    """What those who are members now brought in each month of the window: chosen by it, so it flatters them."""
    for month in outline.window:
        rows = (
            "FROM insiders.customer_purchases p JOIN insiders.insiders_membership m "
            f"ON m.month = DATE '{outline.month}' AND m.customer_id = p.customer_id "
            f"WHERE p.month = DATE '{month}' AND {MEMBER}"
        )
        words = say("Net revenue of today's Insiders in {month}", month=month)
        yield Fact(f"forecast.history.{month:%Y-%m}", words, CURRENCY, "customer_purchases", NET, rows)
