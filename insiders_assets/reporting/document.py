"""What a document is made of, before it is HTML, Markdown or PDF, and before it is in a language.

Belongs here: the pieces of a document and how what stands in them is told. Does not belong here: which pieces a report
has (:mod:`.content`) or how a form writes them (:mod:`.forms`).

A number stands in a document only as a :class:`Figure`, which names a fact: so no document says a number that the fact
table does not have, and the same one in every form and language.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any

from insiders_assets.domain.messages import Message, Numeral
from insiders_assets.reporting.language import ENGLISH, PORTUGUESE, Language

TEXT, FIGURE, CODE, STRONG, QUOTED = "text", "figure", "code", "strong", "quoted"


@dataclass(frozen=True)
class Figure:
    """The value of a fact; `bare`: money without its currency, which the head of the table has; `missing`: what is
    said instead of a value that is not there."""

    key: str
    bare: bool = False
    missing: Message | str | None = None


@dataclass(frozen=True)
class Amount:
    """A number that is no fact of the month: how an earlier version of it stood, or how many are listed."""

    value: float | None
    unit: str
    signed: bool = False


@dataclass(frozen=True)
class Code:
    """A query, a rule, a command: the same in every language."""

    text: str


@dataclass(frozen=True)
class Strong:
    """What stands out."""

    part: Part


@dataclass(frozen=True)
class Capital:
    """A message or the like that begins a line, and so with a capital letter."""

    part: Part


@dataclass(frozen=True)
class Quoted:
    """A text as a table keeps it, in each language; what it says is not the document's."""

    english: str
    portuguese: str

    @classmethod
    def same(cls, text: str) -> Quoted:
        """A text that is the same in every language, such as a customer's id."""
        return cls(text, text)

    @classmethod
    def kept(cls, row: Mapping[str, Any], column: str) -> Quoted:
        """A text from a row that keeps it in both languages (`<column>_en`, `<column>_pt`)."""
        return cls(row[f"{column}_en"], row[f"{column}_pt"])

    @classmethod
    def of(cls, message: Message) -> Quoted:
        """What a table keeps of a message."""
        return cls(str(message), Language(PORTUGUESE).tell(message))


Part = Message | Figure | Amount | Code | Strong | Capital | Quoted | dt.date | str


@dataclass(frozen=True)
class Heading:
    """The title of a section (level 2) or of a part of it (3), and softly beside it what to know of it."""

    level: int
    words: Part
    beside: Part | None = None


@dataclass(frozen=True)
class Paragraph:
    """Sentences, one after the other."""

    parts: Sequence[Part]
    soft: bool = False


@dataclass(frozen=True)
class Tile:
    """A number in large, and what it is."""

    figure: Part
    words: Part


@dataclass(frozen=True)
class Tiles:
    """Tiles side by side."""

    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its parts stand under each other; shade: 0 (none) to 5, of a heat map."""

    parts: Sequence[Part]
    shade: int = 0
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a head. name: how it is called for who cannot see it. text: how wide its first columns, those of
    words, are on paper, one of numbers being 1."""

    name: Part
    head: Sequence[Part]
    rows: Sequence[Sequence[Cell]]
    text: Sequence[float] = (2.4,)
    dense: bool = False

    @property
    def text_columns(self) -> int:
        """How many columns are words; those after them are numbers."""
        return len(self.text)


@dataclass(frozen=True)
class Picture:
    """A picture by its name; what is to be seen, under it, and for who cannot see it what it shows."""

    name: str
    caption: Part
    shows: Part


@dataclass(frozen=True)
class Appendix:
    """What only a page that can be folded shows, under a summary."""

    summary: Part
    blocks: Sequence[Block]


Block = Heading | Paragraph | Tiles | Table | Picture | Appendix


@dataclass(frozen=True)
class Document:
    """A document: its title, a line under it, and its pieces."""

    title: Part
    lead: Part
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Span:
    """A piece of told text: TEXT, CODE, STRONG, QUOTED, or FIGURE, then with the key of its fact and its value."""

    kind: str
    text: str
    key: str = ""
    value: float | None = None


class Teller:
    """Tells the parts of a document in a language, with the figures of a month.

    facts: rows of REPORT_FACTS by key. currency: ISO code of the shop's currency.
    """

    def __init__(self, language: Language, facts: Mapping[str, Mapping[str, Any]], currency: str) -> None:
        self.language, self.facts, self.currency = language, facts, currency

    def spans(self, part: Part) -> Iterator[Span]:
        """A part as spans in the language."""
        if isinstance(part, Message):
            yield from self._message(part)
        elif isinstance(part, Figure):
            yield from self._figure(part)
        elif isinstance(part, Amount):
            sign = "+" if part.signed and (part.value or 0) > 0 else ""
            yield Span(QUOTED, sign + self.language.written(part.value, part.unit, self.currency))
        elif isinstance(part, Strong):
            yield from (
                replace(span, kind=STRONG) if span.kind in (TEXT, QUOTED) else span for span in self.spans(part.part)
            )
        elif isinstance(part, Capital):
            first, *others = self.spans(part.part)
            yield replace(first, text=first.text[:1].upper() + first.text[1:])
            yield from others
        elif isinstance(part, Code):
            yield Span(CODE, part.text)
        elif isinstance(part, Quoted):
            yield Span(QUOTED, part.english if self.language.code == ENGLISH else part.portuguese)
        elif isinstance(part, dt.date):
            yield Span(QUOTED, self.language.month(part))
        elif isinstance(part, Numeral):
            yield Span(QUOTED, self.language.numeral(part))
        else:
            yield Span(TEXT, part)

    def plain(self, part: Part) -> str:
        """A part as text without any form."""
        return "".join(span.text for span in self.spans(part))

    def _message(self, message: Message) -> Iterator[Span]:
        for text, name, _, _ in Formatter().parse(self.language.template(message)):
            if text:
                yield Span(TEXT, text)
            if name is not None:
                yield from self.spans(message.parts[name])

    def _figure(self, figure: Figure) -> Iterator[Span]:
        fact = self.facts[figure.key]
        if fact["value"] is None and figure.missing is not None:
            yield from self.spans(figure.missing)
            return
        currency = "" if figure.bare else self.currency
        text = self.language.written(fact["value"], fact["unit"], currency)
        yield Span(FIGURE, text, figure.key, fact["value"])
