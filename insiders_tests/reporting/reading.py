"""Documents read back: what a browser makes of a page, the text of a PDF, and the number that a text says."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pypdf
from babel.numbers import parse_decimal

# A number as a language writes it: digits, separators, perhaps a power of ten.
NUMBER = re.compile(r"-?[0-9]+(?:[.,][0-9]+)*(?:e-?[0-9]+)?")


def written_back(text: str, language: str) -> float:
    """The number that a text says, read by the language's own rules."""
    bare = text.replace("£", "").replace("\xa0", "").strip()
    share = bare.endswith("%")
    digits, _, power = bare.removesuffix("%").partition("e")
    value = float(parse_decimal(digits, locale=language.replace("-", "_"), strict=True))
    return value * 10 ** int(power or 0) / (100 if share else 1)


def says(text: str, language: str, value: float, unit: str) -> bool:
    """Whether a text says a value, as far as it has digits."""
    decimals = {"share": 4, "effect": 4, "silhouette": 2, "score": 3, "p": 4}.get(unit, 2)
    tolerance = 0.0051 * value if unit == "p" and value < 0.001 else 0.5 * 10**-decimals
    return abs(written_back(text, language) - value) <= tolerance + 1e-9


class Read(HTMLParser):
    """What a browser makes of a page: elements, attributes, figures by their fact, visible text."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.figures: list[tuple[str, str, str]] = []
        self.pieces: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self._open.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "data":
            told = dict(attrs)
            self.figures.append((told["data-fact"] or "", told["value"] or "", ""))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.pieces.append(data)
        if "data" in self._open:
            key, value, text = self.figures[-1]
            self.figures[-1] = (key, value, text + data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())


def pdf_text(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


def plain(text: str) -> str:
    """Without what a form adds: breaks within long words, escapes, spaces and line ends."""
    return re.sub(r"\\(.)", r"\1", text).replace("\u200b", "").replace("\n", "").replace(" ", "").replace("\xa0", "")
