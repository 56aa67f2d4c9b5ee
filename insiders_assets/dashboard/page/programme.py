"""Programme: the rule card, how it held over the months, the terms, and what others would have given."""

from __future__ import annotations

import streamlit as st

from insiders_assets.contracts.pages import SHARE_OF_CUSTOMERS, THRESHOLD
from insiders_assets.contracts.programme import GRACE, MEMBER
from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import Choices
from insiders_assets.dashboard.parts import MONTH, PROSE, Column, Tile, table, tiles
from insiders_assets.domain.facts.fact import COUNT, CURRENCY, CUSTOMERS, SHARE
from insiders_assets.domain.messages import Message, say
from insiders_assets.domain.policies import DESCRIPTIONS, NAMES
from insiders_assets.reporting.language import ENGLISH

SCORE = "score"
NOT_IN_FORCE = say("No rule is in force yet: the first begins with the first month that has a full window.")


def show(choices: Choices) -> None:
    """Draw the page."""
    cards = reading.rows("SELECT * FROM page_rules WHERE month <= %s ORDER BY month DESC", choices.month)
    if cards and cards[0]["month"] == choices.month:
        _card(choices, cards[0])
    else:
        st.info(choices.tell(say("This month's clustering suggests no rule: it chooses nobody.")))
    _in_force(choices, cards)
    _over_months(choices, cards)
    _policies(choices)
    _trials(choices)


def _card(choices: Choices, card: reading.Row) -> None:
    language = choices.language
    st.subheader(choices.tell(say("The rule that this month suggests")))
    st.text(_in_words(card, choices))
    st.code(card["rule"], language=None)
    best = say("of {count} clusterable customers", count=language.number(card["clusterable"]))
    tiles(
        [
            Tile(
                say("Agreement with the clustering (F1)"),
                language.written(card["f1"], SCORE),
                "programme_rule",
                "rule.f1",
            ),
            Tile(say("Precision"), language.written(card["precision"], SCORE), "programme_rule", "rule.precision"),
            Tile(say("Recall"), language.written(card["recall"], SCORE), "programme_rule", "rule.recall"),
            Tile(
                say("Customers whom it selects"),
                language.number(card["selected"]),
                "programme_rule",
                "rule.selected",
                choices.tell(best),
            ),
            Tile(
                say("Customers on whom they differ"),
                language.number(card["exceptions"]),
                "programme_rule",
                "rule.exceptions",
            ),
        ],
        choices,
    )


def _in_words(card: reading.Row, choices: Choices) -> str:
    return card["rule_in_words"] if choices.language.code == ENGLISH else card["rule_in_portuguese"]


def _in_force(choices: Choices, cards: list[reading.Row]) -> None:
    """By which rule members are members, which may be an earlier month's, or one that people have published."""
    # It is the same for everybody; asked of one, the database need not look through all.
    found = reading.rows(
        "SELECT rule FROM page_customers WHERE month = %s AND rule IS NOT NULL AND customer_id = "
        "(SELECT min(customer_id) FROM page_members WHERE month = %s AND status = ANY(%s))",
        choices.month,
        choices.month,
        [MEMBER, GRACE],  # provisional ones are in by no rule in force
    )
    st.subheader(choices.tell(say("The rule in force")))
    for row in found:
        # Most often it is one that some month has suggested, which has said it in words.
        for card in [one for one in cards if one["rule"] == row["rule"]][:1]:
            st.text(_in_words(card, choices))
        st.code(row["rule"], language=None)
    if not found:
        st.text(choices.tell(NOT_IN_FORCE))


def _over_months(choices: Choices, cards: list[reading.Row]) -> None:
    columns = [
        Column(say("Month"), "month", MONTH),
        Column(say("Rule"), "rule_words", PROSE),
        Column(say("F1"), "f1", SCORE),
        Column(say("Precision"), "precision", SCORE),
        Column(say("Recall"), "recall", SCORE),
        Column(say("Chosen"), "chosen", CUSTOMERS),
        Column(say("Selected"), "selected", CUSTOMERS),
        Column(say("Runner-up"), "runner_up", PROSE),
    ]
    table(
        say("What each month suggested"),
        columns,
        [{**card, "rule_words": _in_words(card, choices)} for card in cards],
        choices,
        "programme_rule",
        "rules",
        more=("rule",),
        note=say("Drift: a threshold that wanders, or an F1 that falls. F1, precision and recall are cross-validated."),
    )


def _policies(choices: Choices) -> None:
    found = reading.rows("SELECT * FROM page_policies WHERE month = %s ORDER BY published DESC, policy", choices.month)
    rows = [
        {
            **row,
            "name": choices.tell(NAMES.get(row["policy"], str(row["policy"]))),
            "what": choices.tell(DESCRIPTIONS.get(row["policy"], str(row["description"]))),
        }
        for row in found
    ]
    columns = [
        Column(say("Policy"), "name"),
        Column(say("Months to come in"), "months_to_enter", COUNT),
        Column(say("Months to go out"), "months_to_leave", COUNT),
        Column(say("Of the rule to be kept"), "leave_share", SHARE),
        Column(say("Insiders"), "members", CUSTOMERS),
        Column(say("Coming and going a month"), "churn", SHARE),
        Column(say("In the worst month"), "worst_churn", SHARE),
        Column(say("Back within a year"), "returners", SHARE),
        Column(say("Share of gross revenue"), "revenue_share", SHARE),
        Column(say("What it does"), "what", PROSE),
    ]
    note = say("Over the same months; revenue is a share of the clusterable customers' gross revenue in the window.")
    table(
        say("How the programme moves, beside others"),
        columns,
        rows,
        choices,
        "membership_policies",
        "policies",
        note=note,
        empty=NOT_IN_FORCE,
    )


def _trials(choices: Choices) -> None:
    found = reading.rows("SELECT * FROM page_trials WHERE month = %s ORDER BY kind, position", choices.month)
    shared = [
        Column(say("Insiders"), "members", CUSTOMERS),
        Column(say("Share of the clusterable customers"), "customer_share", SHARE),
        Column(say("Share of gross revenue"), "revenue_share", SHARE),
        Column(say("Coming and going a month"), "churn", SHARE),
        Column(
            say("Net revenue in the months after ({currency})", currency=choices.currency), "year_net_revenue", CURRENCY
        ),
        Column(say("Share of all identified net revenue"), "year_net_share", SHARE),
        Column(say("Months"), "months", COUNT),
    ]
    replayed = choices.language.number(max((row["months"] for row in found), default=0))
    titles: dict[str, tuple[Message, list[Column]]] = {
        THRESHOLD: (
            say("What other thresholds would have given over the last months ({count})", count=replayed),
            [Column(say("Of today's thresholds"), "value", SHARE), Column(say("Rule"), "rule", PROSE)],
        ),
        SHARE_OF_CUSTOMERS: (
            say("What another share of the customers would have given"),
            [Column(say("Customers wanted"), "value", SHARE)],
        ),
    }
    for kind, (title, own) in titles.items():
        rows = [row for row in found if row["kind"] == kind]
        table(
            title,
            [*own, *shared],
            rows,
            choices,
            "programme_trials",
            f"trials_{kind}",
            note=say(
                "Replayed month by month with the programme's own months of coming in and going out. Net revenue is "
                "what each month's members brought in the month after it; gross revenue is a share of the clusterable "
                "customers' in the window."
            ),
            empty=NOT_IN_FORCE,
        )
