"""Units that fail or hang: what is told, and what is restarted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from insiders_tests.deploy.scripts import run_script, stand_in, well


def test_a_unit_that_has_failed_is_told_in_one_sentence_and_without_what_it_said(tmp_path: Path) -> None:
    stand_in(tmp_path, "systemctl", "echo failed")
    stand_in(tmp_path, "aws", f'printf "%s\\n" "$@" > {tmp_path}/sent')
    topic = "arn:aws:sns:eu-central-1:123456789012:insiders"
    page = {"INSIDERS_NOTIFY_TOPIC": topic, "INSIDERS_PAGE": "https://insiders.example"}
    well("tell-failure", "insiders-code", path=tmp_path, **page)
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
    stand_in(tmp_path, "systemctl", "echo inactive")
    stand_in(tmp_path, "aws", f"touch {tmp_path}/sent")
    topic = "arn:aws:sns:eu-central-1:123456789012:insiders"
    well("tell-failure", "insiders-web", path=tmp_path, INSIDERS_NOTIFY_TOPIC=topic)
    assert not (tmp_path / "sent").exists()


@pytest.fixture
def liveness(tmp_path: Path) -> Callable[..., tuple[list[str], str]]:
    """Let liveness count with some services silent, then let it act; gives what was restarted, and what it said."""
    notes = tmp_path / "notes"
    notes.mkdir()

    def look(silent: str = "", inactive: str = "none", surroundings: int = 0) -> tuple[list[str], str]:
        asked = tmp_path / "asked"
        asked.unlink(missing_ok=True)
        stand_in(
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
        stand_in(tmp_path / "programs", "curl", f'case "$*" in {dead}) exit 7 ;; esac')
        stand_in(tmp_path / "programs", "dagster", f"exit {int(silent == 'code')}")
        stand_in(tmp_path / "programs", "dagster-daemon", f"exit {int(silent == 'daemon')}")
        stand_in(tmp_path / "programs", "insiders", f"exit {surroundings}")
        said = well("liveness", "--count", notes, path=tmp_path / "programs")
        said += well("liveness", "--restart", notes, path=tmp_path / "programs")
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
    assert "answering: daemon" in well("liveness", "--since", began, "daemon", **found)
    refused = run_script("liveness", "--since", began + 61, "daemon", **found)  # type: ignore[arg-type]
    assert refused.returncode == 1 and "no answer from daemon" in refused.stderr
    # Without the moment Dagster's half an hour holds.
    well("liveness", "daemon", **found)


def test_notes_that_are_no_numbers_do_nothing(liveness: Callable, tmp_path: Path) -> None:
    (tmp_path / "notes" / "web").write_text("3; reboot\n")
    (tmp_path / "notes" / "anything").write_text("9\n")
    done = run_script("liveness", "--restart", tmp_path / "notes", path=tmp_path / "programs")
    assert (done.returncode, done.stdout) == (0, "")
