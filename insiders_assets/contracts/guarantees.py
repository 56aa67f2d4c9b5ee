"""What guarantees that the group is better: comparisons with the next band, and the plan of a trial.

Belongs here: tables of statistics on the group. Does not belong here: who is in the group (:mod:`.programme`).
"""

from insiders_assets.contracts.customers import CUSTOMER, MONTH
from insiders_assets.contracts.found_by import FOUND_BY
from insiders_assets.contracts.table import DATE, FLAG, REAL, TEXT, WHOLE, Column, Table

SAME_WINDOW, NEXT_MONTH = "same window", "next month"
SAME_WINDOW_MEASURES = ("gross_revenue", "avg_ticket", "recency_days")
NEXT_MONTH_MEASURES = ("net_revenue", "active", "returned")
ESTIMATORS = ("raw", "winsorised", "cuped")


def _of_group(which: str, words: str) -> tuple[Column, ...]:
    return (
        Column(f"{which}_customers", WHOLE, f"{words}: customers with a value.", at_least=1),
        Column(f"{which}_mean", REAL, f"{words}: mean."),
        Column(f"{which}_median", REAL, f"{words}: median."),
        Column(f"{which}_low", REAL, f"{words}: lower end of the mean's 95 % interval (t, ddof 0).", nullable=True),
        Column(f"{which}_high", REAL, f"{words}: upper end of it.", nullable=True),
        Column(f"{which}_low_sample", REAL, f"{words}: lower end with the sample's deviation (ddof 1).", nullable=True),
        Column(f"{which}_high_sample", REAL, f"{words}: upper end of that.", nullable=True),
        Column(f"{which}_shapiro_w", REAL, f"{words}: Shapiro and Wilk's W.", nullable=True),
        Column(f"{which}_shapiro_p", REAL, f"{words}: its p; small: not normal.", nullable=True, precision=12),
    )


GROUP_COMPARISONS = Table(
    "group_comparisons",
    "Members beside the next band (the segment below with the reference recipe, else as many customers as there are "
    "members, the first outside by the consensus): on the window that chose them, which is circular, and on the month "
    "after each month in which membership was fixed, which is not.",
    (
        MONTH,
        Column(
            "proof",
            TEXT,
            "same window: circular; next month: the honest one.",
            key=True,
            among=(SAME_WINDOW, NEXT_MONTH),
        ),
        Column("origin", DATE, "Month at whose end the groups were fixed.", key=True),
        Column(
            "measure",
            TEXT,
            "Same window: features. Next month: net_revenue in currency, active (1: bought), returned (1: a credit "
            "note).",
            key=True,
            among=(*SAME_WINDOW_MEASURES, *NEXT_MONTH_MEASURES),
        ),
        *_of_group("member", "Members"),
        *_of_group("next", "The next band"),
        Column("u", REAL, "Mann and Whitney's U of the members.", at_least=0),
        Column("p", REAL, "Its two-sided p.", at_least=0, at_most=1, precision=12),
        Column(
            "p_holm",
            REAL,
            "The same adjusted by Holm: over the measures of the same window, over the origins of one next-month "
            "measure.",
            at_least=0,
            at_most=1,
            precision=12,
        ),
        Column("delta", REAL, "Cliff's delta, -1 to 1: above 0 where members are higher.", at_least=-1, at_most=1),
        Column("delta_low", REAL, "Lower end of its 95 % interval.", nullable=True),
        Column("delta_high", REAL, "Upper end of it.", nullable=True),
        Column("delta_interval", TEXT, "How that interval was found."),
        *FOUND_BY,
    ),
)

HOLDOUT_PLAN = Table(
    "holdout_plan",
    "What a trial with some members held out could show on one month's net revenue per member, from the last month "
    "that followed a fixed membership; a row per way of taking noise out.",
    (
        MONTH,
        Column(
            "estimator", TEXT, "How the outcome is treated before the arms are compared.", key=True, among=ESTIMATORS
        ),
        Column("outcome_month", DATE, "Month whose net revenue per member the figures are taken from."),
        Column("customers", WHOLE, "Members in both arms together: those of the month before.", at_least=2),
        Column("held", WHOLE, "Of them held out by the salted hash.", at_least=0),
        Column("held_share", REAL, "Share to hold out (PROGRAMME_HELD_SHARE).", at_least=0, at_most=1),
        Column("sample_ratio_p", REAL, "Binomial p of so many held out.", at_least=0, at_most=1),
        Column("mean", REAL, "Mean outcome, in the shop's currency."),
        Column("deviation", REAL, "Standard deviation of the treated outcome, in the shop's currency.", at_least=0),
        Column("detectable", REAL, "Smallest true difference found 4 times out of 5, in currency.", nullable=True),
        Column("detectable_share", REAL, "The same as a share of the mean outcome.", nullable=True),
        Column("wanted_share", REAL, "Effect that is wanted (PROGRAMME_EFFECT), as a share of the mean.", at_least=0),
        Column("customers_needed", REAL, "Customers in both arms to find that effect; empty: cannot.", nullable=True),
        Column("enough", FLAG, "Whether the group is that large."),
        *FOUND_BY,
    ),
)

HOLDOUT_ASSIGNMENT = Table(
    "holdout_assignment",
    "Which arm each member would be in: by a hash of the salt and the id alone, so nobody ever moves.",
    (
        MONTH,
        CUSTOMER,
        Column(
            "place",
            REAL,
            "Place from 0 to 1 by the hash; held out below the share.",
            at_least=0,
            at_most=1,
            precision=12,
        ),
        Column("held", FLAG, "Held out of the programme's advantages while the trial runs."),
        Column(
            "stratum", WHOLE, "Third of the members by net revenue of the months before, from 1 = least.", at_least=1
        ),
    ),
)
