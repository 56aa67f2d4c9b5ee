"""The pages in a browser: the figures are the fact table's, what can be chosen, searched and taken works, and everybody
gets through them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from benchmarks.warehouse import LAST, fill
from insiders_assets.contracts.catalogue import PUBLISHED_TABLES, PUBLISHED_VIEWS
from insiders_assets.contracts.runs import RUN_ASSETS, RUN_CHECKS
from insiders_assets.dashboard import reading
from insiders_assets.partitions import shift
from insiders_assets.reporting.language import ENGLISH, LANGUAGES, PORTUGUESE, Language
from insiders_assets.storage.warehouse import Warehouse
from insiders_tests.dashboard.serving import Dashboard, running_dashboard
from insiders_tests.dashboard.visiting import (
    PAGES,
    PHONE,
    SECONDS,
    WIDE,
    choose,
    every_page_is_whole,
    facts,
    settle,
    tiles_tell_the_facts,
    visit,
)
from insiders_tests.servers import tcp_postgres

pytestmark = pytest.mark.browser
CUSTOMERS, MONTHS = 400, 4
# What a screen reader would say of the element that has the keyboard.
FOCUSED = """() => {
  const one = document.activeElement
  return (one.getAttribute('aria-label') || one.innerText || '').trim()
}"""


@pytest.fixture(scope="module")
def warehouse(open_folder: Path) -> Iterator[str]:
    with tcp_postgres(open_folder / "pages") as url:
        fill(url, CUSTOMERS, MONTHS)
        yield url


@pytest.fixture(scope="module")
def dashboard(warehouse: str, open_folder: Path) -> Iterator[Dashboard]:
    with running_dashboard(open_folder / "dashboard", warehouse) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport=WIDE)
    opened.set_default_timeout(SECONDS)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("language", "width"),
    [
        pytest.param(ENGLISH, WIDE, id="en-wide"),
        pytest.param(PORTUGUESE, PHONE, id="pt-BR-phone"),
        pytest.param(ENGLISH, PHONE, id="en-phone", marks=pytest.mark.slow),
        pytest.param(PORTUGUESE, WIDE, id="pt-BR-wide", marks=pytest.mark.slow),
    ],
)
def test_every_page_is_whole_and_everybody_gets_through_it(
    page: Page, dashboard: Dashboard, language: str, width: ViewportSize
) -> None:
    page.set_viewport_size(width)
    every_page_is_whole(page, dashboard, language, LAST, "10001")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_figures_are_those_of_the_fact_table(
    page: Page, dashboard: Dashboard, warehouse: str, language: str
) -> None:
    assert tiles_tell_the_facts(page, dashboard, Warehouse(warehouse), language, LAST) == 3 * 9


def test_another_month_has_other_figures_and_the_address_says_which(
    page: Page, dashboard: Dashboard, warehouse: str
) -> None:
    visit(page, dashboard)
    earlier = shift(LAST, -2)
    choose(page, "Month", f"{earlier:%B %Y}")
    value, unit = facts(Warehouse(warehouse), earlier)["members.count"]
    expect(page.locator("[data-fact='members.count']")).to_have_text(Language(ENGLISH).written(value, unit))
    assert f"month={earlier:%Y-%m}" in page.url
    page.reload()
    settle(page)
    expect(page.get_by_text(f"{earlier:%B %Y}; amounts in GBP")).to_be_visible()


def test_the_language_can_be_changed_on_the_page(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "members")
    choose(page, "Language", "Português (Brasil)")
    expect(page.locator("h1").first).to_have_text("Membros")
    assert "lang=pt-BR" in page.url
    # And stays on the next page, where the selector is another one.
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Movimento").click()
    expect(page.locator("h1").first).to_have_text("Movimento")
    settle(page)
    assert "lang=pt-BR" in page.url


@pytest.mark.parametrize("hostile", ["'; DROP TABLE insiders.member_list; --", "<script>alert(1)</script>", "%", "\\"])
def test_whatever_is_searched_is_only_searched(page: Page, dashboard: Dashboard, warehouse: str, hostile: str) -> None:
    said = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    visit(page, dashboard, "members")
    box = page.get_by_label("Search a customer")
    box.fill(hostile)
    box.press("Enter")
    expect(page.get_by_text("There is nothing to show.")).to_be_visible()
    visit(page, dashboard, "customer")
    box = page.get_by_role("textbox", name="Customer")
    box.fill(hostile)
    box.press("Enter")
    expect(page.get_by_text("No customer of December 2024")).to_be_visible()
    assert said == []
    assert Warehouse(warehouse).read("SELECT count(*) FROM page_members", limit=1).rows[0][0] > 0


def test_what_no_text_can_hold_is_no_customer(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "customer", customer="%00")
    expect(page.get_by_text("Write a customer's number")).to_be_visible()


def test_members_are_searched_sorted_and_filtered(page: Page, dashboard: Dashboard, warehouse: str) -> None:
    reader = Warehouse(warehouse)
    visit(page, dashboard, "members")
    rows = page.locator("table tbody tr")
    richest = reader.read(
        "SELECT customer_id FROM page_members WHERE month = %s ORDER BY gross_revenue DESC, customer_id",
        [LAST],
        limit=9,
    ).rows
    assert [rows.nth(place).locator("td").first.inner_text() for place in range(9)] == [row[0] for row in richest]
    choose(page, "Sort by", "nearest to the door")
    nearest = reader.read(
        "SELECT customer_id FROM page_members WHERE month = %s AND status <> 'left' "
        "ORDER BY reach NULLS FIRST, customer_id",
        [LAST],
        limit=1,
    ).rows
    expect(rows.first.locator("td").first).to_have_text(nearest[0][0])
    box = page.get_by_label("Search a customer")
    box.fill(richest[0][0])
    box.press("Enter")
    expect(rows).to_have_count(1)
    rows.first.get_by_role("link").click()
    settle(page)
    expect(page.locator("h1").first).to_have_text("Customer")
    expect(page.get_by_role("textbox", name="Customer")).to_have_value(richest[0][0])


def test_a_list_stays_as_it_was_asked_for_over_pages_reloads_and_languages(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "members", lang=PORTUGUESE)
    box = page.get_by_label("Procurar um cliente")
    box.fill("1")
    box.press("Enter")
    page.get_by_role("combobox", name="Situação").click()
    page.get_by_role("option", name="membro", exact=True).click()
    page.keyboard.press("Escape")
    settle(page)
    choose(page, "Ordenar por", "cliente")
    rows = page.locator("table tbody tr")
    found = rows.all_inner_texts()
    assert found
    choose(page, "Idioma", "English")
    expect(page.get_by_text("member", exact=True).first).to_be_visible()
    assert [one.split("\t")[0] for one in rows.all_inner_texts()] == [one.split("\t")[0] for one in found]
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Segments").click()
    expect(page.locator("h1").first).to_have_text("Segments")
    settle(page)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name="Members").click()
    expect(page.locator("h1").first).to_have_text("Members")
    settle(page)
    expect(page.get_by_label("Search a customer")).to_have_value("1")
    page.reload()
    settle(page)
    expect(page.get_by_label("Search a customer")).to_have_value("1")
    assert [one.split("\t")[0] for one in rows.all_inner_texts()] == [one.split("\t")[0] for one in found]


def test_a_table_is_taken_as_csv_with_all_of_its_rows(page: Page, dashboard: Dashboard, warehouse: str) -> None:
    visit(page, dashboard, "members")
    with page.expect_download() as taken:
        page.get_by_role("button", name="CSV: Members").click()
    text = Path(taken.value.path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    found = (
        Warehouse(warehouse)
        .read(
            "SELECT customer_id, gross_revenue FROM page_members WHERE month = %s AND status <> 'outside'",
            [LAST],
            limit=999,
        )
        .rows
    )
    assert {(row["customer_id"], row["gross_revenue"]) for row in rows} == {(one, str(money)) for one, money in found}
    assert taken.value.suggested_filename == "members-2024-12.csv"


def test_what_to_know_before_trusting_a_number_stands_on_top(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard)
    expect(page.get_by_text("has no report yet; the last one is of December 2024")).to_be_visible()
    expect(page.get_by_text("Checks of December 2024 that do not hold: volume_is_as_usual.")).to_be_visible()
    visit(page, dashboard, month=f"{shift(LAST, -1):%Y-%m}")
    expect(page.get_by_text("Checks of November 2024 that do not hold")).to_have_count(0)


def test_the_keyboard_alone_reaches_everything(page: Page, dashboard: Dashboard) -> None:
    visit(page, dashboard, "members")
    wanted = {"Overview", "Data health", "CSV: Members"}
    boxes = {"Search a customer", "Language", "Month", "Sort by"}
    reached: set[str] = set()
    for _ in range(160):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(FOCUSED))
        if wanted <= reached and all(any(box in one for one in reached) for box in boxes):
            return
    missed = [box for box in boxes if not any(box in one for one in reached)]
    raise AssertionError(f"not reached: {wanted - reached}, {missed}")


def test_nothing_is_asked_while_nobody_touches_a_page(page: Page, dashboard: Dashboard, warehouse: str) -> None:
    visit(page, dashboard)
    with psycopg.connect(warehouse, autocommit=True) as connection:

        def asked() -> int:
            connection.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
            counted = connection.execute("SELECT sessions FROM pg_stat_database WHERE datname = 'shop'").fetchone()
            return counted[0] if counted else 0

        page.wait_for_timeout(2_000)
        before = asked()
        page.wait_for_timeout(8_000)
        assert asked() == before


def test_the_role_that_reads_cannot_write_even_where_a_transaction_could(warehouse: str) -> None:
    with psycopg.connect(warehouse, autocommit=True) as connection:
        connection.execute("SET ROLE insiders_reader")
        for statement in (
            "DELETE FROM insiders.member_list",
            "INSERT INTO insiders.member_list SELECT * FROM insiders.member_list",
            "UPDATE insiders.report_facts SET value = 0",
            "TRUNCATE insiders.member_list",
            "CREATE TABLE insiders.mine ()",
            "DROP VIEW insiders.page_members",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        assert connection.execute("SELECT count(*) FROM insiders.page_members").fetchone() != (0,)


def test_a_database_that_goes_away_and_comes_back_is_told_and_survived(browser: Browser, open_folder: Path) -> None:
    with tcp_postgres(open_folder / "away") as url, running_dashboard(open_folder / "patient", url) as running:
        fill(url, 60, 2)
        page = browser.new_page(viewport=WIDE)
        page.set_default_timeout(SECONDS)
        visit(page, running, of="all", lang=PORTUGUESE)
        expect(page.locator("[data-fact='members.count']")).to_be_visible()
        with psycopg.connect(url.rpartition("/")[0] + "/postgres", autocommit=True) as server:
            server.execute("ALTER DATABASE shop ALLOW_CONNECTIONS false")
            page.wait_for_timeout(1_000 * reading.SECONDS_UNASKED)
            page.get_by_test_id("stSidebarNav").get_by_role("link", name="Membros").click()
            expect(page.get_by_text("o banco de dados não responde")).to_be_visible()
            assert "Traceback" not in page.content()
            server.execute("ALTER DATABASE shop ALLOW_CONNECTIONS true")
        # By itself, with what was chosen: nobody touches the page.
        expect(page.locator("h1").first).to_have_text("Membros", timeout=SECONDS)
        settle(page)
        assert "lang=pt-BR" in page.url
        assert "of=all" in page.url
        page.close()


def test_an_empty_warehouse_says_so_until_something_is_there(browser: Browser, open_folder: Path) -> None:
    with tcp_postgres(open_folder / "empty") as url, running_dashboard(open_folder / "nothing", url) as running:
        page = browser.new_page(viewport=WIDE)
        page.set_default_timeout(SECONDS)
        visit(page, running, "members")
        expect(page.get_by_text("No month has a report yet")).to_be_visible()
        # As a sensor does that writes down what runs did, before there was one.
        Warehouse(url).prepare([RUN_ASSETS, RUN_CHECKS])
        visit(page, running, "members")
        expect(page.get_by_text("No month has a report yet")).to_be_visible()
        Warehouse(url).prepare(PUBLISHED_TABLES, PUBLISHED_VIEWS)
        visit(page, running, "members")
        expect(page.get_by_text("No month has a report yet")).to_be_visible()
        fill(url, 60, 1)
        # By itself: nobody touches the page.
        expect(page.locator("table")).to_be_visible(timeout=SECONDS)
        page.close()


def test_one_month_alone_and_one_without_members_are_shown(browser: Browser, open_folder: Path) -> None:
    with tcp_postgres(open_folder / "one") as url:
        fill(url, 60, 1)
        with psycopg.connect(url) as connection:
            for statement in (
                "DELETE FROM insiders.member_list",
                "UPDATE insiders.insiders_membership SET status = 'outside', event = NULL",
                "DELETE FROM insiders.segment_profiles",
                "DELETE FROM insiders.report_pictures",
                "DELETE FROM insiders.revenue_forecast",
                "DELETE FROM insiders.programme_rule",
                "DELETE FROM insiders.report_facts WHERE key !~ '^(members.count|base)'",
            ):
                connection.execute(statement)  # type: ignore[arg-type]
        with running_dashboard(open_folder / "alone", url) as run:
            page = browser.new_page(viewport=WIDE)
            page.set_default_timeout(SECONDS)
            for name in PAGES:
                visit(page, run, name, customer="10001")
                assert page.get_by_test_id("stException").count() == 0, name
            visit(page, run, "movement")
            expect(page.get_by_text("There is no earlier month to compare with.")).to_be_visible()
            page.close()
