"""The scripts of `deploy/bin`: shellcheck has nothing to say, and what they promise holds on real files, a real
PostgreSQL and Amazon's protocols. The programs of a box that a test machine has not (systemctl, docker) are stand-ins
that write down what they were asked."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import functools
import hashlib
import hmac
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import MappingProxyType, ModuleType
from urllib.parse import unquote, urlsplit

import boto3
import dagster as dg
import psycopg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from insiders_assets.cli import app
from insiders_assets.settings import Settings
from insiders_assets.storage.warehouse_schema import prepare_schema
from insiders_tests.command import Said
from insiders_tests.deploy.units import DEPLOY, ROOT
from insiders_tests.servers import S3, tcp_postgres

BIN = DEPLOY / "bin"
SHELL = [path for path in sorted(BIN.iterdir()) if path.is_file() and b"bash" in path.read_bytes().splitlines()[0]]
needs_psql = pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not on this machine (postgresql-client)")
needs_aws = pytest.mark.skipif(shutil.which("aws") is None, reason="the aws command line is not on this machine")


def _run(
    name: str, *arguments: object, said: str = "", path: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    if path:
        environment["PATH"] = f"{path}:{environment['PATH']}"
    command = [BIN / name, *map(str, arguments)]
    return subprocess.run(command, input=said, env=environment, capture_output=True, text=True, timeout=120)


def _well(*arguments: object, **otherwise: object) -> str:
    done = _run(*arguments, **otherwise)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# -- all of them


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not on this machine")
def test_shellcheck_has_nothing_to_say() -> None:
    # -x: together with what they source.
    done = subprocess.run(["shellcheck", "-x", *SHELL], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", [path for path in SHELL if path.suffix != ".sh"], ids=lambda path: path.name)
def test_a_script_stops_at_the_first_error_and_says_what_it_is_for(script: Path) -> None:
    text = script.read_text("utf-8")
    assert text.startswith("#!/usr/bin/env bash\n# ") and "\nset -euo pipefail\n" in text
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("name", ["build-image", "install", "upgrade", "rollback", "bootstrap-database", "liveness"])
def test_help_is_what_stands_above_the_script(name: str) -> None:
    assert f"  {name}" in _well(name, "--help")


def test_the_example_has_every_setting_of_production_with_a_sentence() -> None:
    lines = (DEPLOY / "insiders.env.example").read_text("utf-8").splitlines()
    found = {}
    for number, line in enumerate(lines):
        if name := re.fullmatch(r"#?([A-Z0-9_]+)=(\S+)", line):
            # Directly above it, or above its group.
            above = next(text for text in reversed(lines[:number]) if not re.match(r"#?[A-Z0-9_]+=", text))
            assert above.startswith("# ") and above.endswith((".", "YYYY-MM.", "as well.")), line
            found[name[1]] = name[2]
    # All but what comes from Secrets Manager.
    settings = {f"INSIDERS_{name.upper()}" for name in Settings.model_fields if name != "instance"}
    others = {"DAGSTER_HOME", "AWS_REGION", "AWS_DEFAULT_REGION", "CODE_SERVER_HOST", "CODE_SERVER_PORT"}
    others |= {"WEB_PORT", "READ_ONLY_PORT", "DASHBOARD_PORT", "OPERATORS_PORT", "VIEWERS_PORT"}
    assert set(found) == settings | others
    assert Settings(layouts=json.loads(found["INSIDERS_LAYOUTS"])).layouts["shop"].columns["invoice_no"] == "Order"


# -- the runbook


def _commands() -> list[list[str]]:
    """What the runbook gives to type, in words: its blocks and what stands between backticks."""
    text = (DEPLOY / "README.md").read_text("utf-8")
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", text, re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    spans = re.findall(r"`([^`]+)`", re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S))
    parts = [part for one in [*lines, *spans] for part in re.split(r" # |&&|\|\s", one)]
    return [[word.strip("'\"") for word in part.split()] for part in parts]


def _calls_of_scripts() -> list[tuple[str, list[str]]]:
    """The scripts that the runbook calls, with the options that it gives them."""
    found = []
    for words in _commands():
        for place, word in enumerate(words):
            name = word.rpartition("/")[2]
            if (BIN / name).is_file() and (place == 0 or "/" in word or words[place - 1] in ("sudo", "bash")):
                rest = words[place + 1 :]
                # What follows as-service's own options is another command.
                own = next((n for n, one in enumerate(rest) if not one.startswith("--")), len(rest))
                found.append((name, [one for one in (rest[:own] if name == "as-service" else rest) if one[:2] == "--"]))
                break
    return found


def test_the_runbook_gives_scripts_only_the_options_that_they_know() -> None:
    calls = _calls_of_scripts()
    assert {"install", "upgrade", "rollback", "restore-bucket", "rotate-login", "add-user"} <= {
        name for name, _ in calls
    }
    for name, options in calls:
        # What a script knows stands above it.
        known = re.split(r"^set -euo|^import ", (BIN / name).read_text("utf-8"), maxsplit=1, flags=re.M)[0]
        assert not [one for one in options if one not in known.split() and f"[{one}" not in known.split()], name
    asked = [options for name, options in calls if name == "restore-bucket"]
    assert asked and all(set(options) - {"--apply"} == {"--bucket", "--prefix", "--at"} for options in asked)


def test_the_runbook_calls_commands_of_insiders_that_exist_and_as_the_services_do() -> None:
    there = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    called = [words for words in _commands() if "insiders" in words and "as-service" in " ".join(words)]
    assert called
    for words in called:
        assert words[:2] == ["sudo", "/opt/insiders/app/bin/as-service"] and words[2] == "insiders", words
        assert words[3] in there


def test_what_an_alarm_asks_for_can_be_typed_as_it_stands() -> None:
    section = (DEPLOY / "README.md").read_text("utf-8").partition("\n## Alarms")[2].partition("\n## ")[0]
    for span in re.findall(r"`([^`]+)`", section):
        assert span.split()[0] not in ("insiders", "as-service", "systemctl", "journalctl", "docker", "du"), span


# -- logins and certificates


def test_a_certificate_is_for_the_names_given_and_its_key_for_nobody_else(tmp_path: Path) -> None:
    _well("make-certificate", tmp_path, "insiders.example", "127.0.0.1")
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    told = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]
    assert told["subjectAltName"] == (("DNS", "insiders.example"), ("IP Address", "127.0.0.1"))
    assert key.stat().st_mode & 0o007 == 0
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    again = _run("make-certificate", tmp_path, "insiders.example")
    assert again.returncode == 1 and "there is one" in again.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"server.crt", "server.key"}


def test_a_password_comes_from_stdin_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    password = "correct horse battery"
    _well("add-user", "operators", "olga", said=f"{password}\n", FOLDER=str(tmp_path))
    name, hashed = (tmp_path / "operators.htpasswd").read_text().strip().split(":")
    salt = hashed.split("$")[2]
    command = ["openssl", "passwd", "-6", "-salt", salt, "-stdin"]
    computed = subprocess.run(command, input=f"{password}\n", capture_output=True, text=True, check=True)
    assert (name, hashed) == ("olga", computed.stdout.strip())
    # An operator may also look.
    assert (tmp_path / "viewers.htpasswd").read_text() == (tmp_path / "operators.htpasswd").read_text()
    assert (tmp_path / "operators.htpasswd").stat().st_mode & 0o007 == 0


def test_a_new_password_replaces_the_old_one_and_leaves_the_others(tmp_path: Path) -> None:
    for name, word in (("olga", "first password"), ("ol.a", "another password"), ("olga", "second password")):
        _well("add-user", "viewers", name, said=f"{word}\n", FOLDER=str(tmp_path))
    lines = (tmp_path / "viewers.htpasswd").read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == ["ol.a", "olga"]
    _well("add-user", "--remove", "olga", FOLDER=str(tmp_path))
    assert [line.split(":")[0] for line in (tmp_path / "viewers.htpasswd").read_text().splitlines()] == ["ol.a"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("viewers", "olga"), "short\n"),
        (("viewers", "olga"), ""),
        (("viewers", "ol:ga"), "a long enough password\n"),
        (("somebody", "olga"), "a long enough password\n"),
        (("viewers", "olga", "a long enough password"), ""),
    ],
)
def test_what_is_no_login_changes_nothing(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    assert _run("add-user", *arguments, said=said, FOLDER=str(tmp_path)).returncode in (1, 2)
    assert not list(tmp_path.iterdir())


# -- the databases


@pytest.fixture(scope="module")
def postgres(open_folder: Path) -> Iterator[dict[str, str]]:
    """Login of the master of a real server, as psql takes it."""
    with tcp_postgres(open_folder / "deploy-scripts") as url:
        found = urlsplit(url)
        yield {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(found.port),
            "PGUSER": str(found.username),
            "PGPASSWORD": unquote(str(found.password)),
            "PGSSLMODE": "disable",
        }


def _login(server: dict[str, str], user: str, password: str, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host=server["PGHOST"], port=server["PGPORT"], user=user, password=password, dbname=database, autocommit=True
    )


def _as_master(server: dict[str, str]) -> psycopg.Connection:
    return _login(server, server["PGUSER"], server["PGPASSWORD"], "postgres")


@pytest.fixture
def empty_server(postgres: dict[str, str]) -> Iterator[dict[str, str]]:
    """The server; what a test has made on it is gone at the end."""
    yield postgres
    with _as_master(postgres) as master:
        for name in ("insiders", "dagster"):
            master.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]
        for role in ("insiders", "metabase", "insiders_reader", "insiders_maker", "dagster", "rds_iam", "landlord"):
            master.execute(f"DROP ROLE IF EXISTS {role}")  # type: ignore[arg-type]


@needs_psql
def test_two_databases_whose_roles_cannot_enter_each_other(empty_server: dict[str, str]) -> None:
    said = _well("bootstrap-database", said="dagster's word\ninsiders' $word\n", **empty_server)
    assert "no role rds_iam" in said and "word" not in said.replace("password", "")
    for role, password in (("dagster", "dagster's word"), ("insiders", "insiders' $word")):
        with _login(empty_server, role, password, role) as connection:
            connection.execute("CREATE TABLE of_mine (number int)")
        other = {"dagster": "insiders", "insiders": "dagster"}[role]
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            _login(empty_server, role, password, other)


@needs_psql
def test_run_again_it_sets_the_password_anew_and_leaves_what_is_there(empty_server: dict[str, str]) -> None:
    _well("bootstrap-database", said="the first word\nof insiders\n", **empty_server)
    with _login(empty_server, "dagster", "the first word", "dagster") as connection:
        connection.execute("CREATE TABLE of_mine (number int)")
    # The secret of Secrets Manager, as it is.
    said = _well("bootstrap-database", said=json.dumps({"password": "the second word", "port": 1}), **empty_server)
    assert "were there" in said and "was given no password" in said
    with _login(empty_server, "dagster", "the second word", "dagster") as connection:
        connection.execute("SELECT FROM of_mine")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _login(empty_server, "dagster", "the first word", "dagster")
    _login(empty_server, "insiders", "of insiders", "insiders").close()


@pytest.fixture
def landlord(empty_server: dict[str, str]) -> dict[str, str]:
    """A master as on RDS: no superuser, but it may let others into rds_iam."""
    with _as_master(empty_server) as owner:
        owner.execute("CREATE ROLE rds_iam")
        owner.execute("CREATE ROLE landlord LOGIN CREATEROLE CREATEDB PASSWORD 'landlord'")
        owner.execute("GRANT rds_iam TO landlord WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    return {**empty_server, "PGUSER": "landlord", "PGPASSWORD": "landlord"}


def _members(server: dict[str, str], *roles: str) -> set[tuple[str, str]]:
    """Who belongs to these roles, with whatever option: RDS asks for none."""
    with _as_master(server) as owner:
        found = owner.execute(
            "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members"
            " WHERE roleid::regrole::text = ANY(%s)",
            [list(roles)],
        )
        return set(found.fetchall())  # type: ignore[arg-type]


# The landlord's is the test's own: on RDS the master may grant it without belonging to it.
IN_RDS_IAM = {("rds_iam", "insiders"), ("rds_iam", "landlord")}


@needs_psql
def test_where_iam_logs_in_the_master_stays_out_of_it(landlord: dict[str, str], empty_server: dict[str, str]) -> None:
    for word in ("first", "second"):
        assert "logs in by IAM" in _well("bootstrap-database", said=f"{word}\n", **landlord)
        assert _members(empty_server, "insiders", "rds_iam") == IN_RDS_IAM
    with _as_master(empty_server) as owner:
        owners = dict(
            owner.execute("SELECT datname, rolname FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba").fetchall()
        )
        assert owner.execute("SELECT FROM pg_roles WHERE rolname = 'insiders_maker'").fetchone() is None
    assert (owners["insiders"], owners["dagster"]) == ("insiders", "dagster")
    _login(empty_server, "dagster", "second", "dagster").close()


@needs_psql
@pytest.mark.parametrize("until", range(1, 7))
def test_interrupted_wherever_the_master_stays_out_of_it(
    landlord: dict[str, str], empty_server: dict[str, str], until: int
) -> None:
    steps = [
        ("landlord", "CREATE ROLE insiders_maker CREATEROLE"),
        ("landlord", "GRANT insiders_maker TO CURRENT_USER"),
        ("insiders_maker", "CREATE ROLE insiders LOGIN"),
        ("insiders_maker", "GRANT insiders TO SESSION_USER"),
        ("landlord", "CREATE DATABASE insiders"),
        ("landlord", "ALTER DATABASE insiders OWNER TO insiders"),
    ]
    with _login(empty_server, "landlord", "landlord", "postgres") as interrupted:
        for role, step in steps[:until]:
            interrupted.execute(f"SET ROLE {role}")  # type: ignore[arg-type]
            interrupted.execute(step)  # type: ignore[arg-type]
    _well("bootstrap-database", said="a word\n", **landlord)
    assert _members(empty_server, "insiders", "rds_iam") == IN_RDS_IAM


@needs_psql
def test_a_role_that_belongs_to_the_master_does_not_join_those_whom_iam_logs_in(
    landlord: dict[str, str], empty_server: dict[str, str]
) -> None:
    with _login(empty_server, "landlord", "landlord", "postgres") as by_hand:
        by_hand.execute("CREATE ROLE insiders LOGIN")
    refused = _run("bootstrap-database", said="a word\n", **landlord)
    assert refused.returncode != 0 and "does not join rds_iam" in refused.stderr
    assert ("rds_iam", "insiders") not in _members(empty_server, "rds_iam")


@needs_psql
@pytest.mark.parametrize("master", ["owner", "landlord"])
def test_insiders_can_become_somebody_who_only_reads(
    request: pytest.FixtureRequest, empty_server: dict[str, str], master: str
) -> None:
    server = request.getfixturevalue("landlord") if master == "landlord" else empty_server
    for _ in range(2):
        _well("bootstrap-database", said="a word\n", **server)
    assert ("insiders_reader", "insiders") in _members(empty_server, "insiders_reader")
    with _as_master(empty_server) as owner:
        owner.execute("ALTER ROLE insiders PASSWORD 'insiders'")
        assert owner.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'insiders_reader'").fetchone() == (
            False,
        )
    with _login(empty_server, "insiders", "insiders", "insiders") as connection:
        connection.execute("CREATE TABLE of_mine (number int)")
        connection.execute("GRANT SELECT ON of_mine TO insiders_reader")
        connection.execute("SET ROLE insiders_reader")
        connection.execute("SELECT FROM of_mine")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO of_mine VALUES (1)")


@needs_psql
@pytest.mark.parametrize("master", ["owner", "landlord"])
def test_a_tool_of_ones_own_comes_in_as_the_runbook_says_and_only_reads(
    request: pytest.FixtureRequest, empty_server: dict[str, str], master: str
) -> None:
    server = request.getfixturevalue("landlord") if master == "landlord" else empty_server
    _well("bootstrap-database", said="a word\n", **server)
    (made,) = re.findall(r"`(CREATE ROLE metabase [^`]+)`", (DEPLOY / "README.md").read_text("utf-8"))
    with _as_master(server) as by_master:
        by_master.execute(made.replace("'…'", "'of metabase'"))
    with _as_master(empty_server) as owner:
        owner.execute("ALTER ROLE insiders PASSWORD 'insiders'")
    with _login(empty_server, "insiders", "insiders", "insiders") as connection:
        # As the first run does.
        prepare_schema(connection, [])
    with _login(empty_server, "metabase", "of metabase", "insiders") as connection:
        connection.execute("SELECT FROM insiders.published_versions")
        for change in ("DELETE FROM insiders.published_versions", "CREATE TABLE insiders.mine (number int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(change)  # type: ignore[arg-type]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        _login(empty_server, "metabase", "of metabase", "dagster")


@needs_psql
def test_without_a_password_nothing_is_made(empty_server: dict[str, str]) -> None:
    for said in ("", "\n", "{}", "péssword\n"):
        assert _run("bootstrap-database", said=said, **empty_server).returncode == 1
    with _as_master(empty_server) as master:
        assert master.execute("SELECT count(*) FROM pg_roles WHERE rolname = 'dagster'").fetchone() == (0,)


@needs_psql
def test_the_password_itself_is_never_sent(empty_server: dict[str, str]) -> None:
    with _as_master(empty_server) as master:
        master.execute("ALTER ROLE owner SET log_min_duration_statement = 0")
    spy = shutil.which("psql")
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / uuid.uuid4().hex
    folder.mkdir()
    try:
        _stand_in(folder, "psql", f'tee "{folder}/sent" | exec {spy} "$@"\necho "$@" >> "{folder}/sent"')
        _well("bootstrap-database", said="a word to look for\nand another\n", path=folder, **empty_server)
        sent = (folder / "sent").read_text()
        assert "SCRAM-SHA-256$4096:" in sent and "a word to" not in sent and "another" not in sent
    finally:
        shutil.rmtree(folder)


# -- a new login for Dagster's storage


def _stand_in(folder: Path, name: str, does: str) -> None:
    folder.mkdir(exist_ok=True)
    place = folder / name
    place.write_text(f"#!/usr/bin/env bash\n{does}\n")
    place.chmod(0o755)


@dataclass
class Box:
    """Another root with a release in it, and stand-ins of the programs that act on a box."""

    root: Path
    programs: Path

    @property
    def asked(self) -> list[str]:
        """What systemd, docker and the scripts of the release were asked, in order."""
        place = self.root / "asked"
        return place.read_text().splitlines() if place.exists() else []

    @property
    def done(self) -> list[str]:
        """The same without what only looks."""
        return [line for line in self.asked if not re.match(r"systemctl (is-active|show) ", line)]

    def forget(self) -> None:
        (self.root / "asked").unlink(missing_ok=True)

    def run(
        self, name: str, *arguments: object, checkout: Path = ROOT, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        script = checkout / "deploy/bin" / name
        command = [*(() if os.access(script, os.X_OK) else ("bash",)), script, *map(str, arguments)]
        environment = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}", "ROOT": str(self.root)}
        return subprocess.run(
            command,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    def install(self, *arguments: object, checkout: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return self.run("install", "--root", self.root, *arguments, checkout=checkout)

    def image(self) -> str:
        return (self.root / "etc/insiders/image.env").read_text().strip()

    def release(self, link: str) -> str:
        return (self.root / "opt/insiders" / link).readlink().name

    def answer(self, codes: Mapping[str, int] = MappingProxyType({})) -> None:
        """What systemd and docker end with, by words of their command; otherwise well."""
        cases = "".join(f"*'{word}'*) exit {code} ;; " for word, code in codes.items())
        for program in ("systemctl", "systemd-run", "docker"):
            _stand_in(self.programs, program, f'echo "{program} $*" >> {self.root}/asked\ncase "$*" in {cases}esac')


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A box with one release of an image."""
    made = Box(tmp_path / "root", tmp_path / "programs")
    made.answer()
    done = made.install("--image", "insiders:1")
    assert done.returncode == 0, done.stderr
    # Nothing is started.
    assert made.asked == [f"systemctl --quiet --root={made.root} enable insiders.target"]
    made.forget()
    return made


def test_installing_twice_is_installing_once(box: Box) -> None:
    before = sorted((path.relative_to(box.root), path.lstat().st_mode) for path in box.root.rglob("*"))
    done = box.install("--image", "insiders:1")
    assert done.returncode == 0 and "is there already" in done.stdout
    box.forget()
    after = sorted((path.relative_to(box.root), path.lstat().st_mode) for path in box.root.rglob("*"))
    assert after == before
    other = box.install("--image", "insiders:2")
    assert other.returncode == 1 and "upgrade" in other.stderr


def _checkout(folder: Path) -> Path:
    """What an installation needs of this checkout, as it comes through a bucket: nobody may execute anything."""
    for name in ("deploy", "notebooks"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "insiders_assets").mkdir()
    (folder / "insiders_assets/of_now.py").touch()
    for name in ("setup.py", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o600)
    return folder


def test_a_checkout_that_came_through_a_bucket_can_be_installed(tmp_path: Path) -> None:
    box, checkout = Box(tmp_path / "root", tmp_path / "programs"), _checkout(tmp_path / "checkout")
    box.answer()
    done = box.install("--image", "insiders:1", checkout=checkout)
    assert done.returncode == 0, done.stderr
    app = box.root / "opt/insiders/app"
    assert all(os.access(app / "bin" / path.name, os.X_OK) for path in BIN.iterdir() if path.is_file())
    assert (app / "workspace.yaml").stat().st_mode & 0o777 == 0o644
    # What was installed without them is mended by installing again.
    (app / "bin/liveness").chmod(0o644)
    (app / "bin/drain").touch()
    done = box.install("--image", "insiders:1", checkout=checkout)
    assert done.returncode == 0 and "is there already" in done.stdout, done.stderr
    assert os.access(app / "bin/liveness", os.X_OK) and not (app / "bin/drain").exists()


# As `python`: makes a virtual environment whose `python` is this again, notes what pip installs and does as pip does.
PYTHON = r"""case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  *"pip install"*) for place; do :; done; place=${place%%\[*}
    (cd "$place" && find . -type f | sort) > %s/installed
    mkdir -p "$place/build/lib"; touch "$place/build/lib/gone.py" ;;
  -c*) echo head ;;
esac"""


def test_what_an_installation_before_has_left_in_the_checkout_is_not_installed(tmp_path: Path) -> None:
    box, checkout = Box(tmp_path / "root", tmp_path / "programs"), _checkout(tmp_path / "checkout")
    box.answer()
    _stand_in(box.programs, "python-of-test", PYTHON % tmp_path)
    for folder in ("build/lib/insiders_assets", "insiders_assets.egg-info"):
        (checkout / folder).mkdir(parents=True)
        (checkout / folder / "of_before.py").touch()
    before = sorted(checkout.rglob("*"))
    done = box.install("--python", "python-of-test", checkout=checkout)
    assert done.returncode == 0, done.stderr
    installed = (tmp_path / "installed").read_text()
    assert "./insiders_assets/of_now.py" in installed and "./setup.py" in installed
    assert "of_before" not in installed and "egg-info" not in installed
    assert sorted(checkout.rglob("*")) == before
    assert not (box.root / "opt/insiders/current/checkout").exists()


def test_the_units_stay_out_of_the_boot_for_whoever_starts_the_services_otherwise(box: Box) -> None:
    done = box.install("--no-enable", "--image", "insiders:1")
    assert done.returncode == 0, done.stderr
    assert box.asked == [f"systemctl --quiet --root={box.root} disable insiders.target"]


def test_units_of_the_release_before_go_and_an_operators_drop_ins_stay(box: Box) -> None:
    units = box.root / "etc/systemd/system"
    (units / "insiders-of-before.service").touch()
    (units / "insiders-of-before.service.d").mkdir()
    for name in ("container.conf", "mine.conf"):
        (units / "insiders-of-before.service.d" / name).touch()
    assert box.install("--image", "insiders:1").returncode == 0
    assert not (units / "insiders-of-before.service").exists()
    assert [path.name for path in (units / "insiders-of-before.service.d").iterdir()] == ["mine.conf"]
    assert (units / "insiders-code.service.d/container.conf").is_file()


def test_what_is_installed_is_where_the_units_look_for_it(box: Box) -> None:
    assert (box.root / "opt/insiders/app/bin/liveness").is_file()
    assert (box.root / "opt/insiders/app/workspace.yaml").is_file()
    units = box.root / "etc/systemd/system"
    assert (units / "insiders.target").is_file() and (units / "insiders-.service.d/common.conf").is_file()
    assert (units / "insiders-code.service.d/container.conf").is_file()
    assert (units / "insiders-code.service.d/memory.conf").is_file()
    assert box.image() == "IMAGE=insiders:1"
    settings = box.root / "etc/insiders/insiders.env"
    assert settings.stat().st_mode & 0o777 == 0o640
    assert os.access(box.root / "opt/insiders/app/bin/proxy-configuration", os.X_OK)
    if os.geteuid() == 0:
        assert (settings.stat().st_uid, settings.stat().st_gid) == (0, 10001)
        assert (box.root / "var/lib/insiders").stat().st_uid == 10001


def test_what_an_operator_has_set_survives(box: Box) -> None:
    memory = box.root / "etc/systemd/system/insiders-code.service.d/memory.conf"
    memory.write_text("[Service]\nMemoryMax=9G\n")
    settings = box.root / "etc/insiders/insiders.env"
    settings.write_text("OPERATORS_PORT=4443\n")
    assert box.run("upgrade", "--image", "insiders:2").returncode == 0
    assert memory.read_text() == "[Service]\nMemoryMax=9G\n"
    assert settings.read_text() == "OPERATORS_PORT=4443\n"


def test_the_proxys_configuration_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "nginx.conf"
    _well("proxy-configuration", "--to", place, OPERATORS_PORT="4443", WEB_PORT="3100")
    assert "listen 4443 ssl" in place.read_text() and "server 127.0.0.1:3100;" in place.read_text()
    refused = _run("proxy-configuration", "--to", place, OPERATORS_PORT="https")
    assert refused.returncode == 2 and "OPERATORS_PORT is no port" in refused.stderr
    assert "listen 4443 ssl" in place.read_text() and [path.name for path in tmp_path.iterdir()] == ["nginx.conf"]


def test_an_upgrade_waits_for_runs_before_it_switches_and_restarts(box: Box) -> None:
    before = box.release("current")
    done = box.run("upgrade", "--image", "insiders:2", "--wait", "60")
    assert done.returncode == 0, done.stderr
    assert box.image() == "IMAGE=insiders:2"
    assert box.release("previous") == before != box.release("current")
    first, stop, drain, restart, look = box.done
    assert "/liveness --since " in first
    assert stop == "systemctl stop insiders-liveness.timer insiders-daemon.service"
    # By the release that runs the runs; and whether all answer by the new one.
    assert drain.startswith("docker run ") and drain.endswith(" insiders:1 insiders drain --wait 60")
    assert restart == "systemctl restart insiders.target"
    assert look.startswith("systemd-run ") and re.search(r"/liveness --since \d+ --wait 420$", look)
    # What ran before is kept for the way back, image and all.
    assert before in (path.name for path in (box.root / "opt/insiders/releases").iterdir())


def test_runs_that_do_not_finish_in_time_are_left_alone_and_so_is_everything_else(box: Box) -> None:
    before = box.release("current")
    box.answer({"insiders drain": 8})
    done = box.run("upgrade", "--image", "insiders:2", "--wait", "60")
    assert done.returncode == 1 and "nothing was changed" in done.stderr
    assert (box.release("current"), box.image()) == (before, "IMAGE=insiders:1")
    assert box.asked[-1] == "systemctl start insiders-daemon.service insiders-liveness.timer"
    assert not any("systemctl restart" in line for line in box.asked)


def test_an_upgrade_that_does_not_answer_says_what_to_do_and_the_way_back_works(box: Box) -> None:
    before = box.release("current")
    box.answer({"--wait 420": 1})
    done = box.run("upgrade", "--image", "insiders:2")
    assert done.returncode == 1 and "bin/rollback" in done.stderr and "journalctl" in done.stderr
    box.answer()
    back = box.run("rollback")
    assert back.returncode == 0, back.stderr
    assert (box.release("current"), box.image()) == (before, "IMAGE=insiders:1")


def test_there_is_no_way_back_over_a_migration_without_a_restored_database(box: Box) -> None:
    assert box.run("upgrade", "--image", "insiders:2").returncode == 0
    (box.root / "opt/insiders/current/schema").write_text("newer\n")
    box.forget()
    refused = box.run("rollback")
    assert refused.returncode == 1 and "snapshot" in refused.stderr
    assert box.image() == "IMAGE=insiders:2" and not box.asked
    assert box.run("rollback", "--database-restored").returncode == 0
    assert box.image() == "IMAGE=insiders:1"
    # Runs of a database that is gone are not waited for, neither here nor by the stop of the code server.
    assert [line for line in box.done if "systemd-run" not in line] == [
        "systemctl stop insiders-liveness.timer insiders-daemon.service",
        "systemctl kill --signal=SIGKILL insiders-code.service",
        "systemctl restart insiders.target",
    ]


def test_a_unit_that_is_not_active_is_no_upgrade_that_went_well(box: Box) -> None:
    box.answer({"is-active --quiet insiders-proxy": 3})
    done = box.run("upgrade", "--image", "insiders:2")
    assert done.returncode == 1 and "insiders-proxy.service is not active" in done.stdout
    box.answer({"restart insiders.target": 1})
    assert box.run("upgrade", "--image", "insiders:3").returncode == 1
    assert "systemctl restart insiders.target" in box.done[-1]


def test_a_unit_that_a_release_has_not_is_asked_of_no_one_and_goes_on_the_way_back(box: Box) -> None:
    first = box.release("current")
    dashboard = box.root / "etc/systemd/system/insiders-dashboard.service"
    for place in (box.root / "opt/insiders/current/app/systemd").rglob("insiders-dashboard.service*"):
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    box.answer({"is-active --quiet insiders-dashboard": 3})
    assert box.run("upgrade", "--image", "insiders:2").returncode == 1
    # Of before the dashboard, and yet it has answered.
    assert (box.release("previous"), dashboard.exists()) == (first, True)
    back = box.run("rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert box.release("current") == first and not dashboard.exists()


# What runs does not answer; what is started next does.
STILL_BROKEN = {"--wait 420": 0, "--since": 1}


def test_the_way_back_leads_to_the_newest_release_that_has_answered(box: Box) -> None:
    first = box.release("current")
    box.answer({"--wait 420": 1})
    assert box.run("upgrade", "--image", "insiders:2").returncode == 1
    second = box.release("current")
    box.answer(STILL_BROKEN)
    box.forget()
    assert box.run("upgrade", "--image", "insiders:3").returncode == 0
    third = box.release("current")
    assert box.release("previous") == first
    assert {path.name for path in (box.root / "opt/insiders/releases").iterdir()} == {first, third} != {second}
    # With a release goes its image, and no other.
    assert [line for line in box.done if "image rm" in line] == ["docker image rm insiders:2"]
    back = box.run("rollback")
    assert back.returncode == 0 and f"forward to {third}" in back.stdout
    assert (box.release("current"), box.release("previous")) == (first, third)


def test_to_a_release_that_has_never_answered_no_way_leads(box: Box) -> None:
    first = box.release("current")
    box.answer({"--wait 420": 1})
    box.run("upgrade", "--image", "insiders:2")
    box.answer()
    back = box.run("rollback")
    assert back.returncode == 0 and "forward" not in back.stdout
    again = box.run("rollback")
    assert again.returncode == 1 and "has answered" in again.stderr
    assert box.release("current") == first


def test_an_image_that_another_release_has_too_is_kept(box: Box) -> None:
    releases = box.root / "opt/insiders/releases"
    (releases / "of-before").mkdir()
    (releases / "of-before/image").write_text("insiders:1\n")
    assert box.run("upgrade", "--image", "insiders:2").returncode == 0
    assert not (releases / "of-before").exists() and not any("image rm" in line for line in box.done)


def test_an_upgrade_that_did_not_answer_is_tried_once_more(box: Box) -> None:
    box.answer({"--wait 420": 1})
    assert box.run("upgrade", "--image", "insiders:2").returncode == 1
    tried = box.release("current")
    box.answer(STILL_BROKEN)
    box.forget()
    again = box.run("upgrade", "--image", "insiders:2")
    assert again.returncode == 0 and "has not answered yet" in again.stdout, again.stderr
    assert box.release("current") == tried and "systemctl restart insiders.target" in box.done
    assert "nothing to do" in box.run("upgrade", "--image", "insiders:2").stdout


def test_the_same_again_is_no_upgrade(box: Box) -> None:
    done = box.run("upgrade", "--image", "insiders:1")
    assert done.returncode == 0 and "nothing to do" in done.stdout
    # Nobody has looked yet since it was installed; then somebody has.
    assert len(box.done) == 1 and "/liveness --since " in box.done[0]
    box.forget()
    assert "nothing to do" in box.run("upgrade", "--image", "insiders:1").stdout and not box.asked


def test_where_no_code_server_runs_there_is_nothing_to_wait_for(box: Box) -> None:
    box.answer({"is-active --quiet insiders-code": 3})
    box.run("upgrade", "--image", "insiders:2")
    assert box.image() == "IMAGE=insiders:2" and not any("drain" in line for line in box.asked)


def test_that_nobody_could_say_whether_runs_are_under_way_is_told_as_that(box: Box) -> None:
    box.answer({"insiders drain": 6})
    done = box.run("upgrade", "--image", "insiders:2")
    assert done.returncode == 1 and "could not be told (exit code 6" in done.stderr
    assert box.image() == "IMAGE=insiders:1" and "start insiders-daemon" in box.asked[-1]


@pytest.mark.parametrize("sent", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_session_that_is_lost_while_runs_finish_leaves_all_as_it_was(box: Box, sent: signal.Signals) -> None:
    _stand_in(
        box.programs, "docker", f'echo "docker $*" >> {box.root}/asked\ncase "$*" in *drain*) exec sleep 60 ;; esac'
    )
    environment = {**os.environ, "PATH": f"{box.programs}:{os.environ['PATH']}", "ROOT": str(box.root)}
    command = [BIN / "upgrade", "--image", "insiders:2"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as upgrade:
        while not any("drain" in line for line in box.asked):
            assert upgrade.poll() is None
            time.sleep(0.05)
        upgrade.send_signal(sent)
        _, said = upgrade.communicate(timeout=20)
    assert upgrade.returncode == 1 and "interrupted, so nothing was changed" in said
    assert box.asked[-1] == "systemctl start insiders-daemon.service insiders-liveness.timer"
    assert box.image() == "IMAGE=insiders:1"


def _gives_form(box: Box, release: str, *known: str) -> None:
    """What a release knows of Dagster's database; the first is what it brings."""
    (box.root / "opt/insiders/releases" / release / "schema").write_text(f"{known[0]}\n{' '.join(known)}\n")


def test_a_new_form_of_the_database_wants_a_snapshot_first(box: Box) -> None:
    _gives_form(box, box.release("current"), "older")
    # One that was made before, and waits for the snapshot.
    refused = box.run("upgrade", "--image", "insiders:2")
    assert refused.returncode == 1 and "does not know" in refused.stderr
    (ready,) = {path.name for path in (box.root / "opt/insiders/releases").iterdir()} - {box.release("current")}
    _gives_form(box, ready, "newer", "older")
    refused = box.run("upgrade", "--image", "insiders:2")
    assert refused.returncode == 1 and "--snapshot-made" in refused.stderr
    assert box.image() == "IMAGE=insiders:1" and not any("drain" in line for line in box.asked)
    assert box.run("upgrade", "--image", "insiders:2", "--snapshot-made").returncode == 0
    assert box.release("current") == ready
    # Forward over the change goes what knows the form of before; back does not.
    assert box.run("rollback").returncode == 1
    assert box.run("rollback", "--database-restored").returncode == 0
    assert box.run("rollback").returncode == 0
    assert box.release("current") == ready


def test_a_release_says_which_forms_of_the_database_it_brings_and_knows(tmp_path: Path) -> None:
    (tmp_path / "venv").symlink_to(sys.prefix)
    command = ["bash", "-euc", f'. "{BIN}/releases.sh"; schema_of "{tmp_path}"']
    brings, knows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert re.fullmatch("[0-9a-f]{12}", brings)
    assert brings in knows.split() and len(knows.split()) > 20


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
            _login(self.server, "dagster", password, "dagster").close()
        except psycopg.OperationalError:
            return False
        return True


@pytest.fixture
def login(box: Box, empty_server: dict[str, str], s3: S3, monkeypatch: pytest.MonkeyPatch) -> Login:
    _well("bootstrap-database", said="the old password\n", **empty_server)
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
    _stand_in(login.box.programs, "aws", f'case "$*" in *update-secret*) exit 254 ;; esac\nexec {real} "$@"')
    done = login.rotate()
    assert done.returncode == 1 and "the old one counts again" in done.stderr
    assert login.password() == "the old password" and login.logs_in("the old password")
    assert login.box.asked[-1] == "systemctl start insiders.target"


@needs_aws
@needs_psql
def test_a_missing_right_shows_before_anything_stops(login: Login) -> None:
    real = shutil.which("aws")
    _stand_in(login.box.programs, "aws", f'case "$*" in *put-secret*) exit 254 ;; esac\nexec {real} "$@"')
    done = login.rotate()
    assert done.returncode == 1 and "nothing was changed" in done.stderr and not login.box.asked
    assert login.password() == "the old password" and login.logs_in("the old password")


@needs_aws
@needs_psql
def test_a_connection_that_is_lost_after_the_change_does_not_take_it_back(login: Login) -> None:
    real = shutil.which("psql")
    lost = f'{real} "$@"\nended=$?\ncase "$*" in *--command*) exit $ended ;; *) exit 2 ;; esac'
    _stand_in(login.box.programs, "psql", lost)
    done = login.rotate()
    assert done.returncode == 0, done.stderr
    assert login.password() != "the old password" and login.logs_in(login.password())


@needs_aws
@needs_psql
def test_a_secret_that_does_not_log_in_stops_nothing(login: Login) -> None:
    with _as_master(login.server) as master:
        master.execute("ALTER ROLE dagster PASSWORD 'another'")
    done = login.rotate()
    assert done.returncode == 1 and "nothing was changed" in done.stderr and not login.box.asked
    assert login.logs_in("another")


# -- units that fail or hang


def test_a_unit_that_has_failed_is_told_in_one_sentence_and_without_what_it_said(tmp_path: Path) -> None:
    _stand_in(tmp_path, "systemctl", "echo failed")
    _stand_in(tmp_path, "aws", f'printf "%s\\n" "$@" > {tmp_path}/sent')
    topic = "arn:aws:sns:eu-central-1:123456789012:insiders"
    page = {"INSIDERS_NOTIFY_TOPIC": topic, "INSIDERS_PAGE": "https://insiders.example"}
    _well("tell-failure", "insiders-code", path=tmp_path, **page)
    sent = (tmp_path / "sent").read_text().splitlines()
    assert sent[:2] == ["sns", "publish"] and sent[sent.index("--region") + 1] == "eu-central-1"
    assert sent[sent.index("--topic-arn") + 1] == topic
    words = sent[sent.index("--message") + 1]
    assert (
        "insiders-code has failed" in words
        and "journalctl -u insiders-code" in words
        and page["INSIDERS_PAGE"] in words
    )


def test_a_unit_that_only_missed_what_it_needs_is_not_told(tmp_path: Path) -> None:
    _stand_in(tmp_path, "systemctl", "echo inactive")
    _stand_in(tmp_path, "aws", f"touch {tmp_path}/sent")
    topic = "arn:aws:sns:eu-central-1:123456789012:insiders"
    _well("tell-failure", "insiders-web", path=tmp_path, INSIDERS_NOTIFY_TOPIC=topic)
    assert not (tmp_path / "sent").exists()


@pytest.fixture
def liveness(tmp_path: Path) -> Callable[..., tuple[list[str], str]]:
    """Let liveness count with some services silent, then let it act; gives what was restarted, and what it said."""
    notes = tmp_path / "notes"
    notes.mkdir()

    def look(silent: str = "", inactive: str = "none", surroundings: int = 0) -> tuple[list[str], str]:
        asked = tmp_path / "asked"
        asked.unlink(missing_ok=True)
        _stand_in(
            tmp_path / "programs",
            "systemctl",
            f'[ "$1" = restart ] && echo "$3" >> {asked}; case "$*" in *is-active*{inactive}*) exit 3 ;; esac; exit 0',
        )
        dead = {
            "web": "*:3000/*",
            "web-readonly": "*:3001/*",
            "dashboard": "*:8501/pages/_stcore/health*",
            "proxy": "*https://*:443/*",
        }.get(silent, "nothing")
        _stand_in(tmp_path / "programs", "curl", f'case "$*" in {dead}) exit 7 ;; esac')
        _stand_in(tmp_path / "programs", "dagster", f"exit {int(silent == 'code')}")
        _stand_in(tmp_path / "programs", "dagster-daemon", f"exit {int(silent == 'daemon')}")
        _stand_in(tmp_path / "programs", "insiders", f"exit {surroundings}")
        said = _well("liveness", "--count", notes, path=tmp_path / "programs")
        said += _well("liveness", "--restart", notes, path=tmp_path / "programs")
        return asked.read_text().split() if asked.exists() else [], said

    return look


@pytest.mark.parametrize("service", ["code", "web", "web-readonly", "dashboard", "daemon", "proxy"])
def test_a_service_silent_three_times_in_a_row_is_restarted(liveness: Callable, service: str) -> None:
    assert [liveness(service)[0] for _ in range(4)] == [[], [], [f"insiders-{service}.service"], []]


def test_a_service_that_answers_in_between_is_left_alone(liveness: Callable) -> None:
    assert [liveness(silent)[0] for silent in ("web", "web", "", "web", "web")] == [[]] * 5


def test_a_service_that_somebody_has_stopped_is_left_alone(liveness: Callable) -> None:
    assert [liveness("web", inactive="insiders-web")[0] for _ in range(4)] == [[]] * 4


def test_a_daemon_is_not_to_blame_for_a_database_that_is_away(liveness: Callable) -> None:
    looks = [liveness("daemon", surroundings=6) for _ in range(4)]
    assert [restarted for restarted, _ in looks] == [[]] * 4
    assert "left alone" in looks[0][1]


def test_a_heartbeat_of_the_daemon_before_a_moment_is_none_of_the_daemon_after_it(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    began = int(time.time())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        for kind in instance.get_required_daemon_types():
            # A minute later than the moment: Dagster's clock counts when the command has started, which takes seconds.
            instance.add_daemon_heartbeat(DaemonHeartbeat(float(began + 60), kind, "daemon", []))
    found = {"DAGSTER_HOME": str(tmp_path), "path": Path(sys.executable).parent}
    assert "answering: daemon" in _well("liveness", "--since", began, "daemon", **found)
    refused = _run("liveness", "--since", began + 61, "daemon", **found)  # type: ignore[arg-type]
    assert refused.returncode == 1 and "no answer from daemon" in refused.stderr
    # Without the moment Dagster's half an hour holds.
    _well("liveness", "daemon", **found)


def test_notes_that_are_no_numbers_do_nothing(liveness: Callable, tmp_path: Path) -> None:
    (tmp_path / "notes" / "web").write_text("3; reboot\n")
    (tmp_path / "notes" / "anything").write_text("9\n")
    done = _run("liveness", "--restart", tmp_path / "notes", path=tmp_path / "programs")
    assert (done.returncode, done.stdout) == (0, "")


# -- the bucket


@dataclass
class Bucket:
    """A versioned bucket whose objects have been written at known moments."""

    name: str

    @property
    def client(self):
        return boto3.client("s3")

    def put(self, key: str, text: str) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=text.encode())

    def contents(self, prefix: str = "") -> dict[str, str]:
        keys = [one["Key"] for one in self.client.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", [])]
        return {key: self.client.get_object(Bucket=self.name, Key=key)["Body"].read().decode() for key in keys}

    def versions(self) -> int:
        found = self.client.list_object_versions(Bucket=self.name)
        return len(found.get("Versions", []))

    def restore(self, at: dt.datetime, *more: str, prefix: str = "lake/") -> Said:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = _restore_bucket().main(["--bucket", self.name, "--prefix", prefix, "--at", at.isoformat(), *more])
        return Said(code, out.getvalue(), err.getvalue())


@functools.cache
def _restore_bucket() -> ModuleType:
    """The script as a module: started anew each time, boto3 would take most of the seconds."""
    loader = SourceFileLoader("restore_bucket", str(BIN / "restore-bucket"))
    script = importlib.util.module_from_spec(importlib.util.spec_from_loader("restore_bucket", loader))
    sys.modules[script.__name__] = script  # dataclasses look their module up
    loader.exec_module(script)
    return script


def _now() -> dt.datetime:
    """A moment after everything written so far, before everything written later; S3 counts whole seconds."""
    time.sleep(1.1)
    moment = dt.datetime.now(dt.UTC)
    time.sleep(1.1)
    return moment


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    made = Bucket(f"restored-{uuid.uuid4().hex[:12]}")
    made.client.create_bucket(Bucket=made.name)
    made.client.put_bucket_versioning(Bucket=made.name, VersioningConfiguration={"Status": "Enabled"})
    return made


def test_a_bucket_comes_back_to_a_moment_and_from_there_to_the_one_before(bucket: Bucket) -> None:
    then = {"lake/manifests/t/1.json": "one", "lake/t/1/a.parquet": "a", "lake/gone": "was here", "lake/same": "same"}
    for key, text in then.items():
        bucket.put(key, text)
    bucket.put("elsewhere", "then")
    moment = _now()
    bucket.put("lake/manifests/t/1.json", "two")
    bucket.put("lake/manifests/t/2.json", "new")
    bucket.put("lake/t/1/b.parquet", "b")
    bucket.put("lake/same", "changed")
    bucket.put("lake/same", "same")
    bucket.put("elsewhere", "now")
    bucket.client.delete_object(Bucket=bucket.name, Key="lake/gone")
    later, moment_after, versions = bucket.contents(), _now(), bucket.versions()

    told = bucket.restore(moment)
    assert told.code == 0, told.err
    assert "Would be: 2 restored, 2 removed, 2 left as they are" in told.out
    assert (bucket.contents(), bucket.versions()) == (later, versions)

    done = bucket.restore(moment, "--apply")
    assert done.code == 0 and "2 restored, 2 removed" in done.out, done.err
    assert bucket.contents("lake/") == then and bucket.contents("elsewhere") == {"elsewhere": "now"}
    # Nobody reads a manifest without its objects: those come first and go last.
    lines = [line.split("  ")[1] for line in done.out.splitlines()[:-1]]
    order = ["lake/gone", "lake/manifests/t/1.json", "lake/manifests/t/2.json", "lake/t/1/b.parquet"]
    assert lines == order
    assert bucket.versions() == versions + 2
    again = bucket.restore(moment, "--apply")
    assert "0 restored, 0 removed, 6 left" in again.out

    assert bucket.restore(moment_after, "--apply").code == 0
    assert bucket.contents() == later


def test_a_key_whose_versions_stand_on_several_pages_is_judged_once(bucket: Bucket) -> None:
    for number in range(7):
        for key in ("lake/a", "lake/b"):
            bucket.put(key, str(number))
    bucket.client.delete_object(Bucket=bucket.name, Key="lake/a")
    client = bucket.client
    # A page has a thousand entries; a smaller one is the same but for the number.
    client.meta.events.register(
        "before-parameter-build.s3.ListObjectVersions", lambda params, **_: params.update(MaxKeys=3)
    )
    found = list(_restore_bucket().entries(client, bucket.name, "lake/"))
    assert [(history[0].key, len(history), history[0].marker) for history in found] == [
        ("lake/a", 8, True),
        ("lake/b", 7, False),
    ]


def test_what_cannot_be_known_is_not_restored(bucket: Bucket) -> None:
    bucket.put("lake/a", "a")
    now = dt.datetime.now(dt.UTC)
    assert "is not past" in bucket.restore(now + dt.timedelta(hours=1)).err
    with pytest.raises(SystemExit, match="2"):  # without its offset a moment is none
        bucket.restore(dt.datetime(2025, 3, 1, 6))  # noqa: DTZ001
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}}
    bucket.client.put_bucket_lifecycle_configuration(
        Bucket=bucket.name,
        LifecycleConfiguration={"Rules": [{**rule, "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}]},
    )
    long_ago = now - dt.timedelta(days=31)
    refused = bucket.restore(long_ago, "--apply")
    assert refused.code == 1 and "kept for 30 days" in refused.err and bucket.contents() == {"lake/a": "a"}
    assert bucket.restore(long_ago, "--anyway").code == 0
    plain = Bucket(f"plain-{uuid.uuid4().hex[:12]}")
    plain.client.create_bucket(Bucket=plain.name)
    assert "not versioned" in plain.restore(long_ago).err


def test_a_verifier_is_what_postgresql_itself_would_make() -> None:
    said = _well("scram-verifier", said="pencil\n").strip()
    iterations, salt, stored, server = re.fullmatch(r"SCRAM-SHA-256\$(\d+):(\S+)\$(\S+):(\S+)", said).groups()
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode(salt), int(iterations))
    client = hmac.new(salted, b"Client Key", "sha256").digest()
    assert base64.b64decode(stored) == hashlib.sha256(client).digest()
    assert base64.b64decode(server) == hmac.new(salted, b"Server Key", "sha256").digest()
