"""The month's page: it tells the facts it is given, all of them, and nothing that somebody smuggled into a text."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.contracts.forecast import REVENUE_FORECAST
from insiders_assets.domain.facts import facts_of
from insiders_assets.reporting.page import NOT_KNOWN, render_page, write_number

MONTH, FIRST = dt.date(2011, 12, 1), dt.date(2010, 12, 1)
TRIAL = (("customers", 300), ("customers_needed", 9000), ("wanted_share", 0.05), ("held_share", 0.2))
HOSTILE = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"&amp;"


class Page(HTMLParser):
    """A page as a browser reads it: its elements, their attributes, its text, and its tables as rows of cells."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.rows: list[list[str]] = []
        self.bold: list[list[str]] = []
        self.pieces: list[str] = []
        self.tiles: list[str] = []
        self._in: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self._in.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")
        if tag == "tr":
            self.rows.append([])
            if ("class", "published") in attrs:
                self.bold.append(self.rows[-1])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "b":
            self.tiles.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._in:
            return
        self.pieces.append(data)
        if "td" in self._in or "th" in self._in:
            self.rows[-1][-1] += data
        elif "b" in self._in:
            self.tiles[-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())

    def row(self, *first_cells: str) -> list[str]:
        """The cells after the given ones, of the one row that begins with them."""
        (found,) = [row for row in self.rows if row[: len(first_cells)] == list(first_cells)]
        return found[len(first_cells) :]


def facts(*origins: dt.date, **values: float | None) -> list[dict[str, Any]]:
    """The month's facts, each with a number of its own, but for the values given (`__` for the dot)."""
    given_values = {key.replace("__", "."): value for key, value in values.items()}
    assert set(given_values) <= {fact.key for fact in facts_of(MONTH, FIRST, origins)}
    rows: list[dict[str, Any]] = []
    for position, fact in enumerate(facts_of(MONTH, FIRST, origins), start=1):
        number = position / 1000 if fact.unit in ("share", "silhouette") else 1000.5 * position + position / 100
        whole = fact.unit in ("customers", "items", "count") and "mean" not in fact.key
        rows.append(
            {
                "month": MONTH,
                "key": fact.key,
                "position": position,
                "description": fact.description,
                "value": given_values.get(fact.key, round(number) if whole else number),
                "unit": fact.unit,
                "denominator": fact.denominator,
                "source": fact.source,
                "sql": fact.sql,
            }
        )
    return rows


def forecast(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of the forecast as the asset has them; by default the published model's for the next month."""
    row = {
        "month": MONTH,
        "model": "network",
        "grain": "month",
        "period_start": dt.date(2012, 1, 1),
        "period_end": dt.date(2012, 1, 31),
        "published": True,
        "net_revenue": 1234.5,
        "lower": 1000.0,
        "upper": 1500.25,
        "interval_level": 0.8,
        "days_forecast": 31,
        "observed": 0.0,
        "backtest_month": dt.date(2011, 11, 1),
        "backtest_error": -0.1235,
        "measured_on": "daily errors of 2011-11",
    }
    table = pa.Table.from_pylist([{**row, **other} for other in rows], schema=REVENUE_FORECAST.arrow_schema)
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def page(rows: list[dict[str, Any]], said: pd.DataFrame | None = None, currency: str = "GBP") -> Page:
    return Page(render_page(MONTH, FIRST, rows, forecast({}) if said is None else said, currency))


def money(text: str) -> float:
    return float(text.removesuffix(" GBP").replace(",", ""))


# -- the numbers


def test_every_fact_stands_on_the_page_with_its_number_its_denominator_and_its_query() -> None:
    rows = facts()
    shown = page(rows)
    for fact in rows:
        value, denominator, sql = shown.row(fact["description"])
        assert value == write_number(fact["value"], fact["unit"], "GBP"), fact["key"]
        assert denominator == (fact["denominator"] or "")
        assert sql == fact["sql"]


def test_the_tiles_are_the_headline_facts() -> None:
    rows = {fact["key"]: fact for fact in facts()}
    shown = page(list(rows.values()))
    headline = ("members.count", "members.share_of_revenue_clusterable", "members.share_of_revenue_all")
    told = [write_number(rows[key]["value"], rows[key]["unit"], "GBP") for key in (*headline, "forecast.net_revenue")]
    assert shown.tiles == told


def test_the_tables_of_means_shares_and_segments_are_the_facts() -> None:
    rows = facts(segment_04__customers=0, segment_04__mean_gross_revenue=None)
    values = {fact["key"]: fact["value"] for fact in rows}
    shown = page(rows)
    mean, median = map(money, shown.row("Ticket, GBP"))
    assert (mean, median) == pytest.approx(
        (values["members.mean_avg_ticket"], values["members.median_avg_ticket"]), abs=0.005
    )
    revenue, items = shown.row("all cleaned sales, guests included")
    assert (revenue, items) == tuple(f"{values[f'members.share_of_{what}_all']:.2%}" for what in ("revenue", "items"))
    customers, mean_revenue, _ = shown.row("1")
    assert money(customers) == values["segment_01.customers"]
    assert money(mean_revenue) == pytest.approx(values["segment_01.mean_gross_revenue"], abs=0.005)
    segments = [row[0] for row in shown.rows if re.fullmatch(r"\d+", row[0])]
    assert segments == ["1", "2", "3", "5", "6", "7", "8", "9", "10"]


def test_both_proofs_and_the_plan_are_the_facts() -> None:
    origins = [dt.date(2011, 10, 1), dt.date(2011, 11, 1)]
    needed = {f"trial__{name}__{key}": value for name in ("raw", "winsorised", "cuped") for key, value in TRIAL}
    rows = facts(*origins, **needed)
    told = {fact["key"]: write_number(fact["value"], fact["unit"], "GBP").removesuffix(" GBP") for fact in rows}
    shown = page(rows)
    means, others, u, p, delta = shown.row("Mean ticket, GBP")
    key = "same_window.avg_ticket."
    ends = [told[f"{key}{name}"] for name in ("member_mean", "member_low", "member_high")]
    assert means == f"{ends[0]}{ends[1]} to {ends[2]}"
    assert others.startswith(told[f"{key}next_mean"])
    assert (u, p) == (told[f"{key}u"], told[f"{key}p_holm"])
    assert delta.startswith(told[f"{key}delta"])
    for origin in ("2011-10", "2011-11"):
        names = ("member_mean", "next_mean", "delta", "p_holm")
        assert shown.row(origin) == [told[f"next_month.net_revenue.{origin}.{name}"] for name in names]
    assert "cannot be found with a group of this size" in shown.text
    assert "can be found." in page(facts(*origins, **{**needed, "trial__cuped__customers_needed": 250})).text
    without = page(facts(same_window__gross_revenue__u=None, trial__cuped__customers=None)).text
    assert "no proof from what came after" in without
    assert "circular" not in without


@given(st.floats(-1e12, 1e12), st.sampled_from(["currency", "share", "silhouette", "items", "customers", "days"]))
def test_a_written_number_can_be_read_back_to_its_last_digit(value: float, unit: str) -> None:
    written = write_number(value, unit, "GBP")
    read = money(written.removesuffix("%")) / (100 if unit == "share" else 1)
    # Only money keeps its pennies beyond a thousand.
    last_digit = {"share": 1e-4, "currency": 0.01, "silhouette": 0.01}.get(unit, 1.0 if abs(value) >= 1000 else 0.01)
    assert read == pytest.approx(value, abs=0.501 * last_digit, rel=1e-12)
    assert read != 0 or not written.startswith("-")


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (4360677.12, "currency", "4,360,677.12 GBP"),
        (-0.004, "currency", "0.00 GBP"),
        (0.54853, "share", "54.85%"),
        (-0.12345, "share", "-12.35%"),
        (0.746, "silhouette", "0.75"),
        (2967.0, "customers", "2,967"),
        (9055.004, "items", "9,055"),
        (4.0893, "count", "4.09"),
        (None, "share", NOT_KNOWN),
    ],
)
def test_a_number_is_written_as_its_unit_wants(value: float | None, unit: str, written: str) -> None:
    assert write_number(value, unit, "GBP") == written


# -- the forecast


def test_the_forecast_has_a_line_per_model_and_month_and_marks_the_published_one() -> None:
    said = forecast(
        {"period_start": MONTH, "net_revenue": 99.0, "observed": 12.5, "days_forecast": 22},
        {},
        {"model": "last_30_days", "published": False, "net_revenue": 1100.0, "lower": None, "upper": None},
        {"grain": "day", "net_revenue": 77.77},
    )
    shown = page(facts(), said)
    this_month, next_month = (row[1:] for row in shown.bold if row[0] == "neural network (published)")
    assert this_month == ["99.00", "1,000.00 to 1,500.25", "-12.35%"]
    assert next_month == ["1,234.50", "1,000.00 to 1,500.25", "-12.35%"]
    assert shown.row("mean of the last 30 days") == ["1,100.00", "", "-12.35%"]
    assert "12.50 in the data already, 22 days to come" in shown.text
    assert "80 of 100 cases" in shown.text
    assert "Daily errors of 2011-11." in shown.text
    assert "77.77" not in shown.text


def test_a_model_that_cannot_forecast_has_no_line_and_says_why() -> None:
    cannot = {"model": "seasonal_naive", "net_revenue": None, "published": False, "backtest_error": None}
    shown = page(facts(), forecast({}, {**cannot, "note": "It needs 90 days of history"}))
    assert [row for row in shown.rows if row[0] == "same days a year before"] == []
    assert "It needs 90 days of history." in shown.text


def test_a_forecast_that_was_never_tested_claims_neither_error_nor_interval() -> None:
    untested = dict.fromkeys(("lower", "upper", "interval_level", "backtest_month", "backtest_error"))
    rows = facts(forecast__lower=None, forecast__upper=None)
    shown = page(rows, forecast({**untested, "measured_on": "Not measured"}))
    assert shown.row("neural network (published)") == ["1,234.50", "", ""]
    assert "of 100 cases" not in shown.text


def test_a_month_without_a_forecast_says_so() -> None:
    keys = [fact.key for fact in facts_of(MONTH, FIRST) if fact.key.startswith("forecast.")]
    shown = page(facts(**{key.replace(".", "__"): None for key in keys}), forecast())
    assert "No forecast: no model has enough days of sales yet." in shown.text
    assert shown.tiles[-1] == "No forecast yet"


# -- months that are not like the others


def without_members() -> list[dict[str, Any]]:
    rows = facts(members__count=0, members__revenue=0.0, base__clusterable=7, base__identified_buyers=9)
    for fact in rows:
        if fact["key"].startswith("segment"):
            fact["value"] = 0 if fact["key"].endswith("customers") else None
        elif fact["key"].startswith(("members.mean", "members.median", "members.share", "members.least")):
            fact["value"] = None
    return rows


def test_a_month_without_members_says_so_and_shows_no_group() -> None:
    shown = page(without_members())
    assert "There is no group this month: 7 customers have a purchase and two activity dates" in shown.text
    assert "9 identified customers bought for" in shown.text
    assert "Who they are" not in shown.text
    assert "No forecast: there are no Insiders" in shown.text
    assert shown.tiles == []
    assert shown.row("Mean ticket per customer, per Insider")[0] == NOT_KNOWN


@pytest.mark.parametrize("rows", [facts(), without_members()], ids=["with members", "without"])
@pytest.mark.parametrize("said", [forecast({}), forecast()], ids=["with forecast", "without"])
def test_no_page_shows_python_s_words_for_nothing(rows: list[dict[str, Any]], said: pd.DataFrame) -> None:
    shown = page(rows, said)
    told = " ".join(cell for row in shown.rows for cell in row if not cell.startswith("SELECT"))
    assert not re.search(r"\b(None|nan|NaN|NaT|<NA>|inf)\b", f"{told} {' '.join(shown.tiles)}")


# -- what others wrote


@pytest.mark.parametrize("place", ["currency", "note", "measured_on", "description", "denominator"])
@pytest.mark.parametrize("members", [True, False], ids=["with members", "without"])
def test_hostile_text_is_shown_and_not_obeyed(place: str, members: bool) -> None:
    currency = HOSTILE if place == "currency" else "GBP"
    of_forecast = place in ("note", "measured_on")
    rows = [{**fact, place: HOSTILE} if place in fact else fact for fact in (facts() if members else without_members())]
    shown = page(rows, forecast({place: HOSTILE} if of_forecast else {}), currency)
    assert not shown.elements & {"script", "img", "iframe", "link", "object"}
    assert not [name for name in shown.attributes if name.startswith("on")]
    # A page without members says nothing of any forecast.
    assert (HOSTILE in "".join(shown.pieces)) is (members or not of_forecast)


def test_the_page_asks_nothing_of_the_network() -> None:
    html = render_page(MONTH, FIRST, facts(), forecast({}), "GBP")
    assert not re.search(r"https?://|//[a-z]|@import|url\(", html)
    assert not set(Page(html).attributes) & {"src", "href"}
