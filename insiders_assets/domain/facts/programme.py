"""Facts on the rule card, on who came and went, on who is near the door, and on what other policies would have done."""

from __future__ import annotations

from collections.abc import Iterator

from insiders_assets.contracts.programme import GRACE, PROVISIONAL
from insiders_assets.domain.actions import NOT_EXCLUDED, near_to_enter
from insiders_assets.domain.facts.fact import (
    COUNT,
    CURRENCY,
    CUSTOMERS,
    INSIDERS,
    MEMBERSHIP,
    SHARE,
    Fact,
    Outline,
    one_row,
    over_features,
    over_membership,
    text,
)
from insiders_assets.domain.facts.members import ENTERED, WENT
from insiders_assets.domain.feature_words import MONEY_FEATURES, WORDS
from insiders_assets.domain.messages import Message, say
from insiders_assets.domain.policies import NAMES
from insiders_assets.domain.rules import AT_LEAST

CARD, POLICY = "rule_card.find_rule", "policies.measure"
LEAVING, ENTERING = "leaving", "entering"


def programme_facts(outline: Outline) -> list[Fact]:
    """How faithful the month's suggested rule is, who came and went, and who is near the door."""
    return [*_card(outline), *_standing(outline), *_near(outline), *_policies(outline)]


def _card(outline: Outline) -> Iterator[Fact]:
    selected, chosen = say("customers whom the rule selects"), say("customers whom the clustering chooses")
    told: tuple[tuple[str, Message, str, Message | None], ...] = (
        ("f1", say("Agreement of this month's suggested rule with its clustering (F1)"), "score", None),
        ("precision", say("Chosen by the clustering among those whom the rule selects"), "score", selected),
        ("recall", say("Selected by the rule among those whom the clustering chooses"), "score", chosen),
        ("runner_up_f1", say("F1 of the best rule on another feature"), "score", None),
        ("lead", say("F1 of the suggested rule less that of the runner-up"), "score", None),
        ("chosen", say("Customers whom this month's clustering chooses"), CUSTOMERS, None),
        ("selected", say("Customers whom this month's suggested rule selects"), CUSTOMERS, None),
        ("exceptions", say("Customers on whom the two differ"), CUSTOMERS, None),
    )
    for column, words, unit, over in told:
        found_by = CARD if unit == "score" else None
        rows = one_row("programme_rule", outline.month)
        yield Fact(f"rule.{column}", words, unit, "programme_rule", column, rows, over, found_by)


def _standing(outline: Outline) -> Iterator[Fact]:
    for key, words, where in (
        ("in_grace", say("Insiders in grace: the rule does not hold for them at present"), f"m.status = '{GRACE}'"),
        (
            "short",
            say("Of them, so far below that they leave if it stays so"),
            "m.status = 'grace' AND m.months_short > 0",
        ),
        (
            "confirmed",
            say("Provisional members who became members, as the programme began"),
            f"m.status_before = '{PROVISIONAL}' AND m.event = 'enter'",
        ),
        ("entered", say("Customers who came in this month"), ENTERED),
        ("returned", say("Customers for whom the rule holds again"), "m.event = 'return'"),
        ("to_grace", say("Insiders for whom the rule stopped holding this month"), "m.event = 'grace'"),
        ("went", say("Customers who went out this month"), WENT),
        ("by_hand", say("Of all these changes, made by a person's word"), "m.event = 'override'"),
    ):
        rows = over_membership(outline.month, where)
        yield Fact(f"programme.{key}", words, CUSTOMERS, MEMBERSHIP, "count(*)", rows)


def doors(outline: Outline) -> dict[str, str]:
    """SQL over customer_features (f) and insiders_membership (m): who is near to leaving, and who to entering."""
    near = {LEAVING: f"m.status = '{GRACE}'"}
    if outline.rule:
        near[ENTERING] = f"{near_to_enter(outline.rule, outline.leave_share)} AND {NOT_EXCLUDED}"
    return near


def _near(outline: Outline) -> Iterator[Fact]:
    """How many are near the door, and of those that are shown what they have and lack of each condition."""
    said = {LEAVING: say("Insiders close to leaving"), ENTERING: say("Customers close to entering")}
    for side, where in doors(outline).items():
        rows = over_features(outline.month, where)
        yield Fact(f"{side}.customers", said[side], CUSTOMERS, MEMBERSHIP, "count(*)", rows)
        yield Fact(
            f"{side}.gross_revenue",
            say("{group}: their gross revenue in the window", group=said[side]),
            CURRENCY,
            MEMBERSHIP,
            "coalesce(sum(f.gross_revenue), 0)",
            rows,
        )
    for side, customers in ((LEAVING, outline.leaving), (ENTERING, outline.entering)):
        for place, customer in enumerate(customers, start=1):
            yield from _customer(outline, f"{side}.{place:02d}", customer)


def _customer(outline: Outline, key: str, customer: str) -> Iterator[Fact]:
    rows = over_features(outline.month, f"f.customer_id = {text(customer)}")

    def fact(name: str, words: Message, unit: str, value: str) -> Fact:
        said = say("Customer {customer}: {what}", customer=customer, what=words)
        return Fact(f"{key}.{name}", said, unit, MEMBERSHIP, value, rows)

    yield fact("gross_revenue", say("gross revenue in the window"), CURRENCY, "f.gross_revenue")
    yield fact("months_short", say("months short"), COUNT, "m.months_short")
    for one in outline.rule.conditions if outline.rule else ():
        unit = CURRENCY if one.feature in MONEY_FEATURES else COUNT
        feature = WORDS[one.feature].words
        yield fact(one.feature, feature, unit, f"f.{one.feature}")
        gap = (
            f"{one.threshold!r} - f.{one.feature}"
            if one.direction == AT_LEAST
            else f"f.{one.feature} - {one.threshold!r}"
        )
        lacks = say("what is missing in {feature}", feature=feature)
        yield fact(f"{one.feature}_missing", lacks, unit, f"greatest({gap}, 0)")


def _policies(outline: Outline) -> Iterator[Fact]:
    for policy in outline.policies:
        rows = one_row("membership_policies", outline.month, f"policy = {text(policy)}")
        for column, words, unit, over in (
            ("months", say("Months compared for the policy {policy}"), COUNT, None),
            (
                "months_to_leave",
                say("Months in a row short of the rule to go out, by the policy {policy}"),
                COUNT,
                None,
            ),
            (
                "leave_share",
                say("Share of the rule below which a member is short, by the policy {policy}"),
                SHARE,
                say("what the rule asks for"),
            ),
            ("members", say("Insiders by the policy {policy}"), CUSTOMERS, None),
            ("churn", say("Coming and going a month by the policy {policy}"), SHARE, INSIDERS),
            ("worst_churn", say("The same in the worst month by the policy {policy}"), SHARE, INSIDERS),
            ("returners", say("Left and back within a year by the policy {policy}"), SHARE, INSIDERS),
            (
                "growth",
                say("Group beyond the rule by the policy {policy}"),
                SHARE,
                say("those for whom the rule holds"),
            ),
            (
                "revenue_share",
                say("Share of revenue by the policy {policy}"),
                SHARE,
                say("of the clusterable customers' sales"),
            ),
        ):
            said = say(words.template, policy=NAMES[policy])
            key = f"{policy_key(policy)}.{column}"
            yield Fact(key, said, unit, "membership_policies", column, rows, over, POLICY)


def policy_key(policy: str) -> str:
    """Where the facts on a policy stand."""
    return f"policy.{policy.replace(' ', '_').replace(',', '')}"
