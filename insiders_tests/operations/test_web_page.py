"""What a person sees in the browser: the lineage of the assets, an asset and its months, without an error."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from insiders_tests.operations.test_serving import ASSETS
from insiders_tests.web_page import Page

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.browser

MILLISECONDS = 60_000


@pytest.fixture
def tab(shop_page: Page, browser: Browser) -> Iterator[Tab]:
    """A tab of the browser on the page; at the end of a test no error may have been shown in it."""
    tab = browser.new_page(viewport={"width": 1900, "height": 1000}, base_url=shop_page.url)
    tab.set_default_timeout(MILLISECONDS)
    broken: list[str] = []
    tab.on("pageerror", lambda error: broken.append(str(error)))
    yield tab
    assert broken == []
    assert not tab.get_by_role("dialog").count()
    assert not tab.get_by_text("error").count(), tab.inner_text("body")
    tab.close()


def shows(tab: Tab, text: str, exact: bool = True) -> bool:
    """Wait until the text stands on the page."""
    tab.get_by_text(text, exact=exact).first.wait_for()
    return True


def draws(tab: Tab, path: str, names: Collection[str]) -> bool:
    """Open a lineage and wait until it draws a box of each name; whether it draws no other box."""
    # A box outside the window is not written into the page, and in a graph drawn small a long name is cut: the window
    # has room for all boxes in one row or one pile. It gets its size first: the page centres a graph only once.
    side = 1000 + 300 * len(names)
    tab.set_viewport_size({"width": side, "height": side})
    tab.goto(path)
    boxes = tab.locator("svg foreignObject")  # the list beside the graph has the names as well
    for name in names:
        boxes.filter(has=tab.get_by_text(name, exact=True)).wait_for()
    return boxes.count() == len(names)


def test_the_lineage_shows_every_asset_in_its_group(tab: Tab, shop_page: Page) -> None:
    groups: dict[str, list[str]] = {}
    for node in shop_page.ask("{ assetNodes { groupName assetKey { path } } }")["assetNodes"]:
        groups.setdefault(node["groupName"], []).append(node["assetKey"]["path"][-1])
    assert set(groups) == {"lines", "customers", "segments", "programme", "comparisons", "forecast", "report", "pages"}
    assert sorted(asset for assets in groups.values() for asset in assets) == sorted(ASSETS)
    assert draws(tab, "/asset-groups~", groups)
    # Each group by itself: with all of them opened the graph outgrows the window, and an asset in another group would
    # be found as well. A selection follows the ~ of the path; a single group is drawn opened and without a frame.
    for group, assets in groups.items():
        assert draws(tab, "/asset-groups~" + quote(f'group:"{group}"'), assets), group


def test_an_asset_shows_its_months(tab: Tab) -> None:
    tab.goto("/assets/cluster_labels?view=partitions")
    assert shows(tab, "2 Partitions Selected")
    assert all(shows(tab, month) for month in ("2024-01-01", "2024-02-01"))


def test_an_asset_says_what_it_is_and_what_its_columns_are(tab: Tab) -> None:
    tab.goto("/assets/cluster_labels")
    assert shows(tab, "ten Ward clusters of the embedding", exact=False)
    assert shows(tab, "Silhouette of the customer in the embedding; of landmarks only.")
    assert shows(tab, "insiders.cluster_labels")
