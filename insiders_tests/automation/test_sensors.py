"""When the sensors ask for a run, and when they do not."""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from insiders_assets.assets.landed_invoices import publish_ledger
from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation import sensors
from insiders_assets.automation.jobs import CATCH_UP, CATCHING_UP
from insiders_assets.automation.sensors import REQUEST, catching_up, look_for_arrivals, look_for_due_months
from insiders_assets.definitions import build_definitions, reach_of_assets
from insiders_assets.settings import PREFIX, Settings, load_settings
from insiders_assets.storage.ledger import Ledger, change_ledger
from insiders_tests.automation.landed import CONTENT, JANUARY, version, write_many


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


def due(instance: dg.DagsterInstance, platform: Platform, cursor: str | None = None) -> dg.SensorResult:
    """One evaluation of the sensor of due months."""
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        return look_for_due_months(context, platform, reach_of_assets(platform.settings))


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
    result = due(instance, platform)
    assert skipped(result) == "Nothing was landed yet."


def test_a_month_that_was_landed_and_not_made_is_asked_for_and_its_assets_say_why(
    instance: dg.DagsterInstance, platform: Platform
) -> None:
    change_ledger(platform.lake, lambda book: book.with_landed(version("a.csv", "a", JANUARY)))
    result = due(instance, platform)
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
    result = due(instance, platform)
    assert asked(result).tags["insiders/why"].startswith("1 due from 2024-01 on")
    assert {event.partition for event in result.asset_events} == {JANUARY, "2024-03-01"}
    assert due(instance, platform, result.cursor).asset_events == []


def test_where_nothing_can_be_made_before_a_hole_it_is_named_and_nothing_is_asked_for(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    settings = load_settings(tmp_path / "home", first_month="2023-12")
    with open_platform(settings) as platform:
        change_ledger(platform.lake, lambda book: book.with_landed(version("a.csv", "a", JANUARY)))
        publish_ledger(platform, platform.ledger())
        result = due(instance, platform)
    assert "No landed file holds or covers 2023-12" in skipped(result)


def test_a_landed_file_that_readers_are_not_shown_is_asked_for_though_no_month_is_due(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    settings = load_settings(tmp_path / "home", first_month="2023-12")
    with open_platform(settings) as platform:
        change_ledger(platform.lake, lambda book: book.with_landed(version("a.csv", "a", JANUARY)))
        result = due(instance, platform)
    assert asked(result).tags["insiders/why"] == "landed_invoices of 1 file: the lake has a version that readers lack"
