"""Facts on how many members there are, since when, and what share of what they bring."""

from __future__ import annotations

from insiders_assets.contracts.programme import INSIDE_SQL, OUTSIDE
from insiders_assets.domain.facts.fact import (
    CLUSTERABLE,
    CURRENCY,
    CUSTOMERS,
    INSIDERS,
    ITEMS,
    MEMBER,
    MEMBERSHIP,
    SHARE,
    Fact,
    Outline,
    all_sales,
    over_features,
    over_membership,
    ratio,
)
from insiders_assets.domain.messages import Message, say

NOW, BEFORE = f"m.status IN {INSIDE_SQL}", f"coalesce(m.status_before, '{OUTSIDE}') IN {INSIDE_SQL}"
ENTERED, WENT = f"m.event IS NOT NULL AND {NOW} AND NOT {BEFORE}", f"m.event IS NOT NULL AND {BEFORE} AND NOT {NOW}"
# What a share is taken of: name -> words of the denominator.
BASES = {
    "clusterable": say("of the clusterable customers' sales"),
    "identified": say("of identified customers' cleaned sales"),
    "all": say("of all cleaned sales, guests included"),
}
MEASURES = {
    "revenue": ("gross_revenue", say("gross revenue")),
    "net_revenue": ("net_revenue", say("net revenue")),
    "items": ("items_purchased", say("items bought")),
}


def member_facts(outline: Outline) -> list[Fact]:
    """How many members, their growth, and their shares of revenue and items with all three denominators."""
    month = outline.month

    def fact(key: str, words: Message, unit: str, value: str, over: Message | None = None, where: str = "TRUE") -> Fact:
        return Fact(key, words, unit, MEMBERSHIP, value, over_features(month, where), over)

    return [
        Fact("members.count", INSIDERS, CUSTOMERS, MEMBERSHIP, "count(*)", over_membership(month, MEMBER)),
        fact(
            "members.share_of_clusterable",
            say("Insiders as a share of the clusterable customers"),
            SHARE,
            ratio(f"count(CASE WHEN {MEMBER} THEN 1 END)", "count(*)"),
            CLUSTERABLE,
            "f.clusterable",
        ),
        fact(
            "members.share_of_identified",
            say("Insiders as a share of the identified customers with a purchase"),
            SHARE,
            ratio(f"count(CASE WHEN {MEMBER} THEN 1 END)", "count(*)"),
            say("identified customers with a purchase"),
            "f.purchases > 0",
        ),
        *_growth(outline),
        fact(
            "members.revenue",
            say("Gross revenue of the Insiders in the window"),
            CURRENCY,
            "coalesce(sum(f.gross_revenue), 0)",
            where=MEMBER,
        ),
        fact(
            "members.net_revenue",
            say("Net revenue of the Insiders in the window (returns taken off)"),
            CURRENCY,
            "coalesce(sum(f.net_revenue), 0)",
            where=MEMBER,
        ),
        *(_share(outline, what, base) for what in MEASURES for base in BASES),
        fact(
            "members.least_items",
            say("Fewest items bought by an Insider"),
            ITEMS,
            "min(f.items_purchased)",
            where=MEMBER,
        ),
        fact(
            "others.most_items",
            say("Most items bought by a clusterable customer who is not an Insider"),
            ITEMS,
            "max(f.items_purchased)",
            where=f"f.clusterable AND NOT coalesce({MEMBER}, FALSE)",
        ),
    ]


def history_facts(outline: Outline) -> list[Fact]:
    """Members at the end of every month, and who came in and went out in it."""
    return [
        fact
        for month in outline.months
        for fact in (
            Fact(
                f"history.{month:%Y-%m}.members",
                say("Insiders at the end of {month}", month=month),
                CUSTOMERS,
                MEMBERSHIP,
                f"count(CASE WHEN {NOW} THEN 1 END)",
                over_membership(month),
            ),
            Fact(
                f"history.{month:%Y-%m}.entered",
                say("Customers who came in during {month}", month=month),
                CUSTOMERS,
                MEMBERSHIP,
                f"count(CASE WHEN {ENTERED} THEN 1 END)",
                over_membership(month),
            ),
            Fact(
                f"history.{month:%Y-%m}.went",
                say("Customers who went out during {month}", month=month),
                CUSTOMERS,
                MEMBERSHIP,
                f"count(CASE WHEN {WENT} THEN 1 END)",
                over_membership(month),
            ),
        )
    ]


def _growth(outline: Outline) -> list[Fact]:
    if outline.before is None:
        return []
    now, before = (f"(SELECT count(*) {over_membership(one, MEMBER)})" for one in (outline.month, outline.before))
    return [
        Fact(
            "members.growth",
            say("Growth of the group against the month before"),
            SHARE,
            MEMBERSHIP,
            ratio(f"{now} - {before}", before),
            f"FROM insiders.{MEMBERSHIP} WHERE month = DATE '{outline.month}' LIMIT 1",
            say("Insiders of the month before"),
        )
    ]


def _share(outline: Outline, what: str, base: str) -> Fact:
    column, words = MEASURES[what]
    among = f"f.clusterable AND {MEMBER}" if base == "clusterable" else MEMBER
    whole = {
        "clusterable": f"sum(CASE WHEN f.clusterable THEN f.{column} END)",
        "identified": f"sum(f.{column})",
        "all": f"({all_sales(f'sum({column})', outline.month, outline.first)})",
    }[base]
    return Fact(
        f"members.share_of_{what}_{base}",
        say("Insiders' share of {measure}, {base}", measure=words, base=BASES[base]),
        SHARE,
        MEMBERSHIP,
        # Where more came back than was bought there is nothing to have a share of.
        ratio(f"sum(CASE WHEN {among} THEN f.{column} END)", f"greatest({whole}, 0)"),
        over_features(outline.month),
        BASES[base],
    )
