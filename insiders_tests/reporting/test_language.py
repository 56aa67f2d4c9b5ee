"""Languages: how numbers and amounts are written, and that the catalogue has every message whole."""

from __future__ import annotations

import math
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from babel.numbers import parse_decimal
from hypothesis import given
from hypothesis import strategies as st

import insiders_assets
from insiders_assets.domain.messages import say
from insiders_assets.reporting.language import ENGLISH, LANGUAGES, PORTUGUESE, Language

PACKAGE = Path(insiders_assets.__file__).parent
CATALOGUE = PACKAGE / "reporting" / "locale" / "pt_BR" / "LC_MESSAGES" / "insiders.po"


def translations() -> dict[str, str]:
    with CATALOGUE.open("rb") as file:
        return {message.id: message.string for message in read_po(file, locale="pt_BR") if message.id}


def messages() -> set[str]:
    found = extract_from_dir(PACKAGE, [("**.py", "python")], {}, {"say": None})
    return {message for _, _, message, _, _ in found}


def places(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_every_message_is_translated_and_nothing_else_is() -> None:
    assert messages() == set(translations())
    assert len(messages()) > 300


def test_every_translation_has_the_places_of_its_message() -> None:
    wrong = {message: told for message, told in translations().items() if not told or places(message) != places(told)}
    assert wrong == {}


@pytest.mark.parametrize(
    ("value", "unit", "english", "portuguese"),
    [
        (4_360_677.12, "currency", "£4,360,677.12", "£\xa04.360.677,12"),
        (-0.001, "currency", "£0.00", "£\xa00,00"),
        (0.0981, "share", "9.81%", "9,81%"),
        (0.8, "share", "80%", "80%"),
        (1.52e-39, "p", "1.52e-39", "1,52e-39"),
        (6.03e-4, "p", "6.03e-04", "6,03e-04"),
        (0.04, "p", "0.0400", "0,0400"),
        (9_055.003, "items", "9,055.00", "9.055,00"),
        (4_428.0, "items", "4,428", "4.428"),
        (-0.1895, "effect", "-0.1895", "-0,1895"),
        (0.869, "score", "0.869", "0,869"),
        (None, "items", "not known", "não se sabe"),
    ],
)
def test_a_value_is_written_as_each_language_expects_it(
    value: float | None, unit: str, english: str, portuguese: str
) -> None:
    assert [Language(code).written(value, unit, "GBP") for code in LANGUAGES] == [english, portuguese]


@given(st.floats(-1e12, 1e12), st.sampled_from([0, 1, 2, 4]), st.sampled_from(LANGUAGES))
def test_a_number_reads_back_as_it_was_rounded(value: float, decimals: int, code: str) -> None:
    text = Language(code).number(value, decimals)
    back = float(parse_decimal(text, locale=code.replace("-", "_"), strict=True))
    assert math.isclose(back, value, abs_tol=0.5001 * 10**-decimals, rel_tol=1e-12)
    assert text != f"-{0:.{decimals}f}"


def test_a_message_is_told_with_its_parts_in_the_language() -> None:
    message = say("Customers, {group}", group=say("segment {number}", number="3"))
    assert str(message) == Language(ENGLISH).tell(message) == "Customers, segment 3"
    assert Language(PORTUGUESE).tell(message) == "Clientes, segmento 3"


def test_a_message_that_nobody_translated_is_told_in_english() -> None:
    told = Language(PORTUGUESE).tell(say("nobody has translated {this}", this="5"))
    assert told == "nobody has translated 5"
