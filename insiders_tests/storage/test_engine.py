"""DuckDB within bounds: what does not fit into memory waits where it was told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from insiders_assets.storage.engine import DuckDBEngine

MANY = "SELECT count(*) FROM (SELECT DISTINCT hash(range), range::VARCHAR AS name FROM range(6_000_000))"


def test_what_does_not_fit_waits_in_the_folder_that_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called_in = tmp_path / "called in"
    called_in.mkdir()
    monkeypatch.chdir(called_in)
    engine = DuckDBEngine(spill=tmp_path / "it's here")
    engine.connection.con.execute("SET memory_limit = '100MB'; SET threads = 2")
    assert engine.connection.con.sql(MANY).fetchall() == [(6_000_000,)]
    waited = (tmp_path / "it's here").exists()
    engine.close()
    assert waited and not list(called_in.iterdir())
