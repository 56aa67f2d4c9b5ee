"""The lake: the same content is the same version, everywhere; what was known before stays readable."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.contracts.table import DATE, FLAG, MONEY, REAL, TEXT, WHOLE, Column, Table, content_hash
from insiders_assets.errors import MissingMonthError, StorageError
from insiders_assets.storage.lake import Dataset, Lake
from insiders_assets.storage.objects import open_store
from insiders_tests.servers import S3

JANUARY, FEBRUARY, MARCH = "2011-01-01", "2011-02-01", "2011-03-01"
MONTH = Column("month", DATE, "First day of the month.", key=True)
CUSTOMER = Column("customer_id", TEXT, "Customer.", key=True)
VALUES = (
    Column("revenue", MONEY, "Money.", nullable=True),
    Column("score", REAL, "A score.", nullable=True, precision=4),
    Column("orders", WHOLE, "Orders.", nullable=True),
    Column("member", FLAG, "Member.", nullable=True),
    Column("note", TEXT, "Note.", nullable=True),
)
SOURCE = Column("source_line", WHOLE, "Line of the file.", provenance=True, nullable=True)
SPENDING = Table("spending", "What customers spend.", (MONTH, CUSTOMER, *VALUES, SOURCE))
NO_KEY = Table("loose", "The same without a key.", (*VALUES, SOURCE))


def row(customer: str, **values: Any) -> dict[str, Any]:
    usual = {"revenue": Decimal("12.50"), "score": 0.25, "orders": 2, "member": True, "note": None, "source_line": 1}
    return {"month": dt.date(2011, 1, 1), "customer_id": customer, **usual, **values}


def rows(*given_rows: dict[str, Any], table: Table = SPENDING) -> pa.Table:
    return pa.Table.from_pylist(list(given_rows), schema=table.arrow_schema)


TWO = rows(row("12583"), row("13047", revenue=Decimal("3.10")))
THREE = rows(row("12583"), row("13047", revenue=Decimal("3.10")), row("14911"))


def folder_lake(folder: Path) -> Lake:
    return Lake(open_store(str(folder / "lake")))


def bucket_lake(s3: S3) -> Lake:
    return Lake(open_store(s3.location(f"{uuid.uuid4().hex}/lake"), s3.endpoint))


@pytest.fixture(params=["folder", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return folder_lake(tmp_path) if request.param == "folder" else bucket_lake(request.getfixturevalue("s3"))


# -- versions


def test_what_was_written_is_read_back(lake: Lake) -> None:
    lake.write(SPENDING, JANUARY, THREE)
    handle = lake.dataset(SPENDING, [JANUARY])
    assert handle.arrow().equals(THREE)
    assert handle.frame(["customer_id"])["customer_id"].tolist() == ["12583", "13047", "14911"]


def test_the_same_rows_are_the_same_version_and_leave_the_manifest(lake: Lake) -> None:
    first = lake.write(SPENDING, JANUARY, TWO, reads={"lines": {JANUARY: "hash"}})
    manifest = lake.store.read(f"manifests/spending/{JANUARY}.json")
    again = lake.write(SPENDING, JANUARY, TWO, reads={"lines": {JANUARY: "hash"}})
    assert (again.version, again.content_hash) == (first.version, first.content_hash)
    assert lake.store.read(f"manifests/spending/{JANUARY}.json") == manifest
    assert lake.history("spending", JANUARY) == [first]


def test_the_clock_dates_a_version_and_does_not_enter_it(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    first = Lake(store, lambda: dt.datetime(2011, 12, 9, tzinfo=dt.UTC)).write(SPENDING, JANUARY, TWO)
    later = Lake(store, lambda: dt.datetime(2031, 1, 1, tzinfo=dt.UTC)).write(SPENDING, JANUARY, TWO)
    assert later.version == first.version
    assert [v.recorded_at for v in Lake(store).history("spending", JANUARY)] == ["2011-12-09T00:00:00.000+00:00"]


def test_the_same_rows_made_from_something_else_are_one_version_that_knows_it(lake: Lake) -> None:
    lake.write(SPENDING, JANUARY, TWO, reads={"lines": {JANUARY: "before"}})
    lake.write(SPENDING, JANUARY, TWO, reads={"lines": {JANUARY: "after"}})
    (version,) = lake.history("spending", JANUARY)
    assert version.reads == {"lines": {JANUARY: "after"}}


def test_new_rows_become_current_and_the_old_version_stays_readable(lake: Lake) -> None:
    old = lake.write(SPENDING, JANUARY, TWO)
    new = lake.write(SPENDING, JANUARY, THREE)
    assert lake.history("spending", JANUARY) == [old, new]
    assert lake.current("spending", JANUARY) == new
    assert lake.dataset(SPENDING, [JANUARY]).arrow().num_rows == 3
    assert Dataset(lake, SPENDING, {JANUARY: old}).arrow().equals(TWO)


def test_a_handle_goes_on_reading_the_version_it_was_made_for(lake: Lake) -> None:
    lake.write(SPENDING, JANUARY, TWO)
    handle = lake.dataset(SPENDING, [JANUARY])
    lake.write(SPENDING, JANUARY, THREE)
    assert handle.arrow().num_rows == 2


def test_rows_that_come_back_are_current_again(lake: Lake) -> None:
    old = lake.write(SPENDING, JANUARY, TWO)
    lake.write(SPENDING, JANUARY, THREE)
    lake.write(SPENDING, JANUARY, TWO)
    assert [v.rows for v in lake.history("spending", JANUARY)] == [2, 3, 2]
    current = lake.current("spending", JANUARY)
    assert current and current.version == old.version


def test_a_month_that_is_withdrawn_is_gone_until_it_is_written_again_and_known_as_of_before(lake: Lake) -> None:
    first = lake.write(SPENDING, JANUARY, rows(row("a")))
    was = lake.clock()
    lake.withdraw(SPENDING.name, JANUARY)
    lake.withdraw(SPENDING.name, JANUARY)
    assert lake.current(SPENDING.name, JANUARY) is None
    assert lake.current_scopes(SPENDING.name) == []
    assert lake.as_known_at(SPENDING.name, JANUARY, was) == first
    assert lake.as_known_at(SPENDING.name, JANUARY, lake.clock()) is None
    with pytest.raises(MissingMonthError, match=JANUARY[:7]):
        lake.dataset(SPENDING, [JANUARY])
    lake.forget_versions(lake.clock())
    assert lake.current(SPENDING.name, JANUARY) is None
    assert lake.write(SPENDING, JANUARY, rows(row("a"))).version == first.version
    assert lake.current_scopes(SPENDING.name) == [JANUARY]


def test_a_month_without_rows_is_there(lake: Lake) -> None:
    lake.write(SPENDING, JANUARY, SPENDING.empty())
    handle = lake.dataset(SPENDING, [JANUARY])
    assert handle.arrow().equals(SPENDING.empty())
    assert lake.scopes("spending") == [JANUARY]


def test_scopes_of_one_table_are_not_those_of_another_whose_name_begins_alike(lake: Lake) -> None:
    lake.write(SPENDING, FEBRUARY, TWO)
    lake.write(SPENDING, JANUARY, TWO)
    lake.write(Table("spending_more", "Another.", SPENDING.columns), MARCH, TWO)
    lake.write(SPENDING, "invoices.csv@0123/2011-01-01", TWO)
    assert lake.scopes("spending") == [JANUARY, FEBRUARY, "invoices.csv@0123/2011-01-01"]
    assert lake.scopes("nothing") == []


# -- handles


def test_one_month_and_several_are_the_same_kind_of_handle(lake: Lake) -> None:
    for month in (JANUARY, FEBRUARY):
        lake.write(SPENDING, month, TWO)
    one, both = lake.dataset(SPENDING, [JANUARY]), lake.dataset(SPENDING, [FEBRUARY, JANUARY])
    assert type(one) is type(both) is Dataset
    assert one.arrow_dataset().schema == both.arrow_dataset().schema == SPENDING.arrow_schema
    assert both.scopes == [JANUARY, FEBRUARY]
    assert both.arrow().num_rows == 2 * one.arrow().num_rows
    assert both.only(JANUARY).hashes == one.hashes


def test_every_missing_month_is_named(lake: Lake) -> None:
    lake.write(SPENDING, FEBRUARY, TWO)
    with pytest.raises(MissingMonthError, match=r"spending is missing for 2011-01, 2011-03\..*insiders run"):
        lake.dataset(SPENDING, [JANUARY, FEBRUARY, MARCH])


def test_files_are_kept_beside_the_rows_and_belong_to_the_version(lake: Lake) -> None:
    old = lake.write(SPENDING, JANUARY, TWO, files={"model.bin": b"old", "picture.png": b"png"})
    new = lake.write(SPENDING, JANUARY, TWO, files={"model.bin": b"new", "picture.png": b"png"})
    assert old.version != new.version
    assert old.content_hash == new.content_hash
    assert lake.dataset(SPENDING, [JANUARY]).file("model.bin") == b"new"
    assert Dataset(lake, SPENDING, {JANUARY: old}).file("model.bin") == b"old"
    assert Dataset(lake, SPENDING, {JANUARY: new, FEBRUARY: old}).file("picture.png", FEBRUARY) == b"png"


def test_a_file_that_is_gone_is_named_with_a_remedy(tmp_path: Path) -> None:
    lake = folder_lake(tmp_path)
    version = lake.write(SPENDING, JANUARY, TWO, files={"model.bin": b"model"})
    Path(lake.store.root, version.files["model.bin"]).unlink()
    with pytest.raises(StorageError, match=r"model\.bin is named by a manifest, but is gone.*backup"):
        lake.dataset(SPENDING, [JANUARY]).file("model.bin")


def test_rows_that_are_gone_are_told_as_trouble_of_the_lake(lake: Lake) -> None:
    version = lake.write(SPENDING, JANUARY, TWO)
    store = lake.store
    store.filesystem.delete_file(f"{store.root}/{version.path}")
    with pytest.raises(StorageError, match=r"named by a manifest, but is gone"):
        lake.dataset(SPENDING, [JANUARY]).arrow()


def test_a_handle_on_no_month_has_no_rows(lake: Lake) -> None:
    assert lake.dataset(SPENDING, []).arrow().equals(SPENDING.empty())


# -- a folder and a bucket


def test_a_folder_and_a_bucket_give_the_same_versions_and_hashes(s3: S3, tmp_path: Path) -> None:
    lakes = (folder_lake(tmp_path), bucket_lake(s3))
    written = [
        [lake.write(SPENDING, month, data, files={"model": b"m"}, reads={"lines": {month: "h"}}) for lake in lakes]
        for month, data in ((JANUARY, TWO), (JANUARY, THREE), (FEBRUARY, SPENDING.empty()))
    ]
    for here, there in written:
        assert (here.version, here.content_hash, here.path, here.files) == (
            there.version,
            there.content_hash,
            there.path,
            there.files,
        )
    folder, bucket = (lake.dataset(SPENDING, [JANUARY, FEBRUARY]) for lake in lakes)
    assert folder.arrow().equals(bucket.arrow())
    assert folder.hashes == bucket.hashes
    assert lakes[0].store.names("") == lakes[1].store.names("")


def test_rows_in_pieces_are_the_same_version_as_in_one(tmp_path: Path) -> None:
    many = rows(*(row(f"{number:05}", source_line=number) for number in range(3_000)))
    pieces = pa.concat_tables([many.slice(0, 7), many.slice(7, 2_000), many.slice(2_007)])
    lake = folder_lake(tmp_path)
    assert lake.write(SPENDING, JANUARY, many).version == lake.write(SPENDING, JANUARY, pieces).version


# -- the content hash

MONEY_VALUES = st.none() | st.decimals("-99999.99", "99999.99", places=2)
# Steps of the precision, so that noise far below half a step cannot reach the next one.
SCORES = st.none() | st.integers(-50_000, 50_000).map(lambda steps: steps / 10_000)
VALUES_OF_ROW = st.fixed_dictionaries(
    {
        "revenue": MONEY_VALUES,
        "score": SCORES,
        "orders": st.none() | st.integers(-9, 9),
        "member": st.none() | st.booleans(),
        "note": st.none() | st.sampled_from(["", "a", ",", '"', "é\n"]),
    }
)
SHOPS = st.lists(VALUES_OF_ROW, max_size=12)


def as_spending(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row(str(number), source_line=number, **one) for number, one in enumerate(values)]


@given(values=SHOPS, data=st.data())
def test_the_order_of_rows_does_not_count(values: list[dict[str, Any]], data: st.DataObject) -> None:
    customers = as_spending(values)
    shuffled = data.draw(st.permutations(customers))
    assert content_hash(SPENDING, rows(*shuffled)) == content_hash(SPENDING, rows(*customers))


@given(values=SHOPS, data=st.data())
def test_the_order_of_rows_does_not_count_without_a_key(values: list[dict[str, Any]], data: st.DataObject) -> None:
    loose = [{**one, "source_line": number} for number, one in enumerate(values)]
    shuffled = data.draw(st.permutations(loose))
    assert content_hash(NO_KEY, rows(*shuffled, table=NO_KEY)) == content_hash(NO_KEY, rows(*loose, table=NO_KEY))


@given(values=SHOPS, data=st.data())
def test_where_a_row_stood_does_not_count(values: list[dict[str, Any]], data: st.DataObject) -> None:
    customers = as_spending(values)
    moved = [{**one, "source_line": data.draw(st.integers(0, 999))} for one in customers]
    assert content_hash(SPENDING, rows(*moved)) == content_hash(SPENDING, rows(*customers))


@given(values=SHOPS, data=st.data())
@pytest.mark.parametrize("table", [SPENDING, NO_KEY])
def test_noise_beyond_the_precision_does_not_count(
    table: Table, values: list[dict[str, Any]], data: st.DataObject
) -> None:
    customers = as_spending(values)
    noise = st.floats(-2e-5, 2e-5)
    noisy = [{**one, "score": None if one["score"] is None else one["score"] + data.draw(noise)} for one in customers]
    assert content_hash(table, rows(*noisy, table=table)) == content_hash(table, rows(*customers, table=table))


@given(values=SHOPS.filter(bool), data=st.data(), cents=st.sampled_from(["0.01", "-0.01", "0.0001"]))
def test_a_cent_counts(values: list[dict[str, Any]], data: st.DataObject, cents: str) -> None:
    customers = as_spending(values)
    changed = data.draw(st.integers(0, len(customers) - 1))
    other = [dict(one) for one in customers]
    other[changed]["revenue"] = (other[changed]["revenue"] or Decimal(0)) + Decimal(cents)
    assert content_hash(SPENDING, rows(*other)) != content_hash(SPENDING, rows(*customers))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"note": None}, {"note": ""}),
        ({"note": "a,b"}, {"note": "a"}),
        ({"score": 0.25}, {"score": 0.2501}),
        ({"score": None}, {"score": 0.0}),
        ({"orders": None}, {"orders": 0}),
        ({"member": None}, {"member": False}),
        ({"revenue": None}, {"revenue": Decimal("0.00")}),
        ({"customer_id": "12583"}, {"customer_id": "12583 "}),
    ],
)
def test_every_other_difference_counts(before: dict[str, Any], after: dict[str, Any]) -> None:
    def hashed(values: dict[str, Any]) -> str:
        return content_hash(SPENDING, rows({**row("12583"), **values}))

    assert hashed(before) != hashed(after)


def test_a_row_twice_is_not_a_row_once() -> None:
    once = {name: value for name, value in row("1").items() if name in NO_KEY.arrow_schema.names}
    assert content_hash(NO_KEY, rows(once, table=NO_KEY)) != content_hash(NO_KEY, rows(once, once, table=NO_KEY))


def test_minus_zero_is_zero() -> None:
    assert content_hash(SPENDING, rows(row("1", score=-0.0))) == content_hash(SPENDING, rows(row("1", score=0.0)))


def test_the_hash_of_known_rows_never_changes() -> None:
    """A change here would make every month of every home due: versions must go on meaning what they meant."""
    assert content_hash(SPENDING, TWO) == "bfb89790dcf6f276b901e987eb70d2fae7278e7a9985b6e42f0554a5805748d0"
