"""Per customer and per month: totals, purchases, features.

Belongs here: tables that follow from the month's lines by counting and adding. Does not belong here: segments,
programme or forecast.
"""

from insiders_assets.contracts.table import DATE, FLAG, MONEY, QUANTITY, REAL, TEXT, WHOLE, Column, Table

MONTH = Column("month", DATE, "First day of the calendar month.", key=True)
CUSTOMER = Column("customer_id", TEXT, "Customer in canonical form (12583, never 12583.0).", key=True)

MONTH_TOTALS = Table(
    "month_totals",
    "Money and lines of the month per bucket; the buckets add up to every good line of the month.",
    (
        MONTH,
        Column("bucket", TEXT, "clusterable, identified (not clusterable), guest, or dropped: and the rule.", key=True),
        Column("lines", WHOLE, "Invoice lines.", at_least=0),
        Column(
            "gross_revenue", MONEY, "Sum of purchases in the shop's currency (for dropped lines: positive amounts)."
        ),
        Column("returns", MONEY, "Sum of returns, as a positive number, in the shop's currency."),
        Column("net_revenue", MONEY, "Gross revenue minus returns."),
        Column("items_purchased", QUANTITY, "Pieces bought."),
        Column("items_returned", QUANTITY, "Pieces returned, as a positive number."),
    ),
)

CUSTOMER_PURCHASES = Table(
    "customer_purchases",
    "One row per customer and invoice of the month, purchases and credit notes alike; guests and dropped lines apart.",
    (
        MONTH,
        CUSTOMER,
        Column("invoice_no", TEXT, "Invoice or credit note number.", key=True),
        Column("invoice_date", DATE, "Day of the invoice's first line."),
        Column("lines", WHOLE, "Lines on the invoice that count.", at_least=1),
        Column("items_purchased", QUANTITY, "Pieces bought.", at_least=0),
        Column("gross_revenue", MONEY, "Purchases on the invoice in the shop's currency."),
        Column("items_returned", QUANTITY, "Pieces returned, as a positive number.", at_least=0),
        Column("monetary_returns", MONEY, "Returns on the invoice, as a positive number."),
    ),
)

CUSTOMER_FEATURES = Table(
    "customer_features",
    "One row per identified customer with a line that counts in the window (this month and the twelve before).",
    (
        MONTH,
        CUSTOMER,
        Column(
            "appearance_order",
            WHOLE,
            "Order in which customers first appear in the window's lines, from 1.",
            at_least=1,
        ),
        Column("clusterable", FLAG, "Has a purchase and at least two distinct activity dates in the window."),
        Column("as_of_date", DATE, "Last purchase date of any customer in the window; recency counts from here."),
        Column("first_purchase", DATE, "First purchase date in the window; empty without a purchase.", nullable=True),
        Column("last_purchase", DATE, "Last purchase date in the window; empty without a purchase.", nullable=True),
        Column("gross_revenue", MONEY, "Sum of quantity times price over purchases, in the shop's currency."),
        Column("net_revenue", MONEY, "Gross revenue minus returns."),
        Column("recency_days", WHOLE, "Days from the last purchase to as_of_date.", nullable=True, at_least=0),
        Column("purchases", WHOLE, "Distinct purchase invoices.", at_least=0),
        Column("items_purchased", QUANTITY, "Pieces bought.", at_least=0),
        Column("unique_products_purchased", WHOLE, "Purchase lines (the reference's definition).", at_least=0),
        Column("distinct_products", WHOLE, "Distinct articles bought.", at_least=0),
        Column("avg_ticket", REAL, "Gross revenue per purchase invoice.", nullable=True),
        Column("activity_dates", WHOLE, "Distinct days with a purchase or a return.", at_least=1),
        Column("avg_recency_days", REAL, "Mean gap between activity dates, in days.", nullable=True, at_least=0),
        Column("frequency", REAL, "Purchases per day from first to last purchase, both counted.", nullable=True),
        Column("number_returns", WHOLE, "Distinct credit notes.", at_least=0),
        Column("monetary_returns", MONEY, "Sum of returns, as a positive number, in the shop's currency."),
        Column("avg_basket_size", REAL, "Pieces per purchase invoice.", nullable=True),
        Column("unique_avg_basket", REAL, "Purchase lines per purchase invoice.", nullable=True),
        Column("returns_ratio", REAL, "Returns as a share of gross revenue (delta_buy_return).", nullable=True),
    ),
)
