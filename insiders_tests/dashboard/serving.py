"""A running dashboard for tests, as production starts it.

Belongs here: starting and stopping. Does not belong here: what a test expects of a page.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from insiders_tests.servers import free_port
from insiders_tests.web_page import insiders

SECONDS_TO_START = 60


@dataclass(frozen=True)
class Dashboard:
    """The address of the pages, and the process behind them."""

    url: str
    process: subprocess.Popen


@contextlib.contextmanager
def running_dashboard(home: Path, warehouse: str | None = None) -> Iterator[Dashboard]:
    """A dashboard over the database behind a URL, or over that of the home; ended with the block."""
    port = free_port()
    told = {"INSIDERS_HOME": str(home), "INSIDERS_PAGE": "https://dagster.example"}
    if warehouse:
        told["INSIDERS_WAREHOUSE"] = warehouse
    home.mkdir(parents=True, exist_ok=True)
    with (home / "dashboard.log").open("wb") as log:
        process = subprocess.Popen(
            insiders("dashboard", "--port", str(port)), env={**os.environ, **told}, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/_stcore/health", process)
            yield Dashboard(url, process)
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(address: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2):
            return
        time.sleep(0.2)
    raise AssertionError("the dashboard did not start")
