"""A home with data and its web page, shared by every test that only looks at them."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from insiders_assets.operations.running import Wanted, run
from insiders_assets.sample import ShopParameters, write_shop
from insiders_assets.settings import load_settings
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_tests.operations.shops import environment_as_before
from insiders_tests.servers import free_port
from insiders_tests.web_page import SECONDS_TO_STOP, Page, page_of

OURS = ("INSIDERS_HOME", "DAGSTER_HOME", "NUMBA_CACHE_DIR", "TF_CPP_MIN_LOG_LEVEL")


@pytest.fixture(scope="module")
def plain_environment() -> Iterator[None]:
    """For modules whose runs name their home to the processes that they start."""
    with environment_as_before():
        yield


@pytest.fixture(scope="session")
def shop_home(tmp_path_factory: pytest.TempPathFactory, open_folder: Path) -> Iterator[Path]:
    """A home with the first of two months made, of a shop too small for segments: those would take the most time."""
    home = open_folder / "shop" / "home"
    home.mkdir(parents=True)
    (home / "insiders.toml").write_text("min_clusterable = 1000\nautomation = false\n")
    files = write_shop(ShopParameters(dt.date(2024, 1, 1), 2, 80, seed=1), tmp_path_factory.mktemp("shop"))
    with pytest.MonkeyPatch.context() as environment:
        for name in [*os.environ, *OURS]:
            if name.startswith(("INSIDERS_", "DAGSTER_")) or name in OURS:
                # Set and taken away: what preparing the home sets is undone as well.
                environment.setenv(name, "")
                environment.delenv(name)
        run(load_settings(home), Wanted(files=files, last=dt.date(2024, 1, 1)), dt.date(2024, 4, 1), lambda _: None)
    yield home
    EmbeddedPostgres(home).remove()


@pytest.fixture(scope="session")
def shop_page(shop_home: Path) -> Iterator[Page]:
    """The web page of that home; stopped by Ctrl-C, and no process may be left then."""
    with page_of(shop_home, free_port()) as page:
        yield page
        family = page.family()
        page.process.send_signal(signal.SIGINT)
        assert page.process.wait(SECONDS_TO_STOP) == 0
        assert not psutil.wait_procs(family, timeout=SECONDS_TO_STOP)[1]
        assert EmbeddedPostgres(shop_home).url_if_running() is None
