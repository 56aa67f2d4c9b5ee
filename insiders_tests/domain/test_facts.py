"""The facts of the report: the same number from DuckDB over the lake's rows and from PostgreSQL over what is published.

The lake's tables are those of one month, as the asset has them; the warehouse holds the other months as well.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from insiders_assets.contracts.actions import MARKETING_ACTIONS
from insiders_assets.contracts.customers import CUSTOMER_FEATURES, CUSTOMER_PURCHASES, MONTH_TOTALS
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
from insiders_assets.contracts.programme import INSIDERS_MEMBERSHIP, MEMBERSHIP_POLICIES, PROGRAMME_RULE
from insiders_assets.contracts.segments import (
    CLUSTER_LABELS,
    CUSTOMER_SEGMENTS,
    FOREST_IMPORTANCES,
    NOT_CLUSTERABLE,
    NOT_SEGMENTED,
    SEGMENTED,
)
from insiders_assets.contracts.table import Table
from insiders_assets.domain.facts import SQL_TABLES, Fact, Outline, facts_of, values_of
from insiders_assets.domain.feature_words import FEATURES
from insiders_assets.domain.features import customer_features, customer_purchases, month_totals
from insiders_assets.domain.guarantees import compared, with_holm
from insiders_assets.domain.holdout import plan
from insiders_assets.domain.rules import parse_rule
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.engine import DuckDBEngine
from insiders_assets.storage.warehouse import Warehouse

TABLES = {
    table.name: table
    for table in (
        MONTH_TOTALS,
        CUSTOMER_FEATURES,
        CUSTOMER_PURCHASES,
        FOREST_IMPORTANCES,
        CLUSTER_LABELS,
        CUSTOMER_SEGMENTS,
        INSIDERS_MEMBERSHIP,
        MEMBERSHIP_POLICIES,
        PROGRAMME_RULE,
        GROUP_COMPARISONS,
        HOLDOUT_PLAN,
        MARKETING_ACTIONS,
        REVENUE_FORECAST,
    )
}
GONE = "customer without a line"
FIRST = dt.date(2011, 1, 1)
ORIGINS = (FIRST, dt.date(2011, 2, 1))
FULL, WITHOUT_MEMBERS, WITHOUT_LINES = dt.date(2011, 3, 1), dt.date(2011, 2, 1), dt.date(2011, 4, 1)
MONTHS = (FULL, WITHOUT_MEMBERS, WITHOUT_LINES)
ALL_MONTHS = (FIRST, WITHOUT_MEMBERS, FULL, WITHOUT_LINES)


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


def segments_of(month: dt.date, labels: pa.Table) -> pa.Table:
    """Lasting ids: the ranks here, 0 for who is not clusterable, -1 where the month has no segments."""
    ids = {SEGMENTED: None, NOT_CLUSTERABLE: 0, NOT_SEGMENTED: -1}
    rows = [
        {
            "month": month,
            "customer_id": row["customer_id"],
            "segment_id": row["cluster_rank"] if row["status"] == SEGMENTED else ids[row["status"]],
            "segment_en": "name",
            "segment_pt": "nome",
        }
        for row in labels.to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=CUSTOMER_SEGMENTS.arrow_schema)


def importances_of(month: dt.date) -> pa.Table:
    """Of a forest in the full month alone."""
    rows = [
        {"month": month, "feature": name, "importance": 1 / len(FEATURES), "chosen": True, "library": "x 1", "seed": 1}
        for name in FEATURES
    ]
    return pa.Table.from_pylist(rows if month == FULL else [], schema=FOREST_IMPORTANCES.arrow_schema)


def policies_of(month: dt.date) -> pa.Table:
    """The programme's own in the full month alone."""
    row = {
        "month": month,
        "policy": "programme",
        "description": "what it does",
        "published": True,
        "months_to_enter": 1,
        "months_to_leave": 2,
        "leave_share": 0.8,
        "months": 1,
        "members": 10,
        "churn": 0.07,
        "worst_churn": 0.1,
        "returners": 0.02,
        "growth": 0.15,
        "revenue_share": 0.5,
        "library": "numpy 2",
    }
    return pa.Table.from_pylist([row] if month == FULL else [], schema=MEMBERSHIP_POLICIES.arrow_schema)


def actions_in(month: dt.date) -> pa.Table:
    """One action in the full month alone; its words do not matter here."""
    words = {column.name: "words" for column in MARKETING_ACTIONS.columns if column.type == pa.string()}
    known = {"month": month, "segment_id": 1, "state": "in grace", "action": "win_back"}
    row = {**words, **known, "position": 1, "customers": 7, "money": 99.5}
    return pa.Table.from_pylist([row] if month == FULL else [], schema=MARKETING_ACTIONS.arrow_schema)


def outline_of(month: dt.date, tables: Mapping[str, pa.Table]) -> Outline:
    """What the sample's month has to tell of."""
    months = tuple(sorted(set(tables["insiders_membership"]["month"].to_pylist())))
    of_month = {one: set() for one in (*months, month)}
    for row in tables["customer_segments"].to_pylist():
        of_month.setdefault(row["month"], set()).add(row["segment_id"])
    full = month == FULL
    return Outline(
        month=month,
        window=tuple(one for one in ALL_MONTHS if one <= month),
        months=months,
        origins=ORIGINS if full else (),
        segments=tuple(sorted(one for one in of_month[month] if one >= 0)) if full else (),
        segments_before=tuple(sorted(of_month.get(WITHOUT_MEMBERS, ()))) if full else (),
        policies=("programme",) if full else (),
        forecasts=tuple(
            (model, start) for model in ("network", "seasonal_naive") for start in (FULL, dt.date(2011, 4, 1)) if full
        ),
        actions=((1, "in grace", "win_back"),) if full else (),
        rule=parse_rule("items_purchased >= 200 and recency_days <= 40") if full else None,
        leave_share=0.5,
        leaving=("1", "it's 'quoted'") if full else (),
        entering=("2",) if full else (),
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


def tables_of(engine: DuckDBEngine) -> dict[dt.date, dict[str, pa.Table]]:
    """What the assets would have written, each table valid by its contract."""
    lines = {month: lines_of(month, 400) for month in (FIRST, dt.date(2011, 2, 1), dt.date(2011, 3, 1))}
    lines[WITHOUT_LINES] = RAW_INVOICES.empty()
    made: dict[dt.date, dict[str, pa.Table]] = {}
    totals, purchases = MONTH_TOTALS.empty(), CUSTOMER_PURCHASES.empty()
    for month, here in sorted(lines.items()):
        window = pa.concat_tables([rows for one, rows in lines.items() if one <= month])
        features = CUSTOMER_FEATURES.validate(engine.run(customer_features(engine.table(window), month)))
        if month == WITHOUT_LINES:
            features = CUSTOMER_FEATURES.empty()
        known = engine.table(features.filter(features["clusterable"]).select(["customer_id"]))
        of_month = MONTH_TOTALS.validate(engine.run(month_totals(engine.table(here), known, month)))
        totals = pa.concat_tables([totals, of_month])
        bought = CUSTOMER_PURCHASES.validate(engine.run(customer_purchases(engine.table(here), month)))
        purchases = pa.concat_tables([purchases, bought])
        labels = CLUSTER_LABELS.validate(labels_of(month, features))
        segments = CUSTOMER_SEGMENTS.validate(segments_of(month, labels))
        membership = INSIDERS_MEMBERSHIP.validate(membership_of(month, labels))
        made[month] = {
            "month_totals": totals,
            "customer_features": features,
            "customer_purchases": purchases,
            "forest_importances": FOREST_IMPORTANCES.validate(importances_of(month)),
            "cluster_labels": labels,
            # As the asset has them: segments of two months, membership of all up to this one.
            "customer_segments": pa.concat_tables(
                [only(t["customer_segments"], m) for m, t in previous(made)] + [segments]
            ),
            "insiders_membership": pa.concat_tables(
                [*(tables["insiders_membership"] for _, tables in previous(made)), membership]
            ),
            "membership_policies": MEMBERSHIP_POLICIES.validate(policies_of(month)),
            "programme_rule": PROGRAMME_RULE.validate(card_of(month)),
            "group_comparisons": GROUP_COMPARISONS.validate(comparisons_of(month, features, labels)),
            "holdout_plan": HOLDOUT_PLAN.validate(plan_of(month)),
            "marketing_actions": MARKETING_ACTIONS.validate(actions_in(month)),
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


def previous(made: Mapping[dt.date, dict[str, pa.Table]]) -> list[tuple[dt.date, dict[str, pa.Table]]]:
    return [(max(made), made[max(made)])] if made else []


def only(rows: pa.Table, month: dt.date) -> pa.Table:
    return rows.filter(pa.compute.equal(rows["month"], pa.scalar(month, pa.date32())))


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
    no_model = {key for key in missing if key.startswith("forecast.seasonal_naive") or "interval_level" in key}
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
    assert {key: value for key, value in found.items() if key.startswith(undefined) and value} == {}
    assert found["members.share_of_clusterable"] == (0.0 if month == WITHOUT_MEMBERS else None)
    assert (found["base.clusterable"] or 0) > 0 or month == WITHOUT_LINES
