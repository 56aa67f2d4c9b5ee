"""A PostgreSQL server that lives in the home folder and runs only while somebody uses it.

Belongs here: making, starting, sharing and stopping that server. Does not belong here: where it may live and as whom it
runs (`postgres_place`), tables and queries (`warehouse`).

Two lock files in the home say who does what, because the kernel gives a lock back however its holder ends:

- ``postgres.lock`` is held alone while the server is started or stopped;
- ``postgres.users`` is shared by everybody who uses the server. Who leaves and can then have it alone was the last, and
  stops the server. So after ``kill -9`` the server outlives its user only until the next user leaves.

The server listens on a socket in a folder that only its user (and root) can open, never on the network.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psycopg

from insiders_assets.errors import InsidersError, StorageError, UnreachableError
from insiders_assets.storage.postgres_place import (
    REMEDY,
    ServerUser,
    find_package,
    find_place,
    find_socket_folder,
    reachable_installation,
    recorded_place,
    remove_place,
)
from insiders_assets.storage.postgres_process import DATABASE, START_SECONDS, Programs, Server


class EmbeddedPostgres:
    """The server of one home; as many objects, threads and processes as like may use the same home at once."""

    def __init__(self, home: Path):
        self.home = Path(home).absolute()

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Give the URL of a server that runs at least until the end of the block.

        Raises
        ------
        StorageError: the platform, folder or disk does not allow it.
        UnreachableError: the server did not start within a minute; the error ends with its last words.
        """
        with self._speaking_clearly(), self._alone():
            users = self._join()
            try:
                url = self._start()
            except BaseException:
                with contextlib.suppress(InsidersError, OSError):  # the first trouble is the one to tell
                    self._leave(users)
                raise
        try:
            yield url
        finally:
            with self._speaking_clearly(), self._alone():
                self._leave(users)

    def url_if_running(self) -> str | None:
        """The URL of the server if it runs now, else None; whoever only asks does not keep it running."""
        with self._speaking_clearly():
            place = recorded_place(self.home.resolve())
            server = Server.found(place / "data") if place else None
            return server.url() if server and server.ready else None

    def stop(self) -> None:
        """Stop the server now, even while others use it: their connections end, their next `running()` starts it."""
        if self.home.is_dir():
            with self._speaking_clearly(), self._alone():
                self._stop()

    def remove(self) -> None:
        """Stop the server and remove its database for good, wherever it lives."""
        if self.home.is_dir():
            with self._speaking_clearly(), self._alone():
                self._stop()
                home = self.home.resolve()
                if place := recorded_place(home):
                    remove_place(home, place, find_socket_folder(place, ServerUser.for_home(home)))

    # -- who uses it

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock under which the server is started and stopped."""
        find_package()
        self.home.mkdir(parents=True, exist_ok=True)
        lock = _lock(self.home / "postgres.lock", shared=False)
        try:
            yield
        finally:
            _unlock(lock)

    def _join(self) -> IO[bytes]:
        return _lock(self.home / "postgres.users", shared=True)

    def _leave(self, users: IO[bytes]) -> None:
        try:
            if _is_the_only_one(users):
                self._stop()
        finally:
            _unlock(users)

    # -- starting and stopping, always under the lock

    def _start(self) -> str:
        home = self.home.resolve()
        user = ServerUser.for_home(home)
        place = find_place(home, user)
        programs = self._programs(place, user)
        server = Server.found(programs.data)
        if server is not None and not server.becomes_ready() and Server.found(programs.data) is None:
            # It was going down: whoever was stopping it was killed, and the lock with him.
            server = None
        if server is None:
            if not programs.data.exists():
                programs.make_data()
            programs.start(find_socket_folder(place, user))
            server = Server.found(programs.data)
        if server is None or not server.becomes_ready():
            raise programs.failure(UnreachableError, "The embedded PostgreSQL did not start")
        _make_database(server)
        return server.url()

    def _stop(self) -> None:
        home = self.home.resolve()
        place = recorded_place(home)
        if place is not None and (place / "data").exists():
            self._programs(place, ServerUser.for_home(home)).stop()

    def _programs(self, place: Path, user: ServerUser) -> Programs:
        folder = reachable_installation(find_package(), user) / "bin"
        return Programs(folder, user, place / "data", self.home / "postgres.log")

    @contextlib.contextmanager
    def _speaking_clearly(self) -> Iterator[None]:
        """Turn what the system says about folders and disks into errors for the person who can act."""
        try:
            yield
        except OSError as trouble:
            raise StorageError(
                f"The embedded PostgreSQL cannot use {trouble.filename or self.home}: {trouble.strerror or trouble}.",
                f"Give the folder its rights or some room, or choose another with INSIDERS_HOME. {REMEDY}",
            ) from trouble


def _lock(file: Path, shared: bool) -> IO[bytes]:
    """Open the file anew and lock it: locks of one process exclude or share like those of several."""
    import fcntl

    # For reading only: a home that root made first stays usable for the user it belongs to, and the other way round.
    opened = open(os.open(file, os.O_RDONLY | os.O_CREAT, 0o644), "rb")  # noqa: SIM115, PTH123
    try:
        fcntl.flock(opened, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    except BaseException:
        opened.close()
        raise
    return opened


def _is_the_only_one(users: IO[bytes]) -> bool:
    import fcntl

    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(lock: IO[bytes]) -> None:
    import fcntl

    # Said aloud: closing alone would leave the lock with a child that was forked meanwhile.
    fcntl.flock(lock, fcntl.LOCK_UN)
    lock.close()


def _make_database(server: Server) -> None:
    """Create our database if it is not there; at each start, because a first start may have been killed before it."""
    with _connection(server) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{DATABASE}"')


def _connection(server: Server) -> psycopg.Connection:
    """Connect; a server that is just recovering says so, and is asked again."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return psycopg.connect(server.url("postgres"), autocommit=True, connect_timeout=10)
        except psycopg.OperationalError as refused:
            if "the database system is" not in str(refused) or time.monotonic() > deadline:
                raise UnreachableError(f"The embedded PostgreSQL does not answer: {refused}.", REMEDY) from None
        time.sleep(0.05)
