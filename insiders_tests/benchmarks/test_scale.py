"""A crowd is made once, of distinct customers, and a size tells which of its bars it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import crowd
from benchmarks.crowd import read_crowd
from benchmarks.measure import Stage
from benchmarks.scale import IMPORTS, SECOND, Measured, bars_of, table
from insiders_assets.domain.feature_words import RULE_FEATURES


def test_a_crowd_is_made_once_of_distinct_customers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "CUSTOMERS_OF_A_SHOP", 60)
    rows = crowd._features_of_shop(1)
    monkeypatch.setattr(crowd, "_features_of_shop", lambda _: rows)
    file, customers = crowd._made_shop(tmp_path, 1)
    monkeypatch.setattr(crowd, "_features_of_shop", None)
    assert crowd._made_shop(tmp_path, 1) == (file, customers)
    before, now = read_crowd([file], 20)
    assert before.month < now.month
    assert set(now.columns) == set(RULE_FEATURES)
    assert now.matrix.shape == (20, 12) and customers > 20
    assert len(set(now.ids)) == 20 and all(one.startswith("1-") for one in now.ids)


def size(customers: int, seconds: float, megabytes: float, jaccard: float) -> Measured:
    stages = [Stage(IMPORTS, 30, 30, 100), Stage("consensus", seconds, seconds, megabytes), Stage(SECOND, 99, 99, 9e9)]
    return Measured("a crowd", customers, stages, "purchases >= 5", 0.99, 10, jaccard, 1.0)


def test_imports_and_the_check_are_no_part_of_a_month() -> None:
    found = size(3_000, 50, 2_000, 0.95)
    assert all(bar.kept for bar in bars_of(found))
    assert "| **a month, warm** | 50.0 · 50.0 · 2,000 |" in table([found])


@pytest.mark.parametrize(
    ("found", "missed"),
    [
        (size(3_000, 61, 2_000, 0.95), "60 CPU s"),
        (size(1_000_000, 601, 2_000, 0.95), "10 minutes"),
        (size(1_000_000, 599, 8_001, 0.95), "8 GB"),
        (size(300_000, 599, 9_000, 0.89), "Jaccard"),
    ],
)
def test_a_size_misses_only_what_it_was_promised(found: Measured, missed: str) -> None:
    assert [missed in bar.claim for bar in bars_of(found) if not bar.kept] == [True]
