"""Small charts as SVG text, drawn without a plotting library.

Belongs here: shapes for the web page of Dagster and for documents. Does not belong here: what is shown.

Dagster's page shows Markdown at once only if it is shorter than a thousand characters, its picture included; so the
shapes are few and their coordinates whole.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise

Ends = Sequence[tuple[float | None, float | None]]
LONGEST_MARKDOWN = 1000
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 110, 34, 350, 8, 90


def line_chart(points: Mapping[int, float], marked: int) -> str:
    """A line through `points` (at least two different x), one of them marked, as SVG."""
    xs, ys = sorted(points), list(points.values())
    low, high = min(ys), max(ys)

    def place(x: int) -> tuple[int, int]:
        across = (x - xs[0]) / (xs[-1] - xs[0])
        up = (points[x] - low) / ((high - low) or 1.0)
        return round(LEFT + across * (RIGHT - LEFT)), round(BOTTOM - up * (BOTTOM - TOP))

    line = " ".join(f"{x},{y}" for x, y in map(place, xs))
    x, y = place(marked)
    labels = ((0, TOP + 4, f"{high:.2f}"), (0, BOTTOM, f"{low:.2f}"))
    below = ((place(one)[0] - 5, HEIGHT - 4, one) for one in dict.fromkeys((xs[0], marked, xs[-1])))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-size="11" font-family="sans-serif" fill="#566473">'
        f'<path d="M{LEFT} {BOTTOM}H{RIGHT}M{x} {BOTTOM}V{y}" stroke="#bbb"/>'
        f'<polyline points="{line}" fill="none" stroke="#0b5f6b" stroke-width="2"/>'
        f'<circle cx="{x}" cy="{y}" r="4"/>'
        + "".join(f'<text x="{left}" y="{base}">{text}</text>' for left, base, text in (*labels, *below))
        + "</svg>"
    )


def fan_chart(past: Sequence[float], coming: Sequence[tuple[float, Ends]]) -> str:
    """Past values as a line, expected ones as a broken line, and about these their intervals, as SVG.

    Parameters
    ----------
    past: in order of time; it may be empty. coming: at least one: the expected value, and lower and upper end of each
        of its intervals, None where there is none. An interval is drawn where all that is coming has it.
    """
    fans = [ends for ends in zip(*(ends for _, ends in coming), strict=True) if None not in chain(*ends)]
    values = [0.0, *past, *(value for value, _ in coming), *chain(*chain(*fans))]
    low, high = min(values), max(values)
    steps = max(len(past) + len(coming) - 1, 1)

    def path(places: Iterable[tuple[int, float]]) -> str:
        """Each point as the way from the one before it: that is shorter."""
        points = [
            (
                round(LEFT + place / steps * (RIGHT - LEFT)),
                round(BOTTOM - (value - low) / ((high - low) or 1.0) * (BOTTOM - TOP)),
            )
            for place, value in places
        ]
        ways = (f"{x - before} {y - above}" for (before, above), (x, y) in pairwise(points))
        return f"M{points[0][0]} {points[0][1]}l{' '.join(ways) or '0 0'}"

    begin = list(enumerate(past))[-1:]
    ahead = range(len(past), len(past) + len(coming))
    known = f'<path d="{path(enumerate(past))}"/>' if past else ""
    expected = path([*begin, *zip(ahead, (value for value, _ in coming), strict=True)])
    bands = ""
    for ends in fans:
        lower, upper = (list(zip(ahead, side, strict=True)) for side in zip(*ends, strict=True))
        bands += f'<path d="{path([*begin, *upper, *reversed(lower)])}"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-size="11" fill="#0b5f6b">'
        f'<g fill-opacity=".2">{bands}</g><g fill="none" stroke="#0b5f6b">{known}'
        f'<path d="{expected}" stroke-dasharray="4"/></g>'
        f'<text y="{TOP + 4}">{_short(high)}</text><text y="{BOTTOM}">{_short(low)}</text></svg>'
    )


def _short(amount: float) -> str:
    """An amount in three digits: 26.6k, 1.25M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(amount) >= 0.9995 * size:  # from here on three digits round to the next unit
            return f"{amount / size:.3g}{unit}"
    return f"{amount:.3g}"


def as_markdown(svg: str, words: str) -> str:
    """A chart as Markdown with the picture inside; `words` for whoever cannot see it."""
    return f"![{words}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
