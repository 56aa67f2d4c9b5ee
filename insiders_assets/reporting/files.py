"""What the files of a report are called: the same in the lake and in the home, so that they find each other.

Belongs here: names. Does not belong here: writing them anywhere.
"""

from __future__ import annotations

import datetime as dt

from insiders_assets.contracts.pages import PNG, SVG
from insiders_assets.reporting.language import ENGLISH

HTML, PDF, MARKDOWN = "html", "pdf", "md"
FORMATS = (HTML, PDF, MARKDOWN)
PICTURE_FORMS = (SVG, PNG)


def file_of(month: dt.date, language: str, form: str) -> str:
    """A document: 2011-12.html, 2011-12.pt-BR.pdf."""
    return f"{_stem(month, language)}.{form}"


def picture_file(month: dt.date, language: str, name: str, content: bytes) -> str:
    """A picture: 2011-12.lorenz.svg, 2011-12.pt-BR.embedding.png."""
    return f"{_stem(month, language)}.{name}.{kind_of(content)}"


def picture_of(file: str, month: dt.date) -> tuple[str, str, str]:
    """Language, name and form of a picture that :func:`picture_file` has named."""
    *language, name, form = file.removeprefix(f"{month:%Y-%m}.").split(".")
    return (language[0] if language else ENGLISH), name, form


def belongs_to_report(file: str, month: dt.date) -> bool:
    """Whether a file is one of these."""
    return file.startswith(f"{month:%Y-%m}.")


def kind_of(picture: bytes) -> str:
    """What a picture is: png or svg."""
    return PNG if picture.startswith(b"\x89PNG") else SVG


def _stem(month: dt.date, language: str) -> str:
    return f"{month:%Y-%m}" if language == ENGLISH else f"{month:%Y-%m}.{language}"
