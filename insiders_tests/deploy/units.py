"""Reading the files of `deploy/systemd` as systemd does.

Belongs here: parsing units and drop-ins, and a tree of them as `bin/install` lays it. Does not belong here: what they
should say.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SYSTEMD = DEPLOY / "systemd"
IMAGE = "localhost/insiders@sha256:" + "0" * 64


def settings(*files: Path) -> dict[str, list[str]]:
    """The settings of a unit and its drop-ins, in order; an empty value forgets those before it."""
    found: dict[str, list[str]] = {}
    for file in files:
        for line in file.read_text("utf-8").replace("\\\n", " ").splitlines():
            name, is_one, value = line.partition("=")
            if not is_one or line[0] in "#;[":
                continue
            value = " ".join(value.split())
            found[name] = [*found.get(name, []), value] if value else []
    return found


def units() -> Iterator[Path]:
    """Every service."""
    return iter(sorted(SYSTEMD.glob("*.service")))


def unit(name: str, in_container: bool = False) -> dict[str, list[str]]:
    """A service with the drop-ins that hold for it."""
    drop_in = SYSTEMD / "container" / f"{name}.service.d" / "container.conf"
    more = [drop_in] if in_container and drop_in.exists() else []
    return settings(SYSTEMD / f"{name}.service", SYSTEMD / "insiders-.service.d" / "common.conf", *more)


def installed(folder: Path, image: str | None = None) -> Path:
    """What `bin/install` puts into another root, with empty programs where the units name some."""
    tree = folder / ("container" if image else "venv")
    # A virtual environment would take minutes; of it only the programs' being there is looked at.
    command = [DEPLOY / "bin" / "install", "--root", tree, "--image", image or IMAGE]
    subprocess.run(command, check=True, capture_output=True)
    if image is None:
        for drop_in in (tree / "etc/systemd/system").glob("*.d/container.conf"):
            drop_in.unlink()
    programs = ["usr/sbin/nginx", "usr/bin/docker", "bin/kill"]
    venv = tree / "opt/insiders/current/venv/bin"
    for program in [
        *(tree / name for name in programs),
        *(venv / name for name in ("insiders", "dagster", "dagster-daemon", "dagster-webserver")),
    ]:
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    # systemd's own units (sysinit.target and the like), from where this machine has them.
    own = next(place for place in (Path("/usr/lib/systemd"), Path("/lib/systemd")) if (place / "system").is_dir())
    shutil.copytree(own / "system", tree / "usr/lib/systemd/system", symlinks=True)
    return tree
