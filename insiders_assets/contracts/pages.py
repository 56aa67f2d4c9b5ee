"""What the dashboard needs and no other table has: lists and sums that a page can show without counting a million rows.

Belongs here: tables made for readers' pages, and the views that pages and other tools read (each `page_…`). Does not
belong here: what a page looks like (:mod:`insiders_assets.dashboard`).

The views are the promise to whoever puts a tool of their own on the warehouse: their columns stay.
"""

from insiders_assets.contracts.customers import CUSTOMER, MONTH
from insiders_assets.contracts.programme import EVENTS, STATUSES
from insiders_assets.contracts.table import DATE, FLAG, MONEY, QUANTITY, REAL, TEXT, WHOLE, Column, Table, View

SVG, PNG = "svg", "png"
THRESHOLD, SHARE_OF_CUSTOMERS = "threshold", "share"

MEMBER_LIST = Table(
    "member_list",
    "The Insiders at the end of the month, and whoever went out in it, each with what they bring, why they are there "
    "and how far from the door they stand.",
    (
        MONTH,
        CUSTOMER,
        Column("status", TEXT, "Status at the end of the month.", among=STATUSES),
        Column("since", DATE, "First month of the status.", nullable=True),
        Column("event", TEXT, "Change of status in this month.", nullable=True, among=EVENTS),
        Column("status_before", TEXT, "Status of the month before, where it changed.", nullable=True, among=STATUSES),
        Column("reason", TEXT, "Why the status changed, in words.", nullable=True),
        Column("moved_most", TEXT, "The two features that moved most, at an event.", nullable=True),
        Column("needs", TEXT, "What would bring the customer in or out.", nullable=True),
        Column("override_reason", TEXT, "A person's reason, where their word holds.", nullable=True),
        Column("needs_pt", TEXT, "`needs` in Portuguese.", nullable=True),
        Column("reason_pt", TEXT, "`reason` in Portuguese.", nullable=True),
        Column("moved_most_pt", TEXT, "`moved_most` in Portuguese.", nullable=True),
        Column("rule_holds", FLAG, "Whether the rule in force holds for the customer."),
        Column("months_short", WHOLE, "Months in a row so far below the rule that staying is at stake.", at_least=0),
        Column(
            "reach",
            REAL,
            "How much of the rule in force is reached: 1 is just enough, 2 twice as much; of several conditions that "
            "on which it hangs. Empty where the programme goes by rank, or the customer is not clusterable.",
            nullable=True,
        ),
        Column("segment_id", WHOLE, "Lasting id of the segment.", nullable=True),
        Column("segment_en", TEXT, "Its name in English.", nullable=True),
        Column("segment_pt", TEXT, "The same in Portuguese.", nullable=True),
        Column("gross_revenue", MONEY, "Purchases in the window, in the shop's currency.", nullable=True),
        Column("net_revenue", MONEY, "Gross revenue minus returns.", nullable=True),
        Column("purchases", WHOLE, "Purchase invoices in the window.", nullable=True),
        Column("items_purchased", QUANTITY, "Pieces bought in the window.", nullable=True),
        Column("recency_days", WHOLE, "Days from the last purchase to the window's last.", nullable=True),
    ),
)

GROUP_MOVEMENT = Table(
    "group_movement",
    "Customers by where they stood at the end of an earlier month (of the last 24) and where they stand now: segment, "
    "and whether in the programme. For every earlier month the rows add up to all customers of both.",
    (
        MONTH,
        # Who was not there has no segment, and an empty one cannot be part of a key.
        Column("position", WHOLE, "Number of the row within the month.", key=True, at_least=1),
        Column("month_before", DATE, "First day of the earlier month."),
        Column("segment_before", WHOLE, "Segment then; empty for who was not there.", nullable=True),
        Column("segment_now", WHOLE, "Segment now; empty for who is not there any more.", nullable=True),
        Column("inside_before", FLAG, "Whether in the programme then."),
        Column("inside_now", FLAG, "Whether in it now."),
        Column("customers", WHOLE, "Number of customers.", at_least=1),
    ),
)

REPORT_PICTURES = Table(
    "report_pictures",
    "The pictures of the month's report, in every language that it is written in.",
    (
        MONTH,
        Column("language", TEXT, "Code of the language: en, pt-BR.", key=True),
        Column("picture", TEXT, "Name of the picture: history, lorenz, embedding …", key=True),
        Column("form", TEXT, "What the content is.", among=(SVG, PNG)),
        Column("content", TEXT, "The SVG as it is, a PNG in base64."),
    ),
)

PROGRAMME_TRIALS = Table(
    "programme_trials",
    "What another programme would have given over the last year: the rule in force with its thresholds moved, or a "
    "share of the customers by their consensus rank; replayed with the programme's own months of entering and leaving, "
    "from the first of up to thirteen months in which a rule is in force.",
    (
        MONTH,
        Column(
            "kind",
            TEXT,
            "threshold: thresholds times `value`; share: so much of the customers.",
            key=True,
            among=(THRESHOLD, SHARE_OF_CUSTOMERS),
        ),
        Column("position", WHOLE, "Order among its kind, from 1.", key=True, at_least=1),
        Column("value", REAL, "Factor of the thresholds (1: as in force), or share of customers (0-1).", at_least=0),
        Column("rule", TEXT, "The conditions, as SQL; of a share: empty.", nullable=True),
        Column("months", WHOLE, "Months replayed; the first only begins.", at_least=1),
        Column("members", WHOLE, "Members at the end of this month.", at_least=0),
        Column("customer_share", REAL, "The same as a share of the clusterable customers (0-1).", at_least=0),
        Column("revenue_share", REAL, "Their share of the clusterable customers' gross revenue.", nullable=True),
        Column("churn", REAL, "Entering plus leaving a month, as a share of the group: mean.", nullable=True),
        Column("worst_churn", REAL, "The same in the worst month.", nullable=True),
        Column(
            "year_net_revenue",
            REAL,
            "Net revenue that each month's members brought in the month after, over the replayed months.",
            nullable=True,
        ),
        Column(
            "year_net_share",
            REAL,
            "The same as a share of all identified customers' net revenue of those months.",
            nullable=True,
        ),
    ),
)


# The newest word of every run on the same thing.
_LATEST = "SELECT DISTINCT ON ({of}) * FROM insiders.{table} ORDER BY {of}, {moment} DESC, run_id"


def _view(name: str, description: str, query: str) -> View:
    return View(f"page_{name}", description, query)


PAGE_VIEWS = (
    _view(
        "months",
        "The months that have a report, and how many Insiders each has.",
        "SELECT month, max(value) FILTER (WHERE key = 'members.count') AS members FROM insiders.report_facts "
        "GROUP BY month",
    ),
    _view(
        "facts",
        "Every number of the month's report, with its unit, denominator, asset and SQL.",
        "SELECT month, key, position, description, value, unit, denominator, source, version, how, function, library, "
        "seed, sql FROM insiders.report_facts",
    ),
    _view("members", MEMBER_LIST.description, "SELECT * FROM insiders.member_list"),
    _view("movement", GROUP_MOVEMENT.description, "SELECT * FROM insiders.group_movement"),
    _view("pictures", REPORT_PICTURES.description, "SELECT * FROM insiders.report_pictures"),
    _view("trials", PROGRAMME_TRIALS.description, "SELECT * FROM insiders.programme_trials"),
    _view(
        "segments",
        "The segments of the month, best first.",
        "SELECT * FROM insiders.segment_profiles",
    ),
    _view(
        "customers",
        "Each month of each customer: features, segment, status and what would change it. To be asked by customer_id.",
        """
        SELECT b.month, b.customer_id, m.status, m.since, m.event, m.status_before, m.reason, m.needs, m.moved_most,
               m.override_reason, m.needs_pt, m.reason_pt, m.moved_most_pt, m.rule_holds, m.months_short, m.rule,
               s.segment_id, s.segment_en, s.segment_pt, f.clusterable,
               f.gross_revenue, f.net_revenue, f.purchases, f.items_purchased, f.avg_ticket, f.recency_days,
               f.number_returns, f.monetary_returns, f.first_purchase, f.last_purchase
        FROM (SELECT month, customer_id FROM insiders.customer_features
              UNION SELECT month, customer_id FROM insiders.insiders_membership) b
        LEFT JOIN insiders.customer_features f ON f.month = b.month AND f.customer_id = b.customer_id
        LEFT JOIN insiders.insiders_membership m ON m.month = b.month AND m.customer_id = b.customer_id
        LEFT JOIN insiders.customer_segments s ON s.month = b.month AND s.customer_id = b.customer_id
        """,
    ),
    _view("purchases", "One row per customer and invoice.", "SELECT * FROM insiders.customer_purchases"),
    _view("rules", "The rule card of each month.", "SELECT * FROM insiders.programme_rule"),
    _view("policies", "What each policy would have done.", "SELECT * FROM insiders.membership_policies"),
    _view("actions", "What marketing can do.", "SELECT * FROM insiders.marketing_actions"),
    _view("forecast", "What the next months bring.", "SELECT * FROM insiders.revenue_forecast"),
    _view("backtest", "How far off every model was.", "SELECT * FROM insiders.forecast_backtest"),
    _view("files", "The ledger of landed files.", "SELECT * FROM insiders.landing_ledger"),
    _view("quarantine", "Lines in quarantine, by reason.", "SELECT * FROM insiders.quarantine_counts"),
    _view(
        "assets",
        "Each asset of each month as it was made last: when, in how many seconds, with how much memory.",
        _LATEST.format(of="asset, partition", table="run_assets", moment="made_at"),
    ),
    _view(
        "checks",
        "What each check of each month said last.",
        _LATEST.format(of="asset, check_name, partition", table="run_checks", moment="checked_at"),
    ),
    _view(
        "restatements",
        "Months of an asset that were made again with other content: how often, and when last.",
        """
        SELECT asset, partition, count(*) AS times, max(made_at) AS last_at
        FROM (SELECT asset, partition, made_at, content_hash,
                     lag(content_hash) OVER (PARTITION BY asset, partition ORDER BY made_at) AS before
              FROM insiders.run_assets WHERE content_hash IS NOT NULL) made
        WHERE before IS NOT NULL AND before <> content_hash
        GROUP BY asset, partition
        """,
    ),
    _view(
        "published",
        "Which version of which table and month readers have, and since when.",
        "SELECT table_name, scope, version, content_hash, rows, published_at FROM insiders.published_versions",
    ),
)
