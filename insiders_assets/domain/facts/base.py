"""Facts on the shop's customers and sales, whoever is a member."""

from __future__ import annotations

from insiders_assets.domain.facts.fact import CURRENCY, CUSTOMERS, Fact, Outline, over_features, over_sales
from insiders_assets.domain.messages import say


def base_facts(outline: Outline) -> list[Fact]:
    """How many buyers there are and what they bring in the window."""
    month, source = outline.month, "customer_features"
    sales = over_sales(month, outline.first)
    return [
        Fact(
            "base.identified_buyers",
            say("Identified customers with a purchase in the window"),
            CUSTOMERS,
            source,
            "count(*)",
            over_features(month, "f.purchases > 0"),
        ),
        Fact(
            "base.clusterable",
            say("Customers with a purchase and at least two activity dates"),
            CUSTOMERS,
            source,
            "count(*)",
            over_features(month, "f.clusterable"),
        ),
        Fact(
            "base.segmented",
            say("Clusterable customers who are in a segment"),
            CUSTOMERS,
            "cluster_labels",
            "count(cluster_rank)",
            f"FROM insiders.cluster_labels WHERE month = DATE '{month}'",
        ),
        Fact(
            "base.revenue_clusterable",
            say("Gross revenue of the clusterable customers in the window"),
            CURRENCY,
            source,
            "coalesce(sum(f.gross_revenue), 0)",
            over_features(month, "f.clusterable"),
        ),
        Fact(
            "base.revenue_identified",
            say("Gross revenue of all identified customers in the window"),
            CURRENCY,
            source,
            "coalesce(sum(f.gross_revenue), 0)",
            over_features(month),
        ),
        Fact(
            "base.revenue_all",
            say("Gross revenue of all cleaned sales in the window, guests included"),
            CURRENCY,
            "month_totals",
            "coalesce(sum(gross_revenue), 0)",
            sales,
        ),
        Fact(
            "base.net_revenue_all",
            say("Net revenue of all cleaned sales in the window, guests included (returns taken off)"),
            CURRENCY,
            "month_totals",
            "coalesce(sum(net_revenue), 0)",
            sales,
        ),
    ]
