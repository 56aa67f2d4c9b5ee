"""What waits in the landing zone: by the ledger alone, so no cursor matters."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from insiders_assets.automation.arrivals import LONGEST_NAME, LONGEST_PART, waiting, wrong_name
from insiders_assets.storage.ledger import FileVersion, Ledger
from insiders_assets.storage.objects import Entry, FolderStore, ObjectStore, open_store
from insiders_tests.automation.landed import CONTENT, FEBRUARY, JANUARY, entry, refusal, version, write_many
from insiders_tests.servers import S3


def ready(entries: list[Entry], ledger: Ledger, quiet_seconds: float = 60) -> list[str]:
    return [one.path for one in waiting(entries, ledger, quiet_seconds).ready]


# -- what waits


def test_what_the_ledger_does_not_hold_waits_whichever_second_it_was_written() -> None:
    entries = [entry(f"{number:03}.csv", "a", 3600) for number in range(200)]
    ledger = Ledger((version("007.csv", "a", JANUARY),))
    assert ready(entries, ledger) == [f"{number:03}.csv" for number in range(200) if number != 7]


def test_what_was_written_within_the_quiet_time_is_still_arriving() -> None:
    found = waiting([entry("old.csv", "a", 60), entry("young.csv", "a", 59.9)], Ledger(), 60)
    assert [one.path for one in found.ready] == ["old.csv"]
    assert [one.path for one in found.arriving] == ["young.csv"]


def test_an_object_that_was_written_again_waits_again() -> None:
    assert ready([entry("shop.csv", "b")], Ledger((version("shop.csv", "a", JANUARY),))) == ["shop.csv"]


def test_a_version_that_was_replaced_and_comes_back_waits() -> None:
    ledger = Ledger().with_landed(version("shop.csv", "a", JANUARY)).with_landed(version("shop.csv", "b", JANUARY))
    assert ready([entry("shop.csv", "b")], ledger) == []
    assert ready([entry("shop.csv", "a")], ledger) == ["shop.csv"]


def test_what_was_refused_or_retired_does_not_wait_until_it_changes() -> None:
    ledger = Ledger().with_refused(refusal("odd.csv", "a")).with_landed(version("old.csv", "a", JANUARY))
    ledger = ledger.with_retired("old.csv", "2024-02-02T10:00:00+00:00", "tester")
    assert ready([entry("odd.csv", "a"), entry("old.csv", "a")], ledger) == []
    assert ready([entry("odd.csv", "b"), entry("old.csv", "b")], ledger) == ["odd.csv", "old.csv"]


def test_a_deleted_object_waits_for_nothing() -> None:
    assert ready([], Ledger((version("shop.csv", "a", JANUARY),))) == []


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "csv",
        "line\nbreak.csv",
        "bell\x07.csv",
        "deleted\x7f.csv",
        "nothing\x00.csv",
        "half\udcff.csv",
        "and so on....csv",
        "a/../../outside.csv",
        "./here.csv",
        "a//b.csv",
        "/root.csv",
        f"{'x' * LONGEST_PART}.csv",
        f"{'ü' * (LONGEST_PART // 2)}.csv",
        "/".join(["deep"] * (LONGEST_NAME // 5) + ["x.csv"]),
    ],
)
def test_a_name_that_cannot_be_landed_has_a_reason(name: str) -> None:
    assert wrong_name(name).endswith(".")


@pytest.mark.parametrize("name", ["a.csv", "Shop 2024/März, 2.Teil [neu].CSV", "x.csv.gz", "b.xlsx", "c..parquet"])
def test_a_name_of_a_readable_kind_can_be_landed(name: str) -> None:
    assert wrong_name(name) == ""


# -- the ledger


def landed(file: FileVersion) -> FileVersion:
    """The version as the ledger keeps it."""
    return replace(file, acts=(f"{file.landed_at} landed by {file.landed_by}",))


def test_a_refusal_leaves_what_counts_and_is_no_line_of_any_month() -> None:
    ledger = Ledger().with_landed(version("shop.csv", "a", JANUARY)).with_refused(refusal("shop.csv", "b"))
    assert [one.file_version for one in ledger.live] == ["shop.csv@a"]
    assert ledger.counting("shop.csv") == landed(version("shop.csv", "a", JANUARY))
    refused = ledger.find("shop.csv@b")
    assert refused
    assert refused.refused == refusal("shop.csv", "b").refused


def test_a_version_that_counts_is_not_refused_any_more() -> None:
    ledger = Ledger().with_landed(version("shop.csv", "a", JANUARY))
    assert ledger.with_refused(refusal("shop.csv", "a")) == ledger


def test_a_refused_version_that_can_be_read_after_all_counts() -> None:
    ledger = Ledger().with_refused(refusal("shop.csv", "a")).with_landed(version("shop.csv", "a", JANUARY))
    (file,) = ledger.files
    assert file.counts
    assert [act.split()[1] for act in file.acts] == ["refused", "landed"]


def test_a_refusal_told_twice_stands_once() -> None:
    ledger = Ledger().with_refused(refusal("odd.csv", "a")).with_refused(refusal("odd.csv", "a", etag="another"))
    (file,) = ledger.files
    assert file.etag == "another"
    assert len(file.acts) == 1


def test_retiring_takes_a_files_lines_out_and_says_who_did_it() -> None:
    ledger = Ledger().with_landed(version("a.csv", "a", JANUARY)).with_landed(version("b.csv", "a", FEBRUARY))
    after = ledger.with_retired("a.csv", "2024-02-02T10:00:00+00:00", "tester")
    assert after.months() == [FEBRUARY]
    retired = after.find("a.csv@a")
    assert retired
    assert (retired.retired_at, retired.retired_by) == ("2024-02-02T10:00:00+00:00", "tester")
    assert after.with_retired("a.csv", "2024-03-01T10:00:00+00:00", "another") == after


def test_a_retired_version_that_is_landed_again_counts_again_and_every_act_stays() -> None:
    file, later = version("a.csv", "a", JANUARY), "2024-03-01T10:00:00+00:00"
    ledger = Ledger().with_landed(file).with_retired("a.csv", "2024-02-02T10:00:00+00:00", "tester")
    (again,) = ledger.with_landed(replace(file, landed_at=later)).files
    assert again.counts
    assert again.acts == (
        *landed(file).acts,
        "2024-02-02T10:00:00+00:00 retired by tester",
        f"{later} landed by {file.landed_by}",
    )


def test_a_new_etag_of_the_same_content_changes_nothing_else() -> None:
    ledger = Ledger((version("a.csv", "a", JANUARY), version("b.csv", "a", JANUARY)))
    after = ledger.with_etag("a.csv@a", "new")
    assert after.files == (replace(ledger.files[0], etag="new"), ledger.files[1])
    assert ready([Entry("a.csv", "new", 1, 100)], after) == []


# -- listings


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store."""
    if request.param == "folder":
        return open_store(str(tmp_path / "zone"))
    s3: S3 = request.getfixturevalue("s3")
    return open_store(s3.location(uuid.uuid4().hex), s3.endpoint)


def test_a_listing_of_more_than_a_thousand_objects_is_whole_and_can_go_on_from_any_key(store: ObjectStore) -> None:
    # In a bucket fewer, asked for in pages: more than S3 gives at once are those of the 1,500 keys that arrive.
    many = 1_005 if isinstance(store, FolderStore) else 45
    names = sorted([f"{number:04}.csv" for number in range(many)] + ["0020/below.csv", "Über.csv", "a b+c%20.csv"])
    write_many(store, [*names, ".hidden.csv", "0020/.hidden"])
    found = store.entries()
    assert [one.path for one in found] == names
    assert {one.size for one in found} == {len(CONTENT)}
    assert [one.path for one in store.entries("0030.csv")] == names[names.index("0030.csv") + 1 :]
    assert [one.path for one in store.entries(at_most=many)] == names[:many]
    pages, after = [], ""
    while page := store.entries(after, len(names) // 2 - 1):
        pages.append(len(page))
        after = page[-1].path
    assert pages == [len(names) // 2 - 1] * 2 + [2]
    store.remove([one.path for one in found])
    assert store.entries() == []


def test_one_object_looks_the_same_alone_and_in_a_listing(store: ObjectStore) -> None:
    write_many(store, ["a/shop.csv"])
    (listed,), alone = store.entries(), store.stat("a/shop.csv")
    assert alone
    assert (alone.path, alone.etag, alone.size) == (listed.path, listed.etag, listed.size)
    assert 0 <= alone.age_seconds < 60
    assert store.stat("a/other.csv") is None
    assert store.stat("a") is None or isinstance(store, FolderStore)


def test_an_object_that_is_written_again_has_another_etag(store: ObjectStore) -> None:
    write_many(store, ["shop.csv"])
    before = store.stat("shop.csv")
    store.swap("shop.csv", lambda _: b"other bytes")
    after = store.stat("shop.csv")
    assert before
    assert after
    assert before.etag != after.etag


def test_removing_what_is_gone_is_no_error(store: ObjectStore) -> None:
    write_many(store, ["a.csv", "b.csv"])
    store.remove(["a.csv", "nowhere.csv"])
    store.remove([])
    assert [one.path for one in store.entries()] == ["b.csv"]
