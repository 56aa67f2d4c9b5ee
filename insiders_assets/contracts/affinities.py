"""Articles that the same customers buy: the pairs, and for whom a pair leaves something to offer.

Belongs here: the two tables. Does not belong here: counting and testing (:mod:`insiders_assets.domain.affinities`,
:mod:`insiders_assets.domain.affinity_pairs`).
"""

from insiders_assets.contracts.customers import CUSTOMER, MONTH
from insiders_assets.contracts.table import DATE, FLAG, REAL, TEXT, WHOLE, Column, Table

PRODUCT_AFFINITIES = Table(
    "product_affinities",
    "Pairs of articles that the same identified customers buy, found on the earlier three quarters of the window's "
    "months and measured again on the later ones; each pair stands in both directions. Purchases that count, returns "
    "left aside.",
    (
        MONTH,
        Column("antecedent", TEXT, "Article number of what the customer has.", key=True),
        Column("consequent", TEXT, "Article number of what goes with it.", key=True),
        Column("antecedent_description", TEXT, "Its commonest description in the window."),
        Column("consequent_description", TEXT, "Its commonest description in the window."),
        Column(
            "position",
            WHOLE,
            "Order of the pair, most customers beyond chance first; both directions share it.",
            at_least=1,
        ),
        Column("customers", WHOLE, "Identified customers who bought anything in the earlier months.", at_least=1),
        Column("antecedent_customers", WHOLE, "Of them, those who bought the antecedent then.", at_least=1),
        Column("consequent_customers", WHOLE, "Of them, those who bought the consequent then.", at_least=1),
        Column("both_customers", WHOLE, "Of them, those who bought both then.", at_least=1),
        Column("support", REAL, "`both_customers` as a share of `customers` (0-1).", at_least=0, at_most=1),
        Column(
            "confidence", REAL, "`both_customers` as a share of `antecedent_customers` (0-1).", at_least=0, at_most=1
        ),
        Column(
            "lift",
            REAL,
            "Confidence over the share of `customers` who bought the consequent. Above 1 for nearly any two articles, "
            "since who buys much buys both.",
            precision=4,
        ),
        Column(
            "lift_alike",
            REAL,
            "`both_customers` over what chance gives among customers who bought equally many different articles.",
            precision=4,
        ),
        Column("later_from", DATE, "First of the later months, the last quarter of the window's months with sales."),
        Column("both_later", WHOLE, "Customers who bought both in the later months.", at_least=0),
        Column("lift_later", REAL, "As lift, on the later months; empty if nobody bought one of them.", nullable=True),
        Column(
            "lift_alike_later",
            REAL,
            "As lift_alike, on the later months; empty if chance gives nobody there.",
            nullable=True,
            precision=4,
        ),
        Column(
            "p_holm",
            REAL,
            "Probability that chance gives so many customers with both in the later months, among customers who bought "
            "equally many different articles; an upper bound, adjusted by Holm over the month's pairs.",
            at_least=0,
            at_most=1,
        ),
        Column("holds", FLAG, "Whether the pair holds in the later months: p_holm under 0.05."),
        Column(
            "uptake_later",
            REAL,
            "Of those who had bought the antecedent and not the consequent in the earlier months, the share that "
            "bought the consequent in the later ones (0-1); empty if there was nobody.",
            nullable=True,
            at_least=0,
            at_most=1,
        ),
        Column(
            "mean_spend",
            REAL,
            "What a buyer of the consequent spent on it over the whole window, on average, in the shop's currency.",
            precision=4,
        ),
    ),
)

AFFINITY_CANDIDATES = Table(
    "affinity_candidates",
    "Clusterable customers who bought the antecedent of a pair that holds and never its consequent in the window: for "
    "each the one pair with the most money.",
    (
        MONTH,
        CUSTOMER,
        Column("antecedent", TEXT, "Article number of what the customer has bought; product_affinities describes it."),
        Column("consequent", TEXT, "Article number of what to recommend."),
        Column(
            "money",
            REAL,
            "The pair's uptake_later times mean_spend, in the shop's currency: the share of such customers who came to "
            "buy the article by themselves, times what its buyers spend on it. No effect of recommending it.",
            at_least=0,
            precision=4,
        ),
    ),
)
