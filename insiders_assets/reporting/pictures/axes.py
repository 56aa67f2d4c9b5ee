"""Axes of the report's pictures: their place in the figure, ticks in the report's language, words above them.

Belongs here: what several pictures of the report do with their axes. Does not belong here: what is drawn inside.

Margins are reckoned from the widths of labels: a lay-out of matplotlib's would draw the picture twice to find them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence, Sized
from typing import TYPE_CHECKING

from insiders_assets.reporting.language import Language
from insiders_assets.reporting.pictures.drawing import POINTS_PER_INCH
from insiders_assets.reporting.pictures.labels import text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Points free at the edges of a figure: half a month's label at the right, labels of ticks or a line of words elsewhere.
RIGHT, BELOW, ABOVE = 26.0, 24.0, 24.0
# Points between the label of a tick and the figure's edge and the axis: the tick, its distance, and a hair.
TICK = 10.0
MOST_MONTHS_WITH_MARKS, MOST_MONTH_LABELS = 24, 7
# A single month's bar would fill the picture.
FEWEST_MONTHS_WIDE = 6.4
# Months between two labels: what divides a year keeps them in the same months of every year.
EVERY = (1, 2, 3, 6, 12, 24, 60)


def place(axes: Axes, left: float, right: float, below: float, above: float) -> None:
    """Axes that leave so many points free at each edge of the figure."""
    width, height = size_in_points(axes)
    axes.set_position((left / width, below / height, (width - left - right) / width, (height - below - above) / height))


def sheet(figure: Figure) -> Axes:
    """The whole figure as invisible axes in points, counted from its upper left corner."""
    axes = figure.add_axes((0, 0, 1, 1))
    width, height = size_in_points(axes)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def size_in_points(axes: Axes) -> tuple[float, float]:
    """Width and height of the figure that axes are part of."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return POINTS_PER_INCH * figure.get_figwidth(), POINTS_PER_INCH * figure.get_figheight()


def tick_room(axes: Axes) -> float:
    """Points that the labels of the upright axis take at the left of the axes."""
    low, high = axes.get_ylim()
    places = [place for place in axes.yaxis.get_majorticklocs() if low <= place <= high]
    labels = axes.yaxis.get_major_formatter().format_ticks(places)
    return TICK + max((text_width(label) for label in labels), default=0.0)


def number_ticks(axis: Axis, written: Callable[[float], str], most: int, whole: bool = False) -> None:
    """At most so many ticks and one at round values, labelled as `written` says."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10], integer=whole))
    axis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))


def number_of(month: dt.date) -> int:
    """Months as whole numbers without gaps, December before January."""
    return 12 * month.year + month.month - 1


def mark_of(months: Sized) -> str | None:
    """The mark of each month on a line; none where they would be a line themselves."""
    return "o" if len(months) <= MOST_MONTHS_WITH_MARKS else None


def months_below(axes: Axes, months: Sequence[int], language: Language) -> None:
    """Labels of as many months as have room, counted back from the last."""
    first, last = min(months), max(months)
    wide = last - first + 1
    every = next((step for step in EVERY if wide <= step * MOST_MONTH_LABELS), wide)
    shown = sorted(range(last, first - 1, -every))
    labels = [language.short_month(dt.date(month // 12, month % 12 + 1, 1)) for month in shown]
    axes.set_xticks(shown, labels)
    edge = max(0.7, (FEWEST_MONTHS_WIDE - wide) / 2)
    axes.set_xlim(first - edge, last + edge)


def words_above(axes: Axes, words: str) -> None:
    """What the upright axis measures, where it can be read without turning the head."""
    axes.annotate(words, (0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points", ha="left")


def key_above(axes: Axes) -> None:
    """What is drawn and how, in a row above the axes."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=4,
        frameon=False,
        borderaxespad=0.0,
        borderpad=0.3,
        handlelength=1.8,
        columnspacing=1.6,
    )
