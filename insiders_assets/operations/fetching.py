"""The UCI "Online Retail" set from its public address into a folder: downloaded, verified, and only then in place.

Belongs here: HTTP with resuming, unzipping, and the figures by which the file is recognised. Does not belong here:
cleaning or layouts (a fetched file goes the way of every other file), and printing (`progress` is the caller's).

While it is under way, the folder holds `online_retail.zip.part` (and a `.json` beside it that says which version of
which address the bytes are of); `online_retail.xlsx` appears by renaming, after its SHA-256 was written beside it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePosixPath

import pandas as pd
import requests
from python_calamine import CalamineError

from insiders_assets.errors import DownloadError

UCI_URL = "https://archive.ics.uci.edu/static/public/352/online+retail.zip"
BY_HAND = "Try again, or download it by hand (archive.ics.uci.edu, data set 352) for `insiders run --data FILE`."
WORKBOOK = "online_retail.xlsx"

# Many times the real sizes (about 23 MB each): a wrong address must not fill the disk.
MAX_BYTES = 500_000_000
_RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})
_DROPPED = {  # the first kind that fits names the reason
    requests.exceptions.SSLError: "its certificate is not accepted",
    requests.exceptions.ProxyError: "the proxy does not answer",
    requests.exceptions.ChunkedEncodingError: "the connection dropped, the file is truncated",
    requests.Timeout: "no answer in time",
    requests.ConnectionError: "no connection to the server",
}
_PAGE = "a web page instead of the archive (a proxy or a sign-in page may stand between)"
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class ExpectedContent:
    """The figures by which a file is recognised: `amount` is Σ Quantity·UnitPrice, exact, in the shop's currency."""

    columns: tuple[str, ...]
    lines: int
    quantity: Decimal
    amount: Decimal

    def differences(self, found: ExpectedContent) -> list[str]:
        """What differs in `found`, as "name: expected …, found …"; empty when it is the same content."""
        pairs = {
            "columns": (" ".join(self.columns), " ".join(found.columns)),
            "lines": (f"{self.lines:,}", f"{found.lines:,}"),
            "sum of Quantity": (f"{self.quantity.normalize():,f}", f"{found.quantity.normalize():,f}"),
            "sum of Quantity times UnitPrice": (f"{self.amount.normalize():,f}", f"{found.amount.normalize():,f}"),
        }
        return [f"{name}: expected {want}, found {got}" for name, (want, got) in pairs.items() if want != got]


ONLINE_RETAIL = ExpectedContent(
    columns=("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"),
    lines=541_909,
    quantity=Decimal(5_176_450),
    amount=Decimal("9747747.934"),
)


def content_of(lines: pd.DataFrame) -> ExpectedContent:
    """The figures of invoice lines in the UCI layout. Sums are decimal: a float sum depends on the order of adding.

    Raises
    ------
    decimal.InvalidOperation: Quantity or UnitPrice holds something that is not a number.
    """
    columns = tuple(map(str, lines.columns))
    if not {"Quantity", "UnitPrice"} <= set(columns):
        return ExpectedContent(columns, len(lines), Decimal(0), Decimal(0))
    quantities = [Decimal(str(value)) for value in lines["Quantity"].tolist()]
    prices = [Decimal(str(value)) for value in lines["UnitPrice"].tolist()]
    amount = sum((q * p for q, p in zip(quantities, prices, strict=True)), Decimal(0))
    return ExpectedContent(columns, len(lines), sum(quantities, Decimal(0)), amount)


def fetch(
    destination: Path,
    *,
    url: str = UCI_URL,
    expected: ExpectedContent = ONLINE_RETAIL,
    progress: Progress = lambda done, total: None,
    timeout: float = 30.0,
    attempts: int = 5,
    pause: float = 1.0,
) -> Path:
    """Bring the workbook to `destination / "online_retail.xlsx"` and give that path; a verified one is kept as it is.

    Parameters
    ----------
    progress: called with the bytes so far and the bytes in all (None where the server does not say).
    timeout: seconds without any answer after which a connection counts as dropped.
    attempts, pause: tries in all, and seconds before the second one, doubled for each later one. After them, and after
        Ctrl-C, what was received stays, and the next call goes on from there.

    Raises
    ------
    DownloadError: whatever went wrong, and what to do; no file that looks finished is left.
    """
    target = destination / WORKBOOK
    part = destination / "online_retail.zip.part"
    with _telling_disk_errors(destination):
        destination.mkdir(parents=True, exist_ok=True)
        if _is_verified(target):
            return target
        _download(part, url, progress, timeout, attempts, pause)
        unverified = destination / f"{WORKBOOK}.unverified"
        try:
            _unzip_workbook(part, unverified, url)
            _verify(unverified, expected, url)
            # The checksum first: a workbook without one would be taken for unverified, never the other way round.
            Path(f"{target}.sha256").write_text(f"{_sha256(unverified)}  {WORKBOOK}\n", "utf-8")
            unverified.replace(target)
        except DownloadError:
            _forget(part)  # complete but wrong: resuming it would bring the same again
            raise
        finally:
            unverified.unlink(missing_ok=True)
        _forget(part)
    return target


class _DroppedError(Exception):
    """The transfer did not come to its end, and another try may."""


def _download(part: Path, url: str, progress: Progress, timeout: float, attempts: int, pause: float) -> None:
    reason = ""
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            return _receive(part, url, progress, timeout)
        except _DroppedError as dropped:
            reason = str(dropped)
    kept = "What was received is kept and will be gone on from. " if _resumable(part, url)[0] else ""
    raise DownloadError(f"{url} could not be downloaded: {reason} (tried {attempts} times).", f"{kept}{BY_HAND}")


def _receive(part: Path, url: str, progress: Progress, timeout: float) -> None:
    start, validator = _resumable(part, url)
    # No compression on the way: lengths and ranges must count the file's own bytes.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            done = _accept(response, start, validator, part, url)
            if done is not None:
                _write(response, part, done, url, progress)
    except tuple(_DROPPED) as dropped:
        raise _DroppedError(next(told for kind, told in _DROPPED.items() if isinstance(dropped, kind))) from None
    except requests.RequestException as wrong:
        raise DownloadError(f"{url} cannot be downloaded: {wrong}.", f"Check the address. {BY_HAND}") from None


def _accept(response: requests.Response, start: int, validator: str, part: Path, url: str) -> int | None:
    """The byte from which the answer is to be written (0: anew); None when nothing is left to send.

    Raises
    ------
    _DroppedError: the next try may be luckier; `part` is gone when it is of another version than the server's.
    DownloadError: no try will be.
    """
    status, sent = response.status_code, response.headers.get("Content-Range", "").strip()
    if status in _RETRIED_STATUS:
        raise _DroppedError(f"the server answered {status} {response.reason}")
    if status == 416 and start and sent == f"bytes */{start}":
        return None
    # Some servers ignore If-Range and send the end of another version.
    same = _validator(response) in ("", validator) and sent.startswith(f"bytes {start}-")
    if status == 416 or (status == 206 and not same):
        _forget(part)
        raise _DroppedError("the file on the server changed")
    if status not in (200, 206):
        raise DownloadError(f"{url} cannot be downloaded: the server answered {status} {response.reason}.", BY_HAND)
    if "text/html" in response.headers.get("Content-Type", "").lower():
        raise _brought(url, _PAGE)
    if status == 200:
        _forget(part)  # before the new note is written: old bytes must never pass for bytes of the new version
    return start if status == 206 else 0


def _write(response: requests.Response, part: Path, done: int, url: str, progress: Progress) -> None:
    length = response.headers.get("Content-Length", "")
    total = done + int(length) if length.isdigit() else None
    if not done:
        Path(f"{part}.json").write_text(json.dumps({"url": url, "validator": _validator(response)}), "utf-8")
    with part.open("ab") as file:
        for chunk in response.iter_content(1 << 16):
            done += len(chunk)
            if done > MAX_BYTES:
                _forget(part)
                raise _brought(url, f"more than {MAX_BYTES:,} bytes")
            file.write(chunk)
            progress(done, total)
    if total is not None and done != total:
        raise _DroppedError(f"the file is truncated: {done:,} of {total:,} bytes came")


def _validator(response: requests.Response) -> str:
    """What tells this version of the file from another; a weak ETag does not vouch for bytes, so it does not count."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _resumable(part: Path, url: str) -> tuple[int, str]:
    """Bytes that can be gone on from, and the version they are of; (0, "") when it must start anew."""
    try:
        note = json.loads(Path(f"{part}.json").read_text("utf-8"))
        validator = note["validator"] if note["url"] == url else ""
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        validator = ""
    return (part.stat().st_size, validator) if validator and part.exists() else (0, "")


def _unzip_workbook(archive: Path, unverified: Path, url: str) -> None:
    """Write the one workbook of the archive to `unverified`; no name from inside the archive becomes a path."""
    if not zipfile.is_zipfile(archive):
        with archive.open("rb") as file:
            page = file.read(64).lstrip().startswith(b"<")
        raise _brought(url, _PAGE if page else "a file that is no zip archive, or a truncated one")
    try:
        with zipfile.ZipFile(archive) as held, held.open(_workbook_in(held, url)) as source:
            unverified.write_bytes(source.read())
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as wrong:
        raise _brought(url, f"a damaged archive: {wrong}") from None


def _workbook_in(opened: zipfile.ZipFile, url: str) -> zipfile.ZipInfo:
    for member in opened.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in member.filename:
            raise _brought(url, f"an archive that writes outside its folder: {member.filename!r}")
    workbooks = [member for member in opened.infolist() if member.filename.lower().endswith(".xlsx")]
    if len(workbooks) != 1:
        raise _brought(url, f"an archive without exactly one workbook: {', '.join(opened.namelist()[:5]) or 'empty'}")
    if workbooks[0].file_size > MAX_BYTES:
        raise _brought(url, f"a workbook of {workbooks[0].file_size:,} bytes")
    return workbooks[0]


def _verify(workbook: Path, expected: ExpectedContent, url: str) -> None:
    try:
        differences = expected.differences(content_of(pd.read_excel(workbook, engine="calamine")))
    except InvalidOperation:
        differences = ["Quantity or UnitPrice: expected numbers, found text"]
    except (CalamineError, ValueError) as wrong:
        raise _brought(url, f"a workbook that cannot be read: {wrong}") from None
    if differences:
        raise _brought(url, f"another content than the published one: {'; '.join(differences)}")


def _is_verified(target: Path) -> bool:
    checksum = Path(f"{target}.sha256")
    there = target.is_file() and checksum.is_file()
    return there and checksum.read_text("utf-8", errors="replace").split()[:1] == [_sha256(target)]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _forget(part: Path) -> None:
    Path(f"{part}.json").unlink(missing_ok=True)
    part.unlink(missing_ok=True)


def _brought(url: str, what: str) -> DownloadError:
    return DownloadError(f"{url} brought {what}.", BY_HAND)


@contextmanager
def _telling_disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as wrong:
        if wrong.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DownloadError(f"The disk of {folder} is full.", "Make room (about 100 MB); run it again.") from None
        raise DownloadError(
            f"{folder} cannot be written: {wrong.strerror}.", "Name a folder you may write to."
        ) from None
