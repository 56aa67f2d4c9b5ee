"""Installing, upgrading and the way back, on another root with stand-ins of the programs that act on a box."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from insiders_tests.deploy.scripts import BIN, Box, run_script, stand_in, well
from insiders_tests.deploy.units import ROOT


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
    stand_in(box.programs, "python-of-test", PYTHON % tmp_path)
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
    well("proxy-configuration", "--to", place, OPERATORS_PORT="4443", WEB_PORT="3100")
    assert "listen 4443 ssl" in place.read_text() and "server 127.0.0.1:3100;" in place.read_text()
    refused = run_script("proxy-configuration", "--to", place, OPERATORS_PORT="https")
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
    stand_in(
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
