"""What a box runs at its first start, what it writes, and what it does when a step fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from insiders_assets.automation.notices import FAILED_RUNS, HEARTBEAT, MONTH_MISSING
from insiders_assets.operations.services import check_variables, write_secrets
from insiders_assets.settings import load_settings
from insiders_tests.deploy.cloud import TEMPLATE, Stack
from insiders_tests.deploy.first_start import PRETEND, FirstStart, start
from insiders_tests.deploy.stacks import IMAGE, alarms_of, database_of, logs_of

# What is longer is refused by AWS.
LONGEST_USER_DATA = 16 * 1024


def test_the_user_data_is_short_enough_and_shellcheck_has_nothing_to_say(closed: Stack, opened: Stack) -> None:
    for stack in (closed, opened):
        assert len(stack.user_data().encode()) < LONGEST_USER_DATA
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not on this machine")
    script = re.search("<<'SCRIPT'\n(.*?)\nSCRIPT\n", closed.user_data(), re.DOTALL)
    assert script
    for text in (closed.user_data(), opened.user_data(), script[1]):
        # SC2194: the constant word is a parameter's value that stands in its place. SC2050 likewise.
        command = ["shellcheck", "--shell=bash", "--exclude=SC2194,SC2050", "-"]
        done = subprocess.run(command, input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout


def test_a_start_that_went_well_completes_the_stack(started: FirstStart) -> None:
    assert started.status == 0
    (signal,) = started.called("cfn-signal")
    assert "--exit-code 0 " in signal
    assert "--stack insiders --resource Prepared" in signal
    assert signal == started.calls[-1]


def test_a_step_that_fails_is_tried_again_and_then_fails_the_stack(closed: Stack, tmp_path: Path) -> None:
    failed = start(closed, tmp_path, dnf=1)
    assert failed.status == 1
    assert failed.called("dnf install") == ["dnf install -y aws-cfn-bootstrap"] * 4
    assert "--exit-code 1 " in failed.calls[-1]
    assert not failed.called("mount")


@pytest.mark.parametrize(("found", "formatted", "status"), [(2, True, 0), (0, False, 0), (8, False, 1)])
def test_only_a_blank_volume_is_formatted(
    closed: Stack, tmp_path: Path, found: int, formatted: bool, status: int
) -> None:
    # blkid is asked twice: whether there is something, and then for its name.
    pretend = PRETEND.replace("blkid*--output*)", f"blkid*--probe*) exit {found} ;;\n  blkid*--output*)")
    first = start(closed, tmp_path, pretend)
    assert bool(first.called("mkfs.xfs")) == formatted
    assert first.status == status
    assert bool(first.called("mount")) == (status == 0)


def test_the_data_volume_is_mounted_at_every_start_and_without_it_nobody_writes(started: FirstStart) -> None:
    assert started.read("etc/fstab") == "UUID=11111111-2222 /var/lib/insiders xfs defaults,nofail 0 2\n"
    assert "chown insiders:insiders /var/lib/insiders" in started.calls
    assert started.called("useradd") == [
        "useradd --uid 10001 --gid 10001 --home-dir /var/lib/insiders --no-create-home --shell /sbin/nologin insiders"
    ]


def test_with_an_image_the_box_has_docker_and_no_password_of_the_registry(opened: Stack, tmp_path: Path) -> None:
    first = start(opened, tmp_path)
    installed = " ".join(first.called("dnf install"))
    assert "docker amazon-ecr-credential-helper" in installed
    assert "python3.12" not in installed
    assert opened.outputs["Image"] == IMAGE
    registry = IMAGE.partition("/")[0]
    assert json.loads(first.read("root/.docker/config.json")) == {"credHelpers": {registry: "ecr-login"}}


def test_without_an_image_the_box_has_python_and_no_docker(started: FirstStart) -> None:
    installed = " ".join(started.called("dnf install"))
    assert "python3.12" in installed
    assert "docker" not in installed
    # What bin/install takes if it is not told another.
    assert "python=python3.12" in (TEMPLATE.parents[1] / "bin" / "install").read_text()


def variables(text: str) -> dict[str, str]:
    pairs = [line.split("=", 1) for line in text.splitlines()]
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def test_insiders_takes_the_settings_that_the_box_gets(
    closed: Stack, started: FirstStart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = started.root / "etc/insiders/insiders.env"
    given = variables(started.read("etc/insiders/insiders.env"))
    for name, value in {**given, "INSIDERS_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert place.stat().st_mode & 0o777 == 0o640

    write_secrets(load_settings(), tmp_path / "secrets.env", 0, print)
    (address,) = variables((tmp_path / "secrets.env").read_text()).values()
    monkeypatch.setenv("INSIDERS_INSTANCE", address)
    settings, told = load_settings(), list[str]()
    check_variables(settings, told.append)
    assert told == []

    host = database_of(closed)["Endpoint"]["Address"]
    proof = "sslmode=verify-full&sslrootcert=/etc/insiders/rds-ca.pem"
    assert settings.warehouse.get_secret_value() == f"postgresql://insiders@{host}:5432/insiders?{proof}"
    assert re.fullmatch(
        rf"postgresql\+psycopg2://dagster:\w{{40}}@{re.escape(host)}:5432/dagster\?{re.escape(proof)}", address
    )
    assert settings.warehouse_iam
    assert settings.landing_location == f"s3://{closed['Bucket']}/landing"
    assert settings.notify_topic == closed["Topic"]
    assert (started.root / "etc/insiders/rds-ca.pem").read_text() == "certificate\n"


def test_each_variable_that_the_box_gets_is_explained_in_the_example(started: FirstStart) -> None:
    explained = set(re.findall(r"^#?([A-Z_]+)=", (TEMPLATE.parents[1] / "insiders.env.example").read_text(), re.M))
    given = set(variables(started.read("etc/insiders/insiders.env")))
    assert not given - explained
    # boto3 reads the second name only, the aws command line and bin/rotate-login the first.
    assert {"AWS_REGION", "AWS_DEFAULT_REGION"} <= given


def test_every_metric_that_an_alarm_waits_for_is_sent_by_somebody(closed: Stack, started: FirstStart) -> None:
    agent = json.loads(started.read("opt/aws/amazon-cloudwatch-agent/etc/insiders.json"))
    namespace = variables(started.read("etc/insiders/insiders.env"))["INSIDERS_METRICS"]
    assert agent["metrics"]["namespace"] == namespace == closed.outputs["MetricsNamespace"]
    # No host, or the alarms would wait for a metric with other dimensions.
    assert agent["agent"]["omit_hostname"]
    collected = agent["metrics"]["metrics_collected"]
    assert collected["disk"]["drop_device"]
    script = started.read("usr/local/sbin/count-failed-units")
    assert f'--namespace "{namespace}"' in script
    sent: set[tuple[str, Any]] = {(name, ()) for name in (HEARTBEAT, FAILED_RUNS, MONTH_MISSING)}
    sent |= {(name, ()) for name in re.findall(r"--metric-name (\w+)", script)}
    sent |= {(name, ()) for name in collected["mem"]["measurement"]}
    for path in collected["disk"]["resources"]:
        sent |= {(name, (("fstype", "xfs"), ("path", path))) for name in collected["disk"]["measurement"]}
    wanted = {
        (one["MetricName"], tuple(sorted((pair["Name"], pair["Value"]) for pair in one["Dimensions"])))
        for one in alarms_of(closed).values()
        if not one["Namespace"].startswith("AWS/")
    }
    assert wanted == sent


@pytest.mark.parametrize(("days", "counted"), [(None, 1), (13, 2), (15, 1), (0, 2)])
def test_a_certificate_that_ends_soon_counts_as_a_failed_unit(
    closed: Stack, tmp_path: Path, days: int | None, counted: int
) -> None:
    first = start(closed, tmp_path)
    certificate = first.root / "etc/insiders/tls/server.crt"
    certificate.parent.mkdir(parents=True)
    if days:
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-days", str(days)]
        subprocess.run([*command, "-out", certificate, "-keyout", tmp_path / "key"], check=True, capture_output=True)
    elif days == 0:
        certificate.write_text("none")
    for name, does in {"systemctl": "echo insiders-code.service", "aws": f'echo "$@" > {tmp_path}/sent'}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    subprocess.run([first.root / "usr/local/sbin/count-failed-units"], env=environment, check=True, timeout=20)
    assert (tmp_path / "sent").read_text().endswith(f"--metric-name FailedUnits --unit Count --value {counted}\n")


def test_the_agent_sends_logs_to_groups_that_are_there_and_that_it_may_write_to(
    closed: Stack, started: FirstStart
) -> None:
    agent = json.loads(started.read("opt/aws/amazon-cloudwatch-agent/etc/insiders.json"))
    files = agent["logs"]["logs_collected"]["files"]["collect_list"]
    assert {one["log_group_name"] for one in files} == {closed["ServicesLog"], closed["SystemLog"]}
    role = closed.role
    assert all(role.allow("logs:PutLogEvents", logs_of(closed, one["log_group_name"])) for one in files)
    # The services' file is the one that rsyslog writes and logrotate keeps short.
    for path in ("etc/rsyslog.d/10-insiders.conf", "etc/logrotate.d/insiders"):
        assert files[0]["file_path"] in started.read(path)
    assert "systemctl enable --now logrotate.timer" in started.calls
