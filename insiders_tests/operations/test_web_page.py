"""What a person sees in the browser: the lineage of the assets, an asset and its months, without an error."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from insiders_tests.operations.test_serving import ASSETS
from insiders_tests.web_page import Page

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MILLISECONDS = 60_000


@pytest.fixture
def tab(request: pytest.FixtureRequest) -> Iterator[Tab]:
    """A tab of the browser on the page; at the end of a test no error may have been shown in it."""
    if not CHROMIUM:
        pytest.skip("Debian's chromium is not installed")
    from playwright.sync_api import sync_playwright

    page: Page = request.getfixturevalue("shop_page")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        tab = browser.new_page(viewport={"width": 1900, "height": 1000}, base_url=page.url)
        tab.set_default_timeout(MILLISECONDS)
        broken: list[str] = []
        tab.on("pageerror", lambda error: broken.append(str(error)))
        yield tab
        assert broken == []
        assert not tab.get_by_role("dialog").count()
        assert not tab.get_by_text("error").count(), tab.inner_text("body")
        browser.close()


def shows(tab: Tab, text: str, exact: bool = True) -> bool:
    """Wait until the text stands on the page."""
    tab.get_by_text(text, exact=exact).first.wait_for()
    return True


def test_the_lineage_shows_every_asset_in_its_group(tab: Tab) -> None:
    tab.set_viewport_size({"width": 3800, "height": 4600})  # what lies outside, or is drawn small, is not written
    tab.goto("/asset-groups~")
    assert all(
        shows(tab, group)
        for group in ("lines", "customers", "segments", "programme", "comparisons", "forecast", "report")
    )
    tab.mouse.move(1400, 300)
    tab.keyboard.press("Alt+e")  # expand all groups
    assert all(shows(tab, asset) for asset in ASSETS)


def test_an_asset_shows_its_months(tab: Tab) -> None:
    tab.goto("/assets/cluster_labels?view=partitions")
    assert shows(tab, "2 Partitions Selected")
    assert all(shows(tab, month) for month in ("2024-01-01", "2024-02-01"))


def test_an_asset_says_what_it_is_and_what_its_columns_are(tab: Tab) -> None:
    tab.goto("/assets/cluster_labels")
    assert shows(tab, "ten Ward clusters of the embedding", exact=False)
    assert shows(tab, "Silhouette of the customer in the embedding; of landmarks only.")
    assert shows(tab, "insiders.cluster_labels")
