"""Customers by the million: features of made-up shops, as the platform computes them, kept as Parquet.

Belongs here: making and reading the customers that :mod:`.scale` is measured with. Does not belong here: what is
measured. A million customers have a hundred million invoice lines, so shop after shop is drawn, reduced to features and
forgotten: memory is that of one shop a core. What is made once is found again in the folder.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import naive
from insiders_assets.domain.feature_words import FEATURES, RULE_FEATURES
from insiders_assets.partitions import shift

if TYPE_CHECKING:
    import ibis.expr.types as ir

CUSTOMERS_OF_A_SHOP = 10_000
FIRST_MONTH = dt.date(2023, 1, 1)
WINDOW = 13
CORES = 2


@dataclass(frozen=True)
class Crowd:
    """The n clusterable customers of a month: ids (n,) objects, RULE_FEATURES by name (n,), NaN where missing."""

    month: dt.date
    ids: np.ndarray
    columns: Mapping[str, np.ndarray]

    @property
    def matrix(self) -> np.ndarray:
        """As the forests read them: (n, 12) in the order of FEATURES, an undefined ratio counts as 0."""
        return np.column_stack([np.nan_to_num(self.columns[name]) for name in FEATURES])

    @property
    def revenue(self) -> np.ndarray:
        """Gross revenue (n,), the forests' target."""
        return self.columns["gross_revenue"]


def read_crowd(files: Sequence[Path], most: int | None = None) -> tuple[Crowd, Crowd]:
    """The first customers of the last two months in these files, the earlier month first."""
    rows = pa.concat_tables([pq.read_table(file) for file in files])
    months = sorted(pc.unique(rows["month"]).to_pylist())
    earlier, last = (rows.filter(pc.equal(rows["month"], month)).slice(0, most) for month in months)
    return _crowd(months[0], earlier), _crowd(months[1], last)


def _crowd(month: dt.date, rows: pa.Table) -> Crowd:
    columns = {name: rows[name].to_numpy() for name in RULE_FEATURES}
    return Crowd(month, np.array(rows["customer_id"].to_pylist(), dtype=object), columns)


def made_up_customers(wanted: int, folder: Path) -> list[Path]:
    """Files of shops with so many clusterable customers in the last month; shops that are missing are made."""
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    found = 0
    # Spawned: a fork would share DuckDB's threads.
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as cores:
        for some in _by(4 * CORES):
            for file, customers in cores.map(partial(_made_shop, folder), some):
                if found < wanted:
                    files.append(file)
                    found += customers
            print(f"  {min(found, wanted):,} of {wanted:,} customers", file=sys.stderr, flush=True)
            if found >= wanted:
                return files
    raise AssertionError("seeds do not end")


def _by(size: int) -> Iterator[range]:
    return (range(start, start + size) for start in count(0, size))


def _made_shop(folder: Path, seed: int) -> tuple[Path, int]:
    """The file of a shop, and how many customers it has in the last month."""
    file = folder / f"shop-{seed:04}.parquet"
    if not file.exists():
        unfinished = file.with_suffix(".tmp")
        pq.write_table(_features_of_shop(seed), unfinished)
        unfinished.replace(file)
    months = pq.read_table(file, columns=["month"])["month"]
    return file, pc.sum(pc.equal(months, shift(FIRST_MONTH, WINDOW))).as_py()


def _features_of_shop(seed: int) -> pa.Table:
    """Of the last two months. Nobody in it buys only once: who does is not clusterable and would be left out."""
    import ibis

    from insiders_assets.domain.features import customer_features
    from insiders_assets.sample import Shop, ShopParameters

    shop = Shop(ShopParameters(FIRST_MONTH, WINDOW + 1, CUSTOMERS_OF_A_SHOP, seed=seed, one_time_share=0.0))
    database = ibis.duckdb.connect(threads=1)
    months = shop.months()
    lines = {month: database.to_pyarrow(_cleaned(shop.month(month), month)) for month in months}
    found = []
    for last in (WINDOW - 1, WINDOW):
        window = pa.concat_tables([lines[month] for month in months[last - WINDOW + 1 : last + 1]])
        features = database.to_pyarrow(customer_features(ibis.memtable(window), months[last]))
        found.append(features.filter(features["clusterable"]))
    rows = pa.concat_tables(found)
    ids = pc.binary_join_element_wise(str(seed), rows["customer_id"], "-")
    columns = {name: rows[name].cast(pa.float64()) for name in RULE_FEATURES}
    return pa.table({"month": rows["month"], "customer_id": ids, **columns})


def _cleaned(sheet: pa.Table, month: dt.date) -> ir.Table:
    """A month in the layout of UCI 352 as RAW_INVOICES has it, by the profile of that layout."""
    import ibis

    from insiders_assets.domain.invoices import UCI, with_dropping_rule

    lines = ibis.memtable(sheet.append_column("line_order", pa.array(range(1, len(sheet) + 1))))
    price = lines.UnitPrice.cast("decimal(18, 4)")
    return with_dropping_rule(
        lines.select(
            "line_order",
            month=ibis.literal(month),
            invoice_no=lines.InvoiceNo,
            stock_code=lines.StockCode,
            quantity=lines.Quantity,
            invoiced_at=lines.InvoiceDate,
            unit_price=price,
            line_amount=(lines.Quantity.cast("decimal(18, 0)") * price).cast("decimal(18, 4)"),
            customer_id=lines.CustomerID,
            country=lines.Country,
        ),
        UCI,
    )


def real_customers(invoices: Path, folder: Path) -> list[Path]:
    """The file of the real customers, by the naive rendering: in the last month, and before it began."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "real.parquet"
    if not file.exists():
        lines = naive.read_lines(invoices)
        months = lines["InvoiceDate"].dt.to_period("M")
        found = []
        for month in (months.max() - 1, months.max()):
            features = naive.naive_features(lines[months <= month])
            known = features[features["clusterable"]].reset_index()
            ids = known["CustomerID"].astype(str)
            found.append(
                known[list(RULE_FEATURES)].astype(float).assign(month=month.start_time.date(), customer_id=ids)
            )
        pq.write_table(pa.Table.from_pandas(pd.concat(found), preserve_index=False), file)
    return [file]
