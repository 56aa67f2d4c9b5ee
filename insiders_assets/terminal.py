"""Lines and tables on the terminal or in a pipe, whole: nothing is wrapped, cut off, or taken for a command.

Belongs here: writing text. Does not belong here: what is written (:mod:`.cli`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from rich.cells import cell_len
from rich.console import Console

# Lines are never wrapped or cut: a pipe reads them whole, and a terminal wraps them by itself.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> None:
    """Columns side by side; numbers to the right. Not Rich's table: that wraps cells, or cuts them off."""
    table = [*([tuple(header)] if header else []), *(tuple(row) for row in rows)]
    texts = [[plain(str(value)) for value in row] for row in table]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    for values, row in zip(table, texts, strict=True):
        cells = []
        for value, text, width in zip(values, row, widths, strict=True):
            blank = " " * (width - cell_len(text))
            cells.append(blank + text if isinstance(value, int | float | Decimal) else text + blank)
        print_line("  ".join(cells))


def print_line(text: str, console: Console = out) -> None:
    """One line without Rich's markup: a file or customer may be called [red]."""
    console.print(plain(text).rstrip(), markup=False, emoji=False)


def plain(text: str) -> str:
    """Text in which a line break or a terminal's command, as a file's name may hold it, is seen and not obeyed."""
    return "".join(sign if sign.isprintable() or sign == "\N{NO-BREAK SPACE}" else ascii(sign)[1:-1] for sign in text)
