"""The features of a customer as people say them.

Belongs here: which features the science looks at, and their words. Does not belong here: their definition
(:mod:`.features`) or rules and reasons made of them (:mod:`.rules`, :mod:`.membership_words`).
"""

from __future__ import annotations

from dataclasses import dataclass

from insiders_assets.domain.messages import Message, say

# The order is the reference's: its forest draws features by their place.
FEATURES = (
    "recency_days",
    "purchases",
    "unique_products_purchased",
    "items_purchased",
    "avg_ticket",
    "avg_recency_days",
    "frequency",
    "number_returns",
    "monetary_returns",
    "avg_basket_size",
    "unique_avg_basket",
    "returns_ratio",
)
# What a person may use in a rule beside them: plain columns of customer_features.
RULE_FEATURES = (*FEATURES, "gross_revenue", "net_revenue", "distinct_products", "activity_dates")
MONEY_FEATURES = ("gross_revenue", "net_revenue", "avg_ticket", "monetary_returns")


@dataclass(frozen=True)
class Words:
    """A feature in words; decimals that a reader needs."""

    words: Message
    decimals: int = 0


WORDS = {
    "recency_days": Words(say("days since the last purchase")),
    "purchases": Words(say("purchases")),
    "unique_products_purchased": Words(say("purchase lines")),
    "items_purchased": Words(say("items bought")),
    "avg_ticket": Words(say("revenue per purchase"), 2),
    "avg_recency_days": Words(say("days between visits"), 1),
    "frequency": Words(say("purchases per day"), 3),
    "number_returns": Words(say("credit notes")),
    "monetary_returns": Words(say("returned value"), 2),
    "avg_basket_size": Words(say("items per purchase"), 1),
    "unique_avg_basket": Words(say("lines per purchase"), 1),
    "returns_ratio": Words(say("returns per revenue"), 3),
    "gross_revenue": Words(say("gross revenue"), 2),
    "net_revenue": Words(say("net revenue"), 2),
    "distinct_products": Words(say("different products")),
    "activity_dates": Words(say("days with activity")),
}


def written(feature: str, value: float) -> str:
    """A feature's value as an English reader expects it, without its unit; "none" where it is missing."""
    if value != value:
        return "none"
    if float(value).is_integer():
        return f"{value:,.0f}"
    text = f"{value:z,.{WORDS[feature].decimals or 2}f}"
    return text if feature in MONEY_FEATURES else text.rstrip("0").rstrip(".")
