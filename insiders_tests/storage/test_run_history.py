"""Dagster's history in SQLite with connections that are kept: the same files, and none is held for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.instance.ref import InstanceRef

from insiders_assets.storage.run_history import MOST_FILES, history_of


@dg.asset
def number() -> int:
    return 1


@contextmanager
def opened(folder: Path, **ours: object) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(str(folder), overrides={"telemetry": {"enabled": False}, **ours})
    ) as instance:
        yield instance


@contextmanager
def kept(folder: Path) -> Iterator[dg.DagsterInstance]:
    with opened(folder, storage=history_of(folder)) as instance:
        yield instance


def open_files(folder: Path) -> list[str]:
    return [one.path for one in psutil.Process().open_files() if folder in Path(one.path).parents]


def told(instance: dg.DagsterInstance) -> list[tuple[str, list[str]]]:
    """Every run's status and what happened in it."""
    return [
        (one.status.value, [event.event_type_value for event in events(instance, one.run_id)])
        for one in instance.get_runs()
    ]


def events(instance: dg.DagsterInstance, run_id: str) -> list[dg.DagsterEvent]:
    return [one.dagster_event for one in instance.all_logs(run_id) if one.dagster_event]


def test_what_one_writes_dagsters_own_reads_meanwhile_and_the_other_way_round(tmp_path: Path) -> None:
    with kept(tmp_path) as ours, opened(tmp_path) as dagsters:
        dg.materialize([number], instance=ours)
        assert told(dagsters) == told(ours)
        dg.materialize([number], instance=dagsters)
        assert [status for status, _ in told(ours)] == ["SUCCESS", "SUCCESS"]
        assert told(ours) == told(dagsters)
        asset = dg.AssetKey("number")
        assert len(ours.fetch_materializations(asset, limit=9).records) == 2
        assert len(dagsters.fetch_materializations(asset, limit=9).records) == 2


def test_of_many_runs_only_the_latest_files_are_held_and_none_after_the_history_is_left(tmp_path: Path) -> None:
    with kept(tmp_path) as instance:
        for _ in range(MOST_FILES + 3):
            dg.materialize([number], instance=instance)
        held = {Path(one).name.partition(".db")[0] for one in open_files(tmp_path / "history" / "runs")}
        assert len(held) == MOST_FILES
        assert "index" in held
        assert len(told(instance)) == MOST_FILES + 3
    assert open_files(tmp_path) == []


@pytest.mark.parametrize("ours", [True, False])
def test_a_wiped_history_is_empty_and_takes_runs_again(tmp_path: Path, ours: bool) -> None:
    with (kept if ours else opened)(tmp_path) as instance:
        dg.materialize([number], instance=instance)
        instance.wipe()
        assert told(instance) == []
        dg.materialize([number], instance=instance)
        assert [status for status, _ in told(instance)] == ["SUCCESS"]
