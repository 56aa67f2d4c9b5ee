"""Facts on the rule card and on who came and went."""

from __future__ import annotations

import datetime as dt

from insiders_assets.contracts.programme import INSIDE_SQL, OUTSIDE
from insiders_assets.domain.facts.fact import MEMBERSHIP, Fact


def programme_facts(month: dt.date) -> list[Fact]:
    """Who came and went, and how faithful the month's suggested rule is."""
    now, before = f"status IN {INSIDE_SQL}", f"coalesce(status_before, '{OUTSIDE}') IN {INSIDE_SQL}"

    def standing(key: str, description: str, where: str) -> Fact:
        sql = f"SELECT count(*) FROM insiders.insiders_membership WHERE month = DATE '{month}' AND {where}"
        return Fact(f"programme.{key}", description, "customers", MEMBERSHIP, sql)

    def card(key: str, description: str, column: str, unit: str, denominator: str | None = None) -> Fact:
        sql = f"SELECT {column} FROM insiders.programme_rule WHERE month = DATE '{month}'"
        return Fact(f"rule.{key}", description, unit, "programme_rule", sql, denominator)

    return [
        standing("in_grace", "Insiders in grace: the rule does not hold for them at present", "status = 'grace'"),
        standing("entered", "Customers who came in this month", f"event IS NOT NULL AND {now} AND NOT {before}"),
        standing("returned", "Customers for whom the rule holds again", "event = 'return'"),
        standing("to_grace", "Insiders for whom the rule stopped holding this month", "event = 'grace'"),
        standing("went", "Customers who went out this month", f"event IS NOT NULL AND {before} AND NOT {now}"),
        standing("by_hand", "Of all these changes, made by a person's word", "event = 'override'"),
        card(
            "f1", "Agreement of this month's suggested rule with its clustering (F1)", "f1", "share", "chosen, selected"
        ),
        card(
            "precision", "Chosen by the clustering among those whom the rule selects", "precision", "share", "selected"
        ),
        card("recall", "Selected by the rule among those whom the clustering chooses", "recall", "share", "chosen"),
        card("chosen", "Customers whom this month's clustering chooses", "chosen", "customers"),
        card("selected", "Customers whom this month's suggested rule selects", "selected", "customers"),
        card("exceptions", "Customers on whom the two differ", "exceptions", "customers"),
    ]
