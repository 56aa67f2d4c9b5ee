"""A document as Markdown (with the tables of GitHub's); its pictures are files beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from insiders_assets.reporting.document import (
    CODE,
    STRONG,
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

# What Markdown, or the HTML that it lets through, would take for its own.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def as_markdown(document: Document, teller: Teller, address: Callable[[str], str]) -> str:
    """The text. `address`: where the picture of a name stands, relative to the text."""
    writer = _Writer(teller, address)
    pieces = [f"# {writer.told(document.title)}", writer.told(document.lead), *writer.blocks(document.blocks)]
    return "\n\n".join(pieces) + "\n"


class _Writer:
    def __init__(self, teller: Teller, address: Callable[[str], str]) -> None:
        self.teller, self.address = teller, address

    def blocks(self, blocks: Sequence[Block]) -> Iterator[str]:
        for block in blocks:
            # What is folded on a page is too long for a text that is read from top to bottom.
            if not isinstance(block, Appendix):
                yield self._block(block)

    def _block(self, block: Block) -> str:
        if isinstance(block, Heading):
            beside = f" ({self.told(block.beside)})" if block.beside else ""
            return f"{'#' * block.level} {self.told(block.words)}{beside}"
        if isinstance(block, Paragraph):
            return " ".join(self.told(part) for part in block.parts)
        if isinstance(block, Tiles):
            return "\n".join(f"- **{self.told(one.figure)}** {self.told(one.words)}" for one in block.tiles)
        if isinstance(block, Table):
            return self._table(block)
        assert isinstance(block, Picture)
        return f"![{self.told(block.shows)}]({self.address(block.name)})\n\n*{self.told(block.caption)}*"

    def _table(self, table: Table) -> str:
        sides = ["---" if place < table.text_columns else "---:" for place in range(len(table.head))]
        rows = [
            [self.told(part) for part in table.head],
            sides,
            *([self._cell(cell) for cell in row] for row in table.rows),
        ]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _cell(self, cell: Cell) -> str:
        told = "<br>".join(filter(None, (self.told(part) for part in cell.parts)))
        return f"**{told}**" if cell.strong and told else told

    def told(self, part: Part) -> str:
        """A part, with what is special to Markdown escaped; code in as many backticks as it takes."""
        return "".join(
            _code(span.text)
            if span.kind == CODE
            else f"**{_plain(span.text)}**"
            if span.kind == STRONG
            else _plain(span.text)
            for span in self.teller.spans(part)
        )


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.splitlines()) if "\n" in text else text)


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    # In a table a bar ends the cell even inside code.
    return f"{fence}{text}{fence}".replace("|", "\\|")
