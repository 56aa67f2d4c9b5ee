"""Settings: what wins over what, and a sentence for every value that is wrong."""

from __future__ import annotations

import datetime as dt
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.domain.layouts import CreditNotes
from insiders_assets.domain.months import parse_month
from insiders_assets.errors import SettingsError
from insiders_assets.settings import (
    PREFIX,
    Settings,
    home_from_environment,
    load_settings,
    record_settings,
)

SECRET = "s3cr3t-word"
URL = f"postgresql://owner:{SECRET}@db.example:5432/shop"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def write(home: Path, text: str) -> None:
    (home / "insiders.toml").write_text(text, "utf-8")


def refused(home: Path, **overrides: Any) -> str:
    with pytest.raises(SettingsError) as told:
        load_settings(home, **overrides)
    text = str(told.value)
    assert SECRET not in text
    assert SECRET not in repr(told.value)
    assert told.value.exit_code == 3
    return text


# -- what wins


def test_a_home_without_settings_has_the_defaults(home: Path) -> None:
    settings = load_settings(home)
    assert settings.home == home
    assert settings.landing_location == str(home / "landing")
    assert settings.lake_location == str(home / "lake")
    assert settings.uses_embedded_postgres
    assert settings.instance is None
    assert settings.first_month is settings.last_month is None
    assert settings.history_months == 13
    assert settings.max_dropped_share == 0.20
    assert settings.instance_folder == home / "dagster"


def test_the_file_wins_over_defaults_the_environment_over_the_file_and_the_caller_over_all(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, 'currency = "EUR"\nhistory_months = 6\nmin_clusterable = 20\n')
    monkeypatch.setenv("INSIDERS_HISTORY_MONTHS", "7")
    monkeypatch.setenv("INSIDERS_MIN_CLUSTERABLE", "30")
    settings = load_settings(home, min_clusterable=40)
    assert (settings.engine, settings.currency) == ("duckdb", "EUR")
    assert (settings.history_months, settings.min_clusterable) == (7, 40)


def test_the_home_is_the_callers_or_the_environments_or_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert home_from_environment() == tmp_path / ".insiders"
    monkeypatch.setenv("INSIDERS_HOME", str(tmp_path / "there"))
    assert load_settings().home == tmp_path / "there"
    assert load_settings(Path("relative")).home == tmp_path / "relative"
    monkeypatch.setenv("INSIDERS_HOME", "")
    assert load_settings().home == tmp_path / ".insiders"


def test_the_home_that_the_environment_names_has_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 'currency = "EUR"')
    monkeypatch.setenv("INSIDERS_HOME", str(tmp_path))
    assert load_settings().currency == "EUR"


def test_a_variable_that_is_empty_is_not_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files write `INSIDERS_LAKE: ${LAKE:-}`; an empty lake would be the current folder."""
    write(home, 'first_month = "2011-01"')
    for name in ("LAKE", "LANDING", "WAREHOUSE", "INSTANCE", "FIRST_MONTH", "S3_ENDPOINT", "HISTORY_MONTHS"):
        monkeypatch.setenv(f"INSIDERS_{name}", "")
    settings = load_settings(home)
    assert settings.lake_location == str(home / "lake")
    assert settings.uses_embedded_postgres
    assert settings.instance is None
    assert settings.first_month == dt.date(2011, 1, 1)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("first_month", "2011-12", dt.date(2011, 12, 1)),
        ("last_month", "2011-12-01", dt.date(2011, 12, 1)),
        ("lake", "s3://bucket/prefix/", "s3://bucket/prefix"),
        ("landing", "/data/landing", "/data/landing"),
        ("s3_endpoint", "http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("excluded_customers", '["12346", "16446"]', ("12346", "16446")),
        ("max_quarantined_share", "0.5", 0.5),
        ("profile", "uci", "uci"),
        ("holidays", "BR-SP", "BR-SP"),
        ("holidays", "none", ""),
        ("closed_days", '["2026-06-04", "12-24/01-03"]', ("2026-06-04", "12-24/01-03")),
    ],
)
def test_a_value_of_the_environment_is_read_as_the_same_value_of_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    in_file = text if text[0] in "[0" else f'"{text}"'
    write(home, f"{name} = {in_file}")
    assert getattr(load_settings(home), name) == value
    write(home, "")
    monkeypatch.setenv(f"INSIDERS_{name.upper()}", text)
    assert getattr(load_settings(home), name) == value


def test_folders_are_absolute_and_know_the_users_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    settings = load_settings(home, lake="lake", landing="~/landing")
    assert settings.lake == str(home / "lake")
    assert settings.landing == str(Path.home() / "landing")


def test_a_shop_describes_its_own_files(home: Path) -> None:
    write(
        home,
        """
        currency = "EUR"

        [layouts.till]
        date_formats = ["%d.%m.%Y %H:%M"]
        decimal_mark = ","
        encoding = "cp1252"
        ignored = ["Filiale"]
        returns = { invoice_prefix = "G" }

        [layouts.till.columns]
        invoice_no = "Bon"
        quantity = "Menge"
        invoiced_at = "Zeit"
        customer_id = "Kunde"
        line_amount = "Betrag"
        """,
    )
    layout = load_settings(home).layouts["till"]
    assert layout.columns["customer_id"] == "Kunde"
    assert layout.decimal_mark == ","
    assert layout.returns == CreditNotes(invoice_prefix="G")


# -- what is wrong

WRONG = {
    "first_month": ("2011-13", "is not a month; write it as YYYY-MM"),
    "last_month": ("December 2011", "is not a month; write it as YYYY-MM"),
    "history_months": ("0", "greater than or equal to 1"),
    "max_dropped_share": ("20", "less than or equal to 1"),
    "max_quarantined_share": ("much", "valid number"),
    "min_clusterable": ("3", "greater than or equal to 12"),
    "recipe": ("best", "'reference'"),
    "holidays": ("GB-ZZ", "there is no holiday calendar 'GB-ZZ'"),
    "engine": ("pandas", "'duckdb'"),
    "lake": ("gs://bucket/prefix", "neither a folder nor s3://"),
    "landing": ("https://example.org/x", "neither a folder nor s3://"),
    "warehouse": (f"mysql://owner:{SECRET}@db/shop", "postgresql://user:password@host:port/name"),
    "instance": (f"owner:{SECRET}@db/shop", "postgresql://user:password@host:port/name"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_of_the_environment_names_its_variable(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    value, words = WRONG[name]
    monkeypatch.setenv(f"INSIDERS_{name.upper()}", value)
    said = refused(home)
    assert f"environment variable INSIDERS_{name.upper()}: " in said
    assert words in said
    assert "README" in said


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_of_the_file_names_the_file(home: Path, name: str) -> None:
    value, words = WRONG[name]
    write(home, f'{name} = "{value}"')
    said = refused(home)
    assert f"{name} in {home / 'insiders.toml'}: " in said
    assert words in said


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_of_the_caller_blames_neither(home: Path, name: str) -> None:
    value, words = WRONG[name]
    said = refused(home, **{name: value})
    assert said.startswith(f"{name}: ")
    assert words in said


def test_all_wrong_values_are_told_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, "history_months = 99\n")
    monkeypatch.setenv("INSIDERS_FIRST_MONTH", "soon")
    said = refused(home)
    assert "environment variable INSIDERS_FIRST_MONTH: 'soon' is not a month" in said
    assert f"history_months in {home / 'insiders.toml'}: " in said


def test_a_list_of_the_environment_that_is_no_json_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIDERS_EXCLUDED_CUSTOMERS", "12346,16446")
    said = refused(home)
    assert "INSIDERS_EXCLUDED_CUSTOMERS" in said
    assert '["12346", "16446"]' in said


def test_a_closed_day_that_is_none_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIDERS_CLOSED_DAYS", '["2026-06-04", "13-24"]')
    assert "environment variable INSIDERS_CLOSED_DAYS: '13-24' is no day of the calendar" in refused(home)


@pytest.mark.parametrize("name", ["INSIDERS_LAEK", "INSIDERS_WAREHOUSE_URL"])
def test_an_unknown_variable_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, SECRET)
    assert f"The environment has {name}, which Insiders does not know. Correct the name" in refused(home)


def test_a_dictionary_of_the_environment_that_is_no_json_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIDERS_LAYOUTS", "till")
    assert "layouts" in refused(home)


@pytest.mark.parametrize("text", ["", " ", "s3://", "s3:///prefix", "S3://bucket"])
def test_a_place_that_is_none_is_refused(home: Path, text: str) -> None:
    assert "lake: " in refused(home, lake=text)


def test_an_unknown_key_of_the_file_is_refused(home: Path) -> None:
    write(home, f'laek = "{SECRET}"\n')
    assert f"laek in {home / 'insiders.toml'}: is no setting of Insiders" in refused(home)


def test_a_layout_without_a_column_is_refused_by_its_name(home: Path) -> None:
    write(home, '[layouts.till.columns]\ninvoice_no = "Bon"\nquantity = "Menge"\n')
    said = refused(home)
    assert f"layouts.till.columns in {home / 'insiders.toml'}: " in said
    assert "does not say which column is invoiced_at, customer_id" in said


def test_a_file_that_is_not_toml_is_told_with_its_line(home: Path) -> None:
    write(home, 'lake = "x"\ncurrency = EUR\n')
    said = refused(home)
    assert f"{home / 'insiders.toml'} is not valid TOML: " in said
    assert "line 2" in said


def test_a_file_in_another_encoding_is_told(home: Path) -> None:
    (home / "insiders.toml").write_bytes('currency = "£"'.encode("cp1252"))
    assert f"{home / 'insiders.toml'} is not valid TOML: " in refused(home)


def test_a_folder_in_place_of_the_file_is_told(home: Path) -> None:
    (home / "insiders.toml").mkdir()
    assert f"{home / 'insiders.toml'} " in refused(home)


# -- passwords


def test_a_password_is_never_shown(home: Path) -> None:
    settings = load_settings(home, warehouse=URL, instance=URL)
    shown = [repr(settings), str(settings), repr(settings.model_dump()), settings.model_dump_json()]
    assert not any(SECRET in text for text in shown)
    assert settings.warehouse.get_secret_value() == URL


@pytest.mark.parametrize("name", ["lake", "landing"])
def test_a_password_in_the_wrong_place_is_not_repeated(home: Path, name: str) -> None:
    assert "neither a folder nor s3://" in refused(home, **{name: URL})


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_the_instance_is_the_same_however_its_driver_is_named(home: Path, scheme: str) -> None:
    settings = load_settings(home, instance=URL.replace("postgresql", scheme))
    assert settings.instance
    assert settings.instance.get_secret_value() == URL


def test_the_warehouse_names_no_driver(home: Path) -> None:
    assert "warehouse: " in refused(home, warehouse=URL.replace("postgresql", "postgresql+psycopg2"))


def test_the_instance_is_not_in_the_embedded_database(home: Path) -> None:
    assert "instance: " in refused(home, instance="embedded")


# -- recording


def test_recording_keeps_every_other_line_and_section(home: Path) -> None:
    write(home, '# mine\ncurrency = "EUR" # euro\nfirst_month = "2010-12"\n\n[layouts.till]\ncolumns = {}\n# end\n')
    record_settings(home, {"first_month": "2011-01", "last_month": "2011-12"})
    assert (home / "insiders.toml").read_text("utf-8").splitlines() == [
        "# mine",
        'currency = "EUR" # euro',
        'first_month = "2011-01"',
        "",
        'last_month = "2011-12"',
        "[layouts.till]",
        "columns = {}",
        "# end",
    ]


def test_recording_into_a_home_without_file_makes_one(home: Path) -> None:
    record_settings(home, {"first_month": "2011-01"})
    assert load_settings(home).first_month == dt.date(2011, 1, 1)
    assert [path.name for path in home.iterdir()] == ["insiders.toml"]


def test_recording_does_not_touch_a_key_of_the_same_name_in_a_section(home: Path) -> None:
    write(home, '[layouts.till]\nprofile = "uci"\n')
    record_settings(home, {"profile": "neutral"})
    document = tomllib.loads((home / "insiders.toml").read_text("utf-8"))
    assert document == {"profile": "neutral", "layouts": {"till": {"profile": "uci"}}}


def test_recording_finds_a_key_that_is_indented(home: Path) -> None:
    write(home, '  first_month = "2010-12"\n')
    record_settings(home, {"first_month": "2011-01"})
    assert load_settings(home).first_month == dt.date(2011, 1, 1)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_any_text_is_recorded_as_it_is(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    home = tmp_path_factory.mktemp("home")
    record_settings(home, {"profile": text, "currency": "EUR"})
    assert tomllib.loads((home / "insiders.toml").read_text("utf-8"))["profile"] == text


# -- months


@given(st.dates())
def test_a_month_is_read_as_it_is_written(day: dt.date) -> None:
    first = day.replace(day=1)
    assert parse_month(day) == parse_month(f"{day:%Y-%m}".rjust(7, "0")) == parse_month(first.isoformat()) == first


@pytest.mark.parametrize("text", ["2011", "2011-1", "2011-00", "2011-12-09", "12/2011", "", "２０１１-12"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM"):
        parse_month(text)


def test_settings_cannot_be_changed(home: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings(home).currency = "EUR"  # type: ignore[misc]
    assert Settings.model_config["frozen"]
