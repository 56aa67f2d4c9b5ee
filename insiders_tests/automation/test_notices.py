"""What people are told who are not looking: once, in words, with a link; and the signs that everything is alive."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import dagster as dg
import pytest

from insiders_assets.assets.platform import open_platform
from insiders_assets.automation.jobs import STARTED_HERE
from insiders_assets.automation.notices import Look, Trouble, in_words, live, look_once, notices, tell_of_troubles
from insiders_assets.definitions import build_definitions
from insiders_assets.partitions import last_month_expected
from insiders_assets.settings import Settings, load_settings
from insiders_tests.servers import S3, Subscriber, free_port

PAGE = "https://shop.example"


@pytest.fixture
def subscriber(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Subscriber:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    return Subscriber.to_new_topic()


def namespace(subscriber: Subscriber) -> str:
    """A namespace of metrics that only this test puts numbers into."""
    return f"Shop/{subscriber.topic.rpartition(':')[2]}"


def last(subscriber: Subscriber, metric: str) -> float | None:
    now = dt.datetime.now(dt.UTC)
    span = {"StartTime": now - dt.timedelta(minutes=10), "EndTime": now + dt.timedelta(minutes=1), "Period": 60}
    found = boto3.client("cloudwatch").get_metric_statistics(
        Namespace=namespace(subscriber), MetricName=metric, Statistics=["Maximum"], **span
    )["Datapoints"]
    return max((one["Maximum"] for one in found), default=None)


@pytest.fixture
def settings(tmp_path: Path, subscriber: Subscriber) -> Settings:
    return load_settings(
        tmp_path / "home",
        notify_topic=subscriber.topic,
        metrics=namespace(subscriber),
        page=PAGE,
        first_month="2024-01",
    )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


Tick = Callable[..., dg.SensorResult]


@pytest.fixture
def tick(settings: Settings, instance: dg.DagsterInstance) -> Tick:
    """One look of the sensor of words, or of another; the cursor of each goes from one look to the next."""
    cursors: dict[Look, str | None] = {}

    def once(look: Look = tell_of_troubles) -> dg.SensorResult:
        context = dg.build_sensor_context(instance, cursor=cursors.get(look))
        with open_platform(settings) as platform:
            result = look_once(context, platform, look)
        cursors[look] = result.cursor
        return result

    return once


@dg.op
def breaking() -> None:
    raise dg.Failure("The bucket shop does not answer. Try again when it does.", allow_retries=False)


@dg.op
def wrapping() -> None:
    try:
        raise ValueError("inner words")
    except ValueError as cause:
        raise RuntimeError("outer words") from cause


@dg.job
def catch_up_breaking() -> None:
    breaking()


@dg.job
def wrapped() -> None:
    wrapping()


@dg.asset(check_specs=[dg.AssetCheckSpec("rule_has_not_drifted", asset="rule")])
def rule() -> Iterator:
    warning = dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, description="It moved", metadata={"jaccard": 0.61}
    )
    yield dg.MaterializeResult(check_results=[warning])


def fail(instance: dg.DagsterInstance, job: dg.JobDefinition = catch_up_breaking, **tags: str) -> str:
    done = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    assert not done.success
    return done.run_id


def test_a_run_that_failed_is_told_once_with_its_sentence_and_its_link(
    tick: Tick, instance: dg.DagsterInstance, subscriber: Subscriber
) -> None:
    tick()
    run_id = fail(instance)
    tick()
    ((subject, text),) = subscriber.heard()
    assert subject == "Insiders: 1 run failed"
    assert "run of catch_up_breaking failed" in text
    assert "The bucket shop does not answer. Try again when it does." in text
    assert f"{PAGE}/runs/{run_id}" in text
    tick()
    assert subscriber.heard() == []


def test_the_innermost_cause_is_told(tick: Tick, instance: dg.DagsterInstance, subscriber: Subscriber) -> None:
    tick()
    fail(instance, wrapped)
    tick()
    ((_, text),) = subscriber.heard()
    assert "  inner words\n" in text
    assert "Traceback" not in text


def test_a_run_that_others_recorded_as_failed_is_told_with_their_reason(
    tick: Tick, instance: dg.DagsterInstance, subscriber: Subscriber
) -> None:
    tick()
    run = instance.create_run_for_job(wrapped, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, "The process of this run is gone.")
    tick()
    ((_, text),) = subscriber.heard()
    assert "The process of this run is gone." in text


def test_of_what_happened_before_the_first_look_nobody_is_told(
    tick: Tick, instance: dg.DagsterInstance, subscriber: Subscriber
) -> None:
    fail(instance)
    tick()
    tick()
    assert subscriber.heard() == []


def test_a_month_that_catch_up_made_is_not_told_beside_it(
    tick: Tick, instance: dg.DagsterInstance, subscriber: Subscriber
) -> None:
    tick()
    fail(instance, **STARTED_HERE)
    tick()
    assert subscriber.heard() == []


def test_a_check_that_warns_is_told_with_what_it_found_whoever_started_the_run(
    tick: Tick, instance: dg.DagsterInstance, subscriber: Subscriber
) -> None:
    tick()
    for tags in (STARTED_HERE, {}):
        done = dg.materialize([rule], instance=instance, tags={**tags, "dagster/partition": "2024-03-01"})
        assert done.success
        tick()
        ((subject, text),) = subscriber.heard()
        assert subject == "Insiders: 1 check warns (2024-03)"
        assert "2024-03: check rule_has_not_drifted" in text
        assert "rule. It moved. jaccard: 0.61" in text
        assert f"{PAGE}/runs/{done.run_id}" in text


def test_a_topic_that_does_not_answer_is_told_later_and_nothing_is_lost(
    tick: Tick, instance: dg.DagsterInstance, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick()
    fail(instance)
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        assert "Told again in a moment" in str(tick().skip_reason)
    tick()
    assert [subject for subject, _ in subscriber.heard()] == ["Insiders: 1 run failed"]


def test_signs_of_life_are_put_at_every_look(tick: Tick, instance: dg.DagsterInstance, subscriber: Subscriber) -> None:
    tick(live)
    assert last(subscriber, "Heartbeat") == 1
    assert last(subscriber, "FailedRuns") == 0
    assert last(subscriber, "LastMonthMissing") == 1
    fail(instance)
    tick(live)
    assert last(subscriber, "FailedRuns") == 1
    assert subscriber.heard() == []


def test_a_landing_zone_that_nobody_can_look_into_is_no_sign_of_life(
    settings: Settings, instance: dg.DagsterInstance, subscriber: Subscriber, s3: S3
) -> None:
    elsewhere = {"landing": f"s3://no-{s3.bucket}/landing", "s3_endpoint": s3.endpoint}
    with open_platform(settings.model_copy(update=elsewhere)) as platform:
        result = look_once(dg.build_sensor_context(instance), platform, live)
    assert "does not answer as a bucket should" in str(result.skip_reason)
    assert last(subscriber, "Heartbeat") is None


def test_a_service_of_metrics_that_is_away_repeats_no_notice(
    tick: Tick, instance: dg.DagsterInstance, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    for look in (tell_of_troubles, live):
        tick(look)
    fail(instance)
    for _ in range(2):
        tick()
        with monkeypatch.context() as away:
            away.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
            assert "Told again in a moment" in str(tick(live).skip_reason)
    assert [subject for subject, _ in subscriber.heard()] == ["Insiders: 1 run failed"]
    tick(live)
    assert last(subscriber, "FailedRuns") == 1


def test_many_failures_make_one_notice_and_a_flood_several(
    tick: Tick, instance: dg.DagsterInstance, subscriber: Subscriber
) -> None:
    tick()
    for _ in range(3):
        fail(instance)
    tick()
    assert [subject for subject, _ in subscriber.heard()] == ["Insiders: 3 runs failed"]


def test_the_words_have_the_failures_first_and_no_link_without_a_page() -> None:
    subject, text = in_words(
        [
            Trouble("b", "monthly", "2024-02", "It warns.", "labels_cover_every_customer"),
            Trouble("a", "catch_up", "", "It broke."),
        ],
        None,
    )
    assert subject == "Insiders: 1 run failed and 1 check warns (2024-02)"
    assert text.index("It broke.") < text.index("It warns.")
    assert "http" not in text
    assert "run a" in text


def test_the_sensors_are_there_only_where_somebody_is_to_be_told(
    settings: Settings, tmp_path: Path, subscriber: Subscriber
) -> None:
    assert [one.name for one in notices(settings)] == ["notices", "signs_of_life"]
    assert all(one.default_status == dg.DefaultSensorStatus.RUNNING for one in notices(settings))
    assert {"notices", "signs_of_life"} <= {one.name for one in build_definitions(settings).sensors}
    words_only = load_settings(tmp_path / "words", notify_topic=subscriber.topic)
    assert [one.name for one in notices(words_only)] == ["notices"]
    assert notices(load_settings(tmp_path / "neither")) == []


def test_the_month_that_is_expected_has_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(tmp_path / "home", settle_days=3)
    on = lambda day: last_month_expected(settings, dt.datetime(2024, 3, day, 5, tzinfo=dt.UTC))  # noqa: E731
    assert [on(1), on(3), on(4)] == [dt.date(2024, 1, 1), dt.date(2024, 1, 1), dt.date(2024, 2, 1)]
    monkeypatch.setenv("INSIDERS_LAST_MONTH", "2023-06")
    settings = load_settings(tmp_path / "home")
    assert last_month_expected(settings, dt.datetime(2024, 3, 9, tzinfo=dt.UTC)) == dt.date(2023, 6, 1)
