"""Source files: csv, csv.gz, xlsx and Parquet as Arrow tables that know the line of each row.

Belongs here: which kind a file is, bytes, compression, encodings, delimiters, quotes, and whatever can be wrong with
them. Does not belong here: the cells of a workbook (:mod:`.workbooks`), what a column means, and making dates or
numbers of text; a csv file gives text, all of it.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from insiders_assets.errors import InputError
from insiders_assets.storage.sheets import Sheet, check_columns, no_lines
from insiders_assets.storage.workbooks import read_workbook

PANDAS_INDEX = re.compile(r"__index_level_\d+__")
SUPPORTED = (".csv", ".csv.gz", ".xlsx", ".parquet")
DELIMITERS = (",", ";", "\t", "|")
BLOCK_ROWS = 32_768
BLOCK_BYTES = 1 << 20

_SIGNATURES = (
    (b"PK\x03\x04", ".xlsx", "an Excel workbook or another zip archive"),
    (b"PAR1", ".parquet", "a Parquet file"),
    (b"\x1f\x8b", ".csv.gz", "compressed with gzip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "", "a workbook of the old Excel form (xls)"),
    (b"%PDF", "", "a PDF document"),
)
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_MARKUP = re.compile(rb"\s*<(!doctype|html|head|table|\?xml)", re.IGNORECASE)
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_AGAIN = "Bring it again, whole."
_CLOSE = 'Close the quote, or double it ("") where it belongs to the text.'
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")

_OTHER_TEXT = (pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())
# Added behind the last line: a quote that was never closed swallows it. No text file has it, as NUL is refused.
_END = "\0end"


def read_source(
    path: Path, encodings: Sequence[str] = ("utf-8",), known_header: Callable[[list[str]], bool] | None = None
) -> list[Sheet]:
    """Every line of a source file, in the order of the file.

    Parameters
    ----------
    path: csv, csv.gz (text columns), xlsx (all sheets; a column of one kind keeps it, others are text) or parquet.
    encodings: to try on text without a byte-order mark, in order.
    known_header: tells a header that the caller knows; decides the delimiter where it can.

    Returns
    -------
    The sheets that have lines, at least one.

    Raises
    ------
    InputError: the file is missing, unreadable, empty, damaged, or not what its name says.
    """
    with _explained(path):
        kind = _kind(path)
        _refuse_disguise(path, kind)
        if kind == ".parquet":
            return [_read_parquet(path)]
        if kind == ".xlsx":
            return read_workbook(path, BLOCK_ROWS)
        return [_read_text(path, encodings, known_header or (lambda _: False))]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.", "Check the name and the folder.") from None
    except PermissionError:
        raise InputError(f"{path} may not be read by this user.", "Give the user the right to read it.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{path.name} is a damaged or cut off gzip file.", _AGAIN) from None
    except csv.Error as wrong:
        raise InputError(f"{path.name} has no header that can be read: {wrong}.", _CLOSE) from None
    except OSError as wrong:
        raise InputError(f"{path.name} cannot be read: {_first_line(wrong)}.", _AGAIN) from None


def _kind(path: Path) -> str:
    if path.is_dir():
        raise InputError(f"{path} is a folder.", "Name a file in it.")
    path.stat()
    for suffix in SUPPORTED:
        if path.name.casefold().endswith(suffix):
            return suffix
    raise InputError(f"{path.name} is of a kind that cannot be read.", f"Supported are {', '.join(SUPPORTED)}.")


def _refuse_disguise(path: Path, kind: str) -> None:
    """Refuse a file whose first bytes are not of the kind that its name says."""
    with path.open("rb") as file:
        _check_signature(path, file.read(4096), kind)
    if kind == ".csv.gz":
        with gzip.open(path, "rb") as unpacked:
            _check_signature(path, unpacked.read(4096), ".csv")


def _check_signature(path: Path, head: bytes, kind: str) -> None:
    if not head:
        raise InputError(f"{path.name} is empty.", _AGAIN)
    found, told = ("", "a web page or XML") if _MARKUP.match(head) else (".csv", "text")
    found, told = next(((kind, words) for mark, kind, words in _SIGNATURES if head.startswith(mark)), (found, told))
    if found == kind:
        return
    if told == "text" and _NO_TEXT.search(head) and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path.name} is no {kind.removeprefix('.')}: it is damaged, or of another kind.", _AGAIN)
    if kind == ".xlsx" and not found and _ENCRYPTED in path.read_bytes():
        raise InputError(f"{path.name} is protected by a password.", "Save it without password.")
    remedy = f"Rename it to end in {found}." if found else "Save it as xlsx or csv."
    raise InputError(f"{path.name} is not {kind.removeprefix('.')} but {told}.", remedy)


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.name.casefold().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _read_text(path: Path, encodings: Sequence[str], known_header: Callable[[list[str]], bool]) -> Sheet:
    encoding = _encoding(path, encodings)
    with io.TextIOWrapper(_open(path), encoding=encoding, newline="") as text:
        head = list(itertools.islice((line for line in text if line.strip()), 20))
    if not head:
        raise InputError(f"{path.name} has nothing but blank lines.", _AGAIN)
    headers = {delimiter: next(csv.reader(head, delimiter=delimiter)) for delimiter in DELIMITERS}
    known = [delimiter for delimiter, header in headers.items() if known_header(header)]
    delimiter = known[0] if known else max(DELIMITERS, key=lambda one: len(headers[one]))
    if len(headers[delimiter]) < 2:
        told = f"{path.name} has a header of one column, '{head[0].strip()[:80]}'."
        raise InputError(told, "Separate the columns by comma, semicolon, tab or |.")
    check_columns(path, headers[delimiter])
    with io.TextIOWrapper(_open(path), encoding=encoding, newline="") as text:
        return _read_lines(path, text, delimiter)


def _read_lines(path: Path, text: io.TextIOWrapper, delimiter: str) -> Sheet:
    """The lines of an open csv file; Python's reader knows quotes and line numbers, blocks keep the memory small."""
    as_it_stood: list[str] = []

    def lines() -> Iterator[str]:
        for line in itertools.chain(text, (_END,)):
            as_it_stood.append(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    header: list[str] = []
    blocks: list[list[pa.Array]] = []
    rows: list[list[str]] = []
    numbers: list[int] = []
    ragged: list[tuple[int, str, str]] = []
    end, row, width = 0, [""], -1
    try:
        for row in reader:
            start, end = end + 1, reader.line_num
            if len(row) == width:
                rows.append(row)
                numbers.append(start)
                if len(rows) == BLOCK_ROWS:
                    blocks.append([pa.array(column, pa.string()) for column in zip(*rows, strict=True)])
                    rows = []
            elif not "".join(row).strip() and len(row) <= 1:
                pass
            elif width < 0:
                header, width = row, len(row)
            elif row != [_END]:
                reason = f"the line has {len(row)} field{'s' * (len(row) > 1)} where the header has {width}"
                ragged.append((start, "".join(as_it_stood).rstrip("\r\n"), reason))
            as_it_stood.clear()
    except csv.Error as wrong:
        raise InputError(f"{path.name} cannot be read from line {end + 1} on: {wrong}.", _CLOSE) from None
    if row != [_END]:
        raise InputError(f"{path.name} has a quote in line {start} that is never closed.", _CLOSE)
    if rows:
        blocks.append([pa.array(column, pa.string()) for column in zip(*rows, strict=True)])
    if not blocks and not ragged:
        raise no_lines(path)
    schema = pa.schema([(column, pa.string()) for column in header])
    table = pa.Table.from_batches([pa.record_batch(block, schema=schema) for block in blocks], schema)
    return Sheet("", table, pa.array(numbers, pa.int64()), ragged)


def _encoding(path: Path, encodings: Sequence[str]) -> str:
    """The first encoding that the whole text obeys; the mark at its beginning decides where there is one."""
    with _open(path) as file:
        head = file.read(4)
    marked = [encoding for mark, encoding in _BYTE_ORDER_MARKS if head.startswith(mark)]
    failures: list[int] = []
    for encoding in (tried := marked[:1] or list(encodings)):
        if not (line := _first_bad_line(path, encoding)):
            return encoding
        failures.append(line)
    raise InputError(
        f"{path.name} is not {' or '.join(tried)} text: line {failures[0]} has bytes that are not {tried[0]}.",
        "Save it as UTF-8, or name its encoding in its layout in insiders.toml.",
    )


def _first_bad_line(path: Path, encoding: str) -> int:
    """Line of the first byte that is not of the encoding; 0 if there is none.

    Raises
    ------
    InputError: a NUL, which no text has; or UTF-8 in which single bytes are broken, which any one-byte encoding would
        accept and turn into wrong letters.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line, foreign = 1, 0
    with _open(path) as file:
        for block in itertools.chain(iter(lambda: file.read(BLOCK_BYTES), b""), (b"",)):
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as wrong:
                line += _line_ends(wrong.object[: wrong.start].decode(encoding, "ignore"))
                if codecs.lookup(encoding).name == "utf-8":
                    mended = wrong.object.decode(encoding, "replace")
                    broken = mended.count("\ufffd")
                    if foreign + _not_ascii(mended) - broken >= broken:
                        told = f"{path.name} is UTF-8 text, but line {line} has a byte that is not."
                        raise InputError(told, "Correct the line, or export the file again.") from None
                return line
            if (nul := text.find("\0")) >= 0:
                told = f"{path.name} has a NUL byte in line {line + _line_ends(text[:nul])}, which no text file has."
                raise InputError(told, "The file is damaged or not text: export it again as csv in UTF-8.")
            line += _line_ends(text)
            foreign += _not_ascii(text)
    return 0


def _line_ends(text: str) -> int:
    return text.count("\n") or text.count("\r")


def _not_ascii(text: str) -> int:
    return 0 if text.isascii() else len(text) - len(text.encode("ascii", "ignore"))


def _read_parquet(path: Path) -> Sheet:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
        # What pandas keeps of a table's row labels is no column of the shop's.
        table = table.drop_columns([name for name in table.column_names if PANDAS_INDEX.fullmatch(name)])
        check_columns(path, table.column_names)
        columns = []
        for name, column in zip(table.column_names, table.columns, strict=True):
            if pa.types.is_nested(column.type):
                raise InputError(
                    f"{path.name}: column '{name}' holds {column.type}, not plain values.", "Leave it out."
                )
            plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
            columns.append(plain.cast(pa.string()) if plain.type in _OTHER_TEXT else plain)
    except (pa.ArrowException, OSError) as wrong:
        raise InputError(f"{path.name} is damaged or cut off: {_first_line(wrong)}.", _AGAIN) from None
    if not table.num_rows:
        raise no_lines(path)
    lines = np.arange(2, table.num_rows + 2, dtype=np.int64)
    return Sheet("", pa.table(columns, names=table.column_names), pa.array(lines))


def _first_line(wrong: Exception) -> str:
    return str(wrong).partition("\n")[0].rstrip(".")
