"""Spark gives what DuckDB gives, row for row, on a real cluster with several workers; and says what it misses."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.ensemble import RandomForestRegressor

from insiders_assets.assets.monthly import Month
from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.assets.raw_invoices import clean_month
from insiders_assets.contracts.customers import CUSTOMER_FEATURES
from insiders_assets.contracts.lines import RAW_INVOICES
from insiders_assets.contracts.table import content_hash
from insiders_assets.domain.clustering import segment_by_landmarks
from insiders_assets.domain.embedding import TREES, design_matrix, in_order_of_appearance
from insiders_assets.domain.features import customer_features
from insiders_assets.domain.leaf_space import LEAST_IN_LEAF, as_trees_read
from insiders_assets.domain.proximity import ProximityEmbedding
from insiders_assets.errors import SettingsError, StorageError
from insiders_assets.operations.doctor import WELL, WRONG, examine
from insiders_assets.operations.landing import land_file
from insiders_assets.partitions import key_of, month_range
from insiders_assets.sample import ShopParameters, write_shop
from insiders_assets.settings import SPARK, java_program, load_settings
from insiders_assets.storage import spark_engine
from insiders_assets.storage.engine import DuckDBEngine, Engine
from insiders_assets.storage.lake import Dataset, Lake
from insiders_assets.storage.objects import open_store
from insiders_assets.storage.spark_engine import SparkEngine, check_spark
from insiders_tests.servers import spark_cluster

needs_spark = pytest.mark.spark
WORKERS = 2
LANDMARKS = 600
JULY = dt.date(2011, 7, 1)


@pytest.fixture(scope="module")
def master(open_folder: Path) -> Iterator[str]:
    """A cluster of workers that all tests here share."""
    try:
        check_spark(java_program())
    except SettingsError as missing:
        pytest.skip(missing.problem)
    folder = open_folder / "spark"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as environment:
        # For a minute's work the first compiler is enough: the second one takes half of the time for itself.
        environment.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        with spark_cluster(folder, WORKERS) as running:
            yield running


@pytest.fixture(scope="module")
def spark(master: str) -> Iterator[SparkEngine]:
    engine = SparkEngine(master, java_program())
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def duckdb() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine()
    yield engine
    engine.close()


@dataclass(frozen=True)
class Lines:
    """The lines of a window in a lake, and its last month."""

    data: Dataset
    last: dt.date

    def features(self, engine: Engine) -> pa.Table:
        """By customer, after the contract has seen them."""
        rows = engine.run(customer_features(engine.table(self.data), self.last))
        return CUSTOMER_FEATURES.validate(rows).sort_by("customer_id").combine_chunks()


def landed(home: Path, file: Path, first: dt.date, last: dt.date) -> Lines:
    """A file's cleaned lines of some months in the lake of a home, as the assets would write them."""
    (home / "landing").mkdir(parents=True)
    with open_platform(load_settings(home)) as platform, dg.DagsterInstance.ephemeral() as instance:
        land_file(platform, instance, file, lambda _: None)
        ledger = platform.ledger()
        for month in month_range(first, last):
            lines = clean_month(Month(month, platform, None), ledger).data
            platform.lake.write(RAW_INVOICES, key_of(month), RAW_INVOICES.validate(lines))
        return Lines(platform.lake.dataset(RAW_INVOICES, [key_of(m) for m in month_range(first, last)]), last)


@pytest.fixture(scope="module")
def real(real_data: Path, open_folder: Path) -> Lines:
    return landed(open_folder / "real", real_data, dt.date(2010, 12, 1), dt.date(2011, 12, 1))


@pytest.fixture(scope="module")
def made_up(open_folder: Path) -> Lines:
    """Three months of a made-up shop in a folder whose name Hadoop would take for a pattern."""
    shop = ShopParameters(dt.date(2011, 5, 1), months=3, customers=1_500, seed=5, articles=100)
    folder = open_folder / "a shop {1} [é] *"
    (file,) = write_shop(shop, folder / "files", file_format="parquet")
    return landed(folder / "home", file, dt.date(2011, 5, 1), JULY)


def same(one: pa.Table, other: pa.Table) -> bool:
    """Not only near: every decimal, date and float, and so the content hash."""
    equal = one.equals(other)
    assert equal == (content_hash(CUSTOMER_FEATURES, one) == content_hash(CUSTOMER_FEATURES, other))
    return equal


def tasks_by_worker(engine: SparkEngine) -> dict[str, int]:
    """How many tasks each worker's process has done since the session began."""
    executors = engine.session.sparkContext._jsc.sc().statusStore().executorList(False)
    found = [executors.apply(i) for i in range(executors.size())]
    return {one.id(): one.completedTasks() for one in found if one.id() != "driver"}


# -- features


@needs_spark
def test_features_of_a_made_up_shop_are_duckdb_s(made_up: Lines, spark: SparkEngine, duckdb: DuckDBEngine) -> None:
    ours = made_up.features(spark)
    assert ours.num_rows > 300
    assert same(ours, made_up.features(duckdb))


@needs_spark
@pytest.mark.real
def test_features_of_the_real_file_are_duckdb_s(real: Lines, spark: SparkEngine, duckdb: DuckDBEngine) -> None:
    ours = real.features(spark)
    assert pc.sum(ours["clusterable"]).as_py() == 2_967
    assert ours.schema.field("gross_revenue").type == pa.decimal128(18, 4)
    assert same(ours, real.features(duckdb))


@needs_spark
def test_an_empty_table_has_no_features(spark: SparkEngine) -> None:
    rows = spark.run(customer_features(spark.table(RAW_INVOICES.empty()), JULY))
    assert CUSTOMER_FEATURES.validate(rows).num_rows == 0


@needs_spark
def test_lines_go_to_several_workers(made_up: Lines, spark: SparkEngine) -> None:
    all_workers_are_there(spark)
    before = tasks_by_worker(spark)
    made_up.features(spark)
    busy = {worker for worker, tasks in tasks_by_worker(spark).items() if tasks > before.get(worker, 0)}
    assert len(busy) == WORKERS


# -- customers by a fitted model


def all_workers_are_there(engine: SparkEngine) -> None:
    """Spark begins with the first worker that has registered; wait for the others."""
    context = engine.session.sparkContext
    for _ in range(60):
        if len(tasks_by_worker(engine)) == WORKERS:
            return
        context.parallelize(range(WORKERS), WORKERS).map(lambda _: __import__("time").sleep(0.5)).collect()
    raise AssertionError("the workers did not come")


@needs_spark
def test_rows_go_to_several_processes_and_come_back_in_order(spark: SparkEngine) -> None:
    all_workers_are_there(spark)
    rows = np.random.default_rng(1).normal(size=(9_000, 3))

    def with_process(some: np.ndarray) -> np.ndarray:
        import os
        import time

        time.sleep(0.3)
        return np.column_stack([some, np.full(len(some), os.getppid())])

    found = spark.by_row(with_process, rows)
    assert np.array_equal(found[:, :3], rows)
    daemons = set(found[:, 3].astype(int))
    assert len(daemons) == WORKERS and os.getpid() not in daemons


def test_no_rows_need_no_spark() -> None:
    nobody = SparkEngine("spark://127.0.0.1:1", None).by_row(lambda rows: rows * 2, np.empty((0, 3)))
    assert nobody.shape == (0, 3)


@needs_spark
@pytest.mark.real
def test_real_customers_beyond_the_landmarks_stand_where_they_would_here(
    real: Lines, spark: SparkEngine, duckdb: DuckDBEngine
) -> None:
    customers = in_order_of_appearance(real.features(duckdb).to_pandas())
    features, revenue = design_matrix(customers), customers["gross_revenue"].to_numpy("float64")
    fitted = fitted_on_landmarks(features, revenue)
    landmark = np.zeros(len(features), dtype=bool)
    landmark[fitted.landmarks] = True
    found = []
    for engine in (duckdb, spark):
        components = np.empty((len(features), 10))
        components[landmark] = fitted.landmark_components
        components[~landmark] = engine.by_row(fitted.place, features[~landmark])
        found.append((components, segment_by_landmarks(components, revenue, landmark, by_row=engine.by_row).ranks))
    (places, ranks), (places_by_spark, ranks_by_spark) = found
    assert len(ranks) == 2_967 and len(np.unique(ranks)) == 10
    assert np.array_equal(places, places_by_spark)
    assert np.array_equal(ranks, ranks_by_spark)


def fitted_on_landmarks(features: np.ndarray, revenue: np.ndarray) -> ProximityEmbedding:
    """The product's forest on drawn landmarks. Their own components are the leaves' principal ones, not UMAP's, which
    takes a minute: where others stand among them hangs on the forest alone."""
    drawn = np.sort(np.random.default_rng(42).choice(len(features), LANDMARKS, replace=False))
    matrix = as_trees_read(features[drawn])
    forest = RandomForestRegressor(TREES, min_samples_leaf=LEAST_IN_LEAF, random_state=42, n_jobs=-1)
    leaves = forest.fit(matrix, revenue[drawn]).apply(matrix)
    left, sizes, _ = np.linalg.svd(leaves - leaves.mean(axis=0), full_matrices=False)
    return ProximityEmbedding({}, forest, drawn, leaves, left[:, :10] * sizes[:10])


@pytest.mark.parametrize("rows", [1, 3, 50])
def test_where_a_customer_stands_does_not_hang_on_whom_it_is_placed_with(rows: int) -> None:
    rng = np.random.default_rng(7)
    features = rng.lognormal(size=(1_600, 12))
    fitted = fitted_on_landmarks(features, features[:, 0] * features[:, 1])
    others = np.delete(features, fitted.landmarks, axis=0)[: 20 * rows]
    pieces = [fitted.place(others[start : start + rows]) for start in range(0, len(others), rows)]
    assert np.array_equal(np.concatenate(pieces), fitted.place(others))


# -- which engine, and what it misses


def test_the_settings_choose_the_engine_for_what_grows(home: Path) -> None:
    with open_platform(load_settings(home)) as platform:
        assert platform.distributed is platform.engine
    with open_platform(load_settings(home, engine=SPARK, spark_master="spark://10.0.0.1:7077")) as platform:
        assert isinstance(platform.distributed, SparkEngine) and platform.distributed.master == "spark://10.0.0.1:7077"
        assert isinstance(platform.engine, DuckDBEngine)


def test_what_is_no_master_is_refused(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"spark_master: a master of Spark is written local\[\*\], spark://"):
        load_settings(home, spark_master="10.0.0.1:7077")


def engine_as_doctor_sees_it(home: Path) -> tuple[str, str, str]:
    with open_platform(load_settings(home, engine=SPARK)) as platform:
        (finding,) = [one for one in examine(platform, JULY) if one.subject == "engine"]
        return finding.state, finding.found, finding.remedy


def test_without_java_it_says_so(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    state, found, remedy = engine_as_doctor_sees_it(home)
    assert (state, found) == (WRONG, "Spark needs Java 17 or later; none was found.")
    assert "JAVA_HOME" in remedy and "INSIDERS_ENGINE=duckdb" in remedy


@pytest.mark.parametrize(("told", "version"), [('openjdk version "11.0.2" 2019-01-15', 11), ('version "1.8.0_362"', 1)])
def test_an_old_java_is_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, version: int
) -> None:
    pytest.importorskip("pyspark")
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert engine_as_doctor_sees_it(home)[1] == f"Spark needs Java 17 or later; this is Java {version}."


def test_without_pyspark_it_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_engine, "find_spec", lambda _: None)
    state, found, remedy = engine_as_doctor_sees_it(home)
    assert state == WRONG and "pyspark is not installed" in found
    assert "insiders-assets[spark]" in remedy
    with pytest.raises(SettingsError, match="pyspark is not installed"):
        SparkEngine("local[*]", None).table(RAW_INVOICES.empty())


def test_the_doctor_names_the_engine_that_is_used(home: Path) -> None:
    with open_platform(load_settings(home)) as platform:
        (finding,) = [one for one in examine(platform, JULY) if one.subject == "engine"]
    assert finding.state == WELL and finding.found.startswith("DuckDB ")


@needs_spark
def test_a_bucket_without_the_jars_for_it_is_refused(made_up: Lines, spark: SparkEngine) -> None:
    bucket = Lake(open_store("s3://shop/lake"))
    with pytest.raises(SettingsError, match="s3://shop/lake, and this Spark has no hadoop-aws"):
        spark.table(Dataset(bucket, RAW_INVOICES, made_up.data.versions))


@needs_spark
def test_a_file_that_is_gone_is_named(made_up: Lines, spark: SparkEngine, tmp_path: Path) -> None:
    elsewhere = Lake(open_store(str(tmp_path)))
    with pytest.raises(StorageError, match="is named by a manifest, but Spark cannot read it"):
        spark.table(Dataset(elsewhere, RAW_INVOICES, made_up.data.versions))


@needs_spark
def test_a_session_that_is_open_already_is_left_open(spark: SparkEngine) -> None:
    session = spark.session
    with_the_same = SparkEngine("local[1]", java_program())
    assert with_the_same.session is session
    with_the_same.close()
    assert session.range(3).count() == 3


def test_a_platform_closes_what_it_did_not_need(home: Path) -> None:
    platform = Platform(load_settings(home, engine=SPARK))
    assert platform.distributed
    platform.close()
