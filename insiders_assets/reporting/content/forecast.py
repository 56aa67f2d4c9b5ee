"""Answer eight: what the group will bring next."""

from __future__ import annotations

from collections.abc import Iterator

from insiders_assets.domain.facts.forecast import model_words
from insiders_assets.domain.messages import say
from insiders_assets.reporting.content.matter import NOT_THERE, Matter, figure
from insiders_assets.reporting.document import Block, Capital, Cell, Figure, Heading, Paragraph, Part, Table


def forecast(matter: Matter) -> Iterator[Block]:
    """The next month by every model; or why there is no forecast."""
    yield Heading(2, say("What they will bring next"))
    if not matter.value("members.count"):
        yield Paragraph([say("No forecast: there are no Insiders whose purchases could be forecast.")])
        return
    if matter.value("forecast.net_revenue") is None:
        yield Paragraph([say("No forecast: no model has enough days of sales yet.")])
        return
    yield Paragraph(
        [
            say("Net revenue of the Insiders: purchases less returns, in {currency}.", currency=matter.currency),
            say(
                "In the last 30 days of the data those who are Insiders now brought {actual}.",
                actual=Figure("forecast.last_30_days_actual"),
            ),
        ]
    )
    yield from matter.picture(
        "forecast",
        say(
            "Net revenue of today's Insiders by month, and what is expected. The group is chosen by its past, which "
            "flatters it."
        ),
        say("A line of past net revenue by month, and the forecast with its interval."),
    )
    periods = sorted({period for _, period in matter.outline.forecasts})
    for period in periods:
        key = f"forecast.{{}}.{period:%Y-%m}"
        models = [
            model
            for model, month in matter.outline.forecasts
            if month == period and matter.value(f"{key.format(model)}.net_revenue") is not None
        ]
        if not models:
            continue
        some = key.format(models[0])
        beside = None
        if matter.value(f"{some}.observed"):
            beside = say(
                "{observed} in the data already; days to come: {days}",
                observed=Figure(f"{some}.observed"),
                days=Figure(f"{some}.days_forecast"),
            )
        yield Heading(3, period, beside)
        yield Table(
            say("Forecasts of {month}", month=period),
            [
                say("Model"),
                say("Net revenue, {currency}", currency=matter.currency),
                say("Interval"),
                say("Error when tested"),
            ],
            [_model(matter, key.format(model), model) for model in models],
        )
    yield Paragraph(_cautions(matter), soft=True)


def _model(matter: Matter, key: str, model: str) -> list[Cell]:
    published = model == matter.published_model
    name = say("{model} (published)", model=model_words(model)) if published else model_words(model)
    interval: Part = NOT_THERE
    if matter.value(f"{key}.lower") is not None:
        interval = say("{low} to {high}", low=Figure(f"{key}.lower", bare=True), high=Figure(f"{key}.upper", bare=True))
    return [
        Cell([Capital(name)], strong=published),
        figure(f"{key}.net_revenue"),
        Cell([interval]),
        figure(f"{key}.backtest_error"),
    ]


def _cautions(matter: Matter) -> list[Part]:
    told: list[Part] = []
    if matter.value("forecast.interval_level") is not None:
        told.append(
            say(
                "The interval is made for {level} of all cases from the errors of one tested month alone, which is too "
                "little to promise it.",
                level=Figure("forecast.interval_level"),
            )
        )
    if matter.value("forecast.backtest_error") is not None:
        told.append(
            say(
                "The error is that of the last complete month, with the Insiders of its beginning; above zero: the "
                "forecast was too high. One tested month says little about a model: the error is shown, not promised."
            )
        )
    else:
        told.append(say("The published model was not tested yet: it had too few days before a complete month."))
    return told
