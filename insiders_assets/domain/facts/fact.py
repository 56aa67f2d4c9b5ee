"""What a fact is, and the pieces that the SQL of many shares.

Belongs here: the shape of a fact. Does not belong here: any particular fact (the modules beside this one).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from insiders_assets.contracts.programme import INSIDE_SQL

MEMBERSHIP = "insiders_membership"
MEMBER = f"m.status IN {INSIDE_SQL}"


@dataclass(frozen=True)
class Fact:
    """One number of the report: `sql` gives its value; `denominator` says what a share or mean is taken over.

    A fact is *computed* by its SQL from rows of customers, or *recorded*: then the SQL selects what a function found,
    with that function's name, its library and version, and the seed it drew with.
    """

    key: str
    description: str
    unit: str
    source: str
    sql: str
    denominator: str | None = None
    recorded: bool = False


def over_features(select: str, month: dt.date, where: str = "TRUE") -> str:
    """A query over the month's customers (f) and their membership (m), if they have one."""
    return (
        f"SELECT {select} FROM insiders.customer_features f "
        "LEFT JOIN insiders.insiders_membership m ON m.month = f.month AND m.customer_id = f.customer_id "
        f"WHERE f.month = DATE '{month}' AND {where}"
    )


def all_sales(select: str, month: dt.date, first: dt.date) -> str:
    """A query over all cleaned sales of the window, guests included."""
    return (
        f"SELECT {select} FROM insiders.month_totals WHERE month BETWEEN DATE '{first}' AND DATE '{month}' "
        "AND bucket IN ('clusterable', 'identified', 'guest')"
    )
