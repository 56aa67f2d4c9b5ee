"""A document as one HTML page without any link to the network; its pictures stand in it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from insiders_assets.reporting.document import Document, Teller
from insiders_assets.reporting.files import kind_of


def as_html(document: Document, teller: Teller, pictures: Mapping[str, bytes]) -> str:
    """The page. `pictures`: SVG or PNG by name."""
    return (
        templates()
        .get_template("document.html")
        .render(document=document, spans=teller.spans, language=teller.language.code, picture=_address_of(pictures))
    )


def templates() -> Environment:
    """The templates of this room; a name that nobody gives is an error, and not an empty place."""
    environment = Environment(
        loader=PackageLoader("insiders_assets.reporting"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["a"] = lambda block, name: type(block).__name__ == name
    return environment


def _address_of(pictures: Mapping[str, bytes]) -> Callable[[str], str]:
    def address(name: str) -> str:
        kind = {"png": "png", "svg": "svg+xml"}[kind_of(pictures[name])]
        return f"data:image/{kind};base64,{base64.b64encode(pictures[name]).decode()}"

    return address
