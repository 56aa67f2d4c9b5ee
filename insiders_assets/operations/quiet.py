"""What the libraries under us say on stderr, and that no user can do anything about.

Belongs here: leaving out lines that are known and harmless. Does not belong here: hiding anything else.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# TensorFlow's libraries write these (severity I) while they are loaded, before they have read TF_CPP_MIN_LOG_LEVEL.
# Exit: a TensorFlow that imports silently under TF_CPP_MIN_LOG_LEVEL=3.
GREETINGS = (
    r"^WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR$",
    r"^I[0-9]{4} .*\] oneDNN custom operations are on\.",
    r"^I[0-9]{4} .*\] Could not find cuda drivers on your machine",
)
SECONDS_TO_END = 2


@contextmanager
def nothing_said_of_interrupts() -> Iterator[None]:
    """Within the block nothing is printed of a Ctrl-C that met a library at work.

    SQLAlchemy logs it and raises it again; psycopg logs that a connection cut off by it could not roll back; Python
    prints it where nothing can be raised, as in a finaliser.
    """

    def is_another(said: logging.LogRecord) -> bool:
        logged = said.exc_info[1] if said.exc_info else None
        return not any(map(_comes_of_an_interrupt, (logged, sys.exc_info()[1])))

    before, last_resort = sys.unraisablehook, logging.lastResort
    sys.unraisablehook = lambda said: None if isinstance(said.exc_value, KeyboardInterrupt) else before(said)
    if last_resort:
        last_resort.addFilter(is_another)
    try:
        yield
    finally:
        sys.unraisablehook = before
        if last_resort:
            last_resort.removeFilter(is_another)


def _comes_of_an_interrupt(error: BaseException | None) -> bool:
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def ignore_warnings() -> None:
    """Show no warning of a library about its own future, unless Python was told to (-W, PYTHONWARNINGS).

    Not by a filter: libraries set filters for a while, in several threads at once, and what the last of them puts back
    is not what was there.
    """
    if not sys.warnoptions:
        warnings.showwarning = lambda *_, **__: None


@contextmanager
def without_greetings() -> Iterator[None]:
    """Within the block stderr passes through `grep -v`, which leaves out GREETINGS alone.

    It is a process of its own, because C++ writes to the descriptor, and so that the last words of a crash come out
    too. Where there is no grep, nothing is left out.
    """
    sys.stderr.flush()
    pattern = "|".join(GREETINGS)
    original = os.dup(2)
    try:
        # Its own session: Ctrl-C is for us, and what we say after it has to pass still.
        command = ["grep", "--line-buffered", "-a", "-v", "-E", pattern]
        passing = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=original, start_new_session=True)
    except OSError:
        os.close(original)
        yield
        return
    assert passing.stdin is not None
    os.dup2(passing.stdin.fileno(), 2)
    passing.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(original, 2)
        os.close(original)
        # A process that outlives us may hold the pipe.
        with suppress(subprocess.TimeoutExpired):
            passing.wait(SECONDS_TO_END)
