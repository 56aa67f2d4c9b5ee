"""The shop of many lines is a shop, and what a command starts counts to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

from benchmarks.engines import SHOP, features_of, make_lake
from benchmarks.measure import measure_family
from insiders_assets.contracts.customers import CUSTOMER_FEATURES
from insiders_assets.storage.engine import DuckDBEngine

PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import time; held = bytearray(200_000_000); time.sleep(1)"], check=True)
"""


def test_each_copy_of_the_shop_has_customers_of_its_own(tmp_path: Path) -> None:
    lines = make_lake(tmp_path, 300_000)
    read = ds.dataset(tmp_path, format="parquet")
    assert read.count_rows() == lines >= 300_000
    assert pc.count_distinct(read.to_table(columns=["month"])["month"]).as_py() == SHOP.months
    engine = DuckDBEngine()
    features = CUSTOMER_FEATURES.validate(features_of(engine, tmp_path)).to_pandas()
    engine.close()
    copy = features["customer_id"].str.partition("-")[2]
    assert sorted(copy.unique()) == ["0", "1"] and copy.value_counts().nunique() == 1
    revenue = features["gross_revenue"].astype(float).groupby(copy).sum()
    assert revenue["1"] == pytest.approx(2 * revenue["0"])


def test_memory_of_what_a_command_starts_counts() -> None:
    assert measure_family("parent", [sys.executable, "-c", PARENT]).peak_rss_mb > 200


def test_a_command_that_fails_is_not_measured() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        measure_family("failing", [sys.executable, "-c", "raise SystemExit(3)"])
