"""Which lines a month has, and which rule drops a line; the properties are tried on small made-up files."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from insiders_assets.contracts.lines import LANDED_LINES
from insiders_assets.domain.invoices import (
    CONTENT_NAMES,
    NEUTRAL,
    PROFILES,
    UCI,
    Profile,
    choose_profile,
    multiset_union,
    refuse_greedy_rules,
    single_file,
    with_dropping_rule,
    with_excluded_customers,
)
from insiders_assets.errors import InputError
from insiders_assets.storage.engine import DuckDBEngine

Row = dict[str, Any]

NAMES = ("a.csv@1", "b.csv@2", "c.csv@3")
# Few values, so that lines are often identical; nulls in the three columns that may hold them.
CONTENT = st.fixed_dictionaries(
    {
        "invoice_no": st.sampled_from(["1", "C2"]),
        "stock_code": st.sampled_from(["10", None]),
        "customer_id": st.sampled_from(["7", None]),
        "country": st.sampled_from(["France", None]),
        "source_sheet": st.sampled_from(["", "Year 2"]),
    }
)
FILE = st.lists(CONTENT, max_size=8)


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    opened = DuckDBEngine()
    yield opened
    opened.close()


def line(**given: Any) -> Row:
    """A good line of the UCI layout, as landed, with what a test says otherwise."""
    row = {
        "source_file": NAMES[0],
        "source_sheet": "",
        "source_line": 2,
        "invoice_no": "536365",
        "stock_code": "85123A",
        "description": "A LANTERN",
        "quantity": Decimal(6),
        "invoiced_at": dt.datetime.fromisoformat("2010-12-01T08:26"),
        "unit_price": Decimal("2.55"),
        "customer_id": "17850",
        "country": "United Kingdom",
    }
    row |= given
    return {**row, "line_amount": row["quantity"] * row["unit_price"]}


def landed(*files: Sequence[Row]) -> list[list[Row]]:
    """Rows of several files with their names and line numbers."""
    return [
        [line(**row, source_file=name, source_line=number) for number, row in enumerate(rows, start=2)]
        for name, rows in zip(NAMES, files, strict=False)
    ]


def union(engine: DuckDBEngine, files: Sequence[Sequence[Row]], ranks: Sequence[int] | None = None) -> list[Row]:
    """The union of files, which arrive in the order given and rank as given (else in that order)."""
    arrived = pa.Table.from_pylist([row for rows in files for row in rows], schema=LANDED_LINES.arrow_schema)
    names = [rows[0]["source_file"] for rows in files if rows]
    places = list(ranks or range(len(names)))
    ranked = pa.table({"source_file": pa.array(names, pa.string()), "rank": pa.array(places, pa.int64())})
    found = engine.run(multiset_union(engine.table(arrived), engine.table(ranked)))
    return found.sort_by("line_order").to_pylist()


def content(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in CONTENT_NAMES)


def source(row: Row) -> tuple[Any, ...]:
    return row["source_file"], row["source_sheet"], row["source_line"]


def counts(rows: Sequence[Row]) -> Counter[tuple[Any, ...]]:
    return Counter(map(content, rows))


# -- the multiset union


@settings(deadline=None, max_examples=40)
@given(st.lists(FILE, min_size=1, max_size=3).filter(any))
@example([[{}, {}], [{}, {}, {}], [{}]])
def test_each_identical_line_is_there_as_often_as_in_the_file_that_has_it_most_often(
    engine: DuckDBEngine, given_files: list[list[Row]]
) -> None:
    files = [rows for rows in landed(*given_files) if rows]
    expected: Counter[tuple[Any, ...]] = Counter()
    for rows in files:
        expected |= counts(rows)
    found = union(engine, files)
    assert counts(found) == expected
    assert [row["line_order"] for row in found] == list(range(1, len(found) + 1))
    # Every line is one that was landed, once, in the order of file, sheet and line.
    assert {source(row): content(row) for row in found}.items() <= {
        source(row): content(row) for rows in files for row in rows
    }.items()
    assert [source(row) for row in found] == sorted({source(row) for row in found})


@settings(deadline=None, max_examples=15)
@given(st.tuples(FILE, FILE, FILE).filter(any), st.permutations(range(3)))
def test_the_order_of_arrival_has_no_influence(
    engine: DuckDBEngine, given_files: tuple[list[Row], ...], order: list[int]
) -> None:
    ranked = [(rank, rows) for rank, rows in enumerate(landed(*given_files)) if rows]
    arriving = [ranked[i] for i in order if i < len(ranked)]
    found = union(engine, [rows for _, rows in arriving], [rank for rank, _ in arriving])
    assert found == union(engine, [rows for _, rows in ranked], [rank for rank, _ in ranked])


@settings(deadline=None, max_examples=15)
@given(st.tuples(FILE.filter(len), FILE, FILE))
def test_an_occurrence_belongs_to_the_smallest_file_that_has_it(
    engine: DuckDBEngine, given_files: tuple[list[Row], ...]
) -> None:
    files = [rows for rows in landed(*given_files) if rows]
    remaining: Counter[tuple[Any, ...]] = Counter()
    owned = Counter[tuple[str, tuple[Any, ...]]]()
    for rows in files:
        here = counts(rows)
        owned.update({(rows[0]["source_file"], one): number for one, number in (here - remaining).items()})
        remaining |= here
    assert Counter((row["source_file"], content(row)) for row in union(engine, files)) == owned


@settings(deadline=None, max_examples=15)
@given(FILE.filter(len))
def test_one_file_alone_is_taken_as_it_stands(engine: DuckDBEngine, rows: list[Row]) -> None:
    (file,) = landed(rows)
    table = pa.Table.from_pylist(file, schema=LANDED_LINES.arrow_schema)
    alone = engine.run(single_file(engine.table(table))).sort_by("line_order").to_pylist()
    assert alone == union(engine, [file])
    assert len(alone) == len(file)


def test_a_file_landed_twice_under_two_names_doubles_nothing(engine: DuckDBEngine) -> None:
    rows = [{}, {}, {"customer_id": None}, {"stock_code": None, "country": None}]
    found = union(engine, landed(rows, rows))
    assert len(found) == 4
    assert {row["source_file"] for row in found} == {NAMES[0]}


def test_genuine_repeats_inside_one_file_are_kept_beside_another_file(engine: DuckDBEngine) -> None:
    for order in permutations(landed([{}, {}, {}], [{}], [{"invoice_no": "9"}])):
        found = union(engine, order, [NAMES.index(rows[0]["source_file"]) for rows in order])
        assert [source(row) for row in found] == [(NAMES[0], "", n) for n in (2, 3, 4)] + [(NAMES[2], "", 2)]


def test_lines_that_differ_in_one_column_only_are_two_lines(engine: DuckDBEngine) -> None:
    others: list[Row] = [
        {"invoice_no": "536366"},
        {"stock_code": None},
        {"description": "a lantern"},
        {"quantity": Decimal("6.5")},
        {"invoiced_at": dt.datetime.fromisoformat("2010-12-01T08:27")},
        {"unit_price": Decimal("2.5501")},
        {"customer_id": None},
        {"country": "EIRE"},
    ]
    for other in others:
        assert len(union(engine, landed([{}], [other]))) == 2, other


# -- the cleaning rules


def dropped(engine: DuckDBEngine, profile: Profile, *rows: Row) -> list[str | None]:
    table = pa.Table.from_pylist([line(**row) for row in rows], schema=LANDED_LINES.arrow_schema)
    numbered = table.append_column("place", pa.array(range(len(rows)), pa.int64()))
    return engine.run(with_dropping_rule(engine.table(numbered), profile)).sort_by("place")["dropped_by"].to_pylist()


def test_the_first_rule_that_holds_names_the_line(engine: DuckDBEngine) -> None:
    worst = {
        "unit_price": Decimal("0.03"),
        "stock_code": "POST",
        "country": "Unspecified",
        "customer_id": "16446",
    }
    better = [dict(list(worst.items())[start:]) for start in range(5)]
    assert dropped(engine, UCI, *better) == [*UCI.rules, None]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"unit_price": Decimal("0.0399")}, "price_below_minimum"),
        ({"unit_price": Decimal("0.04")}, None),
        ({"unit_price": Decimal("-11062.06")}, "price_below_minimum"),
        ({"stock_code": "m"}, "service_code"),
        ({"stock_code": "BANK CHARGES"}, None),
        ({"stock_code": "C2"}, None),
        ({"stock_code": "15056BL"}, None),
        ({"stock_code": ""}, None),
        ({"country": "European Community"}, "not_a_country"),
        ({"country": "unspecified"}, None),
        ({"customer_id": "15749"}, "excluded_customer"),
        ({"customer_id": "157490"}, None),
        ({"quantity": Decimal(-6)}, None),
        ({"quantity": Decimal(0)}, None),
    ],
)
def test_a_rule_drops_what_it_says_and_no_more(engine: DuckDBEngine, row: Row, rule: str | None) -> None:
    assert dropped(engine, UCI, row) == [rule]


def test_a_guest_counts_and_so_does_a_line_without_article_or_country(engine: DuckDBEngine) -> None:
    nobody = {"customer_id": None, "stock_code": None, "country": None}
    for profile in PROFILES.values():
        assert dropped(engine, profile, {"customer_id": None}, nobody) == [None, None]
    assert dropped(engine, UCI, {**nobody, "unit_price": Decimal(0)}) == ["price_below_minimum"]


@settings(deadline=None, max_examples=15)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "unit_price": st.sampled_from([Decimal("-1"), Decimal("0.03"), Decimal("0.04"), Decimal("5")]),
                "stock_code": st.sampled_from(["POST", "10", None]),
                "country": st.sampled_from(["Unspecified", "France", None]),
                "customer_id": st.sampled_from(["16446", "7", None]),
            }
        ),
        min_size=1,
        max_size=10,
    )
)
def test_the_rules_are_asked_in_order_whatever_the_line(engine: DuckDBEngine, rows: list[Row]) -> None:
    def expected(row: Row) -> str | None:
        conditions = (
            row["unit_price"] < Decimal("0.04"),
            row["stock_code"] == "POST",
            row["country"] == "Unspecified",
            row["customer_id"] == "16446",
        )
        return next((rule for rule, holds in zip(UCI.rules, conditions, strict=True) if holds), None)

    assert dropped(engine, UCI, *rows) == [expected(row) for row in rows]


def test_the_neutral_profile_drops_only_what_has_no_price(engine: DuckDBEngine) -> None:
    rows: list[Row] = [
        {"unit_price": Decimal("0.0001")},
        {"unit_price": Decimal(0)},
        {"unit_price": Decimal("-0.01")},
        {"stock_code": "POST", "country": "Unspecified", "customer_id": "16446"},
        {"quantity": Decimal(-1)},
    ]
    assert dropped(engine, NEUTRAL, *rows) == [None, "price_below_minimum", "price_below_minimum", None, None]


def test_a_profile_without_any_rule_drops_nothing(engine: DuckDBEngine) -> None:
    assert dropped(engine, Profile("own"), {"unit_price": Decimal(-1)}, {"customer_id": None}) == [None, None]


def test_a_shop_s_own_exclusion_list_takes_the_place_of_the_built_in_one(engine: DuckDBEngine) -> None:
    own = with_excluded_customers(UCI, ["Anna-Lena", "7"])
    customers = ("16446", "Anna-Lena", "7", None)
    rules = dropped(engine, own, *({"customer_id": customer} for customer in customers))
    assert rules == [None, "excluded_customer", "excluded_customer", None]
    nobody = with_excluded_customers(UCI, [])
    assert dropped(engine, nobody, {"customer_id": "16446"}) == [None]
    assert len({UCI.fingerprint, own.fingerprint, nobody.fingerprint, NEUTRAL.fingerprint}) == 4


# -- which profile, and how much it may drop


def test_the_profile_is_the_one_that_was_set_else_that_of_the_layout_else_neutral() -> None:
    assert choose_profile(None, [None, "uci"]) is UCI
    assert choose_profile("neutral", ["uci"]) is NEUTRAL
    assert choose_profile(None, [None]) is choose_profile(None, []) is NEUTRAL
    with pytest.raises(InputError, match="no cleaning profile 'ucl'"):
        choose_profile("ucl", [])


def test_a_rule_that_would_empty_the_shop_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"service_code drops 201 of the 1,000 lines of 2011-12 \(20%"):
        refuse_greedy_rules({"price_below_minimum": 3, "service_code": 201}, 1_000, "2011-12", 0.20)


def test_a_rule_at_its_limit_and_a_small_month_are_let_through() -> None:
    refuse_greedy_rules({"service_code": 200}, 1_000, "2011-12", 0.20)
    refuse_greedy_rules({"service_code": 199}, 199, "2011-12", 0.20)
    refuse_greedy_rules({"service_code": 1_000}, 1_000, "2011-12", 1.0)
    with pytest.raises(InputError, match="100%"):
        refuse_greedy_rules({"service_code": 200}, 200, "2011-12", 0.20)
