"""What customers did in the window, as Ibis expressions: one definition for DuckDB on a laptop and Spark on a cluster.

Belongs here: month totals, purchases per invoice, features per customer, exactly as the definitions say. Does not
belong here: cleaning (:mod:`.invoices`) or the choice of features for a model (:mod:`.embedding`).

All sums are over whole numbers and decimals, so they do not depend on the order in which threads add; the only floats
are ratios of two exact numbers.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

MONEY = "decimal(18, 4)"
MOST_LINES_OF_A_MONTH = 10**12


def _purchases(lines: ir.Table) -> ir.BooleanValue:
    return lines.quantity >= 0


def _sums(lines: ir.Table) -> dict[str, ir.Value]:
    """Gross, returns, items bought and items returned of a set of lines, exact; zero where there is none."""
    bought = _purchases(lines)

    def total(column: ir.Value, where: ir.BooleanValue) -> ir.Value:
        return column.sum(where=where).fill_null(0).cast(MONEY)

    return {
        "gross_revenue": total(lines.line_amount, bought),
        "returns": total(-lines.line_amount, ~bought),
        "items_purchased": total(lines.quantity, bought),
        "items_returned": total(-lines.quantity, ~bought),
    }


def month_totals(lines: ir.Table, clusterable: ir.Table, month: dt.date) -> ir.Table:
    """Money and lines of a month per bucket (MONTH_TOTALS).

    Parameters
    ----------
    lines: RAW_INVOICES of the month.
    clusterable: one column customer_id, the clusterable customers as of the end of the month.
    """
    import ibis

    known = clusterable.mutate(is_clusterable=ibis.literal(True))
    joined = lines.left_join(known, "customer_id")
    bucket = ibis.cases(
        (joined.dropped_by.notnull(), ibis.literal("dropped: ") + joined.dropped_by),
        (joined.customer_id.isnull(), ibis.literal("guest")),
        (joined.is_clusterable.fill_null(False), ibis.literal("clusterable")),
        else_=ibis.literal("identified"),
    )
    totals = joined.mutate(bucket=bucket)
    grouped = totals.group_by("bucket").aggregate(lines=totals.count(), **_sums(totals))
    return grouped.mutate(month=ibis.literal(month), net_revenue=(grouped.gross_revenue - grouped.returns).cast(MONEY))


def customer_purchases(lines: ir.Table, month: dt.date) -> ir.Table:
    """One row per customer and invoice of the month (CUSTOMER_PURCHASES), from RAW_INVOICES of the month."""
    import ibis

    counted = lines.filter(lines.dropped_by.isnull() & lines.customer_id.notnull())
    grouped = counted.group_by("customer_id", "invoice_no").aggregate(
        invoice_date=counted.invoiced_at.date().min(), lines=counted.count(), **_sums(counted)
    )
    return grouped.mutate(month=ibis.literal(month)).rename(monetary_returns="returns")


def customer_features(lines: ir.Table, month: dt.date) -> ir.Table:
    """One row per identified customer of the window (CUSTOMER_FEATURES).

    Parameters
    ----------
    lines: RAW_INVOICES of all months of the window.
    month: the month as of whose end the features are taken, the last of the window.

    Notes
    -----
    recency_days, avg_ticket and what else needs a purchase are null for a customer who only returned; avg_recency_days
    is null with one activity date. `frequency` counts both the first and the last day.
    """
    import ibis

    counted = lines.filter(lines.dropped_by.isnull() & lines.customer_id.notnull())
    dated = counted.mutate(day=counted.invoiced_at.date(), bought=_purchases(counted))
    per_customer = dated.group_by("customer_id").aggregate(
        first_purchase=dated.day.min(where=dated.bought),
        last_purchase=dated.day.max(where=dated.bought),
        first_activity=dated.day.min(),
        last_activity=dated.day.max(),
        activity_dates=dated.day.nunique(),
        purchases=dated.invoice_no.nunique(where=dated.bought),
        unique_products_purchased=dated.count(where=dated.bought),
        distinct_products=dated.stock_code.nunique(where=dated.bought),
        number_returns=dated.invoice_no.nunique(where=~dated.bought),
        first_line=_place(dated).min(),
        **_sums(dated),
    )
    # From the customers' own last days, so that the lines are read once only.
    everyone = ibis.window()
    known = per_customer.mutate(
        as_of_date=per_customer.last_purchase.max()
        .over(everyone)
        .fill_null(per_customer.last_activity.max().over(everyone)),
        appearance_order=(ibis.row_number().over(ibis.window(order_by="first_line")) + 1).cast("int64"),
    ).rename(monetary_returns="returns")

    def real(value: ir.Value) -> ir.Value:
        return value.cast("float64")

    def days(later: ir.Value, earlier: ir.Value) -> ir.Value:
        return later.delta(earlier, unit="day").cast("int64")

    has_bought = known.purchases > 0
    several_dates = known.activity_dates >= 2
    span = days(known.last_purchase, known.first_purchase) + 1
    none = ibis.null("float64")

    def per_purchase(value: ir.Value) -> ir.Value:
        return ibis.ifelse(has_bought, real(value) / real(known.purchases), none)

    return known.mutate(
        month=ibis.literal(month),
        clusterable=has_bought & several_dates,
        net_revenue=(known.gross_revenue - known.monetary_returns).cast(MONEY),
        recency_days=days(known.as_of_date, known.last_purchase),
        avg_ticket=per_purchase(known.gross_revenue),
        avg_recency_days=ibis.ifelse(
            several_dates,
            real(days(known.last_activity, known.first_activity)) / real(known.activity_dates - 1),
            none,
        ),
        frequency=ibis.ifelse(has_bought, real(known.purchases) / real(span), none),
        avg_basket_size=per_purchase(known.items_purchased),
        unique_avg_basket=per_purchase(known.unique_products_purchased),
        returns_ratio=ibis.ifelse(
            known.gross_revenue > 0, real(known.monetary_returns) / real(known.gross_revenue), none
        ),
    ).drop("first_activity", "last_activity", "items_returned", "first_line")


def _place(lines: ir.Table) -> ir.IntegerValue:
    """Where a line stands in the window, as one whole number: by month, then by the line's order in its month."""
    months = lines.month.year().cast("int64") * 12 + lines.month.month().cast("int64")
    return months * MOST_LINES_OF_A_MONTH + lines.line_order


def net_by_day(lines: ir.Table) -> ir.Table:
    """Net revenue per day with sales (columns day, net, in the shop's currency) of all cleaned sales, guests included.

    Parameters
    ----------
    lines: RAW_INVOICES of any months.
    """
    counted = lines.filter(lines.dropped_by.isnull())
    dated = counted.mutate(day=counted.invoiced_at.date())
    return dated.group_by("day").aggregate(net=dated.line_amount.sum()).order_by("day")


def sales_of_members(purchases: ir.Table, members: ir.Table, months_ahead: int = 0) -> ir.Table:
    """Per origin, customer and day: gross revenue and returns of those who are members at the origin.

    Parameters
    ----------
    purchases: CUSTOMER_PURCHASES of any months. members: columns origin (first day of the month at whose end they are
        members) and customer_id. months_ahead: 0: what they bought up to the end of the origin's month; otherwise what
        they bought in so many months after it.

    Returns
    -------
    Columns origin, customer_id, day, gross, returns, in order.
    """
    joined = purchases.inner_join(members, "customer_id")
    later = (joined.month.year() - joined.origin.year()) * 12 + (joined.month.month() - joined.origin.month())
    wanted = (later <= 0) if months_ahead == 0 else (later > 0) & (later <= months_ahead)
    kept = joined.filter(wanted)
    grouped = kept.group_by("origin", "customer_id", day=kept.invoice_date)
    return grouped.aggregate(gross=kept.gross_revenue.sum(), returns=kept.monetary_returns.sum()).order_by(
        "origin", "customer_id", "day"
    )
