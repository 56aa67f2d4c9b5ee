"""Articles that go together: what is counted, what chance gives, what holds later, and what is left to offer whom."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, hypergeom

from insiders_assets.assets.product_affinities import pairs_of
from insiders_assets.contracts.affinities import AFFINITY_CANDIDATES, PRODUCT_AFFINITIES
from insiders_assets.contracts.lines import RAW_INVOICES
from insiders_assets.domain.affinities import candidates, months_with_sales, most_bought
from insiders_assets.domain.affinity_pairs import ERROR_RATE, Period, by_chance, found, later_from, p_values
from insiders_assets.partitions import shift
from insiders_assets.storage.engine import DuckDBEngine

START = dt.date(2024, 1, 1)
MONTHS = [shift(START, number) for number in range(8)]
SPLIT = dt.date(2024, 7, 1)
CUSTOMERS, ARTICLES = 900, 24
SCHEMA = pa.schema([pa.field(one.name, one.type) for one in RAW_INVOICES.columns])
HOSTILE = "Robert'); DROP TABLE lines;--\t\u202eCAFÉ \n 7\" {month} %s"
Line = dict[str, Any]


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    made = DuckDBEngine()
    yield made
    made.close()


def line(customer: str | None, article: str | None, month: dt.date, **differs: Any) -> Line:
    return {
        "month": month,
        "customer_id": customer,
        "stock_code": article,
        "description": f"THING {article}",
        "quantity": Decimal(2),
        "line_amount": Decimal(5),
        "dropped_by": None,
        **differs,
    }


def table(lines: Sequence[Line]) -> pa.Table:
    return pa.Table.from_pylist([*lines], schema=SCHEMA)


def independent(seed: int) -> np.ndarray:
    """Who bought which article in which month, (months, customers, articles): every customer as active, and every
    article as liked, as it is, and nothing else."""
    drawn = np.random.default_rng(seed)
    odds = np.outer(drawn.lognormal(-2.6, 1.0, CUSTOMERS), drawn.lognormal(0, 0.5, ARTICLES))
    return drawn.random((len(MONTHS), CUSTOMERS, ARTICLES)) < odds / (1 + odds)


def with_pair(bought: np.ndarray, one: int, other: int, months: slice, seed: int) -> np.ndarray:
    """The same, where most of those who buy an article buy another one with it, in some months."""
    planted = bought.copy()
    follows = np.random.default_rng(seed).random(planted[months, :, one].shape) < 0.8
    planted[months, :, other] |= planted[months, :, one] & follows
    return planted


def lines_of(bought: np.ndarray) -> list[Line]:
    return [line(f"c{who}", f"a{what:02d}", MONTHS[when]) for when, who, what in np.argwhere(bought)]


@pytest.fixture(scope="module")
def shop() -> np.ndarray:
    """Articles 0 and 1 go together in all months, 2 and 3 in the earlier ones only."""
    always = with_pair(independent(5), 0, 1, slice(None), 6)
    return with_pair(always, 2, 3, slice(0, 6), 7)


@pytest.fixture(scope="module")
def rows(engine: DuckDBEngine, shop: np.ndarray) -> list[dict[str, Any]]:
    return pairs_of(engine, engine.table(table(lines_of(shop))), SPLIT)


def period(bought: np.ndarray) -> Period:
    """The counts of a period from who bought what in it, (customers, articles); pairs in the order of `every_two`."""
    there = bought[bought.any(axis=1)]
    kinds = there.sum(axis=1)
    sizes = np.unique(kinds)
    one, other = every_two()
    return Period(
        np.array([(kinds == size).sum() for size in sizes]),
        np.array([there[kinds == size].sum(axis=0) for size in sizes]).T,
        (there[:, one] & there[:, other]).sum(axis=0),
    )


def every_two() -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(ARTICLES, 1)


def test_what_goes_together_is_found_and_what_did_so_once_does_not_hold(rows: list[dict[str, Any]]) -> None:
    told = {(row["antecedent"], row["consequent"]): row["holds"] for row in rows}
    assert told == {("a00", "a01"): True, ("a01", "a00"): True, ("a02", "a03"): False, ("a03", "a02"): False}
    assert all(row["lift"] > row["lift_alike"] > 1 for row in rows)
    assert {row["position"] for row in rows} == {1, 2}


def test_the_figures_are_those_of_counting_by_hand(rows: list[dict[str, Any]], shop: np.ndarray) -> None:
    early, late = shop[:6].any(axis=0), shop[6:].any(axis=0)
    row = next(one for one in rows if one["antecedent"] == "a00")
    one, other, late_one, late_other = early[:, 0], early[:, 1], late[:, 0], late[:, 1]
    customers, both = int(early.any(axis=1).sum()), int((one & other).sum())
    waiting = one & ~other
    expected = {
        "customers": customers,
        "antecedent_customers": one.sum(),
        "consequent_customers": other.sum(),
        "both_customers": both,
        "support": both / customers,
        "confidence": both / one.sum(),
        "lift": both * customers / (one.sum() * other.sum()),
        "both_later": (late_one & late_other).sum(),
        "lift_later": (late_one & late_other).sum() * late.any(axis=1).sum() / (late_one.sum() * late_other.sum()),
        "uptake_later": (waiting & late_other).sum() / waiting.sum(),
        "mean_spend": 5 * shop[:, :, 1].sum() / shop[:, :, 1].any(axis=0).sum(),
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    by_hand = sum(
        one[kinds].sum() * other[kinds].sum() / kinds.sum()
        for size in range(1, ARTICLES + 1)
        for kinds in [early.sum(axis=1) == size]
        if kinds.any()
    )
    assert row["lift_alike"] == pytest.approx(both / by_hand)


def test_the_rows_keep_the_contract_in_any_order_of_the_lines(
    engine: DuckDBEngine, rows: list[dict[str, Any]], shop: np.ndarray
) -> None:
    def made(found_rows: list[dict[str, Any]]) -> pa.Table:
        return PRODUCT_AFFINITIES.validate(
            pd.DataFrame([{"month": START, "later_from": SPLIT, **r} for r in found_rows])
        )

    shuffled = table(lines_of(shop)).take(np.random.default_rng(1).permutation(int(shop.sum())))
    assert made(rows).equals(made(pairs_of(engine, engine.table(shuffled), SPLIT)))


def test_only_what_an_identified_customer_bought_counts(
    engine: DuckDBEngine, rows: list[dict[str, Any]], shop: np.ndarray
) -> None:
    beside = [
        line(who, what, month, **differs)
        for month, number in itertools.product(MONTHS, range(300))
        for who, what, differs in (
            (None, "a05", {}),
            (f"c{number}", None, {}),
            (f"c{number}", "a06", {"quantity": Decimal(-2), "line_amount": Decimal(-5)}),
            (f"c{number}", "a07", {"dropped_by": "price"}),
        )
    ]
    assert pairs_of(engine, engine.table(table([*lines_of(shop), *beside])), SPLIT) == rows


def test_descriptions_are_the_commonest_ones_and_are_not_believed(engine: DuckDBEngine, shop: np.ndarray) -> None:
    lines = lines_of(shop)
    odd = {"a00": lambda n: HOSTILE if n % 3 else "rare", "a01": lambda _: None, "a02": lambda _: " \t "}
    for number, one in enumerate(lines):
        if one["stock_code"] in odd:
            one["description"] = odd[one["stock_code"]](number)
    told = {one["antecedent"]: one for one in pairs_of(engine, engine.table(table(lines)), SPLIT)}
    assert told["a00"]["antecedent_description"] == " ".join(HOSTILE.split())
    assert {code: one["antecedent_description"] for code, one in told.items() if code != "a00"} == {
        "a01": "a01",
        "a02": "a02",
        "a03": "THING a03",
    }


def test_who_buys_much_buys_both_and_that_is_no_affinity(engine: DuckDBEngine) -> None:
    bought = independent(1)
    one, other = every_two()
    early = period(bought[:6].any(axis=0))
    apart = early.of_article[one] * early.of_article[other] / early.customers
    assert (early.both > apart).mean() > 0.9
    assert pairs_of(engine, engine.table(table(lines_of(bought))), SPLIT) == []


def test_in_independent_shops_a_pair_is_found_as_rarely_as_stated() -> None:
    one, other = every_two()
    shops = [period(independent(seed)[:6].any(axis=0)) for seed in range(120)]
    wrong = sum(len(found(one, other, shop)) > 0 for shop in shops)
    assert binomtest(wrong, len(shops), ERROR_RATE, alternative="greater").pvalue > 0.01
    below = np.mean([p_values(shop, one, other) < ERROR_RATE for shop in shops])
    assert below < ERROR_RATE


@given(st.integers(1, 60), st.data())
def test_the_bound_is_above_the_exact_probability(customers: int, data: st.DataObject) -> None:
    first, second = (data.draw(st.integers(0, customers)) for _ in range(2))
    both = data.draw(st.integers(0, min(first, second)))
    one = Period(np.array([customers]), np.array([[first], [second]]), np.array([both]))
    (bound,) = p_values(one, np.array([0]), np.array([1]))
    assert by_chance(one, np.array([0]), np.array([1]))[0] == pytest.approx(first * second / customers)
    assert hypergeom.sf(both - 1, customers, first, second) <= bound + 1e-12 <= 1 + 1e-12


def test_the_last_quarter_of_the_months_is_kept_for_the_test(engine: DuckDBEngine) -> None:
    months = [shift(START, number) for number in range(13)]
    assert later_from(months[:3]) is None
    assert [months.index(later_from(months[:count])) for count in (4, 7, 8, 12, 13)] == [3, 6, 6, 9, 10]  # type: ignore[arg-type]
    sold = [line("c", "a", months[5]), line("c", "a", months[2]), line(None, "a", months[3])]
    asked = engine.run(months_with_sales(engine.table(table([*sold, line("c", "a", months[1], dropped_by="price")]))))
    assert asked["month"].to_pylist() == [months[2], months[5]]


def test_only_the_articles_that_most_customers_bought_are_looked_at(engine: DuckDBEngine) -> None:
    owned = pd.DataFrame(
        [
            (f"c{who}", article, True, False)
            for article, size in {"b": 3, "a": 3, "c": 5, "d": 1}.items()
            for who in range(size)
        ],
        columns=["customer_id", "stock_code", "earlier", "later"],
    ).assign(spent=Decimal(1))
    later = pd.DataFrame(
        [{"customer_id": f"c{n}", "stock_code": "new", "earlier": False, "later": True} for n in range(9)]
    )
    both = pa.Table.from_pandas(pd.concat([owned, later.assign(spent=Decimal(1))]), preserve_index=False)
    most = engine.run(most_bought(engine.table(both), most=3))
    assert most.select(["article", "stock_code", "buyers"]).to_pylist() == [
        {"article": 0, "stock_code": "c", "buyers": 5},
        {"article": 1, "stock_code": "a", "buyers": 3},
        {"article": 2, "stock_code": "b", "buyers": 3},
    ]


@pytest.mark.parametrize("lines", [[], [line("c", "a", month) for month in MONTHS]], ids=["none", "one article"])
def test_where_nothing_can_go_together_there_is_no_pair(engine: DuckDBEngine, lines: list[Line]) -> None:
    assert pairs_of(engine, engine.table(table(lines)), SPLIT) == []


OWNED = st.dictionaries(st.sampled_from("abcde"), st.sets(st.sampled_from(["x' OR 1=1", "y", "z", "w"]), min_size=1))
RULES = st.dictionaries(
    st.tuples(st.sampled_from(["x' OR 1=1", "y", "z"]), st.sampled_from(["x' OR 1=1", "z", "w"])).filter(
        lambda pair: pair[0] != pair[1]
    ),
    st.sampled_from([1.5, 2.0, 7.25]),
    min_size=1,
)


@settings(max_examples=40)
@given(OWNED, RULES, st.sets(st.sampled_from("abcde")))
def test_candidates_have_the_one_and_never_the_other_and_the_pair_with_most_money(
    engine: DuckDBEngine, owned: dict[str, set[str]], rules: dict[tuple[str, str], float], clusterable: set[str]
) -> None:
    bought = [line(who, what, MONTHS[0]) for who, articles in owned.items() for what in articles]
    returned = [line(who, "w", MONTHS[1], quantity=Decimal(-1)) for who in owned]
    given_rules = pa.Table.from_pylist([{"antecedent": a, "consequent": c, "money": m} for (a, c), m in rules.items()])
    theirs = pa.table({"customer_id": pa.array(sorted(clusterable), pa.string())})
    expression = candidates(
        engine.table(table([*bought, *returned])), engine.table(theirs), engine.table(given_rules), START
    )
    made = AFFINITY_CANDIDATES.validate(engine.run(expression))
    expected = {}
    for who in clusterable & owned.keys():
        open_to = [(-m, a, c) for (a, c), m in rules.items() if a in owned[who] and c not in owned[who]]
        if open_to:
            money, antecedent, consequent = min(open_to)
            expected[who] = (antecedent, consequent, -money)
    assert {
        one["customer_id"]: (one["antecedent"], one["consequent"], one["money"]) for one in made.to_pylist()
    } == expected
