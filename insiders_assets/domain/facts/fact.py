"""What a fact is, what a month has to tell of, and the pieces that the SQL of many facts shares.

Belongs here: the shape of a fact. Does not belong here: any particular fact (the modules beside this one).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from insiders_assets.contracts.found_by import FOUND_BY
from insiders_assets.contracts.programme import INSIDE_SQL
from insiders_assets.domain.messages import Message, say
from insiders_assets.domain.rules import Rule

MEMBERSHIP = "insiders_membership"
MEMBER = f"m.status IN {INSIDE_SQL}"

INSIDERS = say("Insiders")
CLUSTERABLE = say("clusterable customers")
# Unit -> what the numbers of that unit are.
CURRENCY, SHARE, CUSTOMERS, COUNT, DAYS, ITEMS = "currency", "share", "customers", "count", "days", "items"


@dataclass(frozen=True)
class Fact:
    """One number of the report: `value` over `rows` gives it, the two halves of one query; `over` says what a share or
    a mean is taken over.

    A fact is *computed* by its SQL from rows of customers, or *recorded*: then the SQL selects what a function found,
    with that function's name, its library and version, and the seed it drew with. found_by: the function, ours or a
    library's; the other two stand in the columns FOUND_BY of the same row.

    The halves are apart so that facts over the same rows can be asked for at once.
    """

    key: str
    words: Message
    unit: str
    source: str
    value: str
    rows: str
    over: Message | None = None
    found_by: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """What the query selects: the value, and of a recorded fact what found it."""
        if self.found_by is None:
            return (self.value,)
        return (self.value, text(self.found_by), *(column.name for column in FOUND_BY))

    @property
    def sql(self) -> str:
        """The query on the warehouse that gives the number again, in its first column."""
        return f"SELECT {', '.join(self.columns)} {self.rows}"


@dataclass(frozen=True)
class Outline:
    """What a month has to tell of, so that there is a fact for each of it.

    Attributes
    ----------
    month, window: the month, and the months of its window, it among them.
    months: those with a membership, oldest first, up to this one.
    origins: earlier months whose members are compared by the month that followed.
    segments, segments_before: ids of this month and of the month before; empty where that month is none of the home's.
    policies: names of the policies compared.
    models: those whose forecasts are shown. coming: first days of the months that are forecast.
    actions: (segment, state, action).
    rule: in force, None where the programme goes by rank; leave_share: of it that a member has to keep.
    leaving, entering: customers near the door, in the order in which they are shown.
    """

    month: dt.date
    window: tuple[dt.date, ...]
    months: tuple[dt.date, ...] = ()
    origins: tuple[dt.date, ...] = ()
    segments: tuple[int, ...] = ()
    segments_before: tuple[int, ...] = ()
    policies: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    coming: tuple[dt.date, ...] = ()
    actions: tuple[tuple[int, str, str], ...] = ()
    rule: Rule | None = None
    leave_share: float = 1.0
    leaving: tuple[str, ...] = ()
    entering: tuple[str, ...] = ()

    @property
    def first(self) -> dt.date:
        """The first month of the window."""
        return self.window[0]

    @property
    def before(self) -> dt.date | None:
        """The month before, if it has a membership."""
        earlier = [one for one in self.months if one < self.month]
        return earlier[-1] if earlier else None


def over_features(month: dt.date, where: str = "TRUE") -> str:
    """The month's customers (f) and their membership (m), if they have one."""
    return (
        "FROM insiders.customer_features f "
        "LEFT JOIN insiders.insiders_membership m ON m.month = f.month AND m.customer_id = f.customer_id "
        f"WHERE f.month = DATE '{month}' AND {where}"
    )


def over_membership(month: dt.date, where: str = "TRUE") -> str:
    """The month's membership (m)."""
    return f"FROM insiders.insiders_membership m WHERE m.month = DATE '{month}' AND {where}"


def all_sales(select: str, month: dt.date, first: dt.date) -> str:
    """A query over all cleaned sales of the window, guests included."""
    return f"SELECT {select} {over_sales(month, first)}"


def over_sales(month: dt.date, first: dt.date) -> str:
    """All cleaned sales of the window, guests included."""
    return (
        f"FROM insiders.month_totals WHERE month BETWEEN DATE '{first}' AND DATE '{month}' "
        "AND bucket IN ('clusterable', 'identified', 'guest')"
    )


def one_row(table: str, month: dt.date, where: str = "TRUE") -> str:
    """A row of a table that keeps what was found."""
    return f"FROM insiders.{table} WHERE month = DATE '{month}' AND {where}"


def mean_of(column: str) -> str:
    """SQL: mean of a column of customer_features (f)."""
    return f"avg(CAST(f.{column} AS double precision))"


def median_of(column: str) -> str:
    """SQL: median of it."""
    return f"percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(f.{column} AS double precision))"


def ratio(part: str, whole: str) -> str:
    """SQL: a share; nothing where the whole is nothing."""
    return f"CAST({part} AS double precision) / CAST(nullif({whole}, 0) AS double precision)"


def text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"
