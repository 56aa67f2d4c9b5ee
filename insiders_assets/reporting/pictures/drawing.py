"""What every picture shares: an empty figure, colours, and the way to PNG or SVG.

Belongs here: what makes pictures look alike and their bytes repeat. Does not belong here: what a picture shows, nor
any measure.

The same input gives the same bytes: figures are drawn without pyplot's state, and carry no date and no version.
matplotlib is imported only where something is drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH, COLOURS = 100, 256
# Of Okabe and Ito (2008), whose colours stay apart for colour-blind readers.
TOP, BLUE, YELLOW = "#d55e00", "#0072b2", "#e69f00"
INK, MUTED, GRID = "#24292e", "#8a949e", "#e3e6e9"
# Of words that shall not be the first to be read; dark enough to be read at all.
QUIET = "#5b6670"
# Inches: fits a page of A4 between its margins, and a column of 46 rem on the web.
WIDTH = 7.2
POINTS_PER_INCH = 72
# Points at that width: what is smaller cannot be read in print.
TEXT = 8.5
STYLE: dict[Any, Any] = {
    # matplotlib brings this font along, so that pictures do not depend on what a machine has.
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT,
    # A segment's name or an amount of reais may hold two dollar signs: that is no formula.
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    # Text as shapes: it looks the same wherever it is read, and no font has to be there.
    "svg.fonttype": "path",
    "svg.hashsalt": "insiders",
}
# A hundredth of a point is less than any printer's dot; matplotlib writes millionths, a third of all bytes.
NUMBERS, DECIMALS = re.compile(rb' (?:d|x|y)="[^"]*"'), re.compile(rb"-?\d+\.\d{3,}")
INDENTS = re.compile(rb"\n +<")


@contextmanager
def report_style() -> Iterator[None]:
    """The look of the report's pictures: while they are put together, and while they are written."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


def empty_figure(width: float, height: float, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """An empty figure of so many inches. A lay-out of matplotlib's costs several times the drawing; the report's
    pictures do without."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def group_colours(groups: int) -> list[str]:
    """A colour for each rank from 1: orange for the top, the others from dark to pale blue-grey-yellow (cividis)."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [TOP, *(to_hex(colormaps["cividis"](place)) for place in np.linspace(0.0, 0.9, max(groups - 1, 1)))][:groups]


def put_title(figure: Figure, words: str) -> None:
    """A title at the left, for pictures that stand without a caption."""
    figure.suptitle(words, x=0.01, horizontalalignment="left", fontsize=12)


def as_png(figure: Figure, dots_per_inch: int = DOTS_PER_INCH) -> bytes:
    """The figure as PNG with a palette."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.set_dpi(dots_per_inch)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn, written = Image.fromarray(np.asarray(canvas.buffer_rgba())), io.BytesIO()
    # A palette instead of 24 bits a pixel: a third of the bytes, and no difference to be seen.
    palette = drawn.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(written, "PNG", optimize=True)
    return written.getvalue()


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG: text as shapes, and from the element `svg` on, so that it can stand in a page as it is."""
    written = io.BytesIO()
    with report_style():
        figure.savefig(written, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawn = written.getvalue()
    return INDENTS.sub(b"\n<", NUMBERS.sub(_to_hundredths, drawn[drawn.index(b"<svg") :]))


def _to_hundredths(attribute: re.Match[bytes]) -> bytes:
    return DECIMALS.sub(lambda number: b"%g" % round(float(number[0]), 2), attribute[0])
