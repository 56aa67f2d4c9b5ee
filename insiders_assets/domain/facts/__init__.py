"""The facts of the month's report: every number is a query over published tables, with its unit and its denominator.

Belongs here: which facts there are, their words and their SQL. Does not belong here: running the SQL (the asset does,
over the lake; a reader can, on the warehouse) or laying the facts out (:mod:`insiders_assets.reporting`).

The SQL keeps to what DuckDB and PostgreSQL both read, names every table with its schema, and gives one row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from insiders_assets.domain.facts.base import base_facts
from insiders_assets.domain.facts.characteristics import characteristic_facts
from insiders_assets.domain.facts.fact import MEMBER, MEMBERSHIP, Fact
from insiders_assets.domain.facts.forecast import forecast_facts
from insiders_assets.domain.facts.guarantees import guarantee_facts
from insiders_assets.domain.facts.members import member_facts
from insiders_assets.domain.facts.programme import programme_facts
from insiders_assets.domain.facts.segments import segment_facts

SQL_TABLES = (
    "month_totals",
    "customer_features",
    "cluster_labels",
    MEMBERSHIP,
    "programme_rule",
    "group_comparisons",
    "holdout_plan",
    "revenue_forecast",
)


def facts_of(month: dt.date, first_of_window: dt.date, origins: Sequence[dt.date] = ()) -> list[Fact]:
    """The facts of a month, in the order of the report. `origins`: the months before it whose members are compared by
    the month that followed."""
    return [
        *base_facts(month, first_of_window),
        *member_facts(month, first_of_window),
        *programme_facts(month),
        *characteristic_facts(month),
        *segment_facts(month),
        *guarantee_facts(month, origins),
        *forecast_facts(month),
    ]


__all__ = ["MEMBER", "SQL_TABLES", "Fact", "facts_of"]
