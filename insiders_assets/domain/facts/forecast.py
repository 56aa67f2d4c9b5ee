"""Facts on what the members have brought, month by month, and on what they will bring."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from insiders_assets.contracts.forecast import COMBINATION, LEVELS
from insiders_assets.domain.facts.fact import COUNT, CURRENCY, DAYS, MEMBER, SHARE, Fact, Outline, one_row
from insiders_assets.domain.messages import Message, say

SOURCE = "revenue_forecast"
FOUND = "forecasting.choice.replay"
# Those that a reader is shown, of all; the rest stand in the table.
MODELS = {
    COMBINATION: say("combination of all models"),
    "seasonal_naive": say("same days a year before, per trading day"),
    "last_30_days": say("mean trading day of the last 30 days"),
    "last_90_days": say("mean trading day of the last 90 days"),
    "seasonal_rate": say("the last 90 days with the shop's season"),
    "statistical_median": say("median of twelve statistical models"),
    "bg_nbd": say("purchases of each member (BG/NBD)"),
    "network": say("neural network"),
}
NET = "coalesce(sum(p.gross_revenue) - sum(p.monetary_returns), 0)"
ORIGINS = say("past months on which it was tested")
ACTUAL = say("actual net revenue of each of those months")


def forecast_facts(outline: Outline) -> Iterator[Fact]:
    """The next month as published, the months after it, every model beside it, and what went before."""
    month = outline.month
    published = one_row(SOURCE, month, "grain = 'month' AND published AND horizon = 1")
    for name, column, words, unit, over in (
        ("net_revenue", None, say("Net revenue of the Insiders next month, as published"), CURRENCY, None),
        ("gross_revenue", None, say("Gross revenue of the Insiders next month, as published"), CURRENCY, None),
        ("lower", "net_lower_80", say("Lower end of the 80 % interval"), CURRENCY, None),
        ("upper", "net_upper_80", say("Upper end of the 80 % interval"), CURRENCY, None),
        ("interval_origins", None, say("Past months whose errors the interval rests on"), COUNT, None),
        ("covered_80", None, say("Share of past months whose 80 % interval held the actual"), SHARE, ORIGINS),
        ("origins", None, say("Past months on which the published model was tested"), COUNT, None),
        ("mean_error", None, say("Mean size of the published model's errors, next month"), SHARE, ACTUAL),
        ("bias", None, say("Mean of the published model's errors with their sign, next month"), SHARE, ACTUAL),
        ("season_years", None, say("Whole years from which the shop's season is known"), COUNT, None),
    ):
        yield Fact(f"forecast.{name}", words, unit, SOURCE, column or name, published, over, FOUND)
    for coming in outline.coming:
        yield from _of_month(month, coming)
    for model in outline.models:
        yield from _of_model(month, model)
    yield _last_days(outline)
    yield from _history(outline)


def model_words(model: str) -> Message:
    """A model as a reader knows it."""
    return MODELS.get(model) or say("{name}", name=model.replace("_", " "))


def _of_month(month: dt.date, coming: dt.date) -> Iterator[Fact]:
    rows = one_row(SOURCE, month, f"grain = 'month' AND published AND period_start = DATE '{coming}'")
    for column, words, unit in (
        ("net_revenue", say("Net revenue of {month}, as published"), CURRENCY),
        ("gross_revenue", say("Gross revenue of {month}, as published"), CURRENCY),
        ("observed", say("Of the net revenue of {month} already in the data"), CURRENCY),
        ("days_forecast", say("Days of {month} still to come"), DAYS),
        ("trading_days", say("Trading days of {month} among them"), DAYS),
    ):
        said = say(words.template, month=coming)
        yield Fact(f"forecast.{coming:%Y-%m}.{column}", said, unit, SOURCE, column, rows, None, FOUND)
    for level in LEVELS:
        for end, words in (
            ("lower", say("Lower end of the {level} % interval of {month}")),
            ("upper", say("Upper end of the {level} % interval of {month}")),
        ):
            said = say(words.template, level=str(level), month=coming)
            key, column = f"forecast.{coming:%Y-%m}.{end}_{level}", f"net_{end}_{level}"
            yield Fact(key, said, CURRENCY, SOURCE, column, rows, None, FOUND)


def _of_model(month: dt.date, model: str) -> Iterator[Fact]:
    rows = one_row(SOURCE, month, f"grain = 'month' AND model = '{model}' AND horizon = 1")
    for column, words, unit, over in (
        ("net_revenue", say("Net revenue of the next month by the model: {model}"), CURRENCY, None),
        ("origins", say("Past months on which the model was tested: {model}"), COUNT, None),
        ("mean_error", say("Mean size of its errors: {model}"), SHARE, ACTUAL),
        ("bias", say("Mean of its errors with their sign: {model}"), SHARE, ACTUAL),
        ("weight", say("Its weight in the combination: {model}"), SHARE, say("weights of all families of models")),
    ):
        said = say(words.template, model=model_words(model))
        yield Fact(f"forecast.{model}.{column}", said, unit, SOURCE, column, rows, over, FOUND)


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
