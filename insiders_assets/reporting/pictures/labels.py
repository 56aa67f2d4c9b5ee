"""Words in pictures: what a font can show, what fits into a width, and places that do not overlap.

Belongs here: any text made ready to be drawn, whatever it holds. Does not belong here: what is said, or how numbers are
written (:mod:`insiders_assets.reporting.language`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from insiders_assets.reporting.pictures.drawing import TEXT

FONT = "DejaVu Sans"
ELLIPSIS, NO_GLYPH = "…", "□"
LINE = 1.25 * TEXT


def plain(text: str) -> str:
    """Text on one line in characters the font has: controls and invisible marks go, an unknown character is a box.

    matplotlib warns of every character that it cannot draw, and XML cannot hold controls at all. Of accents on accents
    one is kept: a tower of them would reach into other labels.
    """
    drawn = ""
    for one in unicodedata.normalize("NFC", text):
        if one.isspace():
            drawn += " "
        elif not _invisible(one) and not (unicodedata.combining(one) and unicodedata.combining(drawn[-1:] or " ")):
            drawn += one if _font().get_char_index(ord(one)) else NO_GLYPH
    return " ".join(drawn.split())


def _invisible(one: str) -> bool:
    # Variation selectors choose the coloured form of a sign; the font has no other.
    return unicodedata.category(one) in {"Cc", "Cf", "Cs"} or "\ufe00" <= one <= "\ufe0f"


@cache
def _font() -> Any:
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont(FONT))


@cache
def text_width(text: str, size: float = TEXT) -> float:
    """Width in points of a line of text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(family=[FONT], size=size), False)
    return float(width)


def shortened(text: str, width: float, size: float = TEXT) -> str:
    """Text that takes at most `width` points, its end cut off with an ellipsis where it must be."""
    if text_width(text, size) <= width:
        return text
    fits = _longest(text, width - text_width(ELLIPSIS, size), size)
    return text[:fits].rstrip(" ,:;.-–·") + ELLIPSIS


def wrapped(text: str, width: float, lines: int, size: float = TEXT) -> list[str]:
    """Text in at most so many lines of `width` points, broken at spaces where there are any; the last is shortened."""
    written: list[str] = []
    while text and len(written) < lines - 1 and text_width(text, size) > width:
        fits = max(1, _longest(text, width, size))
        # A word that is alone too long for a line is cut: it may not push the rest out.
        end = fits if text[fits : fits + 1] == " " else text.rfind(" ", 0, fits) if " " in text[:fits] else fits
        written.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return [*written, shortened(text, width, size)] if text else written


def fitted(names: Sequence[str], width: float, most: int, room: float, between: float) -> list[list[str]]:
    """Names in lines of `width` points, each in at most so many; in fewer, if else all would take more than `room`.

    between: points after every name.
    """
    for lines in range(most, 0, -1):
        labels = [wrapped(name, width, lines) for name in names]
        if lines == 1 or height_of(labels, between) <= room:
            break
    return labels


def height_of(labels: Sequence[list[str]], between: float) -> float:
    """Points that labels take one below the other, with so many after each of them."""
    return sum(LINE * max(1, len(label)) + between for label in labels)


def _longest(text: str, width: float, size: float) -> int:
    """How many of the first characters fit; by halves, as measuring costs more than all else here."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width(text[:middle], size) <= width else (low, middle - 1)
    return low


def spread(wanted: Sequence[float] | np.ndarray, heights: Sequence[float], low: float, high: float) -> np.ndarray:
    """Middles of labels that stand in their order without overlap, as near to the wanted middles as can be.

    Parameters
    ----------
    wanted, heights: (n,) in the same unit, `wanted` rising. low, high: the room; it is left at its far end where the
    heights together are more than it has.

    Labels that would overlap share a block around the mean of what they want (pool adjacent violators, which minimises
    the sum of squared shifts).
    """
    sizes = np.asarray(heights, dtype="float64")
    # Less the heights of those before it, labels that touch want the same place: order is all that is left to keep.
    before = np.concatenate([[0.0], np.cumsum(sizes)])[:-1] + sizes / 2
    blocks: list[tuple[float, int]] = []
    for place in np.asarray(wanted, dtype="float64") - before:
        blocks.append((float(place), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (first, many), (second, more) = blocks[-2:]
            blocks[-2:] = [((first * many + second * more) / (many + more), many + more)]
    placed = np.repeat([place for place, _ in blocks], [many for _, many in blocks])
    return np.clip(placed, low, max(low, high - sizes.sum())) + before
