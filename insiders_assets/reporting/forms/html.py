"""A document as one HTML page without any link to the network; its pictures stand in it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from insiders_assets.reporting.document import CODE, FIGURE, QUOTED, STRONG, Document, Span, Teller
from insiders_assets.reporting.files import kind_of


def as_html(document: Document, teller: Teller, pictures: Mapping[str, bytes]) -> str:
    """The page. `pictures`: SVG or PNG by name."""
    return (
        templates()
        .get_template("document.html")
        .render(
            document=document,
            told=lambda part: _marked_up(teller.spans(part)),
            plain=teller.plain,
            language=teller.language.code,
            picture=_address_of(pictures),
        )
    )


def _marked_up(spans: Iterable[Span]) -> Markup:
    """Spans as elements; a figure with its fact and its value. In Python, since a report has ten thousand of them."""
    return Markup("").join(_element(span) for span in spans)


def _element(span: Span) -> Markup:
    if span.kind == FIGURE and span.value is not None:
        return Markup('<data value="{}" data-fact="{}">{}</data>').format(span.value, span.key, span.text)
    element = {CODE: "code", STRONG: "b", QUOTED: "bdi"}.get(span.kind)
    return Markup(f"<{element}>{{}}</{element}>").format(span.text) if element else escape(span.text)


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
