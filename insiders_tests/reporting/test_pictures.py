"""Pictures: PNGs of moderate size, the same for the same input, and marking what they say they mark."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.cluster.hierarchy import ward
from scipy.spatial.distance import pdist

from insiders_assets.domain.clusterer_choice import choose
from insiders_assets.domain.clusterers import DBSCAN, MIXTURE, WARD, Trial
from insiders_assets.domain.clustering import segment
from insiders_assets.domain.spaces import Space
from insiders_assets.reporting.pictures.comparison import (
    dendrogram,
    scan_chart,
    scatter_of_spaces,
    silhouette_plot,
    steadiest,
)
from insiders_assets.reporting.pictures.drawing import TOP, group_colours

MOST_BYTES = 150_000


def pixels(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def coloured(picture: bytes, colour: str) -> int:
    """Pixels that are nearly of this colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(pixels(picture) - wanted).max(axis=2) < 12).sum())


def space(name: str, customers: int = 300, groups: int = 10, stability: float = 0.5) -> Space:
    generator = np.random.default_rng(len(name))
    ranks = np.arange(customers) % groups + 1
    values = generator.uniform(-0.1, 0.9, customers)
    picture = generator.normal(size=(customers, 2)) + ranks[:, None]
    return Space(name, picture, ranks, values, 0.4, 0.0, 0.1, 0.0, 0.9, 0.9, stability, 0.9, 1.0)


def trial(clusterer: str, groups: int, silhouette: float, stability: float) -> Trial:
    labels = np.arange(600) % max(groups, 1)
    return Trial(
        clusterer, f"k = {groups}", labels, groups, silhouette, 0.0, stability, 600 // groups, 0.0, np.nan, 0.1
    )


TRIALS = [trial(name, k, 0.8 - 0.01 * abs(k - 12), 0.9) for name in (WARD, MIXTURE) for k in range(2, 20)]


def drawn() -> dict[str, bytes]:
    points = np.random.default_rng(1).normal(size=(200, 3)) + 6 * (np.arange(200) % 4)[:, None]
    found = segment(points, np.arange(200.0), clusters=4)
    return {
        "spaces": scatter_of_spaces([space("PCA"), space("UMAP"), space("t-SNE"), space("tree embedding")]),
        "silhouettes": silhouette_plot(found.silhouettes, found.ranks),
        "tree": dendrogram(ward(pdist(points)), found.ranks),
        "scan": scan_chart([*TRIALS, trial(DBSCAN, 7, 0.6, 0.8)], choose(TRIALS)),
    }


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    return drawn()


def test_the_same_input_gives_the_same_bytes(pictures: dict[str, bytes]) -> None:
    assert drawn() == pictures


@pytest.mark.parametrize("name", ["spaces", "silhouettes", "tree", "scan"])
def test_pictures_are_png_of_moderate_size_without_a_mark_of_their_making(
    pictures: dict[str, bytes], name: str
) -> None:
    picture = pictures[name]
    assert len(picture) < MOST_BYTES
    image = Image.open(io.BytesIO(picture))
    assert image.format == "PNG"
    assert 600 <= image.width <= 1_000
    assert not {"Software", "Creation Time", "date"} & set(image.info)


def test_thousands_of_customers_still_give_a_moderate_picture() -> None:
    many = [space(name, customers=3_000) for name in ("PCA", "UMAP", "t-SNE", "tree embedding")]
    assert len(scatter_of_spaces(many)) < MOST_BYTES


def test_the_top_group_is_orange_wherever_groups_are_drawn(pictures: dict[str, bytes]) -> None:
    for name in ("spaces", "silhouettes", "tree"):
        assert coloured(pictures[name], TOP) > 50, name


def test_a_larger_top_group_takes_more_of_the_picture() -> None:
    values = np.full(100, 0.5)
    few, many = np.array([1] * 10 + [2] * 90), np.array([1] * 60 + [2] * 40)
    assert coloured(silhouette_plot(values, many), TOP) > 4 * coloured(silhouette_plot(values, few), TOP)


def test_the_mark_stands_where_the_choice_is(pictures: dict[str, bytes]) -> None:
    other = scan_chart(TRIALS, choose([t for t in TRIALS if t.groups == 19]))
    (left, right) = (_middle(pictures["scan"]), _middle(other))
    assert left < right - 100


def _middle(picture: bytes) -> float:
    """Column of the vertical line of the choice: the one with most orange."""
    near = np.abs(pixels(picture) - [0xD5, 0x5E, 0x00]).max(axis=2) < 60
    return float(near.sum(axis=0).argmax())


def test_colours_of_groups_differ_in_brightness_so_that_nobody_needs_to_tell_red_from_green() -> None:
    colours = group_colours(10)
    assert len(set(colours)) == 10
    assert colours[0] == TOP
    assert group_colours(1) == [TOP]
    brightness = [np.dot([int(c[i : i + 2], 16) for i in (1, 3, 5)], [0.2126, 0.7152, 0.0722]) for c in colours[1:]]
    assert (np.diff(brightness) > 8).all()


def test_one_group_cannot_be_drawn_against_others() -> None:
    with pytest.raises(ValueError, match="one group"):
        silhouette_plot(np.full(20, np.nan), np.ones(20, dtype=int))
    with pytest.raises(ValueError, match="one group"):
        dendrogram(ward(pdist(np.arange(20.0)[:, None])), np.ones(20, dtype=int))


def test_what_is_unknown_is_left_out_or_said_to_be() -> None:
    unknown = [space("PCA", stability=np.nan), space("UMAP", groups=1, stability=np.nan)]
    assert len(scatter_of_spaces(unknown)) < MOST_BYTES
    without = [trial(WARD, k, 0.5, np.nan) for k in (2, 3)]
    assert len(scan_chart(without, choose(without))) < MOST_BYTES
    alike = np.repeat([[0.0, 0.0], [1.0, 0.0]], 10, axis=0)
    found = segment(alike, np.arange(20.0), clusters=2)
    assert len(dendrogram(ward(pdist(alike)), found.ranks)) < MOST_BYTES


def test_the_title_names_the_steadiest_spaces_and_does_not_make_much_of_little() -> None:
    spaces = [space("PCA", stability=0.3), space("UMAP", stability=0.61), space("trees", stability=0.6)]
    assert "least in UMAP and trees when" in steadiest(spaces)
    assert "least in UMAP when" in steadiest(spaces[:2])
    assert "none" in steadiest(spaces[1:])
    assert "none" in steadiest([space("PCA", stability=np.nan)])
