"""What tests of several modules stand on: a server of PostgreSQL, a box with a release, and stacks of the template."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from insiders_tests.deploy.cloud import Stack, cloud, create_stack
from insiders_tests.deploy.first_start import FirstStart, start
from insiders_tests.deploy.scripts import Box, as_master
from insiders_tests.deploy.stacks import CIDR, IMAGE
from insiders_tests.servers import S3, tcp_postgres


@pytest.fixture(scope="module")
def postgres(open_folder: Path) -> Iterator[dict[str, str]]:
    """Login of the master of a real server, as psql takes it."""
    with tcp_postgres(open_folder / "deploy-scripts") as url:
        found = urlsplit(url)
        yield {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(found.port),
            "PGUSER": str(found.username),
            "PGPASSWORD": unquote(str(found.password)),
            "PGSSLMODE": "disable",
        }


@pytest.fixture
def empty_server(postgres: dict[str, str]) -> Iterator[dict[str, str]]:
    """The server; what a test has made on it is gone at the end."""
    yield postgres
    with as_master(postgres) as master:
        for name in ("insiders", "dagster"):
            master.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]
        for role in ("insiders", "metabase", "insiders_reader", "insiders_maker", "dagster", "rds_iam", "landlord"):
            master.execute(f"DROP ROLE IF EXISTS {role}")  # type: ignore[arg-type]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A box with one release of an image."""
    made = Box(tmp_path / "root", tmp_path / "programs")
    made.answer()
    done = made.install("--image", "insiders:1")
    assert done.returncode == 0, done.stderr
    # Nothing is started.
    assert made.asked == [f"systemctl --quiet --root={made.root} enable insiders.target"]
    made.forget()
    return made


@pytest.fixture(scope="module")
def closed(s3: S3) -> Iterator[Stack]:
    """A stack with the defaults: a virtual environment, nothing open. Made after the S3 server of one test, since both
    change the environment and put it back."""
    with cloud():
        yield create_stack("insiders")


@pytest.fixture(scope="module")
def opened(closed: Stack) -> Stack:
    """A second one in the same account: an image, what the compose file needs, and addresses that may come in."""
    return create_stack(
        "other-shop", AllowedCidr=CIDR, ContainerImage=IMAGE, MetadataHops="2", DatabaseClass="db.m7g.large"
    )


@pytest.fixture(scope="module")
def started(closed: Stack) -> Iterator[FirstStart]:
    """A first start that went well."""
    with tempfile.TemporaryDirectory() as folder:
        yield start(closed, Path(folder))
