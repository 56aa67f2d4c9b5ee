"""The facts of the report: the same number from DuckDB over the lake's rows and from PostgreSQL over what is published.

The lake's tables are those of one month, as the asset has them; the warehouse holds the other months as well.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.contracts.customers import CUSTOMER_FEATURES, MONTH_TOTALS
from insiders_assets.contracts.forecast import REVENUE_FORECAST
from insiders_assets.contracts.guarantees import (
    GROUP_COMPARISONS,
    HOLDOUT_PLAN,
    NEXT_MONTH,
    NEXT_MONTH_MEASURES,
    SAME_WINDOW,
    SAME_WINDOW_MEASURES,
)
from insiders_assets.contracts.lines import RAW_INVOICES
from insiders_assets.contracts.programme import INSIDERS_MEMBERSHIP, PROGRAMME_RULE
from insiders_assets.contracts.segments import CLUSTER_LABELS, NOT_CLUSTERABLE, NOT_SEGMENTED, SEGMENTED
from insiders_assets.contracts.table import Table
from insiders_assets.domain.facts import SQL_TABLES, Fact, facts_of
from insiders_assets.domain.features import customer_features, month_totals
from insiders_assets.domain.guarantees import compared, with_holm
from insiders_assets.domain.holdout import plan
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.engine import DuckDBEngine
from insiders_assets.storage.warehouse import Warehouse

TABLES = {
    table.name: table
    for table in (
        MONTH_TOTALS,
        CUSTOMER_FEATURES,
        CLUSTER_LABELS,
        INSIDERS_MEMBERSHIP,
        PROGRAMME_RULE,
        GROUP_COMPARISONS,
        HOLDOUT_PLAN,
        REVENUE_FORECAST,
    )
}
GONE = "customer without a line"
FIRST = dt.date(2011, 1, 1)
ORIGINS = (FIRST, dt.date(2011, 2, 1))
FULL, WITHOUT_MEMBERS, WITHOUT_LINES = dt.date(2011, 3, 1), dt.date(2011, 2, 1), dt.date(2011, 4, 1)
MONTHS = (FULL, WITHOUT_MEMBERS, WITHOUT_LINES)


def lines_of(month: dt.date, number: int) -> pa.Table:
    """Lines of a month drawn at random: guests, returns, dropped ones; a few customers buy far more than the others."""
    rng = np.random.default_rng(month.month)
    rows = []
    for order in range(1, number + 1):
        customer = int(rng.geometric(0.03))
        quantity = Decimal(int(rng.integers(-3, 40)))
        price = Decimal(int(rng.integers(1, 9_999))) / 1000
        rows.append(
            {
                "month": month,
                "line_order": order,
                "invoice_no": f"{month:%m}{order // 3}",
                "stock_code": str(rng.integers(20)),
                "quantity": quantity,
                "invoiced_at": dt.datetime.combine(month, dt.time(12)) + dt.timedelta(days=order * 27 // number),
                "unit_price": price,
                "line_amount": quantity * price,
                "customer_id": None if customer % 5 == 0 else str(customer),
                "dropped_by": "service_code" if rng.random() < 0.05 else None,
                "source_file": "a.csv@1",
                "source_sheet": "",
                "source_line": order + 1,
            }
        )
    return pa.Table.from_pylist(rows, schema=RAW_INVOICES.arrow_schema)


def labels_of(month: dt.date, features: pa.Table) -> pa.Table:
    """Segments as clustering gives them: by revenue in the full month, none in the others."""
    frame = features.select(["customer_id", "clusterable", "gross_revenue"]).to_pandas()
    place = frame["gross_revenue"].astype(float).where(frame["clusterable"]).rank(ascending=False, method="first")
    rank = pd.array(np.ceil(place / 8).clip(upper=7), dtype="Int64")
    segmented = frame["clusterable"] if month == FULL else frame["clusterable"] & False
    status = np.where(segmented, SEGMENTED, np.where(frame["clusterable"], NOT_SEGMENTED, NOT_CLUSTERABLE))
    return pa.table(
        {
            "month": pa.array([month] * len(frame), pa.date32()),
            "customer_id": features["customer_id"],
            "status": pa.array(status, pa.string()),
            "cluster_rank": pa.array(pd.Series(rank).where(segmented), pa.int64(), from_pandas=True),
            "silhouette": pa.array(np.where(segmented, 0.3, np.nan), pa.float64(), from_pandas=True),
        }
    )


def membership_of(month: dt.date, labels: pa.Table) -> pa.Table:
    """Members are the top segment, one of the second is in grace, another has left; and one member has no lines."""
    frame = labels.to_pandas().fillna({"cluster_rank": 0}).sort_values(["cluster_rank", "customer_id"])
    second = frame.loc[frame["cluster_rank"] == 2, "customer_id"].tolist()
    special = dict(zip(second, ("grace", "left"), strict=False))
    status = {
        row.customer_id: special.get(row.customer_id, "member" if row.cluster_rank == 1 else "outside")
        for row in frame[frame["status"] != NOT_CLUSTERABLE].itertuples()
    }
    if month == FULL:
        status[GONE] = "grace"
    rows = [
        {
            "month": month,
            "customer_id": customer,
            "status": one,
            "since": None if one == "outside" else month,
            "months_in_grace": 0,
            "months_short": 0,
            "months_holding": 0,
            "rule_holds": one == "member",
        }
        for customer, one in status.items()
    ]
    return pa.Table.from_pylist(rows, schema=INSIDERS_MEMBERSHIP.arrow_schema)


def card_of(month: dt.date) -> pa.Table:
    """A card in the full month alone."""
    card = {
        "month": month,
        "rule": "items_purchased >= 5",
        "rule_in_words": "at least 5 items bought",
        "rule_in_portuguese": "pelo menos 5 itens comprados",
        "explainable": True,
        "verdict": "it says who is chosen",
        "basis": "consensus",
        "clusterable": 50,
        "chosen": 8,
        "selected": 9,
        "exceptions": 1,
        "precision": 0.875,
        "recall": 1.0,
        "f1": 0.9375,
        "f1_in_sample": 0.94,
        "sql": "SELECT customer_id FROM insiders.customer_features",
        "exceptions_sql": "SELECT customer_id FROM insiders.customer_features",
    }
    return pa.Table.from_pylist([card] if month == FULL else [], schema=PROGRAMME_RULE.arrow_schema)


def comparisons_of(month: dt.date, features: pa.Table, labels: pa.Table) -> pa.Table:
    """The full month's two first segments on their window, and by what two months that followed might have brought."""
    if month != FULL:
        return GROUP_COMPARISONS.empty()
    ranks = labels.to_pandas().set_index("customer_id")["cluster_rank"]
    first, second = (ranks.index[ranks == rank].to_numpy(object) for rank in (1, 2))
    frame = features.select(["customer_id", *SAME_WINDOW_MEASURES]).to_pandas().set_index("customer_id").astype(float)
    rows = [{"proof": SAME_WINDOW, "origin": month, **row} for row in with_holm(compared(frame, first, second, 1))]
    drawn = np.random.default_rng(3).normal(size=(len(ranks), 3))
    done = pd.DataFrame(drawn, index=ranks.index, columns=list(NEXT_MONTH_MEASURES))
    for origin in ORIGINS:
        rows += [{"proof": NEXT_MONTH, "origin": origin, **row} for row in with_holm(compared(done, first, second, 1))]
    told = [{"month": month, **row} for row in rows]
    return pa.Table.from_pylist(told, schema=GROUP_COMPARISONS.arrow_schema)


def plan_of(month: dt.date) -> pa.Table:
    """A plan in the full month alone."""
    drawn = np.random.default_rng(4).gamma(2, 50, (2, 40))
    rows = plan([str(number) for number in range(40)], *drawn, salt="test", share=0.25, effect=0.05)
    told = [{"month": month, "outcome_month": month, **row} for row in rows] if month == FULL else []
    return pa.Table.from_pylist(told, schema=HOLDOUT_PLAN.arrow_schema)


def forecast_of(month: dt.date) -> pa.Table:
    """The full month, whose data end early, is forecast by all models; the next by none; the last has no rows."""
    following = (month + dt.timedelta(days=31)).replace(day=1)
    money = {"network": 900.5, "last_30_days": 800.25, "seasonal_naive": None}
    rows: list[dict[str, Any]] = [
        {
            "month": month,
            "model": model,
            "grain": grain,
            "period_start": start,
            "period_end": start,
            "published": model == "network" and month == FULL,
            "net_revenue": None if month != FULL or said is None else said + start.month,
            "lower": 700.0 if model == "network" and month == FULL else None,
            "upper": 1_100.0 if model == "network" and month == FULL else None,
            "days_forecast": 30,
            "observed": 0.0,
            "backtest_error": -0.125 if model == "network" and month == FULL else None,
        }
        for model, said in money.items()
        for grain, start in (
            ("month", month),
            ("month", following),
            ("day", following),
            ("day", following.replace(day=2)),
        )
    ]
    return pa.Table.from_pylist(rows if month != WITHOUT_LINES else [], schema=REVENUE_FORECAST.arrow_schema)


@dataclass
class Sample:
    """Tables by month as the asset reads them, and a warehouse in which all months are published."""

    tables: Mapping[dt.date, dict[str, pa.Table]]
    engine: DuckDBEngine
    warehouse: Warehouse

    def from_lake(self, fact: Fact, month: dt.date) -> list[tuple[Any, ...]]:
        return self.engine.over(self.tables[month])(fact.sql)

    def values(self, month: dt.date) -> dict[str, float | None]:
        return {fact.key: number(self.from_lake(fact, month)) for fact in facts_of(month, FIRST, ORIGINS)}


def number(rows: list[tuple[Any, ...]]) -> float | None:
    return float(rows[0][0]) if rows and rows[0][0] is not None else None


def tables_of(engine: DuckDBEngine) -> dict[dt.date, dict[str, pa.Table]]:
    """What the assets would have written, each table valid by its contract."""
    lines = {month: lines_of(month, 400) for month in (FIRST, dt.date(2011, 2, 1), dt.date(2011, 3, 1))}
    lines[WITHOUT_LINES] = RAW_INVOICES.empty()
    made = {}
    totals = MONTH_TOTALS.empty()
    for month, here in sorted(lines.items()):
        window = pa.concat_tables([rows for one, rows in lines.items() if one <= month])
        features = CUSTOMER_FEATURES.validate(engine.run(customer_features(engine.table(window), month)))
        if month == WITHOUT_LINES:
            features = CUSTOMER_FEATURES.empty()
        known = engine.table(features.filter(features["clusterable"]).select(["customer_id"]))
        of_month = MONTH_TOTALS.validate(engine.run(month_totals(engine.table(here), known, month)))
        totals = pa.concat_tables([totals, of_month])
        made[month] = {
            "month_totals": totals,
            "customer_features": features,
            "cluster_labels": (labels := CLUSTER_LABELS.validate(labels_of(month, features))),
            "insiders_membership": INSIDERS_MEMBERSHIP.validate(membership_of(month, labels)),
            "programme_rule": PROGRAMME_RULE.validate(card_of(month)),
            "group_comparisons": GROUP_COMPARISONS.validate(comparisons_of(month, features, labels)),
            "holdout_plan": HOLDOUT_PLAN.validate(plan_of(month)),
            "revenue_forecast": REVENUE_FORECAST.validate(forecast_of(month)),
        }
    return made


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
    here = rows.filter(pa.compute.equal(rows["month"], pa.scalar(month, pa.date32())))
    warehouse.publish(table, month, here, version="1", content_hash="1")


# -- what a fact is


@given(st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1)), st.integers(0, 60))
def test_every_fact_has_a_name_of_its_own_and_says_what_it_is(day: dt.date, months_before: int) -> None:
    month = day.replace(day=1)
    facts = facts_of(month, (month - dt.timedelta(days=30 * months_before)).replace(day=1))
    assert len({fact.key for fact in facts}) == len(facts)
    assert len({fact.description for fact in facts}) == len(facts)
    assert {fact.source for fact in facts} <= set(SQL_TABLES) == set(TABLES)
    assert all("." in fact.key and fact.unit and fact.sql.startswith("SELECT ") for fact in facts)
    assert all(f"insiders.{fact.source} " in fact.sql for fact in facts)


def test_every_share_and_every_mean_names_what_it_is_taken_over() -> None:
    facts = facts_of(FULL, FIRST, ORIGINS)
    kinds = ("mean", "median", "share", "ratio")
    silent = [fact.key for fact in facts if any(kind in fact.key for kind in kinds) and not fact.denominator]
    assert silent == []
    assert [fact.key for fact in facts if fact.unit == "share" and not fact.denominator] == []


# -- the same number everywhere


@pytest.mark.parametrize("month", MONTHS)
def test_a_fact_is_the_same_number_on_postgresql_as_in_the_report(sample: Sample, month: dt.date) -> None:
    for fact in facts_of(month, FIRST, ORIGINS):
        ours = sample.from_lake(fact, month)
        theirs = sample.warehouse.query(fact.sql).rows
        assert len(ours) == len(theirs) <= 1, fact.key
        expected = number(ours)
        assert number(theirs) == (None if expected is None else pytest.approx(expected, rel=1e-12)), fact.key


def test_a_recorded_fact_says_what_found_it(sample: Sample) -> None:
    recorded = [fact for fact in facts_of(FULL, FIRST, ORIGINS) if fact.recorded]
    assert len(recorded) > 60
    for fact in recorded:
        ((_, function, library, seed),) = sample.from_lake(fact, FULL)
        assert function
        assert library.startswith("scipy ")
        assert seed == 1
    for fact in facts_of(FULL, FIRST, ORIGINS):
        assert fact.recorded or all(len(row) == 1 for row in sample.from_lake(fact, FULL)), fact.key


def test_the_full_month_has_every_fact_but_the_model_that_cannot_forecast(sample: Sample) -> None:
    missing = {key for key, value in sample.values(FULL).items() if value is None}
    # Seven segments stand; the report asks for ten.
    assert missing == {"forecast.seasonal_naive", *(f"segment_{n:02d}.mean_gross_revenue" for n in (8, 9, 10))}


def test_the_facts_of_the_full_month_are_what_pandas_counts(sample: Sample) -> None:
    tables, found = sample.tables[FULL], sample.values(FULL)
    customers = tables["customer_features"].to_pandas().merge(tables["cluster_labels"].to_pandas(), on="customer_id")
    for name in ("gross_revenue", "net_revenue", "items_purchased"):
        customers[name] = customers[name].astype(float)
    standing = tables["insiders_membership"].to_pandas().set_index("customer_id")["status"]
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
        "segment_10.customers": 0,
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
    assert found["forecast.last_30_days"] == 800.25 + 4
    assert (found["forecast.lower"], found["forecast.upper"]) == (700.0, 1_100.0)
    assert found["forecast.backtest_error"] == -0.125


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
    assert {key: value for key, value in found.items() if key.startswith(undefined) and value is not None} == {}
    assert found["members.share_of_clusterable"] == (0.0 if month == WITHOUT_MEMBERS else None)
    assert (found["base.clusterable"] or 0) > 0 or month == WITHOUT_LINES
