"""Segments: what each is like against all customers, who brings how much, and where customers lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import Choices
from insiders_assets.dashboard.parts import NAME, PROSE, Column, report_picture, table
from insiders_assets.dashboard.reading import Row
from insiders_assets.dashboard.words import segment_name
from insiders_assets.domain.facts.characteristics import PROFILE
from insiders_assets.domain.facts.fact import CURRENCY, CUSTOMERS, SHARE
from insiders_assets.domain.messages import say

# A fifth of the colours for each of these factors above or below all customers.
STEPS = (1.25, 1.6, 2.5, 4.0, 8.0)


def show(choices: Choices) -> None:
    """Draw the page."""
    facts = reading.facts_of(choices.month)
    profiles = reading.segments_of(choices.month)
    if not profiles:
        st.info(choices.tell(say("The month has no segments: too few customers came twice.")))
        return
    _profiles(choices, facts, profiles)
    _pictures(choices)
    _changes(choices, profiles)


def _profiles(choices: Choices, facts: Mapping[str, Row], profiles: list[Row]) -> None:
    """Means of every segment, shaded by how far they lie from the mean of all clusterable customers."""

    def value(key: str) -> float | None:
        return facts[key]["value"] if key in facts else None

    base = {name: value(f"clusterable.mean_{name}") for name in PROFILE}
    rows = [
        {
            "segment": segment_name(one, choices),
            "customers": one["customers"],
            **{name: value(f"segment_{one['segment_id']:02d}.mean_{name}") for name in PROFILE},
        }
        for one in profiles
    ]
    everybody = choices.tell(say("all clusterable customers"))
    rows.append({"segment": everybody, "customers": value("base.clusterable"), **base})

    def shade(row: Mapping[str, Any], column: Column) -> int:
        mine, all_of_them = row[column.name], base.get(column.name)
        if row["segment"] == everybody or mine is None or not all_of_them or mine < 0:
            return 0
        if mine == 0:
            return -len(STEPS)
        ratio = mine / all_of_them
        steps = sum(max(ratio, 1 / ratio) >= step for step in STEPS)
        return steps if ratio > 1 else -steps

    measures = [Column(words, name, unit) for name, (words, unit) in PROFILE.items()]
    table(
        say("What the segments are like: means per customer"),
        [Column(say("Segment"), "segment", NAME), Column(say("Customers"), "customers", CUSTOMERS), *measures],
        rows,
        choices,
        "segment_profiles",
        "segments",
        shades=shade,
        note=say(
            "Blue: above the mean of all clusterable customers; yellow: below it. The darker, the farther. Days "
            "between visits are of those who came on two days or more."
        ),
    )


def _pictures(choices: Choices) -> None:
    shows = say("Customers from the highest gross revenue down, and the share of revenue that they bring together.")
    report_picture(say("Who brings how much"), shows, choices, "insiders_report", "lorenz")
    shows = say("Customers in two dimensions of the embedding, coloured by segment; at most 4,000 are drawn.")
    report_picture(say("Where customers lie"), shows, choices, "tree_embedding", "embedding")


def _changes(choices: Choices, profiles: list[Row]) -> None:
    rows = [
        {
            **one,
            "segment": segment_name(one, choices),
            "profile": choices.in_language(one, "profile"),
            "change": choices.in_language(one, "change"),
        }
        for one in profiles
    ]
    columns = [
        Column(say("Segment"), "segment", NAME),
        Column(say("What it is like"), "profile", PROSE),
        Column(say("Customers"), "customers", CUSTOMERS),
        Column(say("Mean gross revenue ({currency})", currency=choices.currency), "mean_revenue", CURRENCY),
        Column(say("Stayed since the month before"), "kept", SHARE),
        Column(say("What became of it"), "change", PROSE),
    ]
    table(say("What became of the segments"), columns, rows, choices, "segment_profiles", "segment_changes")
