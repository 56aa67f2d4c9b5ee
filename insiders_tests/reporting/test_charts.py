"""Charts: what a browser can draw, and short enough that Dagster's page shows them at once."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.domain.clustering import CLUSTERS, SCAN
from insiders_assets.reporting.charts import HEIGHT, LONGEST_MARKDOWN, WIDTH, as_markdown, line_chart

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


def test_as_markdown_the_picture_is_inside() -> None:
    words, _, content = as_markdown("<svg/>", "a line").partition("](data:image/svg+xml;base64,")
    assert (words, base64.b64decode(content.removesuffix(")"))) == ("![a line", b"<svg/>")
