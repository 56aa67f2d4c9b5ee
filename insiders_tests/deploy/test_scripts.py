"""The scripts of `deploy/bin` and the runbook that calls them: shellcheck has nothing to say, what is to be typed can
be typed, and logins and certificates are what they promise."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from insiders_assets.cli import app
from insiders_assets.settings import Settings
from insiders_tests.deploy.scripts import BIN, run_script, well
from insiders_tests.deploy.units import DEPLOY, ROOT

SHELL = [path for path in sorted(BIN.iterdir()) if path.is_file() and b"bash" in path.read_bytes().splitlines()[0]]


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
    assert f"  {name}" in well(name, "--help")


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
    well("make-certificate", tmp_path, "insiders.example", "127.0.0.1")
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    told = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]
    assert told["subjectAltName"] == (("DNS", "insiders.example"), ("IP Address", "127.0.0.1"))
    assert key.stat().st_mode & 0o007 == 0
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    again = run_script("make-certificate", tmp_path, "insiders.example")
    assert again.returncode == 1 and "there is one" in again.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"server.crt", "server.key"}


def test_a_password_comes_from_stdin_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    password = "correct horse battery"
    well("add-user", "operators", "olga", said=f"{password}\n", FOLDER=str(tmp_path))
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
        well("add-user", "viewers", name, said=f"{word}\n", FOLDER=str(tmp_path))
    lines = (tmp_path / "viewers.htpasswd").read_text().splitlines()
    assert [line.split(":")[0] for line in lines] == ["ol.a", "olga"]
    well("add-user", "--remove", "olga", FOLDER=str(tmp_path))
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
    assert run_script("add-user", *arguments, said=said, FOLDER=str(tmp_path)).returncode in (1, 2)
    assert not list(tmp_path.iterdir())


def test_a_verifier_is_what_postgresql_itself_would_make() -> None:
    said = well("scram-verifier", said="pencil\n").strip()
    iterations, salt, stored, server = re.fullmatch(r"SCRAM-SHA-256\$(\d+):(\S+)\$(\S+):(\S+)", said).groups()
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode(salt), int(iterations))
    client = hmac.new(salted, b"Client Key", "sha256").digest()
    assert base64.b64decode(stored) == hashlib.sha256(client).digest()
    assert base64.b64decode(server) == hmac.new(salted, b"Server Key", "sha256").digest()
