"""Pictures of the month's segments: where their customers lie, and how well they belong.

Belongs here: groups of customers by their ranks, in the report's language. Does not belong here: how customers move
between segments (:mod:`.flows`), any measure, or titles: the document has captions.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from insiders_assets.domain.messages import say
from insiders_assets.reporting.language import Language
from insiders_assets.reporting.pictures.axes import (
    ABOVE,
    BELOW,
    RIGHT,
    TICK,
    number_ticks,
    place,
    sheet,
    size_in_points,
)
from insiders_assets.reporting.pictures.drawing import (
    INK,
    POINTS_PER_INCH,
    QUIET,
    WIDTH,
    as_png,
    as_svg,
    empty_figure,
    group_colours,
    report_style,
)
from insiders_assets.reporting.pictures.labels import LINE, fitted, height_of, plain, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Where nobody says otherwise, a group's number is its rank.
RANKS: Mapping[int, int] = MappingProxyType({})
MOST_CUSTOMERS_DRAWN = 4_000
# For print; at 720 pixels across the numbers of groups would be hard to read.
PRINT_DOTS_PER_INCH = 150
# Points: the scatter's height, its edge, the list of names at its right, and the space after each name.
SCATTER_HEIGHT, EDGE, NAMES, BETWEEN_NAMES = 4.2 * POINTS_PER_INCH, 6.0, 150.0, 4.0
# Half the side of the square that a group's number keeps free.
NUMBER = 9.0
# A silhouette's curve of more points than the picture has rows shows nothing more.
MOST_BARS = 120
STEPS = 20
SHORTEST, TALLEST, PER_GROUP = 2.4 * POINTS_PER_INCH, 4.5 * POINTS_PER_INCH, 24.0


def embedding_scatter(
    points: np.ndarray,
    ranks: np.ndarray,
    names: Mapping[int, str],
    language: Language,
    numbers: Mapping[int, int] = RANKS,
) -> bytes | None:
    """Customers in two dimensions of the embedding as PNG, coloured by their segment, the top one in front in orange.

    Parameters
    ----------
    points: (n, 2). ranks: (n,) from 1. names: of the segments by rank, in the report's language.
    numbers: by which a reader knows the segments, by rank; the ranks themselves where left out.

    Of more than 4,000 customers as many are drawn, evenly spaced in their order; words under the picture say so.
    Customers without a place are left out. None where nobody has one.
    """
    figure = scatter_figure(points, ranks, names, language, numbers)
    return None if figure is None else as_png(figure, PRINT_DOTS_PER_INCH)


@report_style()
def scatter_figure(
    points: np.ndarray,
    ranks: np.ndarray,
    names: Mapping[int, str],
    language: Language,
    numbers: Mapping[int, int] = RANKS,
) -> Figure | None:
    """The picture of :func:`embedding_scatter`, not yet written."""
    known = np.flatnonzero(np.isfinite(points).all(axis=1))
    if not len(known):
        return None
    shown = known[np.unique(np.linspace(0, len(known) - 1, MOST_CUSTOMERS_DRAWN).round().astype(int))]
    places, groups = np.asarray(points, dtype="float64")[shown], np.asarray(ranks)[shown]
    present = np.unique(groups).tolist()
    colours = group_colours(max(present))
    labels = fitted([_name(rank, names, language) for rank in present], NAMES, 3, SCATTER_HEIGHT, BETWEEN_NAMES)
    height = max(SCATTER_HEIGHT, height_of(labels, BETWEEN_NAMES) + 2 * EDGE)
    figure = empty_figure(WIDTH, height / POINTS_PER_INCH, layout=None)
    paper, axes = sheet(figure), figure.add_subplot()
    told = [language.tell(say("Customers that lie close together buy alike. The axes have no unit."))]
    if len(shown) < len(known):
        counts = {"shown": language.number(len(shown)), "all": language.number(len(known))}
        told.append(language.tell(say("Drawn: {shown} of {all} customers.", **counts)))
    paper.text(EDGE, height - EDGE, "\n".join(told), va="bottom", color=QUIET)
    place(axes, EDGE, NAMES + 4 * EDGE + 3 * NUMBER, LINE * len(told) + 3 * EDGE, EDGE)
    _points(axes, places, groups, colours, numbers)
    top = EDGE
    for rank, label in zip(present, labels, strict=True):
        left = WIDTH * POINTS_PER_INCH - NAMES - EDGE
        paper.plot([left - 3 * NUMBER], [top + LINE / 2], "o", color=colours[rank - 1], markersize=8)
        paper.text(left - NUMBER / 2, top, str(numbers.get(rank, rank)), ha="right", va="top", weight="bold")
        paper.text(left, top, "\n".join(label), va="top")
        top += height_of([label], BETWEEN_NAMES)
    return figure


def _name(rank: int, names: Mapping[int, str], language: Language) -> str:
    return plain(names[rank]) if rank in names else language.tell(say("group {rank}", rank=str(rank)))


def _points(axes: Axes, places: np.ndarray, groups: np.ndarray, colours: list[str], numbers: Mapping[int, int]) -> None:
    """Customers, the top group last and larger; on each group its number, for whom colours do not tell it."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    (left, bottom), (right, top) = low - 0.04 * span, high + 0.04 * span
    axes.set(xticks=[], yticks=[], xlim=(left, right), ylim=(bottom, top))
    size = float(np.clip(150 / np.sqrt(len(places)), 2.5, 6.0))
    for rank in np.unique(groups)[::-1].tolist():
        larger, rim = (1.3, 0.3) if rank == 1 else (1.0, 0.0)
        axes.plot(
            *places[groups == rank].T,
            "o",
            color=colours[rank - 1],
            markersize=larger * size,
            markeredgecolor="white",
            markeredgewidth=rim,
        )
    box, (wide, tall) = axes.get_position(), size_in_points(axes)
    points_per_unit = np.array([box.width * wide / (right - left), box.height * tall / (top - bottom)])
    circle = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": INK, "linewidth": 0.5, "alpha": 0.9}
    for rank, (x, y) in free_places(places * points_per_unit, groups, 2 * NUMBER).items():
        at = np.array([x, y]) / points_per_unit
        axes.text(
            at[0], at[1], str(numbers.get(rank, rank)), ha="center", va="center_baseline", weight="bold", bbox=circle
        )


def free_places(places: np.ndarray, groups: np.ndarray, apart: float) -> dict[int, np.ndarray]:
    """A place for each group's number: of its customers the nearest to its middle that is no other number's.

    places: (n, 2), groups: (n,) numbers. apart: in the unit of the places, what two numbers keep between their middles,
    across or upwards. A group without a free place has none; its colour has to do.
    """
    found: dict[int, np.ndarray] = {}
    for group in np.unique(groups).tolist():
        own = places[groups == group]
        near = own[np.argsort(((own - np.median(own, axis=0)) ** 2).sum(axis=1), kind="stable")]
        taken = np.array([*found.values()]).reshape(-1, 2)
        free = (np.abs(near[:, None, :] - taken).max(axis=2) >= apart).all(axis=1)
        if free.any():
            found[group] = near[free.argmax()]
    return found


def silhouettes(
    values: np.ndarray, ranks: np.ndarray, language: Language, numbers: Mapping[int, int] = RANKS
) -> bytes | None:
    """Every customer's silhouette, sorted within groups, the highest group at the top.

    Parameters
    ----------
    values: (n,) from -1 to 1; NaN is left out. ranks: (n,) from 1. None unless there are two groups or more: one group
    has no silhouettes. numbers: by which a reader knows the groups, by rank.
    """
    figure = silhouettes_figure(values, ranks, language, numbers)
    return None if figure is None else as_svg(figure)


@report_style()
def silhouettes_figure(
    values: np.ndarray, ranks: np.ndarray, language: Language, numbers: Mapping[int, int] = RANKS
) -> Figure | None:
    """The picture of :func:`silhouettes`, not yet written."""
    groups = len(np.unique(ranks[np.isfinite(values)]))
    if groups < 2:
        return None
    height = float(np.clip(PER_GROUP * groups + BELOW + ABOVE, SHORTEST, TALLEST))
    figure = empty_figure(WIDTH, height / POINTS_PER_INCH, layout=None)
    axes = figure.add_subplot()
    names = draw_silhouettes(axes, values, ranks, language, height - BELOW - ABOVE - LINE, numbers)
    place(axes, max(map(text_width, names)) + TICK, RIGHT, BELOW + LINE, ABOVE)
    return figure


def draw_silhouettes(
    axes: Axes,
    values: np.ndarray,
    ranks: np.ndarray,
    language: Language,
    tall: float,
    numbers: Mapping[int, int] = RANKS,
) -> list[str]:
    """Silhouettes into axes that are so many points tall or more; the labels of the groups, at least two of them."""
    from matplotlib.collections import PolyCollection

    known = np.isfinite(values)
    values, ranks = values[known], ranks[known]
    colours, mean = group_colours(int(ranks.max())), float(values.mean())
    groups, sizes = np.unique(ranks, return_counts=True)
    rooms = rooms_of(sizes, tall)
    tops = np.cumsum(rooms) - rooms + (rooms - sizes) / 2
    names, outlines = [], []
    for group, size, top in zip(groups.tolist(), sizes.tolist(), tops.tolist(), strict=True):
        own = np.sort(values[ranks == group])[::-1]
        bars = own[((np.arange(min(size, MOST_BARS)) + 0.5) * size / min(size, MOST_BARS)).astype(int)]
        edges = np.linspace(top, top + size, len(bars) + 1)
        steps = np.column_stack([np.repeat(bars, 2), np.repeat(edges, 2)[1:-1]])
        outlines.append(np.vstack([(0, top), steps, (0, top + size)]))
        told = {"rank": str(numbers.get(group, group)), "mean": language.number(float(own.mean()), 2)}
        if size == 1:
            names.append(language.tell(say("group {rank}: one customer, {mean}", **told)))
        else:
            told["customers"] = language.number(size)
            names.append(language.tell(say("group {rank}: {customers} customers, {mean}", **told)))
    shapes = PolyCollection(
        outlines, facecolors=[colours[group - 1] for group in groups.tolist()], edgecolors="face", linewidths=0.5
    )
    axes.add_collection(shapes, autolim=False)
    # White under the dashes: the line crosses dark groups and pale ones.
    axes.axvline(mean, color="white", linewidth=1.6)
    axes.axvline(mean, color=INK, linestyle="--", linewidth=1)
    words = language.tell(say("mean of all {mean}", mean=language.number(mean, 2)))
    axes.annotate(words, (mean, 1.005), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=9)
    axes.set_yticks(tops + sizes / 2, names)
    axes.set(ylim=(rooms.sum(), 0), xlim=(min(-0.1, float(values.min())), 1))
    number_ticks(axes.xaxis, lambda value: language.number(value, 1), 8)
    axes.set_xlabel(language.tell(say("silhouette: 1 = deep inside the own group, 0 = between two groups")))
    return names


def rooms_of(sizes: np.ndarray, tall: float) -> np.ndarray:
    """Upright room for each group, in customers, when all rooms together are so many points tall.

    A group has room for its customers and a gap, and, however small, for its label: else those of small groups would
    lie on each other.
    """
    gap = max(1.0, sizes.sum() / 100)
    rooms = sizes + gap
    # The room of a label depends on what all rooms together are; a few steps settle it.
    for _ in range(STEPS):
        rooms = np.maximum(sizes + gap, LINE * rooms.sum() / tall)
    return rooms
