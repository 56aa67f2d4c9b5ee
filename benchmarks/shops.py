"""A shop's months as the forecast's domain functions take them, without Dagster, lake or database.

Belongs here: cleaning, features, sales by day and membership of made-up shops and of the real file. Does not belong
here: what is measured on them.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from insiders_assets.contracts.programme import INSIDE
from insiders_assets.contracts.table import as_floats
from insiders_assets.sample import Shop, ShopParameters

if TYPE_CHECKING:
    from insiders_assets.storage.engine import DuckDBEngine

HISTORY_MONTHS = 13
SHARE, LEAVE_SHARE = 0.10, 0.80  # as the settings have them by default


@dataclass(frozen=True)
class ShopMonth:
    """A month: clusterable customers with their features over the window, what everybody sold by day (day, net), and
    what each customer bought by day (customer_id, day, gross, returns)."""

    month: dt.date
    features: pa.Table
    shop: pd.DataFrame
    sales: pd.DataFrame


def months_of_shop(parameters: ShopParameters) -> Iterator[ShopMonth]:
    """The months of a made-up shop, oldest first."""
    shop = Shop(parameters)
    yield from _months((month, shop.month(month)) for month in shop.months())


def months_of_file(path: Path) -> Iterator[ShopMonth]:
    """The months of a file in the layout of UCI 352, oldest first."""
    import pyarrow.parquet as pq

    lines = pq.read_table(path).to_pandas()
    lines["CustomerID"] = [None if pd.isna(one) else str(int(float(one))) for one in lines["CustomerID"]]
    by_month = lines.groupby(lines["InvoiceDate"].dt.to_period("M"))
    yield from _months(
        (period.start_time.date(), pa.Table.from_pandas(rows, preserve_index=False)) for period, rows in by_month
    )


def cleaned(engine: DuckDBEngine, lines: pa.Table, month: dt.date) -> pa.Table:
    """A month's lines as `raw_invoices` has them, as far as features need it."""
    import ibis

    from insiders_assets.domain.invoices import UCI, with_dropping_rule

    numbered = engine.table(lines.append_column("line_order", pa.array(range(1, len(lines) + 1), pa.int64())))
    named = numbered.select(
        "line_order",
        month=ibis.literal(month),
        invoice_no=numbered.InvoiceNo,
        stock_code=numbered.StockCode,
        quantity=numbered.Quantity.cast("decimal(18, 4)"),
        invoiced_at=numbered.InvoiceDate,
        unit_price=numbered.UnitPrice.cast("decimal(18, 4)"),
        customer_id=numbered.CustomerID,
        country=numbered.Country,
    )
    amount = (named.quantity * named.unit_price).cast("decimal(18, 4)")
    return engine.run(with_dropping_rule(named.mutate(line_amount=amount), UCI))


def members_by_items(months: Sequence[ShopMonth]) -> dict[dt.date, list[str]]:
    """Members at the end of each month, by a rule like the one that the platform finds on such shops: a number of items
    in the window that a tenth of the clusterable customers had in the first month with a full one; before that, the
    month's own tenth. A member leaves after two months below 80 % of it."""
    from insiders_assets.domain.membership import MonthOfRule, Policy, replay

    ruled = []
    threshold = None
    for place, one in enumerate(months):
        items = as_floats(one.features["items_purchased"])
        own = float(np.quantile(items, 1 - SHARE)) if len(items) else np.inf
        full = place >= HISTORY_MONTHS - 1
        threshold = own if full and threshold is None else threshold
        wanted = own if threshold is None else threshold
        known = one.features["customer_id"].to_pylist()
        ruled.append(MonthOfRule(one.month, known, items >= wanted, items < LEAVE_SHARE * wanted, provisional=not full))
    standings = replay(ruled, Policy(), ()).standings
    return {
        month: [one.customer_id for one in standing if one.status in INSIDE] for month, standing in standings.items()
    }


def _months(lines: Iterator[tuple[dt.date, pa.Table]]) -> Iterator[ShopMonth]:
    from insiders_assets.domain.features import customer_features, customer_purchases, net_by_day
    from insiders_assets.storage.engine import DuckDBEngine

    engine = DuckDBEngine()
    window: deque[pa.Table] = deque(maxlen=HISTORY_MONTHS)
    for month, table in lines:
        own = cleaned(engine, table, month)
        window.append(own)
        found = engine.run(customer_features(engine.table(pa.concat_tables(window)), month))
        bought = engine.run(customer_purchases(engine.table(own), month))
        by_day = bought.group_by(["customer_id", "invoice_date"]).aggregate(
            [("gross_revenue", "sum"), ("monetary_returns", "sum")]
        )
        net = engine.run(net_by_day(engine.table(own)))
        yield ShopMonth(
            month,
            found.filter(found["clusterable"]).sort_by("customer_id"),
            pd.DataFrame({"day": pd.to_datetime(net["day"].to_pandas()), "net": as_floats(net["net"])}),
            pd.DataFrame(
                {
                    "customer_id": by_day["customer_id"].to_pylist(),
                    "day": pd.to_datetime(by_day["invoice_date"].to_pandas()),
                    "gross": as_floats(by_day["gross_revenue_sum"]),
                    "returns": as_floats(by_day["monetary_returns_sum"]),
                }
            ),
        )
    engine.close()
