"""The pages over the real file's result, with the reference month: minutes to make, so among the slow ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from insiders_assets.assets.platform import open_platform
from insiders_assets.operations.running import Wanted, run
from insiders_assets.reporting.language import LANGUAGES
from insiders_assets.settings import load_settings
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_tests.dashboard.serving import Dashboard, running_dashboard
from insiders_tests.dashboard.visiting import (
    PHONE,
    WIDE,
    every_page_is_whole,
    the_other_pages_tell_them_too,
    tiles_tell_the_facts,
)
from insiders_tests.operations.shops import environment_as_before

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real,
    pytest.mark.browser,
    pytest.mark.timeout(3600),
]
LAST = dt.date(2011, 12, 1)
CUSTOMER = "12583"


@pytest.fixture(scope="module")
def real_home(open_folder: Path, real_data: Path) -> Iterator[Path]:
    home = open_folder / "real" / "home"
    with environment_as_before():
        run(load_settings(home, compare="asked"), Wanted(files=[real_data]), dt.date(2012, 1, 9), lambda _: None)
        yield home
    EmbeddedPostgres(home).remove()


@pytest.fixture(scope="module")
def dashboard(real_home: Path) -> Iterator[Dashboard]:
    with running_dashboard(real_home) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    opened.set_default_timeout(60_000)
    yield opened
    opened.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_page_is_whole(page: Page, dashboard: Dashboard, language: str, width: ViewportSize) -> None:
    page.set_viewport_size(width)
    every_page_is_whole(page, dashboard, language, LAST, CUSTOMER)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_figures_are_those_of_the_fact_table(
    page: Page, dashboard: Dashboard, real_home: Path, language: str
) -> None:
    page.set_viewport_size(WIDE)
    with open_platform(load_settings(real_home)) as platform:
        for month in (LAST, dt.date(2011, 11, 1)):
            assert tiles_tell_the_facts(page, dashboard, platform.warehouse, language, month) == 3 * 9
            the_other_pages_tell_them_too(page, dashboard, platform.warehouse, language, month)
