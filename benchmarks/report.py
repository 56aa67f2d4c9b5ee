"""The month's report, given its inputs: seconds and memory at three thousand customers and at a million.

Belongs here: tables of so many made-up customers in a lake of their own, and timing facts, pictures and documents over
them. Does not belong here: anything that makes the tables in earnest; their numbers are drawn at random, since only how
many there are matters.

Run it: ``python -m benchmarks.report [--customers N …]``. Exit code 1 says that a bar was missed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.contracts.forecast import LEVELS, REVENUE_FORECAST
from insiders_assets.contracts.table import Table
from insiders_assets.domain.facts.forecast import MODELS
from insiders_assets.partitions import key_of, shift
from insiders_assets.settings import load_settings
from insiders_assets.storage.engine import DuckDBEngine
from insiders_assets.storage.lake import Dataset, Lake
from insiders_assets.storage.objects import open_store

SIZES = (3_000, 1_000_000)
BARS = {3_000: 5.0, 1_000_000: 60.0}
MOST_BYTES = 2_000_000
MONTH, WINDOW, HISTORY = dt.date(2024, 12, 1), 13, 25
MEMBERS, SEGMENTS = 0.10, 10
# Tables that the report does not read.
NOT_READ = (
    "raw_invoices",
    "month_files",
    "product_affinities",
    "affinity_candidates",
    "forecast_origins",
    "forecast_backtest",
    "insiders_report",
    "programme_trials",
    "member_list",
    "group_movement",
    "report_pictures",
)
# Their rows are few.
NOT_DRAWN = ("programme_rule", "membership_policies", "holdout_plan", "group_comparisons", "forest_importances")


def main() -> int:
    """Measure every size in a process of its own, print a table, and say whether the bars were kept."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, nargs="+", default=list(SIZES))
    kept = True
    print("| customers | facts | seconds | of them facts | largest document | peak MB |\n|--:|--:|--:|--:|--:|--:|")
    for customers in parser.parse_args().customers:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            found = process.submit(measured, customers).result()
        print(
            f"| {customers:,} | {found['facts']:,} | {found['seconds']:.1f} | {found['asked']:.1f} "
            f"| {found['largest']:,} | {found['peak']:,} |"
        )
        kept &= found["largest"] < MOST_BYTES and found["seconds"] < BARS.get(customers, np.inf)
    return 0 if kept else 1


def measured(customers: int) -> dict[str, float]:
    """Seconds, sizes and peak memory of one report, without imports and without making its tables."""
    from insiders_assets.assets.insiders_report import rows_of_facts
    from insiders_assets.assets.report_documents import documents_of, matter_of, outline_of, rows_for_facts
    from insiders_assets.domain.facts import SQL_TABLES, facts_of

    with tempfile.TemporaryDirectory() as folder:
        inputs = dict(tables(Lake(open_store(folder)), customers))
        settings = load_settings(Path(folder) / "home")
        # What a process pays once, whatever it makes: imports, and the fonts of the first picture.
        warm_up(settings)
        started = time.perf_counter()
        month: Any = SimpleNamespace(
            first_day=MONTH,
            key=key_of(MONTH),
            platform=SimpleNamespace(engine=DuckDBEngine(Path(folder) / "spill"), settings=settings),
        )
        ask = month.platform.engine.over({name: rows_for_facts(month, inputs[name]) for name in SQL_TABLES})
        outline = outline_of(month, inputs, ask)
        facts = facts_of(outline)
        rows = rows_of_facts(facts, MONTH, ask, inputs)
        asked = time.perf_counter() - started
        documents = documents_of(matter_of(month, outline, facts, rows, inputs, None), inputs)
        return {
            "facts": len(facts),
            "seconds": time.perf_counter() - started,
            "asked": asked,
            "largest": max(len(content) for content in documents.values()),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def warm_up(settings: Any) -> None:
    """A picture and a PDF."""
    from insiders_assets.reporting.document import Document, Teller
    from insiders_assets.reporting.forms.pdf import as_pdf
    from insiders_assets.reporting.language import ENGLISH, Language
    from insiders_assets.reporting.pictures.month import lorenz

    language = Language(ENGLISH)
    picture = lorenz(np.arange(1.0, 9.0), np.arange(8) > 6, language)
    assert picture is not None
    as_pdf(Document("", "", []), Teller(language, {}, settings.currency), {"lorenz": picture})


def tables(lake: Lake, customers: int) -> Iterator[tuple[str, Dataset]]:
    """Every table that a report reads, with its handle."""
    generator = np.random.default_rng(1)
    ids = pa.array([f"{number:07d}" for number in range(customers)])
    months = dict.fromkeys(MONTHLY_TABLES, 1)
    months |= {
        "month_totals": WINDOW,
        "customer_purchases": WINDOW,
        "customer_segments": 2,
        "insiders_membership": HISTORY,
    }
    for name, table in MONTHLY_TABLES.items():
        if name in NOT_READ:
            continue
        for back in range(months[name]):
            month = shift(MONTH, -back)
            lake.write(table, key_of(month), table.validate(drawn(table, month, ids, generator)))
        yield name, lake.dataset(table, [key_of(shift(MONTH, -back)) for back in range(months[name])])


def drawn(table: Table, month: dt.date, ids: pa.Array, generator: np.random.Generator) -> pa.Table:
    """Rows of a table: one per customer where it has them, else a handful."""
    if any(column.name == "customer_id" for column in table.columns):
        return of_customers(table, month, ids, generator)
    return pa.Table.from_pylist(FEW[table.name](month), schema=table.arrow_schema)


def of_customers(table: Table, month: dt.date, ids: pa.Array, generator: np.random.Generator) -> pa.Table:
    """A row per customer, each column by its type; the ones that facts ask for by value are given."""
    n = len(ids)
    rank = np.minimum((generator.pareto(1.0, n) + 1).astype(int), SEGMENTS)
    member = generator.random(n) < MEMBERS
    given: dict[str, Any] = {
        "month": pa.array([month] * n, pa.date32()),
        "customer_id": ids,
        "segment_id": rank,
        "cluster_rank": rank,
        "segment_en": pa.array(np.char.add("Segment ", rank.astype(str))),
        "segment_pt": pa.array(np.char.add("Segmento ", rank.astype(str))),
        "status": np.where(member, "member", "outside")
        if table.name == "insiders_membership"
        else np.full(n, "segmented"),
        "event": pa.array(np.where(generator.random(n) < 0.01, "grace", None), pa.string(), from_pandas=True),
        "rule": pa.array(["items_purchased >= 50"] * n),
        "rule_version": pa.array(["2024"] * n),
        "clusterable": np.ones(n, dtype=bool),
        "as_of_date": pa.array([shift(month, 1) - dt.timedelta(days=1)] * n, pa.date32()),
        "invoice_date": pa.array([month] * n, pa.date32()),
    }
    if table.name == "cluster_labels":
        given["status"] = np.full(n, "segmented")
    columns = {}
    for column in table.columns:
        name, kind = column.name, column.type
        if name in given:
            columns[name] = pa.array(given[name]) if isinstance(given[name], np.ndarray) else given[name]
        elif column.nullable and not pa.types.is_floating(kind) and not pa.types.is_integer(kind):
            columns[name] = pa.nulls(n, kind)
        elif pa.types.is_decimal(kind):
            cents = pa.array(generator.gamma(0.5, 200, n).round(2)).cast(pa.decimal128(18, 2))
            columns[name] = cents.cast(kind)
        elif pa.types.is_floating(kind):
            columns[name] = pa.array(generator.random(n))
        elif pa.types.is_integer(kind):
            columns[name] = pa.array(generator.integers(1, 100, n))
        elif pa.types.is_boolean(kind):
            columns[name] = pa.array(generator.random(n) < 0.5)
        else:
            columns[name] = pa.array([(column.among or ("text",))[0]] * n, kind)
    return pa.table(columns).select([column.name for column in table.columns]).cast(table.arrow_schema)


def _of_forecast(month: dt.date) -> list[dict[str, Any]]:
    from insiders_assets.domain.forecasting.choice import COMBINATION

    return [
        {
            "month": month,
            "model": model,
            "grain": "month",
            "period_start": shift(month, ahead),
            "period_end": shift(month, ahead + 1) - dt.timedelta(days=1),
            "horizon": ahead,
            "days_forecast": 31,
            "trading_days": 26,
            "season_years": 1,
            "observed": 0.0,
            "net_revenue": 1e6,
            "gross_revenue": 1.1e6,
            "origins": 24,
            "mean_error": 0.1,
            "bias": -0.01,
            "library": "numpy 2",
            **(_published() if model == COMBINATION else {"published": False, "weight": 0.2, "correction": 1.0}),
        }
        for model in MODELS
        for ahead in (1, 2, 3)
    ]


def _published() -> dict[str, Any]:
    ends = {
        f"{measure}_{end}_{level}": 1e6 + sign * 4e3 * level
        for measure in ("net", "gross")
        for level in LEVELS
        for end, sign in (("lower", -1), ("upper", 1))
    }
    return {"published": True, "interval_basis": "conformal", "interval_origins": 24, "covered_80": 0.8, **ends}


def _of_totals(month: dt.date) -> list[dict[str, Any]]:
    table = MONTHLY_TABLES["month_totals"]
    rows = []
    for bucket in ("clusterable", "identified", "guest"):
        row: dict[str, Any] = {"month": month, "bucket": bucket}
        for column in table.columns:
            if column.name not in row:
                row[column.name] = Decimal(1000) if pa.types.is_decimal(column.type) else 1000
        rows.append(row)
    return rows


def _of_profiles(month: dt.date) -> list[dict[str, Any]]:
    return [
        {
            "month": month,
            "segment_id": rank,
            **{f"name_{code}": f"Segment {rank}" for code in ("en", "pt")},
            **{f"profile_{code}": "like the others" for code in ("en", "pt")},
            "customers": 10,
            "cluster_rank": rank,
            "mean_revenue": 1.0,
        }
        for rank in range(1, SEGMENTS + 1)
    ]


def _none(_: dt.date) -> list[dict[str, Any]]:
    return []


# Tables that do not grow with the customers.
FEW = {
    **dict.fromkeys((*NOT_DRAWN, "marketing_actions"), _none),
    "month_totals": _of_totals,
    "segment_profiles": _of_profiles,
    REVENUE_FORECAST.name: _of_forecast,
}


if __name__ == "__main__":
    sys.exit(main())
