"""Facts on how many members there are, and what share of what they bring."""

from __future__ import annotations

import datetime as dt

from insiders_assets.domain.facts.fact import MEMBER, MEMBERSHIP, Fact, all_sales, over_features


def member_facts(month: dt.date, first: dt.date) -> list[Fact]:
    """How many members, and their shares of revenue and items with all three denominators."""

    def of_members(select: str) -> str:
        return over_features(select, month, MEMBER)

    def share(column: str, base: str, denominator: str, name: str) -> Fact:
        what = "revenue" if column == "gross_revenue" else "items"
        among = f"f.clusterable AND {MEMBER}" if name == "clusterable" else MEMBER
        part = f"sum(CASE WHEN {among} THEN f.{column} END)"
        return Fact(
            f"members.share_of_{what}_{name}",
            f"Members' share of {'gross revenue' if what == 'revenue' else 'items bought'}, {denominator}",
            "share",
            MEMBERSHIP,
            over_features(f"CAST({part} AS double precision) / CAST(nullif({base}, 0) AS double precision)", month),
            denominator,
        )

    def base_of(column: str, where: str) -> str:
        return f"sum(CASE WHEN {where} THEN f.{column} END)"

    def all_of(column: str) -> str:
        return f"({all_sales(f'sum({column})', month, first)})"

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
            over_features(
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
            over_features("max(f.items_purchased)", month, f"f.clusterable AND NOT coalesce({MEMBER}, FALSE)"),
        ),
    ]
