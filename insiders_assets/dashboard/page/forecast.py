"""Forecast: what the next months bring, and how far off every model was before."""

from __future__ import annotations

import streamlit as st

from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import Choices, kept_choices
from insiders_assets.dashboard.parts import MONTH, Column, report_picture, table
from insiders_assets.dashboard.reading import Row
from insiders_assets.domain.facts.fact import COUNT, CURRENCY, SHARE
from insiders_assets.domain.facts.forecast import model_words
from insiders_assets.domain.messages import say

PUBLISHED = say("the published model")


def show(choices: Choices) -> None:
    """Draw the page."""
    coming = reading.rows(
        "SELECT * FROM page_forecast WHERE month = %s AND grain = 'month' ORDER BY published DESC, model, period_start",
        choices.month,
    )
    quoted = [row for row in coming if row["published"] and row["net_revenue"] is not None]
    if not quoted:
        st.info(
            choices.tell(
                say("Nothing is forecast from this month: there is nobody to forecast, or too little history.")
            )
        )
        return
    _fan(choices)
    _months(choices, quoted)
    _models(choices, coming)
    _origins(choices)


def _fan(choices: Choices) -> None:
    shows = say("Net revenue of today's Insiders in past months, and what is expected of them in the coming ones.")
    report_picture(say("What the next months bring"), shows, choices, "revenue_forecast", "forecast")


def _months(choices: Choices, quoted: list[Row]) -> None:
    columns = [
        Column(say("Month"), "period_start", MONTH),
        Column(say("Model"), "words"),
        Column(say("Net revenue ({currency})", currency=choices.currency), "net_revenue", CURRENCY),
        Column(say("8 of 10 times from"), "net_lower_80", CURRENCY),
        Column(say("to"), "net_upper_80", CURRENCY),
        Column(say("Gross revenue ({currency})", currency=choices.currency), "gross_revenue", CURRENCY),
        Column(say("Mean error before"), "mean_error", SHARE),
        Column(say("Held by the interval before"), "covered_80", SHARE),
        Column(say("Trading days"), "trading_days", COUNT),
    ]
    rows = [row | {"words": _model(row["model"], choices)} for row in quoted]
    note = say("Of those who are Insiders at the end of {month}.", month=choices.month)
    for row in quoted:
        if row["period_start"] == choices.month:
            came = choices.language.money(row["observed"], choices.currency)
            note = say(
                "{words} That month is not over in the data: its line is what has come, {came}, and what is to come.",
                words=note,
                came=came,
            )
    table(say("Month by month"), columns, rows, choices, "revenue_forecast", "forecast", note=note)


def _models(choices: Choices, coming: list[Row]) -> None:
    # Not the rest of a month that is unfinished: of so short a time no model is judged.
    first = min((row["period_start"] for row in coming if row["period_start"] > choices.month), default=choices.month)
    rows = [row | {"words": _model(row["model"], choices)} for row in coming if row["period_start"] == first]
    columns = [
        Column(say("Model"), "words"),
        Column(say("Net revenue ({currency})", currency=choices.currency), "net_revenue", CURRENCY),
        Column(say("Weight"), "weight", SHARE),
        Column(say("Origins"), "origins", COUNT),
        Column(say("Mean error before"), "mean_error", SHARE),
        Column(say("Bias before"), "bias", SHARE),
    ]
    title = say("What every model says of {month}", month=first)
    table(title, columns, rows, choices, "revenue_forecast", "models")


def _origins(choices: Choices) -> None:
    found = reading.rows(
        "SELECT * FROM page_backtest WHERE month = %s AND horizon = 1 ORDER BY origin DESC, published DESC, model",
        choices.month,
    )
    names = sorted({row["model"] for row in found})
    nothing, box = choices.tell(PUBLISHED), st.container()
    chosen = kept_choices(
        box, choices.tell(say("Models")), names, lambda one: _model(one, choices), "models", choices, nothing
    )
    rows = [
        row | {"words": _model(row["model"], choices)}
        for row in found
        if (row["model"] in chosen if chosen else row["published"])
    ]
    columns = [
        Column(say("Forecast made at the end of"), "origin", MONTH),
        Column(say("Model"), "words"),
        Column(say("Net revenue expected ({currency})", currency=choices.currency), "net_forecast", CURRENCY),
        Column(say("What came"), "net_actual", CURRENCY),
        Column(say("Error"), "net_error", SHARE),
        Column(say("8 of 10 times from"), "net_lower_80", CURRENCY),
        Column(say("to"), "net_upper_80", CURRENCY),
        Column(say("Held"), "inside_80"),
    ]
    note = say(
        "The next month, as it was forecast at each origin and as it came. Without a choice: the published model."
    )
    table(
        say("How far off it was, origin by origin"), columns, rows, choices, "forecast_backtest", "backtest", note=note
    )


def _model(name: str, choices: Choices) -> str:
    return choices.tell(model_words(name))
