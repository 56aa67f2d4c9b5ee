"""A run whose process is gone is ended, and no other one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from insiders_assets.automation.dead_runs import end_dead_runs
from insiders_assets.automation.jobs import STARTED_HERE
from insiders_assets.automation.sensors import catching_up

CATCHING_UP = {"insiders/catching_up": "yes"}


@pytest.fixture
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(tmp_path_factory.mktemp("dagster"))) as opened:
        yield opened


@dg.job
def nothing() -> None:
    @dg.op
    def rest() -> None: ...

    rest()


def started(instance: dg.DagsterInstance, pid: int | None, **tags: str) -> str:
    """A run as Dagster's code server leaves it behind: started in the process of that number."""
    run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED, tags={**CATCHING_UP, **tags})
    instance.report_engine_event("Waiting.", run)
    if pid is not None:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    return run.run_id


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen]:
    """A process that lives until the test ends it."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_a_run_whose_process_was_killed_is_ended_with_a_sentence_and_holds_up_nothing(
    instance: dg.DagsterInstance, sleeper: subprocess.Popen
) -> None:
    run_id = started(instance, sleeper.pid)
    assert catching_up(instance)
    assert status_of(instance, run_id) == dg.DagsterRunStatus.STARTED
    sleeper.kill()
    sleeper.wait()
    assert not catching_up(instance)
    assert status_of(instance, run_id) == dg.DagsterRunStatus.FAILURE
    (ended,) = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    assert "process of this run is gone" in ended.event_log_entry.message


def test_a_process_that_is_dead_and_not_yet_buried_is_dead(
    instance: dg.DagsterInstance, sleeper: subprocess.Popen
) -> None:
    run_id = started(instance, sleeper.pid)
    sleeper.kill()  # and nobody waits for it
    deadline = time.monotonic() + 10
    while not end_dead_runs(instance):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert status_of(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_a_number_that_another_process_has_by_now_is_no_sign_of_life(
    instance: dg.DagsterInstance, sleeper: subprocess.Popen, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_hour_ago = time.time() - 3600
    with monkeypatch.context() as then:
        then.setattr(time, "time", lambda: an_hour_ago)
        run_id = started(instance, sleeper.pid)
    assert end_dead_runs(instance) == [run_id]


@pytest.mark.parametrize("pid", [None, os.getpid()])
def test_a_run_that_lives_or_has_not_said_where_is_left_alone(instance: dg.DagsterInstance, pid: int | None) -> None:
    run_id = started(instance, pid)
    assert end_dead_runs(instance) == []
    assert status_of(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_a_run_of_the_command_line_may_be_on_another_machine(
    instance: dg.DagsterInstance, sleeper: subprocess.Popen
) -> None:
    started(instance, sleeper.pid, **STARTED_HERE)
    sleeper.kill()
    sleeper.wait()
    assert end_dead_runs(instance) == []


def test_a_run_of_another_launcher_is_its_launchers_business(sleeper: subprocess.Popen) -> None:
    with dg.DagsterInstance.ephemeral() as instance:  # runs nothing by itself
        started(instance, sleeper.pid)
        sleeper.kill()
        sleeper.wait()
        assert end_dead_runs(instance) == []
