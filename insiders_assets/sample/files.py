"""The shop's deliveries: its months as CSV or Parquet files, with the dirt that only a file can hold.

Belongs here: how a shop would write its invoices down. Does not belong here: how they are read.
"""

import datetime as dt
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from insiders_assets.sample.parameters import ShopParameters, month_after, refuse
from insiders_assets.sample.rhythm import stream
from insiders_assets.sample.shop import SCHEMA, Shop

LONGEST_OVERLAP = 28
_UNREADABLE: dict[str, Callable[[list[str]], list[str]]] = {
    "unparsable_dates": lambda fields: [*fields[:4], "31/31/20x4 8:26", *fields[5:]],
    "text_quantities": lambda fields: [*fields[:3], "a dozen", *fields[4:]],
    "missing_numbers": lambda fields: ["", *fields[1:]],
    "wrong_field_counts": lambda fields: fields[:5],
}


def write_shop(
    parameters: ShopParameters,
    folder: Path,
    *,
    file_format: str = "csv",
    files: str = "year",
    overlap_days: int = 0,
) -> list[Path]:
    """Write the shop's files, oldest first; each appears whole or not at all, and replaces one of the same name.

    CSV is the form of UCI 352: comma, quotes where needed, month-first dates (`12/1/2010 8:26`); only CSV holds the
    unreadable lines, which stand beside the shop's lines and replace none. A file proves its order of day and month
    once it passes the twelfth, which only a `last_day` or `closed_periods` can prevent.

    Parameters
    ----------
    folder: made if it is not there.
    file_format: `csv` or `parquet`.
    files: `year` (invoices-2024.csv) or `month` (invoices-2024-01.csv).
    overlap_days: days (0-28) of the following file that each file also holds, line by line the same.

    Raises
    ------
    InputError: a choice that does not exist.
    """
    if file_format not in ("csv", "parquet"):
        raise refuse(f"file_format is {file_format!r}", "Give csv or parquet.")
    if files not in ("year", "month"):
        raise refuse(f"files is {files!r}", "Give year or month.")
    if not 0 <= overlap_days <= LONGEST_OVERLAP:
        raise refuse(f"overlap_days is {overlap_days}", f"Give 0 to {LONGEST_OVERLAP} days.")
    shop = Shop(parameters)
    name = "%Y" if files == "year" else "%Y-%m"
    write = _write_csv if file_format == "csv" else _write_parquet
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for label, months in itertools.groupby(shop.months(), key=lambda month: month.strftime(name)):
        path = folder / f"invoices-{label}.{file_format}"
        partial = path.with_name(f".{path.name}.partial")
        try:
            with partial.open("wb") as sink:
                write(sink, parameters, _delivery(shop, list(months), overlap_days))
            os.replace(partial, path)  # noqa: PTH105 - the atomic call by its own name
        finally:
            partial.unlink(missing_ok=True)
        written.append(path)
    return written


def _delivery(shop: Shop, months: list[dt.date], overlap_days: int) -> Iterator[tuple[dt.date, pa.Table, int]]:
    """Yield month, its table, and how many of its lines belong to the file: all, or the overlap's first days."""
    for month in months:
        table = shop.month(month)
        yield month, table, len(table)
    following = month_after(months[-1])
    if overlap_days and following in shop.months():
        table = shop.month(following)
        limit = pa.scalar(
            dt.datetime.combine(following + dt.timedelta(days=overlap_days), dt.time()), pa.timestamp("us")
        )
        yield following, table, pc.sum(pc.less(table["InvoiceDate"], limit)).as_py() or 0


def _write_parquet(
    sink: BinaryIO, parameters: ShopParameters, delivery: Iterator[tuple[dt.date, pa.Table, int]]
) -> None:
    with pq.ParquetWriter(sink, SCHEMA) as writer:
        for _, table, count in delivery:
            writer.write_table(table.slice(0, count))


def _write_csv(sink: BinaryIO, parameters: ShopParameters, delivery: Iterator[tuple[dt.date, pa.Table, int]]) -> None:
    sink.write((",".join(SCHEMA.names) + "\n").encode())
    for month, table, count in delivery:
        lines = _csv_lines(table)
        start = 0
        for row, kind in _spoiled_lines(parameters, month, table):
            if row >= count:
                break
            spoiled = _UNREADABLE[kind](lines[row].as_py().rstrip("\n").split(","))
            sink.write(_bytes(lines.slice(start, row + 1 - start)))
            sink.write((",".join(spoiled) + "\n").encode())
            start = row + 1
        sink.write(_bytes(lines.slice(start, count - start)))


def _spoiled_lines(parameters: ShopParameters, month: dt.date, table: pa.Table) -> list[tuple[int, str]]:
    """Draw after which rows of a month an unreadable copy of the row stands, and of which kind: the same in every file.

    Rows whose description needs quotes are left alone: cutting them at commas would spoil the lines after them too.
    """
    rng = stream(parameters.seed, "unreadable", month)
    plain = np.flatnonzero(~pc.match_substring_regex(pc.fill_null(table["Description"], ""), '[",]').to_numpy())
    drawn: dict[int, str] = {}
    for kind in _UNREADABLE:
        count = rng.poisson(getattr(parameters.dirt, kind) * len(table)) if len(plain) else 0
        drawn |= dict.fromkeys((rng.choice(plain, count) if count else plain[:0]).tolist(), kind)
    return sorted(drawn.items())


def _csv_lines(table: pa.Table) -> pa.LargeStringArray:
    """Return each row as a line of CSV in the form of UCI 352, its line end included."""
    fields = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        text = _uci_dates(column) if name == "InvoiceDate" else column.cast(pa.large_string())
        text = pc.fill_null(text, _text(""))
        if name == "Description":
            quoted = _joined([_text('"'), pc.replace_substring(text, '"', '""'), _text('"')], "")
            text = pc.if_else(pc.match_substring_regex(text, '[",]'), quoted, text)
        fields.append(text)
    fields[-1] = _joined([fields[-1], _text("\n")], "")
    joined = _joined(fields, ",")
    return pa.concat_arrays(joined.chunks) if joined.num_chunks else pa.array([], pa.large_string())


def _joined(parts: list, separator: str) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*parts, _text(separator))


def _text(text: str) -> pa.LargeStringScalar:
    return pa.scalar(text, pa.large_string())


def _bytes(lines: pa.LargeStringArray) -> memoryview | bytes:
    """Return the lines one after the other, as they lie in memory."""
    if not len(lines):
        return b""
    _, offsets, content = lines.buffers()
    start, end = np.frombuffer(offsets, np.int64)[[lines.offset, lines.offset + len(lines)]]
    return memoryview(content)[start:end]


def _uci_dates(moments: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write 2010-12-01 08:26 as 12/1/2010 8:26; each moment that occurs is written once."""
    texts = []
    for chunk in moments.dictionary_encode().chunks:
        written = [f"{at.month}/{at.day}/{at.year} {at.hour}:{at.minute:02}" for at in chunk.dictionary.to_pylist()]
        texts.append(pa.array(written, pa.large_string()).take(chunk.indices))
    return pa.chunked_array(texts, pa.large_string())
