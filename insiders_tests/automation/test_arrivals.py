"""What waits in the landing zone, and when the sensors ask for a run: by the ledger alone, so no cursor matters."""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation import sensors
from insiders_assets.automation.arrivals import LONGEST_NAME, LONGEST_PART, waiting, wrong_name
from insiders_assets.automation.jobs import CATCH_UP, CATCHING_UP
from insiders_assets.automation.sensors import REQUEST, catching_up, look_for_arrivals, look_for_due_months
from insiders_assets.definitions import build_definitions, reach_of_assets
from insiders_assets.settings import PREFIX, Settings, load_settings
from insiders_assets.storage.ledger import FileVersion, Ledger, Part, change_ledger
from insiders_assets.storage.objects import Entry, FolderStore, ObjectStore, open_store
from insiders_tests.servers import S3

JANUARY, FEBRUARY = "2024-01-01", "2024-02-01"
CONTENT = b"InvoiceNo,StockCode\n"


def version(key: str, content: str, *months: str, etag: str = "", **words: str) -> FileVersion:
    """A version of a file as the ledger holds it after its landing."""
    return FileVersion(
        file_version=f"{key}@{content}",
        file_key=key,
        sha256=content * 64,
        layout="uci_352",
        profile=None,
        landed_by="tester",
        landed_at="2024-02-01T10:00:00+00:00",
        lines=10,
        good_lines=10,
        quarantined_lines=0,
        reasons={},
        quarantine_path="",
        first_date=min(months, default=None),
        last_date=max(months, default=None),
        months={month: Part(f"landed_lines/{key}@{content}/{month}", 10, content) for month in months},
        etag=etag or f"etag of {content}",
        **words,
    )


def refusal(key: str, content: str, etag: str = "") -> FileVersion:
    return version(key, content, etag=etag, refused="No layout fits.")


def entry(key: str, content: str, age_seconds: float = 3600) -> Entry:
    return Entry(key, f"etag of {content}", 100, age_seconds)


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


def write_many(store: ObjectStore, names: list[str]) -> None:
    if isinstance(store, FolderStore):
        for name in names:
            Path(store.root, name).parent.mkdir(parents=True, exist_ok=True)
            Path(store.root, name).write_bytes(CONTENT)
        return
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: store.write(name, CONTENT), names))


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


# -- the sensors


@pytest.fixture(autouse=True)
def environment_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's own storage, in an SQLite database that is kept in memory."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "insiders.toml").write_text("quiet_seconds = 0\n")
    return load_settings(tmp_path / "home")


@pytest.fixture
def platform(settings: Settings) -> Iterator[Platform]:
    with open_platform(settings) as opened:
        opened.landing.check_writable()
        yield opened


Tick = Callable[..., dg.SensorResult]


@pytest.fixture
def tick(instance: dg.DagsterInstance, platform: Platform) -> Tick:
    """One evaluation of the sensor of arrivals, with a cursor."""

    def evaluate(cursor: str | None = None) -> dg.SensorResult:
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            return look_for_arrivals(context, platform)

    return evaluate


def put(platform: Platform, *names: str) -> None:
    write_many(platform.landing, list(names))


def seen(platform: Platform) -> None:
    """Enter all that is in the landing zone in the ledger."""
    found = [version(one.path, "a", JANUARY, etag=one.etag) for one in platform.landing.entries()]
    change_ledger(platform.lake, lambda _: Ledger(tuple(found)))


def asked(result: dg.SensorResult) -> dg.RunRequest:
    (request,) = result.run_requests or []
    return request


def skipped(result: dg.SensorResult) -> str:
    assert not result.run_requests
    assert isinstance(result.skip_reason, dg.SkipReason)
    return str(result.skip_reason.skip_message)


def run_of(
    instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus, hours_ago: float = 0
) -> None:
    """A run of that request in Dagster's history."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("insiders"), "__repository__")
    run = dg.DagsterRun(
        CATCH_UP,
        run_id=str(uuid.uuid4()),
        status=status,
        tags=request.tags,
        remote_job_origin=RemoteJobOrigin(repository, CATCH_UP),
    )
    created = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours_ago)
    instance.run_storage.add_historical_run(run, created)  # type: ignore[attr-defined]


def test_an_empty_zone_asks_for_nothing(tick: Tick) -> None:
    assert skipped(tick()) == "Nothing new among 0 objects."


def test_two_hundred_files_of_the_same_second_are_one_request(tick: Tick, platform: Platform) -> None:
    names = [f"{number:03}.csv" for number in range(200)]
    put(platform, *names)
    for name in names:
        os.utime(Path(platform.landing.root, name), (1_700_000_000, 1_700_000_000))
    request = asked(tick())
    assert request.tags["insiders/why"] == "200 arrived: 000.csv, …"
    assert CATCHING_UP.items() <= request.tags.items()
    seen(platform)
    assert skipped(tick()) == "Nothing new among 200 objects."


def test_the_same_arrivals_are_the_same_request_and_others_another(tick: Tick, platform: Platform) -> None:
    put(platform, "a.csv", "b.csv")
    first, again = asked(tick()), asked(tick())
    assert (first.run_key, first.tags) == (again.run_key, again.tags)
    put(platform, "c.csv")
    assert asked(tick()).tags[REQUEST] != first.tags[REQUEST]


def test_what_is_still_arriving_is_waited_for(
    instance: dg.DagsterInstance, settings: Settings, platform: Platform
) -> None:
    put(platform, "a.csv")
    with (
        open_platform(settings.model_copy(update={"quiet_seconds": 300})) as patient,
        dg.build_sensor_context(instance=instance) as context,
    ):
        assert skipped(look_for_arrivals(context, patient)) == "Nothing new among 1 objects; 1 written just now."


@pytest.mark.parametrize("cursor", [None, "", "b.csv", "a key that is long gone"])
def test_a_lost_or_a_stale_cursor_loses_no_file_and_asks_for_none_again(
    tick: Tick, platform: Platform, cursor: str | None
) -> None:
    put(platform, "a.csv", "b.csv")
    seen(platform)
    put(platform, "0.csv", "c.csv")
    wanted, found = {"0.csv", "c.csv"}, 0
    for _ in range(2):
        result = tick(cursor)
        found += int(asked(result).tags["insiders/why"].split()[0]) if result.run_requests else 0
        cursor = result.cursor
    assert found >= len(wanted)
    seen(platform)
    for _ in range(2):
        result = tick(cursor)
        assert not result.run_requests
        cursor = result.cursor


def test_a_long_listing_goes_on_in_the_next_tick_and_then_begins_anew(
    tick: Tick, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "KEYS_PER_TICK", 10)
    put(platform, *(f"{number:02}.csv" for number in range(25)))
    seen(platform)
    put(platform, "24b.csv")
    first = tick()
    assert (skipped(first), first.cursor) == ("Nothing new among 10 objects.", "09.csv")
    second = tick(first.cursor)
    assert (skipped(second), second.cursor) == ("Nothing new among 10 objects.", "19.csv")
    third = tick(second.cursor)
    assert (asked(third).tags["insiders/why"], third.cursor) == ("1 arrived: 24b.csv, …", "")


def test_a_page_that_ends_with_the_last_object_is_followed_by_the_first(
    tick: Tick, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "KEYS_PER_TICK", 2)
    put(platform, "a.csv", "b.csv")
    seen(platform)
    first = tick()
    assert first.cursor == "b.csv"
    assert tick(first.cursor).cursor == ""


def test_a_name_that_is_no_text_does_not_stop_the_sensor(instance: dg.DagsterInstance, settings: Settings) -> None:
    zone = Path(settings.landing_location)
    zone.mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(zone) + b"/\xff\xfe.csv")).write_bytes(CONTENT)
    with open_platform(settings) as platform, dg.build_sensor_context(instance=instance) as context:
        request = asked(look_for_arrivals(context, platform))
    run_of(instance, request, dg.DagsterRunStatus.QUEUED)  # what the daemon does with it: kept in a database
    assert catching_up(instance)


@pytest.mark.parametrize(("failures", "hours"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 24), (7, 24)])
def test_a_failed_run_is_asked_for_again_after_an_hour_then_two_then_four_up_to_a_day(
    instance: dg.DagsterInstance, tick: Tick, platform: Platform, failures: int, hours: float
) -> None:
    put(platform, "a.csv")
    request = asked(tick())
    for earlier in range(failures - 1, 0, -1):
        run_of(instance, request, dg.DagsterRunStatus.FAILURE, hours_ago=hours + 30 * earlier)
    run_of(instance, request, dg.DagsterRunStatus.FAILURE, hours_ago=hours + 0.1)
    # A key that was used before would make the request vanish without a word.
    assert asked(tick()).run_key == f"{request.tags[REQUEST]}-{failures}"


@pytest.mark.parametrize(("failures", "hours"), [(1, 1), (2, 2), (3, 4), (7, 24)])
def test_before_that_it_is_not_asked_for_and_a_way_to_do_it_at_once_is_told(
    instance: dg.DagsterInstance, tick: Tick, platform: Platform, failures: int, hours: float
) -> None:
    put(platform, "a.csv")
    request = asked(tick())
    run_of(instance, request, dg.DagsterRunStatus.SUCCESS, hours_ago=1_000)
    for earlier in range(failures - 1, 0, -1):
        run_of(instance, request, dg.DagsterRunStatus.FAILURE, hours_ago=hours + 30 * earlier)
    run_of(instance, request, dg.DagsterRunStatus.FAILURE, hours_ago=hours - 0.1)
    why = skipped(tick())
    assert why.startswith("1 arrived: a.csv, …. Tried at ")
    assert "a click on the job catch_up" in why


def test_after_a_failure_another_file_is_not_kept_waiting(
    instance: dg.DagsterInstance, tick: Tick, platform: Platform
) -> None:
    put(platform, "a.csv")
    run_of(instance, asked(tick()), dg.DagsterRunStatus.FAILURE)
    skipped(tick())
    put(platform, "b.csv")
    assert asked(tick()).tags["insiders/why"] == "2 arrived: a.csv, …"


def test_the_same_again_after_a_success_waits_some_minutes_and_not_for_hours(
    instance: dg.DagsterInstance, tick: Tick, platform: Platform
) -> None:
    put(platform, "a.csv")
    request = asked(tick())
    run_of(instance, request, dg.DagsterRunStatus.FAILURE, hours_ago=2)
    run_of(instance, request, dg.DagsterRunStatus.SUCCESS, hours_ago=6 / 60)
    assert asked(tick()).run_key == f"{request.tags[REQUEST]}-2"
    run_of(instance, request, dg.DagsterRunStatus.SUCCESS, hours_ago=4 / 60)
    assert "again 0:05:00 after that" in skipped(tick())


@pytest.mark.parametrize(
    ("status", "under_way"),
    [
        (dg.DagsterRunStatus.QUEUED, True),
        (dg.DagsterRunStatus.STARTING, True),
        (dg.DagsterRunStatus.STARTED, True),
        (dg.DagsterRunStatus.CANCELING, True),
        (dg.DagsterRunStatus.SUCCESS, False),
        (dg.DagsterRunStatus.FAILURE, False),
        (dg.DagsterRunStatus.CANCELED, False),
    ],
)
@pytest.mark.parametrize("name", ["arrivals", "due_months"])
def test_while_a_run_is_queued_or_under_way_none_is_asked_for(
    instance: dg.DagsterInstance,
    settings: Settings,
    platform: Platform,
    name: str,
    status: dg.DagsterRunStatus,
    under_way: bool,
) -> None:
    put(platform, "a.csv")
    run_of(instance, dg.RunRequest(tags={**CATCHING_UP, REQUEST: "another"}), status)
    definitions = build_definitions(settings)
    sensor = definitions.get_sensor_def(name)
    with dg.build_sensor_context(instance=instance, definitions=definitions) as context:
        told = sensor.evaluate_tick(context)
    assert (told.skip_message == "Files are being landed or months brought up just now.") == under_way
    assert len(told.run_requests or []) == (0 if under_way or name == "due_months" else 1)


def test_a_zone_that_does_not_answer_is_looked_at_again_in_a_moment(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    settings = load_settings(tmp_path / "home", lake=str(tmp_path / "file"))
    with open_platform(settings) as platform, dg.build_sensor_context(instance=instance, cursor="b.csv") as context:
        result = look_for_arrivals(context, platform)
    assert skipped(result).endswith("Looked for again in a moment.")
    assert result.cursor is None  # the one before is kept


def test_without_a_landed_line_no_month_is_due(instance: dg.DagsterInstance, platform: Platform) -> None:
    with dg.build_sensor_context(instance=instance) as context:
        result = look_for_due_months(context, platform, reach_of_assets(platform.settings))
    assert skipped(result) == "Nothing was landed yet."


def test_a_month_that_was_landed_and_not_made_is_asked_for_and_its_assets_say_why(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    change_ledger(platform.lake, lambda book: book.with_landed(version("a.csv", "a", JANUARY)))
    with dg.build_sensor_context(instance=instance) as context:
        result = look_for_due_months(context, platform, reach_of_assets(platform.settings))
    assert asked(result).tags["insiders/why"] == "1 due from 2024-01 on: raw_invoices, it was never made"
    assert {(event.asset_key.to_user_string(), event.partition) for event in result.asset_events} >= {
        ("raw_invoices", JANUARY),
        ("insiders_report", JANUARY),
    }


def test_of_months_with_a_hole_those_before_it_are_asked_for_and_the_pages_tell_all_once(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    for month in (JANUARY, "2024-03-01"):
        change_ledger(platform.lake, lambda book, month=month: book.with_landed(version(f"{month}.csv", "a", month)))
    with dg.build_sensor_context(instance=instance) as context:
        result = look_for_due_months(context, platform, reach_of_assets(platform.settings))
    assert asked(result).tags["insiders/why"].startswith("1 due from 2024-01 on")
    assert {event.partition for event in result.asset_events} == {JANUARY, "2024-03-01"}
    with dg.build_sensor_context(instance=instance, cursor=result.cursor) as context:
        assert look_for_due_months(context, platform, reach_of_assets(platform.settings)).asset_events == []


def test_where_nothing_can_be_made_before_a_hole_it_is_named_and_nothing_is_asked_for(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    settings = load_settings(tmp_path / "home", first_month="2023-12")
    with open_platform(settings) as platform:
        change_ledger(platform.lake, lambda book: book.with_landed(version("a.csv", "a", JANUARY)))
        with dg.build_sensor_context(instance=instance) as context:
            result = look_for_due_months(context, platform, reach_of_assets(settings))
    assert "No landed file holds or covers 2023-12" in skipped(result)
