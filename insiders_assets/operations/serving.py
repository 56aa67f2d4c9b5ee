"""`insiders serve`: Dagster's web page, its daemon and the dashboard over a home, PostgreSQL started and stopped with
them.

Belongs here: starting, watching and stopping processes. Does not belong here: what they run.

Two daemons on one home would start every run twice, so the lock file ``serve.lock`` is held by `serve` and by all its
servers: after ``kill -9`` of `serve` a new one waits until the servers, which the kernel then stops, are gone.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from insiders_assets.assets.platform import open_platform
from insiders_assets.errors import BusyError, InsidersError
from insiders_assets.operations.dashboards import dashboard_command
from insiders_assets.operations.home import LOCATION, environment, open_instance, prepare_home
from insiders_assets.operations.services import end_dead_runs
from insiders_assets.settings import PREFIX, SETTINGS_FILE, Settings

USUAL_PORT, USUAL_DASHBOARD_PORT = 3000, 8501
SERVE_LOCK = "serve.lock"
SECONDS_TO_START = 120
# Together under half a minute: first the servers, then what they have started, then by force.
SECONDS_FOR_SERVERS, SECONDS_FOR_RUNS = 10, 15
LONGEST_LOG = 10_000_000
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1


class ServeError(InsidersError):
    """A server of the web page did not start, or stopped by itself."""

    exit_code = 11


@dataclass(frozen=True)
class Served:
    """The running pages, Dagster's and the dashboard: their addresses, and how to wait until somebody stops them."""

    url: str
    dashboard: str
    processes: Sequence[subprocess.Popen]
    log: Path
    settings_file: Path

    def wait(self) -> None:
        """Return when a signal (Ctrl-C, SIGTERM) asks to stop; raise ServeError when a server ends by itself.

        When the home's settings change (a run has recorded another month), the page is told to load them: it would
        otherwise go on showing the months that existed when it was started.
        """
        with suppress(KeyboardInterrupt):
            before = _written(self.settings_file)
            while not (ended := [one for one in self.processes if one.poll() is not None]):
                time.sleep(0.5)
                if (now := _written(self.settings_file)) != before and _reload(self.url):
                    before = now
            raise ServeError(f"{_name(ended[0])} has stopped by itself.", f"Its last words stand in {self.log}.")


def _name(process: subprocess.Popen) -> str:
    program = Path(cast("list[str]", process.args)[0]).name
    return program if program.startswith("dagster") else "The dashboard"


def _written(file: Path) -> int | None:
    with suppress(OSError):
        return file.stat().st_mtime_ns
    return None


def _reload(url: str) -> bool:
    """Ask the web page to load the code location again; whether it has taken the request."""
    mutation = "mutation ($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) { __typename } }"
    body = json.dumps({"query": mutation, "variables": {"name": LOCATION}}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"content-type": "application/json"})
    with suppress(OSError), urllib.request.urlopen(request, timeout=SECONDS_TO_START) as answer:
        return answer.status == 200
    return False


def free_port(wanted: int | None, host: str, usual: int = USUAL_PORT, option: str = "--port") -> int:
    """The wanted port; without a wish the usual one, or any free one where that is taken. `option`: by which it is
    wished for.

    Raises
    ------
    ServeError: the wanted port is taken or not allowed, or the address is none of this machine.
    """
    if wanted is not None and not 0 < wanted < 65536:
        raise ServeError(f"There is no port {wanted}.", "Ports go from 1 to 65535.")
    for port in (wanted,) if wanted else (usual, 0):
        try:
            return _bindable(port, host)
        except PermissionError:
            raise ServeError(f"This user may not listen on port {port}.", "Choose one from 1024 on.") from None
        except OSError as wrong:
            if wrong.errno != errno.EADDRINUSE:
                raise ServeError(
                    f"{host} is no address to listen on here ({wrong.strerror}).",
                    "Use 127.0.0.1 for this machine only, or 0.0.0.0 for every address that it has.",
                ) from None
    raise ServeError(f"Port {wanted} is taken.", f"Choose another with {option}, or leave it out.")


@contextmanager
def serving(
    settings: Settings, port: int | None = None, host: str = "127.0.0.1", dashboard_port: int | None = None
) -> Iterator[Served]:
    """Webserver, daemon and dashboard, ready to answer; at the end all are stopped, with the runs that they have
    started, and PostgreSQL with them unless another command still uses it.

    Within the block SIGTERM and a closed terminal do what Ctrl-C does; more of them do not disturb the stopping.

    Raises
    ------
    BusyError: another `serve` holds the home. ServeError: the port is taken, or a server does not start.
    """
    prepare_home(settings)
    with _stopped_by_signals(), _only_server(settings.home) as lock:
        chosen = free_port(port, host)
        pages_port = free_port(dashboard_port, host, USUAL_DASHBOARD_PORT, "--dashboard-port")
        if chosen == pages_port:
            raise ServeError(f"Port {chosen} cannot be both pages'.", "Choose another with --dashboard-port.")
        url, pages = (f"http://{f'[{host}]' if ':' in host else host}:{number}" for number in (chosen, pages_port))
        with open_platform(settings) as platform:
            platform.warehouse.check()
            with open_instance(settings):
                pass  # its databases are made here: two servers that make them at once leave them broken for good
            _end_killed_runs(settings)  # of a `serve` that died with all its processes: the sensors would wait for them
            log = settings.home / "serve.log"
            mode = "wb" if log.exists() and log.stat().st_size > LONGEST_LOG else "ab"
            with (
                log.open(mode) as words,
                _processes(settings, url, (chosen, pages_port), host, words, lock) as processes,
            ):
                served = Served(url, pages, processes, log, settings.home / SETTINGS_FILE)
                for address in (f"{url}/server_info", f"{pages}/_stcore/health"):
                    _wait_until(lambda address=address: _answers(address), served)  # type: ignore[misc]
                _write_down(lock, url)
                yield served


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets only the main thread set handlers
        return

    def stop(*_: object) -> None:
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    # SIGINT too: a process that a shell starts with & is given it ignored, and its children after it.
    before = {number: signal.getsignal(number) for number in STOPPING}
    for number, handler in before.items():
        if number != signal.SIGHUP or handler != signal.SIG_IGN:  # nohup
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _only_server(home: Path) -> Iterator[IO[str]]:
    with (home / SERVE_LOCK).open("a+") as lock:
        deadline = time.monotonic() + SECONDS_FOR_SERVERS + SECONDS_FOR_RUNS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                lock.seek(0)
                process, _, url = lock.read().partition(" ")
                if _is_alive(process):
                    raise BusyError(
                        f"Another `insiders serve` (process {process}) serves {home}{f' at {url}' if url else ''}.",
                        "Open that page, or stop it first; two would start every scheduled run twice.",
                    ) from None
                if time.monotonic() > deadline:
                    raise BusyError(
                        f"An `insiders serve` on {home} was killed, and its web page or daemon still runs.",
                        "End the processes called dagster-webserver and dagster-daemon.",
                    ) from None
                time.sleep(0.2)
        _write_down(lock)
        yield lock
        lock.truncate(0)


def _write_down(lock: IO[str], url: str = "") -> None:
    lock.truncate(0)
    lock.write(f"{os.getpid()} {url}")
    lock.flush()


def _is_alive(process: str) -> bool:
    import psutil

    # Empty for the moment between locking and writing.
    return not process.isdecimal() or psutil.pid_exists(int(process))


@contextmanager
def _processes(
    settings: Settings, url: str, ports: tuple[int, int], host: str, words: IO[bytes], lock: IO[str]
) -> Iterator[list[subprocess.Popen]]:
    scripts = Path(sys.executable).parent
    # Code servers are renewed every minute, and each renewal would leave a line.
    common = ["-w", str(settings.instance_folder / "workspace.yaml"), "--code-server-log-level", "error"]
    commands = (
        [str(scripts / "dagster-webserver"), *common, "-h", host, "-p", str(ports[0])],
        [str(scripts / "dagster-daemon"), "run", *common],
        dashboard_command(ports[1], host),
    )
    # What the dashboard links to, where nobody has said where people find it.
    page = {} if settings.page else {f"{PREFIX}PAGE": url}
    processes: list[subprocess.Popen] = []
    try:
        for command in commands:
            processes.append(  # noqa: PERF401, the first has to be stopped if the second cannot be started
                subprocess.Popen(
                    command,
                    env={**os.environ, **environment(settings), **page},
                    stdin=subprocess.DEVNULL,
                    stdout=words,
                    stderr=subprocess.STDOUT,
                    pass_fds=[lock.fileno()],
                    # Their own session: Ctrl-C comes to us, and we stop them in order.
                    start_new_session=True,
                    preexec_fn=_stop_with_parent(),
                )
            )
        yield processes
    finally:
        if _stop(processes):
            _end_killed_runs(settings)


def _stop_with_parent() -> Callable[[], None] | None:
    """What a child does first, so that the kernel stops it when we are killed; only Linux knows how."""
    if not sys.platform.startswith("linux"):
        return None
    set_option = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def before_exec() -> None:
        set_option(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def _stop(processes: Sequence[subprocess.Popen]) -> bool:
    """Stop servers and whatever they have started; whether there was more to stop than the servers themselves."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + SECONDS_FOR_SERVERS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(deadline - time.monotonic(), 0.1))
    # A server that has ended leaves its code server until the runs in it are finished.
    left = [process for process in processes if _signal_group(process, signal.SIGTERM)]
    deadline = time.monotonic() + SECONDS_FOR_RUNS
    while any(_signal_group(process, 0) for process in left) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in processes:
        _signal_group(process, signal.SIGKILL)
        process.wait()
    return bool(left)


def _signal_group(process: subprocess.Popen, number: int) -> bool:
    """Send a signal to a server's session; whether any process of it is left."""
    process.poll()  # one that has ended and was not asked for would count
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end_killed_runs(settings: Settings) -> None:
    # Where the instance does not answer, the stopping goes on; the limit of run_monitoring then ends such a run.
    with suppress(InsidersError):
        end_dead_runs(settings, "`insiders serve` was stopped during this run.")


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


def _bindable(port: int, host: str) -> int:
    """The number of a port that can be listened on, chosen by the system where `port` is 0."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])
