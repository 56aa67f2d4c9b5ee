"""The first start of a box on this machine: the user data run with pretended commands.

Belongs here: running it and what it did. Does not belong here: what it should have done.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from insiders_tests.deploy.cloud import Stack


@dataclass(frozen=True)
class FirstStart:
    """What the user data did on a pretended box: below `root` what it wrote, `calls` what it would have run."""

    root: Path
    calls: list[str]
    status: int

    def read(self, path: str) -> str:
        return (self.root / path).read_text().replace(str(self.root), "")

    def called(self, command: str) -> list[str]:
        return [one for one in self.calls if one.startswith(command)]


# Records how it was called, and answers what the test has put beside it.
PRETEND = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >> "$CALLS"
case "$name $*" in
  blkid*--output*) echo 11111111-2222 ;;
  curl*) while [ "$1" != --output ]; do shift; done; echo certificate > "$2" ;;
esac
[ ! -e "$CALLS.$name" ] || exit "$(cat "$CALLS.$name")"
"""
# The real one, but for the owner: tests need not be root, and the user is not there.
INSTALL = """#!/bin/bash
given=()
while [ $# -gt 0 ]; do case $1 in -o|-g) shift 2 ;; *) given+=("$1"); shift ;; esac; done
exec %s "${given[@]}"
"""
COMMANDS = ["dnf", "systemctl", "groupadd", "useradd", "blkid", "mkfs.xfs", "mount", "chown", "curl", "aws", "sleep"]
FOLDERS = [
    *("etc/rsyslog.d", "etc/logrotate.d", "etc/systemd/system", "usr/local/sbin", "root", "var/log", "var/lib"),
    *("dev/disk/by-id", "opt/aws/bin", "opt/aws/amazon-cloudwatch-agent/bin", "opt/aws/amazon-cloudwatch-agent/etc"),
]


def start(stack: Stack, folder: Path, pretend: str = PRETEND, **answers: int) -> FirstStart:
    """Run the user data with pretended commands, and every path of the system below a folder. `answers` are the exit
    codes of commands."""
    root, calls = folder / "box", folder / "calls"
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    (folder / "bin").mkdir()
    places = [folder / "bin" / name for name in COMMANDS]
    places += [root / "opt/aws/bin/cfn-signal"]
    places += [root / "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"]
    (folder / "bin" / "install").write_text(INSTALL % shutil.which("install"))
    for place in places:
        place.write_text(pretend)
    for place in (*places, folder / "bin" / "install"):
        place.chmod(0o755)
    for name, status in answers.items():
        calls.with_name(f"calls.{name}").write_text(str(status))
    volume = f"nvme-Amazon_Elastic_Block_Store_{stack['DataVolume'].replace('-', '')}"
    (root / "dev/disk/by-id" / volume).touch()
    script = re.sub(r"(?<![\w/])/(etc|var|root|opt|usr/local/sbin|dev/disk)/", rf"{root}/\1/", stack.user_data())
    done = subprocess.run(
        ["bash"],
        input=script,
        text=True,
        capture_output=True,
        env={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls)},
        timeout=60,
    )
    lines = calls.read_text().replace(str(root), "").splitlines()
    return FirstStart(root, lines, done.returncode)
