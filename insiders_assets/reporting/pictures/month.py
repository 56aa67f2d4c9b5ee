"""Pictures of the month's report about revenue and members: who brings how much, who came and went, what comes next.

Belongs here: curves over customers and over months, as SVG in the report's language. Does not belong here: segments
(:mod:`.segments`), any measure, or titles: the document has captions.

Of each picture there are two functions: one puts it together, the other writes it. Both return None where there is
nothing to draw.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from insiders_assets.contracts.forecast import LEVELS
from insiders_assets.domain.messages import say
from insiders_assets.reporting.language import Language
from insiders_assets.reporting.pictures.axes import (
    ABOVE,
    BELOW,
    RIGHT,
    key_above,
    mark_of,
    months_below,
    number_of,
    number_ticks,
    place,
    size_in_points,
    tick_room,
    words_above,
)
from insiders_assets.reporting.pictures.drawing import (
    BLUE,
    INK,
    MUTED,
    POINTS_PER_INCH,
    QUIET,
    TOP,
    WIDTH,
    YELLOW,
    as_svg,
    empty_figure,
    report_style,
)
from insiders_assets.reporting.pictures.labels import LINE, spread, text_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 300
# From this share of the customers on, the label no longer fits beside its mark.
CROWDED = 0.4
# A label's own ground, so that no line runs through its letters.
SHADES = {50: 0.22, 80: 0.14, 95: 0.09}
SHOWN_LEVEL = 80
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
# Of a period: lower and upper end of the intervals at `LEVELS`, in this order; None where there is none.
Ends = Sequence[tuple[float | None, float | None]]
Period = tuple[dt.date, float, Ends]


def lorenz(revenues: np.ndarray, inside: np.ndarray, language: Language) -> bytes | None:
    """Customers from the highest revenue down, and the share of revenue that they bring together; the group marked.

    Parameters
    ----------
    revenues: (n,) net revenue of customers. inside: (n,) who belongs to the group; it may be nobody.

    A customer who returned more than was bought lets the curve end in a fall from above 100 %. None where revenue does
    not add up to more than zero: there are no shares of nothing.
    """
    figure = lorenz_figure(revenues, inside, language)
    return None if figure is None else as_svg(figure)


@report_style()
def lorenz_figure(revenues: np.ndarray, inside: np.ndarray, language: Language) -> Figure | None:
    """The picture of :func:`lorenz`, not yet written."""
    revenues, inside = np.asarray(revenues, dtype="float64"), np.asarray(inside, dtype=bool)
    total = revenues.sum()
    if not total > 0:
        return None
    shares = np.concatenate([[0.0], np.cumsum(np.sort(revenues)[::-1]) / total])
    customers = np.linspace(0, 1, len(shares))
    kept = np.unique(np.linspace(0, len(shares) - 1, MOST_POINTS).round().astype(int))
    figure = empty_figure(WIDTH, 3.5, layout=None)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.plot(customers[kept], shares[kept], color=BLUE, linewidth=1.8, solid_joinstyle="round")
    axes.set(xlim=(0, 1), ylim=(0, 1.04 * max(1.0, shares.max())))
    axes.grid(axis="y")
    for axis in (axes.xaxis, axes.yaxis):
        number_ticks(axis, lambda share: language.percent(share, 0), 6)
    axes.set_xlabel(language.tell(say("customers, highest revenue first")), loc="right")
    words_above(axes, language.tell(say("cumulative share of revenue")))
    # Where returns take half of all sales away, the line lies so low that nothing fits under it.
    if shares.max() <= 2:
        alike = language.tell(say("if everyone brought the same"))
        axes.text(0.99, 0.62, alike, ha="right", va="top", color=QUIET, bbox=BEHIND)
    place(axes, tick_room(axes), RIGHT, BELOW + LINE + 3, ABOVE)
    if inside.any():
        _mark(axes, float(inside.mean()), float(revenues[inside].sum() / total), language)
    return figure


def _mark(axes: Axes, customers: float, revenue: float, language: Language) -> None:
    label = language.tell(
        say(
            "Insiders: {customers} of customers, {revenue} of revenue",
            customers=language.percent(customers, 1),
            revenue=language.percent(revenue, 1),
        )
    )
    axes.plot([customers, customers, 0], [0, revenue, revenue], color=TOP, linewidth=0.8, linestyle=":")
    axes.plot([customers], [revenue], "o", color=TOP, markersize=7, clip_on=False, zorder=4)
    if customers <= CROWDED:
        at = (customers, min(max(revenue, 0.08), 0.94 * axes.get_ylim()[1]))
        axes.annotate(label, at, (9, 0), textcoords="offset points", va="center", bbox=BEHIND)
    else:
        # Under the line of equality there is always room: at the foot of the line down from the mark.
        half = text_width(label) / 2 / (axes.get_position().width * size_in_points(axes)[0])
        axes.text(min(customers, 0.99 - half), 0.1, label, transform=axes.transAxes, ha="center", bbox=BEHIND)


def membership_over_time(
    months: Sequence[dt.date],
    members: Sequence[float],
    entered: Sequence[float],
    left: Sequence[float],
    language: Language,
) -> bytes | None:
    """Members at the end of each month, and below who entered (up) and who left (down) in it.

    Parameters
    ----------
    months: (n,) first days. members, entered, left: (n,) customers; NaN where it is not known. None without a month.
    """
    figure = membership_figure(months, members, entered, left, language)
    return None if figure is None else as_svg(figure)


@report_style()
def membership_figure(
    months: Sequence[dt.date],
    members: Sequence[float],
    entered: Sequence[float],
    left: Sequence[float],
    language: Language,
) -> Figure | None:
    """The picture of :func:`membership_over_time`, not yet written."""
    if not months:
        return None
    places = [number_of(month) for month in months]
    figure = empty_figure(WIDTH, 3.6, layout=None)
    above, below = figure.subplots(2, 1)
    above.plot(places, members, color=INK, linewidth=1.8, marker=mark_of(months), markersize=4)
    above.set_ylim(0, 1.25 * _most(members))
    if np.isfinite(members[-1]):
        above.plot(places[-1:], members[-1:], "o", color=INK, markersize=5)
        last = language.number(members[-1])
        above.annotate(last, (places[-1], members[-1]), (0, 6), textcoords="offset points", ha="center", weight="bold")
    below.bar(places, entered, color=BLUE, width=0.7, label=language.tell(say("entered in the month")))
    below.bar(places, np.negative(left), color=YELLOW, width=0.7, label=language.tell(say("left in the month")))
    below.axhline(0, color=INK, linewidth=0.8)
    below.set_ylim(-1.15 * _most(left), 1.15 * _most(entered))
    words_above(above, language.tell(say("members at the end of the month")))
    key_above(below)
    for axes in (above, below):
        # Who left is drawn downwards, and is no negative number of customers.
        number_ticks(axes.yaxis, lambda customers: language.number(abs(customers)), 4, whole=True)
        axes.grid(axis="y")
        months_below(axes, places, language)
    above.tick_params(labelbottom=False)
    room, height = max(tick_room(above), tick_room(below)), figure.get_figheight() * POINTS_PER_INCH
    place(above, room, RIGHT, height / 2 + 4, ABOVE)
    place(below, room, RIGHT, BELOW, height / 2 + ABOVE)
    return figure


def _most(counts: Sequence[float]) -> float:
    """The largest count, or one."""
    return max([1.0, *(count for count in counts if np.isfinite(count))])


def forecast_fan(
    history: Sequence[tuple[dt.date, float]], periods: Sequence[Period], currency: str, language: Language
) -> bytes | None:
    """Net revenue of past months, and of the coming ones the forecast with its intervals.

    Parameters
    ----------
    history: first day of a month and its net revenue in `currency` (ISO code). periods: first day, forecast, and both
    ends of its intervals at 50, 80 and 95 %, None where there is none. None where both are empty.
    """
    figure = forecast_figure(history, periods, currency, language)
    return None if figure is None else as_svg(figure)


@report_style()
def forecast_figure(
    history: Sequence[tuple[dt.date, float]], periods: Sequence[Period], currency: str, language: Language
) -> Figure | None:
    """The picture of :func:`forecast_fan`, not yet written."""
    told = [(month, expected, *(end for ends in intervals for end in ends)) for month, expected, intervals in periods]
    past, coming = _by_month(history, 2), _by_month(told, 2 + 2 * len(LEVELS))
    if not len(past) and not len(coming):
        return None
    figure = empty_figure(WIDTH, 3.4, layout=None)
    axes = figure.add_subplot()
    if len(past):
        words = language.tell(say("net revenue of past months"))
        axes.plot(*past.T, color=INK, linewidth=1.8, marker=mark_of(past), markersize=4, label=words)
    if len(coming):
        _fan(axes, past[-1:], coming, language)
    values = np.concatenate([past[:, 1:].ravel(), coming[:, 1:].ravel()])
    low, high = min(0.0, float(np.nanmin(values))), max(0.0, float(np.nanmax(values)))
    decimals = 0 if high - low >= 10 else 2
    edge = 0.08 * ((high - low) or 1.0)
    axes.set_ylim(low - edge if low < 0 else 0, high + edge)
    if low < 0:
        axes.axhline(0, color=INK, linewidth=0.8)
    axes.grid(axis="y")

    def written(value: float) -> str:
        return language.money(value, currency, decimals)

    number_ticks(axes.yaxis, written, 5)
    months_below(axes, [int(month) for month in (*past[:, 0], *coming[:, 0])], language)
    key_above(axes)
    labelled = coming[-1:, [1, *_columns_of(SHOWN_LEVEL)]].ravel()
    ends = sorted(float(end) for end in labelled if np.isfinite(end))
    place(axes, tick_room(axes), max([RIGHT, *(text_width(written(end)) + 16 for end in ends)]), BELOW, ABOVE)
    _label_ends(axes, ends, written)
    return figure


def _by_month(rows: Sequence[tuple], width: int) -> np.ndarray:
    """Months as numbers, a value, and what else there is: (rows with a value, width), NaN for None."""
    known = np.array([(number_of(month), *values) for month, *values in rows], dtype="float64").reshape(-1, width)
    known = known[np.isfinite(known[:, 1])]
    return known[np.argsort(known[:, 0], kind="stable")]


def _columns_of(level: int) -> tuple[int, int]:
    """Where both ends of an interval stand in a row of a coming month."""
    first = 2 + 2 * LEVELS.index(level)
    return first, first + 1


def _fan(axes: Axes, last: np.ndarray, coming: np.ndarray, language: Language) -> None:
    """The forecast from the last known month on, below it its intervals, which open there; the wider, the paler."""
    for level in reversed(LEVELS):
        known = coming[:, [0, 1, *_columns_of(level)]]
        known = known[np.isfinite(known).all(axis=1)]
        if not len(known):
            continue
        at, _, lower, upper = np.concatenate([last[:, [0, 1, 1, 1]], known]).T
        # One entry of the key for all three: the paler, the surer.
        words = language.tell(say("50, 80 and 95 % intervals")) if level == SHOWN_LEVEL else None
        axes.fill_between(at, lower, upper, color=BLUE, alpha=SHADES[level], linewidth=0, label=words)
        if level == SHOWN_LEVEL:
            at, _, lower, upper = known.T
            axes.vlines(at, lower, upper, color=BLUE, linewidth=1.2)
            axes.plot(np.tile(at, 2), [*lower, *upper], "_", color=BLUE, markersize=8, markeredgewidth=1.2)
    points = np.concatenate([last, coming[:, :2]])
    axes.plot(
        *points.T,
        color=BLUE,
        linewidth=1.6,
        linestyle=(0, (4, 2)),
        marker="D",
        markersize=5,
        markevery=range(len(last), len(points)),
        label=language.tell(say("forecast")),
    )


def _label_ends(axes: Axes, ends: list[float], written: Callable[[float], str]) -> None:
    """The last forecast and the ends of its interval as amounts at the right, in their order and apart."""
    low, high = axes.get_ylim()
    height = axes.get_position().height * size_in_points(axes)[1]
    wanted = [(end - low) / (high - low) * height for end in ends]
    for end, middle in zip(ends, spread(wanted, [LINE] * len(ends), 0, height), strict=True):
        axes.annotate(
            written(end), (1, 0), (6, middle), xycoords="axes fraction", textcoords="offset points", va="center"
        )
