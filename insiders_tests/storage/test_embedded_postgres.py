"""The server in the home: it starts, is shared, survives what kills it, and is gone when nobody needs it."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from insiders_assets.errors import StorageError, UnreachableError
from insiders_assets.storage import postgres_place
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.postgres_place import ServerUser, find_package, reachable_installation, recorded_place
from insiders_assets.storage.postgres_process import Server

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
PROJECT = Path(__file__).parents[2]
USER_OF_A_HOME = """
    import sys
    from pathlib import Path
    from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
    with EmbeddedPostgres(Path(sys.argv[1])).running() as url:
        print(url, flush=True)
        sys.stdin.readline()
"""


@contextlib.contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own is closed, which to root's server makes a difference."""
    folder = Path(tempfile.mkdtemp(prefix="insiders-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with folder_for_all() as folder:
        yield folder


@pytest.fixture
def server_in() -> Iterator[Callable[[Path], EmbeddedPostgres]]:
    """Makes servers whose databases are removed at the end, also where they live outside of the home."""
    with contextlib.ExitStack() as removed:

        def make(home: Path) -> EmbeddedPostgres:
            server = EmbeddedPostgres(home)
            removed.callback(server.remove)
            return server

        yield make


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server in a home that its user can reach, shared by the tests that do no harm to the home."""
    with folder_for_all() as folder:
        yield EmbeddedPostgres(folder / "home")


@pytest.fixture(params=["open", "closed"], scope="module")
def each_server(
    request: pytest.FixtureRequest, server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedPostgres]:
    """The same, and one in a home that is closed to its user: then the database lives outside."""
    if request.param == "open":
        yield server
    else:
        closed = EmbeddedPostgres(tmp_path_factory.mktemp("closed") / "home")
        yield closed
        closed.remove()


@contextlib.contextmanager
def another_process(home: Path, **how: object) -> Iterator[subprocess.Popen[str]]:
    """A process that uses the server of a home until it is told to leave, or killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(USER_OF_A_HOME), str(home)],
        cwd=PROJECT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **how,  # type: ignore[call-overload]
    )
    try:
        assert process.stdout.readline().startswith("postgresql://")
        yield process
    finally:
        process.communicate("\n" if process.poll() is None else None, timeout=30)


def answer(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def postmaster(server: EmbeddedPostgres) -> int:
    return Server.found(recorded_place(server.home) / "data").pid


def test_it_runs_during_the_block_and_not_after(each_server: EmbeddedPostgres) -> None:
    assert each_server.url_if_running() is None
    with each_server.running() as url:
        assert answer(url, "SELECT current_database()") == "insiders"
        assert each_server.url_if_running() == url
    assert each_server.url_if_running() is None
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_it_is_safe_and_closed_to_the_network_and_to_others(each_server: EmbeddedPostgres) -> None:
    with each_server.running() as url:
        assert answer(url, "SHOW listen_addresses") == ""
        assert answer(url, "SHOW fsync") == "on"
        assert answer(url, "SHOW timezone") == "UTC"
        assert answer(url, "SELECT upper('é')") == "É"
        place = recorded_place(each_server.home)
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert stat.S_IMODE((each_server.home / "postgres.log").stat().st_mode) == 0o600


def test_the_ports_of_the_environment_do_not_matter(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with server.running() as url:
        assert answer(url, "SELECT 1") == 1


def test_a_restart_keeps_the_data(server: EmbeddedPostgres) -> None:
    with server.running() as url:
        answer(url, "CREATE TABLE over_a_restart AS SELECT 42 AS number")
    with EmbeddedPostgres(server.home).running() as url:
        assert answer(url, "SELECT number FROM over_a_restart") == 42


def test_nested_blocks_share_one_server_until_the_outermost_ends(server: EmbeddedPostgres) -> None:
    with server.running() as outer:
        with server.running() as inner, EmbeddedPostgres(server.home).running() as other:
            assert inner == outer == other
        assert answer(outer, "SELECT 1") == 1
    assert server.url_if_running() is None


def test_threads_that_start_at_once_share_one_server(server: EmbeddedPostgres) -> None:
    together = threading.Barrier(4)

    def use(_: int) -> object:
        together.wait()
        with server.running() as url:
            return answer(url, "SELECT pg_postmaster_start_time()::text") if together.wait() >= 0 else None

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(use, range(4)))) == 1
    assert server.url_if_running() is None


def test_the_last_process_to_leave_stops_the_server(server: EmbeddedPostgres) -> None:
    with another_process(server.home):
        with server.running() as url:
            pass
        assert answer(url, "SELECT 1") == 1
    assert server.url_if_running() is None


def test_the_starter_may_leave_first(server: EmbeddedPostgres) -> None:
    with contextlib.ExitStack() as me:
        with another_process(server.home):
            url = me.enter_context(server.running())
        assert answer(url, "SELECT 1") == 1
    assert server.url_if_running() is None


def test_a_starter_that_was_killed_leaks_no_longer_than_the_next_user_stays(each_server: EmbeddedPostgres) -> None:
    with another_process(each_server.home) as starter:
        starter.kill()
        starter.wait()
        assert each_server.url_if_running() is not None
    with each_server.running() as url:
        assert answer(url, "SELECT 1") == 1
    assert each_server.url_if_running() is None


def test_a_server_killed_while_busy_starts_afresh_with_its_data(each_server: EmbeddedPostgres) -> None:
    with each_server.running() as url:
        answer(url, "CREATE TABLE over_a_crash AS SELECT 42 AS number")
        with psycopg.connect(url) as busy, ThreadPoolExecutor(1) as thread:
            pid = busy.info.backend_pid
            endless = thread.submit(busy.execute, "SELECT count(*) FROM generate_series(1, 1000000000000)")
            while answer(url, f"SELECT state FROM pg_stat_activity WHERE pid = {pid}") != "active":
                pass
            os.kill(postmaster(each_server), signal.SIGKILL)
            with each_server.running() as again:
                assert again == url
                assert answer(again, "SELECT number FROM over_a_crash") == 42
                with pytest.raises(psycopg.OperationalError):
                    endless.result()
        assert answer(url, "SELECT 1") == 1
    assert each_server.url_if_running() is None


def test_leaving_a_server_that_was_killed_is_no_error(server: EmbeddedPostgres) -> None:
    with server.running():
        os.kill(postmaster(server), signal.SIGKILL)


def test_a_stale_pid_that_another_process_has_now_is_no_hindrance(server: EmbeddedPostgres) -> None:
    with server.running() as url:
        place = recorded_place(server.home)
        stale = (place / "data" / "postmaster.pid").read_text().splitlines()[1:]
        identity = ServerUser.for_home(server.home).identity
    with subprocess.Popen(["sleep", "60"], **identity) as stranger:
        (place / "data" / "postmaster.pid").write_text("\n".join([str(stranger.pid), *stale, ""]))
        (place / ".s.PGSQL.5432.lock").write_text("\n".join([str(stranger.pid), *stale, ""]))
        assert server.url_if_running() is None
        with server.running() as url:
            assert answer(url, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_a_first_start_that_was_interrupted_is_made_again(server: EmbeddedPostgres) -> None:
    with server.running():
        place = recorded_place(server.home)
    (place / "data").rename(place / "data.draft")
    (place / "data.draft" / "PG_VERSION").unlink()
    with server.running() as url:
        assert answer(url, "SELECT 1") == 1


def test_ctrl_c_on_one_user_does_not_kill_the_server_of_the_other(server: EmbeddedPostgres) -> None:
    # A shell's background job, and all that it starts, has Ctrl-C ignored; at a terminal it counts.
    counts = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    own_terminal = {"start_new_session": True, "stderr": subprocess.DEVNULL, "preexec_fn": counts}
    with another_process(server.home, **own_terminal) as starter, server.running() as url:
        os.killpg(starter.pid, signal.SIGINT)
        assert starter.wait(30) != 0
        assert answer(url, "SELECT 1") == 1
    assert server.url_if_running() is None


def test_stop_stops_it_for_everybody_and_the_next_user_starts_it(server: EmbeddedPostgres) -> None:
    with server.running():
        server.stop()
        assert server.url_if_running() is None
        with server.running() as url:
            assert answer(url, "SELECT 1") == 1
    EmbeddedPostgres(server.home / "never-made").stop()


@pytest.mark.parametrize("name", ["a" * 120, "with space, 'quotes\" and $HOME `id` ünïcode"])
def test_the_home_may_have_any_path(
    name: str, open_folder: Path, server_in: Callable[[Path], EmbeddedPostgres]
) -> None:
    with server_in(open_folder / name / name).running() as url:
        assert answer(url, "SELECT 1") == 1


def test_a_home_made_again_does_not_find_the_old_database(
    tmp_path: Path, server_in: Callable[[Path], EmbeddedPostgres]
) -> None:
    server = server_in(tmp_path / "home")
    with server.running() as url:
        answer(url, "CREATE TABLE old (number int)")
        old = recorded_place(server.home)
    shutil.rmtree(server.home)
    with server.running() as url:
        assert answer(url, "SELECT to_regclass('old')") is None
    shutil.rmtree(old, ignore_errors=True)
    old.with_name(f"{old.name}.home").unlink(missing_ok=True)


def test_a_copied_home_has_a_database_of_its_own(
    each_server: EmbeddedPostgres, server_in: Callable[[Path], EmbeddedPostgres]
) -> None:
    with each_server.running() as url:
        copy = each_server.home.with_name("copy")
        subprocess.run(["cp", "-a", each_server.home, copy], check=True)
        with server_in(copy).running() as other:
            assert other != url
            assert answer(url, "SHOW data_directory") != answer(other, "SHOW data_directory")
        assert answer(url, "SELECT 1") == 1


def test_a_moved_home_keeps_its_database(tmp_path: Path, server_in: Callable[[Path], EmbeddedPostgres]) -> None:
    with EmbeddedPostgres(tmp_path / "home").running() as url:
        answer(url, "CREATE TABLE kept AS SELECT 42 AS number")
    with server_in((tmp_path / "home").rename(tmp_path / "moved")).running() as url:
        assert answer(url, "SELECT number FROM kept") == 42


def test_folders_that_were_there_before_are_left_as_they_were(tmp_path: Path, server_in: Callable) -> None:
    home = tmp_path / "home"
    home.mkdir()
    before = [(folder, folder.stat().st_mode, folder.stat().st_uid) for folder in (home, *home.parents)]
    with server_in(home).running():
        pass
    assert before == [(folder, folder.stat().st_mode, folder.stat().st_uid) for folder in (home, *home.parents)]


def test_a_server_that_cannot_start_says_its_last_words(
    open_folder: Path, server_in: Callable[[Path], EmbeddedPostgres]
) -> None:
    server = server_in(open_folder / "home")
    with server.running():
        place = recorded_place(server.home)
    (place / "data" / "global" / "pg_control").unlink()
    with pytest.raises(UnreachableError, match=r"pg_control(.|\n)*INSIDERS_WAREHOUSE=postgresql://"), server.running():
        pass


def test_a_home_that_cannot_be_made_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file(.|\n)*INSIDERS_HOME(.|\n)*INSIDERS_WAREHOUSE"):  # noqa: SIM117
        with EmbeddedPostgres(tmp_path / "file" / "home").running():
            pass


def test_a_platform_without_the_wheel_is_told_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_place, "WHEEL", "no_such_wheel")
    with pytest.raises(StorageError, match="INSIDERS_WAREHOUSE=postgresql://"):  # noqa: SIM117
        with EmbeddedPostgres(tmp_path / "home").running():
            pass


@as_root
def test_programs_that_the_servers_user_cannot_reach_are_copied_once(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch, server_in: Callable[[Path], EmbeddedPostgres]
) -> None:
    package = find_package()
    shutil.copytree(package / "pginstall18", tmp_path / package.name / "pginstall18")
    shutil.copytree(package.with_name(f"{package.name}.libs"), tmp_path / f"{package.name}.libs")
    monkeypatch.setattr(postgres_place, "OUTSIDE", open_folder / "outside")
    monkeypatch.setattr("insiders_assets.storage.embedded_postgres.find_package", lambda: tmp_path / package.name)
    server = server_in(tmp_path / "home")
    with server.running() as url:
        assert answer(url, "SELECT count(*) > 0 FROM pg_timezone_names WHERE name = 'Europe/Berlin'")
    user = ServerUser.for_home(server.home)
    first = reachable_installation(tmp_path / package.name, user)
    assert first.is_relative_to(open_folder)
    assert reachable_installation(tmp_path / package.name, user) == first
    assert len(list((open_folder / "outside").glob("programs-*"))) == 1


def as_user_of(folder: Path, work: Callable[[], object]) -> bool:
    """Do something as the owner of a folder, in a forked process: python itself may be closed to that user."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(folder.stat().st_gid)
            os.setuid(folder.stat().st_uid)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


@as_root
def test_root_and_the_owner_of_a_home_take_turns_and_share(open_folder: Path) -> None:
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    server = EmbeddedPostgres(home)

    def table_is_there() -> None:
        with server.running() as url:
            assert answer(url, "SELECT number FROM kept") == 42

    with server.running() as url:
        answer(url, "CREATE TABLE kept AS SELECT 42 AS number")
        assert as_user_of(home, table_is_there)
    assert server.url_if_running() is None
    assert as_user_of(home, table_is_there)
    table_is_there()
    assert (home / "postgres").stat().st_uid == 65534


@as_root
def test_an_unprivileged_user_starts_it_in_a_folder_of_his_own(open_folder: Path) -> None:
    folder = open_folder / "folder"
    folder.mkdir()
    os.chown(folder, 65534, 65534)

    def first_start() -> None:
        with EmbeddedPostgres(folder / "home").running() as url:
            assert answer(url, "SELECT 1") == 1

    assert as_user_of(folder, first_start)
    assert (folder / "home" / "postgres").stat().st_uid == 65534


@as_root
def test_a_home_of_another_user_is_refused_with_its_remedy(open_folder: Path, server: EmbeddedPostgres) -> None:
    stranger = open_folder / "stranger"
    stranger.mkdir()
    os.chown(stranger, 1, 1)

    with server.running():
        pass

    def refused() -> None:
        with pytest.raises(StorageError, match="INSIDERS_HOME"), server.running():
            pass

    assert as_user_of(stranger, refused)


def test_a_server_that_is_going_down_is_waited_for_and_started_again(server: EmbeddedPostgres) -> None:
    """As after a kill -9 of the command that was stopping it: the lock is free, the server still there."""
    with server.running() as url, ThreadPoolExecutor(1) as another, psycopg.connect(url) as connection:
        connection.execute("SELECT 1")
        place = recorded_place(server.home.resolve())
        found = Server.found(place / "data") if place else None
        assert found
        os.kill(found.pid, signal.SIGTERM)  # "smart": it waits for this connection
        while found.ready:
            pass
        started = another.submit(_ask_through, server)
        with contextlib.suppress(TimeoutError):
            started.result(timeout=1)
        connection.close()
        assert started.result(timeout=60) == 1


def _ask_through(server: EmbeddedPostgres) -> int:
    with server.running() as url, psycopg.connect(url) as connection:
        ((one,),) = connection.execute("SELECT 1").fetchall()
    return int(one)
