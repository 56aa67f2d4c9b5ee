"""Visits to the dashboard's pages, and what holds of every page whatever the warehouse has.

Belongs here: opening, waiting, looking. Does not belong here: what a test expects of one warehouse.
"""

from __future__ import annotations

import datetime as dt
import os
import re

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from insiders_assets.contracts.catalogue import TABLES_BY_MONTH
from insiders_assets.domain.facts.characteristics import PROFILE
from insiders_assets.domain.facts.members import BASES
from insiders_assets.partitions import shift
from insiders_assets.reporting.language import ENGLISH, PORTUGUESE, Language
from insiders_assets.storage.warehouse import Warehouse
from insiders_tests.dashboard.serving import Dashboard

PAGES = ("", "members", "movement", "segments", "customer", "programme", "forecast", "health")
TITLES = {
    ENGLISH: ("Overview", "Members", "Movement", "Segments", "Customer", "Programme", "Forecast", "Data health"),
    PORTUGUESE: (
        "Visão geral",
        "Membros",
        "Movimento",
        "Segmentos",
        "Cliente",
        "Programa",
        "Previsão",
        "Saúde dos dados",
    ),
}
SECONDS = 30_000
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def visit(page: Page, dashboard: Dashboard, name: str = "", **asked: str) -> None:
    """Open a page and wait until all of it is there."""
    query = "&".join(f"{key}={value}" for key, value in asked.items())
    page.goto(f"{dashboard.url}/{name}?{query}")
    settle(page)


def settle(page: Page) -> None:
    """Wait until Streamlit has nothing to do and what stands there stays."""
    expect(page.locator("h1").first).to_be_visible(timeout=SECONDS)
    before, same = "", 0
    while same < 3:
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=SECONDS)
        page.wait_for_timeout(150)
        now = page.content()
        same = same + 1 if now == before else 0
        before = now


def facts(warehouse: Warehouse, month: dt.date) -> dict[str, tuple[float | None, str]]:
    """Value and unit of each fact of a month, by key."""
    found = warehouse.read("SELECT key, value, unit FROM page_facts WHERE month = %s", [month], limit=5_000)
    return {key: (value, unit) for key, value, unit in found.rows}


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option of a selector."""
    page.get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=option, exact=True).click()
    settle(page)


def every_page_is_whole(page: Page, dashboard: Dashboard, language: str, month: dt.date, customer: str) -> None:
    """No error, no sideways scrolling, a link to its asset beside every figure; on a wide screen nothing for axe."""
    wide = page.viewport_size == WIDE
    for name, title in zip(PAGES, TITLES[language], strict=True):
        visit(page, dashboard, name, lang=language, customer=customer)
        expect(page.locator("h1").first).to_have_text(title)
        assert page.get_by_test_id("stException").count() == 0
        assert page.locator("[data-testid=stAlertContentError]").count() == 0
        # Tables scroll in themselves; the page does not.
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        _every_figure_leads_to_its_asset(page, name, month)
        if wide:
            found = Axe().run(page).response
            serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
            assert [(name, one["id"], one["nodes"][0]["html"][:200]) for one in serious] == []
        if folder := os.environ.get("PICTURES_OF_PAGES"):
            width = page.evaluate("window.innerWidth")
            page.screenshot(path=f"{folder}/{name or 'overview'}.{language}.{width}.png", full_page=True)


def _every_figure_leads_to_its_asset(page: Page, name: str, month: dt.date) -> None:
    addresses = [link.get_attribute("href") or "" for link in page.locator(".source a").all()]
    figures = page.locator(".tile").count() + page.locator("table").count() + page.locator("figure").count()
    assert 0 < figures == len(addresses), name
    for address in addresses:
        asset, _, query = address.removeprefix("https://dagster.example/assets/").partition("?")
        assert query == ("" if asset == "landed_invoices" else f"view=partitions&partition={month}"), address
        assert asset == "landed_invoices" or asset in TABLES_BY_MONTH, address


def tiles_tell_the_facts(page: Page, dashboard: Dashboard, warehouse: Warehouse, language: str, month: dt.date) -> int:
    """Every tile of Overview, with each denominator, has its fact's value as the language writes it; how many have."""
    told, words, shown = facts(warehouse, month), Language(language), 0
    for base in BASES:
        visit(page, dashboard, lang=language, of=base, month=f"{month:%Y-%m}")
        for tile in page.locator("[data-fact]").all():
            key = tile.get_attribute("data-fact") or ""
            if key in told:
                assert tile.inner_text() == words.written(*told[key], "GBP"), key
                shown += 1
    return shown


def the_other_pages_tell_them_too(
    page: Page, dashboard: Dashboard, warehouse: Warehouse, language: str, month: dt.date
) -> None:
    """What Programme, Members, Forecast and Segments have in common with the fact table is written as there."""
    told, words = facts(warehouse, month), Language(language)
    asked = {"lang": language, "month": f"{month:%Y-%m}"}

    def written(key: str, currency: str | None = None) -> str:
        return words.written(*told[key], currency)

    visit(page, dashboard, "programme", **asked)
    for key in ("rule.f1", "rule.precision", "rule.recall", "rule.selected", "rule.exceptions"):
        assert page.locator(f"[data-fact='{key}']").inner_text() == written(key), key
    visit(page, dashboard, "members", **asked)
    note = page.locator("h3 + p.quiet").first.inner_text()
    assert written("members.count") in note
    assert written("members.revenue", "GBP") in note
    visit(page, dashboard, "forecast", **asked)
    rows = [row.split("\t") for row in page.locator("table").first.locator("tbody tr").all_inner_texts()]
    (next_month,) = [row for row in rows if row[0] == words.short_month(shift(month, 1))]
    for key in ("forecast.net_revenue", "forecast.lower", "forecast.upper"):
        assert written(key) in next_month, key
    visit(page, dashboard, "segments", **asked)
    profiles = page.locator("table").first.locator("tbody tr").all()
    for row in profiles[:-1]:
        cells = row.locator("td").all_inner_texts()
        segment = f"segment_{int(cells[0].split('.')[0]):02d}"
        assert cells[1:] == [written(f"{segment}.customers"), *(written(f"{segment}.mean_{name}") for name in PROFILE)]
    everybody = profiles[-1].locator("td").all_inner_texts()
    assert everybody[1:] == [written("base.clusterable"), *(written(f"clusterable.mean_{name}") for name in PROFILE)]
