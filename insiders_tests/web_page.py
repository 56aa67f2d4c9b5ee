"""A running `insiders serve` for tests, as a person would start it, and questions to its GraphQL interface.

Belongs here: starting, asking, watching. Does not belong here: what a test expects.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SECONDS_TO_START = 180
SECONDS_TO_STOP = 60  # half of it is promised; the machine may be busy
LAUNCH = """
mutation ($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


@dataclass(frozen=True)
class Page:
    """The command's process and the address that it has told."""

    process: subprocess.Popen
    url: str
    told: Path

    @property
    def dashboard(self) -> str:
        """The address of the dashboard that is served beside it."""
        return re.search(r"The dashboard is at (\S+)", self.told.read_text())[1]  # type: ignore[index]

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of a GraphQL answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
        assert not told.get("errors"), told["errors"]
        return told["data"]

    def materialise(self, assets: Sequence[str], month: str, seconds: float = 120) -> str:
        """Launch what the page's button launches, wait, and give the run's last status."""
        selector = {
            "repositoryLocationName": "insiders",
            "repositoryName": "__repository__",
            "pipelineName": "monthly",
            "assetSelection": [{"path": [asset]} for asset in assets],
        }
        metadata = {"tags": [{"key": "dagster/partition", "value": month}]}
        parameters = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": metadata}
        launched = self.ask(LAUNCH, parameters=parameters)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        deadline = time.monotonic() + seconds
        while True:
            status = self.ask(STATUS, id=launched["run"]["runId"])["runOrError"]["status"]
            if status in ENDED or time.monotonic() > deadline:
                return status
            time.sleep(0.3)

    def family(self) -> list[psutil.Process]:
        """The command's process and every process below it."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]


def insiders(*arguments: str) -> list[str]:
    """A command line."""
    return [str(Path(sys.executable).with_name("insiders")), *arguments]


def plain_environment() -> dict[str, str]:
    """The environment without another home's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("INSIDERS_", "DAGSTER_"))}


@contextlib.contextmanager
def page_of(home: Path, port: int) -> Iterator[Page]:
    """The page of a home on a port; at the end it is stopped, whatever a test has left of it."""
    told = home.with_name(f"told-{port}.txt")
    with told.open("wb") as words:
        command = insiders("serve", "--home", str(home), "--port", str(port))
        process = subprocess.Popen(command, env=plain_environment(), stdout=words, stderr=subprocess.STDOUT)
    page = Page(process, f"http://127.0.0.1:{port}", told)
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while page.url not in told.read_text():
            assert process.poll() is None, told.read_text()
            assert time.monotonic() < deadline, told.read_text()
            time.sleep(0.1)
        yield page
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(SECONDS_TO_STOP)
