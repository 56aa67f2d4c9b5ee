"""Answer eight: what the group will bring next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from insiders_assets.contracts.forecast import COMBINATION, LEVELS, NONE, STUDENT
from insiders_assets.domain.facts.forecast import model_words
from insiders_assets.domain.messages import say
from insiders_assets.reporting.content.matter import NOT_THERE, Matter, figure
from insiders_assets.reporting.document import Block, Capital, Cell, Figure, Heading, Paragraph, Part, Table


def forecast(matter: Matter) -> Iterator[Block]:
    """The next months as published, why they are as they are, and every model beside it; or why there is none."""
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
    coming = matter.outline.coming
    months = [month for month in coming if matter.value(f"forecast.{month:%Y-%m}.net_revenue") is not None]
    yield Table(
        say("Expected of the months to come"),
        [
            say("Month"),
            say("Net revenue, {currency}", currency=matter.currency),
            *(say("{level} % interval", level=str(level)) for level in LEVELS),
            say("Gross revenue"),
            say("Trading days to come"),
        ],
        [_month(matter, month) for month in months],
    )
    yield Paragraph(_reasons(matter))
    models = [model for model in matter.outline.models if matter.value(f"forecast.{model}.net_revenue") is not None]
    yield Heading(3, say("The models, and how far off they were"))
    yield Table(
        say("Forecasts of the next month by model"),
        [
            say("Model"),
            say("Net revenue, {currency}", currency=matter.currency),
            say("Mean error when tested"),
            say("Mean with its sign"),
            say("Months tested"),
            say("Weight"),
        ],
        [_model(matter, model) for model in models],
    )
    yield Paragraph(_cautions(matter), soft=True)


def _month(matter: Matter, month: dt.date) -> list[Cell]:
    key = f"forecast.{month:%Y-%m}"

    def interval(level: int) -> Cell:
        if matter.value(f"{key}.lower_{level}") is None:
            return Cell([NOT_THERE])
        low, high = (Figure(f"{key}.{end}_{level}", bare=True) for end in ("lower", "upper"))
        return Cell([say("{low} to {high}", low=low, high=high)])

    return [
        Cell([Capital(month)]),
        Cell([Figure(f"{key}.net_revenue", bare=True, missing=NOT_THERE)], strong=True),
        *(interval(level) for level in LEVELS),
        figure(f"{key}.gross_revenue"),
        figure(f"{key}.trading_days"),
    ]


def _model(matter: Matter, model: str) -> list[Cell]:
    published = matter.published is not None and model == matter.published["model"]
    name = say("{model} (published)", model=model_words(model)) if published else model_words(model)
    key = f"forecast.{model}"
    return [
        Cell([Capital(name)], strong=published),
        figure(f"{key}.net_revenue"),
        figure(f"{key}.mean_error"),
        figure(f"{key}.bias"),
        figure(f"{key}.origins"),
        figure(f"{key}.weight"),
    ]


def _reasons(matter: Matter) -> list[Part]:
    """Why the months are as they are: an unfinished month, closed days, the season and how little is known of it."""
    told: list[Part] = []
    this_month = f"forecast.{matter.month:%Y-%m}"
    if matter.value(f"{this_month}.days_forecast"):
        told.append(
            say(
                "The data of {month} stop early: {observed} of it is in them, and its last {days} days, {trading} of "
                "them trading days, are forecast.",
                month=matter.month,
                observed=Figure(f"{this_month}.observed"),
                days=Figure(f"{this_month}.days_forecast", bare=True),
                trading=Figure(f"{this_month}.trading_days", bare=True),
            )
        )
    told.append(
        say(
            "A day on which the shop is expected to be closed counts nothing: a weekday on which it does not sell, a "
            "public holiday if a calendar is set, a week or more of the year at which it was shut when that last came."
        )
    )
    years = matter.value("forecast.season_years")
    if not years:
        told.append(say("The data hold no whole year yet, so nothing is known of the season."))
    elif years < 2:
        told.append(
            say(
                "The season is known from one year alone, with one Christmas in it, so only half of what that year "
                "showed is expected again."
            )
        )
    else:
        told.append(say("The season is known from {years} years.", years=Figure("forecast.season_years")))
    return told


def _cautions(matter: Matter) -> list[Part]:
    return [*_chosen(matter), *_intervals(matter), *_errors(matter)]


def _chosen(matter: Matter) -> Iterator[Part]:
    if matter.published is not None and matter.published["model"] != COMBINATION:
        yield say(
            "Published is a simple rule, {model}: in the past months it was nearer than the combination by more than "
            "three points of a hundred.",
            model=model_words(matter.published["model"]),
        )
    else:
        yield say(
            "Published is the combination: each family of models, corrected for what it has been off by, and weighted "
            "by how near it has come."
        )


def _intervals(matter: Matter) -> Iterator[Part]:
    basis = matter.published["interval_basis"] if matter.published else NONE
    if basis == NONE:
        yield say("There is no interval yet: that takes two past months whose forecast can be compared with what came.")
        return
    rests = Figure("forecast.interval_origins")
    if basis == STUDENT:
        yield say(
            "The intervals rest on the errors of {origins} past months, too few to promise them: they are made wide "
            "for that.",
            origins=rests,
        )
    else:
        yield say("The intervals are made from the errors of the last {origins} months.", origins=rests)
    if matter.value("forecast.covered_80") is not None:
        yield say(
            "Of the past months that had one, the interval of eight in ten held the actual in {covered}.",
            covered=Figure("forecast.covered_80"),
        )


def _errors(matter: Matter) -> Iterator[Part]:
    if matter.value("forecast.mean_error") is None:
        yield say("The published model was not tested yet: no month after an earlier forecast is over.")
    else:
        yield say(
            "Errors are shares of what the Insiders of that time then brought, at the end of every past month, and "
            "nothing later was seen; above zero: the forecast was too high."
        )
        yield say("Only models that were tested on as many months can be compared.")
