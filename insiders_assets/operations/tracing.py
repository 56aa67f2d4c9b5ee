"""The executed record of a month, beside its report: what an executed copy of a notebook would have kept.

Belongs here: gathering it from the lake and from Dagster's history. Does not belong here: the figures (the report).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from platform import machine
from typing import Any

import dagster as dg

import insiders_assets
from insiders_assets.assets import customer_consensus, forecast_origins, group_comparisons, programme_rule
from insiders_assets.automation.due import Lookup
from insiders_assets.contracts.catalogue import TABLES_BY_MONTH
from insiders_assets.domain import embedding
from insiders_assets.operations.pages import place_of_report, write_whole
from insiders_assets.settings import Settings
from insiders_assets.storage.lake import Version

LIBRARIES = (
    *("dagster", "duckdb", "ibis-framework", "keras", "numba", "numpy", "pandas", "pandera", "pyarrow"),
    *("scikit-learn", "scipy", "tensorflow", "umap-learn"),
)
MEASURED = {"seconds": "seconds", "peak MB": "peak_mb"}
SEEDS = {
    "tree_embedding": embedding.SEED,
    "customer_consensus": customer_consensus.SEED,
    "programme_rule": programme_rule.SEED,
    "group_comparisons": group_comparisons.SEED,
    "forecast_origins": forecast_origins.SEED,
}


def show_trace(lookup: Lookup, instance: dg.DagsterInstance, month: str) -> None:
    """Write a month's record beside its page, unless the one that stands there is of the same versions.

    Raises
    ------
    StorageError: the home cannot be written.
    """
    settings = lookup.platform.settings
    target = place_of_report(settings, month).with_suffix(".trace.json")
    versions = versions_of(lookup, month)
    if _made_at(target) != {asset: version.recorded_at for asset, version in versions.items()}:
        written = json.dumps(trace(settings, instance, month, versions), indent=1)
        write_whole(target, written.encode())


def versions_of(lookup: Lookup, month: str) -> dict[str, Version]:
    """The versions of a month's tables that count now, by asset."""
    found = {asset: lookup.current(table.name, month) for asset, table in TABLES_BY_MONTH.items()}
    return {asset: version for asset, version in found.items() if version}


def trace(
    settings: Settings, instance: dg.DagsterInstance, month: str, versions: Mapping[str, Version]
) -> dict[str, Any]:
    """What made a month (`2011-12-01`): code, settings (without secrets), libraries, and of every table of it version,
    what it was made from, seed, seconds, peak memory and the results of its checks."""
    runs = _Runs(instance)
    return {
        "month": month[:7],
        # Of the run that made the last of the tables; each table's own settings stand with what it read.
        "last_run": {
            "code": {"version": importlib.metadata.version("insiders-assets"), "sha256": _digest_of_code()},
            "python": sys.version.split()[0],
            "machine": machine(),
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
            "settings": settings.model_dump(mode="json"),
        },
        "tables": {
            asset: {
                "content_hash": version.content_hash,
                "rows": version.rows,
                "made_at": version.recorded_at,
                "files": sorted(version.files),
                "read": version.reads,
                **({"seed": SEEDS[asset]} if asset in SEEDS else {}),
                **runs.of(asset, month),
            }
            for asset, version in versions.items()
        },
    }


class _Runs:
    """What Dagster's history has of the runs that made a month."""

    def __init__(self, instance: dg.DagsterInstance):
        self.instance = instance
        self.checks = cache(self._checks)

    def of(self, asset: str, month: str) -> dict[str, Any]:
        """Run, seconds, peak memory and checks of the last time that an asset made the month; empty where the history
        has it no longer."""
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[month])
        records = self.instance.fetch_materializations(wanted, limit=1).records
        made = records[0].asset_materialization if records else None
        if made is None:
            return {}
        measured = {ours: made.metadata[name].value for name, ours in MEASURED.items() if name in made.metadata}
        return {"run": records[0].run_id, **measured, "checks": self.checks(records[0].run_id).get(asset, {})}

    def _checks(self, run_id: str) -> dict[str, dict[str, str]]:
        """Asset -> check -> whether it held, in a run."""
        found: dict[str, dict[str, str]] = {}
        kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        for record in self.instance.get_records_for_run(run_id, of_type=kind).records:
            event = record.event_log_entry.dagster_event
            assert event is not None
            check = event.asset_check_evaluation_data
            held = "held" if check.passed else f"failed ({check.severity.value.lower()})"
            found.setdefault(check.asset_key.to_user_string(), {})[check.check_name] = held
        return found


def _made_at(target: Path) -> dict[str, str] | None:
    """When the tables of a record were made; None where there is none that can be read."""
    try:
        return {asset: told["made_at"] for asset, told in json.loads(target.read_text())["tables"].items()}
    except (OSError, ValueError, KeyError):
        return None


@cache
def _digest_of_code() -> str:
    """SHA-256 over the package's own files, in the order of their names."""
    folder = Path(insiders_assets.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
