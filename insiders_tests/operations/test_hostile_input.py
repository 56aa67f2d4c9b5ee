"""What a person may bring by mistake: each gets a sentence, a remedy and an exit code, and nothing is half done."""

from __future__ import annotations

import csv
import datetime as dt
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from insiders_assets.assets.platform import Platform, open_platform
from insiders_assets.automation.due import Due, Lookup, due_assets
from insiders_assets.definitions import reach_of_assets
from insiders_assets.settings import PREFIX, load_settings
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_tests.command import Said, hashes, insiders_here, shop_files

INPUT, MISSING, SETTINGS = 4, 5, 3
SHOP_DATES = "%m/%d/%Y %H:%M"

Row = list[str]


@pytest.fixture(scope="module")
def shop(open_folder: Path) -> list[Path]:
    return shop_files(open_folder / "hostile-shop")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def shared_home(open_folder: Path) -> Iterator[Path]:
    """A home for files that are refused; its server runs on, which spares every command a start."""
    home = Path(tempfile.mkdtemp(dir=open_folder)) / "home"
    with EmbeddedPostgres(home).running():
        yield home


@pytest.fixture(scope="module")
def standing(open_folder: Path, shop: list[Path]) -> Path:
    """A home in which two months stand; only the second was asked for. Tests leave it as it is."""
    home = Path(tempfile.mkdtemp(dir=open_folder)) / "home"
    home.parent.chmod(0o755)
    said = insiders_here("run", "--home", home, "--data", *shop[:2], "--from", "2024-02")
    assert said.code == 0, said.err
    assert "2024-01    insiders_report      made" in said.out
    assert "2024-02    insiders_report      made" in said.out
    return home


@pytest.fixture
def fresh_home(home: Path) -> Iterator[Path]:
    home.parent.chmod(0o755)
    with EmbeddedPostgres(home).running():
        yield home


def lines_of(file: Path) -> tuple[Row, list[Row]]:
    """Header and lines that can be read, without the shop's own dirt."""
    with file.open(newline="") as opened:
        header, *rows = csv.reader(opened)
    return header, [row for row in rows if len(row) == len(header) and row[4][:1].isdigit() and "x" not in row[4]]


def write(path: Path, header: Row, rows: list[Row], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def moment(row: Row) -> dt.datetime:
    return dt.datetime.strptime(row[4], SHOP_DATES).replace(tzinfo=dt.UTC)


def with_dates(rows: list[Row], change: Callable[[int, dt.datetime], str]) -> list[Row]:
    return [[*row[:4], change(i, moment(row)), *row[5:]] for i, row in enumerate(rows)]


def refused(said: Said, code: int, *words: str) -> None:
    """One error, of its kind, with these words and a remedy on a second line."""
    assert said.code == code, said
    assert said.err.count("insiders:") == 1
    assert "Traceback" not in said.err
    problem, remedy = said.err.strip().split("\n", 1)
    assert problem.endswith(".")
    assert remedy.startswith("  ")
    for word in words:
        assert word in said.err
        assert said.out.count(word) == 0 or len(word) < 20  # told once


# -- the file itself


def as_other(suffix: str) -> Callable[[Path, Path], Path]:
    def make(folder: Path, file: Path) -> Path:
        path = folder / f"other{suffix}"
        path.write_bytes(file.read_bytes())
        return path

    return make


def without_customer(folder: Path, file: Path) -> Path:
    header, rows = lines_of(file)
    place = header.index("CustomerID")
    short_header, *short_rows = ([*row[:place], *row[place + 1 :]] for row in (header, *rows))
    return write(folder / "short.csv", short_header, short_rows)


def with_loyalty(folder: Path, file: Path) -> Path:
    header, rows = lines_of(file)
    return write(folder / "long.csv", [*header, "Loyalty"], [[*row, "1"] for row in rows])


def with_bytes(name: str, content: bytes) -> Callable[[Path, Path], Path]:
    def make(folder: Path, _: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def only_header(folder: Path, file: Path) -> Path:
    return write(folder / "header.csv", lines_of(file)[0], [])


def early_days(folder: Path, file: Path) -> Path:
    header, rows = lines_of(file)
    early = [row for row in rows if moment(row).day <= 12]
    return write(folder / "early.csv", header, with_dates(early, lambda _, when: when.strftime("%d.%m.%Y %H:%M")))


def mostly_wrong(folder: Path, file: Path) -> Path:
    header, rows = lines_of(file)
    return write(folder / "wrong.csv", header, [[*row[:3], "a dozen", *row[4:]] for row in rows])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (without_customer, ["short.csv", "missing: 'CustomerID'", "layouts.my_shop"]),
        (with_loyalty, ["long.csv", "unknown: 'Loyalty'", 'ignored = ["Loyalty"]']),
        (with_bytes("empty.csv", b""), ["empty.csv is empty"]),
        (only_header, ["header.csv has no lines besides the header"]),
        (as_other(".xlsx"), ["other.xlsx is not xlsx but text", ".csv"]),
        (as_other(".parquet"), ["other.parquet is not parquet but text", ".csv"]),
        (as_other(".csv.gz"), ["other.csv.gz is not csv.gz but text"]),
        (as_other(".pdf"), ["other.pdf", "Supported are .csv, .csv.gz, .xlsx, .parquet"]),
        (with_bytes("torn.csv", b"InvoiceNo,StockCode\n\x00\x01\xff\n"), ["torn.csv", "line 2"]),
        (early_days, ["InvoiceDate of early.csv", "line 2", "--date-format"]),
        (mostly_wrong, ["wrong.csv", "100%", "Quantity", "INSIDERS_MAX_QUARANTINED_SHARE"]),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_leaves_nothing(
    make: Callable[[Path, Path], Path],
    words: list[str],
    tmp_path: Path,
    shop: list[Path],
    shared_home: Path,
) -> None:
    file = make(tmp_path, shop[0])
    refused(insiders_here("run", "--home", shared_home, "--data", file), INPUT, *words)
    assert not list((shared_home / "landing").iterdir())
    with open_platform(load_settings(shared_home)) as platform:
        assert not platform.ledger().files
        assert not platform.warehouse.published()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("new\nline.csv", [r"new\nline.csv", "Rename"]),
        ("three...dots.csv", ["three...dots.csv", "Rename"]),
        ("half\udce9.csv", [r"half\udce9.csv", "Rename"]),
    ],
)
def test_a_name_that_no_landed_file_can_have_is_refused(
    name: str, words: list[str], tmp_path: Path, shop: list[Path], shared_home: Path
) -> None:
    (tmp_path / name).write_bytes(shop[0].read_bytes())
    refused(insiders_here("run", "--home", shared_home, "--data", tmp_path / name), INPUT, *words)


def test_files_that_are_none_are_named(tmp_path: Path, shop: list[Path], shared_home: Path) -> None:
    other = tmp_path / shop[0].name
    other.write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.csv")
    for files, words in (
        ([tmp_path / "no\x1b[31m.csv"], r"There is no file"),
        ([tmp_path], "is a folder"),
        ([tmp_path / "pipe.csv"], "pipe or a device"),
        ([shop[0], other], f"Two of the files are called {shop[0].name}"),
    ):
        said = insiders_here("run", "--home", shared_home, "--data", *files)
        refused(said, INPUT, words)
        assert "\x1b" not in said.err


# -- what is in it


def test_dates_numbers_and_encoding_that_the_file_proves_are_read(
    tmp_path: Path, shop: list[Path], fresh_home: Path
) -> None:
    header, rows = lines_of(shop[0])
    european = with_dates(rows, lambda _, when: when.strftime("%d/%m/%Y %H:%M"))
    european = [[*row[:2], "Käse", row[3], row[4], "1.234,50", *row[6:]] for row in european]
    odd = 'a b [red]é "x" @1.csv'
    file = write(tmp_path / odd, header, european, delimiter=";", encoding="cp1252")
    said = insiders_here("run", "--home", fresh_home, "--data", file)
    assert said.code == 0, said.err
    assert f"{odd} landed_invoices      {len(rows):,} good lines" in said.out
    with open_platform(load_settings(fresh_home)) as platform:
        (landed,) = platform.warehouse.query("SELECT file_key, good_lines, first_date FROM landed_files").rows
    assert landed == (odd, len(rows), dt.date(2024, 1, min(moment(row).day for row in rows)))


def test_an_ambiguous_file_is_read_as_the_person_says(tmp_path: Path, shop: list[Path], fresh_home: Path) -> None:
    file = early_days(tmp_path, shop[0])
    refused(
        insiders_here("run", "--home", fresh_home, "--data", file, "--decimal-mark", ";"),
        SETTINGS,
        "--decimal-mark ';'",
    )
    wrong = insiders_here("run", "--home", fresh_home, "--data", file, "--date-format", "%Y-%m-%d")
    refused(wrong, INPUT, "early.csv", "InvoiceDate is not a date")
    said = insiders_here("run", "--home", fresh_home, "--data", file, "--date-format", "%d.%m.%Y %H:%M")
    assert said.code == 0, said.err
    assert "2024-01    insiders_report      made" in said.out


# -- the same name


def test_a_file_again_is_left_alone_and_new_content_replaces_what_it_had(
    tmp_path: Path, shop: list[Path], fresh_home: Path
) -> None:
    header, rows = lines_of(shop[0])
    file = write(tmp_path / "export.csv", header, rows)
    assert insiders_here("run", "--home", fresh_home, "--data", file).code == 0
    again = insiders_here("run", "--home", fresh_home, "--data", file)
    assert again.code == 0
    assert "export.csv landed_invoices      already landed, unchanged" in again.out
    assert "2024-01    all assets           up to date" in again.out

    write(file, header, rows[:-5])
    said = insiders_here("run", "--home", fresh_home, "--data", file)
    assert f"{len(rows) - 5:,} good lines; replaces the {len(rows):,} of its earlier version" in said.out
    assert f"raw_invoices{' ' * 9}made" in said.out

    # A shop that calls every month's export the same would lose the month before.
    write(file, *lines_of(shop[1]))
    lost = insiders_here("run", "--home", fresh_home, "--data", file)
    refused(lost, INPUT, "export.csv would replace", "2024-01", "name of its own", "declare-empty 2024-01")
    with open_platform(load_settings(fresh_home)) as platform:
        assert [landed.good_lines for landed in platform.ledger().live] == [len(rows) - 5]
    kept = (fresh_home / "landing" / "export.csv").read_text().count("\n")
    assert kept == len(rows) - 5 + 1
    assert not list((fresh_home / "landing").glob(".*"))


# -- months


def test_months_before_a_hole_are_made_and_it_stops_the_later_ones_until_it_is_declared(
    shop: list[Path], fresh_home: Path
) -> None:
    refused(insiders_here("declare-empty", "soon", "--home", fresh_home), SETTINGS, "'soon' is not a month")
    hole = insiders_here("run", "--home", fresh_home, "--data", shop[0], shop[2])
    refused(hole, MISSING, "No landed file holds or covers 2024-02", "insiders declare-empty 2024-02")
    assert "2024-01    insiders_report      made" in hole.out
    assert f"report:   {fresh_home}/reports/2024-01.html" in hole.out
    status = insiders_here("status", "--home", fresh_home)
    assert re.search(r"2024-02  raw_invoices +no file", status.out)
    assert re.search(r"2024-03  raw_invoices +missing", status.out)

    assert "2024-02 is known to be empty." in insiders_here("declare-empty", "2024-02", "--home", fresh_home).out
    said = insiders_here("run", "--home", fresh_home)
    assert said.code == 0, said.err
    assert "2024-03    insiders_report      made" in said.out
    assert "declared empty, but its" in insiders_here("declare-empty", "2024-01", "--home", fresh_home).out


def test_months_that_cannot_be_are_refused_and_not_remembered(standing: Path) -> None:
    recorded = (standing / "insiders.toml").read_text()
    far = dt.date.today().replace(day=1) + dt.timedelta(days=62)  # noqa: DTZ011
    for arguments, code, words in (
        (["--from", "2024-02", "--to", "2024-01"], SETTINGS, "--from 2024-02 is after --to 2024-01"),
        (["--from", "2024-13"], SETTINGS, "'2024-13' is not a month"),
        (["--from", "2025-01"], MISSING, "2025-01 is not among the months of this home (2024-01 to 2024-02)"),
        (["--to", "2023-01"], MISSING, "2023-01 is not among the months"),
        (["--to", "2024-06"], MISSING, "covers 2024-03 to 2024-06"),
        (["--to", f"{far:%Y-%m}"], MISSING, "has not closed yet"),
    ):
        refused(insiders_here("run", "--home", standing, *arguments), code, words)
        assert (standing / "insiders.toml").read_text() == recorded


def test_from_alone_brings_up_the_earlier_months(standing: Path) -> None:
    assert {month for month, _ in hashes(standing)} == {"2024-01", "2024-02"}
    assert {state for state, _ in hashes(standing).values()} == {"stands"}


def test_lines_of_the_open_month_and_of_the_future_are_held_and_said_so(
    tmp_path: Path, shop: list[Path], fresh_home: Path
) -> None:
    header, rows = lines_of(shop[0])
    today = dt.datetime.now(dt.UTC).replace(day=1)
    closed = today - dt.timedelta(days=1)

    def shifted(i: int, when: dt.datetime) -> str:
        year, month = (2091, 5) if i == 7 else (today.year, today.month) if i % 5 == 0 else (closed.year, closed.month)
        return when.replace(year=year, month=month, day=min(when.day, 28)).strftime(SHOP_DATES)

    file = write(tmp_path / "now.csv", header, with_dates(rows, shifted))
    said = insiders_here("run", "--home", fresh_home, "--data", file)
    assert said.code == 0, said.err
    held = len(rows[::5])
    assert f"{today:%Y-%m}    raw_invoices         {held:,} lines held: the month has not closed yet" in said.out
    assert "2091-05    raw_invoices         1 line held: dated in the future" in said.out
    assert "correct now.csv" in said.out
    assert f"{closed:%Y-%m}    insiders_report      made" in said.out
    with open_platform(load_settings(fresh_home)) as platform:
        book = platform.ledger()
    assert sum(part.lines for month in book.months() for part in book.parts(month).values()) == len(rows)


def test_nothing_but_the_open_month_is_kept_for_later(tmp_path: Path, shop: list[Path], fresh_home: Path) -> None:
    header, rows = lines_of(shop[0])
    today = dt.datetime.now(dt.UTC)

    def this_month(i: int, when: dt.datetime) -> str:
        return when.replace(year=today.year, month=today.month, day=1 + i % 28).strftime(SHOP_DATES)

    file = write(tmp_path / "now.csv", header, with_dates(rows, this_month))
    said = insiders_here("run", "--home", fresh_home, "--data", file)
    refused(said, MISSING, f"All landed lines are of {today:%Y-%m} or later")
    assert f"now.csv    landed_invoices      {len(rows):,} good lines" in said.out


def test_one_mistyped_year_does_not_make_hundreds_of_months(tmp_path: Path, shop: list[Path], fresh_home: Path) -> None:
    header, rows = lines_of(shop[0])
    typed = with_dates(rows, lambda i, when: when.replace(year=2004 if i == 9 else 2024).strftime(SHOP_DATES))
    file = write(tmp_path / "typed.csv", header, typed)
    said = insiders_here("run", "--home", fresh_home, "--data", file)
    refused(said, MISSING, "No line is dated 2004-02 to 2023-12 (239 months)", 'first_month = "2024-01"')
    (fresh_home / "insiders.toml").write_text('first_month = "2024-01"\n')
    mended = insiders_here("run", "--home", fresh_home)
    assert mended.code == 0, mended.err
    assert "2004-01    raw_invoices         1 line held: before the first month 2024-01" in mended.out


def test_an_earlier_month_is_held_and_its_remedy_gives_what_all_at_once_would_have_given(
    shop: list[Path], standing: Path, fresh_home: Path
) -> None:
    assert insiders_here("run", "--home", fresh_home, "--data", shop[1]).code == 0
    held = insiders_here("run", "--home", fresh_home, "--data", shop[0])
    assert held.code == 0
    words = "held: before the first month 2024-02; to bring it up, `insiders run --from 2024-01`"
    assert words in held.out
    assert words in insiders_here("status", "--home", fresh_home).out
    assert insiders_here("run", "--from", "2024-01", "--home", fresh_home).code == 0
    assert hashes(fresh_home) == hashes(standing)


def due_of(platform: Platform, month: dt.date) -> list[Due]:
    return due_assets(Lookup(platform, reach_of_assets(platform.settings)), month)


def test_a_month_is_due_when_its_window_reaches_further_back(standing: Path) -> None:
    second = dt.date(2024, 2, 1)
    with open_platform(load_settings(standing)) as platform:
        assert due_of(platform, second) == []
    with open_platform(load_settings(standing, history_months=1)) as platform:
        due = {one.asset: one.reason for one in due_of(platform, second)}
    assert due["customer_features"] == "its window of raw_invoices has other months now"
    assert "raw_invoices" not in due


@pytest.mark.parametrize(
    ("setting", "value", "first_due"),
    [
        ("excluded_customers", ("1",), "raw_invoices"),
        ("min_clusterable", 20, "tree_embedding"),
        ("currency", "EUR", "insiders_report"),
    ],
)
def test_a_month_is_due_from_the_asset_that_a_changed_setting_touches(
    setting: str, value: object, first_due: str, standing: Path
) -> None:
    with open_platform(load_settings(standing, **{setting: value})) as platform:
        due = due_of(platform, dt.date(2024, 2, 1))
    assert due[0].asset == first_due
    assert due[0].reason.startswith("the setting ")
    assert due[-1].asset == "report_pictures"
