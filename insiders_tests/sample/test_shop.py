"""The made-up shop behaves like a real one, is the same for the same seed, and its truth agrees with its lines."""

import csv
import dataclasses
import datetime as dt
import functools
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insiders_assets.errors import InputError, MissingMonthError
from insiders_assets.sample import DEMO, DirtShares, Shop, ShopParameters, write_shop
from insiders_assets.sample.articles import make_articles
from insiders_assets.sample.customers import expected_invoices, make_customers
from insiders_assets.sample.rhythm import make_rhythm
from insiders_assets.sample.timing import repeat_purchases

SERVICE = "^[A-Za-z ]+$"
MARCH = dt.date(2024, 3, 1)
SMALL = dataclasses.replace(DEMO, months=3, customers=150)
CLEAN = dataclasses.replace(DEMO, customers=6000, dirt=DirtShares.none())
# As the twelve whole months of UCI 352, with which it is compared.
YEAR = dataclasses.replace(CLEAN, first_month=dt.date(2023, 12, 1), months=12, customers=4000)
SEEDS = [1, 2]


@functools.cache
def lines_of(parameters: ShopParameters) -> pd.DataFrame:
    shop = Shop(parameters)
    lines = pa.concat_tables([shop.month(month) for month in shop.months()]).to_pandas()
    return lines.assign(amount=lines.Quantity * lines.UnitPrice, day=lines.InvoiceDate.dt.normalize())


@functools.cache
def truth_of(parameters: ShopParameters) -> pd.DataFrame:
    return Shop(parameters).truth().to_pandas().set_index("customer_id")


def purchases_of(parameters: ShopParameters) -> pd.DataFrame:
    """Honest purchases: what `expected_revenue` is the expectation of."""
    lines = lines_of(parameters)
    mistaken = truth_of(parameters).query("taste == 'mistaken order'").index
    honest = lines.CustomerID.notna() & (lines.Quantity > 0) & (lines.UnitPrice >= 0.04)
    return lines[honest & ~lines.StockCode.str.match(SERVICE) & ~lines.CustomerID.isin(mistaken)]


def repeat_customers(parameters: ShopParameters) -> pd.Series:
    """Revenue of those with purchases on two days of the last thirteen months, largest first."""
    purchases = purchases_of(parameters)
    window = purchases[purchases.InvoiceDate >= pd.Timestamp(Shop(parameters).months()[-13])]
    per = window.groupby("CustomerID").agg(revenue=("amount", "sum"), days=("day", "nunique"))
    return per.revenue[per.days > 1].sort_values(ascending=False)


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as lines:
        return list(csv.reader(lines))[1:]


# Repeatable


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first, second = write_shop(SMALL, tmp_path / "first"), write_shop(SMALL, tmp_path / "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_another_seed_gives_another_shop():
    other = dataclasses.replace(SMALL, seed=SMALL.seed + 1)
    assert not Shop(SMALL).month(MARCH).equals(Shop(other).month(MARCH))


def test_months_are_the_same_in_any_order_and_from_any_shop():
    forward, backward = Shop(SMALL), Shop(SMALL)
    made = {month: forward.month(month) for month in forward.months()}
    for month in reversed(backward.months()):
        assert backward.month(month).equals(made[month])
        assert Shop(SMALL).month(month).equals(made[month])
        assert backward.month(month).equals(made[month])


def test_an_incomplete_month_is_the_beginning_of_the_complete_one():
    cut = dataclasses.replace(SMALL, last_day=dt.date(2024, 3, 9))
    whole, part = Shop(SMALL).month(MARCH), Shop(cut).month(MARCH)
    assert part.equals(whole.slice(0, len(part)))
    assert part["InvoiceDate"].to_pylist()[-1].day <= 9 < whole["InvoiceDate"].to_pylist()[len(part)].day
    assert 0 < Shop(cut).expected_revenue(MARCH) < Shop(SMALL).expected_revenue(MARCH)


def test_a_month_outside_the_shop_is_refused_with_the_months_there_are():
    with pytest.raises(MissingMonthError, match="2024-01-01 to 2024-03-01"):
        Shop(SMALL).month(dt.date(2030, 1, 1))


# Plausible


def test_the_demonstration_has_the_size_it_promises():
    lines = lines_of(DEMO)
    assert 40_000 < len(lines) < 60_000
    assert 900 < lines.CustomerID.nunique() < 1_100
    assert len(repeat_customers(DEMO)) >= 500
    assert lines.InvoiceDate.max().strftime("%Y-%m") == "2025-03"


@pytest.mark.parametrize("seed", [DEMO.seed, 1, 2, 4])
def test_a_tenth_of_the_repeat_customers_bring_about_half_of_the_revenue(seed):
    revenue = repeat_customers(dataclasses.replace(DEMO, seed=seed))
    assert 0.42 < revenue.iloc[: len(revenue) // 10].sum() / revenue.sum() < 0.6


def test_many_customers_buy_once_and_many_leave():
    days = purchases_of(DEMO).groupby("CustomerID").day.nunique()
    assert 0.25 < (days == 1).mean() < 0.6
    truth = truth_of(DEMO)
    assert (truth.departure_date.notna() & (truth.monthly_rate > 0)).sum() > 100
    assert (truth.arrival_date > DEMO.first_month).sum() > 300


@pytest.mark.parametrize("seed", SEEDS)
def test_purchases_are_as_regular_as_in_the_real_year(seed):
    """A customer's gaps have a coefficient of variation of .64 there, median over six dates or more (Poisson: .89), and
    the variance of counts is .65 of their expectation (1)."""
    purchases = purchases_of(dataclasses.replace(YEAR, seed=seed))
    dates = purchases.drop_duplicates(["CustomerID", "day"]).sort_values(["CustomerID", "day"])
    gaps = dates.groupby("CustomerID").day.diff().dt.days.groupby(dates.CustomerID).agg(["mean", "std", "count"])
    gaps = gaps[gaps["count"] >= 5]
    assert len(gaps) > 500
    assert (gaps["std"] / gaps["mean"]).median() == pytest.approx(0.64, abs=0.04)
    assert dispersion(dates) == pytest.approx(0.65, abs=0.1)


def dispersion(dates: pd.DataFrame) -> float:
    """Variance of the dates per two months over their expectation, of customers who are there before and after these:
    Pearson's statistic over its degrees of freedom."""
    counts = pd.crosstab(dates.CustomerID, (dates.day.dt.month % 12) // 2).to_numpy(float)
    between = counts[(counts[:, 0] > 0) & (counts[:, -1] > 0), 1:-1]
    between = between[between.sum(axis=1) >= 2]
    expected = between.sum(axis=1, keepdims=True) * between.sum(axis=0) / between.sum()
    return ((between - expected) ** 2 / expected).sum(axis=1).mean() / (between.shape[1] - 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_customers_stay_as_those_of_the_real_year(seed):
    """36 % have one invoice there, and of those of the first half year 69.5 % are there in the second."""
    purchases = purchases_of(dataclasses.replace(YEAR, seed=seed))
    second_half = purchases.InvoiceDate >= pd.Timestamp("2024-06-01")
    first, second = (set(purchases.CustomerID[half]) for half in (~second_half, second_half))
    assert len(first & second) / len(first) == pytest.approx(0.695, abs=0.03)
    invoices = purchases.groupby("CustomerID").InvoiceNo.nunique()
    assert (invoices == 1).mean() == pytest.approx(0.36, abs=0.04)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_customers_invoices_differ_in_size_as_those_of_the_real_year(seed):
    """Coefficients of variation over a customer's invoices, five or more: lines .66, pieces .71 there. Money has .62
    there and about .79 here, where prices differ more; it is not held to anything."""
    purchases = purchases_of(dataclasses.replace(YEAR, seed=seed))
    invoices = purchases.groupby(["CustomerID", "InvoiceNo"]).agg(lines=("day", "size"), pieces=("Quantity", "sum"))
    of_five = invoices[invoices.groupby("CustomerID").lines.transform("size") >= 5].groupby("CustomerID")
    variation = np.sqrt((of_five.var() / of_five.mean() ** 2).mean())
    assert variation.lines == pytest.approx(0.66, abs=0.05)
    assert variation.pieces == pytest.approx(0.71, abs=0.05)


@pytest.mark.parametrize("months", [3, 15, 36])
def test_one_time_share_is_of_those_who_arrive_however_many_months_there_are(months):
    truth = truth_of(dataclasses.replace(CLEAN, months=months))
    arrived = truth[truth.arrival_date >= CLEAN.first_month]
    assert (arrived.monthly_rate == 0).mean() == pytest.approx(0.35, abs=0.01)


def test_closed_days_have_no_lines():
    day = lines_of(DEMO).InvoiceDate.dt
    assert not (day.weekday == 5).any()
    assert not ((day.month == 12) & (day.day >= 24)).any()
    assert not ((day.month == 1) & (day.day <= 3)).any()
    assert day.date.nunique() > 300


def test_lines_stand_in_order_of_time_and_invoice_numbers_rise():
    lines = lines_of(DEMO)
    assert lines.InvoiceDate.is_monotonic_increasing
    invoices = lines.assign(number=lines.InvoiceNo.str.lstrip("CA").astype(int))
    assert invoices.number.is_monotonic_increasing
    per = invoices.fillna({"CustomerID": ""}).groupby("number")
    assert (per[["InvoiceNo", "CustomerID", "InvoiceDate", "Country"]].nunique() == 1).all(axis=None)


def test_customer_ids_are_digits_above_those_of_the_real_set():
    assert truth_of(DEMO).index.str.fullmatch(r"\d+").all()
    assert truth_of(DEMO).index.astype(int).min() == 20_000
    assert set(lines_of(DEMO).CustomerID.dropna()) <= set(truth_of(DEMO).index)


def test_customers_buy_mostly_articles_of_their_taste():
    truth, purchases = truth_of(DEMO), purchases_of(DEMO)
    taste = purchases.CustomerID.map(truth.taste)
    share = purchases.Description.dropna().str.contains("MUG|BOWL|CAKE TIN|APRON|TEAPOT|JAR")
    assert share[taste == "kitchen"].mean() > 0.75 > 0.4 > share[taste != "kitchen"].mean()


# Dirty


@pytest.mark.parametrize(
    ("kind", "lowest", "highest"),
    [
        ("guests", 0.2, 0.3),
        ("credit_notes", 0.013, 0.022),
        ("bad_debts", 0.00001, 0.0002),
        ("zero_prices", 0.003, 0.006),
        ("tiny_prices", 0.0001, 0.001),
        ("duplicates", 0.008, 0.012),
        ("services", 0.004, 0.0065),
        ("doubtful_countries", 0.0001, 0.003),
        ("missing_descriptions", 0.001, 0.003),
        ("noisy_descriptions", 0.02, 0.08),
    ],
)
def test_each_kind_of_dirt_has_about_its_share(kind, lowest, highest):
    lines = lines_of(DEMO)
    found = {
        "guests": lines.CustomerID.isna(),
        "credit_notes": lines.InvoiceNo.str.startswith("C"),
        "bad_debts": lines.InvoiceNo.str.startswith("A") & (lines.StockCode == "B") & (lines.UnitPrice < 0),
        "zero_prices": lines.UnitPrice == 0,
        "tiny_prices": (lines.UnitPrice > 0) & (lines.UnitPrice < 0.04),
        "duplicates": lines.duplicated(),
        "services": lines.StockCode.str.match(SERVICE),
        "doubtful_countries": lines.Country.isin(["European Community", "Unspecified"]),
        "missing_descriptions": lines.Description.isna(),
        "noisy_descriptions": lines.Description.str.contains('[",]|[^\x00-\x7f]', na=False),
    }
    assert lowest < found[kind].mean() < highest


def test_every_service_code_and_both_doubtful_countries_occur():
    lines = lines_of(DEMO)
    codes = {"POST", "DOT", "M", "D", "S", "BANK CHARGES", "AMAZONFEE", "CRUK", "PADS", "B"}
    assert set(lines.StockCode[lines.StockCode.str.match(SERVICE)]) == codes
    assert {"European Community", "Unspecified"} <= set(lines.Country)
    assert lines.Description.str.contains('"', na=False).any() and lines.Description.str.contains("É", na=False).any()


def test_credit_notes_are_negative_and_take_back_an_earlier_purchase_of_the_customer():
    lines = lines_of(DEMO)
    credits = lines[lines.InvoiceNo.str.startswith("C")]
    assert (credits.Quantity < 0).all()
    key = ["CustomerID", "StockCode", "UnitPrice"]
    returns = credits[~credits.StockCode.str.match(SERVICE)]
    bought = lines[lines.Quantity > 0].groupby(key).agg(bought=("Quantity", "sum"), first=("InvoiceDate", "min"))
    taken = returns.groupby(key).agg(taken=("Quantity", "sum"), back=("InvoiceDate", "min")).join(bought)
    assert len(taken) > 300
    assert (taken.back > taken["first"]).all()
    assert (-taken.taken <= taken.bought).all()
    assert 0.2 < (-taken.taken < taken.bought).mean() < 1


def test_a_very_large_order_is_cancelled_twelve_minutes_later():
    mistaken = truth_of(DEMO).query("taste == 'mistaken order'").index
    order, cancelled = [row for _, row in lines_of(DEMO)[lines_of(DEMO).CustomerID.isin(mistaken)].iterrows()]
    assert cancelled.InvoiceNo.startswith("C")
    assert cancelled.InvoiceDate - order.InvoiceDate == pd.Timedelta(minutes=12)
    assert order.Quantity == -cancelled.Quantity == lines_of(DEMO).Quantity.max()


def test_a_shop_without_dirt_has_none():
    lines = lines_of(CLEAN)
    assert lines.CustomerID.notna().all() and lines.Description.notna().all()
    assert (lines.Quantity > 0).all() and (lines.UnitPrice >= 0.04).all()
    assert not lines.StockCode.str.match(SERVICE).any() and lines.InvoiceNo.str.isdecimal().all()


# True


def test_monthly_revenue_is_its_expectation_but_for_noise():
    shop = Shop(CLEAN)
    real = purchases_of(CLEAN).groupby(pd.Grouper(key="day", freq="MS")).amount.sum()
    expected = pd.Series([shop.expected_revenue(month) for month in shop.months()], index=real.index)
    ratio = real / expected
    assert abs(real.sum() / expected.sum() - 1) < 0.04
    assert ratio.between(0.85, 1.15).all()
    assert expected.loc["2024-11-01"] == expected.max()


def test_repeat_purchases_are_as_many_as_expected_in_every_month():
    """Closely: their number varies less than Poisson's, whose standard deviation is the root of the expectation."""
    broken = (dt.date(2024, 6, 1), 0.5)
    grown = dataclasses.replace(CLEAN, customers=20_000, promotion_months=(MARCH,), trend_break=broken)
    rhythm = make_rhythm(grown)
    customers = make_customers(grown, rhythm, make_articles(grown))
    for month in Shop(grown).months():
        expected = expected_invoices(customers, rhythm, month, rhythm.span(month)[1])[0].sum()
        bought, days = repeat_purchases(customers, rhythm, month)
        assert abs(len(bought) - expected) < 4 * np.sqrt(expected)
        assert rhythm.open[days].all()
        assert ((customers.arrival[bought] < days) & (days <= customers.departure[bought])).all()


def test_realised_revenue_per_customer_follows_the_truth():
    truth = truth_of(CLEAN)
    stayed = truth[(truth.arrival_date < DEMO.first_month) & truth.departure_date.isna() & (truth.monthly_rate > 0.1)]
    real = purchases_of(CLEAN).groupby("CustomerID").amount.sum().reindex(stayed.index).fillna(0)
    assert np.corrcoef(real, stayed.expected_monthly_revenue)[0, 1] > 0.85
    assert real.corr(stayed.expected_monthly_revenue, method="spearman") > 0.85


def test_nobody_buys_before_arriving_or_after_leaving():
    purchases, truth = purchases_of(CLEAN), truth_of(CLEAN)
    per = purchases.groupby("CustomerID").day.agg(["min", "max"]).join(truth)
    arrived = pd.to_datetime(per.arrival_date)
    assert (per["min"] >= arrived).all()
    assert (per["min"] == arrived)[arrived >= pd.Timestamp(CLEAN.first_month)].all()
    assert (per["max"] <= pd.to_datetime(per.departure_date).fillna(pd.Timestamp.max)).all()


def test_expectations_of_groups_add_up_to_the_shop():
    shop, ids = Shop(SMALL), list(truth_of(SMALL).index)
    parts = [shop.expected_revenue(MARCH, ids[:40]), shop.expected_revenue(MARCH, ids[40:])]
    assert sum(parts) == pytest.approx(shop.expected_revenue(MARCH))
    assert shop.expected_revenue(MARCH, []) == 0 == shop.expected_revenue(MARCH, ["12583", "unknown"])


def test_growth_promotion_and_trend_break_move_the_repeat_purchases_of_their_months():
    calm = dataclasses.replace(CLEAN, growth=0.0, one_time_share=0.0, lifetime_months=1e6)
    moved = dataclasses.replace(calm, promotion_months=(MARCH,), trend_break=(dt.date(2024, 6, 1), 0.5))
    ratio = [Shop(moved).expected_revenue(month) / Shop(calm).expected_revenue(month) for month in Shop(calm).months()]
    assert ratio[:5] == pytest.approx([1, 1, 1.4, 1, 1], abs=0.01)
    assert ratio[5:] == pytest.approx([0.5] * 10, abs=0.01)
    grown = Shop(dataclasses.replace(calm, growth=0.1)).expected_revenue(MARCH)
    assert grown == pytest.approx(1.21 * Shop(calm).expected_revenue(MARCH), rel=0.01)


# Files


def test_the_readable_lines_of_the_files_are_the_months_and_each_unreadable_kind_occurs(tmp_path):
    parameters = dataclasses.replace(DEMO, customers=4000)
    paths = write_shop(parameters, tmp_path)
    assert [path.name for path in paths] == ["invoices-2024.csv", "invoices-2025.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in paths]
    rows = [row for path in paths for row in rows_of(path)]
    kinds = {
        "wrong number of fields": [row for row in rows if len(row) != 8],
        "no invoice number": [row for row in rows if not row[0]],
        "quantity": [row for row in rows if row[3] == "a dozen"],
        "date": [row for row in rows if len(row) == 8 and "x" in row[4]],
    }
    assert all(kinds.values())
    bad = [row for found in kinds.values() for row in found]
    assert len(bad) < 0.002 * len(rows)
    good = [row for row in rows if row not in bad]
    lines = lines_of(parameters)
    assert [row[0] for row in good] == lines.InvoiceNo.tolist()
    assert [row[2] for row in good] == lines.Description.fillna("").tolist()
    assert [int(row[3]) for row in good] == lines.Quantity.tolist()
    assert [dt.datetime.strptime(row[4], "%m/%d/%Y %H:%M") for row in good] == lines.InvoiceDate.tolist()  # noqa: DTZ007
    assert [float(row[5]) for row in good] == lines.UnitPrice.tolist()
    assert [row[6] for row in good] == lines.CustomerID.fillna("").tolist()


@pytest.mark.parametrize("files", ["year", "month"])
def test_each_file_proves_that_the_month_stands_first(tmp_path, files):
    paths = write_shop(DEMO, tmp_path, files=files)
    assert len(paths) == {"year": 2, "month": 15}[files]
    for path in paths:
        dates = [row[4].split("/") for row in rows_of(path) if len(row) == 8 and "x" not in row[4]]
        assert max(int(month) for month, _, _ in dates) <= 12 < max(int(day) for _, day, _ in dates)
        assert not any(month.startswith("0") or day.startswith("0") for month, day, _ in dates)


def test_overlapping_files_hold_the_same_lines_of_nine_days(tmp_path):
    plain = write_shop(SMALL, tmp_path / "plain", files="month")
    overlapping = write_shop(SMALL, tmp_path / "overlapping", files="month", overlap_days=9)
    for number, path in enumerate(overlapping[:-1]):
        text, own, following = path.read_text(), plain[number].read_text(), plain[number + 1].read_text()
        assert text.startswith(own)
        more = text.removeprefix(own)
        assert more and following.split("\n", 1)[1].startswith(more)
        assert {
            int(date.split("/")[1]) for date in pd.Series(more.splitlines()).str.extract(r",(\d+/\d+)/2024")[0].dropna()
        } <= set(range(1, 10))
    assert overlapping[-1].read_bytes() == plain[-1].read_bytes()


def test_parquet_files_hold_the_months_and_replace_earlier_ones(tmp_path):
    (tmp_path / "invoices-2024.parquet").write_text("an older file")
    (path,) = write_shop(SMALL, tmp_path, file_format="parquet")
    shop = Shop(SMALL)
    assert pq.read_table(path).equals(pa.concat_tables([shop.month(month) for month in shop.months()]))


# Refusals and limits


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"months": 0}, "months is 0"),
        ({"customers": 0}, "customers is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"articles": 3}, "articles is 3"),
        ({"lines_per_invoice": 0.5}, "lines_per_invoice is 0.5"),
        ({"one_time_share": 1.5}, "one_time_share is 1.5"),
        ({"growth": 12.0}, "growth is 12.0"),
        ({"seasonality": (1.0,)}, "seasonality"),
        ({"closed_weekdays": (7,)}, "closed_weekdays"),
        ({"closed_periods": (((2, 30), (3, 1)),)}, "month 2, day 30"),
        ({"first_month": dt.date(2024, 1, 5)}, "2024-01-05 is not the first day of a month"),
        ({"promotion_months": (dt.date(2024, 3, 7),)}, "2024-03-07 is not the first day"),
        ({"trend_break": (dt.date(2024, 3, 1), -1.0)}, "trend_break"),
        ({"last_day": dt.date(2024, 3, 9)}, "last_day 2024-03-09 is outside the last month"),
    ],
)
def test_a_parameter_that_no_shop_can_have_is_refused_by_name(change, sentence):
    with pytest.raises(InputError, match=sentence):
        dataclasses.replace(DEMO, **change)


def test_shares_that_are_no_shares_and_choices_that_do_not_exist_are_refused(tmp_path):
    with pytest.raises(InputError, match="guests is 1"):
        DirtShares(guests=1.0)
    with pytest.raises(InputError, match="unparsable_dates"):
        DirtShares(unparsable_dates=0.5)
    with pytest.raises(InputError, match="file_format is 'doc'"):
        write_shop(SMALL, tmp_path, file_format="doc")
    with pytest.raises(InputError, match="files is 'day'"):
        write_shop(SMALL, tmp_path, files="day")
    with pytest.raises(InputError, match="overlap_days is 99"):
        write_shop(SMALL, tmp_path, overlap_days=99)


def test_a_million_lines_take_seconds():
    start = time.perf_counter()
    shop = Shop(dataclasses.replace(DEMO, customers=28_000))
    lines = sum(len(shop.month(month)) for month in shop.months())
    assert lines > 1_000_000
    assert time.perf_counter() - start < 15


def test_a_shop_that_never_opens_has_months_without_lines(tmp_path):
    closed = dataclasses.replace(SMALL, closed_weekdays=tuple(range(7)))
    assert len(lines_of(closed)) == 0 == Shop(closed).expected_revenue(MARCH)
    assert rows_of(write_shop(closed, tmp_path)[0]) == []


@settings(max_examples=40, deadline=None)
@given(
    parameters=st.builds(
        ShopParameters,
        first_month=st.dates(dt.date(2000, 1, 1), dt.date(2040, 1, 1)).map(lambda day: day.replace(day=1)),
        months=st.integers(1, 5),
        customers=st.integers(1, 80),
        seed=st.integers(0, 2**63),
        lines_per_invoice=st.floats(1, 60),
        articles=st.integers(30, 200),
        invoices_per_month=st.floats(0.01, 5),
        one_time_share=st.floats(0, 1),
        growth=st.floats(-0.5, 0.5),
        ticket_spread=st.floats(0, 1.5),
        closed_weekdays=st.sets(st.integers(0, 6)).map(tuple),
        closed_periods=st.sampled_from([(), (((12, 24), (1, 3)),), (((1, 1), (12, 31)),), (((5, 2), (7, 30)),)]),
        dirt=st.one_of(
            st.just(DirtShares.none()),
            st.just(DirtShares()),
            st.builds(
                DirtShares,
                guests=st.floats(0, 0.9),
                credit_notes=st.floats(0, 0.2),
                zero_prices=st.floats(0, 0.2),
                duplicates=st.floats(0, 0.2),
                services=st.floats(0, 0.2),
                large_orders=st.integers(0, 3),
            ),
        ),
    )
)
def test_small_shops_of_any_kind_can_be_made(parameters):
    lines, truth = lines_of.__wrapped__(parameters), Shop(parameters).truth()
    assert len(truth) >= parameters.customers
    assert lines.InvoiceDate.is_monotonic_increasing
    assert not lines.InvoiceDate.dt.weekday.isin(parameters.closed_weekdays).any()
    assert lines.InvoiceNo.str.lstrip("CA").astype(int).is_monotonic_increasing
    assert set(lines.CustomerID.dropna()) <= set(truth["customer_id"].to_pylist())
