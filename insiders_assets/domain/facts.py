"""The facts of the month's report: every number is a query over published tables, with its unit and its denominator.

Belongs here: which facts there are, their words and their SQL. Does not belong here: running the SQL (the asset does,
over the lake; a reader can, on the warehouse) or laying the facts out (:mod:`insiders_assets.reporting`).

The SQL keeps to what DuckDB and PostgreSQL both read, names every table with its schema, and gives one number.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from insiders_assets.contracts.programme import INSIDE

MEMBER = f"m.status IN ({', '.join(repr(status) for status in INSIDE)})"

MEMBERSHIP = "insiders_membership"
SQL_TABLES = (
    "month_totals",
    "customer_features",
    "cluster_labels",
    MEMBERSHIP,
    "programme_rule",
    "revenue_forecast",
)


@dataclass(frozen=True)
class Fact:
    """One number of the report: `sql` gives its value; `denominator` says what a share or mean is taken over."""

    key: str
    description: str
    unit: str
    source: str
    sql: str
    denominator: str | None = None


def facts_of(month: dt.date, first_of_window: dt.date) -> list[Fact]:
    """The facts of a month, in the order of the report."""
    return [
        *_base(month, first_of_window),
        *_members(month, first_of_window),
        *_programme(month),
        *_characteristics(month),
        *_segments(month),
        *_forecast(month),
    ]


def _over_features(select: str, month: dt.date, where: str = "TRUE") -> str:
    return (
        f"SELECT {select} FROM insiders.customer_features f "
        "LEFT JOIN insiders.insiders_membership m ON m.month = f.month AND m.customer_id = f.customer_id "
        f"WHERE f.month = DATE '{month}' AND {where}"
    )


def _all_sales(select: str, month: dt.date, first: dt.date) -> str:
    return (
        f"SELECT {select} FROM insiders.month_totals WHERE month BETWEEN DATE '{first}' AND DATE '{month}' "
        "AND bucket IN ('clusterable', 'identified', 'guest')"
    )


def _base(month: dt.date, first: dt.date) -> list[Fact]:
    source = "customer_features"
    return [
        Fact(
            "base.identified_buyers",
            "Identified customers with a purchase in the window",
            "customers",
            source,
            _over_features("count(*)", month, "f.purchases > 0"),
        ),
        Fact(
            "base.clusterable",
            "Customers with a purchase and at least two activity dates",
            "customers",
            source,
            _over_features("count(*)", month, "f.clusterable"),
        ),
        Fact(
            "base.revenue_clusterable",
            "Gross revenue of the clusterable customers in the window",
            "currency",
            source,
            _over_features("coalesce(sum(f.gross_revenue), 0)", month, "f.clusterable"),
        ),
        Fact(
            "base.revenue_identified",
            "Gross revenue of all identified customers in the window",
            "currency",
            source,
            _over_features("coalesce(sum(f.gross_revenue), 0)", month),
        ),
        Fact(
            "base.revenue_all",
            "Gross revenue of all cleaned sales in the window, guests included",
            "currency",
            "month_totals",
            _all_sales("coalesce(sum(gross_revenue), 0)", month, first),
        ),
        Fact(
            "base.net_revenue_all",
            "Net revenue of all cleaned sales in the window, guests included (returns taken off)",
            "currency",
            "month_totals",
            _all_sales("coalesce(sum(net_revenue), 0)", month, first),
        ),
    ]


def _members(month: dt.date, first: dt.date) -> list[Fact]:
    def of_members(select: str) -> str:
        return _over_features(select, month, MEMBER)

    def share(column: str, base: str, denominator: str, name: str) -> Fact:
        what = "revenue" if column == "gross_revenue" else "items"
        among = f"f.clusterable AND {MEMBER}" if name == "clusterable" else MEMBER
        part = f"sum(CASE WHEN {among} THEN f.{column} END)"
        return Fact(
            f"members.share_of_{what}_{name}",
            f"Members' share of {'gross revenue' if what == 'revenue' else 'items bought'}, {denominator}",
            "share",
            MEMBERSHIP,
            _over_features(f"CAST({part} AS double precision) / CAST(nullif({base}, 0) AS double precision)", month),
            denominator,
        )

    def base_of(column: str, where: str) -> str:
        return f"sum(CASE WHEN {where} THEN f.{column} END)"

    def all_of(column: str) -> str:
        return f"({_all_sales(f'sum({column})', month, first)})"

    return [
        Fact(
            "members.count",
            "Insiders",
            "customers",
            MEMBERSHIP,
            f"SELECT count(*) FROM insiders.insiders_membership m WHERE m.month = DATE '{month}' AND {MEMBER}",
        ),
        Fact(
            "members.share_of_clusterable",
            "Insiders as a share of the clusterable customers",
            "share",
            MEMBERSHIP,
            _over_features(
                f"CAST(count(CASE WHEN {MEMBER} THEN 1 END) AS double precision) / nullif(count(*), 0)",
                month,
                "f.clusterable",
            ),
            "clusterable customers",
        ),
        Fact(
            "members.revenue",
            "Gross revenue of the Insiders in the window",
            "currency",
            MEMBERSHIP,
            of_members("coalesce(sum(f.gross_revenue), 0)"),
        ),
        Fact(
            "members.net_revenue",
            "Net revenue of the Insiders in the window (returns taken off)",
            "currency",
            MEMBERSHIP,
            of_members("coalesce(sum(f.net_revenue), 0)"),
        ),
        *(
            share(column, base, denominator, name)
            for column in ("gross_revenue", "items_purchased")
            for base, denominator, name in (
                (base_of(column, "f.clusterable"), "of the clusterable customers' sales", "clusterable"),
                (base_of(column, "TRUE"), "of identified customers' cleaned sales", "identified"),
                (all_of(column), "of all cleaned sales, guests included", "all"),
            )
        ),
        Fact(
            "members.least_items",
            "Fewest items bought by an Insider",
            "items",
            MEMBERSHIP,
            of_members("min(f.items_purchased)"),
        ),
        Fact(
            "others.most_items",
            "Most items bought by a clusterable customer who is not an Insider",
            "items",
            MEMBERSHIP,
            _over_features("max(f.items_purchased)", month, f"f.clusterable AND NOT coalesce({MEMBER}, FALSE)"),
        ),
    ]


def _programme(month: dt.date) -> list[Fact]:
    def standing(key: str, description: str, where: str) -> Fact:
        sql = f"SELECT count(*) FROM insiders.insiders_membership WHERE month = DATE '{month}' AND {where}"
        return Fact(f"programme.{key}", description, "customers", MEMBERSHIP, sql)

    def card(key: str, description: str, column: str, unit: str, denominator: str | None = None) -> Fact:
        sql = f"SELECT {column} FROM insiders.programme_rule WHERE month = DATE '{month}'"
        return Fact(f"rule.{key}", description, unit, "programme_rule", sql, denominator)

    return [
        standing("in_grace", "Insiders in grace: the rule does not hold for them at present", "status = 'grace'"),
        standing("entered", "Customers who came in this month", "event = 'enter'"),
        standing("returned", "Customers for whom the rule holds again", "event = 'return'"),
        standing("to_grace", "Insiders for whom the rule stopped holding this month", "event = 'grace'"),
        standing("went", "Customers who went out this month", "event = 'exit'"),
        standing("by_hand", "Statuses that a person changed this month", "event = 'override'"),
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


def _characteristics(month: dt.date) -> list[Fact]:
    features = (
        ("gross_revenue", "gross revenue in the window", "currency"),
        ("recency_days", "days since the last purchase", "days"),
        ("items_purchased", "items bought", "items"),
        ("purchases", "purchases", "count"),
        ("number_returns", "credit notes", "count"),
        ("avg_ticket", "ticket per customer", "currency"),
    )
    aggregates = (
        ("mean", "Mean", "avg(CAST(f.{0} AS double precision))"),
        ("median", "Median", "percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST(f.{0} AS double precision))"),
    )
    both = [
        Fact(
            f"members.{kind}_{column}",
            f"{word} {words}, per Insider",
            unit,
            MEMBERSHIP,
            _over_features(expression.format(column), month, MEMBER),
            "Insiders",
        )
        for column, words, unit in features
        for kind, word, expression in aggregates
    ]
    ratio = Fact(
        "members.ticket_as_ratio_of_means",
        "Gross revenue of all Insiders per purchase of all Insiders (a ratio of means, not a mean of tickets)",
        "currency",
        MEMBERSHIP,
        _over_features(
            "CAST(sum(f.gross_revenue) AS double precision) / nullif(sum(f.purchases), 0)",
            month,
            MEMBER,
        ),
        "purchases of Insiders",
    )
    return [*both, ratio]


def _segments(month: dt.date) -> list[Fact]:
    def of_rank(rank: int, select: str) -> str:
        return (
            f"SELECT {select} FROM insiders.cluster_labels l JOIN insiders.customer_features f "
            "ON f.month = l.month AND f.customer_id = l.customer_id "
            f"WHERE l.month = DATE '{month}' AND l.cluster_rank = {rank}"
        )

    per_rank = [
        fact
        for rank in range(1, 11)
        for fact in (
            Fact(
                f"segment_{rank:02d}.customers",
                f"Customers in segment {rank}",
                "customers",
                "cluster_labels",
                of_rank(rank, "count(*)"),
            ),
            Fact(
                f"segment_{rank:02d}.mean_gross_revenue",
                f"Mean gross revenue in segment {rank}",
                "currency",
                "cluster_labels",
                of_rank(rank, "avg(CAST(f.gross_revenue AS double precision))"),
                f"customers in segment {rank}",
            ),
        )
    ]
    silhouette = Fact(
        "segments.silhouette",
        "Mean silhouette of the ten segments in the embedding (-1 to 1; not comparable between spaces)",
        "silhouette",
        "cluster_labels",
        f"SELECT avg(silhouette) FROM insiders.cluster_labels WHERE month = DATE '{month}'",
        "segmented customers",
    )
    return [*per_rank, silhouette]


def _forecast(month: dt.date) -> list[Fact]:
    def next_month(column: str, which: str = "published") -> str:
        return (
            f"SELECT {column} FROM insiders.revenue_forecast WHERE month = DATE '{month}' AND grain = 'month' "
            f"AND {which} AND period_start > DATE '{month}'"
        )

    other = (("last_30_days", "the mean of the last 30 days"), ("seasonal_naive", "the same days a year before"))
    return [
        Fact(
            "forecast.net_revenue",
            "Net revenue of the Insiders next month, as published",
            "currency",
            "revenue_forecast",
            next_month("net_revenue"),
        ),
        Fact("forecast.lower", "Lower end of the interval", "currency", "revenue_forecast", next_month("lower")),
        Fact("forecast.upper", "Upper end of the interval", "currency", "revenue_forecast", next_month("upper")),
        Fact(
            "forecast.backtest_error",
            "Error of the published model on the last complete month, signed",
            "share",
            "revenue_forecast",
            next_month("backtest_error"),
            "actual net revenue of that month",
        ),
        *(
            Fact(
                f"forecast.{model}",
                f"The same by {words}",
                "currency",
                "revenue_forecast",
                next_month("net_revenue", f"model = '{model}'"),
            )
            for model, words in other
        ),
    ]
