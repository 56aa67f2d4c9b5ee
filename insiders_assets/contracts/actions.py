"""What marketing can do: the table of actions per segment and state.

Belongs here: the table. Does not belong here: the conditions (:mod:`insiders_assets.domain.actions`).
"""

from insiders_assets.contracts.customers import MONTH
from insiders_assets.contracts.table import REAL, TEXT, WHOLE, Column, Table

IN, IN_GRACE, OUT = "in", "in grace", "out"
STATES = (IN, IN_GRACE, OUT)

MARKETING_ACTIONS = Table(
    "marketing_actions",
    "Up to three actions for each segment and membership state, those with the most money at stake, chosen by stated "
    "conditions on the month's own figures, for five customers or more; a customer may stand in several, one whom a "
    "person has excluded in none.",
    (
        MONTH,
        Column("segment_id", WHOLE, "Lasting id of the segment, as in customer_segments.", key=True),
        Column("state", TEXT, "in: provisional or member; in grace; out: everybody else.", key=True, among=STATES),
        Column("action", TEXT, "Name of the action.", key=True),
        Column("position", WHOLE, "Order among the actions of this segment and state, most money first.", at_least=1),
        Column("customers", WHOLE, "Customers for whom the condition holds.", at_least=1),
        Column("money", REAL, "Money at stake in the shop's currency, as `money_en` says.", precision=2),
        Column("action_en", TEXT, "The action in English."),
        Column("action_pt", TEXT, "The action in Portuguese."),
        Column("condition_en", TEXT, "For whom, in English."),
        Column("condition_pt", TEXT, "For whom, in Portuguese."),
        Column("money_en", TEXT, "What the money is, in English."),
        Column("money_pt", TEXT, "What the money is, in Portuguese."),
        Column(
            "list_sql",
            TEXT,
            "Query on the warehouse that gives these customers, each with the money at stake, and with what to "
            "recommend where that is the action.",
        ),
    ),
)
