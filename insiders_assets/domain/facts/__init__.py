"""The facts of the month's report: every number is a query over published tables, with its unit and its denominator.

Belongs here: which facts there are, their words and their SQL. Does not belong here: running the SQL (the asset does,
over the lake; a reader can, on the warehouse) or laying the facts out (:mod:`insiders_assets.reporting`).

The SQL keeps to what DuckDB and PostgreSQL both read, names every table with its schema, and gives one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from insiders_assets.domain.facts.actions import action_facts
from insiders_assets.domain.facts.base import base_facts
from insiders_assets.domain.facts.characteristics import characteristic_facts, segment_facts
from insiders_assets.domain.facts.fact import MEMBER, MEMBERSHIP, Fact, Outline
from insiders_assets.domain.facts.forecast import forecast_facts
from insiders_assets.domain.facts.guarantees import guarantee_facts
from insiders_assets.domain.facts.members import history_facts, member_facts
from insiders_assets.domain.facts.movement import movement_facts
from insiders_assets.domain.facts.programme import programme_facts

SQL_TABLES = (
    "month_totals",
    "customer_features",
    "customer_purchases",
    "forest_importances",
    "cluster_labels",
    "customer_segments",
    MEMBERSHIP,
    "membership_policies",
    "programme_rule",
    "group_comparisons",
    "holdout_plan",
    "marketing_actions",
    "revenue_forecast",
)


def facts_of(outline: Outline) -> list[Fact]:
    """The facts of a month, in the order of the report."""
    return [
        *base_facts(outline),
        *member_facts(outline),
        *history_facts(outline),
        *programme_facts(outline),
        *characteristic_facts(outline),
        *segment_facts(outline),
        *movement_facts(outline),
        *guarantee_facts(outline),
        *forecast_facts(outline),
        *action_facts(outline),
    ]


def values_of(facts: Sequence[Fact], ask: Callable[[str], list[tuple]]) -> dict[str, tuple]:
    """What the facts' queries give, by key: the first row, or () where there is none. Facts over the same rows are
    asked for in one query: a report has a thousand of them, and a shop perhaps a million customers."""
    over: dict[str, list[Fact]] = {}
    for fact in facts:
        over.setdefault(fact.rows, []).append(fact)
    found: dict[str, tuple] = {}
    for rows, asked in over.items():
        columns = list(dict.fromkeys(column for fact in asked for column in fact.columns))
        answer = ask(f"SELECT {', '.join(columns)} {rows}")
        given = dict(zip(columns, answer[0], strict=True)) if answer else None
        found |= {fact.key: tuple(given[column] for column in fact.columns) if given else () for fact in asked}
    return {fact.key: found[fact.key] for fact in facts}


__all__ = ["MEMBER", "SQL_TABLES", "Fact", "Outline", "facts_of", "values_of"]
