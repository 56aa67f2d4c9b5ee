"""Which layout a header belongs to, and what is said when it belongs to none."""

import tomllib

import pytest
from pydantic import ValidationError

from insiders_assets.domain.layouts import BUILT_IN, CreditNotes, Layout, encodings, is_known, recognise
from insiders_assets.errors import InputError

UCI_352 = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
UCI_502 = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"]
OWN = {
    "invoice_no": "Bill",
    "quantity": "Pieces",
    "invoiced_at": "Day",
    "line_amount": "Total",
    "customer_id": "Client",
}


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (UCI_352, "uci_352"),
        (UCI_502, "uci_502"),
        ([*UCI_352, "Unnamed: 8"], "kaggle_ecommerce"),
        ([*UCI_352, ""], "kaggle_ecommerce"),
        ([*UCI_502, ""], "uci_502"),
        ([f" {column.upper()} " for column in reversed(UCI_352)], "uci_352"),
    ],
)
def test_each_published_header_is_recognised(columns, name):
    layout = recognise(columns, {}, "lines.csv")
    assert (layout.name, layout.profile) == (name, "uci")
    assert is_known(columns, {})


def test_a_layout_of_the_shop_wins_over_a_built_in_one_and_takes_the_name_of_its_table():
    own = Layout(columns=BUILT_IN[0].columns, date_formats=("%d/%m/%Y",))
    assert recognise(UCI_352, {"our_till": own}, "lines.csv").name == "our_till"


def test_a_shop_may_leave_out_the_optional_columns_and_ignore_others():
    own = Layout(columns=OWN, ignored=("Remarks",))
    assert recognise(["Bill", "Day", "Pieces", "Total", "Client", "remarks"], {"till": own}, "a.csv").name == "till"
    assert recognise(["Bill", "Day", "Pieces", "Total", "Client"], {"till": own}, "a.csv").profile is None


def test_an_unknown_column_is_refused_by_name_with_a_layout_that_would_take_it():
    with pytest.raises(InputError) as refusal:
        recognise([*UCI_352, "Remarks"], {}, "march.csv")
    assert "march.csv" in refusal.value.problem
    assert "uci_352, unknown: 'Remarks'" in refusal.value.problem
    line = refusal.value.remedy[refusal.value.remedy.index("layouts.") :]
    suggested = {name: Layout(**told) for name, told in tomllib.loads(line)["layouts"].items()}
    assert recognise([*UCI_352, "Remarks"], suggested, "march.csv").name == "my_shop"


def test_missing_columns_are_named_beside_the_closest_layout():
    with pytest.raises(InputError, match=r"uci_502, missing: 'Customer ID'; unknown: 'Customer'\."):
        recognise([*(c for c in UCI_502 if c != "Customer ID"), "Customer"], {}, "lines.csv")


def test_two_columns_that_differ_only_in_case_are_refused():
    with pytest.raises(InputError, match="more than one column 'Country', 'country'"):
        recognise([*UCI_352, "country "], {}, "lines.csv")


def test_encodings_begin_with_utf_8_and_end_with_those_of_the_built_in_layouts():
    assert encodings({}) == ("utf-8", "iso8859-1")
    assert encodings({"till": Layout(columns=OWN, encoding="windows-1250")}) == ("utf-8", "cp1250", "iso8859-1")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"columns": {**OWN, "price": "Price"}}, "price: no such name"),
        ({"columns": {k: v for k, v in OWN.items() if k != "quantity"}}, "which column is quantity"),
        ({"columns": {k: v for k, v in OWN.items() if k != "line_amount"}}, "unit_price or of line_amount"),
        ({"columns": {**OWN, "country": "bill "}}, "Bill, bill  is mapped twice"),
        ({"columns": OWN, "encoding": "utf-9"}, "not the name of an encoding"),
        ({"columns": OWN, "encoding": "base64"}, "not the name of an encoding"),
        ({"columns": OWN, "date_formats": ("day/month",)}, "not a date format"),
        ({"columns": OWN, "decimal_mark": ";"}, "Input should be"),
        ({"columns": OWN, "returns": "never"}, "negative_quantity"),
        ({"columns": OWN, "seperator": ";"}, "Extra inputs"),
    ],
)
def test_a_layout_that_cannot_work_is_refused_where_it_is_written(wrong, told):
    with pytest.raises(ValidationError, match=told):
        Layout(**wrong)


def test_a_layout_survives_toml_and_a_round_through_plain_values():
    told = tomllib.loads(
        '[till]\ncolumns = {invoice_no = "Bill", quantity = "Pieces", invoiced_at = "Day", line_amount = "Total", '
        'customer_id = "Client"}\ndate_formats = ["%d.%m.%Y"]\nreturns = {invoice_prefix = "C"}\ndecimal_mark = ","'
    )
    layout = Layout(**told["till"])
    assert layout.returns == CreditNotes(invoice_prefix="C")
    assert Layout(**layout.model_dump()) == layout


def test_a_built_in_layout_may_lack_its_optional_columns():
    layout = recognise([c for c in UCI_352 if c not in ("Description", "Country")], {}, "lines.csv")
    assert layout.name == "uci_352"
    assert set(layout.columns) == {"invoice_no", "stock_code", "quantity", "invoiced_at", "unit_price", "customer_id"}


def test_a_shops_own_layout_says_what_its_files_have():
    own = {"till": Layout(columns={**OWN, "country": "Land"})}
    with pytest.raises(InputError, match="till, missing: 'Land'"):
        recognise([*OWN.values()], own, "lines.csv")
