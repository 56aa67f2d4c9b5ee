"""The whole of production on one machine, from its own files: a file lands in the bucket, the report appears; who has
no login sees nothing; no password stands anywhere."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import psutil
import psycopg
import pytest
import yaml
from playwright.sync_api import Browser, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from insiders_assets.automation.notices import HEARTBEAT
from insiders_assets.operations.status import STANDS
from insiders_tests.command import shop_files
from insiders_tests.deploy import units
from insiders_tests.deploy.production import (
    DAEMON,
    DASHBOARD,
    LOGIN,
    NEEDED,
    QUICK,
    Box,
    box_of,
    login_of,
    proxy,
    start_everything,
)
from insiders_tests.servers import S3
from insiders_tests.web_page import LAUNCH

pytestmark = [
    *NEEDED,
    pytest.mark.timeout(900),
]
RUNS = "{ runsOrError { ... on Runs { results { jobName status } } } }"
ADDRESS_WITH_PASSWORD = re.compile(r"postgres[a-z0-9+]*://[^:@/\s]+:[^@/\s]+@")


@pytest.fixture(scope="module")
def box(open_folder: Path, s3: S3) -> Iterator[Box]:
    """Everything runs, and a month has landed in the bucket and been made by nobody's hand."""
    folder = Path(tempfile.mkdtemp(dir=open_folder))
    folder.chmod(0o755)
    settings = {**QUICK, "INSIDERS_LAST_MONTH": "2024-01", "INSIDERS_SENSOR_SECONDS": "5"}
    with box_of(folder, s3, **settings) as made:
        made.land(shop_files(folder / "files")[0])
        start_everything(made)
        with proxy(made):
            made.wait_until(lambda: _has_report(made, "2024-01"), "the report is there", seconds=600)
            made.wait_until(lambda: _nothing_runs(made), "the run has ended")
            yield made


def _has_report(box: Box, month: str) -> bool:
    with psycopg.connect(box.database.url("insiders", "", "insiders")) as connection:
        (there,) = connection.execute("SELECT to_regclass('insiders.report_facts')").fetchone()
        counted = "SELECT count(*) FROM insiders.report_facts WHERE month = %s"
        return bool(there and connection.execute(counted, [f"{month}-01"]).fetchone()[0])


def _nothing_runs(box: Box) -> bool:
    runs = box.graphql(RUNS)["runsOrError"]["results"]
    return bool(runs) and all(run["status"] in ("SUCCESS", "FAILURE") for run in runs)


def test_a_file_that_lands_becomes_a_report_by_nobodys_hand(box: Box) -> None:
    runs = box.graphql(RUNS)["runsOrError"]["results"]
    assert {run["jobName"] for run in runs} >= {"catch_up", "land", "monthly"}
    assert {run["status"] for run in runs} == {"SUCCESS"}
    states = {(row["month"], row["table"]): row["state"] for row in box.status()}
    assert "2024-01" in {month for month, _ in states}
    assert set(states.values()) == {STANDS}


@pytest.mark.parametrize("door", ["operators", "viewers"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/graphql",
        "/asset-groups",
        "/server_info",
        "/favicon.png",
        "/dagit_info",
        "/runs/x",
        "/pages/",
        "/pages/members",
        "/pages/_stcore/health",
        "/pages/_stcore/stream",
    ],
)
def test_without_a_login_every_page_and_graphql_answers_401(box: Box, door: str, path: str) -> None:
    assert box.ask(door, path).status == 401
    assert box.ask(door, path, body={"query": "{ version }"}).status == 401


def test_with_a_login_the_page_opens_and_a_viewer_has_no_key_for_the_operators_door(box: Box) -> None:
    assert '<div id="root"' in box.ask("operators", "/", "operators").body
    assert '<div id="root"' in box.ask("viewers", "/", "viewers").body
    assert box.ask("operators", "/", "viewers").status == 401


DOORS = [("operators", "operators"), ("viewers", "operators"), ("viewers", "viewers")]


@pytest.mark.parametrize(("door", "who"), DOORS)
def test_with_a_login_the_pages_come_through_both_doors(box: Box, door: str, who: str) -> None:
    assert box.ask(door, "/pages/_stcore/health", who).body == "ok"
    for path in ("/pages/", "/pages/members"):
        assert "<title>Streamlit</title>" in box.ask(door, path, who).body
    script = re.search(r'src="\./(static/js/[^"]+)"', box.ask(door, "/pages/", who).body)[1]  # type: ignore[index]
    answer = box.ask(door, f"/pages/{script}", who)
    assert answer.status == 200 and "javascript" in answer.headers["Content-Type"]
    assert box.ask("operators", "/pages/", "viewers").status == 401


@pytest.mark.parametrize(("door", "who"), DOORS)
def test_what_a_page_shows_comes_by_a_websocket_that_another_sites_page_cannot_open(
    box: Box, door: str, who: str
) -> None:
    def opens(origin: str, as_whom: str | None = who) -> int:
        address = f"wss://localhost:{box.port(door)}/pages/_stcore/stream"
        login = login_of(as_whom)
        try:
            with connect(address, ssl=box.tls(), additional_headers=login, origin=origin, open_timeout=20) as socket:  # type: ignore[arg-type]
                assert socket.response is not None
                return socket.response.status_code
        except InvalidStatus as refused:
            return refused.response.status_code

    own = f"https://localhost:{box.port(door)}"
    assert (opens(own), opens("https://elsewhere.example"), opens("null")) == (101, 403, 403)
    assert opens(own, None) == 401


@pytest.mark.browser
def test_a_viewers_browser_shows_pages_of_the_month_that_was_made(box: Box, browser: Browser) -> None:
    name, word = LOGIN["viewers"]
    login = {"username": name, "password": word}
    page = browser.new_context(ignore_https_errors=True, http_credentials=login).new_page()  # type: ignore[arg-type]
    page.goto(f"https://localhost:{box.port('viewers')}/pages")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible(timeout=60_000)
    expect(page.get_by_text("January 2024").first).to_be_visible()
    expect(page.get_by_text("cannot be read just now")).to_have_count(0)
    assert urlsplit(page.url).path == "/pages/"
    page.goto(f"https://localhost:{box.port('viewers')}/pages/members")
    expect(page.get_by_role("heading", name="Members", level=1)).to_be_visible(timeout=60_000)
    # Its unit's limit is twice that.
    assert psutil.Process(box.processes[DASHBOARD].pid).memory_info().rss < 500e6


def test_the_dashboard_has_dagsters_login_nowhere_and_leaves_its_configuration_alone(box: Box) -> None:
    process = psutil.Process(box.processes[DASHBOARD].pid)
    assert "INSIDERS_INSTANCE" not in process.environ()
    config = yaml.safe_load((box.home / "dagster" / "dagster.yaml").read_text("utf-8"))
    assert config == yaml.safe_load((units.DEPLOY / "dagster.yaml").read_text("utf-8"))
    assert not process.children(recursive=True)


def test_the_read_only_server_shows_everything_and_refuses_a_mutation(box: Box) -> None:
    asked = {"query": "{ assetNodes { assetKey { path } } }"}
    assert "insiders_report" in box.ask("viewers", "/graphql", "viewers", asked).body
    selector = {
        "repositoryLocationName": "insiders",
        "repositoryName": "__repository__",
        "pipelineName": "catch_up",
    }
    parameters = {"selector": selector, "runConfigData": {}, "mode": "default"}
    launch = {"query": LAUNCH, "variables": {"parameters": parameters}}
    before = len(box.graphql(RUNS)["runsOrError"]["results"])
    refused = box.ask("viewers", "/graphql", "viewers", launch).body
    assert "UnauthorizedError" in refused or "not permitted" in refused.lower()
    assert len(box.graphql(RUNS)["runsOrError"]["results"]) == before
    reload = 'mutation { reloadRepositoryLocation(repositoryLocationName: "insiders") { __typename } }'
    assert "UnauthorizedError" in box.ask("viewers", "/graphql", "viewers", {"query": reload}).body


def test_signs_of_life_reach_the_metrics(box: Box) -> None:
    def put() -> bool:
        names = boto3.client("cloudwatch").list_metrics(Namespace=box.variables["INSIDERS_METRICS"])["Metrics"]
        return HEARTBEAT in {one["MetricName"] for one in names}

    box.wait_until(put, "the heartbeat is in the metrics", seconds=90)


def test_what_runs_print_is_in_the_bucket_and_not_left_on_the_box(box: Box) -> None:
    prefix = box.variables["INSIDERS_LOGS_PREFIX"]
    listed = boto3.client("s3", endpoint_url=box.s3.endpoint).list_objects_v2(Bucket=box.s3.bucket, Prefix=prefix)
    assert {Path(one["Key"]).name.split(".")[1] for one in listed["Contents"]} <= {"err", "out"}
    left = [path for path in (box.home / "dagster" / "storage").rglob("*") if path.suffix in (".err", ".out")]
    assert left == []


def test_no_password_stands_in_logs_history_configuration_or_bucket(box: Box) -> None:
    password = dict(line.split("=", 1) for line in (box.folder / "run" / "secrets.env").read_text().splitlines())
    secret = password["INSIDERS_INSTANCE"].split(":")[2].rpartition("@")[0]
    assert len(secret) > 20
    texts = {log.name: log.read_text("utf-8", "replace") for log in box.folder.glob("*.log")}
    for path in box.home.rglob("*"):
        if path.is_file():
            texts[str(path)] = path.read_bytes().decode("utf-8", "replace")
    with psycopg.connect(box.database.url("master", "master%27s%20word", "dagster")) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f'SELECT t::text FROM public."{table}" t').fetchall()
            texts[f"table {table}"] = "\n".join(row[0] for row in rows)
    assert len(texts["table event_logs"]) > 10_000
    s3 = boto3.client("s3", endpoint_url=box.s3.endpoint)
    for one in s3.list_objects_v2(Bucket=box.s3.bucket, Prefix=box.variables["INSIDERS_LOGS_PREFIX"])["Contents"]:
        body = s3.get_object(Bucket=box.s3.bucket, Key=one["Key"])["Body"].read()
        texts[one["Key"]] = body.decode("utf-8", "replace")
    texts["instance page"] = box.ask("operators", "/graphql", "operators", {"query": "{ instance { info } }"}).body
    texts["processes"] = "\n".join(" ".join(process.args) for process in box.processes.values())
    texts["the dashboard's process"] = " ".join(psutil.Process(box.processes[DASHBOARD].pid).cmdline())
    assert "insiders_assets.dashboard" in texts["the dashboard's process"]
    words = [secret, *(word for _, word in LOGIN.values())]
    words += [base64.b64encode(":".join(login).encode()).decode() for login in LOGIN.values()]
    found = {name: word for name, text in texts.items() for word in words if word in text}
    assert found == {}
    assert {name for name, text in texts.items() if ADDRESS_WITH_PASSWORD.search(text)} == set()


def test_the_doctor_names_every_part_and_no_password(box: Box) -> None:
    done = box.run("/opt/insiders/venv/bin/insiders doctor")
    assert done.returncode == 0, done.stdout
    assert "logged in to by IAM" in done.stdout
    assert box.variables["INSIDERS_LAKE"] in done.stdout
    assert not ADDRESS_WITH_PASSWORD.search(done.stdout)


@pytest.mark.parametrize("unit", ["insiders-migrate", "insiders-code", DASHBOARD])
def test_a_unit_with_a_missing_variable_does_not_start_and_says_which(box: Box, unit: str) -> None:
    before = [line for line in units.unit(unit)["ExecStartPre"] if "insiders ready" in line]
    assert before
    done = box.run(before[0], unit, INSIDERS_LAKE="")
    assert done.returncode == 3
    assert "INSIDERS_LAKE is not set" in done.stderr
    assert "insiders.env.example" in done.stderr


def test_everything_stops_in_order_and_at_once_where_nothing_runs(box: Box) -> None:
    for unit in (DAEMON, DASHBOARD, "insiders-web-readonly", "insiders-web", "insiders-code"):
        box.stop(unit)
    assert json.dumps(box.status())  # the data need none of them
