"""The server in the home: it starts, is shared, survives what kills it, and is gone when nobody needs it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
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


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own is closed, which to root's server makes a difference."""
    folder = Path(tempfile.mkdtemp(prefix="insiders-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server_in(request: pytest.FixtureRequest) -> Callable[[Path], EmbeddedPostgres]:
    """Makes servers whose databases are removed at the end, also where they live outside of the home."""

    def make(home: Path) -> EmbeddedPostgres:
        server = EmbeddedPostgres(home)
        request.addfinalizer(server.remove)
        return server

    return make


@pytest.fixture
def server(open_folder: Path, server_in: Callable[[Path], EmbeddedPostgres]) -> EmbeddedPostgres:
    """A server in a home that its user can reach."""
    return server_in(open_folder / "home")


@pytest.fixture(params=["open", "closed"])
def each_server(
    request: pytest.FixtureRequest, open_folder: Path, tmp_path: Path, server_in: Callable[[Path], EmbeddedPostgres]
) -> EmbeddedPostgres:
    """The same, and one in a home that is closed to its user: then the database lives outside."""
    return server_in((open_folder if request.param == "open" else tmp_path) / "home")


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


def test_the_ports_of_the_environment_do_not_matter(
    tmp_path: Path, server_in: Callable[[Path], EmbeddedPostgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with server_in(tmp_path / "home").running() as url:
        assert answer(url, "SELECT 1") == 1


def test_a_restart_keeps_the_data(server: EmbeddedPostgres) -> None:
    with server.running() as url:
        answer(url, "CREATE TABLE kept AS SELECT 42 AS number")
    with EmbeddedPostgres(server.home).running() as url:
        assert answer(url, "SELECT number FROM kept") == 42


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
        answer(url, "CREATE TABLE kept AS SELECT 42 AS number")
        with psycopg.connect(url) as busy, ThreadPoolExecutor(1) as thread:
            pid = busy.info.backend_pid
            endless = thread.submit(busy.execute, "SELECT count(*) FROM generate_series(1, 1000000000000)")
            while answer(url, f"SELECT state FROM pg_stat_activity WHERE pid = {pid}") != "active":
                pass
            os.kill(postmaster(each_server), signal.SIGKILL)
            with each_server.running() as again:
                assert again == url
                assert answer(again, "SELECT number FROM kept") == 42
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
    own_terminal = {"start_new_session": True, "stderr": subprocess.DEVNULL}
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
    name: str, open_folder: Path, tmp_path: Path, server_in: Callable[[Path], EmbeddedPostgres]
) -> None:
    for folder in (open_folder, tmp_path):
        with server_in(folder / name / name).running() as url:
            assert answer(url, "SELECT 1") == 1


def test_a_home_made_again_does_not_find_the_old_database(each_server: EmbeddedPostgres) -> None:
    with each_server.running() as url:
        answer(url, "CREATE TABLE old (number int)")
        place = recorded_place(each_server.home)
    shutil.rmtree(each_server.home)
    with each_server.running() as url:
        assert answer(url, "SELECT to_regclass('old')") is None
    shutil.rmtree(place, ignore_errors=True)
    place.with_name(f"{place.name}.home").unlink(missing_ok=True)


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


def test_a_moved_home_keeps_its_database(
    each_server: EmbeddedPostgres, server_in: Callable[[Path], EmbeddedPostgres]
) -> None:
    with each_server.running() as url:
        answer(url, "CREATE TABLE kept AS SELECT 42 AS number")
    moved = server_in(each_server.home.rename(each_server.home.with_name("moved")).absolute())
    with moved.running() as url:
        assert answer(url, "SELECT number FROM kept") == 42


def test_folders_that_were_there_before_are_left_as_they_were(tmp_path: Path, server_in: Callable) -> None:
    home = tmp_path / "home"
    home.mkdir()
    before = [(folder, folder.stat().st_mode, folder.stat().st_uid) for folder in (home, *home.parents)]
    with server_in(home).running():
        pass
    assert before == [(folder, folder.stat().st_mode, folder.stat().st_uid) for folder in (home, *home.parents)]


def test_a_server_that_cannot_start_says_its_last_words(server: EmbeddedPostgres) -> None:
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
    tmp_path: Path, open_folder: Path, server_in: Callable[[Path], EmbeddedPostgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = find_package()
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(package / "pginstall18", tmp_path / package.name / "pginstall18")
    shutil.copytree(libraries, tmp_path / libraries.name)
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


@as_root
def test_an_unprivileged_user_runs_it_in_a_folder_of_his_own(open_folder: Path) -> None:
    home = open_folder / "nobody"
    home.mkdir()
    os.chown(home, 65534, 65534)
    with another_process(home, user=65534, group=65534, extra_groups=[]):
        server = EmbeddedPostgres(home)
        with server.running() as url:  # root joins a server that belongs to another
            assert answer(url, "SELECT 1") == 1
    assert server.url_if_running() is None
    assert (home / "postgres").stat().st_uid == 65534


@as_root
def test_a_home_that_root_used_first_stays_usable_for_its_owner(open_folder: Path) -> None:
    home = open_folder / "nobody"
    home.mkdir()
    os.chown(home, 65534, 65534)
    with EmbeddedPostgres(home).running() as url:
        answer(url, "CREATE TABLE kept AS SELECT 42 AS number")
    with another_process(home, user=65534, group=65534, extra_groups=[]):
        assert answer(EmbeddedPostgres(home).url_if_running(), "SELECT number FROM kept") == 42
