"""The report's pictures: the same bytes for the same month, every word in the reader's language and none on another."""

from __future__ import annotations

import datetime as dt
import io
import re
import warnings
from collections.abc import Callable, Iterator
from gettext import NullTranslations
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from insiders_assets.reporting.language import Language
from insiders_assets.reporting.pictures.drawing import BLUE, TEXT, TOP, report_style
from insiders_assets.reporting.pictures.flows import alluvial, alluvial_figure, ribbons
from insiders_assets.reporting.pictures.labels import LINE, fitted, height_of, plain, shortened, spread, text_width
from insiders_assets.reporting.pictures.month import (
    MOST_POINTS,
    forecast_fan,
    forecast_figure,
    lorenz,
    lorenz_figure,
    membership_figure,
    membership_over_time,
)
from insiders_assets.reporting.pictures.segments import (
    MOST_CUSTOMERS_DRAWN,
    embedding_scatter,
    free_places,
    rooms_of,
    scatter_figure,
    silhouettes,
    silhouettes_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BYTES = 150_000
ENGLISH, PORTUGUESE = Language("en"), Language("pt-BR")
HOSTILE = [
    "$a$ and $b_{2}$",
    "<script>alert('x')</script> & \"quotes\" --> ]]> --!>",
    "שלום עולם, זה שם ארוך מאוד של קבוצת לקוחות",
    "مرحبا بالعالم هذا اسم طويل",
    "👍🏽😀 emoji 中文",
    "W" * 60,
    "",
    "z\u0301\u0302\u0303algo\x00\x0b\n\tname",
    "\ud800 lone",
    r"$\nosuch{1}$ {braces} {0} %s",
    "Medium revenue: buys at steady intervals, many different articles",
    *(f"segment {number}" for number in range(3)),
]


class Marked(Language):
    """Portuguese numbers, and templates in marks instead of translations: what bears no mark was not translated."""

    translations = type("Marks", (NullTranslations,), {"gettext": lambda self, message: f"«{message}»"})()  # type: ignore


def months(count: int, first: int = 2010 * 12) -> list[dt.date]:
    return [dt.date(number // 12, number % 12 + 1, 1) for number in range(first, first + count)]


def ends(lower: float | None, upper: float | None) -> list[tuple[float | None, float | None]]:
    """The intervals at 50, 80 and 95 % of a month: the one at 80 % as given, the others a tenth narrower and wider."""

    def pair(factor: float) -> tuple[float | None, float | None]:
        return (lower and lower - abs(lower) * factor, upper and upper + abs(upper) * factor)

    return [pair(-0.05), (lower, upper), pair(0.1)]


def shop(language: Language, hostile: bool = False) -> dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple]]:
    """Of each picture the function that writes it, the one that puts it together, and a month's arguments."""
    random = np.random.default_rng(3)
    revenues = random.lognormal(6, 1.4, 3000)
    ranks = np.arange(6000) % 14 + 1
    points = random.normal(size=(6000, 2)) + 4 * np.column_stack([ranks % 4, ranks // 4])
    counts = random.poisson(6, (14, 14)) + np.diag(random.integers(1, 300, 14))
    names = HOSTILE if hostile else [f"REVENUE OF KIND {number}, BUYS OFTEN AND MUCH" for number in range(14)]
    past = [(month, 1e6 + 1e5 * number) for number, month in enumerate(months(14))]
    coming = [(month, 2.4e6, ends(2.2e6, 2.9e6)) for month in months(3, 2010 * 12 + 14)]
    lines = (months(60), random.integers(200, 300, 60), random.integers(0, 20, 60), random.integers(0, 20, 60))
    return {
        "lorenz": (lorenz, lorenz_figure, (revenues, revenues > 1500, language)),
        "alluvial": (alluvial, alluvial_figure, (counts, names, names[::-1], language)),
        "membership": (membership_over_time, membership_figure, (*lines, language)),
        "scatter": (embedding_scatter, scatter_figure, (points, ranks, dict(enumerate(names, 1)), language)),
        "silhouettes": (silhouettes, silhouettes_figure, (random.uniform(-0.3, 0.9, 6000), ranks, language)),
        "forecast": (forecast_fan, forecast_figure, (past, coming, "BRL", language)),
    }


NAMES = list(shop(ENGLISH))


def odd(language: Language) -> dict[str, tuple[Callable[..., Any], tuple]]:
    """Months of which little can be said."""
    one, two = np.ones(1), np.array([1, 2, 2])
    long_ago = [(months(1)[0], -1e6)]
    return {
        "one customer, inside": (lorenz_figure, (one, one > 0, language)),
        "nobody inside": (lorenz_figure, (np.arange(9.0), np.zeros(9, bool), language)),
        "more returned than bought": (lorenz_figure, (np.array([5.0, -4.0]), np.array([True, False]), language)),
        "half inside": (lorenz_figure, (np.ones(100), np.arange(100) < 47, language)),
        "all inside": (lorenz_figure, (np.ones(100), np.ones(100, bool), language)),
        "only losses inside": (lorenz_figure, (np.array([9.0, -4.0]), np.array([False, True]), language)),
        "one flow": (alluvial_figure, (np.array([[1]]), ["a"], ["b"], language)),
        "all move": (alluvial_figure, (np.full((14, 14), 50), HOSTILE, list("abcdefghijklmn"), language)),
        "one giant": (
            alluvial_figure,
            (np.eye(14, dtype=int) + 5000 * np.eye(14, 14, 13, int), HOSTILE, HOSTILE, language),
        ),
        "one month": (membership_figure, (months(1), [12], [12], [0], language)),
        "nothing known of the first": (membership_figure, (months(2), [12, 9], [np.nan, 0], [np.nan, 3], language)),
        "nobody ever": (membership_figure, (months(3), [0, 0, 0], [0, 0, 0], [0, 0, 0], language)),
        "one point": (scatter_figure, (np.zeros((1, 2)), np.ones(1, int), {}, language)),
        "all in one place": (scatter_figure, (np.zeros((3, 2)), two, {1: "a", 2: "b"}, language)),
        "two groups": (silhouettes_figure, (np.array([0.2, 0.3, np.nan]), np.array([1, 2, 2]), language)),
        "small groups": (
            silhouettes_figure,
            (np.full(3000, 0.5), np.r_[np.arange(1, 14), np.full(2987, 14)], language),
        ),
        "one past month, all below zero": (
            forecast_figure,
            (long_ago, [(months(2)[1], -9e5, ends(-2e6, -1))], "BRL", language),
        ),
        "no interval": (forecast_figure, (long_ago, [(months(2)[1], 5.0, ends(None, None))], "GBP", language)),
        "half an interval": (forecast_figure, (long_ago, [(months(2)[1], 5.0, ends(None, 9.0))], "GBP", language)),
        "no past": (forecast_figure, ([], [(months(1)[0], 0.0, ends(0.0, 0.0))], "GBP", language)),
        "no forecast": (forecast_figure, ([(months(1)[0], 0.5)], [], "GBP", language)),
        "billions": (
            forecast_figure,
            ([(m, 9e9) for m in months(70)], [(months(71)[70], 9e9, ends(8e9, 9e9))], "BRL", language),
        ),
    }


ODD = list(odd(ENGLISH))


def words(svg: bytes) -> list[str]:
    """What is written in a picture: matplotlib notes each text beside its shapes."""
    return [comment.text.strip() for comment in _tree(svg).iter(ElementTree.Comment)]


def _tree(svg: bytes) -> ElementTree.Element:
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    return ElementTree.fromstring(svg, parser)


def boxes(figure: Figure) -> Iterator[tuple[str, Any]]:
    """Every text that is seen, and the box it takes, in sixths of a point: at few pixels letters are fitted to them."""
    figure.set_dpi(6 * 72)
    with report_style():
        figure.draw_without_rendering()
        seen = list(figure.texts)
        for axes in figure.axes:
            seen += axes.texts
            if axes.legend_:
                seen += axes.legend_.get_texts()
            for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
                low, high = sorted(axis.get_view_interval())
                seen.append(axis.label)
                seen += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        for text in seen:
            if text.get_visible() and text.get_text().strip():
                yield text.get_text(), text.get_window_extent()


def clashes(figure: Figure) -> list[str]:
    """Texts that are cut off by the edge, or lie on each other, by more than a sixth of a point."""
    shown = list(boxes(figure))
    assert shown
    page = figure.bbox.padded(1)
    cut = [text for text, box in shown if not (page.contains(*box.min) and page.contains(*box.max))]
    return cut + [
        f"{one} / {other}"
        for (one, a), (other, b) in combinations(shown, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_month_gives_the_same_bytes_and_another_language_others(name: str) -> None:
    written = [shop(language)[name] for language in (ENGLISH, ENGLISH, PORTUGUESE)]
    first, again, other = (write(*arguments) for write, _, arguments in written)
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hostile", [False, True])
def test_pictures_are_whole_and_small_and_tell_nothing_of_their_making(name: str, hostile: bool) -> None:
    write, _, arguments = shop(ENGLISH, hostile)[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = write(*arguments)
    assert len(picture) < MOST_BYTES
    if name == "scatter":
        image = Image.open(io.BytesIO(picture))
        assert image.format == "PNG"
        assert image.width == 1080
        assert not image.info.keys() & {"Software", "Creation Time", "date"}
        return
    tree = _tree(picture)
    assert picture.startswith(b"<svg")
    assert (tree.get("width"), float(tree.get("height").removesuffix("pt")) <= 4.5 * 72 + 1) == ("518.4pt", True)
    tags = {element.tag.rpartition("}")[2] for element in tree.iter() if isinstance(element.tag, str)}
    assert tags <= {"svg", "g", "defs", "style", "path", "use", "clipPath", "rect"}
    assert b"matplotlib.org" not in picture


@pytest.mark.parametrize("language", [ENGLISH, PORTUGUESE], ids=["en", "pt-BR"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hostile", [False, True])
def test_no_text_is_cut_off_or_lies_on_another(name: str, language: Language, hostile: bool) -> None:
    _, put_together, arguments = shop(language, hostile)[name]
    assert clashes(put_together(*arguments)) == []


@pytest.mark.parametrize("name", ODD)
def test_no_text_is_cut_off_in_odd_months_either(name: str) -> None:
    put_together, arguments = odd(PORTUGUESE)[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert clashes(put_together(*arguments)) == []


@pytest.mark.parametrize("name", NAMES)
def test_letters_are_large_enough_to_be_read_in_print(name: str) -> None:
    _, put_together, arguments = shop(ENGLISH)[name]
    figure = put_together(*arguments)
    assert figure.get_figwidth() == pytest.approx(7.2)
    sizes = {text.get_fontsize() for axes in figure.axes for text in axes.texts}
    assert min(sizes) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_every_word_is_told_in_the_readers_language(name: str) -> None:
    _, put_together, arguments = shop(Marked("pt-BR"))[name]
    dates = {PORTUGUESE.short_month(month) for month in months(80)}
    for text, _ in boxes(put_together(*arguments)):
        told = text.replace("R$", "")
        # Names of segments come told, here in capitals.
        if re.search(r"[^\W\d]", told) and text not in dates and not told.isupper():
            assert re.fullmatch(r"(«[^«»]*»\s*)+", text), text
        assert not re.search(r"\d\.\d\d?\b|\d,\d{3}", told), f"an English number: {text}"


@pytest.mark.parametrize(
    "nothing",
    [
        lambda: lorenz(np.zeros(5), np.ones(5, bool), ENGLISH),
        lambda: lorenz(np.array([1.0, -3.0]), np.ones(2, bool), ENGLISH),
        lambda: lorenz(np.empty(0), np.empty(0, bool), ENGLISH),
        lambda: alluvial(np.zeros((3, 2), int), list("abc"), list("ab"), ENGLISH),
        lambda: alluvial(np.zeros((0, 0), int), [], [], ENGLISH),
        lambda: membership_over_time([], [], [], [], ENGLISH),
        lambda: embedding_scatter(np.full((3, 2), np.nan), np.ones(3, int), {}, ENGLISH),
        lambda: embedding_scatter(np.empty((0, 2)), np.empty(0, int), {}, ENGLISH),
        lambda: silhouettes(np.full(5, np.nan), np.ones(5, int), ENGLISH),
        lambda: silhouettes(np.full(5, 0.5), np.ones(5, int), ENGLISH),
        lambda: silhouettes(np.empty(0), np.empty(0, int), ENGLISH),
        lambda: forecast_fan([], [], "GBP", ENGLISH),
        lambda: forecast_fan([(dt.date(2011, 1, 1), float("nan"))], [], "GBP", ENGLISH),
    ],
)
def test_where_there_is_nothing_to_draw_there_is_no_picture(nothing: Callable[[], bytes | None]) -> None:
    assert nothing() is None


def test_the_group_stands_at_its_shares_of_customers_and_of_revenue() -> None:
    revenues = np.array([50.0, 10.0, 30.0, 10.0])
    inside = np.array([True, False, False, True])
    assert "Insiders: 50.0% of customers, 60.0% of revenue" in words(lorenz(revenues, inside, ENGLISH))
    figure = lorenz_figure(revenues, inside, ENGLISH)
    (mark,) = (line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert mark.get_xydata().tolist() == [[0.5, 0.6]]
    curve = next(line for line in figure.axes[0].lines if line.get_color() == BLUE)
    np.testing.assert_allclose(curve.get_xydata(), [[0, 0], [0.25, 0.5], [0.5, 0.8], [0.75, 0.9], [1, 1]])


def test_a_curve_over_many_customers_is_thinned_and_keeps_its_ends() -> None:
    curve = lorenz_figure(np.ones(50_000), np.zeros(50_000, bool), ENGLISH).axes[0].lines[1].get_xydata()
    assert len(curve) <= MOST_POINTS
    assert curve[[0, -1]].tolist() == [[0, 0], [1, 1]]


@st.composite
def flows(draw: st.DrawFn) -> np.ndarray:
    rows, columns = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    return np.array(draw(st.lists(st.integers(0, 500), min_size=rows * columns, max_size=rows * columns))).reshape(
        rows, columns
    )


@given(flows(), st.sampled_from([0.0, 7.5]))
def test_bands_add_up_to_the_bars_on_either_side_and_never_overlap(counts: np.ndarray, between: float) -> None:
    bands = ribbons(counts, between)
    drawn = np.zeros_like(counts)
    for band in bands:
        drawn[band.row, band.column] += band.customers
    assert (drawn == counts).all()
    for edge, bar in (("before", "row"), ("now", "column")):
        ordered = sorted(bands, key=lambda band: getattr(band, edge))
        for upper, lower in pairwise(ordered):
            gap = getattr(lower, edge) - getattr(upper, edge) - upper.customers
            assert gap == pytest.approx(0.0 if getattr(upper, bar) == getattr(lower, bar) else between)


def test_who_stayed_is_who_kept_the_segments_name_wherever_it_stands() -> None:
    counts = np.array([[30, 5], [0, 60], [0, 5]])
    told = words(alluvial(counts, ["a", "b", "gone"], ["a", "b"], ENGLISH))
    assert {"stayed: 90", "moved, came or went: 10"} <= set(told)
    told = words(alluvial(counts, ["b", "a", "gone"], ["a", "b"], ENGLISH))
    assert {"stayed: 5", "moved, came or went: 95"} <= set(told)


def test_any_two_months_stand_above_their_sides() -> None:
    told = words(alluvial(np.array([[3, 1]]), ["a"], ["a", "b"], ENGLISH, ("Mar 2024", "Dec 2024")))
    assert {"Mar 2024", "Dec 2024"} <= set(told)
    assert "last month" not in told


def test_segments_without_customers_are_left_out() -> None:
    told = words(alluvial(np.array([[3, 0], [0, 0]]), ["here", "nobody"], ["here", "empty"], ENGLISH))
    assert told.count("here") == 2
    assert not {"nobody", "empty"} & set(told)


@given(
    st.lists(st.tuples(st.floats(-50, 350), st.floats(1, 25)), min_size=1, max_size=14),
    st.floats(-20, 20),
)
def test_labels_are_never_closer_than_their_heights_and_keep_their_order(
    labels: list[tuple[float, float]], low: float
) -> None:
    labels = sorted(labels)
    wanted, heights = np.array(labels).T
    high = low + 14 * 25
    placed = spread(wanted, heights.tolist(), low, high)
    assert (np.diff(placed) >= (heights[1:] + heights[:-1]) / 2 - 1e-6).all()
    assert placed[0] - heights[0] / 2 >= low - 1e-6
    assert placed[-1] + heights[-1] / 2 <= high + 1e-6


def test_labels_that_have_room_stay_where_they_belong_and_crowded_ones_share_the_way() -> None:
    np.testing.assert_allclose(spread([10, 30, 90], [10, 10, 10], 0, 100), [10, 30, 90])
    np.testing.assert_allclose(spread([50, 50], [10, 10], 0, 100), [45, 55])
    np.testing.assert_allclose(spread([0, 2, 99], [10, 10, 10], 0, 100), [5, 15, 95])


@settings(deadline=None)
@given(st.text(max_size=80) | st.sampled_from(HOSTILE), st.sampled_from([30.0, 132.0]))
def test_any_name_is_made_to_fit(name: str, width: float) -> None:
    told = plain(name)
    assert told.isprintable()
    assert text_width(shortened(told, width)) <= width
    for most in (1, 3):
        lines = fitted([told], width, most, 1000, 0)[0]
        assert len(lines) <= most
        assert all(text_width(line) <= width + TEXT / 2 for line in lines)


def test_a_name_is_broken_at_spaces_and_only_its_end_is_given_up() -> None:
    name = "Medium revenue: buys at steady intervals, many different articles"
    assert " ".join(fitted([name], 132, 3, 1000, 0)[0]) == name
    two = " ".join(fitted([name], 132, 2, 1000, 0)[0])
    assert two.endswith("…")
    assert name.startswith(two.removesuffix("…"))
    assert fitted(["short"], 132, 3, 1000, 0) == [["short"]]


def test_names_take_fewer_lines_where_there_are_many() -> None:
    names = ["Medium revenue: buys at steady intervals, many different articles"] * 14
    labels = fitted(names, 132, 3, 14 * (LINE + 3), 3)
    assert {len(label) for label in labels} == {1}
    assert height_of(labels, 3) == pytest.approx(14 * (LINE + 3))


def test_who_entered_is_drawn_upwards_and_who_left_downwards() -> None:
    below = membership_figure(months(2), [10, 12], [4, 5], [1, 3], ENGLISH).axes[1]
    assert [bar.get_height() for bar in below.patches] == [4, 5, -1, -3]
    assert not any("-" in text or "−" in text for text, _ in boxes(below.figure))


def test_labels_of_many_months_are_thinned_back_from_the_last() -> None:
    told = words(shop(PORTUGUESE)["membership"][0](*shop(PORTUGUESE)["membership"][2]))
    dated = [word for word in told if "201" in word]
    assert dated == ["dez. 2010", "dez. 2011", "dez. 2012", "dez. 2013", "dez. 2014"]


def test_a_sample_of_customers_is_said_to_be_one() -> None:
    random = np.random.default_rng(1)

    def told(customers: int) -> list[str]:
        points, ranks = random.normal(size=(customers, 2)), np.arange(customers) % 2 + 1
        return [text for text, _ in boxes(scatter_figure(points, ranks, {1: "a", 2: "b"}, PORTUGUESE))]

    assert not any("4.000" in text for text in told(MOST_CUSTOMERS_DRAWN))
    assert any("4.000" in text and "4.001" in text for text in told(MOST_CUSTOMERS_DRAWN + 1))


def test_the_top_group_is_drawn_in_front_in_orange() -> None:
    figure = scatter_figure(np.zeros((6, 2)), np.array([1, 2, 3, 3, 2, 1]), {}, ENGLISH)
    drawn = [line.get_color() for line in figure.axes[1].lines]
    assert drawn[-1] == TOP
    assert len(set(drawn)) == 3


def test_numbers_of_groups_keep_apart_or_stay_away() -> None:
    random = np.random.default_rng(2)
    places, groups = random.normal(size=(900, 2)) * 30, np.arange(900) % 9 + 1
    found = free_places(places, groups, 18)
    assert len(found) == 9
    for one, other in combinations(found.values(), 2):
        assert np.abs(one - other).max() >= 18
    assert list(free_places(np.zeros((4, 2)), np.array([1, 1, 2, 2]), 18)) == [1]


def test_every_group_has_room_for_its_label() -> None:
    sizes = np.array([1, 1, 1, 5000, 2])
    rooms = rooms_of(sizes, 200.0)
    assert (rooms >= sizes).all()
    assert (rooms * 200.0 / rooms.sum() >= 0.99 * LINE).all()


def test_a_forecast_tells_its_amount_and_the_ends_of_its_interval() -> None:
    past, coming = [(months(1)[0], 1e6)], [(months(2)[1], 1.1e6, ends(0.9e6, 1.3e6))]
    told = set(words(forecast_fan(past, coming, "GBP", ENGLISH)))
    assert {"£1,100,000", "£900,000", "£1,300,000", "50, 80 and 95 % intervals"} <= told
    without = set(words(forecast_fan(past, [(months(2)[1], 1.1e6, ends(None, None))], "GBP", ENGLISH)))
    assert "£1,100,000" in without
    assert not {"£900,000", "£1,300,000", "50, 80 and 95 % intervals"} & without


def test_months_are_drawn_in_their_order_however_they_are_given() -> None:
    past = [(month, float(number)) for number, month in enumerate(months(9))]
    assert forecast_fan(past[::-1], [], "GBP", ENGLISH) == forecast_fan(past, [], "GBP", ENGLISH)
