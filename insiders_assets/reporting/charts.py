"""Small charts as SVG text, drawn without a plotting library.

Belongs here: shapes for the web page of Dagster and for documents. Does not belong here: what is shown.

Dagster's page shows Markdown at once only if it is shorter than a thousand characters, its picture included; so the
shapes are few and their coordinates whole.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

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


def as_markdown(svg: str, words: str) -> str:
    """A chart as Markdown with the picture inside; `words` for whoever cannot see it."""
    return f"![{words}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
