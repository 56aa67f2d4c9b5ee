"""The scripts of `deploy/bin`, called, and a box to call them on: the programs of a box that a test machine has not
(systemctl, docker) are stand-ins that write down what they were asked.

Belongs here: calling, and what it is called on. Does not belong here: what should come of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psycopg
import pytest

from insiders_tests.deploy.units import DEPLOY, ROOT

BIN = DEPLOY / "bin"
needs_psql = pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not on this machine (postgresql-client)")
needs_aws = pytest.mark.skipif(shutil.which("aws") is None, reason="the aws command line is not on this machine")


def run_script(
    name: str, *arguments: object, said: str = "", path: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    if path:
        environment["PATH"] = f"{path}:{environment['PATH']}"
    command = [BIN / name, *map(str, arguments)]
    return subprocess.run(command, input=said, env=environment, capture_output=True, text=True, timeout=120)


def well(*arguments: object, **otherwise: object) -> str:
    done = run_script(*arguments, **otherwise)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def log_in(server: dict[str, str], user: str, password: str, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host=server["PGHOST"], port=server["PGPORT"], user=user, password=password, dbname=database, autocommit=True
    )


def as_master(server: dict[str, str]) -> psycopg.Connection:
    return log_in(server, server["PGUSER"], server["PGPASSWORD"], "postgres")


def stand_in(folder: Path, name: str, does: str) -> None:
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
            stand_in(self.programs, program, f'echo "{program} $*" >> {self.root}/asked\ncase "$*" in {cases}esac')
