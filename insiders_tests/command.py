"""The command `insiders` as a person calls it: in a process of its own, or in this one, where that is enough.

Belongs here: calling it, and a tiny shop to call it with. Does not belong here: what it should say.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from insiders_assets import cli
from insiders_assets.sample import ShopParameters, write_shop
from insiders_assets.settings import PREFIX

COMMAND = (sys.executable, "-m", "insiders_assets.cli")
SECONDS = 180
# Too few customers for segments: the whole way from file to report without UMAP and TensorFlow.
SHOP = ShopParameters(first_month=dt.date(2024, 1, 1), months=3, customers=120, articles=100, seed=3)

Hashes = dict[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True)
class Said:
    """Exit code, and what stood on stdout and stderr."""

    code: int
    out: str
    err: str


def shop_files(folder: Path) -> list[Path]:
    """Three months of a tiny shop, a file each."""
    return write_shop(SHOP, folder, files="month")


def environment(**variables: str) -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "DAGSTER_"))}
    return {**kept, **variables}


def insiders(*arguments: object, **variables: str) -> Said:
    """Call the command in a process of its own; `variables` are added to its environment."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def insiders_here(*arguments: object) -> Said:
    """Call the command in this process: the same, but spared the seconds of importing everything."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before = dict(os.environ)
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        pytests_stderr_left_open(),
        mock.patch.object(sys, "argv", ["insiders", *map(str, arguments)]),
        mock.patch.dict(os.environ, environment(), clear=True),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main()
    assert dict(os.environ) == before
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return Said(int(ended.value.code or 0), *texts)


@contextmanager
def pytests_stderr_left_open() -> Iterator[None]:
    """Keep absl, which TensorFlow brings, from closing the stderr of the test run.

    When Dagster sets up its logging, all handlers are closed, and absl's closes the stream that it was born with unless
    that is sys.stderr just then; while stderr is redirected it is not. The command itself never redirects it.
    """
    absl = sys.modules.get("absl.logging")
    if absl is None:
        yield
        return
    with mock.patch.object(absl.PythonHandler, "close", logging.StreamHandler.close):
        yield


def hashes(home: Path) -> Hashes:
    """State and content hash of every table and month."""
    said = insiders_here("status", "--json", "--home", home)
    assert said.code == 0, said.err
    return {(row["month"], row["table"]): (row["state"], row["content_hash"]) for row in json.loads(said.out)}
