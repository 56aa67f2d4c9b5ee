"""Charts: what a browser can draw, and short enough that Dagster's page shows them at once."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.domain.clustering import CLUSTERS, SCAN
from insiders_assets.reporting.charts import HEIGHT, LONGEST_MARKDOWN, WIDTH, as_markdown, fan_chart, line_chart

SVG = "{http://www.w3.org/2000/svg}"
MEANS = st.lists(st.floats(-1, 1), min_size=len(SCAN), max_size=len(SCAN))


@given(MEANS)
def test_a_scan_of_silhouettes_is_drawn_inside_its_frame_and_shown_at_once(means: list[float]) -> None:
    drawn = line_chart(dict(zip(SCAN, means, strict=True)), CLUSTERS)
    line = ET.fromstring(drawn).find(f"{SVG}polyline")
    assert line is not None
    points = [tuple(map(int, point.split(","))) for point in line.attrib["points"].split()]
    assert len(points) == len(SCAN)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert len(as_markdown(drawn, "mean silhouette")) < LONGEST_MARKDOWN


def test_the_marked_value_has_the_mark_and_the_highest_stands_on_top() -> None:
    chart = ET.fromstring(line_chart({2: 0.25, 3: 0.75, 4: 0.5}, marked=3))
    mark, line = chart.find(f"{SVG}circle"), chart.find(f"{SVG}polyline")
    assert mark is not None
    assert line is not None
    assert f"{mark.attrib['cx']},{mark.attrib['cy']}" == line.attrib["points"].split()[1]
    assert [text.text for text in chart.iter(f"{SVG}text")] == ["0.75", "0.25", "2", "3", "4"]


def corners(path: ET.Element) -> list[tuple[int, int]]:
    """Points of a path, which says where it begins and then each way on."""
    begin, ways = path.attrib["d"].removeprefix("M").split("l")
    steps = np.array(ways.split(), dtype=int).reshape(-1, 2)
    return [tuple(point) for point in np.cumsum([tuple(map(int, begin.split())), *steps], axis=0).tolist()]


AMOUNTS = st.floats(-1e9, 1e9)
COMING = st.lists(
    st.tuples(AMOUNTS, st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=3, max_size=3)), min_size=1, max_size=4
)


@given(st.lists(AMOUNTS, max_size=13), COMING)
def test_a_fan_is_drawn_inside_its_frame_and_shown_at_once(past: list[float], coming: list) -> None:
    drawn = fan_chart(past, coming)
    paths = list(ET.fromstring(drawn).iter(f"{SVG}path"))
    assert len(paths) == 3 + bool(past) + 1
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for path in paths for x, y in corners(path))
    assert len(as_markdown(drawn, "the forecast")) < LONGEST_MARKDOWN


def test_a_fan_opens_from_the_last_known_value_and_holds_what_is_expected() -> None:
    wide, narrow = (5.0, 35.0), (15.0, 25.0)
    drawn = ET.fromstring(fan_chart([10.0, 40.0, 20.0], [(20.0, [narrow, wide])]))
    inner, outer, known, expected = map(corners, drawn.iter(f"{SVG}path"))
    assert known[-1] == expected[0] == inner[0] == outer[0]
    assert outer[1][1] < inner[1][1] < expected[1][1] < inner[2][1] < outer[2][1]
    assert expected[1][1] == known[-1][1]  # as much as before
    assert [text.text for text in drawn.iter(f"{SVG}text")] == ["40", "0"]


def test_without_intervals_a_fan_is_two_lines_and_amounts_are_short() -> None:
    drawn = ET.fromstring(fan_chart([26_573.28, -1_250_000.0], [(1.0, [(None, None)] * 3)]))
    assert len(list(drawn.iter(f"{SVG}path"))) == 2
    assert [text.text for text in drawn.iter(f"{SVG}text")] == ["26.6k", "-1.25M"]
    assert "1M" in fan_chart([999_800.0], [(0.0, [])])


def test_as_markdown_the_picture_is_inside() -> None:
    words, _, content = as_markdown("<svg/>", "a line").partition("](data:image/svg+xml;base64,")
    assert (words, base64.b64decode(content.removesuffix(")"))) == ("![a line", b"<svg/>")
