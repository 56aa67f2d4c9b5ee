"""The picture of customers between last month's segments and this month's.

Belongs here: where bars, bands and names stand, and how they are drawn. Does not belong here: who moved, or what a
segment is called.

The figure's unit is the point, counted from the upper left corner, so that words and bands share one geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from insiders_assets.domain.messages import say
from insiders_assets.reporting.language import Language
from insiders_assets.reporting.pictures.axes import sheet
from insiders_assets.reporting.pictures.drawing import (
    BLUE,
    INK,
    MUTED,
    POINTS_PER_INCH,
    QUIET,
    WIDTH,
    as_svg,
    empty_figure,
    report_style,
)
from insiders_assets.reporting.pictures.labels import LINE, fitted, height_of, plain, spread, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

LOWEST, HIGHEST = 3.2 * POINTS_PER_INCH, 4.5 * POINTS_PER_INCH
# Points: above the bars their months, below what the colours mean; between a bar and its count, a count and a name.
HEAD, FOOT, EDGE = 22.0, 24.0, 4.0
BAR, BETWEEN_BARS, LEADER, SPACE, BETWEEN_LABELS = 9.0, 5.0, 16.0, 7.0, 3.0
SWATCH, THINNEST = 16.0, 0.75
FULL = WIDTH * POINTS_PER_INCH
LONGEST_NAME, MOST_LINES = 132.0, 3
STAYED, MOVED = "#cfd6dc", BLUE
# Bands below this height in points are many and say little each: they are drawn faintly, without edges.
SLIGHT = 1.0


@dataclass(frozen=True)
class Ribbon:
    """Customers from a row to a column; its upper edges in customers from the top, on either side."""

    row: int
    column: int
    customers: int
    before: float
    now: float


def ribbons(counts: np.ndarray, between: float = 0.0) -> list[Ribbon]:
    """A band for each flow, row by row; on either side bands lie in the order of where they lead, without overlap.

    counts: (b, n) customers. between: free space after each bar that has customers, in customers.
    """
    before = _starts(counts.sum(axis=1), between)[:, None] + np.cumsum(counts, axis=1) - counts
    now = _starts(counts.sum(axis=0), between)[None, :] + np.cumsum(counts, axis=0) - counts
    return [
        Ribbon(int(row), int(column), int(counts[row, column]), float(before[row, column]), float(now[row, column]))
        for row, column in np.argwhere(counts > 0)
    ]


def _starts(customers: np.ndarray, between: float) -> np.ndarray:
    """Upper edges of bars; one without customers takes no place."""
    taken = customers + between * (customers > 0)
    return np.cumsum(taken) - taken


def alluvial(
    counts: np.ndarray,
    before: Sequence[str],
    now: Sequence[str],
    language: Language,
    heads: tuple[str, str] | None = None,
) -> bytes | None:
    """An earlier month's segments at the left, this month's at the right, and customers between them as bands.

    Parameters
    ----------
    counts: (b, n) customers. before, now: names of rows and of columns in the report's language, of any length and of
    any characters; who is in a row and a column of one name has stayed. heads: what stands above
    both sides; last month and this one where left out.

    Grey bands stayed, blue ones moved; those too thin to be followed are faint. Segments without customers are left
    out. None where there are no customers at all.
    """
    figure = alluvial_figure(counts, before, now, language, heads)
    return None if figure is None else as_svg(figure)


@report_style()
def alluvial_figure(
    counts: np.ndarray,
    before: Sequence[str],
    now: Sequence[str],
    language: Language,
    heads: tuple[str, str] | None = None,
) -> Figure | None:
    """The picture of :func:`alluvial`, not yet written."""
    counts = np.asarray(counts)
    total = int(counts.sum())
    if not total:
        return None
    left, right = _Side.of(counts.sum(axis=1), before, language), _Side.of(counts.sum(axis=0), now, language)
    height = max(LOWEST, *(HEAD + FOOT + height_of(side.labels, BETWEEN_LABELS) for side in (left, right)))
    figure = empty_figure(WIDTH, height / POINTS_PER_INCH, layout=None)
    axes = sheet(figure)
    # All bars, and the space between the bars of the side that has more of them, fill the room.
    spaces = BETWEEN_BARS * (max(len(left.labels), len(right.labels)) - 1)
    scale = (height - HEAD - FOOT - spaces) / total
    first, second = heads or (language.tell(say("last month")), language.tell(say("this month")))
    inner = [left.put(axes, -1, height, scale, first), right.put(axes, 1, height, scale, second)]
    stayed = _bands(axes, ribbons(counts, BETWEEN_BARS / scale), (before, now), inner, scale)
    _key(
        axes,
        height,
        [
            (STAYED, language.tell(say("stayed: {customers}", customers=language.number(stayed)))),
            (MOVED, language.tell(say("moved, came or went: {customers}", customers=language.number(total - stayed)))),
        ],
    )
    return figure


@dataclass(frozen=True)
class _Side:
    """Bars of one side: customers of those that have any, and what is written beside them."""

    customers: np.ndarray
    numbers: list[str]
    labels: list[list[str]]

    @staticmethod
    def of(customers: np.ndarray, names: Sequence[str], language: Language) -> _Side:
        shown = np.flatnonzero(customers)
        numbers = [language.number(int(count)) for count in customers[shown]]
        told = [plain(names[int(one)]) for one in shown]
        return _Side(
            customers[shown],
            numbers,
            fitted(told, LONGEST_NAME, MOST_LINES, HIGHEST - HEAD - FOOT, BETWEEN_LABELS),
        )

    def put(self, axes: Axes, outwards: int, height: float, scale: float, head: str) -> float:
        """Draw bars, counts and names from the edge of the figure inwards, above them their month; where bands begin,
        from the left.

        outwards: -1 for the left side, 1 for the right one.
        """
        name_width = max(text_width(line) for label in self.labels for line in label or [""])
        number_width = max(map(text_width, self.numbers))
        inner = EDGE + max(name_width + SPACE + number_width + LEADER + BAR, text_width(head))
        inner = inner if outwards < 0 else FULL - inner
        side = "right" if outwards < 0 else "left"
        axes.text(inner, HEAD - 8, head, ha=side, va="bottom", color=QUIET)
        tops = HEAD + scale * _starts(self.customers, BETWEEN_BARS / scale)
        heights = scale * self.customers
        ends = tops + np.maximum(heights, THINNEST)
        axes.vlines(np.full(len(tops), inner + outwards * BAR / 2), tops, ends, color=INK, linewidth=BAR)
        room = [LINE * max(1, len(label)) + BETWEEN_LABELS for label in self.labels]
        middles = spread(tops + heights / 2, room, HEAD, height - FOOT)
        bar, number = inner + outwards * (BAR + 1), inner + outwards * (BAR + LEADER)
        axes.plot([bar, number - outwards * 3], [tops + heights / 2, middles], color=MUTED, linewidth=0.6)
        # Numbers end at one line on either side; names begin, or end, behind the widest of them.
        for middle, label, written in zip(middles, self.labels, self.numbers, strict=True):
            axes.text(number + max(0, outwards) * number_width, middle, written, ha="right", va="center")
            axes.text(
                number + outwards * (number_width + SPACE),
                middle,
                "\n".join(label),
                ha=side,
                va="center",
            )
        return inner


def _bands(
    axes: Axes, bands: list[Ribbon], names: tuple[Sequence[str], Sequence[str]], inner: Sequence[float], scale: float
) -> int:
    """Draw the bands, those who moved over those who stayed, narrow over wide; how many customers stayed."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    def paths(drawn: list[Ribbon]) -> list[Path]:
        return [_path(band, inner, scale) for band in drawn]

    stayed = [band for band in bands if names[0][band.row] == names[1][band.column]]
    moved = sorted((band for band in bands if band not in stayed), key=lambda band: -band.customers)
    slight = [band for band in moved if scale * band.customers < SLIGHT]
    strong = moved[: len(moved) - len(slight)]
    # There may be nearly two hundred slight ones: one shape of all takes a third of the bytes.
    together = [Path.make_compound_path(*paths(slight))] if slight else []
    for shapes, colour, alpha, edge in (
        (paths(stayed), STAYED, 1.0, 0.4),
        (together, MOVED, 0.25, 0.0),
        (paths(strong), MOVED, 0.75, 0.4),
    ):
        axes.add_collection(
            PathCollection(shapes, facecolors=colour, edgecolors="white", linewidths=edge, alpha=alpha), autolim=False
        )
    return sum(band.customers for band in stayed)


def _path(band: Ribbon, inner: Sequence[float], scale: float) -> Path:
    from matplotlib.path import Path

    (x, end), (left, right) = inner, (HEAD + scale * band.before, HEAD + scale * band.now)
    middle, high = (x + end) / 2, scale * band.customers
    upper = [(x, left), (middle, left), (middle, right), (end, right)]
    lower = [(end, right + high), (middle, right + high), (middle, left + high), (x, left + high)]
    curve = [Path.CURVE4] * 3
    return Path([*upper, *lower, (x, left)], [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY])


def _key(axes: Axes, height: float, entries: Sequence[tuple[str, str]]) -> None:
    """What the colours mean, in the middle under the bands."""
    wide = [SWATCH + SPACE + text_width(words) for _, words in entries]
    x, y = (FULL - sum(wide) - 2 * SPACE * (len(wide) - 1)) / 2, height - FOOT / 2 + 2
    for (colour, words), width in zip(entries, wide, strict=True):
        axes.hlines(y, x, x + SWATCH, color=colour, linewidth=SWATCH / 2)
        axes.text(x + SWATCH + SPACE, y, words, va="center")
        x += width + 2 * SPACE
