"""Messages: what stands in a row, numbers in each language's form, a rule as people say it in both."""

from __future__ import annotations

import pytest

from insiders_assets.domain.membership_words import rule_in_words
from insiders_assets.domain.messages import AND, COMMA, SEMICOLON, Numeral, joined, say
from insiders_assets.domain.rules import parse_rule
from insiders_assets.reporting.language import PORTUGUESE, Language, in_both_languages

portuguese = Language(PORTUGUESE).tell


def test_messages_in_a_row_are_told_in_order_and_one_alone_as_it_is() -> None:
    one, two, three = say("many items"), say("few items"), say("not known")
    assert joined(COMMA, [one]) == one
    assert str(joined(COMMA, [one, two, three])) == "many items, few items, not known"
    assert portuguese(joined(AND, [one, two])) == "muitos itens e poucos itens"
    assert portuguese(joined(SEMICOLON, [two, three])) == "poucos itens; não se sabe"


def test_a_numeral_has_each_language_s_marks_and_text_keeps_its_own() -> None:
    message = say(
        "{trait} ({median} against {of_all})", trait="a.b, c", median=Numeral("1,234.5"), of_all=Numeral("2%")
    )
    assert str(message) == "a.b, c (1,234.5 against 2%)"
    assert portuguese(message) == "a.b, c (1.234,5 contra 2%)"


def test_braces_in_a_part_are_text() -> None:
    message = say("“{segment}” is new", segment="{segment} {0}")
    assert in_both_languages("text", message) == {
        "text_en": "“{segment} {0}” is new",
        "text_pt": "O segmento “{segment} {0}” é novo",
    }


@pytest.mark.parametrize(
    ("rule", "english", "told"),
    [
        ("items_purchased >= 2759", "at least 2,759 items bought", "pelo menos 2.759 itens comprados"),
        (
            "avg_ticket >= 1234.5 and recency_days <= 90",
            "at least 1,234.50 revenue per purchase and at most 90 days since the last purchase",
            "pelo menos 1.234,50 receita por compra e no máximo 90 dias desde a última compra",
        ),
        (
            "purchases >= 3 or number_returns <= 1 or returns_ratio <= 0.125",
            "at least 3 purchases or at most 1 credit notes or at most 0.125 returns per revenue",
            "pelo menos 3 compras ou no máximo 1 notas de crédito ou no máximo 0,125 devoluções por receita",
        ),
    ],
)
def test_a_rule_is_told_in_both_languages(rule: str, english: str, told: str) -> None:
    message = rule_in_words(parse_rule(rule))
    assert (str(message), portuguese(message)) == (english, told)
