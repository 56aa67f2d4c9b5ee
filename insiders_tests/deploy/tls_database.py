"""A PostgreSQL with TLS and a password on this machine, as the production template asks of Amazon's.

Belongs here: starting, stopping and reaching it. Does not belong here: what is in it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from insiders_tests.servers import free_port

MASTERS_WORD = "master's word"


@dataclass
class Database:
    """A PostgreSQL server of the machine, with a certificate of its own authority."""

    programs: Path
    data: Path
    port: int
    authority: Path
    process: subprocess.Popen | None = None

    def url(self, user: str, password: str, name: str) -> str:
        login = f"{user}:{password}" if password else user
        return f"postgresql://{login}@localhost:{self.port}/{name}?sslmode=verify-full&sslrootcert={self.authority}"

    def as_master(self) -> dict[str, str]:
        """The variables with which PostgreSQL's programs log in as its superuser."""
        login = {
            "PGHOST": "localhost",
            "PGPORT": str(self.port),
            "PGUSER": "master",
            "PGPASSWORD": MASTERS_WORD,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self.authority),
        }
        return {**os.environ, **login}

    def start(self) -> None:
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        self.process = subprocess.Popen(
            [*_as_postgres(), *command], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while subprocess.run(
            [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode:
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.1)

    def stop(self) -> None:
        """At once, as when its machine is restarted: connections are cut."""
        if self.process:
            subprocess.run(
                [*_as_postgres(), self.programs / "pg_ctl", "-D", self.data, "-m", "immediate", "stop"],
                cwd="/",
                check=False,
                capture_output=True,
            )
            self.process.wait(60)
            self.process = None


def postgres_programs() -> Path | None:
    """A PostgreSQL that knows TLS: Debian's, where it is; the one in the wheel does not."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def _as_postgres() -> list[str]:
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def database_with_tls(folder: Path, certificate: Path, key: Path) -> Iterator[Database]:
    """A server on a free port that takes connections over TLS only: `insiders` without a password (a local server
    cannot check a token of Amazon's), everybody else with one. Its superuser is `master`."""
    programs = postgres_programs()
    assert programs is not None
    data = folder / "data"
    data.mkdir(parents=True)
    if os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")
    word = folder / "word"
    word.write_text(MASTERS_WORD)
    word.chmod(0o644)
    subprocess.run(
        [
            *_as_postgres(),
            programs / "initdb",
            "-D",
            data,
            "--username=master",
            f"--pwfile={word}",
            "--no-sync",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
        ],
        cwd="/",
        check=True,
        capture_output=True,
    )
    for source, name in ((certificate, "server.crt"), (key, "server.key")):
        shutil.copy(source, data / name)
        (data / name).chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(data / name, "postgres", "postgres")
    with (data / "postgresql.conf").open("a") as config:
        config.write("listen_addresses = '127.0.0.1'\nssl = on\nunix_socket_directories = ''\nfsync = off\n")
    (data / "pg_hba.conf").write_text(
        "hostssl insiders insiders 127.0.0.1/32 trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
    )
    server = Database(programs, data, free_port(), certificate)
    server.start()
    try:
        yield server
    finally:
        server.stop()
