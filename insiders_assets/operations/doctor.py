"""`insiders doctor`: what is configured, what answers, what is missing, and what to do.

Belongs here: looking, each look alone, so that one trouble hides no other. Does not belong here: mending.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from insiders_assets.assets.platform import Platform
from insiders_assets.automation.arrivals import refused
from insiders_assets.automation.months import find_months, first_gap, held_months
from insiders_assets.errors import InsidersError, MissingMonthError
from insiders_assets.settings import SPARK, java_program
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.spark_engine import check_spark
from insiders_assets.storage.warehouse import Warehouse
from insiders_assets.storage.warehouse_errors import redacted

WELL, WARNING, WRONG = "well", "to note", "wrong"
LEAST_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing looked at: how it is, what was found, and what to do about it."""

    subject: str
    state: str
    found: str
    remedy: str = ""


def examine(platform: Platform, today: dt.date) -> list[Finding]:
    """Look at settings, disk, lake, landing zone, warehouse, months and packages; nothing is changed or started."""
    looks: list[tuple[str, Callable[[Platform], Finding]]] = [
        ("home", _home),
        ("disk", _disk),
        ("lake", lambda p: _store("lake", p.settings.lake_location, p.lake.store.check_writable)),
        ("landing zone", lambda p: _store("landing zone", p.settings.landing_location, p.landing.check_writable)),
        ("warehouse", _warehouse),
        ("Dagster's instance", _instance),
        ("landed files", _landed),
        ("months", lambda p: _months(p, today)),
        ("programme", _programme),
        ("engine", _engine),
        ("packages", _packages),
    ]
    findings = []
    for subject, look in looks:
        try:
            findings.append(look(platform))
        except InsidersError as wrong:
            findings.append(Finding(subject, WRONG, wrong.problem, wrong.remedy))
        except OSError as wrong:
            findings.append(Finding(subject, WRONG, str(wrong)))
    return findings


def _home(platform: Platform) -> Finding:
    home = platform.settings.home
    if not home.exists():
        return Finding("home", WARNING, f"{home} does not exist yet", "`insiders demo` or `insiders run` makes it.")
    return Finding("home", WELL, str(home))


def _disk(platform: Platform) -> Finding:
    place = _existing(platform.settings.home)
    free = shutil.disk_usage(place).free
    state = WELL if free >= LEAST_FREE_BYTES else WARNING
    remedy = "" if state == WELL else "A year of a large shop wants more; free some space or choose another --home."
    return Finding("disk", state, f"{free / 1024**3:,.1f} GB free at {place}", remedy)


def _store(subject: str, location: str, check: Callable[[], None]) -> Finding:
    if location.startswith("s3://"):
        check()
        return Finding(subject, WELL, f"{location} answers and can be written")
    place = _existing(Path(location))
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding(subject, WRONG, f"{place} cannot be written by this user", "Give it the right to write there.")
    return Finding(subject, WELL, f"{location} can be written")


def _existing(place: Path) -> Path:
    return next(folder for folder in (place, *place.parents) if folder.exists())


def _warehouse(platform: Platform) -> Finding:
    if not platform.settings.uses_embedded_postgres:
        platform.warehouse.check()
        by = ", logged in to by IAM" if platform.settings.warehouse_iam else ""
        return Finding("warehouse", WELL, f"{redacted(platform.settings.warehouse.get_secret_value())} answers{by}")
    running = platform.settings.home.exists() and EmbeddedPostgres(platform.settings.home).url_if_running()
    state = "is running" if running else "is stopped; it starts with each command that needs it"
    return Finding("warehouse", WELL, f"the embedded PostgreSQL {state}")


def _instance(platform: Platform) -> Finding:
    url = platform.settings.instance
    if not url:
        return Finding("Dagster's instance", WELL, f"SQLite in {platform.settings.instance_folder}")
    Warehouse(url.get_secret_value()).check()
    return Finding("Dagster's instance", WELL, f"{redacted(url.get_secret_value())} answers")


def _landed(platform: Platform) -> Finding:
    if not platform.settings.lake_location.startswith("s3://") and not Path(platform.settings.lake_location).exists():
        return Finding("landed files", WARNING, "none yet", "Bring one with `insiders run --data FILE`.")
    ledger = platform.ledger()
    live, useless = ledger.live, refused(platform.landing.entries(), ledger)
    bad = sum(file.quarantined_lines for file in live)
    found = f"{len(live)} with {sum(file.good_lines for file in live):,} good lines, {bad:,} in quarantine"
    remedies = ['`insiders sql "SELECT * FROM quarantine_counts"` gives the reasons.'] if bad else []
    if useless:
        found += f"; {len(useless)} refused"
        remedies.append("`insiders status` says why files were refused.")
    return Finding("landed files", WARNING if bad or useless else WELL, found, " ".join(remedies))


def _months(platform: Platform, today: dt.date) -> Finding:
    settings, ledger = platform.settings, platform.ledger()
    first, last = settings.first_month, settings.last_month
    if first is None:
        return Finding("months", WARNING, "none yet", "The first `insiders run` records them.")
    found = f"{first:%Y-%m} to {f'{last:%Y-%m}' if last else 'the last closed month'}"
    try:
        months = find_months(settings, ledger, today)
    except MissingMonthError as stopping:
        return Finding("months", WARNING, f"{found}; {stopping.problem}", stopping.remedy)
    if gap := first_gap(ledger, months):
        return Finding("months", WARNING, f"{found}; {gap.problem}", gap.remedy)
    held = [month for month, _ in held_months(ledger, months, today)]
    note = f"; lines of {', '.join(held)} are held, `insiders status` says why" if held else ""
    return Finding("months", WELL, found + note)


def _programme(platform: Platform) -> Finding:
    place, published = platform.settings.programme_path, platform.programme
    if not published.rules and not published.overrides:
        return Finding("programme", WELL, f"nothing published in {place}: the months' own candidates hold")
    rules = ", ".join(f"{rule.version} from {rule.first_month:%Y-%m}" for rule in published.rules) or "none"
    return Finding("programme", WELL, f"rules: {rules}; {len(published.overrides):,} words on customers, in {place}")


def _engine(platform: Platform) -> Finding:
    settings = platform.settings
    if settings.engine != SPARK:
        return Finding("engine", WELL, f"DuckDB {importlib.metadata.version('duckdb')}")
    return Finding("engine", WELL, f"{check_spark(java_program())}, master {settings.spark_master}")


def _packages(_: Platform) -> Finding:
    named = ("dagster", "pandas", "scikit-learn", "umap-learn", "tensorflow")
    return Finding("packages", WELL, ", ".join(f"{name} {importlib.metadata.version(name)}" for name in named))
