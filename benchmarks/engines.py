"""From the lake's Parquet files to customer features, on DuckDB and on Spark: seconds and memory for many lines.

Belongs here: a shop of any number of lines in a lake, and the same asset's work on each engine. Does not belong here:
what comes before (landing) or after (embedding).

Run it: ``python -m benchmarks.engines --lines 10_000_000 [--engine duckdb] [--folder FOLDER] [--write]``. The lines are
a made-up shop's, as many times as it takes, each time with customers, invoices and quantities of their own; they are
written piece by piece, and removed at the end. Both engines must give the same rows. With `--write` the figures become
a section of results.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.measure import Stage, as_markdown, measure_family
from insiders_assets.contracts.lines import RAW_INVOICES
from insiders_assets.domain.invoices import UCI, with_dropping_rule
from insiders_assets.sample import Shop, ShopParameters
from insiders_assets.storage.engine import DuckDBEngine, Engine
from insiders_assets.storage.lake import Dataset, Lake, Version
from insiders_assets.storage.objects import FolderStore

ENGINES = ("duckdb", "spark")
SHOP = ShopParameters(dt.date(2024, 1, 1), months=13, customers=6_000, seed=5)
MOST_LINES = 100_000_000
MOST_SECONDS, MOST_MB = 300.0, 12_000.0
MONEY = pa.decimal128(18, 4)


@dataclass(frozen=True)
class Measured:
    """What each engine took for so many lines, and what came out."""

    lines: int
    lake_mb: float
    customers: int
    stages: Sequence[Stage]


def main() -> None:
    """Make the lake, measure each engine in a process of its own, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10_000_000, help="at least so many (default 10_000_000)")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="which; both if not given")
    parser.add_argument("--folder", type=Path, help="where the lake stands meanwhile: 15 MB per million lines")
    parser.add_argument("--write", action="store_true", help="write the figures to results.md")
    asked = parser.parse_args()
    found = measured(asked.lines, asked.engine or list(ENGINES), asked.folder)
    print(as_text(found))
    if asked.write:
        write(found)


def measured(lines: int, engines: Sequence[str], parent: Path | None = None) -> Measured:
    """Measure the engines on a shop of at least so many lines.

    Raises
    ------
    ValueError: the engines do not give the same rows.
    """
    folder = Path(tempfile.mkdtemp(prefix="insiders-engines-", dir=parent))
    try:
        made = make_lake(folder / "lake", lines)
        size = sum(file.stat().st_size for file in (folder / "lake").rglob("*.parquet"))
        stages, results = [], {}
        for engine in engines:
            out = folder / f"{engine}.parquet"
            command = [sys.executable, "-m", "benchmarks.engines_one", engine, str(folder / "lake"), str(out)]
            stages.append(measure_family(engine, command))
            results[engine] = pq.read_table(out).sort_by("customer_id").combine_chunks()
        first, *others = results.values()
        if not all(first.equals(other) for other in others):
            raise ValueError(f"{' and '.join(results)} do not give the same features")
        return Measured(made, size / 1e6, first.num_rows, stages)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def as_text(found: Measured) -> str:
    """The figures as a paragraph and a Markdown table."""
    return (
        f"{found.lines:,} lines of thirteen months ({found.lake_mb:,.0f} MB) to the features of {found.customers:,} "
        f"customers{', the same on each' if len(found.stages) > 1 else ''}:\n\n{as_markdown(found.stages, total=False)}"
    )


def write(found: Measured) -> None:
    """Write the figures to results.md, beside those for other numbers of lines."""
    from benchmarks.run import RESULTS, Bar, Section, machine, render

    bars = [
        bar
        for stage in found.stages
        if stage.name == "duckdb" and found.lines >= MOST_LINES
        for bar in (
            Bar(
                f"{MOST_LINES // 10**6} million lines within {MOST_SECONDS:.0f} s on two cores",
                f"{stage.wall_seconds:.0f} s ({stage.cpu_seconds:.0f} CPU s)",
                stage.wall_seconds <= MOST_SECONDS,
            ),
            Bar(
                f"and within {MOST_MB / 1000:.0f} GB",
                f"{stage.peak_rss_mb / 1000:.1f} GB",
                stage.peak_rss_mb <= MOST_MB,
            ),
        )
    ]
    about = (
        "Each engine is a process of its own, with the processes that it starts: the starts of Python and Java count, "
        "memory is the sum over them. Spark is `local[*]`. By `python -m benchmarks.engines --write --lines N`."
    )
    title = f"Features of {round(found.lines, -6) // 10**6} million lines, by engine"
    section = Section(title, f"{about}\n\n{as_text(found)}", machine(), bars)
    RESULTS.write_text(render([section], RESULTS.read_text("utf-8")), "utf-8")


def make_lake(root: Path, least_lines: int) -> int:
    """Write RAW_INVOICES of thirteen months with at least so many lines, a copy of the shop at a time; gives their
    number."""
    shop = Shop(SHOP)
    months = [_as_raw(shop.month(month), month) for month in shop.months()]
    copies = -(-least_lines // sum(month.num_rows for month in months))
    for month, lines in zip(shop.months(), months, strict=True):
        path = root / RAW_INVOICES.name / month.isoformat() / "lines.parquet"
        path.parent.mkdir(parents=True)
        with pq.ParquetWriter(path, RAW_INVOICES.arrow_schema, compression="zstd") as writer:
            for piece in _in_row_groups(_copy(lines, number) for number in range(copies)):
                writer.write_table(piece)
    return copies * sum(month.num_rows for month in months)


def features_of(engine: Engine, root: Path) -> pa.Table:
    """What the asset customer_features computes, from a lake that :func:`make_lake` made."""
    from insiders_assets.contracts.customers import CUSTOMER_FEATURES
    from insiders_assets.domain.features import customer_features

    months = sorted(folder.name for folder in (root / RAW_INVOICES.name).iterdir())
    versions = {month: Version("", "", 0, f"{RAW_INVOICES.name}/{month}/lines.parquet") for month in months}
    lines = Dataset(Lake(FolderStore(str(root))), RAW_INVOICES, versions)
    rows = engine.run(customer_features(engine.table(lines), dt.date.fromisoformat(months[-1])))
    return rows.select(CUSTOMER_FEATURES.arrow_schema.names).cast(CUSTOMER_FEATURES.arrow_schema)


def _as_raw(lines: pa.Table, month: dt.date) -> pa.Table:
    """Lines of the sample shop as RAW_INVOICES, cleaned by the UCI profile."""
    n = lines.num_rows
    price = pc.round(lines["UnitPrice"], 4).cast(MONEY, safe=False)
    quantity = lines["Quantity"].cast(pa.int32()).cast(pa.decimal128(10, 0))
    columns = {
        "month": pa.repeat(pa.scalar(month), n),
        "line_order": pa.array(range(1, n + 1), pa.int64()),
        "invoice_no": lines["InvoiceNo"],
        "stock_code": lines["StockCode"],
        "description": lines["Description"],
        "quantity": quantity.cast(MONEY),
        "invoiced_at": lines["InvoiceDate"],
        "unit_price": price,
        "line_amount": pc.multiply(quantity, price).cast(MONEY),
        "customer_id": lines["CustomerID"],
        "country": lines["Country"],
        "source_file": pa.repeat("shop.parquet@1", n),
        "source_sheet": pa.repeat("", n),
        "source_line": pa.array(range(2, n + 2), pa.int64()),
    }
    engine = DuckDBEngine()
    try:
        cleaned = engine.run(with_dropping_rule(engine.table(pa.table(columns)), UCI))
    finally:
        engine.close()
    return cleaned.select(RAW_INVOICES.arrow_schema.names).cast(RAW_INVOICES.arrow_schema)


def _copy(lines: pa.Table, number: int) -> pa.Table:
    """The lines of another shop of the same kind: other customers and invoices, larger quantities."""
    times = pa.scalar(1 + number % 4, pa.decimal128(4, 0))

    def own(column: str) -> pa.ChunkedArray:
        return pc.binary_join_element_wise(lines[column], str(number), "-")

    changed = {
        "line_order": pc.add(lines["line_order"], number * lines.num_rows),
        "source_line": pc.add(lines["source_line"], number * lines.num_rows),
        "invoice_no": own("invoice_no"),
        "customer_id": own("customer_id"),
        "quantity": pc.multiply(lines["quantity"], times).cast(MONEY),
        "line_amount": pc.multiply(lines["line_amount"], times).cast(MONEY),
    }
    for name, column in changed.items():
        lines = lines.set_column(lines.schema.get_field_index(name), name, column)
    return lines.cast(RAW_INVOICES.arrow_schema)


def _in_row_groups(pieces: Iterator[pa.Table], rows: int = 256 * 1024) -> Iterator[pa.Table]:
    """As the lake writes them: a row group each."""
    waiting: list[pa.Table] = []
    for piece in pieces:
        waiting.append(piece)
        while sum(table.num_rows for table in waiting) >= rows:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, rows)
            waiting = [whole.slice(rows)]
    yield pa.concat_tables(waiting)


if __name__ == "__main__":
    main()
