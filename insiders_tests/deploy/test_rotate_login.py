"""A new login for Dagster's storage, in a real PostgreSQL and Amazon's protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from dataclasses import dataclass

import boto3
import psycopg
import pytest

from insiders_tests.deploy.scripts import Box, as_master, log_in, needs_aws, needs_psql, stand_in, well
from insiders_tests.servers import S3


@dataclass
class Login:
    """A secret and a database that agree on it."""

    box: Box
    server: dict[str, str]
    secret: str

    def rotate(self) -> subprocess.CompletedProcess[str]:
        return self.box.run("rotate-login", PGSSLMODE="disable", AWS_DEFAULT_REGION="us-east-1")

    def password(self) -> str:
        # By its stage, which is what Amazon takes without one, too; moto takes the version that was put first.
        found = boto3.client("secretsmanager").get_secret_value(SecretId=self.secret, VersionStage="AWSCURRENT")
        return str(json.loads(found["SecretString"])["password"])

    def logs_in(self, password: str) -> bool:
        try:
            log_in(self.server, "dagster", password, "dagster").close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture
def login(box: Box, empty_server: dict[str, str], s3: S3, monkeypatch: pytest.MonkeyPatch) -> Login:
    well("bootstrap-database", said="the old password\n", **empty_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    where = {"host": empty_server["PGHOST"], "port": int(empty_server["PGPORT"]), "dbname": "dagster"}
    text = json.dumps({"username": "dagster", "password": "the old password", **where, "engine": "postgres"})
    secret = boto3.client("secretsmanager").create_secret(Name=uuid.uuid4().hex, SecretString=text)["ARN"]
    (box.root / "etc/insiders/insiders.env").write_text(f"INSIDERS_SECRET={secret}\nAWS_REGION=us-east-1\n")
    return Login(box, empty_server, secret)


@needs_aws
@needs_psql
def test_a_new_login_counts_in_both_places_and_the_services_start_with_it(login: Login) -> None:
    done = login.rotate()
    assert done.returncode == 0, done.stderr
    new = login.password()
    assert new != "the old password" and new not in done.stdout + done.stderr
    assert login.logs_in(new) and not login.logs_in("the old password")
    kept = boto3.client("secretsmanager").get_secret_value(SecretId=login.secret)
    assert json.loads(kept["SecretString"])["engine"] == "postgres"
    order = [line.split()[1] for line in login.box.done]
    assert order == ["stop", "run", "stop", "restart", "start"]
    assert login.box.asked[-2:] == ["systemctl restart insiders-secrets.service", "systemctl start insiders.target"]


@needs_aws
@needs_psql
def test_if_the_secret_cannot_be_changed_the_old_login_counts_in_both_places(login: Login) -> None:
    real = shutil.which("aws")
    stand_in(login.box.programs, "aws", f'case "$*" in *update-secret*) exit 254 ;; esac\nexec {real} "$@"')
    done = login.rotate()
    assert done.returncode == 1 and "the old one counts again" in done.stderr
    assert login.password() == "the old password" and login.logs_in("the old password")
    assert login.box.asked[-1] == "systemctl start insiders.target"


@needs_aws
@needs_psql
def test_a_missing_right_shows_before_anything_stops(login: Login) -> None:
    real = shutil.which("aws")
    stand_in(login.box.programs, "aws", f'case "$*" in *put-secret*) exit 254 ;; esac\nexec {real} "$@"')
    done = login.rotate()
    assert done.returncode == 1 and "nothing was changed" in done.stderr and not login.box.asked
    assert login.password() == "the old password" and login.logs_in("the old password")


@needs_aws
@needs_psql
def test_a_connection_that_is_lost_after_the_change_does_not_take_it_back(login: Login) -> None:
    real = shutil.which("psql")
    lost = f'{real} "$@"\nended=$?\ncase "$*" in *--command*) exit $ended ;; *) exit 2 ;; esac'
    stand_in(login.box.programs, "psql", lost)
    done = login.rotate()
    assert done.returncode == 0, done.stderr
    assert login.password() != "the old password" and login.logs_in(login.password())


@needs_aws
@needs_psql
def test_a_secret_that_does_not_log_in_stops_nothing(login: Login) -> None:
    with as_master(login.server) as master:
        master.execute("ALTER ROLE dagster PASSWORD 'another'")
    done = login.rotate()
    assert done.returncode == 1 and "nothing was changed" in done.stderr and not login.box.asked
    assert login.logs_in("another")
