"""Files as they arrive: every form that is read, and every way in which one can be wrong."""

import csv
import datetime as dt
import gzip
import io
import os

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.errors import InputError
from insiders_assets.storage import source_files
from insiders_assets.storage.source_files import read_source

TEXT = "Invoice,Name,Quantity\n1,Tea,2\n2,Café,3\n"


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def workbook(folder, sheets, name="lines.xlsx"):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(folder / name)
    return folder / name


def parquet(folder, table, name="lines.parquet"):
    pq.write_table(table, folder / name)
    return folder / name


def refused(path, **options):
    with pytest.raises(InputError) as refusal:
        read_source(path, **options)
    assert refusal.value.remedy
    return str(refusal.value)


# What is read


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_csv_is_read_whatever_its_delimiter_and_line_end(tmp_path, delimiter, ending):
    text = TEXT.replace(",", delimiter).replace("\n", ending)
    (sheet,) = read_source(written(tmp_path, "a.csv", text))
    assert sheet.name == ""
    assert sheet.table.to_pydict() == {"Invoice": ["1", "2"], "Name": ["Tea", "Café"], "Quantity": ["2", "3"]}
    assert sheet.line_numbers.to_pylist() == [2, 3]
    assert sheet.ragged == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_csv_is_read_whatever_its_encoding(tmp_path, encoding):
    path = written(tmp_path, "a.csv", TEXT.encode(encoding))
    (sheet,) = read_source(path, encodings=("utf-8", "latin-1"))
    assert sheet.table.column_names[0] == "Invoice"
    assert sheet.table["Name"].to_pylist() == ["Tea", "Café"]


def test_a_compressed_csv_gives_what_the_csv_gives(tmp_path):
    (plain,) = read_source(written(tmp_path, "a.csv", TEXT))
    (packed,) = read_source(written(tmp_path, "A.CSV.GZ", gzip.compress(TEXT.encode())))
    assert packed == plain


def test_a_header_that_the_caller_knows_decides_the_delimiter(tmp_path):
    path = written(tmp_path, "a.csv", "Bill;a,b,c,d\n1;x\n")
    (sheet,) = read_source(path, known_header=lambda header: header[0] == "Bill")
    assert sheet.table.column_names == ["Bill", "a,b,c,d"]


def test_blank_lines_and_breaks_in_quotes_are_counted_in_the_line_numbers(tmp_path):
    text = '\nInvoice,Name\n\n1,"Tea, ""green""\nand black"\n   \n2,Jam\n'
    (sheet,) = read_source(written(tmp_path, "a.csv", text))
    assert sheet.line_numbers.to_pylist() == [4, 7]
    assert sheet.table["Name"].to_pylist() == ['Tea, "green"\nand black', "Jam"]


def test_a_line_with_another_number_of_fields_is_set_aside_as_it_stood(tmp_path):
    text = 'Invoice,Name,Quantity\n1,Tea,2\n2,"Jam, red"\nx\n3,Tea,1,,\n4,Tea,1'
    (sheet,) = read_source(written(tmp_path, "a.csv", text))
    assert sheet.line_numbers.to_pylist() == [2, 6]
    assert sheet.ragged == [
        (3, '2,"Jam, red"', "the line has 2 fields where the header has 3"),
        (4, "x", "the line has 1 field where the header has 3"),
        (5, "3,Tea,1,,", "the line has 5 fields where the header has 3"),
    ]


def test_nameless_columns_are_kept_as_they_are(tmp_path):
    (sheet,) = read_source(written(tmp_path, "a.csv", "a,b,,Unnamed: 8,\n1,2,,,\n"))
    assert sheet.table.column_names == ["a", "b", "", "Unnamed: 8", ""]


cells = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8)


@given(st.lists(st.tuples(cells, cells, cells).filter(lambda row: any(row)), min_size=1, max_size=12))
def test_whatever_python_writes_as_csv_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("a", "b", "c"), *rows])
    path.write_bytes(text.getvalue().encode())
    (sheet,) = read_source(path)
    assert list(zip(*sheet.table.to_pydict().values(), strict=True)) == rows
    assert len(sheet.line_numbers) == len(rows)
    assert sheet.ragged == []


def test_blocks_join_without_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(source_files, "BLOCK_ROWS", 7)
    monkeypatch.setattr(source_files, "BLOCK_BYTES", 5)
    text = "a,b\n" + "".join(f"{i},é\n" for i in range(21))
    (sheet,) = read_source(written(tmp_path, "a.csv", text))
    assert sheet.table["a"].to_pylist() == [str(i) for i in range(21)]
    assert sheet.line_numbers.to_pylist() == list(range(2, 23))


def test_a_workbook_gives_all_sheets_that_have_lines_with_their_rows(tmp_path):
    noon, midnight = dt.datetime.fromisoformat("2010-12-01 12:00"), dt.datetime.fromisoformat("2010-12-02")
    path = workbook(
        tmp_path,
        {
            "2009": [["Invoice", "At", "Price"], [1, noon, 2.5], [], ["C2", midnight, 3]],
            "blank": [],
            "header only": [["Invoice", "At", "Price"]],
            "2010": [[], ["Invoice", "At", "Price"], [7, noon, "free"]],
        },
    )
    first, second = read_source(path)
    assert (first.name, second.name) == ("2009", "2010")
    assert first.line_numbers.to_pylist() == [2, 4]
    assert first.table["Invoice"].to_pylist() == ["1", "C2"]
    assert first.table["At"].to_pylist() == [noon, midnight]
    assert first.table["Price"].type == pa.float64()
    assert second.line_numbers.to_pylist() == [3]
    assert second.table["Price"].to_pylist() == ["free"]


def test_a_column_of_a_workbook_that_changes_its_kind_late_is_text_throughout(tmp_path, monkeypatch):
    monkeypatch.setattr(source_files, "BLOCK_ROWS", 2)
    rows = [["Invoice", "Empty"], [1, None], [123456789012345, None], ["C3", None], [4.5, None], [None, "x"]]
    (sheet,) = read_source(workbook(tmp_path, {"a": rows}))
    assert sheet.table["Invoice"].to_pylist() == ["1", "123456789012345", "C3", "4.5", None]
    assert sheet.table["Empty"].to_pylist() == [None] * 4 + ["x"]


def test_row_labels_that_pandas_has_kept_are_no_column(tmp_path):
    frame = pd.DataFrame({"Invoice": ["a", "b", "c"], "Quantity": [1, 2, 3]})
    frame[frame["Quantity"] > 1].to_parquet(tmp_path / "kept.parquet")
    assert "__index_level_0__" in pq.read_schema(tmp_path / "kept.parquet").names
    (sheet,) = read_source(tmp_path / "kept.parquet")
    assert sheet.table.to_pydict() == {"Invoice": ["b", "c"], "Quantity": [2, 3]}


def test_parquet_keeps_its_types_and_counts_as_if_it_had_a_header(tmp_path):
    folder = tmp_path / "month=2011-12"
    folder.mkdir()
    table = pa.table(
        {"a": [1, 2], "b": pa.array(["x", None]).dictionary_encode(), "c": pa.array(["y", "z"], "large_string")}
    )
    (sheet,) = read_source(parquet(folder, table))
    assert sheet.table.schema.types == [pa.int64(), pa.string(), pa.string()]
    assert sheet.table.column_names == ["a", "b", "c"]
    assert sheet.line_numbers.to_pylist() == [2, 3]


# What is refused


def test_a_path_that_is_no_readable_file_is_refused(tmp_path):
    assert "does not exist" in refused(tmp_path / "a.csv")
    (tmp_path / "b.csv").mkdir()
    assert "is a folder" in refused(tmp_path / "b.csv")
    told = refused(written(tmp_path, "c.json", "{}"))
    assert all(suffix in told for suffix in ("c.json", ".csv", ".csv.gz", ".xlsx", ".parquet"))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_without_permission_is_refused(tmp_path):
    path = written(tmp_path, "a.csv", TEXT)
    path.chmod(0)
    assert "may not be read" in refused(path)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.xlsx", "a.parquet"])
def test_an_empty_file_is_refused(tmp_path, name):
    assert f"{name} is empty" in refused(written(tmp_path, name, b""))


def test_a_file_without_lines_is_refused(tmp_path):
    assert "is empty" in refused(written(tmp_path, "a.csv.gz", gzip.compress(b"")))
    assert "nothing but blank lines" in refused(written(tmp_path, "b.csv", "\n \n"))
    assert "no lines besides the header" in refused(written(tmp_path, "c.csv", "a,b\n\n"))
    assert "no lines besides the header" in refused(workbook(tmp_path, {"a": [["x", "y"]], "b": []}))
    assert "no lines besides the header" in refused(parquet(tmp_path, pa.table({"a": pa.array([], pa.int64())})))


def test_a_file_is_refused_that_is_not_what_its_name_says(tmp_path):
    book = workbook(tmp_path, {"a": [["x", "y"], [1, 2]]}).read_bytes()
    columns = parquet(tmp_path, pa.table({"a": [1]})).read_bytes()
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    disguised = {
        "a.csv": (book, "Rename it to end in .xlsx"),
        "b.csv": (columns, "Rename it to end in .parquet"),
        "c.csv": (gzip.compress(TEXT.encode()), "Rename it to end in .csv.gz"),
        "d.csv": (b"\n<!DOCTYPE html><html>", "a web page"),
        "e.xlsx": (TEXT.encode(), "not xlsx but text"),
        "f.xlsx": (b"<html><table>", "a web page"),
        "g.parquet": (TEXT.encode(), "not parquet but text"),
        "h.csv.gz": (TEXT.encode(), "not csv.gz but text"),
        "i.csv.gz": (gzip.compress(book), "an Excel workbook"),
        "j.xlsx": (old, "old Excel form"),
        "k.xlsx": (old + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
        "m.xlsx": (b"\x03\x8f\x00noise" * 90, "is damaged, or of another kind"),
        "n.parquet": (b"\x03\x8f\x00noise" * 90, "is damaged, or of another kind"),
        "o.xlsx": (TEXT.encode("utf-16"), "not xlsx but text"),
        "l.csv": (b"a,b\n1,2\n3,\x004\n", "NUL byte in line 3"),
    }
    for name, (content, told) in disguised.items():
        sentence = refused(written(tmp_path, name, content), encodings=("utf-8", "latin-1"))
        assert name in sentence
        assert told in sentence


def test_a_wrong_encoding_names_the_line_of_the_first_bad_byte_and_what_was_tried(tmp_path):
    path = written(tmp_path, "a.csv", b"a,b\n1,2\n3,\xa34\n")
    told = refused(path, encodings=("utf-8", "ascii"))
    assert "not utf-8 or ascii text" in told
    assert "line 3" in told


def test_utf_8_with_one_broken_byte_is_not_taken_for_latin_1(tmp_path):
    path = written(tmp_path, "a.csv", TEXT.encode() + "3,crème brûlée,1\n".encode() + b"4,caf\xc3,1\n")
    assert "is UTF-8 text, but line 5" in refused(path, encodings=("utf-8", "latin-1"))


@pytest.mark.parametrize("tail", ["2,Jam\n", "2,Jam\n" * 30_000])
def test_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path, tail):
    told = refused(written(tmp_path, "a.csv", f'a,b\n1,x\n2,"Tea\n{tail}'))
    assert "line 3" in told
    assert "Close the quote" in told


def test_columns_of_one_name_are_refused(tmp_path):
    assert "more than one column 'b'" in refused(written(tmp_path, "a.csv", "a,b,b\n1,2,3\n"))
    assert "sheet 'x', has more than one column 'b'" in refused(workbook(tmp_path, {"x": [["b", "b"], [1, 2]]}))


def test_a_header_without_delimiter_is_refused(tmp_path):
    assert "header of one column, 'Sales of 2011'" in refused(written(tmp_path, "a.csv", "Sales of 2011\na,b\n"))


def test_nested_parquet_columns_are_refused(tmp_path):
    assert "column 'a' holds list" in refused(parquet(tmp_path, pa.table({"a": [[1], [2]]})))


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("name", ["a.csv.gz", "a.xlsx", "a.parquet"])
def test_a_file_that_was_cut_off_is_refused(tmp_path, name, kept):
    rows = [["a", "b"], *([i, f"x{i * 7919 % 1000}"] for i in range(300))]
    if name == "a.xlsx":
        whole = workbook(tmp_path, {"a": rows}, name).read_bytes()
    elif name == "a.parquet":
        whole = parquet(tmp_path, pa.table({"a": list(range(300))}), name).read_bytes()
    else:
        whole = gzip.compress("\n".join(f"{a},{b}" for a, b in rows).encode())
    assert name in refused(written(tmp_path, name, whole[: int(len(whole) * kept)]))
