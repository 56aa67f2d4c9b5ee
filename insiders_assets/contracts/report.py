"""The facts that every document is made from.

Belongs here: the table of facts. Does not belong here: the facts themselves (:mod:`insiders_assets.domain.facts`) or
their lay-out (:mod:`insiders_assets.reporting`).
"""

from insiders_assets.contracts.customers import MONTH
from insiders_assets.contracts.table import REAL, TEXT, WHOLE, Column, Table

COMPUTED, RECORDED = "computed", "recorded"

REPORT_FACTS = Table(
    "report_facts",
    "Every number of the month's report, with its unit, its denominator and the SQL that gives it again.",
    (
        MONTH,
        Column("key", TEXT, "Name of the fact, section first.", key=True),
        Column("position", WHOLE, "Order in the report, from 1.", at_least=1),
        Column("description", TEXT, "What the number says, for a reader."),
        Column("value", REAL, "The number; empty where it cannot be given.", nullable=True),
        Column("unit", TEXT, "customers, currency, items, days, share (0 to 1), count, p, effect (-1 to 1) …"),
        Column("denominator", TEXT, "What a share or a mean is taken over; empty for a plain sum.", nullable=True),
        Column("source", TEXT, "Asset that the number comes from."),
        Column(
            "version", TEXT, "Content hash of that asset's table of the month, as the number was taken.", nullable=True
        ),
        Column(
            "how",
            TEXT,
            "computed: the SQL adds it up from rows; recorded: a function found it, and the SQL selects what was kept; "
            "empty in months made before that was noted.",
            nullable=True,
            among=(COMPUTED, RECORDED),
        ),
        Column("function", TEXT, "Function that found a recorded number.", nullable=True),
        Column("library", TEXT, "Its library and version.", nullable=True),
        Column("seed", WHOLE, "The seed it drew with.", nullable=True),
        Column(
            "sql",
            TEXT,
            "Query on the warehouse that gives the number again, in its first column; of a recorded one function, "
            "library and seed stand beside it.",
        ),
    ),
)
