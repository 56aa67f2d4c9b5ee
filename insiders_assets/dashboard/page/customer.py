"""Customer: one customer's months, purchases and history in the programme, and what would bring them in or out."""

from __future__ import annotations

import datetime as dt

import streamlit as st

from insiders_assets.contracts.programme import PROVISIONAL
from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import Choices, kept_text
from insiders_assets.dashboard.parts import DAY, MONTH, NAME, NOTHING, PROSE, Column, Tile, table, tiles
from insiders_assets.dashboard.reading import Row
from insiders_assets.dashboard.words import customer_column, spoken
from insiders_assets.domain.facts.fact import COUNT, CURRENCY
from insiders_assets.domain.messages import say

ASKED = "customer"
PROVISIONAL_RULE = say("This month's rule, until one is in force")
MOST_FOUND = 50


def show(choices: Choices) -> None:
    """Draw the page."""
    asked = kept_text(st.container(), choices.tell(say("Customer")), ASKED)
    if not asked:
        st.info(choices.tell(say("Write a customer's number, or the beginning of one.")))
        return
    made = [month for month in reading.months() if month <= choices.month]
    found = reading.rows(
        "SELECT * FROM page_customers WHERE customer_id = %s AND month = ANY(%s) ORDER BY month DESC", asked, made
    )
    months = [spoken(row, choices) for row in found]
    if months:
        _standing(months[0], choices)
        _history(months, choices)
        _purchases(asked, made, choices)
    else:
        _others(asked, choices)


def _standing(now: Row, choices: Choices) -> None:
    tell, language = choices.tell, choices.language
    if now["month"] != choices.month:
        st.info(
            tell(say("No line in the window of {month}; shown as of {last}.", month=choices.month, last=now["month"]))
        )
    status = now["status_words"] or tell(say("not clusterable: bought on one day at most"))
    since = tell(say("since {month}", month=now["since"])) if now["since"] else ""
    money = language.written(now["gross_revenue"], CURRENCY, choices.currency)
    tiles(
        [
            Tile(say("Status"), status, "insiders_membership", "customer.status", since),
            Tile(say("Segment"), now["segment"] or NOTHING, "customer_segments", "customer.segment"),
            Tile(say("Gross revenue in the window"), money, "customer_features", "customer.gross_revenue"),
            Tile(say("Purchases in the window"), language.written(now["purchases"], COUNT), "customer_features"),
            Tile(
                say("Days since the last purchase"), language.written(now["recency_days"], COUNT), "customer_features"
            ),
        ],
        choices,
    )
    for label, words in (
        (say("What would change it"), now["needs_words"]),
        (say("A person's word"), now["override_reason"]),
        (PROVISIONAL_RULE if now["status"] == PROVISIONAL else say("The rule in force"), now["rule"]),
    ):
        if words:
            st.text(f"{tell(label)}: {words}")


def _history(rows: list[Row], choices: Choices) -> None:
    columns = [
        Column(say("Month"), "month", MONTH),
        Column(say("Status"), "status_words"),
        Column(say("What happened"), "event_words"),
        Column(say("Why"), "reason_words", PROSE),
        Column(say("Segment"), "segment", NAME),
        Column(say("Gross revenue in the window ({currency})", currency=choices.currency), "gross_revenue", CURRENCY),
        Column(say("Purchases"), "purchases", COUNT),
        Column(say("Days since the last"), "recency_days", COUNT),
    ]
    table(say("Month by month"), columns, rows, choices, "customer_features", "customer_months")


def _purchases(customer: str, made: list[dt.date], choices: Choices) -> None:
    found = reading.rows(
        "SELECT * FROM page_purchases WHERE customer_id = %s AND month = ANY(%s) "
        "ORDER BY invoice_date DESC, invoice_no",
        customer,
        made,
    )
    columns = [
        Column(say("Day"), "invoice_date", DAY),
        Column(say("Invoice"), "invoice_no"),
        Column(say("Lines"), "lines", COUNT),
        Column(say("Pieces bought"), "items_purchased", COUNT),
        Column(say("Gross revenue ({currency})", currency=choices.currency), "gross_revenue", CURRENCY),
        Column(say("Returns ({currency})", currency=choices.currency), "monetary_returns", CURRENCY),
    ]
    table(say("Purchases and returns"), columns, found, choices, "customer_purchases", "customer_purchases")


def _others(asked: str, choices: Choices) -> None:
    """Customers whose number begins so: nobody is called exactly that."""
    found = reading.rows(
        "SELECT customer_id FROM page_customers WHERE month = %s AND starts_with(customer_id, %s) "
        "ORDER BY customer_id LIMIT %s",
        choices.month,
        asked,
        # One more, by which it is seen that there are more.
        MOST_FOUND + 1,
        limit=MOST_FOUND,
    )
    if not found:
        st.info(choices.tell(say("No customer of {month} is called so, or begins so.", month=choices.month)))
        return
    table(say("Customers that begin so"), [customer_column(choices)], found, choices, "customer_features", "customers")
