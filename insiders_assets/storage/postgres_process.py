"""The embedded PostgreSQL as a set of processes: whether it runs, and the programs that make, start and stop it.

Belongs here: what is known from the data folder and the process table, and calls of initdb and pg_ctl. Does not belong
here: who may call them when (`embedded_postgres` holds the locks) and where the folders are (`postgres_place`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil

from insiders_assets.errors import InsidersError, StorageError, UnreachableError
from insiders_assets.storage.postgres_place import REMEDY, SOCKET_NAME, ServerUser

DATABASE = "insiders"
SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "",
    "port": SOCKET_NAME.rsplit(".", 1)[1],
    "max_connections": "50",
    "shared_buffers": "64MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "512MB",
    # No replica reads this server's log, so a load into a new table need not be written twice.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # A small server needs no workers, and parallel queries fail where /dev/shm is as small as Docker's.
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    # One careless join must not fill the disk that the lake is on.
    "temp_file_limit": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
START_SECONDS = 60
STOP_SECONDS = 30
LONGEST_LOG = 10_000_000


@dataclass(frozen=True)
class Server:
    """A server that runs: what its postmaster.pid says, read anew at each question."""

    data: Path
    pid: int

    @classmethod
    def found(cls, data: Path) -> Server | None:
        """The server that runs on this data folder, or None; a file left by one that was killed is none."""
        try:
            pid = int(_pid_file(data).read_text().splitlines()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return None
        server = cls(data, pid)
        return server if server.is_ours_to_stop or server.answers else None

    @property
    def is_ours_to_stop(self) -> bool:
        """Whether its process is among those that we see; a container beside ours may have started it."""
        return _is_of(self.data, self.pid)

    @property
    def answers(self) -> bool:
        """Whether somebody listens on the socket beside the data: the proof that holds between containers that share
        a home. Not on the socket that the file names: in a copied home that is the original's.
        """
        with socket.socket(socket.AF_UNIX) as caller, contextlib.suppress(OSError):
            caller.connect(str(self.data.with_name(SOCKET_NAME)))
            return True
        return False

    @property
    def ready(self) -> bool:
        """Whether it takes connections."""
        lines = self._lines()
        return len(lines) > 7 and lines[7].strip() == "ready"

    @property
    def socket_folder(self) -> str:
        """Where its socket is; asked of the server, because another process may have another temporary folder."""
        if self.data.with_name(SOCKET_NAME).exists():
            return str(self.data.parent)
        return self._lines()[4].strip()

    def becomes_ready(self, seconds: float = START_SECONDS) -> bool:
        """Wait for a server that is starting or recovering; False if it ends, or takes longer."""
        deadline = time.monotonic() + seconds
        while not self.ready:
            if time.monotonic() > deadline or not (self.is_ours_to_stop or self.answers):
                return False
            time.sleep(0.02)
        return True

    def url(self, database: str = DATABASE) -> str:
        """Connection URL of one of its databases; the port is said because PGPORT would count otherwise."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(self.socket_folder)}&port={SETTINGS['port']}"

    def _lines(self) -> list[str]:
        try:
            return _pid_file(self.data).read_text().splitlines()
        except FileNotFoundError:
            return []


class Programs:
    """initdb and pg_ctl for one data folder, run as the server's user, apart from the caller's terminal."""

    def __init__(self, folder: Path, user: ServerUser, data: Path, log: Path):
        self.folder, self.user, self.data, self.log = folder, user, data, log
        self.log_start = log.stat().st_size if log.exists() else 0

    def make_data(self) -> None:
        """Make the data folder; beside and renamed, so that a killed initdb leaves nothing that looks whole."""
        draft = self.data.with_name("data.draft")
        shutil.rmtree(draft, ignore_errors=True)
        texts = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if self._run("initdb", f"--pgdata={draft}", f"--username={SUPERUSER}", "--auth=trust", *texts) != 0:
            shutil.rmtree(draft, ignore_errors=True)
            raise self.failure(StorageError, "The embedded PostgreSQL could not make its database")
        draft.rename(self.data)

    def start(self, socket_folder: Path) -> None:
        """Start the server and wait until it takes connections; what a killed one left is no hindrance."""
        self._sweep(socket_folder)
        settings = {**SETTINGS, "unix_socket_directories": str(socket_folder), "cluster_name": _cluster_name(self.data)}
        options = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        if (
            self._run("pg_ctl", "start", "--silent", "--wait", f"--timeout={START_SECONDS}", f"--options={options}")
            != 0
        ):
            raise self.failure(UnreachableError, "The embedded PostgreSQL did not start")

    def stop(self) -> None:
        """End its connections and stop it."""
        server = Server.found(self.data)
        if server is None or not server.is_ours_to_stop:
            return  # pg_ctl would signal whichever process has that id here
        for mode in ("fast", "immediate"):
            self._run("pg_ctl", "stop", "--silent", "--wait", f"--timeout={STOP_SECONDS}", f"--mode={mode}")
            if Server.found(self.data) is None:
                return
        raise self.failure(StorageError, "The embedded PostgreSQL did not stop")

    def failure(self, kind: type[InsidersError], what: str) -> InsidersError:
        """The error that ends with the server's last words of this attempt."""
        with self.log.open("rb") as log:
            log.seek(self.log_start)
            words = log.read().decode(errors="replace").strip().splitlines()
        if any("No space left on device" in line or "Check free disk space" in line for line in words):
            return StorageError(f"{what}: the disk of {self.data.parent} is full.", f"Make room on it. {REMEDY}")
        return kind(f"{what}. Its last words ({self.log}):\n" + "\n".join(words[-8:]) + "\n", REMEDY)

    def _run(self, program: str, *arguments: str) -> int:
        # A file, not a pipe: the server keeps it open, and reading a pipe would wait for the server's end.
        # A session of its own: Ctrl-C in the terminal must not reach a server that others use.
        # PGDATA, not an argument: pg_ctl would hand the argument to a shell.
        with self._open_log() as log:
            done = subprocess.run(
                [str(self.folder / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PGDATA": str(self.data), "LC_ALL": "C", "PATH": os.defpath},
                umask=0o077,
                start_new_session=True,
                check=False,
                **self.user.identity,
            )
        return done.returncode

    def _open_log(self) -> IO[bytes]:
        how = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if self.log_start < LONGEST_LOG else os.O_TRUNC)
        # Private, because a failed statement is logged with its values.
        log = open(os.open(self.log, how | os.O_NOFOLLOW, 0o600), "wb", buffering=0)  # noqa: SIM115, PTH123
        if self.user.switch:
            os.fchown(log.fileno(), self.user.uid, self.user.gid)
        return log

    def _sweep(self, socket_folder: Path) -> None:
        """Remove what a killed server left: processes that outlived it, and files that name a process id.

        PostgreSQL itself takes such a file seriously if another process has got that id meanwhile.
        """
        if not _pid_file(self.data).exists():
            return
        left = [process for process in psutil.process_iter() if _is_of(self.data, process.pid)]
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=10)
        for file in (_pid_file(self.data), *socket_folder.glob(f"{SOCKET_NAME}*")):
            file.unlink(missing_ok=True)


def _pid_file(data: Path) -> Path:
    return data / "postmaster.pid"


def _cluster_name(data: Path) -> str:
    """A name that stands in the command line of every process of this data folder's server."""
    return f"insiders-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"


def _is_of(data: Path, pid: int) -> bool:
    """Whether the process is one of this data folder's server: ids are used again, by others, after a reboot.

    Told by the command line: the working folder would say it too, but in a container not even root may read it.
    """
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and any(_cluster_name(data) in word for word in process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
