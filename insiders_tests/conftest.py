"""What tests share: the real invoices where they are, and homes that every user can reach."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from insiders_tests.servers import S3, s3_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REAL_DATA = "INSIDERS_REAL_DATA"
# A browser without a traffic of its own.
QUIET = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A busy machine is no fault of the code: what takes too long is a matter of benchmarks.
hypothesis.settings.register_profile("insiders", deadline=None)
hypothesis.settings.load_profile("insiders")


# Of several processes the one that gets a file of minutes last is waited for by the others.
LONGEST_FIRST = ("test_reference_month", "test_production", "test_restatement", "test_parity", "test_hostile_input")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; otherwise the order stays."""

    def place(item: pytest.Item) -> int:
        name = Path(item.fspath).stem
        return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The UCI Online Retail invoices (541,909 lines) as Parquet."""
    place = os.environ.get(REAL_DATA)
    if not place:
        pytest.skip(f"{REAL_DATA} does not name the real invoices (a Parquet file with the UCI columns)")
    return Path(place)


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder below /tmp that other users can traverse, with a short name: pytest's own are private and long, and the
    embedded PostgreSQL of a root user belongs to another user."""
    folder = Path(tempfile.mkdtemp(prefix="insiders-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(open_folder: Path) -> Path:
    """A fresh home for one test."""
    return Path(tempfile.mkdtemp(dir=open_folder)) / "home"


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A bucket that all tests share; each takes a prefix of its own."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium; where there is none, the tests that need it are skipped."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("Debian's chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield opened
        opened.close()
