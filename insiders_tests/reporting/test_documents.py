"""The documents: they tell the facts they are given, the same in every form and language, and obey nobody's text."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pypdf
import pytest

from insiders_assets.domain.facts import Outline
from insiders_assets.domain.restatement import ChangedFact, Restatement
from insiders_assets.reporting.content import Matter, report
from insiders_assets.reporting.document import (
    CODE,
    FIGURE,
    TEXT,
    Appendix,
    Block,
    Document,
    Heading,
    Paragraph,
    Part,
    Picture,
    Span,
    Table,
    Teller,
    Tiles,
)
from insiders_assets.reporting.forms.html import as_html
from insiders_assets.reporting.forms.markdown import as_markdown
from insiders_assets.reporting.forms.pdf import as_pdf
from insiders_assets.reporting.language import ENGLISH, LANGUAGES, PORTUGUESE, Language
from insiders_tests.reporting.months import FULL, MONTH, matter
from insiders_tests.reporting.reading import NUMBER, Read, pdf_text, plain, says

HOSTILE = '<script>alert(1)</script> | *b* `c` [x](javascript:1) \\ #strong[x] $y$ "q" 😀 אבג العربية ' + 300 * "w"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40"><rect width="90" height="40"/></svg>'


def teller(month: Matter, language: str) -> Teller:
    return Teller(Language(language), month.rows, month.currency)


def parts_of(blocks: list[Block] | tuple[Block, ...]) -> Iterator[Part]:
    """Every part of the pieces, in the order in which a reader meets them; what is folded away left out."""
    for block in blocks:
        if isinstance(block, Heading):
            yield from filter(None, (block.words, block.beside))
        elif isinstance(block, Paragraph):
            yield from block.parts
        elif isinstance(block, Tiles):
            yield from (part for tile in block.tiles for part in (tile.figure, tile.words))
        elif isinstance(block, Table):
            yield from block.head
            yield from (part for row in block.rows for cell in row for part in cell.parts)
        elif isinstance(block, Picture):
            yield block.caption


def spans_of(document: Document, told: Teller) -> list[Span]:
    parts = [document.title, document.lead, *parts_of(list(document.blocks))]
    return [span for part in parts for span in told.spans(part)]


# -- the numbers


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_numbers_of_the_page_read_back_are_the_facts(language: str) -> None:
    month = matter()
    figures = Read(as_html(report(month), teller(month, language), {})).figures
    assert len(figures) > 300
    for key, value, text in figures:
        fact = month.rows[key]
        assert float(value) == fact["value"]
        assert says(text, language, fact["value"], fact["unit"]), key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", ["md", "pdf"])
def test_the_numbers_of_the_other_forms_read_back_are_the_same_facts(language: str, form: str) -> None:
    month = matter()
    document, told = report(month), teller(month, language)
    figures = [span for span in spans_of(document, told) if span.kind == FIGURE and span.value is not None]
    text = as_markdown(document, told, str) if form == "md" else pdf_text(as_pdf(document, told, {}))
    place, rest = 0, plain(text)
    for figure in figures:
        fact = month.rows[figure.key]
        assert says(figure.text, language, fact["value"], fact["unit"]), figure
        # In the order in which they stand in the document: each is found after the one before it.
        found = rest.find(plain(figure.text), place)
        assert found >= 0, (figure, rest[place : place + 200])
        place = found + len(plain(figure.text))
    assert len(figures) > 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_number_stands_in_the_text_that_is_not_a_fact_or_quoted(language: str) -> None:
    month = matter()
    document, told = report(month), teller(month, language)
    parts = [document.title, document.lead, *parts_of(list(document.blocks))]
    sentences = ["".join(span.text for span in told.spans(part)) for part in parts]
    there = Counter(NUMBER.findall(re.sub(r"\\\\(.)", r"\\1", as_markdown(document, told, str))))
    assert there == Counter(number for sentence in sentences for number in NUMBER.findall(sentence))
    # What is not a figure: the digits of queries, names and months, and of what every report says (80 %, F1).
    others = Counter(
        number for span in spans_of(document, told) if span.kind == TEXT for number in NUMBER.findall(span.text)
    )
    assert set(others) <= {"50", "80", "95", "1", "2", "3", "0", "30"}


def test_both_languages_say_the_same_numbers() -> None:
    month = matter()
    english, portuguese = (spans_of(report(month), teller(month, code)) for code in LANGUAGES)
    keys = [[(span.key, span.value) for span in spans if span.kind == FIGURE] for spans in (english, portuguese)]
    assert Counter(keys[0]) == Counter(keys[1])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fact_stands_on_the_page_with_its_query(language: str) -> None:
    month = matter()
    read = Read(as_html(report(month), teller(month, language), {}))
    assert {key for key, _, _ in read.figures} == set(month.rows)
    assert all(fact.sql in "".join(read.pieces) for fact in month.facts)
    assert "scipy 1 seed 42" in read.text


# -- the languages


def test_no_word_of_the_portuguese_report_is_left_in_english() -> None:
    month = matter()
    told = [teller(month, code) for code in LANGUAGES]
    english, portuguese = (
        [span.text for span in spans_of(report(month), one) if span.kind not in (FIGURE, CODE)] for one in told
    )
    same = {text.strip() for text in english} & {text.strip() for text in portuguese}
    words = {word for text in same for word in re.findall(r"[^\W\d_]{3,}", text)}
    # Names, and what both languages call the same.
    assert words <= {"Insiders", "GBP", "name", "Ticket", "ticket", "UTC", "CUPED", "Holm"}


# -- what others wrote


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_text_is_shown_on_the_page_and_not_obeyed(language: str) -> None:
    month = matter(names=HOSTILE)
    read = Read(as_html(report(month), teller(month, language), {}))
    assert not read.elements & {"script", "img", "iframe", "link", "object", "a"}
    assert not [name for name, _ in read.attributes if name.startswith("on") or name in ("src", "href")]
    assert HOSTILE in "".join(read.pieces)


def test_hostile_text_is_text_in_markdown() -> None:
    month = matter(names=HOSTILE)
    text = as_markdown(report(month), teller(month, ENGLISH), str)
    assert "<script>" not in text
    assert "[x](" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    # A bar in a name would make a cell of its own.
    assert {line.count("|") - line.count("\\|") for line in rows if "script" in line} <= {4, 5, 6, 7, 8, 11}
    assert HOSTILE in re.sub(r"\\(.)", r"\1", text)


def test_hostile_text_is_text_in_pdf_and_stays_on_the_paper() -> None:
    month = matter(names=HOSTILE)
    content = as_pdf(report(month), teller(month, ENGLISH), {})
    text = plain(pdf_text(content))
    assert plain("<script>alert(1)</script>") in text
    assert "#strong[x]" in text
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    places: list[float] = []
    for page in pages:
        page.extract_text(
            visitor_text=lambda text, _cm, tm, _font, _size: places.append(tm[4]) if text.strip() else None
        )
    assert max(places) < float(pages[0].mediabox.width)


@pytest.mark.parametrize("currency", ["BRL", "JPY", "XTS"])
def test_amounts_are_written_in_the_shop_s_currency(currency: str) -> None:
    month = matter(currency=currency)
    text = Read(as_html(report(month), teller(month, PORTUGUESE), {})).text
    assert ("R$" in text) == (currency == "BRL")
    assert f"valores em {currency}" in text


# -- months that are not like the others


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_month_without_members_says_so_and_what_there_is(language: str) -> None:
    month = matter(Outline(MONTH, (MONTH,)), ALL=None, members__count=0, base__clusterable=7, base__identified_buyers=9)
    document = report(replace(month, card=None, actions=()))
    text = Read(as_html(document, teller(month, language), {})).text
    assert ("There is no group this month: 7 customers" in text) == (language == ENGLISH)
    assert ("Não há grupo neste mês: 7 clientes" in text) == (language == PORTUGUESE)
    assert ("No forecast: there are no Insiders" in text) == (language == ENGLISH)
    assert as_pdf(document, teller(month, language), {}).startswith(b"%PDF")


def test_a_first_month_has_no_history_and_says_so() -> None:
    outline = replace(FULL, months=(MONTH,), window=(MONTH,), origins=(), segments_before=(), policies=())
    month = replace(matter(outline), version="")
    text = Read(as_html(report(month), teller(month, ENGLISH), {})).text
    assert "There is no month before to compare with." in text
    assert "No month of sales follows a membership yet" in text
    assert "No rule is in force yet" in text
    assert "Sales of December 2011" in text


def test_a_month_without_a_forecast_says_so() -> None:
    month = matter(forecast__net_revenue=None)
    text = Read(as_html(report(month), teller(month, ENGLISH), {})).text
    assert "No forecast: no model has enough days of sales yet." in text
    assert "No forecast yet" in text


def test_a_single_segment_has_a_profile_without_shades_and_no_next_band() -> None:
    outline = replace(FULL, segments=(1,), segments_before=(1,), actions=())
    none = {f"same_window__{one}__u": None for one in ("gross_revenue", "avg_ticket", "recency_days")}
    month = matter(outline, **none)
    text = Read(as_html(report(month), teller(month, ENGLISH), {})).text
    assert "There is no next band to compare the Insiders with." in text
    assert "Profile of the segments, means" in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("month", [matter(), matter(ALL=None)], ids=["full", "nothing known"])
def test_no_document_shows_python_s_words_for_nothing(month: Matter, language: str) -> None:
    document, told = report(month), teller(month, language)
    text = " ".join(span.text for span in spans_of(document, told) if span.kind != CODE)
    assert not re.search(r"\b(None|nan|NaN|NaT|<NA>|inf)\b", text)


def test_a_restated_month_says_who_came_and_what_moved() -> None:
    revenue = ChangedFact("members.revenue", "Gross revenue", "currency", 100.0, None)
    moved = Restatement("2012-01-02T03:04:05+00:00", (revenue,), ("15",), tuple(str(one) for one in range(30)))
    month = replace(matter(members__revenue=75.5), moved=moved)
    text = Read(as_html(report(month), teller(month, ENGLISH), {})).text
    assert "Came in: 1 (15)." in text
    assert "Went out: 30 (0, 1, 2," in text
    assert "and 10 more" in text
    assert "£100.00" in text
    assert "--as-known-at 2012-01-02T03:04:05" in text


# -- the forms


def test_the_page_asks_nothing_of_the_network() -> None:
    month = replace(matter(), pictures=("lorenz",))
    html = as_html(report(month), teller(month, ENGLISH), {"lorenz": SVG})
    assert not re.search(r"https?://|@import|url\(", html)
    assert [value[:26] for name, value in Read(html).attributes if name == "src"] == ["data:image/svg+xml;base64,"]


def test_a_picture_stands_in_every_form_with_words_for_who_cannot_see_it() -> None:
    month = replace(matter(), pictures=("lorenz",))
    told = teller(month, PORTUGUESE)
    shown = "Uma curva da parte acumulada da receita"
    assert shown in as_html(report(month), told, {"lorenz": SVG})
    assert f"![{shown}" in as_markdown(report(month), told, lambda name: f"2011-12.{name}.svg")
    assert len(as_pdf(report(month), told, {"lorenz": SVG})) > len(as_pdf(report(matter()), told, {}))


def test_the_same_document_gives_the_same_bytes() -> None:
    month = matter()
    assert as_pdf(report(month), teller(month, ENGLISH), {}) == as_pdf(report(month), teller(month, ENGLISH), {})


def test_a_pdf_is_tagged_titled_and_says_its_language() -> None:
    month = matter()
    found = pypdf.PdfReader(io.BytesIO(as_pdf(report(month), teller(month, PORTUGUESE), {})))
    root = found.trailer["/Root"]
    assert root["/Lang"] == PORTUGUESE
    assert root["/MarkInfo"]["/Marked"]
    assert found.metadata is not None and found.metadata.title == "Insiders, dezembro de 2011"


def test_what_is_folded_on_the_page_is_not_in_the_others() -> None:
    month = matter()
    appendices = [block for block in report(month).blocks if isinstance(block, Appendix)]
    assert appendices
    assert "Every number again" not in as_markdown(report(month), teller(month, ENGLISH), str)


def test_dates_are_told_in_the_language() -> None:
    told = [Language(code).month(dt.date(2012, 3, 1)) for code in LANGUAGES]
    assert told == ["March 2012", "março de 2012"]
