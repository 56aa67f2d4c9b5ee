"""`insiders serve`: Dagster's web page and daemon over a home, PostgreSQL started and stopped with them.

Belongs here: starting, watching and stopping processes. Does not belong here: what they run.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from insiders_assets.assets.platform import open_platform
from insiders_assets.errors import InsidersError
from insiders_assets.operations.home import environment, prepare_home
from insiders_assets.settings import Settings

USUAL_PORT = 3000
SECONDS_TO_START = 120
SECONDS_TO_STOP = 30


class ServeError(InsidersError):
    """A server of the web page did not start, or stopped by itself."""

    exit_code = 11


@dataclass(frozen=True)
class Served:
    """The running page: its address, and how to wait until a process ends."""

    url: str
    processes: list[subprocess.Popen]
    log: Path

    def wait(self) -> None:
        """Return never, unless a process ends by itself: then raise ServeError."""
        while all(process.poll() is None for process in self.processes):
            time.sleep(0.5)
        raise ServeError("A server of the web page has stopped by itself.", f"Its last words stand in {self.log}.")


def free_port(wanted: int | None, host: str) -> int:
    """The wanted port; without a wish 3000, or any free one where that is taken.

    Raises
    ------
    ServeError: the wanted port is taken.
    """
    for port in (wanted,) if wanted else (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise ServeError(f"Port {wanted} is taken.", "Choose another with --port, or leave it out.")


@contextmanager
def serving(settings: Settings, port: int | None = None, host: str = "127.0.0.1") -> Iterator[Served]:
    """Webserver and daemon, ready to answer; both stopped at the end, and PostgreSQL with them."""
    prepare_home(settings)
    chosen = free_port(port, host)
    with open_platform(settings) as platform:
        platform.warehouse.check()
        log = settings.home / "serve.log"
        with log.open("ab") as words, _processes(settings, chosen, host, words) as processes:
            served = Served(f"http://{host}:{chosen}", processes, log)
            _wait_until(lambda: _answers(f"{served.url}/server_info"), served)
            yield served


@contextmanager
def _processes(settings: Settings, port: int, host: str, words: IO[bytes]) -> Iterator[list[subprocess.Popen]]:
    scripts = Path(sys.executable).parent
    workspace = str(settings.instance_folder / "workspace.yaml")
    commands = (
        [str(scripts / "dagster-webserver"), "-w", workspace, "-h", host, "-p", str(port)],
        [str(scripts / "dagster-daemon"), "run", "-w", workspace],
    )
    shared = {**os.environ, **environment(settings)}
    # Their own session: Ctrl-C comes to us, and we stop them in order.
    processes = [
        subprocess.Popen(command, env=shared, stdout=words, stderr=subprocess.STDOUT, start_new_session=True)
        for command in commands
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _wait_until(ready: Callable[[], bool], served: Served) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not ready():
        if any(process.poll() is not None for process in served.processes):
            raise ServeError("The web page did not start.", f"The reason stands at the end of {served.log}.")
        if time.monotonic() > deadline:
            raise ServeError(f"The web page did not start within {SECONDS_TO_START} s.", f"See {served.log}.")
        time.sleep(0.3)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
