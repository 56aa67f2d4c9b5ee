"""The command as a process: what it prints where, with which exit code, and what is left when it is stopped."""

from __future__ import annotations

import os
import pty
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.settings import load_settings
from insiders_tests.command import (
    COMMAND,
    SECONDS,
    Hashes,
    Said,
    environment,
    hashes,
    insiders,
    insiders_here,
    shop_files,
)

SETTINGS, INPUT, UNREACHABLE, STORAGE, BUSY, INTERRUPTED = 3, 4, 6, 7, 8, 130
NOBODY = 65534
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/x"


@dataclass(frozen=True)
class Prepared:
    """A home that was run once, the files it was given, what that said, and how it stands."""

    home: Path
    files: list[Path]
    said: Said
    hashes: Hashes

    @property
    def first_file(self) -> Path:
        """The first month's: enough for a run that is disturbed."""
        return self.files[0]

    @property
    def first_hashes(self) -> Hashes:
        """How the first month stands, whatever comes after it."""
        return {place: found for place, found in self.hashes.items() if place[0] == "2024-01"}


def new_home(open_folder: Path) -> Path:
    folder = Path(tempfile.mkdtemp(dir=open_folder))
    folder.chmod(0o755)
    return folder / "home"


@pytest.fixture(scope="module")
def prepared(open_folder: Path) -> Prepared:
    files = shop_files(open_folder / "command-shop")[:2]
    home = new_home(open_folder)
    said = insiders("run", "--home", home, "--data", *files)
    assert said.code == 0, said.err
    return Prepared(home, files, said, hashes(home))


def refused(said: Said, code: int, *words: str) -> None:
    assert said.code == code, said
    assert said.err.startswith("insiders: ")
    assert "Traceback" not in said.err
    for word in words:
        assert word in said.err


# -- what a run prints


def test_a_run_prints_progress_and_summary_and_nothing_on_stderr(prepared: Prepared) -> None:
    said = prepared.said
    assert said.err == ""
    assert "\x1b" not in said.out
    progress = [line for line in said.out.splitlines() if line.startswith("2024-01 ")]
    assert sorted(line.split()[1] for line in progress) == sorted(MONTHLY_TABLES)
    assert "Insiders         0          not segmented: fewer than 50 clusterable customers" in said.out
    assert f"report:   {prepared.home}/reports/2024-02.html" in said.out
    assert all(len(line) <= 120 for line in said.out.splitlines())


def test_greetings_of_libraries_are_left_out_and_even_a_crash_keeps_its_last_words() -> None:
    script = """
import os
from insiders_assets.operations.quiet import without_greetings
with without_greetings():
    os.write(2, b"I0000 00:00:1 1 cudart_stub.cc:31] Could not find cuda drivers on your machine, no GPU\\n")
    os.write(2, b"F0000 00:00:1 1 cpu.cc:7] This processor lacks AVX\\n")
    os.abort()
"""
    done = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    assert done.returncode == -signal.SIGABRT
    assert done.stderr == "F0000 00:00:1 1 cpu.cc:7] This processor lacks AVX\n"


def test_status_and_sql_are_whole_in_a_pipe_and_in_a_narrow_terminal(prepared: Prepared) -> None:
    columns = "f.*, repeat('wide ', 60) AS wide, '[red]' AS marked, E'a\\nb' AS broken"
    piped = insiders("sql", f"SELECT {columns} FROM customer_features f LIMIT 2", "--home", prepared.home)
    assert piped.code == 0, piped.err
    header, *rows = piped.out.splitlines()
    assert len(rows) == 2
    assert "gross_revenue" in header
    assert "repeat" not in header
    assert "wide " * 60 in rows[0]
    assert "[red]" in rows[0]
    assert r"a\nb" in rows[0]
    assert "…" not in piped.out

    status = insiders("status", "--home", prepared.home)
    content = {content for _, content in prepared.hashes.values()}
    assert {line.split()[-1] for line in status.out.splitlines()[1:]} == {one[:16] for one in content}

    seen = in_a_terminal("status", "--home", str(prepared.home))
    assert seen.replace("\r\n", "\n") == status.out


def in_a_terminal(*arguments: str) -> str:
    """What a terminal of 80 columns is sent."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(COMMAND[0], [*COMMAND, *arguments], environment(TERM="xterm", COLUMNS="80"))
    seen = b""
    while True:
        try:
            block = os.read(terminal, 65536)
        except OSError:  # Linux ends a terminal so
            break
        if not block:
            break
        seen += block
    os.waitpid(pid, 0)
    os.close(terminal)
    return seen.decode()


def test_csv_goes_into_a_reader_that_goes_away(prepared: Prepared) -> None:
    command = [*COMMAND, "sql", "SELECT generate_series(1, 200000) AS number", "--csv", "--home", str(prepared.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() + running.stdout.readline() == b"number\n1\n"
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(SECONDS) == 1  # quietly, as Typer has it


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("DELETE FROM customer_features", "Write a query that begins with SELECT"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELEC 1", 'syntax error at or near "SELEC" (line 1, column 1)'),
    ],
)
def test_sql_that_is_no_question_is_refused(query: str, words: str, prepared: Prepared) -> None:
    refused(insiders_here("sql", query, "--home", prepared.home), INPUT, words)


# -- a home that is none


def test_nothing_is_made_in_a_folder_that_is_no_home(open_folder: Path) -> None:
    home = new_home(open_folder)
    for arguments in (["status"], ["sql", "SELECT 1"], ["run"], ["declare-empty", "2024-01"]):
        refused(insiders_here(*arguments, "--home", home), SETTINGS, f"The home {home} does not exist", "insiders demo")
    assert not home.exists()
    home.mkdir()
    refused(insiders("sql", "SELECT 1", "--home", home), SETTINGS, "is no home of Insiders yet")
    examined = insiders_here("doctor", "--home", home)
    assert examined.code == 0
    assert "none yet" in examined.out
    assert not list(home.iterdir())


def test_the_sample_shop_does_not_mix_with_a_shop(prepared: Prepared) -> None:
    refused(insiders_here("demo", "--home", prepared.home), BUSY, "holds invoices already", "another")
    assert hashes(prepared.home) == prepared.hashes


def test_settings_that_are_wrong_are_named(prepared: Prepared, open_folder: Path) -> None:
    refused(insiders("status", "--home", prepared.home, INSIDERS_LAEK="x"), SETTINGS, "INSIDERS_LAEK")
    home = new_home(open_folder)
    home.mkdir()
    (home / "insiders.toml").write_text("first_month = [")
    for command in (["status"], ["doctor"], ["run", "--data", prepared.first_file]):
        refused(insiders_here(*command, "--home", home), SETTINGS, str(home / "insiders.toml"), "not valid TOML")


# -- places that do not take the data


def test_a_database_that_is_down_is_told_before_any_work(prepared: Prepared, open_folder: Path) -> None:
    home = new_home(open_folder)
    said = insiders("run", "--home", home, "--data", prepared.first_file, INSIDERS_WAREHOUSE=NO_DATABASE)
    refused(said, UNREACHABLE, "127.0.0.1, port 1", "INSIDERS_WAREHOUSE")
    assert said.out == ""
    assert not list((home / "lake").rglob("*.parquet"))
    assert not list((home / "landing").iterdir())
    examined = insiders("doctor", "--home", home, INSIDERS_WAREHOUSE=NO_DATABASE)
    assert examined.code == 1
    assert "nothing listens there" in examined.out


# Whoever has lost the rights of root may not read the installation: a rehearsal reads all of it before.
AS_NOBODY = """
import contextlib, os, sys
from insiders_assets.cli import main
user, lake, rehearsal, home, *files = sys.argv[1:]
os.environ["INSIDERS_LAKE"] = "/dev/null"
sys.argv[1:] = ["run", "--home", rehearsal, "--data", *files]
with contextlib.suppress(SystemExit), open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
    main()
os.environ["INSIDERS_LAKE"] = lake
sys.argv[1:] = ["run", "--home", home, "--data", *files]
if int(user):
    os.setgroups([]), os.setgid(int(user)), os.setuid(int(user))
main()
"""


def test_a_lake_that_is_read_only_is_named(prepared: Prepared, open_folder: Path) -> None:
    home = new_home(open_folder)
    lake = home.parent / "lake"
    lake.mkdir(mode=0o555)
    user = NOBODY if os.geteuid() == 0 else 0
    if user:
        os.chown(home.parent, user, user)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(user), lake, new_home(open_folder), home, prepared.first_file],
        env=environment(HOME=str(home.parent)),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    refused(Said(done.returncode, done.stdout, done.stderr), STORAGE, f"{lake} cannot be written", "another place")
    assert not list(lake.iterdir())


def test_a_disk_that_takes_no_more_is_told_and_the_next_run_goes_on(prepared: Prepared, open_folder: Path) -> None:
    home = new_home(open_folder)

    def short_of_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 * 1024, 100 * 1024))

    done = subprocess.run(
        [*COMMAND, "run", "--home", str(home), "--data", str(prepared.first_file)],
        env=environment(),
        preexec_fn=short_of_room,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    refused(Said(done.returncode, done.stdout, done.stderr), STORAGE, str(home), "space")
    assert insiders_here("run", "--home", home, "--data", prepared.first_file).code == 0
    assert hashes(home) == prepared.first_hashes


# -- stopped, killed, twice at once


def started(home: Path, file: Path) -> subprocess.Popen[str]:
    """A run in a session of its own, as in a terminal of its own; Ctrl-C counts even where a shell had it ignored."""
    return subprocess.Popen(
        [*COMMAND, "run", "--home", str(home), "--data", str(file)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def stopped_at(prepared: Prepared, home: Path, how: Callable[[int], None], progress_lines: int, seconds: float) -> Said:
    """A run that is stopped so many seconds after so many lines of progress (or has ended before)."""
    running = started(home, prepared.first_file)
    assert running.stdout is not None
    seen = "".join(running.stdout.readline() for _ in range(progress_lines))
    time.sleep(seconds)
    how(running.pid)
    out, err = running.communicate(timeout=SECONDS)
    return Said(running.returncode, seen + out, err)


def interrupt(pid: int) -> None:
    os.killpg(pid, signal.SIGINT)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def goes_on_and_ends_the_same(prepared: Prepared, home: Path) -> None:
    said = insiders_here("run", "--home", home, "--data", prepared.first_file)
    assert said.code == 0, said.err
    assert hashes(home) == prepared.first_hashes
    assert [file.name for file in (home / "landing").iterdir()] == [prepared.first_file.name]
    landed = insiders_here("sql", "SELECT file_key FROM landed_files", "--csv", "--home", home)
    assert landed.out.split() == ["file_key", prepared.first_file.name]
    with dg.DagsterInstance.from_config(str(load_settings(home).instance_folder)) as instance:
        assert all(run.is_finished for run in instance.get_runs())


# Stopped at this progress line, and so many seconds later: during landing.
@pytest.mark.parametrize("moment", [(1, 0.05)])
def test_ctrl_c_says_so_and_the_next_run_goes_on(
    moment: tuple[int, float], prepared: Prepared, open_folder: Path
) -> None:
    home = new_home(open_folder)
    said = stopped_at(prepared, home, interrupt, *moment)
    assert said.code == INTERRUPTED, said
    assert said.err == "insiders: interrupted. What was finished stays; the same command goes on from there.\n"
    goes_on_and_ends_the_same(prepared, home)


# In the middle of a month.
@pytest.mark.parametrize("moment", [(5, 0.15)])
def test_after_kill_9_the_next_run_goes_on(moment: tuple[int, float], prepared: Prepared, open_folder: Path) -> None:
    home = new_home(open_folder)
    assert stopped_at(prepared, home, kill, *moment).code == -signal.SIGKILL
    goes_on_and_ends_the_same(prepared, home)


@pytest.mark.slow
@pytest.mark.parametrize("how", [interrupt, kill])
@pytest.mark.parametrize("seed", range(12))
def test_a_run_stopped_at_any_moment_goes_on(
    how: Callable[[int], None], seed: int, prepared: Prepared, open_folder: Path
) -> None:
    home, chance = new_home(open_folder), random.Random(seed)
    # The first lines come after imports and the start of PostgreSQL: those moments too.
    said = stopped_at(prepared, home, how, chance.randrange(10), chance.random() * (3 if seed % 3 == 0 else 0.4))
    # Before its first line Python may still be importing the command itself.
    assert "Traceback" not in said.err or not said.out
    goes_on_and_ends_the_same(prepared, home)
    shutil.rmtree(home, ignore_errors=True)


def test_two_runs_at_once_do_not_meet(prepared: Prepared, open_folder: Path) -> None:
    home = new_home(open_folder)
    first = started(home, prepared.first_file)
    assert first.stdout is not None
    first.stdout.readline()
    second = insiders("run", "--home", home, "--data", prepared.first_file)
    refused(second, BUSY, f"(process {first.pid})", "Wait until it has finished")
    _, err = first.communicate(timeout=SECONDS)
    assert first.returncode == 0, err
    assert hashes(home) == prepared.first_hashes
