"""Totals, purchases and features of small shops, counted by hand; and of a made-up one, counted by plain pandas."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.naive import naive_features
from insiders_assets.assets import customer_features as customer_features_asset
from insiders_assets.contracts.customers import CUSTOMER_FEATURES, CUSTOMER_PURCHASES, MONTH_TOTALS
from insiders_assets.contracts.lines import RAW_INVOICES
from insiders_assets.domain.features import (
    customer_features,
    customer_purchases,
    month_totals,
    net_by_day,
    sales_of_members,
)
from insiders_assets.domain.invoices import UCI, with_dropping_rule
from insiders_assets.partitions import key_of, month_range, shift
from insiders_assets.sample import DirtShares, Shop, ShopParameters
from insiders_assets.storage.engine import DuckDBEngine

Row = dict[str, Any]

JANUARY = dt.date(2011, 1, 1)
NEEDS_A_PURCHASE = ("recency_days", "avg_ticket", "frequency", "avg_basket_size", "unique_avg_basket", "returns_ratio")


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    opened = DuckDBEngine()
    yield opened
    opened.close()


def line(
    customer: str | None, invoice: str, day: str, quantity: int = 1, price: str = "1", stock: str = "10", **given: Any
) -> Row:
    """A line that counts; `day` is an ISO date or date and time."""
    at = dt.datetime.fromisoformat(day)
    row = {
        "month": at.date().replace(day=1),
        "invoice_no": invoice,
        "stock_code": stock,
        "quantity": Decimal(quantity),
        "invoiced_at": at,
        "unit_price": Decimal(price),
        "line_amount": quantity * Decimal(price),
        "customer_id": customer,
        "country": "France",
        "description": "A LANTERN",
        "source_file": "a.csv@1",
        "source_sheet": "",
    }
    return row | given


def raw(*rows: Row) -> pa.Table:
    """Rows of RAW_INVOICES, numbered per month in the order given."""
    numbers: defaultdict[dt.date, int] = defaultdict(int)
    numbered = []
    for row in rows:
        numbers[row["month"]] += 1
        numbered.append({"line_order": numbers[row["month"]], "source_line": numbers[row["month"]] + 1, **row})
    return pa.Table.from_pylist(numbered, schema=RAW_INVOICES.arrow_schema)


def features_of(engine: DuckDBEngine, *rows: Row, month: dt.date = JANUARY) -> dict[str, Row]:
    """Features by customer, after the contract has seen them."""
    found = CUSTOMER_FEATURES.validate(engine.run(customer_features(engine.table(raw(*rows)), month)))
    return {row["customer_id"]: row for row in found.to_pylist()}


# -- features, counted by hand

FIRST_LINE = line("7", "1", "2011-01-05 10:00", 10, "2.50", "A")
SHOP = (
    FIRST_LINE,
    line("7", "1", "2011-01-05 10:00", 4, "1.25", "B"),
    line("7", "2", "2011-01-15 09:00", 6, "2.50", "A"),
    line("7", "3", "2011-01-15 17:30", 1, "5.00", "A"),
    line("7", "C4", "2011-01-20", -2, "2.50", "A"),
    line("8", "5", "2011-01-31 23:59", 3, "4.00", "A"),
    line("9", "C6", "2011-01-10", -1, "3.10", "B"),
    line("9", "C7", "2011-01-13", -1, "3.10", "B"),
    line(None, "8", "2011-01-31", 100, "1.00", "A"),
    line("6", "9", "2011-01-02", 100, "1.00", "A", dropped_by="not_a_country"),
)


def test_every_feature_of_a_customer_who_buys_twice_on_one_day_and_returns(engine: DuckDBEngine) -> None:
    assert features_of(engine, *SHOP)["7"] == {
        "month": JANUARY,
        "customer_id": "7",
        "appearance_order": 1,
        "clusterable": True,
        "as_of_date": dt.date(2011, 1, 31),
        "first_purchase": dt.date(2011, 1, 5),
        "last_purchase": dt.date(2011, 1, 15),
        "gross_revenue": Decimal("50.0000"),
        "net_revenue": Decimal("45.0000"),
        "recency_days": 16,
        "purchases": 3,
        "items_purchased": Decimal("21.0000"),
        "unique_products_purchased": 4,
        "distinct_products": 2,
        "avg_ticket": 50 / 3,
        "activity_dates": 3,
        "avg_recency_days": 7.5,
        "frequency": 3 / 11,
        "number_returns": 1,
        "monetary_returns": Decimal("5.0000"),
        "avg_basket_size": 7.0,
        "unique_avg_basket": 4 / 3,
        "returns_ratio": 0.1,
    }


def test_a_customer_with_one_date_is_listed_but_not_clusterable(engine: DuckDBEngine) -> None:
    once = features_of(engine, *SHOP)["8"]
    assert (once["clusterable"], once["activity_dates"], once["avg_recency_days"]) == (False, 1, None)
    assert (once["recency_days"], once["frequency"], once["avg_ticket"]) == (0, 1.0, 12.0)
    assert (once["number_returns"], once["monetary_returns"], once["returns_ratio"]) == (0, 0, 0.0)


def test_a_customer_who_only_returned_has_no_ratio_of_purchases(engine: DuckDBEngine) -> None:
    returned = features_of(engine, *SHOP)["9"]
    assert [returned[name] for name in NEEDS_A_PURCHASE] == [None] * 6
    assert (returned["first_purchase"], returned["last_purchase"]) == (None, None)
    assert (returned["clusterable"], returned["activity_dates"], returned["avg_recency_days"]) == (False, 2, 3.0)
    assert (returned["gross_revenue"], returned["purchases"], returned["items_purchased"]) == (0, 0, 0)
    assert (returned["unique_products_purchased"], returned["distinct_products"]) == (0, 0)
    assert (returned["number_returns"], returned["monetary_returns"]) == (2, Decimal("6.2"))
    assert returned["net_revenue"] == Decimal("-6.2")


def test_guests_and_dropped_lines_are_in_no_feature(engine: DuckDBEngine) -> None:
    assert list(features_of(engine, *SHOP)) == ["7", "8", "9"]
    # Not even in the date from which recency counts, which is a purchase of an identified customer.
    assert features_of(engine, *SHOP[:5], *SHOP[8:])["7"]["recency_days"] == 0


@pytest.mark.parametrize(
    ("lines", "clusterable", "frequency"),
    [
        ([("1", "2011-01-05", 1)], False, 1.0),
        ([("1", "2011-01-05", 1), ("2", "2011-01-05 18:00", 1)], False, 2.0),
        ([("1", "2011-01-05", 1), ("C2", "2011-01-05 18:00", -1)], False, 1.0),
        ([("1", "2011-01-05", 1), ("C2", "2011-01-06", -1)], True, 1.0),
        ([("C1", "2011-01-04", -1), ("2", "2011-01-05", 1)], True, 1.0),
        ([("1", "2011-01-05 23:59", 1), ("2", "2011-01-06 00:00", 1)], True, 1.0),
        ([("1", "2011-01-05", 1), ("2", "2011-01-14", 1)], True, 0.2),
        ([("C1", "2011-01-04", -1), ("C2", "2011-01-05", -1)], False, None),
    ],
)
def test_clusterable_is_a_purchase_and_two_days_with_anything(
    engine: DuckDBEngine, lines: list[tuple[str, str, int]], clusterable: bool, frequency: float | None
) -> None:
    found = features_of(engine, *(line("7", *one) for one in lines))["7"]
    assert (found["clusterable"], found["frequency"]) == (clusterable, frequency)


def test_one_invoice_over_two_days_is_one_purchase_on_two_dates(engine: DuckDBEngine) -> None:
    found = features_of(engine, line("7", "1", "2011-01-05 23:59"), line("7", "1", "2011-01-06 00:01"))["7"]
    assert (found["purchases"], found["activity_dates"], found["frequency"]) == (1, 2, 0.5)


def test_what_was_given_away_is_a_purchase_without_a_ratio_of_returns(engine: DuckDBEngine) -> None:
    found = features_of(engine, line("7", "1", "2011-01-05", 0, "0"), line("7", "C2", "2011-01-06", -1, "2"))["7"]
    assert (found["purchases"], found["avg_ticket"], found["avg_basket_size"]) == (1, 0.0, 0.0)
    assert (found["clusterable"], found["returns_ratio"]) == (True, None)


def test_exact_repeats_are_several_lines_but_one_article(engine: DuckDBEngine) -> None:
    found = features_of(engine, FIRST_LINE, FIRST_LINE, FIRST_LINE)["7"]
    assert (found["unique_products_purchased"], found["distinct_products"]) == (3, 1)
    assert found["gross_revenue"] == 75


def test_a_month_without_a_purchase_counts_from_the_last_day_with_a_line(engine: DuckDBEngine) -> None:
    found = features_of(engine, line("9", "C1", "2011-01-10", -1), line("8", "C2", "2011-01-12", -1))
    assert {row["as_of_date"] for row in found.values()} == {dt.date(2011, 1, 12)}
    assert features_of(engine) == {}


def test_money_is_added_exactly(engine: DuckDBEngine) -> None:
    found = features_of(engine, *(line("7", "1", "2011-01-05", 1, "0.0001") for _ in range(10_000)))["7"]
    assert found["gross_revenue"] == 1


# -- the window


def window_of(month: dt.date) -> list[str]:
    """Months whose lines the asset is given, from the mapping that it has."""
    partitions = dg.MonthlyPartitionsDefinition(start_date="2009-12-01", end_date="2012-03-01")
    asset = customer_features_asset.build(partitions, 13)
    mapping = asset.get_partition_mapping(dg.AssetKey("raw_invoices"))
    assert mapping is not None
    wanted = partitions.subset_with_partition_keys([key_of(month)])
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(wanted, partitions, partitions)
    return list(found.partitions_subset.get_partition_keys())


def test_the_window_is_the_month_and_the_twelve_before_and_nothing_after(engine: DuckDBEngine) -> None:
    month = dt.date(2011, 12, 1)
    months = window_of(month)
    assert months == [key_of(one) for one in month_range(dt.date(2010, 12, 1), month)]
    # One purchase a month, each of twice the pieces, so that the sum tells which months are in it.
    year = {one: 2**place for place, one in enumerate(month_range(shift(month, -14), shift(month, 2)))}
    rows = [line("7", str(pieces), f"{one:%Y-%m}-28", pieces) for one, pieces in year.items()]
    found = features_of(engine, *(row for row in rows if key_of(row["month"]) in months), month=month)["7"]
    assert found["items_purchased"] == sum(2**place for place in range(2, 15))
    assert (found["purchases"], found["recency_days"]) == (13, 0)
    assert found["as_of_date"] == found["last_purchase"] == dt.date(2011, 12, 28)


def test_appearance_counts_by_month_before_line(engine: DuckDBEngine) -> None:
    found = features_of(
        engine,
        line("8", "3", "2011-01-03"),
        line("7", "2", "2011-01-02"),
        line("9", "1", "2010-12-31", dropped_by="service_code"),
        line("7", "1", "2010-12-30"),
        line("9", "4", "2011-01-04"),
    )
    assert {name: row["appearance_order"] for name, row in found.items()} == {"7": 1, "8": 2, "9": 3}


# -- sales of those who are members at the end of a month


def sold_to(
    engine: DuckDBEngine, rows: Sequence[Row], *members: tuple[dt.date, str], months_ahead: int = 0
) -> list[Row]:
    """What members, each with the month at whose end they are, bought and sent back."""
    by_month = {row["month"]: [one for one in rows if one["month"] == row["month"]] for row in rows}
    purchases = pa.concat_tables(
        engine.run(customer_purchases(engine.table(raw(*lines)), month)) for month, lines in by_month.items()
    )
    origins, customers = zip(*members, strict=True) if members else ((), ())
    inside = {"origin": pa.array(origins, pa.date32()), "customer_id": pa.array(customers, pa.string())}
    wanted = sales_of_members(engine.table(purchases), engine.table(pa.table(inside)), months_ahead)
    return engine.run(wanted).to_pylist()


FEBRUARY = dt.date(2011, 2, 1)
LATER = (
    line("7", "1", "2010-12-20", 5),
    line("7", "2", "2011-01-10", 7),
    line("7", "3", "2011-01-10 15:00", 2),
    line("7", "C4", "2011-01-10 16:00", -1),
    line("8", "5", "2011-01-12", 4),
    line("8", "C6", "2011-02-03", -3),
    line("7", "7", "2011-02-05", 9),
    line("7", "8", "2011-03-05", 11),
    line("7", "9", "2011-04-05", 13),
    line("7", "10", "2011-05-05", 17),
    line(None, "11", "2011-01-10", 99),
    line("7", "12", "2011-01-11", 99, dropped_by="service_code"),
)


def amounts(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [(row["customer_id"], f"{row['day']:%m-%d}", row["gross"], row["returns"]) for row in rows]


def test_sales_of_members_up_to_the_end_of_the_month_by_day(engine: DuckDBEngine) -> None:
    both = sold_to(engine, LATER, (JANUARY, "8"), (JANUARY, "7"))
    assert {row["origin"] for row in both} == {JANUARY}
    assert amounts(both) == [("7", "12-20", 5, 0), ("7", "01-10", 9, 1), ("8", "01-12", 4, 0)]
    assert amounts(sold_to(engine, LATER, (JANUARY, "8"))) == [("8", "01-12", 4, 0)]
    assert sold_to(engine, LATER) == sold_to(engine, LATER, (JANUARY, "6")) == []


def test_sales_of_members_in_the_months_after_and_not_before(engine: DuckDBEngine) -> None:
    after = sold_to(engine, LATER, (JANUARY, "7"), (JANUARY, "8"), months_ahead=3)
    assert amounts(after) == [("7", "02-05", 9, 0), ("7", "03-05", 11, 0), ("7", "04-05", 13, 0), ("8", "02-03", 0, 3)]
    assert amounts(sold_to(engine, LATER, (JANUARY, "7"), months_ahead=1)) == [("7", "02-05", 9, 0)]


def test_sales_of_members_are_told_apart_by_the_month_at_whose_end_they_are(engine: DuckDBEngine) -> None:
    told = sold_to(engine, LATER, (FEBRUARY, "7"), (JANUARY, "7"), (dt.date(2010, 12, 1), "8"), months_ahead=2)
    by_origin = {origin: [row for row in told if row["origin"] == origin] for origin in {row["origin"] for row in told}}
    assert {f"{origin:%Y-%m}": amounts(rows) for origin, rows in by_origin.items()} == {
        "2010-12": [("8", "01-12", 4, 0), ("8", "02-03", 0, 3)],
        "2011-01": [("7", "02-05", 9, 0), ("7", "03-05", 11, 0)],
        "2011-02": [("7", "03-05", 11, 0), ("7", "04-05", 13, 0)],
    }


# -- what holds for any lines

LINE = st.builds(
    line,
    st.sampled_from(["7", "8", "9", None]),
    st.sampled_from(["1", "2", "C3", "C4"]),
    st.sampled_from(["2011-01-05", "2011-01-05 18:00", "2011-01-06", "2011-01-31"]),
    st.integers(-3, 5),
    st.sampled_from(["0", "0.0001", "1.333", "99.95", "-4"]),
    st.sampled_from(["A", "B", None]),
    dropped_by=st.sampled_from([None, None, None, "service_code"]),
)
LINES = st.lists(LINE, min_size=1, max_size=25)


def counts(row: Row) -> bool:
    return row["dropped_by"] is None


@settings(deadline=None, max_examples=20)
@given(LINES, st.sets(st.sampled_from(["7", "8", "9"])))
def test_the_buckets_of_a_month_add_up_to_every_line(
    engine: DuckDBEngine, rows: list[Row], clusterable: set[str]
) -> None:
    known = engine.table(pa.table({"customer_id": pa.array(sorted(clusterable), pa.string())}))
    found = MONTH_TOTALS.validate(engine.run(month_totals(engine.table(raw(*rows)), known, JANUARY))).to_pylist()
    by_bucket = {row["bucket"]: row for row in found}

    def bucket(row: Row) -> str:
        if not counts(row):
            return "dropped: service_code"
        if row["customer_id"] is None:
            return "guest"
        return "clusterable" if row["customer_id"] in clusterable else "identified"

    assert set(by_bucket) == {bucket(row) for row in rows}
    assert sum(row["lines"] for row in found) == len(rows)
    assert sum(row["net_revenue"] for row in found) == sum(row["line_amount"] for row in rows)
    for name, total in by_bucket.items():
        here = [row for row in rows if bucket(row) == name]
        bought, returned = ([row for row in here if (row["quantity"] >= 0) is sign] for sign in (True, False))
        assert total["lines"] == len(here)
        assert total["gross_revenue"] == sum(row["line_amount"] for row in bought)
        assert total["returns"] == -sum(row["line_amount"] for row in returned)
        assert total["net_revenue"] == total["gross_revenue"] - total["returns"]
        assert total["items_purchased"] == sum(row["quantity"] for row in bought)
        assert total["items_returned"] == -sum(row["quantity"] for row in returned)


@settings(deadline=None, max_examples=10)
@given(LINES)
def test_purchases_features_and_days_tell_of_the_same_money(engine: DuckDBEngine, rows: list[Row]) -> None:
    lines = engine.table(raw(*rows))
    purchases = CUSTOMER_PURCHASES.validate(engine.run(customer_purchases(lines, JANUARY))).to_pylist()
    identified = {(row["customer_id"], row["invoice_no"]) for row in rows if counts(row) and row["customer_id"]}
    assert {(row["customer_id"], row["invoice_no"]) for row in purchases} == identified
    features = features_of(engine, *rows)
    assert set(features) == {customer for customer, _ in identified}
    for customer, told in features.items():
        theirs = [row for row in purchases if row["customer_id"] == customer]
        for name in ("gross_revenue", "monetary_returns", "items_purchased"):
            assert told[name] == sum(row[name] for row in theirs), name
        assert told["net_revenue"] == told["gross_revenue"] - told["monetary_returns"]
    sold = sold_to(engine, rows, *((JANUARY, customer) for customer in features))
    for customer, told in features.items():
        theirs = [row for row in sold if row["customer_id"] == customer]
        assert sum(row["gross"] for row in theirs) == told["gross_revenue"]
        assert sum(row["returns"] for row in theirs) == told["monetary_returns"]
    everybody = engine.run(net_by_day(lines)).to_pylist()
    assert sum(row["net"] for row in everybody) == sum(row["line_amount"] for row in rows if counts(row))
    assert [row["day"] for row in everybody] == sorted({row["invoiced_at"].date() for row in rows if counts(row)})


@settings(deadline=None, max_examples=6)
@given(LINES, st.randoms(use_true_random=False))
def test_only_the_order_of_appearance_hangs_on_the_order_of_the_lines(
    engine: DuckDBEngine, rows: list[Row], random: Any
) -> None:
    shuffled = random.sample(rows, len(rows))
    found, other = features_of(engine, *rows), features_of(engine, *shuffled)
    for row in (*found.values(), *other.values()):
        row.pop("appearance_order")
    assert found == other
    # Nor does anything hang on where the lines stand in the table that is read.
    numbered = raw(*rows)
    order = pa.array(random.sample(range(len(rows)), len(rows)))
    here, there = (
        engine.run(customer_features(engine.table(table), JANUARY)).sort_by("customer_id")
        for table in (numbered, numbered.take(order))
    )
    assert here.equals(there)


# -- against plain pandas, on a made-up shop


def as_raw(engine: DuckDBEngine, lines: pa.Table) -> pa.Table:
    """Lines of the UCI layout as RAW_INVOICES, cleaned by the profile of that layout."""
    frame = lines.to_pandas()
    price = [Decimal(str(round(value, 4))) for value in frame["UnitPrice"]]
    quantity = [Decimal(int(value)) for value in frame["Quantity"]]
    columns = {
        "month": pa.array(frame["InvoiceDate"].dt.date.map(lambda day: day.replace(day=1)), pa.date32()),
        "line_order": pa.array(range(1, len(frame) + 1), pa.int64()),
        "invoice_no": lines["InvoiceNo"],
        "stock_code": lines["StockCode"],
        "description": lines["Description"],
        "quantity": pa.array(quantity, pa.decimal128(18, 4)),
        "invoiced_at": lines["InvoiceDate"],
        "unit_price": pa.array(price, pa.decimal128(18, 4)),
        "line_amount": pa.array([q * p for q, p in zip(quantity, price, strict=True)], pa.decimal128(18, 4)),
        "customer_id": lines["CustomerID"],
        "country": lines["Country"],
        "source_file": pa.array(["shop.csv@1"] * len(frame)),
        "source_sheet": pa.array([""] * len(frame)),
        "source_line": pa.array(range(2, len(frame) + 2), pa.int64()),
    }
    cleaned = with_dropping_rule(engine.table(pa.table(columns)), UCI)
    return engine.run(cleaned).select(RAW_INVOICES.arrow_schema.names)


def test_features_agree_with_plain_pandas_on_a_made_up_shop(engine: DuckDBEngine) -> None:
    dirt = DirtShares(credit_notes=0.05, doubtful_countries=0.05)
    shop = Shop(ShopParameters(dt.date(2024, 1, 1), months=3, customers=550, seed=5, articles=100, dirt=dirt))
    lines = pa.concat_tables([shop.month(month) for month in shop.months()])
    month = shop.months()[-1]
    ours = engine.run(customer_features(engine.table(as_raw(engine, lines)), month)).to_pandas()
    ours = ours.set_index(ours["customer_id"].astype(int)).sort_values("appearance_order")
    theirs = naive_features(lines.to_pandas())
    assert len(theirs) > 200 and 50 < theirs["clusterable"].sum() < len(theirs)
    assert (theirs["number_returns"] > 0).sum() > 20
    assert ours.index.tolist() == theirs.index.tolist()
    compared = sorted(set(theirs.columns) & set(ours.columns))
    assert set(CUSTOMER_FEATURES.arrow_schema.names) - set(compared) == {
        *("month", "customer_id", "appearance_order"),
        *("as_of_date", "first_purchase", "last_purchase"),
    }
    for name in compared:
        ours_here, theirs_here = (pd.to_numeric(frame[name]).to_numpy(float) for frame in (ours, theirs))
        np.testing.assert_allclose(ours_here, theirs_here, rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=name)
