"""The production set-up on one machine, started from its own files: the units' commands, the proxy's template, the
instance's configuration; a PostgreSQL over TCP with TLS and a password, and Amazon's protocols from moto.

Belongs here: reading the files of `deploy/` as systemd would, and starting and ending what they name. Does not belong
here: what a test expects.

Of systemd's own work only this much is done here: variables from EnvironmentFile= are put into the commands, and
ExecStartPre= runs before ExecStart=. Sandboxing is looked at by `test_units`.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from insiders_assets.storage.objects import ObjectStore, open_store
from insiders_tests.deploy import units
from insiders_tests.deploy.tls_database import Database, database_with_tls, postgres_programs
from insiders_tests.deploy.units import DEPLOY
from insiders_tests.servers import S3, Subscriber, free_port

PROGRAMS = Path(sys.executable).parent
VENV_ON_THE_BOX, APP_ON_THE_BOX = "/opt/insiders/venv/bin", "/opt/insiders/app"
SECONDS_TO_START = 240
# A shop of a few months, the whole way without UMAP and TensorFlow, and files that count as soon as they are there.
QUICK = {
    "INSIDERS_FIRST_MONTH": "2024-01",
    "INSIDERS_MIN_CLUSTERABLE": "1000",
    "INSIDERS_QUIET_SECONDS": "0",
}
LOGIN = {"operators": ("olga", "an operator's word"), "viewers": ("victor", "a viewer's word")}
DASHBOARD = "insiders-dashboard"
STARTED_IN_ORDER = (
    "insiders-secrets",
    "insiders-migrate",
    "insiders-code",
    "insiders-web",
    "insiders-web-readonly",
    DASHBOARD,
)
DAEMON = "insiders-daemon"
SECRETS = "/run/insiders/secrets.env"
NEEDED = [
    pytest.mark.skipif(postgres_programs() is None, reason="no PostgreSQL with TLS is on this machine (postgresql)"),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not on this machine"),
]


class AnsweredWithAnError(OSError):
    """What the page says when something behind it does not answer: whoever waits asks again."""


@dataclass
class Answer:
    """What the proxy, or a server behind it, has said."""

    status: int
    headers: dict[str, str]
    body: str


def _heeding_interrupts() -> None:
    """As systemd starts a process; one that a shell has put in the background hands on that it ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Box:
    """One machine with everything on it."""

    folder: Path
    variables: dict[str, str]
    s3: S3
    database: Database
    ports: dict[str, int]
    subscriber: Subscriber
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return Path(self.variables["INSIDERS_HOME"])

    @property
    def landing(self) -> ObjectStore:
        return open_store(self.variables["INSIDERS_LANDING"], self.s3.endpoint)

    def land(self, file: Path) -> None:
        """Put a file into the landing zone."""
        content = file.read_bytes()
        self.landing.swap(file.name, lambda _: content)

    # -- as systemd does it

    def environment(self, unit: str | None = None) -> dict[str, str]:
        """What a unit finds, or one that is told everything: hardly anything, and what its files of variables say."""
        secrets = self.folder / "run" / "secrets.env"
        told = unit is None or SECRETS in units.unit(unit)["EnvironmentFile"]
        lines = secrets.read_text().splitlines() if told and secrets.exists() else []
        plain = {name: os.environ[name] for name in ("LANG", "TZ") if name in os.environ}
        return {
            "PATH": f"{PROGRAMS}:/usr/bin:/bin",
            "HOME": str(self.home),
            **plain,
            **self.variables,
            **dict(line.split("=", 1) for line in lines),
        }

    def command(self, line: str) -> list[str]:
        """A line of a unit as arguments, with variables and places put in."""
        environment = self.environment()
        found = []
        for word in shlex.split(line.lstrip("-+!@:")):
            placed = word.replace(VENV_ON_THE_BOX, str(PROGRAMS)).replace(APP_ON_THE_BOX, str(DEPLOY))
            placed = placed.replace("/run/insiders", str(self.folder / "run"))
            found.append(re.sub(r"\$\{?([A-Z_]+)\}?", lambda name: environment[name[1]], placed))
        return found

    def run(self, line: str, unit: str | None = None, **otherwise: str) -> subprocess.CompletedProcess[str]:
        """Run one command of a unit to its end."""
        return subprocess.run(
            self.command(line),
            env={**self.environment(unit), **otherwise},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_START,
        )

    def start(self, unit: str) -> None:
        """Start a unit: what comes before it, then it; a oneshot to its end."""
        found = units.unit(unit)
        oneshot = found.get("Type") == ["oneshot"]
        for line in [*found.get("ExecStartPre", []), *(found["ExecStart"] if oneshot else [])]:
            done = self.run(line, unit)
            assert done.returncode == 0, f"{unit}: {line}\n{done.stdout}{done.stderr}"
            self._keep(unit, done.stdout + done.stderr)
        if not oneshot:
            with self.log(unit).open("ab") as words:
                self.processes[unit] = subprocess.Popen(
                    self.command(found["ExecStart"][0]),
                    env=self.environment(unit),
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=words,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_heeding_interrupts,
                )
            self.wait_until(self.healthy(unit), f"{unit} is healthy", unit)

    def healthy(self, unit: str) -> Callable[[], bool]:
        """The health check that belongs to a unit."""
        checks: dict[str, Callable[[], bool]] = {
            "insiders-code": lambda: self._ends_well("dagster", "api", "grpc-health-check", "-p", self.port("code")),
            "insiders-web": lambda: self.get("web", "/server_info").status == 200,
            "insiders-web-readonly": lambda: self.get("read_only", "/server_info").status == 200,
            DASHBOARD: lambda: self.get("dashboard", "/pages/_stcore/health").status == 200,
            DAEMON: lambda: self._ends_well("dagster-daemon", "liveness-check"),
        }
        return checks[unit]

    def stop(self, unit: str, seconds: float = 120) -> str:
        """Stop a unit as its file says: ExecStop= to its end, then its signal; gives what ExecStop= said."""
        found = units.unit(unit)
        said = ""
        for line in found.get("ExecStop", []):
            done = self.run(line, unit)
            said += done.stdout + done.stderr
            assert done.returncode == 0, said
        process = self.processes.pop(unit)
        process.send_signal(getattr(signal, found.get("KillSignal", ["SIGTERM"])[0]))
        process.wait(seconds)
        return said

    def kill(self, unit: str) -> None:
        """End a unit at once, and like systemd all that it has started."""
        process = self.processes.pop(unit)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()

    def log(self, unit: str) -> Path:
        """What a unit has said."""
        return self.folder / f"{unit}.log"

    def _keep(self, unit: str, said: str) -> None:
        with self.log(unit).open("a") as words:
            words.write(said)

    def _ends_well(self, *arguments: object) -> bool:
        done = subprocess.run(
            [PROGRAMS / str(arguments[0]), *map(str, arguments[1:])],
            env=self.environment(),
            capture_output=True,
            timeout=60,
        )
        return done.returncode == 0

    def wait_until(
        self, holds: Callable[[], bool], what: str, unit: str | None = None, seconds: float = SECONDS_TO_START
    ) -> None:
        """Wait for something; if it does not come, fail with what the units have said last."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if holds():
                    return
            process = self.processes.get(unit or "")
            if time.monotonic() > deadline or (process and process.poll() is not None):
                logs = [self.log(unit)] if unit else sorted(self.folder.glob("*.log"))
                words = "\n".join(f"-- {log.name}\n{log.read_text()[-3000:]}" for log in logs if log.exists())
                pytest.fail(f"Not within {seconds:.0f} s: {what}\n{words}")
            time.sleep(0.3)

    # -- as a person or a tool asks it

    def port(self, name: str) -> int:
        return self.ports[name]

    def tls(self) -> ssl.SSLContext:
        """What knows the proxy's certificate."""
        return ssl.create_default_context(cafile=self.folder / "tls" / "server.crt")

    def get(self, server: str, path: str, **otherwise: Any) -> Answer:
        """Ask a server behind the proxy itself."""
        return _ask(http.client.HTTPConnection("127.0.0.1", self.port(server), timeout=60), path, **otherwise)

    def ask(self, door: str, path: str, who: str | None = None, body: object = None) -> Answer:
        """Ask through the proxy: at the door `operators` or `viewers`, as one of them or as nobody."""
        headers = {"content-type": "application/json", **login_of(who)}
        connection = http.client.HTTPSConnection("localhost", self.port(door), timeout=60, context=self.tls())
        return _ask(connection, path, headers=headers, body=None if body is None else json.dumps(body).encode())

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Data of GraphQL, asked as an operator through the proxy."""
        told = json.loads(self.ask("operators", "/graphql", "operators", {"query": query, "variables": variables}).body)
        if told.get("errors"):
            raise AnsweredWithAnError(str(told["errors"])[:500])
        return told["data"]

    def status(self) -> list[dict[str, Any]]:
        """What `insiders status` says."""
        done = self.run(f"{VENV_ON_THE_BOX}/insiders status --json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def login_of(who: str | None) -> dict[str, str]:
    """The header that a browser sends for an operator, a viewer or nobody."""
    if who is None:
        return {}
    return {"authorization": "Basic " + base64.b64encode(":".join(LOGIN[who]).encode()).decode()}


def _ask(connection: http.client.HTTPConnection, path: str, body: bytes | None = None, headers: Any = None) -> Answer:
    with contextlib.closing(connection):
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode("utf-8", "replace"))


@contextlib.contextmanager
def proxy(box: Box) -> Iterator[None]:
    """nginx with the configuration and the logins that the scripts of `deploy/bin` make; only places differ."""
    for kind, (name, word) in LOGIN.items():
        subprocess.run(
            [DEPLOY / "bin" / "add-user", kind, name],
            env={**os.environ, "FOLDER": str(box.folder / "logins")},
            input=word,
            text=True,
            check=True,
            capture_output=True,
        )
    ports = {"OPERATORS_PORT": "operators", "VIEWERS_PORT": "viewers", "WEB_PORT": "web", "READ_ONLY_PORT": "read_only"}
    ports |= {"DASHBOARD_PORT": "dashboard"}
    configuration = subprocess.run(
        [DEPLOY / "bin" / "proxy-configuration"],
        env={**os.environ, **{name: str(box.port(port)) for name, port in ports.items()}},
        text=True,
        check=True,
        capture_output=True,
    ).stdout
    configuration = re.sub(r"syslog:\S+", str(box.folder / "access.log"), configuration)
    place = box.folder / "nginx.conf"
    place.write_text(configuration.replace("/etc/insiders", str(box.folder)))
    # Its unit gives it a user of its own, who may read the key; started by root it would choose one that may not.
    user = "user root; " if os.geteuid() == 0 else ""
    arguments = ["-e", box.folder / "nginx.log", "-p", box.folder, "-c", place, "-g", f"{user}daemon off;"]
    process = subprocess.Popen(["nginx", *map(str, arguments)])
    try:
        box.wait_until(lambda: box.ask("operators", "/healthz").status == 200, "the proxy answers")
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def box_of(folder: Path, s3: S3, **settings: str) -> Iterator[Box]:
    """A box with database, bucket, topic, secret and variables; no unit runs yet. At the end all are stopped."""
    for name in ("run", "tls", "logins", "home/dagster"):
        (folder / name).mkdir(parents=True)
    certificate, key = folder / "tls" / "server.crt", folder / "tls" / "server.key"
    make_certificate = [DEPLOY / "bin" / "make-certificate", certificate.parent, "localhost"]
    subprocess.run(make_certificate, check=True, capture_output=True)
    with database_with_tls(folder / "database", certificate, key) as database, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
        subscriber = Subscriber.to_new_topic()
        ports = {name: free_port() for name in ("code", "web", "read_only", "dashboard", "operators", "viewers")}
        password = f"dagsters{uuid.uuid4().hex}"
        secret = {"username": "dagster", "password": password, "host": "localhost", "port": database.port}
        arn = boto3.client("secretsmanager").create_secret(
            Name=uuid.uuid4().hex, SecretString=json.dumps({**secret, "dbname": "dagster"})
        )["ARN"]
        _databases(database, password)
        prefix = uuid.uuid4().hex
        box = Box(
            folder,
            {
                "INSIDERS_HOME": str(folder / "home"),
                "DAGSTER_HOME": str(folder / "home" / "dagster"),
                "INSIDERS_LANDING": s3.location(f"{prefix}/landing"),
                "INSIDERS_LAKE": s3.location(f"{prefix}/lake"),
                "INSIDERS_LOGS_BUCKET": s3.bucket,
                "INSIDERS_LOGS_PREFIX": f"{prefix}/logs",
                "INSIDERS_WAREHOUSE": database.url("insiders", "", "insiders"),
                "INSIDERS_WAREHOUSE_IAM": "true",
                "INSIDERS_SECRET": arn,
                "INSIDERS_NOTIFY_TOPIC": subscriber.topic,
                "INSIDERS_METRICS": f"Insiders/{prefix}",
                "INSIDERS_PAGE": f"https://localhost:{ports['operators']}",
                "INSIDERS_S3_ENDPOINT": s3.endpoint,
                "AWS_ENDPOINT_URL": s3.endpoint,
                "AWS_DEFAULT_REGION": "us-east-1",
                **{name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
                "CODE_SERVER_HOST": "127.0.0.1",
                "CODE_SERVER_PORT": str(ports["code"]),
                "WEB_PORT": str(ports["web"]),
                "READ_ONLY_PORT": str(ports["read_only"]),
                "DASHBOARD_PORT": str(ports["dashboard"]),
                **settings,
            },
            s3,
            database,
            ports,
            subscriber,
        )
        try:
            yield box
        finally:
            for unit in [*box.processes]:
                box.kill(unit)


def start_everything(box: Box, units: Sequence[str] = (*STARTED_IN_ORDER, DAEMON)) -> None:
    """Start the units in the order that their files ask for."""
    for unit in units:
        box.start(unit)


def _databases(database: Database, dagsters_password: str) -> None:
    """By the script of the runbook, as the master."""
    done = subprocess.run(
        [DEPLOY / "bin" / "bootstrap-database"],
        env=database.as_master(),
        input=f"{dagsters_password}\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
