"""The history of a laptop's home in production: its lake is copied into a bucket, nothing is made again."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import dagster as dg
import pytest

from insiders_assets.assets.platform import open_platform
from insiders_assets.automation.sensors import look_for_due_months
from insiders_assets.definitions import reach_of_assets
from insiders_assets.operations.status import STANDS
from insiders_assets.settings import load_settings
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_tests.command import hashes, insiders_here, shop_files
from insiders_tests.servers import S3, tcp_postgres

NO_SEGMENTS = "min_clusterable = 1000\n"


@pytest.fixture(scope="module")
def laptop(open_folder: Path) -> Iterator[Path]:
    home = open_folder / "laptop" / "home"
    home.mkdir(parents=True)
    (home / "insiders.toml").write_text(NO_SEGMENTS, "utf-8")
    files = shop_files(open_folder / "laptop" / "files")
    (home / "landing").mkdir()
    shutil.copy(files[1], home / "landing" / files[1].name)  # one through the zone, the other by --data
    said = insiders_here("run", "--home", home, "--data", files[0])
    assert said.code == 0, said.err
    yield home
    EmbeddedPostgres(home).remove()


@pytest.fixture(scope="module")
def database(open_folder: Path) -> Iterator[str]:
    with tcp_postgres(open_folder / "moved") as url:
        yield url


def copy(folder: Path, s3: S3, prefix: str) -> None:
    """As `aws s3 sync folder s3://bucket/prefix --exclude .lock` does it."""
    client = boto3.client("s3", endpoint_url=s3.endpoint)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != ".lock":
            client.upload_file(str(path), s3.bucket, f"{prefix}/{path.relative_to(folder)}")


def what_the_sensor_says(home: Path) -> str:
    """Why a run is asked for, or why not."""
    with (
        dg.DagsterInstance.ephemeral() as instance,
        open_platform(load_settings(home)) as platform,
        dg.build_sensor_context(instance=instance) as context,
    ):
        result = look_for_due_months(context, platform, reach_of_assets(platform.settings))
    for request in result.run_requests or []:
        return request.tags["insiders/why"]
    return str(result.skip_reason.skip_message) if isinstance(result.skip_reason, dg.SkipReason) else ""


def test_what_was_made_on_a_laptop_stands_in_a_bucket_with_the_same_hashes_and_is_only_published(
    laptop: Path, database: str, s3: S3, tmp_path: Path
) -> None:
    before, prefix = hashes(laptop), uuid.uuid4().hex
    assert len({month for month, _ in before}) == 2
    copy(laptop / "lake", s3, f"{prefix}/lake")
    copy(laptop / "landing", s3, f"{prefix}/landing")
    box = tmp_path / "box"
    box.mkdir()
    places = {name: s3.location(f"{prefix}/{name}") for name in ("lake", "landing")}
    settings = [
        NO_SEGMENTS,
        *(f'{name} = "{place}"\n' for name, place in places.items()),
        f's3_endpoint = "{s3.endpoint}"\nwarehouse = "{database}"\nfirst_month = "2024-01"\nlast_month = "2024-02"\n',
    ]
    (box / "insiders.toml").write_text("".join(settings), "utf-8")
    # The copied zone's file waits, having another time there; it is known again by its content.
    arrived = {key: found for key, found in hashes(box).items() if key[0]}
    assert {key: content for key, (_, content) in arrived.items()} == {key: one for key, (_, one) in before.items()}
    assert {state for state, _ in arrived.values()} != {STANDS}  # nothing is published there yet
    told = what_the_sensor_says(box)
    assert told == "2 due from 2024-01 on: month_files, the lake has a version that readers lack"
    said = insiders_here("run", "--home", box)
    assert said.code == 0, said.err
    assert what_the_sensor_says(box) == "No month is due."
    assert " made " not in said.out
    assert said.out.count("up to date") == 2
    assert hashes(box) == before
    counted = insiders_here("sql", "SELECT count(*) FROM report_facts", "--csv", "--home", box)
    assert counted.out == insiders_here("sql", "SELECT count(*) FROM report_facts", "--csv", "--home", laptop).out
