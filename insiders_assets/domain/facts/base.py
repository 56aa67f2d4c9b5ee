"""Facts on the shop's customers and sales, whoever is a member."""

from __future__ import annotations

import datetime as dt

from insiders_assets.domain.facts.fact import Fact, all_sales, over_features


def base_facts(month: dt.date, first: dt.date) -> list[Fact]:
    """How many buyers there are and what they bring, in the window that begins with the month `first`."""
    source = "customer_features"
    return [
        Fact(
            "base.identified_buyers",
            "Identified customers with a purchase in the window",
            "customers",
            source,
            over_features("count(*)", month, "f.purchases > 0"),
        ),
        Fact(
            "base.clusterable",
            "Customers with a purchase and at least two activity dates",
            "customers",
            source,
            over_features("count(*)", month, "f.clusterable"),
        ),
        Fact(
            "base.revenue_clusterable",
            "Gross revenue of the clusterable customers in the window",
            "currency",
            source,
            over_features("coalesce(sum(f.gross_revenue), 0)", month, "f.clusterable"),
        ),
        Fact(
            "base.revenue_identified",
            "Gross revenue of all identified customers in the window",
            "currency",
            source,
            over_features("coalesce(sum(f.gross_revenue), 0)", month),
        ),
        Fact(
            "base.revenue_all",
            "Gross revenue of all cleaned sales in the window, guests included",
            "currency",
            "month_totals",
            all_sales("coalesce(sum(gross_revenue), 0)", month, first),
        ),
        Fact(
            "base.net_revenue_all",
            "Net revenue of all cleaned sales in the window, guests included (returns taken off)",
            "currency",
            "month_totals",
            all_sales("coalesce(sum(net_revenue), 0)", month, first),
        ),
    ]
