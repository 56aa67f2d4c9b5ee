"""The notebook of a month: every cell runs, what it asserts is compared, and it is kept where the settings say so.

One home lives through it all, in the order of the tests: it has a month, and seven where the slow ones ask for them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from insiders_assets.contracts.catalogue import TABLES_BY_MONTH
from insiders_assets.errors import MissingMonthError, SettingsError
from insiders_assets.operations.notebooks import (
    STEP,
    execute_notebook,
    place_of_failure,
    place_of_notebook,
    place_of_ours,
)
from insiders_assets.operations.opening import open_month
from insiders_assets.partitions import month_of
from insiders_assets.sample import ShopParameters, write_shop
from insiders_assets.settings import load_settings
from insiders_tests.operations import shops
from insiders_tests.operations.shops import Home, new_home
from insiders_tests.servers import tcp_postgres

pytestmark = pytest.mark.usefixtures("plain_environment")

# Of the first month notebooks are kept, of the last one what needs earlier months is asserted.
FIRST, LAST = "2023-03-01", "2023-09-01"
# With less than half a year since the members' first purchase the network says nothing.
SHOP = ShopParameters(month_of(FIRST), 7, 90, seed=1, articles=60, invoices_per_month=1.5)
# What costs most of the time, and asserts nothing.
COMPARISONS = ("spaces", "clusterer-trials")


@pytest.fixture(scope="module")
def server(open_folder: Path) -> Iterator[str]:
    with tcp_postgres(open_folder / "notebook") as url:
        yield url


@pytest.fixture(scope="module")
def home(server: str, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Home]:
    with shops.quick_folder() as folder:
        compiled = shops.compiled_by_numba(pytestconfig)
        home = new_home(folder, server, compiled, min_clusterable=20, history_months=2)
        home.run(*write_shop(SHOP, tmp_path_factory.mktemp("notebook")), last=month_of(FIRST))
        with (home.folder / "insiders.toml").open("a") as settings:
            settings.write("\nkeep_notebook = true\n")
        yield home


@pytest.fixture(scope="module")
def grown(home: Home) -> Home:
    """The home with all seven months, whose notebooks are not kept."""
    settings = home.folder / "insiders.toml"
    settings.write_text(settings.read_text().replace("keep_notebook = true\n", ""))
    home.settings = load_settings(home.folder)
    home.run(last=month_of(LAST))
    return home


@pytest.fixture(scope="module")
def without_comparisons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook without the cells that only compare."""
    notebook = nbformat.read(place_of_ours(), 4)
    for cell in notebook.cells:
        if cell.id in COMPARISONS:
            cell.source = 'embedded = opened.table("tree_embedding")'
    place = tmp_path_factory.mktemp("notebook") / "month.ipynb"
    nbformat.write(notebook, place)
    return place


@contextmanager
def tampered(home: Home, month: str, table: str, column: str) -> Iterator[None]:
    """The first number in a column of a month's table, where there is one, is another within the block."""
    with home.platform() as platform:
        version = platform.lake.current(table, month)
    assert version
    place = Path(home.settings.lake_location, version.path)
    before = place.read_bytes()
    rows = pq.read_table(pa.BufferReader(before))
    values = rows[column].to_pylist()
    first = next(row for row, value in enumerate(values) if value)
    values[first] += 1
    changed = pa.array(values, rows.schema.field(column).type)
    place.unlink()
    pq.write_table(rows.set_column(rows.column_names.index(column), column, changed), place)
    yield
    place.unlink()
    place.write_bytes(before)


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def outputs(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [output for cell in code_cells(notebook) for output in cell["outputs"]]


def said(notebook: dict[str, Any]) -> str:
    texts = (output.get("data", {}).get("text/markdown", "") for output in outputs(notebook))
    return "\n".join("".join(text) for text in texts)


def told(home: Home) -> list[str]:
    return [one.outcome for one in home.told if one.asset == STEP]


def ran_through(notebook: dict[str, Any]) -> bool:
    """Whether every cell was executed, and nothing was said on stderr."""
    executed = all(cell["execution_count"] for cell in code_cells(notebook))
    return executed and not [one for one in outputs(notebook) if one["output_type"] in ("error", "stream")]


def test_the_notebook_in_the_repository_has_parameters_and_no_outputs() -> None:
    notebook = nbformat.read(place_of_ours(), 4)
    nbformat.validate(notebook)
    tagged = [cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == ['month = "2011-12"\nhome = ".insiders"']
    assert not outputs(notebook)
    assert not any(cell["execution_count"] for cell in code_cells(notebook))


def test_it_is_kept_beside_the_report_every_cell_run_and_every_recorded_number_found_again(home: Home) -> None:
    home.run(last=month_of(FIRST))
    assert told(home) == ["kept"]
    kept = json.loads(place_of_notebook(home.settings, FIRST).read_text())
    assert ran_through(kept)
    assert kept["metadata"]["papermill"]["parameters"] == {"home": str(home.folder), "month": "2023-03"}
    assert set(kept["metadata"]["insiders"]["made_at"]) <= set(TABLES_BY_MONTH)
    sentences = said(kept)
    for words in (
        "clusterable customers:",
        "The recorded silhouettes of",
        "Preferred here",
        "comparisons repeated; every number is the recorded one",
        "there is no honest proof yet",
        "Models repeated: 1; every day of their forecasts is the recorded one",
        "Origins gone through again: 1; every number of backtest and forecast is the recorded one",
        "No month has followed an origin yet",
    ):
        assert words in sentences
    assert sum("image/png" in one.get("data", {}) for one in outputs(kept)) == 4
    assert home.settings.warehouse.get_secret_value() not in json.dumps(kept)


def test_it_is_not_executed_again_while_the_tables_stay(home: Home) -> None:
    place = place_of_notebook(home.settings, FIRST)
    before = place.stat().st_mtime_ns
    home.run(last=month_of(FIRST))
    assert not told(home)
    assert place.stat().st_mtime_ns == before


def test_without_papermill_a_run_says_what_to_install(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    place_of_notebook(home.settings, FIRST).unlink()
    monkeypatch.setitem(sys.modules, "papermill", None)
    home.run(last=month_of(FIRST))
    (sentence,) = told(home)
    assert "pip install 'insiders-assets[notebook]'" in sentence


def test_a_cell_that_fails_is_kept_with_its_error_and_fails_no_run(home: Home) -> None:
    failed = place_of_failure(home.settings, FIRST)
    with tampered(home, FIRST, "report_facts", "value"):
        home.run(last=month_of(FIRST))
        (sentence,) = told(home)
        assert "AssertionError: What is repeated differs from what is recorded" in sentence
        assert str(failed) in sentence
        assert not place_of_notebook(home.settings, FIRST).exists()
        (error,) = [one for one in outputs(json.loads(failed.read_text())) if one["output_type"] == "error"]
        assert "base.clusterable" in error["evalue"]
        home.run(last=month_of(FIRST))
        assert not told(home)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column"),
    [("group_comparisons", "u"), ("forecast_origins", "net_revenue"), ("revenue_forecast", "net_revenue")],
)
def test_one_changed_number_among_all_stops_the_notebook(
    grown: Home, without_comparisons: Path, table: str, column: str
) -> None:
    with tampered(grown, LAST, table, column):
        notebook, error = execute_notebook(grown.folder, LAST, without_comparisons)
    assert error.startswith("AssertionError: What is repeated differs from what is recorded")
    (stopped,) = [one for one in outputs(notebook) if one["output_type"] == "error"]
    assert len(re.findall(r"[0-9.]+ +[0-9.]+$", stopped["evalue"], re.MULTILINE)) == 1


def test_a_month_without_groups_has_sentences_instead_of_errors(shop_home: Path) -> None:
    notebook, error = execute_notebook(shop_home, "2024-01-01")
    assert not error
    assert ran_through(notebook)
    for words in ("too few clusterable customers", "has no segments", "nothing to test", "No model can forecast"):
        assert words in said(notebook)


@pytest.mark.slow
def test_with_the_reference_recipe_the_next_band_is_the_second_segment(grown: Home, without_comparisons: Path) -> None:
    with (grown.folder / "insiders.toml").open("a") as settings:
        settings.write('\nrecipe = "reference"\n')
    grown.settings = load_settings(grown.folder)
    grown.make(LAST)
    assert open_month(grown.folder, LAST).made_with("group_comparisons")["recipe"] == "reference"
    notebook, error = execute_notebook(grown.folder, LAST, without_comparisons)
    assert not error
    for words in (
        "every number is the recorded one",
        "members were ahead in the month after",
        "The mean of the 3 networks in the lake gives the recorded days",
        "How far off everything was one month ahead",
    ):
        assert words in said(notebook)


def test_what_is_not_there_is_told_with_what_is(home: Home, tmp_path: Path) -> None:
    with pytest.raises(MissingMonthError, match=r"2031-01 is not among the months .* it has 2023-03"):
        open_month(home.folder, "2031-01")
    with pytest.raises(MissingMonthError, match="no month has been made there"):
        open_month(tmp_path, FIRST)
    with pytest.raises(SettingsError, match="'March' is not a month"):
        open_month(home.folder, "March")
    opened = open_month(home.folder, FIRST)
    with pytest.raises(MissingMonthError, match="has no table embedding_spaces; there are raw_invoices, "):
        opened.table("embedding_spaces")
    with pytest.raises(MissingMonthError, match="was not made from report_facts"):
        opened.read_by("customer_features", "report_facts")


def test_an_opened_month_reads_what_a_table_was_made_from_also_after_it_was_restated(home: Home) -> None:
    opened = open_month(home.folder, FIRST)
    before = opened.read_by("report_facts", "customer_features")
    with home.platform() as platform:
        table = TABLES_BY_MONTH["customer_features"]
        platform.lake.write(table, FIRST, platform.lake.dataset(table, [FIRST]).arrow().slice(1))
    assert len(open_month(home.folder, FIRST).table("customer_features")) == len(before) - 1
    assert open_month(home.folder, FIRST).read_by("report_facts", "customer_features").equals(before)
