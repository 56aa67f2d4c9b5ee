"""The code location: what it holds, what every part of it says of itself, and how little it takes to load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from insiders_assets.contracts.catalogue import MONTHLY_TABLES, PUBLISHED_TABLES, TABLES_BY_MONTH
from insiders_assets.contracts.lines import LANDED_LINES, QUARANTINE
from insiders_assets.contracts.table import Column, Table
from insiders_assets.definitions import build_definitions
from insiders_assets.operations.home import WORKSPACE, environment, instance_config, open_instance, prepare_home
from insiders_assets.settings import PREFIX, Settings, load_settings
from insiders_tests.servers import tcp_postgres

ROOT = Path(__file__).parents[1]
TABLES = {t.name: t for t in (*TABLES_BY_MONTH.values(), *PUBLISHED_TABLES, LANDED_LINES, QUARANTINE)}
IMPORT_SECONDS = 4

ASSETS = {
    "landed_invoices": [],
    "raw_invoices": ["landed_invoices"],
    "month_files": ["landed_invoices", "raw_invoices"],
    "customer_purchases": ["raw_invoices"],
    "customer_features": ["raw_invoices"],
    "month_totals": ["customer_features", "raw_invoices"],
    "tree_embedding": ["customer_features", "raw_invoices"],
    "cluster_labels": ["customer_features", "tree_embedding"],
    "customer_segments": ["cluster_labels", "customer_features"],
    "segment_profiles": ["cluster_labels", "customer_features"],
    "customer_consensus": ["customer_features"],
    "programme_rule": ["cluster_labels", "customer_consensus", "customer_features"],
    "insiders_membership": ["cluster_labels", "customer_consensus", "customer_features", "programme_rule"],
    "membership_policies": ["cluster_labels", "customer_consensus", "customer_features", "programme_rule"],
    "programme_trials": [
        "cluster_labels",
        "customer_consensus",
        "customer_features",
        "customer_purchases",
        "programme_rule",
    ],
    "member_list": ["customer_features", "customer_segments", "insiders_membership"],
    "group_movement": ["customer_segments", "insiders_membership"],
    "report_pictures": ["insiders_report"],
    "group_comparisons": [
        "cluster_labels",
        "customer_consensus",
        "customer_features",
        "customer_purchases",
        "insiders_membership",
    ],
    "holdout_plan": ["customer_purchases", "insiders_membership"],
    "holdout_assignment": ["customer_purchases", "insiders_membership"],
    "product_affinities": ["raw_invoices"],
    "affinity_candidates": ["customer_features", "product_affinities", "raw_invoices"],
    "marketing_actions": [
        "affinity_candidates",
        "customer_features",
        "customer_segments",
        "insiders_membership",
        "month_totals",
    ],
    "forecast_origins": ["customer_purchases", "insiders_membership", "raw_invoices"],
    "forecast_backtest": ["customer_purchases", "forecast_origins", "insiders_membership"],
    "revenue_forecast": ["customer_purchases", "forecast_backtest", "forecast_origins", "insiders_membership"],
    "insiders_report": [
        "cluster_labels",
        "customer_features",
        "customer_purchases",
        "customer_segments",
        "forest_importances",
        "group_comparisons",
        "holdout_plan",
        "insiders_membership",
        "marketing_actions",
        "membership_policies",
        "month_totals",
        "programme_rule",
        "revenue_forecast",
        "segment_profiles",
        "tree_embedding",
    ],
    "forest_importances": ["tree_embedding"],
    "embedding_spaces": ["customer_features"],
    "clusterer_trials": ["cluster_labels", "embedding_spaces", "tree_embedding"],
}


@pytest.fixture(autouse=True)
def environment_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the settings of whoever runs the tests; what preparing a home sets is undone after the test."""
    for name in [*os.environ]:
        if name.startswith(PREFIX) and name != f"{PREFIX}REAL_DATA":
            monkeypatch.delenv(name)
    for name in (f"{PREFIX}HOME", f"{PREFIX}INSTANCE", "DAGSTER_HOME", "NUMBA_CACHE_DIR", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def uci_settings() -> Settings:
    return Settings(home=Path("/nowhere"), first_month="2010-12", last_month="2011-12")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(uci_settings())


def specs(definitions: dg.Definitions) -> list[dg.AssetSpec]:
    return sorted(definitions.resolve_all_asset_specs(), key=lambda spec: spec.key)


def test_the_definitions_can_be_loaded(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_a_home_without_data_can_be_loaded(tmp_path: Path) -> None:
    dg.Definitions.validate_loadable(build_definitions(load_settings(tmp_path / "home")))
    assert not (tmp_path / "home").exists()


def test_the_assets_and_what_they_read(definitions: dg.Definitions) -> None:
    found = {
        spec.key.to_user_string(): sorted(dep.asset_key.to_user_string() for dep in spec.deps)
        for spec in specs(definitions)
    }
    assert found == ASSETS


def test_every_monthly_asset_has_its_table(definitions: dg.Definitions) -> None:
    assert {spec.key.to_user_string() for spec in specs(definitions)} == {"landed_invoices", *TABLES_BY_MONTH}


def test_the_jobs_and_the_schedule(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    jobs = {job.name for job in repository.get_all_jobs()}
    assert {name for name in jobs if not name.startswith("__")} == {
        "land",
        "monthly",
        "compare",
        "catch_up",
        "maintain",
        "watch",
    }
    assert {(one.name, one.job_name, one.cron_schedule) for one in repository.schedule_defs} == {
        ("monthly_schedule", "catch_up", "0 6 4 * *"),
        ("watch_schedule", "watch", "0 8 * * *"),
        ("maintenance_schedule", "maintain", "0 4 * * 0"),
    }
    assert {one.name: [target.job_name for target in one.targets] for one in repository.sensor_defs} == {
        "arrivals": ["catch_up"],
        "due_months": ["catch_up"],
        "run_records": [],
    }


@pytest.mark.parametrize(("automation", "status"), [(True, "RUNNING"), (False, "STOPPED")])
def test_schedules_and_sensors_run_by_default_where_automation_is_on(automation: bool, status: str) -> None:
    repository = build_definitions(uci_settings().model_copy(update={"automation": automation})).get_repository_def()
    automatic = [*repository.schedule_defs, *repository.sensor_defs]
    assert {one.default_status.value for one in automatic} == {status}


def test_the_monthly_job_has_every_asset_but_the_landing(definitions: dg.Definitions) -> None:
    monthly = definitions.resolve_job_def("monthly")
    selected = {key.to_user_string() for key in monthly.asset_layer.selected_asset_keys}
    assert selected == set(MONTHLY_TABLES)
    assert monthly.partitions_def
    assert len(monthly.partitions_def.get_partition_keys()) == 13


def test_the_checks_and_what_they_claim(definitions: dg.Definitions) -> None:
    checks = {(c.asset_key.to_user_string(), c.name) for c in definitions.resolve_asset_graph().asset_check_keys}
    assert checks == {
        ("cluster_labels", "labels_cover_every_customer"),
        ("customer_segments", "segments_cover_every_customer"),
        ("programme_rule", "rule_sql_gives_the_customers_of_the_card"),
        ("insiders_membership", "every_change_of_status_has_its_event"),
        ("insiders_membership", "clustering_still_suggests_the_rule"),
        ("month_totals", "buckets_add_up"),
        ("landed_invoices", "keeps_its_contract"),
        ("month_totals", "volume_is_as_usual"),
        ("month_files", "landed_lines_are_accounted_for"),
        ("insiders_report", "readers_see_what_the_lake_holds"),
        ("insiders_report", "members_share_is_as_usual"),
        ("insiders_report", "last_closed_month_is_there"),
        *((asset, "keeps_its_contract") for asset in TABLES_BY_MONTH),
    }


@pytest.mark.parametrize("name", ASSETS)
def test_every_asset_says_what_it_is_whose_it_is_and_what_columns_it_has(
    definitions: dg.Definitions, name: str
) -> None:
    (spec,) = [spec for spec in specs(definitions) if spec.key.to_user_string() == name]
    assert spec.description
    assert spec.description.endswith(".")
    assert spec.owners
    assert spec.group_name not in (None, "default")
    assert spec.kinds
    schema = spec.metadata["dagster/column_schema"]
    assert schema.columns
    assert all(column.description for column in schema.columns)
    if name in TABLES_BY_MONTH:
        assert [column.name for column in schema.columns] == TABLES_BY_MONTH[name].arrow_schema.names


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_table_and_column_is_described(table: Table) -> None:
    def told(words: str) -> bool:
        return len(words) > 8 and words.endswith((".", "…"))

    assert told(table.description)
    assert [column.name for column in table.columns if not told(column.description)] == []
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    if table.published:
        assert table.key
        assert table.scope in names


@pytest.mark.parametrize("table", TABLES_BY_MONTH.values(), ids=TABLES_BY_MONTH)
def test_the_key_of_every_monthly_table_begins_with_the_month(table: Table) -> None:
    month = table.columns[0]
    assert isinstance(month, Column)
    assert (month.name, month.key, table.scope) == ("month", True, "month")


# -- what loading takes

IMPORT = """
import json, sys, time
opened, sockets = [], []
def hear(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.append((str(arguments[0]), str(arguments[1])))
    elif event.startswith("socket."):
        sockets.append([event, str(arguments)])
sys.addaudithook(hear)
started = time.process_time()
import insiders_assets.definitions
seconds = time.process_time() - started
heavy = [name for name in ("tensorflow", "keras", "umap", "numba", "statsforecast", "sklearn") if name in sys.modules]
prefixes = {sys.prefix, sys.base_prefix, *sys.path}
print(json.dumps({"seconds": seconds, "heavy": heavy, "opened": opened, "sockets": sockets, "path": [*prefixes]}))
"""


@pytest.fixture(scope="module")
def loading(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a fresh interpreter does at `import insiders_assets.definitions`; the quicker of two."""
    folder = tmp_path_factory.mktemp("elsewhere")
    plain = {k: v for k, v in os.environ.items() if not k.startswith((PREFIX, "COV_", "PYTHON"))}
    tries = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT],
            cwd=folder,
            env={**plain, "PYTHONPATH": str(ROOT), f"{PREFIX}HOME": str(folder / "home")},
            capture_output=True,
            text=True,
            check=True,
        )
        tries.append(json.loads(done.stdout))
    assert [*folder.iterdir()] == []
    return min(tries, key=lambda one: one["seconds"])


def test_the_code_location_is_imported_in_seconds(loading: dict) -> None:
    assert loading["seconds"] < IMPORT_SECONDS


def test_importing_it_leaves_the_heavy_libraries_alone(loading: dict) -> None:
    assert loading["heavy"] == []


def test_importing_it_opens_no_file_outside_the_installation_and_asks_no_network(loading: dict) -> None:
    system = (
        "/dev/null",
        "/dev/urandom",
        "/proc/",
        "/sys/",
        "/usr/share/zoneinfo",
        "/etc/localtime",
        "/etc/mime.types",
    )
    allowed = (*system, *(place for place in loading["path"] if place))
    assert [name for name, _ in loading["opened"] if not name.startswith(allowed)] == []
    ours = [
        (name, mode) for name, mode in loading["opened"] if name.startswith(str(ROOT)) and mode.startswith(("w", "a"))
    ]
    assert [name for name, _ in ours if "__pycache__" not in name] == []
    assert loading["sockets"] == []


def test_the_workspace_is_valid_in_a_home_that_does_not_exist(tmp_path: Path) -> None:
    plain = {k: v for k, v in os.environ.items() if not k.startswith((PREFIX, "DAGSTER_"))}
    done = subprocess.run(
        [Path(sys.executable).with_name("dagster"), "definitions", "validate", "-w", ROOT / "workspace.yaml"],
        cwd=tmp_path,
        env={**plain, "PYTHONPATH": str(ROOT), f"{PREFIX}HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "home").exists()


# -- Dagster's instance


def read_yaml(path: Path) -> object:
    return yaml.safe_load(path.read_text("utf-8"))


def test_the_files_at_the_top_are_what_a_home_is_given(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "home")
    assert read_yaml(ROOT / "dagster.yaml") == instance_config(settings)
    assert read_yaml(ROOT / "workspace.yaml") == WORKSPACE
    prepare_home(settings)
    assert read_yaml(settings.instance_folder / "dagster.yaml") == instance_config(settings)
    assert read_yaml(settings.instance_folder / "workspace.yaml") == WORKSPACE


@dg.job
def nothing() -> None:
    @dg.op
    def rest() -> None:
        pass

    rest()


def run_once(instance: dg.DagsterInstance) -> None:
    """A run's events go through everything that the storage does, its notifications included."""
    result = nothing.execute_in_process(instance=instance)
    assert result.success
    assert [run.run_id for run in instance.get_runs()] == [result.run_id]
    assert instance.all_logs(result.run_id)


def test_an_instance_on_sqlite_opens_and_keeps_runs_in_the_home(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "home")
    prepare_home(settings)
    with open_instance(settings) as instance:
        run_once(instance)
        assert not instance.telemetry_enabled
    with open_instance(settings) as instance:
        assert instance.get_runs_count() == 1
    assert [*settings.instance_folder.rglob("*.db")]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="insiders-") as folder:
        Path(folder).chmod(0o755)
        with tcp_postgres(Path(folder) / "server") as url:
            yield url


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_an_instance_on_postgres_opens_however_its_driver_is_named(
    database: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}INSTANCE", database.replace("postgresql", scheme))
    settings = load_settings(tmp_path / "home")
    prepare_home(settings)
    with open_instance(settings) as instance:
        instance.wipe()
        run_once(instance)
    assert not [*settings.instance_folder.rglob("*.db")]
    password = database.rpartition("@")[0].rpartition(":")[2]
    assert password not in (settings.instance_folder / "dagster.yaml").read_text("utf-8")
    assert environment(settings)[f"{PREFIX}INSTANCE"].startswith("postgresql+psycopg2://")
