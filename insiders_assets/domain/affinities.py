"""Which articles the same customers buy, counted as Ibis expressions; and whom a pair leaves something to offer.

Belongs here: counting, on the engine. Does not belong here: which pairs count as found and hold
(:mod:`.affinity_pairs`).

The unit is the identified customer, not the basket: it is customers who are written to, the offer is for who has one
article and never had the other, and baskets of one customer are no independent observations, which a test would need.

What there is to count grows with the square of the articles, so it is bounded: pairs are formed among the articles
that the most customers bought, MOST_ARTICLES of them.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from insiders_assets.domain.features import MONEY

if TYPE_CHECKING:
    import ibis.expr.types as ir

MOST_ARTICLES = 200
EARLIER, LATER = "earlier", "later"
PERIODS = (EARLIER, LATER)
EVERYBODY = -1


def purchases(lines: ir.Table) -> ir.Table:
    """Lines of RAW_INVOICES that count as an identified customer's purchase of an article."""
    known = lines.customer_id.notnull() & lines.stock_code.notnull()
    return lines.filter(lines.dropped_by.isnull() & known & (lines.quantity >= 0))


def months_with_sales(lines: ir.Table) -> ir.Table:
    """The months (month) of RAW_INVOICES in which an identified customer bought anything."""
    return purchases(lines).select("month").distinct().order_by("month")


def bought(lines: ir.Table, later_from: dt.date) -> ir.Table:
    """One row per customer and article: `earlier` and `later`, whether bought before and from that month on, and
    `spent`, in the shop's currency."""
    import ibis

    theirs = purchases(lines)
    is_later = theirs.month >= ibis.literal(later_from)
    return theirs.group_by("customer_id", "stock_code").aggregate(
        earlier=(~is_later).any(), later=is_later.any(), spent=theirs.line_amount.sum().cast(MONEY)
    )


def most_bought(owned: ir.Table, most: int = MOST_ARTICLES) -> ir.Table:
    """The articles that the most customers bought in the earlier months, with `article`, their number from 0.

    `owned`: rows of :func:`bought`. `spent` and `buyers` are over the whole window.
    """
    import ibis

    counted = owned.group_by("stock_code").aggregate(
        before=owned.count(where=owned.earlier), buyers=owned.count(), spent=owned.spent.sum().cast(MONEY)
    )
    order = ibis.window(order_by=[counted.before.desc(), counted.stock_code])
    ranked = counted.filter(counted.before > 0).mutate(article=ibis.row_number().over(order).cast("int64"))
    return ranked.filter(ranked.article < most).drop("before").order_by("article")


def descriptions(lines: ir.Table, articles: ir.Table) -> ir.Table:
    """The commonest description of each article (column stock_code), of equally common ones the first by alphabet."""
    import ibis

    described = purchases(lines).filter(lambda line: line.description.notnull()).semi_join(articles, "stock_code")
    counted = described.group_by("stock_code", "description").aggregate(times=described.count())
    order = ibis.window(group_by="stock_code", order_by=[counted.times.desc(), counted.description])
    ranked = counted.mutate(place=ibis.row_number().over(order))
    return ranked.filter(ranked.place == 0).select("stock_code", "description")


def known_customers(owned: ir.Table, articles: ir.Table) -> ir.Table:
    """Rows of :func:`bought` on the articles of :func:`most_bought`: customer_id, article, earlier, later."""
    numbered = owned.inner_join(articles.select("stock_code", "article"), "stock_code")
    return numbered.select("customer_id", "article", "earlier", "later")


def by_kinds(owned: ir.Table, articles: ir.Table) -> ir.Table:
    """Customers by how many different articles they bought in a period: `period`, `article` (EVERYBODY, or the number
    of one that they bought then), `kinds` from 1, `customers`."""
    import ibis

    kinds = owned.group_by("customer_id").aggregate(
        earlier_kinds=owned.count(where=owned.earlier), later_kinds=owned.count(where=owned.later)
    )
    everybody = kinds.select(
        article=ibis.literal(EVERYBODY, "int64"),
        earlier=kinds.earlier_kinds > 0,
        later=kinds.later_kinds > 0,
        earlier_kinds="earlier_kinds",
        later_kinds="later_kinds",
    )
    of_articles = known_customers(owned, articles).inner_join(kinds, "customer_id").select(*everybody.columns)
    both = everybody.union(of_articles)
    counted = [
        both.filter(both[period])
        .group_by(period=ibis.literal(period), article="article", kinds=f"{period}_kinds")
        .aggregate(customers=lambda rows: rows.count())
        for period in PERIODS
    ]
    return counted[0].union(*counted[1:])


def pairs(known: ir.Table) -> ir.Table:
    """Customers of every two articles `first` < `second`: with both in the earlier months, in the later ones, and with
    one of them earlier, the other one only later (`first_then_second`, `second_then_first`)."""
    one = known.select("customer_id", first="article", first_earlier="earlier", first_later="later")
    two = known.select("customer_id", second="article", second_earlier="earlier", second_later="later")
    met = one.inner_join(two, ["customer_id", one.first < two.second])
    return met.group_by("first", "second").aggregate(
        earlier=met.count(where=met.first_earlier & met.second_earlier),
        later=met.count(where=met.first_later & met.second_later),
        first_then_second=met.count(where=met.first_earlier & ~met.second_earlier & met.second_later),
        second_then_first=met.count(where=met.second_earlier & ~met.first_earlier & met.first_later),
    )


def candidates(lines: ir.Table, clusterable: ir.Table, rules: ir.Table, month: dt.date) -> ir.Table:
    """AFFINITY_CANDIDATES of a month.

    Parameters
    ----------
    lines: RAW_INVOICES of the window. clusterable: one column customer_id.
    rules: antecedent, consequent, money (uptake times mean spend), of pairs that hold.
    """
    import ibis

    theirs = purchases(lines).semi_join(clusterable, "customer_id").select("customer_id", "stock_code").distinct()
    offered = theirs.inner_join(rules, theirs.stock_code == rules.antecedent)
    lacking = offered.anti_join(
        theirs.select(owner="customer_id", owned="stock_code"),
        [("customer_id", "owner"), ("consequent", "owned")],
    )
    order = [lacking.money.desc(), lacking.antecedent, lacking.consequent]
    ranked = lacking.mutate(place=ibis.row_number().over(ibis.window(group_by="customer_id", order_by=order)))
    best = ranked.filter(ranked.place == 0)
    return best.select("customer_id", "antecedent", "consequent", "money").mutate(month=ibis.literal(month))
