"""A document as PDF, set by Typst from a file of data: nothing that others wrote is ever read as markup."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from insiders_assets.reporting.document import (
    Appendix,
    Block,
    Cell,
    Document,
    Heading,
    Paragraph,
    Part,
    Picture,
    Table,
    Teller,
    Tiles,
)

TEMPLATE = "document.typ"


def as_pdf(document: Document, teller: Teller, pictures: Mapping[str, bytes]) -> bytes:
    """The document on A4, tagged for readers who hear it. `pictures`: SVG or PNG by name.

    The same document gives the same bytes.
    """
    import typst

    with tempfile.TemporaryDirectory(prefix="insiders-pdf-") as name:
        folder = Path(name)
        for picture, content in pictures.items():
            (folder / picture).write_bytes(content)
        template = resources.files("insiders_assets.reporting") / "templates" / TEMPLATE
        (folder / TEMPLATE).write_bytes(template.read_bytes())
        (folder / "document.json").write_text(json.dumps(_Data(teller).of(document)), "utf-8")
        # The machine's own fonts would make another document on another machine.
        return typst.compile(folder / TEMPLATE, root=folder, font_paths=[_fonts()], ignore_system_fonts=True)


def _fonts() -> Path:
    """DejaVu, which matplotlib brings, and which has Arabic, Hebrew, Greek and Cyrillic letters and many signs."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


class _Data:
    """The document as plain data for the template."""

    def __init__(self, teller: Teller) -> None:
        self.teller = teller

    def of(self, document: Document) -> dict[str, Any]:
        language, _, region = self.teller.language.code.partition("-")
        return {
            "language": language,
            "region": region or None,
            "title": self._told(document.title),
            "plain_title": self.teller.plain(document.title),
            "lead": self._told(document.lead),
            "blocks": self._blocks(document.blocks),
        }

    def _blocks(self, blocks: Sequence[Block]) -> list[dict[str, Any]]:
        return [self._block(block) for block in blocks if not isinstance(block, Appendix)]

    def _block(self, block: Block) -> dict[str, Any]:
        if isinstance(block, Heading):
            beside = self._told(block.beside) if block.beside else []
            return {"is": "heading", "level": block.level, "words": self._told(block.words), "beside": beside}
        if isinstance(block, Paragraph):
            return {"is": "paragraph", "parts": [self._told(part) for part in block.parts], "soft": block.soft}
        if isinstance(block, Tiles):
            tiles = [{"figure": self._told(one.figure), "words": self._told(one.words)} for one in block.tiles]
            return {"is": "tiles", "tiles": tiles}
        if isinstance(block, Table):
            return {
                "is": "table",
                "text": list(block.text),
                "dense": block.dense,
                "head": [self._told(part) for part in block.head],
                "rows": [[self._cell(cell) for cell in row] for row in block.rows],
            }
        assert isinstance(block, Picture)
        caption, shows = self._told(block.caption), self.teller.plain(block.shows)
        return {"is": "picture", "name": block.name, "caption": caption, "shows": shows}

    def _cell(self, cell: Cell) -> dict[str, Any]:
        return {"parts": [self._told(part) for part in cell.parts], "shade": cell.shade, "strong": cell.strong}

    def _told(self, part: Part) -> list[dict[str, str]]:
        return [{"kind": span.kind, "text": span.text} for span in self.teller.spans(part)]
