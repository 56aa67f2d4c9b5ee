"""The facts of the report: the same number from DuckDB over the lake's rows and from PostgreSQL over what is published.

The lake's tables are those of one month, as the asset has them; the warehouse holds the other months as well.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from insiders_assets.contracts.table import Table
from insiders_assets.domain.facts import SQL_TABLES, Fact, facts_of, values_of
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.engine import DuckDBEngine
from insiders_assets.storage.warehouse import Warehouse
from insiders_tests.domain.months_of_tables import (
    FULL,
    MONTHS,
    TABLES,
    WITHOUT_LINES,
    WITHOUT_MEMBERS,
    only,
    outline_of,
    tables_of,
)


@dataclass
class Sample:
    """Tables by month as the asset reads them, and a warehouse in which all months are published."""

    tables: Mapping[dt.date, dict[str, pa.Table]]
    engine: DuckDBEngine
    warehouse: Warehouse
    standing: dt.date | None = None

    def from_lake(self, fact: Fact, month: dt.date) -> list[tuple[Any, ...]]:
        return self.ask(month)(fact.sql)

    def ask(self, month: dt.date) -> Callable[[str], list[tuple]]:
        """Over the month's tables, which stand until another month is asked for."""
        if month != self.standing:
            self.standing, self.asked = month, self.engine.over(self.tables[month])
        return self.asked

    def facts(self, month: dt.date) -> list[Fact]:
        return facts_of(outline_of(month, self.tables[month]))

    def values(self, month: dt.date) -> dict[str, float | None]:
        found = values_of(self.facts(month), self.ask(month))
        return {key: number([row] if row else []) for key, row in found.items()}


def number(rows: list[tuple[Any, ...]]) -> float | None:
    return float(rows[0][0]) if rows and rows[0][0] is not None else None


@pytest.fixture(scope="module")
def sample(open_folder: Path) -> Iterator[Sample]:
    parent = Path(tempfile.mkdtemp(dir=open_folder))
    parent.chmod(0o755)
    engine = DuckDBEngine()
    tables = tables_of(engine)
    with EmbeddedPostgres(parent / "home").running() as url:
        warehouse = Warehouse(url)
        warehouse.prepare(list(TABLES.values()))
        for month, of_month in tables.items():
            for name, rows in of_month.items():
                publish(warehouse, TABLES[name], month, rows)
        yield Sample(tables, engine, warehouse)
    engine.close()


def publish(warehouse: Warehouse, table: Table, month: dt.date, rows: pa.Table) -> None:
    warehouse.publish(table, month, only(rows, month), version="1", content_hash="1")


# -- what a fact is


def test_every_fact_has_a_name_of_its_own_and_says_what_it_is(sample: Sample) -> None:
    for month in MONTHS:
        facts = sample.facts(month)
        assert len({fact.key for fact in facts}) == len(facts)
        assert len({str(fact.words) for fact in facts}) == len(facts)
        assert {fact.source for fact in facts} <= set(SQL_TABLES) == set(TABLES)
        assert all("." in fact.key and fact.unit and fact.sql.startswith("SELECT ") for fact in facts)
        assert all(f"insiders.{fact.source} " in fact.sql for fact in facts)
    assert {fact.source for fact in sample.facts(FULL)} == set(SQL_TABLES)


def test_every_share_and_every_mean_names_what_it_is_taken_over(sample: Sample) -> None:
    facts = sample.facts(FULL)
    kinds = ("mean", "median", "share", "ratio")
    silent = [fact.key for fact in facts if any(kind in fact.key for kind in kinds) and not fact.over]
    assert silent == []
    assert [fact.key for fact in facts if fact.unit == "share" and not fact.over] == []


# -- the same number everywhere


@pytest.mark.parametrize("month", MONTHS)
def test_a_fact_is_the_same_number_on_postgresql_as_in_the_report(sample: Sample, month: dt.date) -> None:
    for fact in sample.facts(month):
        ours = sample.from_lake(fact, month)
        theirs = sample.warehouse.query(fact.sql).rows
        assert len(ours) == len(theirs) <= 1, fact.key
        expected = number(ours)
        assert number(theirs) == (None if expected is None else pytest.approx(expected, rel=1e-12)), fact.key


def test_a_recorded_fact_says_what_found_it(sample: Sample) -> None:
    recorded = [fact for fact in sample.facts(FULL) if fact.found_by]
    assert len(recorded) > 100
    for fact in recorded:
        for _, function, library, seed in sample.from_lake(fact, FULL):
            assert function
            if fact.source == "group_comparisons":
                assert library.startswith("scipy ")
                assert seed == 1
    for fact in sample.facts(FULL):
        assert fact.found_by or all(len(row) == 1 for row in sample.from_lake(fact, FULL)), fact.key


@pytest.mark.parametrize("month", MONTHS)
def test_facts_asked_for_together_are_what_each_is_alone(sample: Sample, month: dt.date) -> None:
    together = values_of(sample.facts(month), sample.ask(month))
    for fact in sample.facts(month):
        alone = sample.from_lake(fact, month)
        assert together[fact.key] == (pytest.approx(tuple(alone[0])) if alone else ()), fact.key


def test_the_full_month_has_every_fact_but_the_model_that_cannot_forecast(sample: Sample) -> None:
    missing = {key for key, value in sample.values(FULL).items() if value is None}
    no_model = {key for key in missing if key.startswith("forecast.seasonal_naive")}
    # Only a model that speaks for a family has a weight.
    no_model |= {"forecast.combination.weight"}
    no_such_customer = {key for key in missing if key.startswith("leaving.02.")}
    never_measured = {key for key in missing if key in ("rule.runner_up_f1", "rule.lead") or "_sample" in key}
    no_second_visit = {key for key in missing if key.startswith("segment_00.") and "avg_recency_days" in key}
    # Nobody was in the month before: nothing to grow from.
    assert missing == {"members.growth"} | no_model | no_such_customer | never_measured | no_second_visit
    assert no_such_customer


def test_the_facts_of_the_full_month_are_what_pandas_counts(sample: Sample) -> None:
    tables, found = sample.tables[FULL], sample.values(FULL)
    customers = tables["customer_features"].to_pandas().merge(tables["cluster_labels"].to_pandas(), on="customer_id")
    for name in ("gross_revenue", "net_revenue", "items_purchased"):
        customers[name] = customers[name].astype(float)
    standing = only(tables["insiders_membership"], FULL).to_pandas().set_index("customer_id")["status"]
    inside = customers["customer_id"].map(standing).isin(["member", "grace"])
    members, clusterable = customers[inside], customers[customers["clusterable"]]
    totals = tables["month_totals"].to_pandas()
    sales = totals[~totals["bucket"].str.startswith("dropped")]
    expected = {
        "base.identified_buyers": (customers["purchases"] > 0).sum(),
        "base.clusterable": len(clusterable),
        "base.revenue_clusterable": clusterable["gross_revenue"].sum(),
        "base.revenue_identified": customers["gross_revenue"].sum(),
        "base.revenue_all": float(sales["gross_revenue"].sum()),
        # Eight of the top segment and the one in grace; the one without a line counts among the members alone.
        "members.count": 10,
        "members.share_of_clusterable": 9 / len(clusterable),
        "members.revenue": members["gross_revenue"].sum(),
        "members.net_revenue": members["net_revenue"].sum(),
        "members.least_items": members["items_purchased"].min(),
        "others.most_items": clusterable.loc[~inside[clusterable.index], "items_purchased"].max(),
        "programme.in_grace": 2,
        "programme.entered": 0,
        "rule.f1": 0.9375,
        "rule.exceptions": 1,
        "members.ticket_as_ratio_of_means": members["gross_revenue"].sum() / members["purchases"].sum(),
        "segment_02.customers": 8,
        "segment_02.mean_gross_revenue": customers.loc[customers["cluster_rank"] == 2, "gross_revenue"].mean(),
        "segment_02.median_gross_revenue": customers.loc[customers["cluster_rank"] == 2, "gross_revenue"].median(),
        "base.segmented": customers["cluster_rank"].notna().sum(),
        "members.ticket_as_ratio_of_medians": members["gross_revenue"].median() / members["purchases"].median(),
        "action.1.in_grace.win_back.customers": 7,
        "segments.silhouette": 0.3,
    }
    for column in ("gross_revenue", "items_purchased"):
        what = "revenue" if column == "gross_revenue" else "items"
        own = members[column].sum()
        expected[f"members.share_of_{what}_clusterable"] = own / clusterable[column].sum()
        expected[f"members.share_of_{what}_identified"] = own / customers[column].sum()
        expected[f"members.share_of_{what}_all"] = own / float(sales[column].sum())
    for column in ("gross_revenue", "recency_days", "items_purchased", "purchases", "number_returns", "avg_ticket"):
        expected[f"members.mean_{column}"] = members[column].mean()
        expected[f"members.median_{column}"] = members[column].median()
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-9)
    assert found["members.share_of_revenue_all"] < found["members.share_of_revenue_identified"]  # type: ignore[operator]


def test_the_forecast_of_an_unfinished_month_is_that_of_the_month_after_it(sample: Sample) -> None:
    found = sample.values(FULL)
    assert found["forecast.net_revenue"] == 900.5 + 4
    assert found["forecast.last_30_days.net_revenue"] == 800.25 + 4
    assert (found["forecast.lower"], found["forecast.upper"]) == (720.0, 1_080.0)
    assert (found["forecast.2011-03.lower_95"], found["forecast.2011-04.upper_50"]) == (705.0, 1_050.0)
    assert (found["forecast.mean_error"], found["forecast.bias"], found["forecast.origins"]) == (0.125, -0.0625, 6)
    assert found["forecast.last_30_days.weight"] == 0.75


@pytest.mark.parametrize("month", [WITHOUT_MEMBERS, WITHOUT_LINES])
def test_a_month_without_members_counts_none_and_claims_nothing_of_them(sample: Sample, month: dt.date) -> None:
    found = sample.values(month)
    assert found["members.count"] == found["members.revenue"] == found["members.net_revenue"] == 0
    assert {key: value for key, value in found.items() if key.startswith("segment_") and value} == {}
    undefined = (
        "members.mean",
        "members.median",
        "members.least",
        "members.share_of_revenue",
        "forecast.",
        "segments.",
    )
    assert {key: value for key, value in found.items() if key.startswith(undefined) and value} == {}
    assert found["members.share_of_clusterable"] == (0.0 if month == WITHOUT_MEMBERS else None)
    assert (found["base.clusterable"] or 0) > 0 or month == WITHOUT_LINES
