"""The compose file: valid by compose's own schema, and what it lets the containers do is little."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from insiders_tests.deploy.units import DEPLOY

FILE = DEPLOY / "compose" / "compose.yaml"
PROGRAMS = Path(sys.executable).parent
SERVICES = {"migrate", "code", "web", "web-readonly", "dashboard", "daemon", "proxy"}


def _composed() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text("utf-8"))


def _services() -> dict[str, dict[str, Any]]:
    return _composed()["services"]


def _checked(file: Path) -> subprocess.CompletedProcess[str]:
    command = [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", file]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


needs_schema = pytest.mark.skipif(
    shutil.which("check-jsonschema", path=str(PROGRAMS)) is None, reason="check-jsonschema is not installed"
)


@needs_schema
def test_it_is_valid_by_the_compose_specification() -> None:
    done = _checked(FILE)
    assert done.returncode == 0, done.stdout


@needs_schema
def test_the_specification_finds_a_mistyped_name(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text("utf-8").replace("read_only: true\n", "readonly: true\n", 1))
    assert _checked(wrong).returncode == 1


def test_the_services_are_those_of_the_units() -> None:
    assert set(_services()) == SERVICES
    assert _services()["daemon"]["scale"] == 1
    commands = [" ".join(service["command"]) for service in _services().values()]
    assert sum("dagster-daemon run" in command for command in commands) == 1


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_has_no_rights_and_a_root_that_it_cannot_change(name: str) -> None:
    service = _services()[name]
    assert service["user"] == ("10002:10002" if name == "proxy" else "10001:10001")
    assert service["read_only"] is True and service["tmpfs"]
    assert service["cap_drop"] == ["ALL"] and not service.get("cap_add")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "network_mode", "devices", "build"} & set(service)


def test_no_container_is_given_the_engine_or_the_root_of_the_host() -> None:
    for service in _services().values():
        for volume in service["volumes"]:
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            assert source.startswith(("/etc/insiders/", "/var/lib/insiders")), source
            # What is replaced as a whole is a folder: a mounted file would stay the old one.
            assert "htpasswd" not in source
            assert isinstance(volume, dict) or not source.startswith("/etc")
            assert not isinstance(volume, dict) or volume["read_only"] is True


def test_nothing_but_the_proxy_is_published() -> None:
    assert {name for name, service in _services().items() if service.get("ports")} == {"proxy"}
    assert _services()["proxy"]["ports"] == ["443:443", "8443:8443"]
    # It sees the web servers and the dashboard, and neither code server nor daemon.
    seen = {name for name, service in _services().items() if "pages" in service["networks"]}
    assert seen == {"proxy", "web", "web-readonly", "dashboard"} and _services()["proxy"]["networks"] == ["pages"]


def test_nothing_starts_before_the_database_is_brought_up_to_date() -> None:
    assert _services()["migrate"]["restart"] == "no"
    for name in ("code", "web", "web-readonly", "daemon"):
        service = _services()[name]
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert service["command"][:2] == ["sh", "-c"] and service["command"][2].startswith("insiders ready ")


def test_at_the_end_the_daemon_stops_first_and_runs_finish() -> None:
    services = _services()
    # Compose stops in the reverse of the order of starting.
    assert services["daemon"]["depends_on"]["code"] == {"condition": "service_healthy"}
    assert services["code"]["pre_stop"] == [{"command": ["insiders", "drain", "--wait", "10800"]}]
    assert services["code"]["stop_grace_period"] == "3h5m"
    # What is signalled is Dagster and not a shell around it, which would pass nothing on.
    assert all(" exec dagster" in services[name]["command"][2] for name in ("code", "web", "web-readonly", "daemon"))


def test_each_service_is_asked_whether_it_lives_by_what_its_image_has() -> None:
    checks = {name: service["healthcheck"]["test"] for name, service in _services().items() if name != "migrate"}
    assert checks["code"][1:4] == ["dagster", "api", "grpc-health-check"]
    assert checks["daemon"][1:] == ["dagster-daemon", "liveness-check"]
    for name, address in (
        ("web", "3000/server_info"),
        ("web-readonly", "3001/server_info"),
        ("dashboard", "8501/pages/_stcore/health"),
    ):
        program, dash, words = checks[name][1:]
        assert (program, dash) == ("python", "-c") and f"127.0.0.1:{address}'" in words
        compile(words, name, "exec")
    assert all(check[0] == "CMD" for check in checks.values())


def test_the_dashboard_needs_the_warehouse_only_and_changes_nothing() -> None:
    service = _services()["dashboard"]
    assert "depends_on" not in service
    assert service["command"][2].startswith("insiders ready --pages ") and " && exec insiders " in service["command"][2]
    assert all(volume["read_only"] for volume in service["volumes"])


def test_a_wrong_setting_ends_and_logs_do_not_fill_the_disk() -> None:
    for name, service in _services().items():
        assert service["restart"] == ("no" if name == "migrate" else "on-failure:5")
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}


def test_settings_come_from_the_two_files_and_the_code_server_is_another_host() -> None:
    for name in SERVICES - {"proxy"}:
        service = _services()[name]
        secret = [] if name == "dashboard" else ["/run/insiders/secrets.env"]
        assert service["env_file"] == ["/etc/insiders/insiders.env", *secret]
        assert service["environment"]["CODE_SERVER_HOST"] == "code"
        assert service["image"].startswith("${IMAGE:?")
    assert "-h 0.0.0.0 -p 4000" in _services()["code"]["command"][2]
