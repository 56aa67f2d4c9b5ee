"""What comes before and after the long-running servers: what is missing is named, what is late is waited for, a run
that is under way is not cut off, and a secret is readable for one user only."""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import dagster as dg
import psycopg
import pytest
import yaml

from insiders_assets.assets.platform import open_platform, warehouse_elsewhere
from insiders_assets.automation.jobs import STARTED_HERE
from insiders_assets.errors import BusyError, SettingsError, StorageError, UnreachableError
from insiders_assets.operations.dashboards import become_dashboard
from insiders_assets.operations.doctor import examine
from insiders_assets.operations.home import environment, instance_config, open_instance, prepare_home
from insiders_assets.operations.services import check_variables, drain, ready, write_secrets
from insiders_assets.settings import PREFIX, Settings, load_settings
from insiders_assets.storage.warehouse import Warehouse
from insiders_tests.servers import S3, free_port, tcp_postgres

ROOT = Path(__file__).parents[2]
ARN = "arn:aws:sns:us-east-1:123456789012:shop"


@pytest.fixture(scope="module")
def database(open_folder: Path) -> Iterator[str]:
    with tcp_postgres(open_folder / "services") as url:
        yield url


@pytest.fixture
def production(s3: S3, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings of a box, with some of the variables otherwise (None: not set)."""
    prefix = uuid.uuid4().hex

    def settings(**otherwise: str | None) -> Settings:
        values = {
            "landing": s3.location(f"{prefix}/landing"),
            "lake": s3.location(f"{prefix}/lake"),
            "s3_endpoint": s3.endpoint,
            "warehouse": database,
            "instance": database,
            "logs_bucket": s3.bucket,
            "first_month": "2024-01",
            "notify_topic": ARN,
            "metrics": "Insiders",
            "page": "https://shop.example",
            **otherwise,
        }
        for name, value in values.items():
            if value is None:
                monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)
            else:
                monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
        return load_settings(tmp_path / "home")

    return settings


def silent(_: str) -> None:
    """Nobody listens."""


# -- variables


def test_what_is_missing_is_named_in_one_sentence_and_where_it_is_explained(production: Callable) -> None:
    with pytest.raises(SettingsError) as refused:
        check_variables(production(lake=None, instance=None, warehouse=None), silent)
    assert refused.value.problem == "INSIDERS_LAKE, INSIDERS_WAREHOUSE, INSIDERS_INSTANCE are not set."
    assert "deploy/insiders.env.example" in refused.value.remedy


@pytest.mark.parametrize("name", ["landing", "lake", "warehouse", "instance", "logs_bucket", "first_month"])
def test_each_variable_that_a_box_needs_is_asked_for(production: Callable, name: str) -> None:
    with pytest.raises(SettingsError, match=f"INSIDERS_{name.upper()} is not set"):
        check_variables(production(**{name: None}), silent)


def test_a_lake_on_the_box_itself_is_refused(production: Callable, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="INSIDERS_LAKE must be s3://"):
        check_variables(production(lake=str(tmp_path)), silent)


def test_that_nobody_would_hear_of_troubles_is_said_and_stops_nothing(production: Callable) -> None:
    said: list[str] = []
    check_variables(production(notify_topic=None, page=None), said.append)
    assert len(said) == 1
    assert "INSIDERS_NOTIFY_TOPIC, INSIDERS_PAGE" in said[0]


def test_every_variable_of_the_example_is_known_and_every_one_that_is_needed_is_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    example = (ROOT / "deploy" / "insiders.env.example").read_text("utf-8")
    values = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    places = {
        "BUCKET": "shop",
        "HOST": "db.example",
        "REGION": "eu-central-1",
        "ACCOUNT": "123456789012",
        "NAME": "shop",
    }
    for name, value in values.items():
        for word, real in places.items():
            value = value.replace(word, real)
        monkeypatch.setenv(name, value)
    settings = load_settings(tmp_path / "home")
    secret = "postgresql+psycopg2://dagster:x@db.example/dagster"  # from insiders-secrets.service, not from this file
    monkeypatch.setenv("INSIDERS_INSTANCE", secret)
    said: list[str] = []
    check_variables(load_settings(tmp_path / "home"), said.append)
    assert said == []
    assert settings.warehouse_iam
    assert settings.secret


# -- what answers


def test_it_returns_when_everything_answers_and_has_written_what_dagster_reads(production: Callable) -> None:
    settings = production()
    ready(settings, 0, silent)
    config = yaml.safe_load((settings.instance_folder / "dagster.yaml").read_text("utf-8"))
    assert config == yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text("utf-8"))


def test_what_a_person_has_written_with_comments_and_says_the_same_stays(production: Callable) -> None:
    settings = production()
    settings.instance_folder.mkdir(parents=True)
    place = settings.instance_folder / "dagster.yaml"
    place.write_bytes((ROOT / "deploy" / "dagster.yaml").read_bytes())
    ready(settings, 0, silent)
    assert place.read_bytes() == (ROOT / "deploy" / "dagster.yaml").read_bytes()


def test_a_database_that_comes_late_is_waited_for(production: Callable, open_folder: Path) -> None:
    port, said = free_port(), []
    settings = production(warehouse=f"postgresql://owner@127.0.0.1:{port}/shop")
    failed = []

    def wait() -> None:
        try:
            ready(settings, 15, said.append)
        except UnreachableError as trouble:
            failed.append(trouble)

    waiting = threading.Thread(target=wait)
    waiting.start()
    deadline = time.monotonic() + 20
    while not said and time.monotonic() < deadline:
        time.sleep(0.05)
    # A server appears there, which wants a password: another sentence, so it was asked again.
    with tcp_postgres(open_folder / "late", port):
        deadline = time.monotonic() + 40
        while not any("password" in words for words in said) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert any("nothing listens there" in words for words in said)
        assert any("wants a password" in words for words in said)
    waiting.join(90)
    assert failed


@pytest.mark.parametrize("name", ["warehouse", "instance"])
def test_a_database_that_does_not_come_ends_the_waiting_with_its_sentence(production: Callable, name: str) -> None:
    said: list[str] = []
    address = f"postgresql://owner:geheim@127.0.0.1:{free_port()}/shop"
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"nothing listens there.*Asked for 2 s") as refused:
        ready(production(**{name: address}), 2, said.append)
    assert 1.5 < time.monotonic() - began < 30
    assert "geheim" not in "".join(said) + str(refused.value)


def test_before_the_pages_only_the_warehouse_is_asked_and_dagsters_configuration_stays(production: Callable) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    settings = production(instance=None, s3_endpoint=nobody)
    ready(settings, 0, silent, pages=True)
    assert not settings.home.exists()
    with pytest.raises(SettingsError, match="INSIDERS_INSTANCE is not set"):
        ready(settings, 0, silent)
    with pytest.raises(SettingsError, match="INSIDERS_WAREHOUSE is not set"):
        ready(production(instance=None, warehouse=None), 0, silent, pages=True)
    address = f"postgresql://owner@127.0.0.1:{free_port()}/shop"
    with pytest.raises(UnreachableError, match="nothing listens there"):
        ready(production(instance=None, warehouse=address), 0, silent, pages=True)


def test_the_dashboard_of_a_box_leaves_the_home_alone(production: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda program, command, environment: became.append(command))
    settings = production(instance=None)
    become_dashboard(settings, 8501, "127.0.0.1", "/pages")
    assert became and not settings.home.exists()


def test_a_bucket_that_does_not_answer_is_a_sentence(production: Callable) -> None:
    with pytest.raises(UnreachableError, match="s3://"):
        ready(production(s3_endpoint=f"http://127.0.0.1:{free_port()}"), 0, silent)


# -- runs


@dg.job
def nothing() -> None:
    @dg.op
    def rest() -> None:
        pass

    rest()


def under_way(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    """A run that has started and says nothing more."""
    run = instance.create_run_for_job(nothing, tags=tags)
    began = dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_START.value, job_name=nothing.name)
    instance.report_dagster_event(began, run.run_id)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.STARTED
    return found


@pytest.fixture
def instance(production: Callable) -> Iterator[tuple[Settings, dg.DagsterInstance]]:
    settings = production()
    prepare_home(settings)
    with open_instance(settings) as opened:
        opened.wipe()
        yield settings, opened


def test_nothing_under_way_is_nothing_to_wait_for(instance: tuple[Settings, dg.DagsterInstance]) -> None:
    settings, opened = instance
    assert nothing.execute_in_process(instance=opened).success
    drain(settings, 0, silent)


def test_a_run_that_is_under_way_is_waited_for_and_named(instance: tuple[Settings, dg.DagsterInstance]) -> None:
    settings, opened = instance
    run = under_way(opened)
    said: list[str] = []
    ending = threading.Timer(3, lambda: opened.report_run_canceled(run))
    ending.start()
    began = time.monotonic()
    drain(settings, 60, said.append)
    ending.join()
    assert 2 < time.monotonic() - began < 30
    assert [words.count(run.run_id) for words in said] == [1]


def test_a_database_that_is_away_is_asked_again_before_the_runs_are_given_up(production: Callable) -> None:
    said: list[str] = []
    settings = production(instance=f"postgresql://owner@127.0.0.1:{free_port()}/shop")
    prepare_home(settings)
    with pytest.raises(UnreachableError, match="Asked for 3 s"):
        drain(settings, 3, said.append)
    assert any("Asked again" in words for words in said)


def test_a_run_that_does_not_end_ends_the_waiting_with_its_name(
    instance: tuple[Settings, dg.DagsterInstance],
) -> None:
    settings, opened = instance
    run = under_way(opened)
    with pytest.raises(BusyError, match=run.run_id):
        drain(settings, 0, silent)


def test_runs_of_the_command_line_live_elsewhere_and_are_neither_waited_for_nor_ended(
    instance: tuple[Settings, dg.DagsterInstance],
) -> None:
    settings, opened = instance
    run = under_way(opened, **STARTED_HERE)
    drain(settings, 0, silent)
    ready(settings, 0, silent, starting_code=True)
    assert opened.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED


def test_runs_that_died_with_the_code_server_are_closed_when_the_next_one_starts_and_only_then(
    instance: tuple[Settings, dg.DagsterInstance],
) -> None:
    settings, opened = instance
    run = under_way(opened)
    ready(settings, 0, silent)
    assert opened.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED
    said: list[str] = []
    ready(settings, 0, said.append, starting_code=True)
    assert opened.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
    assert run.run_id in "".join(said)


# -- secrets


@pytest.fixture
def secret(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    manager = boto3.client("secretsmanager")

    def keep(**fields: object) -> str:
        return manager.create_secret(Name=uuid.uuid4().hex, SecretString=json.dumps(fields))["ARN"]

    return keep


LOGIN = {"username": "dagster", "password": "p@ss/w:rd %#'\"", "host": "db.example", "port": 5433, "dbname": "dagster"}


def test_the_login_of_dagsters_storage_becomes_a_file_that_one_user_can_read(
    production: Callable, secret: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "secrets.env"
    monkeypatch.setenv("INSIDERS_SECRET", secret(**LOGIN))
    warehouse = "postgresql://insiders@db.example/insiders?sslmode=verify-full&sslrootcert=/etc/ca.pem"
    settings = production(instance=None, warehouse=warehouse)
    write_secrets(settings, place, 0, silent)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    (line,) = place.read_text().splitlines()
    name, _, url = line.partition("=")
    assert name == "INSIDERS_INSTANCE"
    # What systemd and docker read from such a file is taken as it stands.
    assert not set(url) & set("\"'# $\\")
    found = psycopg.conninfo.conninfo_to_dict(url.replace("+psycopg2", ""))
    assert found["password"] == LOGIN["password"]
    assert (found["user"], found["host"], str(found["port"]), found["dbname"]) == (
        "dagster",
        "db.example",
        "5433",
        "dagster",
    )
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/etc/ca.pem")
    monkeypatch.setenv("INSIDERS_INSTANCE", url)
    assert environment(load_settings(settings.home))["INSIDERS_INSTANCE"] == url


def test_a_secret_without_a_field_is_a_sentence_without_its_values(
    production: Callable, secret: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDERS_SECRET", secret(username="dagster", password="geheim"))
    with pytest.raises(SettingsError, match="has no host, dbname") as refused:
        write_secrets(production(), tmp_path / "secrets.env", 0, silent)
    assert "geheim" not in str(refused.value)
    assert [*tmp_path.glob("secrets*")] == []


@pytest.mark.parametrize("word", ["geheim#1", "geheim?1", "12?geheim", "12/geheim", "geheim[1", "geheim]1"])
def test_a_password_that_cuts_the_warehouses_address_short_is_refused_and_not_told(
    word: str, production: Callable, secret: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDERS_SECRET", secret(**LOGIN))
    settings = production(instance=None, warehouse=f"postgresql://insiders:{word}@db.example/insiders?sslmode=require")
    with pytest.raises(SettingsError, match="INSIDERS_WAREHOUSE is not an address") as refused:
        write_secrets(settings, tmp_path / "secrets.env", 0, silent)
    assert "percent-encoded" in refused.value.remedy and "geheim" not in str(refused.value)
    assert [*tmp_path.glob("secrets*")] == []


def test_a_password_whose_signs_are_percent_encoded_keeps_what_follows_it(
    production: Callable, secret: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSIDERS_SECRET", secret(**LOGIN))
    word = "%23%3F%5B%40"
    address = f"postgresql://insiders:{word}@db.example/insiders?sslmode=require"
    write_secrets(production(instance=None, warehouse=address), tmp_path / "secrets.env", 0, silent)
    assert (tmp_path / "secrets.env").read_text().endswith("?sslmode=require\n")


def test_without_the_name_of_a_secret_and_without_a_folder_there_are_sentences(
    production: Callable, secret: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="INSIDERS_SECRET is not set"):
        write_secrets(production(), tmp_path / "secrets.env", 0, silent)
    monkeypatch.setenv("INSIDERS_SECRET", secret(**LOGIN))
    with pytest.raises(StorageError, match="cannot be written"):
        write_secrets(production(), tmp_path / "there is none" / "secrets.env", 0, silent)


# -- a login that is good for minutes


def test_each_connection_asks_for_a_password_anew(database: str) -> None:
    right = psycopg.conninfo.conninfo_to_dict(database)["password"]
    asked: list[str] = []

    def password() -> str:
        asked.append("")
        return right

    warehouse = Warehouse(database.replace(":p%40ss", ":wrong"), password)
    warehouse.check()
    warehouse.check()
    assert len(asked) == 2
    refusing = Warehouse(database, lambda: "no good")
    with pytest.raises(UnreachableError, match="refuses user or password") as refused:
        refusing.check()
    assert "no good" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://insiders@db.example/insiders",
        "postgresql://insiders@db.example/insiders?sslmode=require",
        "postgresql://db.example/insiders?sslmode=verify-full",
    ],
)
def test_a_token_is_not_sent_to_a_server_that_does_not_prove_who_it_is(production: Callable, address: str) -> None:
    with pytest.raises(SettingsError, match="sslmode=verify-full"):
        warehouse_elsewhere(production(warehouse=address, warehouse_iam="true"))


def test_the_doctor_tries_the_login_that_the_settings_name(production: Callable) -> None:
    settings = production(warehouse="postgresql://insiders@127.0.0.1:1/x?sslmode=verify-full", warehouse_iam="true")
    with open_platform(settings) as platform:
        found = {one.subject: one for one in examine(platform, dt.date(2024, 3, 1))}
    assert found["warehouse"].state == "wrong"
    assert "nothing listens there" in found["warehouse"].found


def test_the_file_of_production_is_what_is_written_from_the_settings(production: Callable) -> None:
    assert yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text("utf-8")) == instance_config(production())
