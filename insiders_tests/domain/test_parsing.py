"""Cells become landed lines exactly, or go to quarantine with their reason; nothing is lost and nothing is guessed."""

import csv
import datetime as dt
import gzip
import json
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.contracts.lines import LANDED_LINES, QUARANTINE
from insiders_assets.domain.layouts import BUILT_IN, Layout, encodings, is_known
from insiders_assets.domain.parsing import parse_file, parse_sheet
from insiders_assets.errors import InputError
from insiders_assets.storage.source_files import read_source

LINE = {
    "InvoiceNo": "536365",
    "StockCode": "85123A",
    "Description": "T-LIGHT HOLDER",
    "Quantity": "6",
    "InvoiceDate": "2010-12-01 08:26",
    "UnitPrice": "2.55",
    "CustomerID": "17850",
    "Country": "United Kingdom",
}
STATED = {**BUILT_IN[0].columns, "line_amount": "Amount"}
del STATED["unit_price"]


@dataclass
class Cells:
    """A sheet, made by hand."""

    table: pa.Table
    name: str = ""
    ragged: list = field(default_factory=list)

    @property
    def line_numbers(self):
        return pa.array(range(2, self.table.num_rows + 2), pa.int64())


def cells(name="", ragged=(), **columns):
    """Lines like LINE except for the given columns (lists of one length); arrays keep their type."""
    length = max((len(values) for values in columns.values()), default=1)
    made = {title: pa.array([value] * length) for title, value in LINE.items() if title not in columns}
    made |= {title: v if isinstance(v, pa.Array) else pa.array(v, pa.string()) for title, v in columns.items()}
    return Cells(pa.table(made), name, list(ragged))


def parsed(*sheets, layouts=None, **options):
    result = parse_file(sheets, layouts or {}, file_name="may.csv", file_version="may.csv:0123", **options)
    assert result.good.schema == LANDED_LINES.arrow_schema
    assert result.quarantined.schema == QUARANTINE.arrow_schema
    assert result.good.num_rows + result.quarantined.num_rows == sum(
        sheet.table.num_rows + len(sheet.ragged) for sheet in sheets
    )
    return result


def refused(*sheets, **options):
    with pytest.raises(InputError) as refusal:
        parsed(*sheets, **options)
    return str(refusal.value)


def reasons(result):
    return list(zip(*(result.quarantined[name].to_pylist() for name in ("source_line", "reason")), strict=True))


def good(result, name):
    return [str(value) if isinstance(value, Decimal) else value for value in result.good[name].to_pylist()]


def days(result):
    return [moment.strftime("%Y-%m-%d %H:%M:%S") for moment in result.good["invoiced_at"].to_pylist()]


def own(**options):
    return {"till": Layout(**{"columns": BUILT_IN[0].columns, **options})}


# Dates


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2010-12-01", "2010-12-01 00:00:00"),
        ("2010-12-01T08:26:05.25", "2010-12-01 08:26:05"),
        ("2010-12-01 08:26:05-05:00", "2010-12-01 08:26:05"),
        ("2010/12/1", "2010-12-01 00:00:00"),
        ("29-Nov-16", "2016-11-29 00:00:00"),
        ("1 December 2010 8:26", "2010-12-01 08:26:00"),
        ("12/31/2010 8:26", "2010-12-31 08:26:00"),
        ("12/31/10 12:05 AM", "2010-12-31 00:05:00"),
        ("31.12.2010 8:26:09", "2010-12-31 08:26:09"),
        ("31-12-99", "1999-12-31 00:00:00"),
        (" 5/5/2010 ", "2010-05-05 00:00:00"),
    ],
)
def test_a_date_that_can_be_read_in_one_way_only_is_read(text, read):
    assert days(parsed(cells(InvoiceDate=[text]))) == [read]


def test_native_dates_and_timestamps_pass():
    moment = dt.datetime.fromisoformat("2010-12-01 08:26")
    for kind in (pa.timestamp("ns"), pa.timestamp("s"), pa.timestamp("us")):
        assert days(parsed(cells(InvoiceDate=pa.array([moment], kind)))) == ["2010-12-01 08:26:00"]
    assert days(parsed(cells(InvoiceDate=pa.array([moment.date()])))) == ["2010-12-01 00:00:00"]
    paris = pa.array([moment], pa.timestamp("us", "Europe/Paris"))
    assert days(parsed(cells(InvoiceDate=paris))) == ["2010-12-01 09:26:00"]


@pytest.mark.parametrize(("proof", "second"), [("13/02/2011", "2011-02-01"), ("02/13/2011", "2011-01-02")])
def test_one_line_proves_the_order_for_the_whole_file(proof, second):
    one, two = cells("2010", InvoiceDate=[proof]), cells("2011", InvoiceDate=["01/02/2011"])
    assert days(parsed(one, two))[1].startswith(second)
    assert days(parsed(two, one))[0].startswith(second)


def test_an_order_that_nothing_proves_is_refused_with_an_example_and_the_option():
    told = refused(cells(InvoiceDate=["05/05/2011 10:00", "01/02/2011 10:00", "3/4/2011 9:30"]))
    assert "InvoiceDate of may.csv" in told
    assert "'01/02/2011 10:00' in line 3" in told
    assert '--date-format "%m/%d/%Y %H:%M"' in told
    assert '--date-format "%d/%m/%Y %H:%M"' in told
    assert '--date-format "%d.%m.%y"' in refused(cells(InvoiceDate=["01.02.11"]))
    assert '--date-format "%d-%m-%Y %I:%M:%S %p"' in refused(cells(InvoiceDate=["01-02-2011 3:04:05 PM"]))


def test_only_the_published_form_of_uci_is_taken_for_month_first_without_proof():
    assert days(parsed(cells(InvoiceDate=["12/1/2011 8:26", "12/9/2011 12:50"])))[1] == "2011-12-09 12:50:00"
    assert "no line proves" in refused(cells(InvoiceDate=["12/1/2011 8:26", "12/09/2011 12:50"]))
    assert "no line proves" in refused(cells(InvoiceDate=["12/1/2011 8:26"]), layouts=own())


def test_a_file_with_both_orders_is_refused_with_a_line_of_each_unless_the_format_is_given():
    both = cells(InvoiceDate=["1/2/2011", "1/13/2011", "14/1/2011", "x"])
    told = refused(both)
    assert "'1/13/2011' in line 3" in told
    assert "'14/1/2011' in line 4" in told
    result = parsed(both, date_format="%d/%m/%Y")
    assert days(result) == ["2011-02-01 00:00:00", "2011-01-14 00:00:00"]
    assert reasons(result) == [(3, "InvoiceDate is not a date"), (5, "InvoiceDate is not a date")]


def test_the_formats_of_the_layout_decide_and_several_may_hold():
    layout = own(date_formats=("%d/%m/%Y %H:%M", "%d/%m/%Y"))
    result = parsed(cells(InvoiceDate=["1/2/2011 10:00", "3/4/2011", "4/13/2011"]), layouts=layout)
    assert days(result) == ["2011-02-01 10:00:00", "2011-04-03 00:00:00"]
    assert reasons(result) == [(4, "InvoiceDate is not a date")]


def test_a_given_format_leaves_the_native_dates_of_other_sheets_alone():
    native = cells("a", InvoiceDate=pa.array([dt.datetime.fromisoformat("2011-05-06")]))
    text = cells("b", InvoiceDate=["7/8/2011"])
    assert days(parsed(native, text, date_format="%d/%m/%Y")) == ["2011-05-06 00:00:00", "2011-08-07 00:00:00"]


def test_a_format_that_makes_no_sense_is_refused():
    assert "'%d/%Q' is not a date format" in refused(cells(), date_format="%d/%Q")


@pytest.mark.parametrize(
    "text", ["soon", "2010-02-30", "31/4/2010", "2010-12-01 24:00", "13:00 PM", "40513.35", "0/0/2010"]
)
def test_what_is_no_date_goes_to_quarantine(text):
    assert reasons(parsed(cells(InvoiceDate=[text, "2010-12-01"]))) == [(2, "InvoiceDate is not a date")]


def test_dates_of_other_centuries_go_to_quarantine():
    texts = ["1899-12-31", "1900-01-01", "2200-12-31", "2201-01-01", "0001-01-01", "9999-12-31"]
    result = parsed(cells(InvoiceDate=texts))
    assert reasons(result) == [(line, "InvoiceDate is not between 1900 and 2200") for line in (2, 5, 6, 7)]
    native = pa.array([-(10**14), 0, 10**14], pa.timestamp("s"))
    assert [line for line, _ in reasons(parsed(cells(InvoiceDate=native)))] == [2, 4]


@given(st.datetimes(pd.Timestamp(1900, 1, 1), pd.Timestamp(2200, 12, 31)), st.sampled_from("/.-"), st.booleans())
def test_a_date_survives_being_written_in_any_form(moment, sign, day_first):
    moment = moment.replace(microsecond=0)
    order = f"%d{sign}%m{sign}%Y" if day_first else f"%m{sign}%d{sign}%Y"
    forms = [f"{order} %H:%M:%S", f"{order} %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S", "%d %b %Y %H:%M:%S"]
    proof = f"31{sign}12{sign}2010" if day_first else f"12{sign}31{sign}2010"
    result = parsed(cells(InvoiceDate=[proof, *(moment.strftime(form) for form in forms)]))
    assert result.good["invoiced_at"].to_pylist()[1:] == [moment] * len(forms)


# Numbers


@pytest.mark.parametrize(
    ("texts", "read"),
    [
        (["2.55", " 3 ", "-0.001", ".5", "1e-05"], ["2.5500", "3.0000", "-0.0010", "0.5000", "0.0000"]),
        (["2,55", "1.234,5", "1 234,5"], ["2.5500", "1234.5000", "1234.5000"]),
        (["1,234.50", "1,234"], ["1234.5000", "1234.0000"]),
        (["1.234.567", "0,5"], ["1234567.0000", "0.5000"]),
        (["0.125", "1.234"], ["0.1250", "1.2340"]),
        (["1'234.5", "1\u00a0234.5"], ["1234.5000", "1234.5000"]),
        (["0.00005", "-0.00005", "0.000049999999"], ["0.0001", "-0.0001", "0.0000"]),
        (["99999999999999.9999"], ["99999999999999.9999"]),
    ],
)
def test_numbers_are_read_exactly_by_the_mark_that_the_column_proves(texts, read):
    assert good(parsed(cells(UnitPrice=texts, Quantity=["1"] * len(texts))), "unit_price") == read


def test_a_mark_that_nothing_proves_is_refused_with_an_example_and_the_option():
    told = refused(cells(UnitPrice=["5", "1,234"]))
    assert "UnitPrice of may.csv" in told
    assert "'1,234' in line 3" in told
    assert "--decimal-mark" in told
    assert good(parsed(cells(UnitPrice=["1,234"]), decimal_mark=","), "unit_price") == ["1.2340"]
    assert good(parsed(cells(UnitPrice=["1,234"]), decimal_mark="."), "unit_price") == ["1234.0000"]
    assert good(parsed(cells(UnitPrice=["1,234"]), layouts=own(decimal_mark=",")), "unit_price") == ["1.2340"]


def test_a_column_without_proof_follows_another_one_that_is_text():
    assert good(parsed(cells(Quantity=["1,234"], UnitPrice=["2.5"])), "quantity") == ["1234.0000"]
    assert good(parsed(cells(Quantity=["1.234"], UnitPrice=["2,5"])), "quantity") == [
        "1.2340" if False else "1234.0000"
    ]
    assert "Quantity of may.csv" in refused(cells(Quantity=["1,234"], UnitPrice=pa.array([2.5])))


def test_a_column_with_both_marks_is_refused_with_a_line_of_each_unless_the_mark_is_given():
    both = cells(UnitPrice=["2.5", "3,75"])
    told = refused(both)
    assert "'2.5' in line 2" in told
    assert "'3,75' in line 3" in told
    assert reasons(parsed(both, decimal_mark=".")) == [(3, "UnitPrice is not a number")]


def test_a_given_mark_does_not_touch_native_numbers():
    result = parsed(cells(UnitPrice=pa.array([2.55]), Quantity=["1,5"]), decimal_mark=",")
    assert (good(result, "unit_price"), good(result, "line_amount")) == (["2.5500"], ["3.8250"])


def test_floats_give_the_decimals_that_they_are_written_with():
    for kind in (pa.float64(), pa.float32()):
        assert good(parsed(cells(UnitPrice=pa.array([2.55, 0.29, 1e-7], kind))), "unit_price")[:2] == [
            "2.5500",
            "0.2900",
        ]
    whole = cells(Quantity=pa.array([3], pa.int16()), UnitPrice=pa.array([Decimal("1.10")]))
    assert good(parsed(whole), "line_amount") == ["3.3000"]


def test_an_amount_uses_all_decimals_of_the_price_and_is_rounded_at_the_end():
    result = parsed(cells(Quantity=["1000", "-3"], UnitPrice=["0.0012345", "0.00005"]))
    assert good(result, "unit_price") == ["0.0012", "0.0001"]
    assert good(result, "line_amount") == ["1.2345", "-0.0002"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_floats_that_are_no_numbers_go_to_quarantine(value):
    assert reasons(parsed(cells(UnitPrice=pa.array([value, 1.0])))) == [(2, "UnitPrice is not a number")]


def test_numbers_that_the_contract_cannot_hold_go_to_quarantine():
    result = parsed(cells(UnitPrice=["1e300", "100000000000000", "99999999999999.99995", "90000000000000", "1"]))
    assert reasons(result) == [
        *((line, "UnitPrice is too large") for line in (2, 3, 4)),
        (5, "Quantity times UnitPrice is too large"),
    ]


numbers = st.decimals(-(10**6), 10**6, places=4, allow_nan=False)


@given(st.lists(st.tuples(numbers, st.decimals(-(10**4), 10**4, places=10)), min_size=1, max_size=8), st.booleans())
def test_numbers_survive_being_written_and_amounts_are_exact(pairs, comma):
    def write(number):
        text = f"{number:,f}"
        return text.translate(str.maketrans(",.", ".,")) if comma else text

    def rounded(number):
        return number.quantize(Decimal("0.0001"), ROUND_HALF_UP)

    sheet = cells(Quantity=[write(q) for q, _ in pairs], UnitPrice=[write(p) for _, p in pairs])
    result = parsed(sheet)
    assert result.good["quantity"].to_pylist() == [q for q, _ in pairs]
    assert result.good["unit_price"].to_pylist() == [rounded(p) for _, p in pairs]
    assert result.good["line_amount"].to_pylist() == [rounded(q * p) for q, p in pairs]


def test_a_stated_amount_stands_in_for_the_price():
    sheet = cells(Quantity=["3", "-2", "0"], Amount=["10", "-5.00005", "1"])
    sheet.table = sheet.table.drop_columns(["UnitPrice"])
    result = parsed(sheet, layouts=own(columns=STATED))
    assert good(result, "unit_price") == ["3.3333", "2.5000"]
    assert good(result, "line_amount") == ["10.0000", "-5.0001"]
    assert reasons(result) == [(4, "Amount cannot be divided by Quantity, which is zero")]


def test_positive_quantities_of_credit_notes_are_negated_where_the_layout_says_so():
    sheet = cells(InvoiceNo=["C1", "2"], Quantity=["3", "3"])
    result = parsed(sheet, layouts=own(returns={"invoice_prefix": "C"}))
    assert good(result, "quantity") == ["-3.0000", "3.0000"]
    assert good(result, "line_amount") == ["-7.6500", "7.6500"]
    assert good(parsed(sheet), "quantity") == ["3.0000", "3.0000"]


# Text


def test_customers_have_one_form():
    texts = [" 12583 ", "12583.0", "AB-1\u00a0", "0012", "", " ", "nan", "NULL", None, "a\nb"]
    read = ["12583", "12583", "AB-1", "0012", None, None, None, None, None, "a b"]
    assert good(parsed(cells(CustomerID=texts)), "customer_id") == read
    floats = pa.array([12583.0, float("nan"), None, 123456789012345.0])
    assert good(parsed(cells(CustomerID=floats)), "customer_id") == ["12583", None, None, "123456789012345"]


def test_invoice_numbers_and_stock_codes_are_trimmed_and_lose_the_decimals_of_a_float():
    result = parsed(cells(InvoiceNo=pa.array([536365.0, 7.0]), StockCode=[" 22752.0 ", ""]))
    assert good(result, "invoice_no") == ["536365", "7"]
    assert good(result, "stock_code") == ["22752", None]


def test_descriptions_stay_as_they_are_except_nul_and_empty_ones():
    result = parsed(cells(Description=["  two  blanks ", "", "a\0b\x1f", "\0", None]))
    assert good(result, "description") == ["  two  blanks ", None, "ab\x1f", None, None]


def test_sheets_of_different_types_are_one_file():
    one = cells("a", InvoiceNo=pa.array([1.0]), CustomerID=pa.nulls(1), Quantity=pa.array([2.0]))
    two = cells("b", InvoiceNo=["C2"], CustomerID=["x"], Quantity=["3"])
    result = parsed(one, two)
    assert good(result, "invoice_no") == ["1", "C2"]
    assert good(result, "source_sheet") == ["a", "b"]
    assert good(result, "line_amount") == ["5.1000", "7.6500"]


# Quarantine and refusal


def test_the_first_reason_is_told_by_sheet_and_line_with_the_line_as_it_stood():
    ragged = [(3, "7;8", "the line has 2 fields where the header has 8")]
    one = cells("x", ragged, InvoiceNo=["", "1", "1"], Quantity=["", "", "many"])
    two = cells("a", Quantity=pa.array([None, 4], pa.int64()), UnitPrice=["1", None])
    result = parsed(one, two)
    found = zip(
        *(result.quarantined[name].to_pylist() for name in ("source_sheet", "source_line", "reason")), strict=True
    )
    assert list(found) == [
        ("a", 2, "Quantity is missing"),
        ("a", 3, "UnitPrice is missing"),
        ("x", 2, "InvoiceNo is missing"),
        ("x", 3, "Quantity is missing"),
        ("x", 3, "the line has 2 fields where the header has 8"),
        ("x", 4, "Quantity is not a number"),
    ]
    contents = [json.loads(content) for content in result.quarantined["content"].to_pylist()]
    assert contents[0] == {**LINE, "Quantity": None, "UnitPrice": "1"}
    assert contents[4] == {"line": "7;8"}
    assert set(result.quarantined["source_file"].to_pylist()) == {"may.csv:0123"}


def test_a_file_of_nothing_but_ragged_lines_is_all_quarantine():
    empty = cells(ragged=[(2, "x", "the line has 1 field where the header has 8")])
    empty.table = empty.table.slice(0, 0)
    assert parsed(empty).good.num_rows == 0


def test_a_nameless_column_with_values_is_refused():
    for name in ("", "Unnamed: 8"):
        sheet = cells()
        sheet.table = sheet.table.append_column(name, pa.array([" "]))
        assert parsed(sheet).layout_name == "kaggle_ecommerce"
        sheet.table = sheet.table.set_column(8, name, pa.array(["x"]))
        assert "values in column 9" in refused(sheet)


def test_a_sheet_of_another_layout_is_refused_by_name():
    other = cells("2011")
    other.table = other.table.rename_columns(
        ["Price" if name == "UnitPrice" else name for name in other.table.column_names]
    )
    assert "sheet '2011'" in refused(cells("2010"), other)


def test_one_sheet_can_be_parsed_alone():
    sheet = cells(Quantity=["1", "x"])
    names = {"file_name": "a.csv", "file_version": "a", "sheet": "s"}
    result = parse_sheet(sheet.table, sheet.line_numbers, BUILT_IN[0], **names)
    assert (result.good.num_rows, result.quarantined["source_sheet"].to_pylist()) == (1, ["s"])


anything = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=6),
    st.sampled_from(["1", "2.5", "-3", "2010-12-01", "31/12/2010", "nan", "1e400", "12583.0", "C1", "0"]),
)


@pytest.fixture(scope="module")
def checks_are_imported() -> None:
    """Pandera is imported by the first check: half a second that no single example is to answer for."""
    LANDED_LINES.validate(LANDED_LINES.empty())


@pytest.mark.usefixtures("checks_are_imported")
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(LINE, anything)), min_size=1, max_size=10))
def test_lines_in_are_good_plus_quarantined_and_good_ones_keep_the_contract(lines):
    columns = {name: [line[name] for line in lines] for name in LINE}
    result = parsed(cells(**columns), date_format="%d/%m/%Y", decimal_mark=".")
    assert LANDED_LINES.validate(result.good).num_rows == result.good.num_rows
    assert QUARANTINE.validate(result.quarantined).num_rows == result.quarantined.num_rows


# The real file, in each of the forms in which it circulates


def read(path):
    sheets = read_source(path, encodings({}), lambda columns: is_known(columns, {}))
    return parse_file(sheets, {}, file_name=path.name, file_version="v")


def content(lines, moment="invoiced_at"):
    lines = lines.drop_columns(["source_file", "source_sheet", "source_line"])
    if moment == "date":
        lines = lines.set_column(4, "invoiced_at", lines["invoiced_at"].cast(pa.date32()).cast(pa.timestamp("us")))
    return lines.combine_chunks()


@pytest.fixture(scope="module")
def original(request):
    path = request.getfixturevalue("real_data")
    return pq.read_table(path).to_pandas(), read(path)


def as_uci(frame):
    at = frame["InvoiceDate"].dt
    parts = (at.month, at.day, at.year, at.hour, at.minute)
    texts = [f"{m}/{d}/{y} {h}:{i:02}" for m, d, y, h, i in zip(*parts, strict=True)]
    return frame.assign(InvoiceDate=texts)


@pytest.mark.real
def test_the_real_file_is_read_to_the_last_line_and_penny(original):
    _, result = original
    assert (result.good.num_rows, result.quarantined.num_rows, result.layout_name) == (541_909, 0, "uci_352")
    assert pc.sum(result.good["quantity"]).as_py() == Decimal(5_176_450)
    assert pc.sum(result.good["line_amount"]).as_py() == Decimal("9747747.934")
    assert result.good["customer_id"].null_count == 135_080
    assert result.profile == "uci"


@pytest.mark.real
@pytest.mark.parametrize("name", ["uci.csv", pytest.param("uci.csv.gz", marks=pytest.mark.slow)])
def test_the_real_file_as_uci_csv_has_the_same_content(original, tmp_path, name):
    frame, expected = original
    text = as_uci(frame).to_csv(index=False).encode()
    (tmp_path / name).write_bytes(gzip.compress(text, 1) if name.endswith(".gz") else text)
    result = read(tmp_path / name)
    assert result.layout_name == "uci_352"
    assert content(result.good) == content(expected.good)
    assert result.good["source_line"] == expected.good["source_line"]


@pytest.mark.real
@pytest.mark.slow
def test_the_real_file_as_kaggle_csv_has_the_same_content_by_day(original, tmp_path):
    frame, expected = original
    # The published set once took its pound signs (UTF-8) for Latin-1; the Kaggle copy has them as single bytes.
    pound = frame["Description"].str.replace("Â£", "£")
    frame = frame.assign(Description=pound, InvoiceDate=frame["InvoiceDate"].dt.strftime("%d-%b-%y"), nothing=None)
    text = frame.rename(columns={"nothing": "Unnamed: 8"}).to_csv(index=False).encode("latin-1")
    assert text.count(b" \xa3") == 32
    (tmp_path / "Ecommerce.csv").write_bytes(text)
    result = read(tmp_path / "Ecommerce.csv")
    assert result.layout_name == "kaggle_ecommerce"
    by_day = content(expected.good, "date")
    mended = pc.replace_substring(by_day["description"], "Â£", "£")
    assert content(result.good) == by_day.set_column(2, "description", mended)


@pytest.mark.real
def test_the_real_file_as_uci_502_workbook_has_the_same_content(original, tmp_path):
    frame, expected = original
    names = {"InvoiceNo": "Invoice", "UnitPrice": "Price", "CustomerID": "Customer ID"}
    frame = frame.head(4_000).rename(columns=names).astype(object)
    frame = frame.where(frame.notna(), None)
    book = openpyxl.Workbook(write_only=True)
    for title, part in (("Year 2009-2010", frame[:2_500]), ("Year 2010-2011", frame[2_500:])):
        sheet = book.create_sheet(title)
        sheet.append(list(part.columns))
        for row in part.itertuples(index=False):
            sheet.append([int(v) if isinstance(v, str) and v.isdigit() else v for v in row])
    book.save(tmp_path / "online_retail_II.xlsx")
    result = read(tmp_path / "online_retail_II.xlsx")
    assert result.layout_name == "uci_502"
    assert content(result.good) == content(expected.good.slice(0, 4_000))
    assert result.good["source_line"].to_pylist() == [*range(2, 2_502), *range(2, 1_502)]


@pytest.mark.real
def test_the_last_days_of_uci_can_be_landed_alone(original, tmp_path):
    frame, expected = original
    last = frame["InvoiceDate"] >= "2011-12-01"
    as_uci(frame[last]).to_csv(tmp_path / "2011-12.csv", index=False, quoting=csv.QUOTE_ALL)
    result = read(tmp_path / "2011-12.csv")
    assert content(result.good) == content(expected.good.filter(pa.array(last)))
