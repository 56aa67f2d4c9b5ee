"""Facts on what members are like: means and medians."""

from __future__ import annotations

import datetime as dt

from insiders_assets.domain.facts.fact import MEMBER, MEMBERSHIP, Fact, over_features


def characteristic_facts(month: dt.date) -> list[Fact]:
    """Means and medians of what members are like, and the ticket as a ratio of means."""
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
            over_features(expression.format(column), month, MEMBER),
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
        over_features(
            "CAST(sum(f.gross_revenue) AS double precision) / nullif(sum(f.purchases), 0)",
            month,
            MEMBER,
        ),
        "purchases of Insiders",
    )
    return [*both, ratio]
