"""The tables of a few months as the assets would have written them, small and each valid by its contract.

For tests that ask facts of them: one month has everything, the others lack members, or lines.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

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
from insiders_assets.domain.facts import Outline
from insiders_assets.domain.feature_words import FEATURES
from insiders_assets.domain.features import customer_features, customer_purchases, month_totals
from insiders_assets.domain.guarantees import compared, with_holm
from insiders_assets.domain.holdout import plan
from insiders_assets.domain.rules import parse_rule
from insiders_assets.storage.engine import DuckDBEngine

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
    money = {"combination": 900.5, "last_30_days": 800.25, "seasonal_naive": None}
    rows: list[dict[str, Any]] = []
    for model, said in money.items():
        for horizon, start in enumerate((month, following)):
            published = model == "combination" and month == FULL
            row = {
                "month": month,
                "model": model,
                "grain": "month",
                "period_start": start,
                "period_end": start,
                "horizon": horizon,
                "published": published,
                "net_revenue": None if month != FULL or said is None else said + start.month,
                "gross_revenue": None if month != FULL or said is None else said + 100,
                "days_forecast": 30,
                "trading_days": 25,
                "season_years": 1,
                "observed": 0.0,
                "origins": 6 if said else 0,
                "mean_error": 0.125 if said else None,
                "bias": -0.0625 if said else None,
                "weight": 0.75 if model == "last_30_days" else None,
            }
            if published:
                row |= {f"net_lower_{level}": 800.0 - level for level in (50, 80, 95)}
                row |= {f"net_upper_{level}": 1_000.0 + level for level in (50, 80, 95)}
                row |= {"interval_basis": "conformal", "interval_origins": 6, "covered_80": 0.8}
            rows.append(row)
        day = {**rows[-1], "grain": "day"}
        rows += [day, {**day, "period_start": following.replace(day=2)}]
    return REVENUE_FORECAST.validate(
        pa.Table.from_pylist(
            rows if month != WITHOUT_LINES else [],
            schema=pa.schema([pa.field(one.name, one.type) for one in REVENUE_FORECAST.columns]),
        )
    )


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
        models=("combination", "last_30_days", "seasonal_naive") if full else (),
        coming=(FULL, dt.date(2011, 4, 1)) if full else (),
        actions=((1, "in grace", "win_back"),) if full else (),
        rule=parse_rule("items_purchased >= 200 and recency_days <= 40") if full else None,
        leave_share=0.5,
        leaving=("1", "it's 'quoted'") if full else (),
        entering=("2",) if full else (),
    )


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
            "revenue_forecast": forecast_of(month),
        }
    return made


def previous(made: Mapping[dt.date, dict[str, pa.Table]]) -> list[tuple[dt.date, dict[str, pa.Table]]]:
    return [(max(made), made[max(made)])] if made else []


def only(rows: pa.Table, month: dt.date) -> pa.Table:
    return rows.filter(pa.compute.equal(rows["month"], pa.scalar(month, pa.date32())))
