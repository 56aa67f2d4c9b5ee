"""The features of a customer as people say them, in English and Portuguese.

Belongs here: which features the science looks at, and their words. Does not belong here: their definition
(:mod:`.features`) or rules and reasons made of them (:mod:`.rules`, :mod:`.membership_words`).
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """A feature in both languages; decimals that a reader needs."""

    english: str
    portuguese: str
    decimals: int = 0


WORDS = {
    "recency_days": Words("days since the last purchase", "dias desde a última compra"),
    "purchases": Words("purchases", "compras"),
    "unique_products_purchased": Words("purchase lines", "linhas de compra"),
    "items_purchased": Words("items bought", "itens comprados"),
    "avg_ticket": Words("revenue per purchase", "receita por compra", 2),
    "avg_recency_days": Words("days between visits", "dias entre visitas", 1),
    "frequency": Words("purchases per day", "compras por dia", 3),
    "number_returns": Words("credit notes", "notas de crédito"),
    "monetary_returns": Words("returned value", "valor devolvido", 2),
    "avg_basket_size": Words("items per purchase", "itens por compra", 1),
    "unique_avg_basket": Words("lines per purchase", "linhas por compra", 1),
    "returns_ratio": Words("returns per revenue", "devoluções por receita", 3),
    "gross_revenue": Words("gross revenue", "receita bruta", 2),
    "net_revenue": Words("net revenue", "receita líquida", 2),
    "distinct_products": Words("different products", "produtos diferentes"),
    "activity_dates": Words("days with activity", "dias com atividade"),
}


def written(feature: str, value: float) -> str:
    """A feature's value as an English reader expects it, without its unit; "none" where it is missing."""
    if value != value:
        return "none"
    if float(value).is_integer():
        return f"{value:,.0f}"
    text = f"{value:z,.{WORDS[feature].decimals or 2}f}"
    return text if feature in MONEY_FEATURES else text.rstrip("0").rstrip(".")
