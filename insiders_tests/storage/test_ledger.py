"""The ledger: which files count, which months they touch, and which months are known to be empty."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.storage.lake import Lake
from insiders_assets.storage.ledger import (
    LEDGER_PATH,
    FileVersion,
    Ledger,
    Part,
    change_ledger,
    declare_empty,
    read_ledger,
)
from insiders_assets.storage.objects import open_store

JANUARY, FEBRUARY, MARCH, APRIL = (f"2011-{month:02}-01" for month in range(1, 5))


def landed(key: str, version: str, *months: str, first: str | None = None, last: str | None = None) -> FileVersion:
    """A version of a file whose good lines lie in these months; its span is theirs unless said otherwise."""
    return FileVersion(
        file_version=f"{key}@{version}",
        file_key=key,
        sha256=version * 64,
        layout="uci_352",
        profile=None,
        landed_by="tester",
        landed_at="2011-12-09T10:00:00+00:00",
        lines=10 * len(months) + 1,
        good_lines=10 * len(months),
        quarantined_lines=1,
        reasons={"quantity is not a number": 1},
        quarantine_path="quarantine/x.parquet",
        first_date=first or (min(months) if months else None),
        last_date=last or (f"{max(months)[:7]}-28" if months else None),
        months={
            month: Part(f"landed_lines/{key}@{version}/{month}/x.parquet", 10, f"{version}{month}") for month in months
        },
    )


def book(*files: FileVersion) -> Ledger:
    ledger = Ledger()
    for file in files:
        ledger = ledger.with_landed(file)
    return ledger


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(open_store(str(tmp_path)))


def test_before_the_first_landing_nothing_is_known(lake: Lake) -> None:
    ledger = read_ledger(lake)
    assert ledger == Ledger()
    assert ledger.months() == []
    assert ledger.is_missing(JANUARY)


def test_what_was_landed_is_read_back_as_it_was(lake: Lake) -> None:
    file = landed("january.csv", "a", JANUARY, FEBRUARY)
    change_ledger(lake, lambda before: before.with_landed(file))
    ledger = read_ledger(lake)
    file = replace(file, acts=("2011-12-09T10:00:00+00:00 landed by tester",))
    assert ledger.files == (file,)
    assert ledger.find("january.csv@a") == file
    assert ledger.find("january.csv@b") is None
    assert ledger.parts(FEBRUARY) == {"january.csv@a": file.months[FEBRUARY]}


def test_a_new_version_of_a_file_replaces_the_one_before() -> None:
    ledger = book(landed("shop.csv", "a", JANUARY, FEBRUARY), landed("shop.csv", "b", FEBRUARY))
    assert [f.file_version for f in ledger.live] == ["shop.csv@b"]
    assert ledger.months() == [FEBRUARY]
    old = ledger.find("shop.csv@a")
    assert old and old.replaced_by == "shop.csv@b"


def test_files_of_other_names_stay() -> None:
    ledger = book(landed("a.csv", "a", JANUARY), landed("b.csv", "a", JANUARY), landed("a.csv", "b", JANUARY))
    assert list(ledger.parts(JANUARY)) == ["a.csv@b", "b.csv@a"]


def test_a_version_that_comes_back_counts_again() -> None:
    first, second = landed("shop.csv", "a", JANUARY), landed("shop.csv", "b", FEBRUARY)
    ledger = book(first, second, first)
    assert [f.file_version for f in ledger.live] == ["shop.csv@a"]
    assert [f.replaced_by for f in ledger.files] == ["shop.csv@a", None]
    assert ledger.months() == [JANUARY]


def test_landing_the_same_version_again_changes_nothing() -> None:
    file = landed("shop.csv", "a", JANUARY)
    assert book(file, file) == book(file)


def test_owners_come_by_first_date_and_then_by_name_whatever_the_order_of_landing() -> None:
    early = landed("z.csv", "a", JANUARY, FEBRUARY)
    b, c = landed("b.csv", "a", FEBRUARY, MARCH), landed("c.csv", "a", FEBRUARY)
    empty = landed("0.csv", "a")
    for files in ((early, b, c, empty), (empty, c, b, early)):
        ledger = book(*files)
        assert [f.file_key for f in ledger.live] == ["z.csv", "b.csv", "c.csv", "0.csv"]
        assert list(ledger.parts(FEBRUARY)) == ["z.csv@a", "b.csv@a", "c.csv@a"]


def test_a_month_inside_a_files_dates_without_a_line_is_empty_and_not_missing() -> None:
    ledger = book(landed("shop.csv", "a", JANUARY, MARCH))
    assert ledger.is_empty(FEBRUARY)
    assert not ledger.is_missing(FEBRUARY)
    assert ledger.months() == [JANUARY, MARCH]


def test_a_month_between_two_files_is_missing_and_not_empty() -> None:
    ledger = book(landed("a.csv", "a", JANUARY), landed("b.csv", "a", MARCH))
    assert ledger.is_missing(FEBRUARY)
    assert not ledger.is_empty(FEBRUARY)


def test_a_month_with_lines_is_neither_empty_nor_missing() -> None:
    ledger = book(landed("a.csv", "a", JANUARY))
    assert not ledger.is_empty(JANUARY)
    assert not ledger.is_missing(JANUARY)


def test_a_file_without_a_good_line_covers_no_month() -> None:
    ledger = book(landed("a.csv", "a"))
    assert ledger.is_missing(JANUARY)
    assert ledger.months() == []


def test_a_month_declared_empty_is_not_missing_and_is_declared_once(lake: Lake) -> None:
    for month in (MARCH, FEBRUARY, MARCH):
        declare_empty(lake, dt.date.fromisoformat(month))
    ledger = read_ledger(lake)
    assert ledger.declared_empty == (FEBRUARY, MARCH)
    assert ledger.is_empty(FEBRUARY)
    assert not ledger.is_missing(MARCH)
    assert ledger.is_missing(APRIL)


def test_a_month_declared_empty_that_gets_lines_has_lines(lake: Lake) -> None:
    declare_empty(lake, dt.date(2011, 2, 1))
    ledger = change_ledger(lake, lambda before: before.with_landed(landed("a.csv", "a", FEBRUARY)))
    assert not ledger.is_empty(FEBRUARY)
    assert list(ledger.parts(FEBRUARY)) == ["a.csv@a"]


def test_a_file_replaced_by_a_shorter_one_leaves_its_other_months_missing() -> None:
    ledger = book(landed("shop.csv", "a", JANUARY, FEBRUARY), landed("shop.csv", "b", JANUARY))
    assert ledger.is_missing(FEBRUARY)


def test_landings_at_once_are_all_in_the_ledger(lake: Lake) -> None:
    files = [landed(f"{number:02}.csv", "a", JANUARY) for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda file: change_ledger(lake, lambda before: before.with_landed(file)), files))
    assert {f.file_key for f in read_ledger(lake).live} == {f.file_key for f in files}


def test_a_change_that_changes_nothing_leaves_the_document(lake: Lake) -> None:
    file = landed("a.csv", "a", JANUARY)
    change_ledger(lake, lambda before: before.with_landed(file))
    document = lake.store.read(LEDGER_PATH)
    change_ledger(lake, lambda before: before.with_landed(file))
    assert lake.store.read(LEDGER_PATH) == document


LANDINGS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sets(st.sampled_from([JANUARY, FEBRUARY, MARCH]))),
    max_size=8,
)


@given(LANDINGS)
def test_of_each_file_exactly_the_version_landed_last_counts(landings: list[tuple[str, str, set[str]]]) -> None:
    ledger = book(*(landed(key, version, *months) for key, version, months in landings))
    last = {key: f"{key}@{version}" for key, version, _ in landings}
    assert {f.file_key: f.file_version for f in ledger.live} == last
    assert len({f.file_version for f in ledger.files}) == len(ledger.files)
    for month in (JANUARY, FEBRUARY, MARCH, APRIL):
        assert [bool(ledger.parts(month)), ledger.is_empty(month), ledger.is_missing(month)].count(True) == 1
