"""The programme: where customers rank, the rule card, who is a member and why, and what other policies would do.

Belongs here: tables and views that speak of membership. Does not belong here: segments (:mod:`.segments`).
"""

from insiders_assets.contracts.customers import CUSTOMER, MONTH
from insiders_assets.contracts.found_by import FOUND_BY
from insiders_assets.contracts.table import DATE, FLAG, REAL, TEXT, WHOLE, Column, Table, View

OUTSIDE, PROVISIONAL, MEMBER, GRACE, LEFT = "outside", "provisional", "member", "grace", "left"
STATUSES = (OUTSIDE, PROVISIONAL, MEMBER, GRACE, LEFT)
# Those who have the programme's advantages.
INSIDE = (PROVISIONAL, MEMBER, GRACE)
# The same for an `IN` of SQL.
INSIDE_SQL = f"({', '.join(repr(status) for status in INSIDE)})"
EVENTS = ("enter", "exit", "grace", "return", "override")
BY_CONSENSUS, BY_TOP_SEGMENT = "consensus", "top segment"

CUSTOMER_CONSENSUS = Table(
    "customer_consensus",
    "Where every clusterable customer ranks over many bootstrap fits, and how sure the fits are; empty in a month that "
    "is too small, and with the reference recipe.",
    (
        MONTH,
        CUSTOMER,
        Column(
            "score",
            REAL,
            "Mean over the fits of the percentile of the customer's group, groups ordered by mean revenue (0-1).",
            at_least=0,
            at_most=1,
        ),
        Column("consensus_rank", WHOLE, "Rank by score from 1, ties by gross revenue.", at_least=1),
        Column("chosen", FLAG, "Among the share of customers wanted (PROGRAMME_SHARE), ties at the cut left out."),
        Column(
            "confidence",
            REAL,
            "Share of the fits that by themselves have the customer on the same side of the cut (0-1).",
            at_least=0,
            at_most=1,
        ),
    ),
)

PROGRAMME_RULE = Table(
    "programme_rule",
    "The rule card: the shortest rule on plain features that says whom this month's clustering chooses, and how "
    "faithful it is. One row; none in a month without a choice.",
    (
        MONTH,
        Column("rule", TEXT, "At most three conditions on columns of customer_features, as SQL."),
        Column("rule_in_words", TEXT, "The rule in English."),
        Column("rule_in_portuguese", TEXT, "The rule in Portuguese."),
        Column("explainable", FLAG, "Whether its cross-validated F1 reaches PROGRAMME_MIN_FIDELITY."),
        Column("verdict", TEXT, "What follows from it, in words."),
        Column(
            "basis",
            TEXT,
            "Who counts as chosen: the consensus's first (product recipe) or the top segment (reference recipe).",
            among=(BY_CONSENSUS, BY_TOP_SEGMENT),
        ),
        Column("clusterable", WHOLE, "Clusterable customers: those that the rule is judged on.", at_least=1),
        Column("chosen", WHOLE, "Of them chosen by the clustering.", at_least=1),
        Column("selected", WHOLE, "Of them selected by the rule.", at_least=0),
        Column("exceptions", WHOLE, "Customers on whom the two differ.", at_least=0),
        Column("precision", REAL, "Chosen among the selected, cross-validated (0-1).", at_least=0, at_most=1),
        Column("recall", REAL, "Selected among the chosen, cross-validated (0-1).", at_least=0, at_most=1),
        Column("f1", REAL, "Harmonic mean of the two, cross-validated over ten folds (0-1).", at_least=0, at_most=1),
        Column("f1_in_sample", REAL, "The same on the customers it was found on (0-1).", at_least=0, at_most=1),
        Column("runner_up", TEXT, "The best condition on a feature that the rule does not use, as SQL.", nullable=True),
        Column("runner_up_f1", REAL, "Its cross-validated F1 (0-1).", nullable=True, at_least=0, at_most=1),
        Column("lead", REAL, "F1 of the rule less that of the runner-up.", nullable=True),
        Column("sql", TEXT, "Query on the warehouse that gives the customers whom the rule selects."),
        Column("exceptions_sql", TEXT, "Query that gives the exceptions, and which side the rule has them on."),
        *FOUND_BY,
    ),
)

INSIDERS_MEMBERSHIP = Table(
    "insiders_membership",
    "Every clusterable customer of the month, and everybody who was ever in: the status at the end of the month, since "
    "when, what would change it, and the event of the month if there was one.",
    (
        MONTH,
        CUSTOMER,
        Column(
            "status",
            TEXT,
            "outside; provisional (in, before a rule is in force); member; grace (in, though the rule does not hold); "
            "left.",
            among=STATUSES,
        ),
        Column("since", DATE, "First month of the status; empty for who was never in.", nullable=True),
        Column("months_in_grace", WHOLE, "Months in a row in which the rule does not hold.", at_least=0),
        Column("months_short", WHOLE, "Of them, in a row so far below that staying is at stake.", at_least=0),
        Column("months_holding", WHOLE, "Months in a row in which the rule holds.", at_least=0),
        Column("rule_version", TEXT, "The rule in force; empty where there is none yet.", nullable=True),
        Column("rule", TEXT, "Its conditions as SQL, or how the programme goes by rank.", nullable=True),
        Column("rule_holds", FLAG, "Whether the rule in force holds for the customer this month."),
        Column("needs", TEXT, "What would bring the customer in or out, as of the end of the month.", nullable=True),
        Column("event", TEXT, "Change of status in this month.", nullable=True, among=EVENTS),
        Column("status_before", TEXT, "Status of the month before, where it changed.", nullable=True, among=STATUSES),
        Column("reason", TEXT, "Why the status changed, in words.", nullable=True),
        Column(
            "moved_most", TEXT, "The two features that moved most since the month before, at an event.", nullable=True
        ),
        Column("override_reason", TEXT, "A person's reason, where their word holds in this month.", nullable=True),
        Column("needs_pt", TEXT, "`needs` in Portuguese.", nullable=True),
        Column("reason_pt", TEXT, "`reason` in Portuguese.", nullable=True),
        Column("moved_most_pt", TEXT, "`moved_most` in Portuguese.", nullable=True),
    ),
)

MEMBERSHIP_EVENTS = View(
    "membership_events",
    "Every change of status, once, with its reason and the two features that moved most.",
    """
    SELECT month, customer_id, event, status_before, status AS status_after, reason, moved_most, rule_version
    FROM insiders.insiders_membership WHERE event IS NOT NULL
    """,
)

MEMBERSHIPS = View(
    "memberships",
    "Validity ranges: each status of a customer from its first to its last day; valid_to is empty while it lasts.",
    """
    SELECT customer_id, status, month AS valid_from,
           CAST(lead(month) OVER (PARTITION BY customer_id ORDER BY month) - INTERVAL '1 day' AS date) AS valid_to,
           event, reason
    FROM insiders.insiders_membership WHERE event IS NOT NULL
    """,
)

MEMBERSHIP_POLICIES = Table(
    "membership_policies",
    "What each policy would have done over the months with a full window up to this one: how many come and go, who "
    "returns, how far the group grows beyond the rule, what it brings.",
    (
        MONTH,
        Column("policy", TEXT, "Name of the policy.", key=True),
        Column("description", TEXT, "What it does."),
        Column("published", FLAG, "True for the one that runs the programme."),
        Column("months_to_enter", WHOLE, "Months in a row that the rule has to hold to come in.", nullable=True),
        Column("months_to_leave", WHOLE, "Months in a row short of it to go out.", nullable=True),
        Column("leave_share", REAL, "Share of the rule below which a member is short (0-1).", nullable=True),
        Column(
            "months",
            WHOLE,
            "Months with a full window after the first: those that the figures are taken over.",
            at_least=0,
        ),
        Column("members", WHOLE, "Members at the end of this month.", at_least=0),
        Column(
            "churn",
            REAL,
            "Entering plus leaving a month, as a share of the group at its beginning: mean.",
            nullable=True,
        ),
        Column("worst_churn", REAL, "The same in the worst month.", nullable=True),
        Column(
            "returners",
            REAL,
            "Customers who left and were back within a year, as a share of the group: mean of every twelve months in a "
            "row, or of all months where there are fewer.",
            nullable=True,
        ),
        Column(
            "growth",
            REAL,
            "Group beyond those for whom the rule in force holds, as a share of them: mean.",
            nullable=True,
        ),
        Column(
            "revenue_share",
            REAL,
            "Members' share of the clusterable customers' gross revenue this month.",
            nullable=True,
        ),
        *FOUND_BY,
    ),
)
