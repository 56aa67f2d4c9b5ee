"""`insiders serve` as a person meets it: a page that answers and runs what it is asked, and ends without a trace."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from insiders_assets.contracts.catalogue import TABLES_BY_MONTH
from insiders_assets.errors import BusyError
from insiders_assets.operations.serving import SERVE_LOCK, ServeError, free_port
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_tests.servers import free_port as port_that_is_free
from insiders_tests.web_page import SECONDS_TO_STOP, Page, insiders, page_of, plain_environment

ASSETS = {"landed_invoices", *TABLES_BY_MONTH}


def called(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        insiders(*arguments), env={**plain_environment(), **environment}, capture_output=True, text=True, timeout=240
    )


@contextlib.contextmanager
def fresh_home(folder: Path) -> Iterator[Path]:
    """A home that no command has made yet; its database is removed at the end."""
    folder.mkdir()
    yield folder / "home"
    EmbeddedPostgres(folder / "home").remove()


@contextlib.contextmanager
def somebody_listening(port: int = 0) -> Iterator[int]:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else has it: as good
            other.bind(("127.0.0.1", port))
            other.listen()
        yield other.getsockname()[1]


# -- while it runs


def test_the_page_answers(shop_page: Page) -> None:
    with urllib.request.urlopen(f"{shop_page.url}/server_info", timeout=60) as answer:
        assert answer.status == 200


def test_the_dashboard_answers_beside_it(shop_page: Page) -> None:
    with urllib.request.urlopen(f"{shop_page.dashboard}/_stcore/health", timeout=30) as answer:
        assert answer.status == 200


def test_the_page_knows_the_assets_and_the_months_of_its_home(shop_page: Page) -> None:
    told = shop_page.ask("{ assetNodes { assetKey { path } groupName description partitionKeys } }")["assetNodes"]
    assert {node["assetKey"]["path"][0] for node in told} == ASSETS
    assert all(node["groupName"] != "default" and node["description"] for node in told)
    (labels,) = [node for node in told if node["assetKey"]["path"] == ["cluster_labels"]]
    assert labels["partitionKeys"] == ["2024-01-01", "2024-02-01"]


def test_a_month_started_from_the_page_is_made_and_published(shop_page: Page, shop_home: Path) -> None:
    assert shop_page.materialise(["raw_invoices", "customer_purchases"], "2024-02-01") == "SUCCESS"
    count = "SELECT count(*) > 0 AS there FROM customer_purchases WHERE month = DATE '2024-02-01'"
    read = called("sql", count, "--csv", "--home", str(shop_home))
    assert (read.returncode, read.stdout.split()) == (0, ["there", "True"]), read.stderr
    # The page keeps the database up: the command that has just used it was not its last user.
    assert EmbeddedPostgres(shop_home).url_if_running()


def test_a_second_one_on_the_same_home_is_refused_and_says_where_the_first_is(shop_page: Page, shop_home: Path) -> None:
    second = called("serve", "--home", str(shop_home), "--port", str(port_that_is_free()))
    assert second.returncode == BusyError.exit_code
    assert f"(process {shop_page.process.pid})" in second.stderr
    assert shop_page.url in second.stderr
    assert shop_page.ask("{ version }")["version"]


# -- how it ends


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux stops the children of a killed process")
def test_after_a_killed_one_the_next_one_starts_and_a_stopped_one_leaves_no_process(open_folder: Path) -> None:
    with fresh_home(open_folder / "killed") as home, page_of(home, port_that_is_free()) as first:
        servers = first.family()[1:]
        assert len(servers) >= 4  # web server, daemon, and a code server of each
        first.process.kill()
        first.process.wait()
        with page_of(home, port_that_is_free()) as second:
            family = second.family()
            second.process.send_signal(signal.SIGTERM)
            assert second.process.wait(SECONDS_TO_STOP) == 0
        assert not psutil.wait_procs([*servers, *family], timeout=SECONDS_TO_STOP)[1]
        assert EmbeddedPostgres(home).url_if_running() is None
        assert not (home / SERVE_LOCK).read_text()


def test_a_taken_port_is_a_sentence_and_nothing_stays(open_folder: Path) -> None:
    with fresh_home(open_folder / "taken") as home, somebody_listening() as port:
        refused = called("serve", "--home", str(home), "--port", str(port))
        assert refused.returncode == ServeError.exit_code
        assert f"Port {port} is taken." in refused.stderr
        assert "Traceback" not in refused.stderr
        assert EmbeddedPostgres(home).url_if_running() is None


def test_a_server_that_cannot_start_is_an_error_that_names_the_log(open_folder: Path) -> None:
    with fresh_home(open_folder / "broken") as home:
        broken = home.with_name("modules")
        broken.mkdir()
        (broken / "dagster_webserver.py").write_text("raise ImportError('broken on purpose')\n")
        refused = called("serve", "--home", str(home), PYTHONPATH=str(broken))
        assert refused.returncode == ServeError.exit_code
        assert str(home / "serve.log") in refused.stderr
        assert "broken on purpose" in (home / "serve.log").read_text()
        assert EmbeddedPostgres(home).url_if_running() is None


# -- where it listens


def test_without_a_wish_another_port_is_found() -> None:
    with somebody_listening(3000):
        assert free_port(None, "127.0.0.1") not in (0, 3000)


@pytest.mark.parametrize(
    ("port", "host", "words"),
    [
        (70000, "127.0.0.1", "no port 70000"),
        (None, "198.51.100.7", "198.51.100.7 is no address to listen on"),
        (None, "no.such.invalid", r"no\.such\.invalid is no address"),
    ],
)
def test_an_impossible_address_is_named(port: int | None, host: str, words: str) -> None:
    with pytest.raises(ServeError, match=words):
        free_port(port, host)
