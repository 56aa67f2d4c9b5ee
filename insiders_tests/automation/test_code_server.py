"""A code server whose database goes away: a run that dies meanwhile is ended afterwards, and the server can stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._grpc.server import DagsterApiServer

from insiders_assets.automation.code_server import keep_watching_runs
from insiders_assets.errors import UnreachableError


@pytest.fixture
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(tmp_path_factory.mktemp("dagster"))) as opened:
        yield opened


@pytest.fixture
def as_dagster_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class of the server, which is as it was at the end."""
    look = DagsterApiServer._check_for_orphaned_runs
    monkeypatch.setattr(DagsterApiServer, "_check_for_orphaned_runs", getattr(look, "__wrapped__", look))


@dg.job
def nothing() -> None:
    @dg.op
    def rest() -> None: ...

    rest()


class Server:
    """A code server as far as it watches one run, whose process was killed; nothing is served."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.run_id = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED).run_id
        process = SimpleNamespace(is_alive=lambda: False, exitcode=-9)
        self.server: Any = object.__new__(DagsterApiServer)
        self.server._server_termination_event = threading.Event()
        self.server._shutdown_once_executions_finish_event = threading.Event()
        self.server._execution_lock = threading.Lock()
        self.server._executions = {self.run_id: (process, instance.get_ref())}
        self.server._termination_events, self.server._termination_times = {self.run_id: threading.Event()}, {}
        self.thread = threading.Thread(target=self.server._cleanup_thread, daemon=True)


@pytest.fixture
def server(instance: dg.DagsterInstance, as_dagster_made_it: None) -> Iterator[Server]:
    made = Server(instance)
    yield made
    made.server._server_termination_event.set()
    made.thread.join(10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kept", [True, False])
def test_a_run_that_died_while_the_database_was_away_is_ended_when_it_is_back(
    kept: bool, server: Server, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept:
        keep_watching_runs()
        keep_watching_runs()
    looked, is_away, opened = threading.Event(), True, dg.DagsterInstance.from_ref

    def from_ref(reference: Any) -> dg.DagsterInstance:
        looked.set()
        if is_away:
            raise UnreachableError("The database does not answer.", "Start it.")
        return opened(reference)

    monkeypatch.setattr(dg.DagsterInstance, "from_ref", staticmethod(from_ref))
    server.thread.start()
    assert looked.wait(10)
    time.sleep(0.2)
    is_away = False
    server.server._shutdown_once_executions_finish_event.set()
    server.thread.join(5)
    run = instance.get_run_by_id(server.run_id)
    assert run
    # Without it Dagster's thread is gone, and the run alive for ever: when this fails, it is needed no more.
    assert run.status == (dg.DagsterRunStatus.FAILURE if kept else dg.DagsterRunStatus.STARTED)
    assert server.server._server_termination_event.is_set() == kept
