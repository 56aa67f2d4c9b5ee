"""The naive rendering is a fair opponent only if it gives the reference month's figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.measure import Meter, Stage, as_markdown, measure_command
from benchmarks.naive import FOREST_FEATURES, naive_features, naive_k_scan, read_lines


@pytest.fixture(scope="module")
def features(real_data: Path) -> pd.DataFrame:
    return naive_features(read_lines(real_data))


@pytest.mark.real
def test_naive_features_give_the_reference_month(features: pd.DataFrame) -> None:
    clusterable = features[features["clusterable"]]
    assert (features["purchases"] > 0).sum() == 4328
    assert len(clusterable) == 2967
    assert round(clusterable["gross_revenue"].sum(), 2) == 7_949_729.36
    assert not clusterable[FOREST_FEATURES].isna().any().any()


@pytest.mark.real
def test_naive_features_leave_the_known_buyers_out_of_the_clusters(features: pd.DataFrame) -> None:
    left_out = features[(features["purchases"] > 0) & ~features["clusterable"]]
    assert len(left_out) == 1361
    assert round(left_out["gross_revenue"].sum()) == 601_355


@pytest.mark.real
def test_the_291_are_those_with_at_least_2759_items(features: pd.DataFrame) -> None:
    items = features.loc[features["clusterable"], "items_purchased"].sort_values(ascending=False)
    top = features.loc[items.index[:291]]
    assert items.iloc[290] >= 2759 > items.iloc[291] == 2757
    assert round(top["gross_revenue"].sum(), 2) == 4_360_677.12
    assert round(top["gross_revenue"].mean(), 2) == 14_985.14
    assert round(top["recency_days"].mean(), 2) == 21.13
    assert round(top["avg_ticket"].mean(), 2) == 848.98


@pytest.mark.real
def test_naive_features_keep_the_order_of_first_appearance(features: pd.DataFrame) -> None:
    assert features.index[:3].tolist() == [17850, 13047, 12583]


def test_naive_features_of_a_shop_of_two_lines() -> None:
    lines = pd.DataFrame(
        {
            "InvoiceNo": ["1", "C2", "3"],
            "StockCode": ["10", "10", "POST"],
            "Quantity": [4, -1, 1],
            "InvoiceDate": pd.to_datetime(["2011-01-01 10:00", "2011-01-04 09:00", "2011-01-05 11:00"]),
            "UnitPrice": [2.5, 2.5, 9.0],
            "CustomerID": [7.0, 7.0, 8.0],
            "Country": ["France"] * 3,
        }
    )
    row = naive_features(lines).loc[7]
    assert (row["gross_revenue"], row["monetary_returns"], row["net_revenue"]) == (10.0, 2.5, 7.5)
    assert (row["avg_recency_days"], row["recency_days"], row["returns_ratio"]) == (3.0, 0, 0.25)
    assert row["clusterable"]


def test_the_scan_finds_two_clusters_where_there_are_two() -> None:
    points = pd.DataFrame([[0, 0], [0, 1], [1, 0], [50, 50], [50, 51], [51, 50]]).to_numpy()
    scores = dict(naive_k_scan(points, [2, 3]))
    assert scores[2] > 0.9 > scores[3]


def test_a_stage_is_measured_and_its_result_given() -> None:
    meter = Meter()
    assert meter.run("add", lambda a, b: a + b, 1, b=2) == 3
    assert meter.stages[0].name == "add"
    assert meter.stages[0].peak_rss_mb > 1


def test_a_command_is_measured_in_its_own_process() -> None:
    stage = measure_command(
        "memory",
        [sys.executable, "-c", "import time; x = bytearray(200_000_000); x[::4096] = b'1' * 48829; time.sleep(0.5)"],
    )
    assert stage.peak_rss_mb > 200
    assert stage.cpu_seconds > 0


def test_a_failing_command_gives_no_figures() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        measure_command("fails", [sys.executable, "-c", "raise SystemExit(3)"])


def test_the_table_adds_up() -> None:
    table = as_markdown([Stage("a", 1.0, 2.0, 100), Stage("b", 2.0, 3.0, 50)])
    assert table.splitlines()[-1] == "| **all** | 3.00 | 5.00 | 100 |"
