"""Months as a report is made from, with a number of its own for every fact."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from insiders_assets.domain.facts import Outline, facts_of
from insiders_assets.domain.policies import FIXED, IN_FORCE
from insiders_assets.domain.rules import parse_rule
from insiders_assets.reporting.content import Matter
from insiders_assets.reporting.document import Quoted

MONTH, BEFORE = dt.date(2011, 12, 1), dt.date(2011, 11, 1)
WHOLE = ("customers", "items", "count", "days")
FULL = Outline(
    month=MONTH,
    window=(dt.date(2010, 12, 1), BEFORE, MONTH),
    months=(dt.date(2011, 10, 1), BEFORE, MONTH),
    origins=(dt.date(2011, 10, 1), BEFORE),
    segments=(2, 1, 0),
    segments_before=(2, 1, 3, 0),
    policies=(IN_FORCE, FIXED),
    models=("combination", "seasonal_naive", "last_30_days", "network"),
    coming=(dt.date(2012, 1, 1), dt.date(2012, 2, 1), dt.date(2012, 3, 1)),
    actions=((2, "in", "win_back"), (2, "in grace", "keep_in"), (1, "out", "bring_in")),
    rule=parse_rule("items_purchased >= 2759 and gross_revenue >= 10.5"),
    leave_share=0.8,
    leaving=("12346", "15749"),
    entering=("16446",),
)


def matter(outline: Outline = FULL, names: str = "", currency: str = "GBP", **values: float | None) -> Matter:
    """A month with an own number for every fact, but for the values given (`__` for the dot, `ALL` for all others).

    names: of segments, customers and whatever else others wrote; by default harmless ones.
    """
    given = {key.replace("__", "."): value for key, value in values.items() if key != "ALL"}
    if names:
        outline = replace(outline, leaving=(names, "1"), entering=(f"{names}2",))
    facts = facts_of(outline)
    assert set(given) <= {fact.key for fact in facts}
    rows: dict[str, dict[str, Any]] = {}
    for position, fact in enumerate(facts, start=1):
        number = (
            position / 2000
            if fact.unit in ("share", "silhouette", "score", "p", "effect")
            else 1000.5 + position * 1.25
        )
        whole = fact.unit in WHOLE and "mean" not in fact.key and "median" not in fact.key
        value = values["ALL"] if "ALL" in values else float(round(number)) if whole else number
        rows[fact.key] = {
            "key": fact.key,
            "value": given.get(fact.key, value),
            "unit": fact.unit,
            "sql": fact.sql,
            "function": fact.found_by,
            "library": "scipy 1" if fact.found_by else None,
            "seed": 42 if fact.found_by else None,
        }
    some = names or "a name"
    action = {f"{what}_{language}": some for what in ("action", "condition", "money") for language in ("en", "pt")}
    return Matter(
        outline=outline,
        facts=facts,
        rows=rows,
        currency=currency,
        names={one: Quoted(f"{some} {one}", f"{names or 'um nome'} {one}") for one in (0, 1, 2, 3)},
        profiles=[{"segment_id": one, "change_en": some, "change_pt": some} for one in outline.segments],
        card={
            "rule": "items_purchased >= 2757",
            "rule_in_words": "at least 2,757 items bought",
            "rule_in_portuguese": "pelo menos 2.757 itens comprados",
            "explainable": True,
            "runner_up": "purchases >= 11",
            "exceptions_sql": "SELECT 1",
        },
        version=names or "2012",
        actions=[
            {"segment_id": segment, "state": state, "action": name, "list_sql": "SELECT 2", **action}
            for segment, state, name in outline.actions
        ],
        published={"model": "combination", "interval_basis": "conformal"},
    )
