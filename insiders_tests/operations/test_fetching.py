"""Fetching against a real HTTP server that misbehaves the way servers and networks do."""

from __future__ import annotations

import io
import random
import socket
import threading
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from insiders_assets.errors import DownloadError
from insiders_assets.operations.fetching import ONLINE_RETAIL, ExpectedContent, content_of, fetch

COLUMNS = ONLINE_RETAIL.columns
LINES = [
    ("536365", "85123A", "WHITE HEART", 6, "2010-12-01", 2.55, 17850, "United Kingdom"),
    ("536366", "71053", "WHITE LANTERN", 3, "2010-12-01", 0.1, 17850, "United Kingdom"),
    ("C536367", "71053", None, -1, "2010-12-02", 0.2, None, "France"),
]
SMALL = ExpectedContent(COLUMNS, 3, Decimal(8), Decimal("15.4"))


def workbook(lines: list[tuple] = LINES, columns: tuple[str, ...] = COLUMNS) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(columns)
    for line in lines:
        book.active.append(line)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def archive(content: bytes | None = None, name: str = "Online Retail.xlsx", seed: int = 0) -> bytes:
    """A zip of about 300 kB: noise before the workbook makes it longer than one chunk."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("noise.bin", random.Random(seed).randbytes(300_000))
        zipped.writestr(name, workbook() if content is None else content)
    return written.getvalue()


class Site:
    """One file at one address; `faults` are used up, one per request."""

    def __init__(self) -> None:
        self.body = archive()
        self.etag: str | None = '"one"'
        self.ranges = True
        self.honours_if_range = True
        self.says_length = True
        self.type = "application/zip"
        self.faults: list[str] = []
        self.asked: list[str | None] = []
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *_: object) -> None:
        """Nothing: the tests look at `asked`."""

    def do_GET(self) -> None:
        site = self.site
        asked = self.headers.get("Range")
        site.asked.append(asked)
        fault = site.faults.pop(0) if site.faults else ""
        if fault.isdigit():
            self.send_error(int(fault))
            return
        fresh = self.headers.get("If-Range") == site.etag or not site.honours_if_range
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and site.ranges and fresh else 0
        if start >= len(site.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(site.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(start, half=fault == "drop")

    def _send(self, start: int, half: bool) -> None:
        site, body = self.site, self.site.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", site.type)
        if site.says_length:
            self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(site.body) - 1}/{len(site.body)}")
        if site.etag:
            self.send_header("ETag", site.etag)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if half else body)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneSite", (Handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}/online+retail.zip"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def bring(site: Site, folder: Path, **options) -> Path:
    return fetch(folder, url=site.url, expected=SMALL, **{"pause": 0.0, "timeout": 5.0, "attempts": 3, **options})


def refused(site: Site, folder: Path, **options) -> str:
    """The sentence of the refusal, after making sure that nothing looks finished."""
    with pytest.raises(DownloadError) as caught:
        bring(site, folder, **options)
    assert caught.value.problem.endswith(".")
    assert caught.value.remedy
    assert not list(folder.glob("*.xlsx*"))
    return str(caught.value)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stop_at_first_chunk(done: int, total: int | None) -> None:
    raise KeyboardInterrupt


def test_the_workbook_arrives_verified_and_nothing_else_stays(site: Site, tmp_path: Path) -> None:
    path = bring(site, tmp_path / "new" / "folder")
    assert path.read_bytes() == workbook_in(site.body)
    assert names(path.parent) == ["online_retail.xlsx", "online_retail.xlsx.sha256"]


def workbook_in(body: bytes) -> bytes:
    return zipfile.ZipFile(io.BytesIO(body)).read("Online Retail.xlsx")


def test_progress_counts_up_to_the_whole(site: Site, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    bring(site, tmp_path, progress=lambda done, total: told.append((done, total)))
    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1] == (len(site.body), len(site.body))


def test_a_server_that_does_not_say_the_length_is_good_enough(site: Site, tmp_path: Path) -> None:
    site.says_length = False
    totals: list[int | None] = []
    assert bring(site, tmp_path, progress=lambda done, total: totals.append(total)).exists()
    assert set(totals) == {None}


def test_a_verified_file_is_not_downloaded_again(site: Site, tmp_path: Path) -> None:
    bring(site, tmp_path)
    bring(site, tmp_path)
    assert site.asked == [None]


def test_a_file_changed_after_its_verification_is_downloaded_again(site: Site, tmp_path: Path) -> None:
    path = bring(site, tmp_path)
    path.write_bytes(b"edited")
    bring(site, tmp_path)
    assert len(site.asked) == 2
    assert path.read_bytes() == workbook_in(site.body)


def test_a_dropped_connection_is_gone_on_from_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.faults = ["drop", "drop"]
    bring(site, tmp_path)
    assert site.asked[0] is None
    assert all(asked and asked.startswith("bytes=") for asked in site.asked[1:])
    assert len(site.asked) == 3


def test_without_ranges_a_dropped_download_starts_anew(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    site.faults = ["drop"]
    path = bring(site, tmp_path)
    assert path.read_bytes() == workbook_in(site.body)


def test_without_a_version_nothing_is_resumed(site: Site, tmp_path: Path) -> None:
    site.etag = 'W/"weak"'
    site.faults = ["drop"]
    bring(site, tmp_path)
    assert site.asked == [None, None]


@pytest.mark.parametrize("honours_if_range", [True, False])
def test_a_file_that_changed_meanwhile_starts_anew(site: Site, tmp_path: Path, honours_if_range: bool) -> None:
    with pytest.raises(KeyboardInterrupt):
        bring(site, tmp_path, progress=stop_at_first_chunk)
    site.body, site.etag, site.honours_if_range = archive(seed=1), '"two"', honours_if_range
    assert bring(site, tmp_path).read_bytes() == workbook_in(site.body)
    assert site.asked[1] is not None


def test_a_part_of_another_address_is_not_gone_on_from(site: Site, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        bring(site, tmp_path, progress=stop_at_first_chunk)
    site.url += "?mirror"
    bring(site, tmp_path)
    assert site.asked == [None, None]


def test_ctrl_c_leaves_the_part_and_the_next_call_goes_on(site: Site, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        bring(site, tmp_path, progress=stop_at_first_chunk)
    assert names(tmp_path) == ["online_retail.zip.part", "online_retail.zip.part.json"]
    size = (tmp_path / "online_retail.zip.part").stat().st_size
    assert 0 < size < len(site.body)
    bring(site, tmp_path)
    assert site.asked == [None, f"bytes={size}-"]


def test_a_part_that_is_already_complete_is_used_as_it_is(site: Site, tmp_path: Path) -> None:
    def stop_at_the_end(done: int, total: int | None) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(site, tmp_path, progress=stop_at_the_end)
    assert bring(site, tmp_path).exists()
    assert site.asked == [None, f"bytes={len(site.body)}-"]


def test_a_server_in_trouble_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.faults = ["500", "503"]
    assert bring(site, tmp_path).exists()


def test_tries_are_bounded_and_what_came_is_kept(site: Site, tmp_path: Path) -> None:
    site.faults = ["drop"] * 9
    sentence = refused(site, tmp_path)
    assert "tried 3 times" in sentence
    assert "is kept" in sentence
    assert len(site.asked) == 3
    assert "online_retail.zip.part" in names(tmp_path)


def test_without_a_network_the_sentence_names_the_address_and_the_way_by_hand(tmp_path: Path) -> None:
    nowhere = Site()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere.url = f"http://127.0.0.1:{free.getsockname()[1]}/online+retail.zip"
    sentence = refused(nowhere, tmp_path)
    assert nowhere.url in sentence
    assert "insiders run --data" in sentence
    assert names(tmp_path) == []


def test_a_missing_page_is_not_asked_for_twice(site: Site, tmp_path: Path) -> None:
    site.faults = ["404"]
    assert "404" in refused(site, tmp_path)
    assert len(site.asked) == 1


def test_an_address_that_is_none(tmp_path: Path) -> None:
    site = Site()
    site.url = "ftp:/nonsense"
    assert "ftp:/nonsense" in refused(site, tmp_path)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/zip"])
def test_a_sign_in_page_is_not_taken_for_the_archive(site: Site, tmp_path: Path, kind: str) -> None:
    site.body, site.type = b"<!doctype html><title>Sign in</title>", kind
    assert "web page" in refused(site, tmp_path)
    assert names(tmp_path) == []


def test_a_truncated_archive_is_refused(site: Site, tmp_path: Path) -> None:
    site.body = site.body[:200_000]
    assert "truncated" in refused(site, tmp_path)
    assert names(tmp_path) == []


def test_a_damaged_archive_is_refused_and_not_resumed(site: Site, tmp_path: Path) -> None:
    place = site.body.index(b"Online Retail.xlsx") + 500
    site.body = site.body[:place] + b"damage" + site.body[place + 6 :]
    assert "damaged archive" in refused(site, tmp_path)
    assert names(tmp_path) == []


def test_a_workbook_that_is_none_is_refused(site: Site, tmp_path: Path) -> None:
    site.body = archive(b"not a workbook")
    assert "cannot be read" in refused(site, tmp_path)


@pytest.mark.parametrize("name", ["../outside.xlsx", "/tmp/outside.xlsx", "a\\..\\..\\outside.xlsx", "C:outside.xlsx"])
def test_an_archive_that_writes_outside_its_folder_is_refused(site: Site, tmp_path: Path, name: str) -> None:
    site.body = archive(name=name)
    assert "outside its folder" in refused(site, tmp_path / "in")
    assert names(tmp_path) == ["in"]


def test_an_archive_without_a_workbook_says_what_it_holds(site: Site, tmp_path: Path) -> None:
    site.body = archive(name="readme.txt")
    assert "noise.bin, readme.txt" in refused(site, tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (workbook(LINES[:2]), "lines: expected 3, found 2"),
        (workbook([*LINES[:2], (*LINES[2][:3], -2, *LINES[2][4:])]), "sum of Quantity: expected 8, found 7"),
        (workbook([*LINES[:2], (*LINES[2][:5], 0.201, *LINES[2][6:])]), "UnitPrice: expected 15.4, found 15.399"),
        (workbook(columns=("Invoice", *COLUMNS[1:])), "columns: expected InvoiceNo StockCode"),
        (workbook([*LINES[:2], (*LINES[2][:3], "many", *LINES[2][4:])]), "expected numbers, found text"),
        (workbook([], ()), "lines: expected 3, found 0"),
    ],
)
def test_another_content_is_refused_with_the_figure_that_differs(
    site: Site, tmp_path: Path, content: bytes, told: str
) -> None:
    site.body = archive(content)
    assert told in refused(site, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_full_disk_is_called_a_full_disk(site: Site, tmp_path: Path) -> None:
    (tmp_path / "online_retail.xlsx.unverified").symlink_to("/dev/full")
    assert "is full" in refused(site, tmp_path)


def test_a_folder_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"file/data cannot be written: Not a directory"):
        bring(site, tmp_path / "file" / "data")


def test_sums_are_exact_where_floats_drift() -> None:
    lines = pd.DataFrame({"Quantity": [1] * 10, "UnitPrice": [0.1] * 10})
    assert lines["UnitPrice"].sum() != 1 or sum(lines["UnitPrice"]) != 1
    assert content_of(lines).amount == 1


@pytest.mark.real
def test_the_real_file_has_the_published_figures(real_data: Path) -> None:
    assert content_of(pd.read_parquet(real_data)) == ONLINE_RETAIL
