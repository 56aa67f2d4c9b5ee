"""The systemd units: systemd understands them, what they may do is little, and what must hold between them does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from insiders_tests.deploy.units import DEPLOY, IMAGE, SYSTEMD, installed, settings, unit, units

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine (Debian's systemd)"
)
OF_DAGSTER = ["insiders-code", "insiders-web", "insiders-web-readonly", "insiders-daemon"]
DASHBOARD = "insiders-dashboard"
LONG_RUNNING = [*OF_DAGSTER, DASHBOARD]
APPLICATION = ["insiders-secrets", "insiders-migrate", *LONG_RUNNING]
# systemd's own scale: 0 is a service that can do nothing, 10 one that can do everything; "OK" ends at 4.9.
# What is left is the work itself: IP to anywhere, unix sockets, memory that is written and run.
WORST_EXPOSURE = {"venv": 1.2, "container": 1.4}
WORST_PROXY = 1.5
HARD = ["ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "NoNewPrivileges", "RestrictNamespaces"]


@pytest.fixture(scope="module", params=["venv", "container"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the installation puts on a box, for either way to run."""
    return installed(tmp_path_factory.mktemp("box"), IMAGE if request.param == "container" else None)


def _analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60)


@needs_systemd
def test_systemd_finds_nothing_to_say_about_any_unit(tree: Path) -> None:
    names = sorted((tree / "etc/systemd/system").glob("insiders*.*[!d]"))
    assert len(names) == len(list(units())) + 2
    done = _analyze("verify", f"--root={tree}", "--man=no", "--recursive-errors=no", *names)
    about_us = [line for line in (done.stdout + done.stderr).splitlines() if "docker" not in line]
    assert not about_us, about_us


@needs_systemd
def test_systemd_finds_what_is_wrong_with_a_unit(tmp_path: Path) -> None:
    tree = installed(tmp_path)
    place = tree / "etc/systemd/system/insiders-web.service"
    place.write_text(place.read_text().replace("KillMode=mixed", "KillMood=mixed"))
    assert "KillMood" in _analyze("verify", f"--root={tree}", "--man=no", place).stderr


@needs_systemd
@pytest.mark.parametrize("name", [path.stem.rstrip("@") for path in units()])
def test_a_unit_is_hardly_exposed(tree: Path, name: str) -> None:
    allowed = WORST_PROXY if name == "insiders-proxy" else WORST_EXPOSURE[tree.name]
    template = f"{name}@x" if (SYSTEMD / f"{name}@.service").exists() else name
    told = _analyze("security", "--offline=true", f"--root={tree}", "--no-pager", f"{template}.service").stdout
    score = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)[1])
    assert score <= allowed, told


@pytest.mark.parametrize("name", [path.stem for path in units()])
def test_every_unit_is_shut_in_and_says_so_when_it_fails(name: str) -> None:
    found = unit(name)
    assert all(found[rule] in (["yes"], ["strict"]) for rule in HARD)
    assert found["User"][0] in ("insiders", "insiders-proxy")
    assert found["CapabilityBoundingSet"] == (["CAP_NET_BIND_SERVICE"] if name == "insiders-proxy" else [])
    assert name == "insiders-failed@" or found["OnFailure"] == ["insiders-failed@%p.service"]


def test_there_is_exactly_one_daemon() -> None:
    daemons = [path.name for path in units() if any("dagster-daemon run" in line for line in _starts(path.stem))]
    assert daemons == ["insiders-daemon.service"]


def test_nothing_starts_before_the_database_is_brought_up_to_date() -> None:
    for name in OF_DAGSTER:
        found = unit(name)
        for needed in ("insiders-secrets.service", "insiders-migrate.service"):
            assert needed in _words(found["Requires"]) and needed in _words(found["After"]), name
        assert found["ExecStartPre"][0].startswith("/opt/insiders/venv/bin/insiders ready ")
    assert "insiders-secrets.service" in _words(unit("insiders-migrate")["Requires"])
    assert unit("insiders-migrate")["ExecStart"] == ["/opt/insiders/venv/bin/dagster instance migrate"]


def test_at_a_stop_the_daemon_goes_first_then_runs_finish_and_the_pages_stay_until_then() -> None:
    # systemd stops in the reverse of the order of starting.
    assert "insiders-code.service" in _words(unit("insiders-daemon")["After"])
    assert "insiders-code.service" in _words(unit("insiders-daemon")["Requires"])
    code = unit("insiders-code")
    assert {"insiders-web.service", "insiders-web-readonly.service", "insiders-proxy.service"} <= _words(code["After"])
    waits = int(re.fullmatch(r"/opt/insiders/venv/bin/insiders drain --wait (\d+)", code["ExecStop"][0])[1])
    assert waits >= 3 * 60 * 60 and int(code["TimeoutStopSec"][0]) > waits
    # The signal is the server's alone, as the image has it; the runs are its children.
    assert code["KillMode"] == ["mixed"]
    assert (
        re.search(r"^STOPSIGNAL (\w+)$", (DEPLOY.parent / "Dockerfile").read_text(), re.M)[1] == code["KillSignal"][0]
    )


def test_a_wrong_configuration_ends_as_failed_and_not_in_a_loop() -> None:
    for name in [*LONG_RUNNING, "insiders-proxy"]:
        found = unit(name)
        assert found["Restart"] == ["on-failure"]
        tries, interval = int(found["StartLimitBurst"][0]), int(found["StartLimitIntervalSec"][0])
        longest = int(found.get("TimeoutStartSec", ["90"])[0]) + int(found["RestartSec"][0])
        assert tries * longest < interval, f"{name}: the count would begin anew before it is reached"


def test_every_wait_at_the_start_is_shorter_than_systemds_patience() -> None:
    for name in APPLICATION:
        first = unit(name)["ExecStart"] if name == "insiders-secrets" else []
        for line in [*first, *unit(name).get("ExecStartPre", []), *unit(name).get("ExecStartPost", [])]:
            waits = int(re.search(r"--wait (\d+)", line)[1])
            assert waits < int(unit(name)["TimeoutStartSec"][0]), name


@pytest.mark.parametrize("in_container", [False, True])
def test_what_is_tried_once_asks_as_long_as_the_tries_of_the_others_take(in_container: bool) -> None:
    waits = {
        name: int(re.search(r"--wait (\d+)", " ".join(_starts(name, in_container)))[1])  # type: ignore[index]
        for name in APPLICATION
    }
    for name in ("insiders-secrets", "insiders-migrate"):
        assert "Restart" not in unit(name, in_container)
        assert waits[name] >= int(unit("insiders-web")["StartLimitBurst"][0]) * waits["insiders-web"]


@pytest.mark.parametrize("name", APPLICATION)
def test_a_container_that_was_left_does_not_hold_the_name(name: str) -> None:
    removed, *others = _starts(name, in_container=True)
    named = {re.search(r"in-container (\S+)", line)[1] for line in others}  # type: ignore[index]
    assert removed.startswith("-/usr/bin/docker rm --force ") and named <= set(removed.split())


def test_settings_and_secrets_come_from_the_two_files() -> None:
    for name in ["insiders-migrate", *OF_DAGSTER]:
        assert unit(name)["EnvironmentFile"] == ["/etc/insiders/insiders.env", "/run/insiders/secrets.env"]
    secrets = unit("insiders-secrets")
    assert secrets["EnvironmentFile"] == ["/etc/insiders/insiders.env"]
    assert secrets["ExecStart"][0].endswith("insiders secrets --to /run/insiders/secrets.env --wait 1500")
    assert (secrets["RuntimeDirectory"], secrets["RuntimeDirectoryMode"]) == (["insiders"], ["0700"])
    assert secrets["RuntimeDirectoryPreserve"] == ["yes"]


@pytest.mark.parametrize("in_container", [False, True])
def test_the_dashboard_is_not_told_dagsters_login_and_does_not_wait_for_its_database(in_container: bool) -> None:
    found = unit(DASHBOARD, in_container)
    assert found["EnvironmentFile"] == [
        "/etc/insiders/insiders.env",
        *(["/etc/insiders/image.env"] if in_container else []),
    ]
    # bin/in-container hands on what it finds there.
    assert found["InaccessiblePaths"] == ["-/run/insiders"]
    assert "insiders-secrets.service" in _words(found["After"])
    needed = _words([*found.get("Requires", []), *found["After"]])
    assert "insiders-migrate.service" not in needed and "insiders-secrets.service" not in found.get("Requires", [])
    assert any(line.endswith("insiders ready --pages --wait 300") for line in found["ExecStartPre"])


def test_the_dashboard_changes_nothing_on_the_disk_and_takes_little_memory() -> None:
    found = unit(DASHBOARD)
    assert found["ProtectSystem"] == ["strict"]
    assert not {"StateDirectory", "ReadWritePaths", "RuntimeDirectory"} & set(found)
    assert found["MemoryMax"] == ["1G"] and _composed()["dashboard"]["mem_limit"] == "1g"


def test_the_dashboard_listens_on_loopback_below_the_path_that_is_asked_and_proxied() -> None:
    for in_container in (False, True):
        told = unit(DASHBOARD, in_container)["ExecStart"][0]
        assert told.endswith("insiders dashboard --host 127.0.0.1 --port ${DASHBOARD_PORT} --under /pages")
    assert '/pages/_stcore/health"' in (DEPLOY / "bin" / "liveness").read_text("utf-8")
    assert "location /pages/ {" in (DEPLOY / "proxy" / "nginx.conf.template").read_text("utf-8")


def test_the_proxy_knows_the_ports_of_now_and_neither_a_password_nor_the_boxs_role() -> None:
    proxy = unit("insiders-proxy")
    writes = "/opt/insiders/app/bin/proxy-configuration --to /run/insiders-proxy/nginx.conf"
    assert proxy["ExecStartPre"][0] == proxy["ExecReload"][0] == writes
    assert all("-c /run/insiders-proxy/nginx.conf" in line for line in [*proxy["ExecStart"], proxy["ExecReload"][1]])
    assert proxy["EnvironmentFile"] == ["/etc/insiders/insiders.env"]
    # Where it is logged in to by a password, that stands in this address; secrets.env it does not get at all.
    assert proxy["UnsetEnvironment"] == ["INSIDERS_WAREHOUSE"]
    assert "169.254.169.254" in _words(proxy["IPAddressDeny"])


def test_the_target_holds_all_of_them_together() -> None:
    target = settings(SYSTEMD / "insiders.target")
    wanted = _words(target["Wants"])
    for path in [*units(), SYSTEMD / "insiders-liveness.timer"]:
        # The one is started by the timer, the other by a failure.
        if path.stem in ("insiders-failed@",) or path.name == "insiders-liveness.service":
            continue
        assert path.name in wanted
        assert settings(path)["PartOf"] == ["insiders.target"]


@pytest.mark.parametrize("name", APPLICATION)
def test_virtual_environment_image_and_compose_run_the_same_commands(name: str) -> None:
    in_units = [_command(line) for line in _starts(name)]
    in_containers = [_command(line) for line in _starts(name, in_container=True) if "docker rm" not in line]
    assert in_units == in_containers
    service = name.removeprefix("insiders-")
    if service != "secrets":  # compose reads the file on the host
        asked = " ".join(_composed()[service]["command"][2].split()).split(" && exec ")
        assert in_units == [_command(line) for line in asked]


def test_the_image_is_told_in_one_variable_that_no_container_gets() -> None:
    wrapper = (DEPLOY / "bin" / "in-container").read_text("utf-8")
    assert "--env-file /etc/insiders/image.env" not in wrapper
    for name in APPLICATION:
        found = unit(name, in_container=True)
        assert "/etc/insiders/image.env" in found["EnvironmentFile"]
        assert found["Requires"][-1] == "docker.service"
        assert all(
            line.startswith(("/opt/insiders/app/bin/in-container ", "-/usr/bin/docker rm "))
            for line in [*found.get("ExecStartPre", []), *found["ExecStart"]]
        )
    stops = unit("insiders-code", in_container=True)["ExecStop"]
    assert [line.split("docker ")[1].split()[0] for line in stops] == ["exec", "stop"]
    assert "insiders drain --wait 10800" in stops[0]


def test_a_container_can_hardly_do_anything() -> None:
    wrapper = (DEPLOY / "bin" / "in-container").read_text("utf-8")
    for option in ("--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--user 10001:10001", "--rm"):
        assert f" {option}" in wrapper, option
    assert "docker.sock" not in wrapper and "--privileged" not in wrapper and "--publish" not in wrapper


def _starts(name: str, in_container: bool = False) -> list[str]:
    found = unit(name, in_container)
    return [*found.get("ExecStartPre", []), *found["ExecStart"]]


def _command(line: str) -> str:
    """What is asked for, without where the program, the workspace and the others are."""
    line = line.split(" -- ", 1)[-1].removeprefix("/opt/insiders/venv/bin/")
    line = line.replace("/opt/insiders/app/production/", "/opt/insiders/app/")
    line = re.sub(r" (-h|--host) (\S+)", r" \1 HOST", line)
    return re.sub(r" (-p|--port) (\S+)", r" \1 PORT", line)


def _composed() -> dict[str, dict]:
    return yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))["services"]


def _words(values: list[str]) -> set[str]:
    return set(" ".join(values).split())
