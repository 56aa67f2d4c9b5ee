"""`insiders maintain`: old versions, objects that nothing names, and old runs of Dagster are removed.

Belongs here: the policy. Does not belong here: how the lake forgets (storage). What counts is never touched: the
current version of every table and month, every landed line, and the run that made what Dagster's page shows.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import dagster as dg

from insiders_assets.assets.platform import open_platform
from insiders_assets.operations.home import only_one, open_instance
from insiders_assets.settings import Settings

# A run takes minutes; what nobody has named or written for a day belongs to one that was killed.
ORPHAN_SECONDS = 24 * 60 * 60
IDS_AT_ONCE = 500
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(frozen=True)
class Tidied:
    """How much was removed."""

    versions: int
    objects: int
    runs: int

    @property
    def lines(self) -> list[str]:
        """The same in words."""
        return [
            f"{self.versions:,} superseded versions forgotten",
            f"{self.objects:,} objects removed that nothing names",
            f"{self.runs:,} old runs removed from Dagster's history",
        ]


def maintain(settings: Settings) -> Tidied:
    """Prune by `keep_versions_days` and `keep_logs_days`; nothing else may work on the home meanwhile.

    Raises
    ------
    BusyError: another command works on the home. StorageError, UnreachableError: what was removed by then stays away.
    """
    with only_one(settings), open_instance(settings) as instance, open_platform(settings) as platform:
        now = platform.lake.clock()
        versions = platform.lake.forget_versions(now - dt.timedelta(days=settings.keep_versions_days))
        objects = platform.lake.remove_orphans(ORPHAN_SECONDS)
        runs = remove_old_runs(instance, now - dt.timedelta(days=settings.keep_logs_days))
    return Tidied(versions, objects, runs)


def remove_old_runs(instance: dg.DagsterInstance, ended_before: dt.datetime) -> int:
    """Remove finished runs with their event logs, except those that made what the page shows; gives their number."""
    shown = {run_id for key in instance.all_asset_keys() for run_id in _runs_shown(instance, key)}
    removed = 0
    for record in instance.get_run_records(dg.RunsFilter(statuses=FINISHED, created_before=ended_before)):
        run_id = record.dagster_run.run_id
        if run_id not in shown:
            instance.delete_run(run_id)
            removed += 1
    return removed


def _runs_shown(instance: dg.DagsterInstance, asset: dg.AssetKey) -> set[str]:
    """The runs behind the latest materialisation of every partition of an asset.

    Asked for by the ids of one index: on SQLite every run has a file of events with numbers of its own.
    """
    latest = instance.get_latest_storage_id_by_partition(asset, dg.DagsterEventType.ASSET_MATERIALIZATION)
    ids = sorted(latest.values())
    found: set[str] = set()
    for start in range(0, len(ids), IDS_AT_ONCE):
        wanted = dg.AssetRecordsFilter(asset, storage_ids=ids[start : start + IDS_AT_ONCE])
        found |= {record.run_id for record in instance.fetch_materializations(wanted, limit=IDS_AT_ONCE).records}
    return found
