"""The page in a browser: nothing serious for who hears it or goes by keyboard, and no sideways scrolling on a phone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from insiders_assets.reporting.content import report
from insiders_assets.reporting.document import Teller
from insiders_assets.reporting.forms.html import as_html
from insiders_assets.reporting.language import LANGUAGES, Language
from insiders_assets.reporting.pictures.month import lorenz
from insiders_tests.reporting.months import matter

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder, addresses = tmp_path_factory.mktemp("pages"), {}
    revenues = np.random.default_rng(1).gamma(0.5, 100, 300)
    for code in LANGUAGES:
        language = Language(code)
        picture = lorenz(revenues, revenues > 200, language)
        assert picture is not None
        month = replace(matter(names="a segment with a rather long name, as they are"), pictures=("lorenz",))
        html = as_html(report(month), Teller(language, month.rows, "GBP"), {"lorenz": picture})
        (folder / f"{code}.html").write_text(html, "utf-8")
        addresses[code] = Path(folder / f"{code}.html").as_uri()
    return addresses


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("folded", [True, False], ids=["folded", "unfolded"])
def test_axe_finds_nothing_serious(browser: Browser, pages: dict[str, str], language: str, folded: bool) -> None:
    page = browser.new_page()
    page.goto(pages[language])
    if not folded:
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(page).response
    serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in serious] == []
    assert len(found["passes"]) > 15
    page.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_screen(browser: Browser, pages: dict[str, str], language: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(pages[language])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_nothing_is_asked_of_the_network(browser: Browser, pages: dict[str, str]) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(pages["en"])
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    page.close()
