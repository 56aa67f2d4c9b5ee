"""What is left out of stderr, and that nothing else is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from insiders_tests.servers import tcp_postgres

# In a process of its own: here pytest handles what is logged.
CUT_OFF = """
import sys
import psycopg
from insiders_assets.operations.quiet import nothing_said_of_interrupts

with nothing_said_of_interrupts():
    try:
        with psycopg.connect(sys.argv[1]) as connection:
            connection.pgconn.send_query(b"SELECT 1")  # sent and not awaited: so a query is cut off
            raise {error}
    except {error}:
        pass
"""


WARNS = """
import sys, warnings
from insiders_assets.operations.quiet import ignore_warnings

ignore_warnings()
warnings.simplefilter("always")  # as a library leaves it
warnings.warn("old", DeprecationWarning)
"""


@pytest.mark.parametrize(("options", "is_said"), [([], False), (["-W", "default"], True)])
def test_a_librarys_warning_is_shown_to_whom_asks_for_it_alone(options: list[str], is_said: bool) -> None:
    done = subprocess.run([sys.executable, *options, "-c", WARNS], capture_output=True, text=True, check=True)
    assert ("DeprecationWarning: old" in done.stderr) is is_said


@pytest.mark.parametrize(("error", "is_said"), [("KeyboardInterrupt", False), ("ValueError", True)])
def test_a_query_cut_off_by_ctrl_c_is_no_news_and_by_anything_else_is(
    error: str, is_said: bool, tmp_path: Path
) -> None:
    with tcp_postgres(tmp_path) as url:
        program = CUT_OFF.format(error=error)
        done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
    assert ("error ignored in rollback" in done.stderr) is is_said, done.stderr
    assert is_said or not done.stderr
