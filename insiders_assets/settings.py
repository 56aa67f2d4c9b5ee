"""Every setting of Insiders, validated once: environment over `<home>/insiders.toml` over defaults.

Belongs here: names, types, defaults, where a value comes from, and reading and writing `insiders.toml`. This is the
only module that reads the environment. Does not belong here: connecting to anything that a setting names.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableSettingsError

from insiders_assets.domain.feature_words import FEATURES, RULE_FEATURES
from insiders_assets.domain.layouts import Layout
from insiders_assets.domain.months import parse_month
from insiders_assets.errors import SettingsError

PREFIX = "INSIDERS_"
DEFAULT_HOME = Path(".insiders")
SETTINGS_FILE = "insiders.toml"
EMBEDDED = "embedded"
PRODUCT = "product"
LAST = "last"
SPARK = "spark"
README = "The README lists every setting with an example."


def _location(value: str) -> str:
    if "://" not in value:
        if not value.strip():
            raise ValueError("it is empty; write a folder or s3://bucket/prefix")
        return str(Path(value).expanduser().absolute())
    if not re.match(r"^s3://[^/]+", value):
        # Not repeated whole: a database's address that got here by mistake has a password.
        raise ValueError(f"{value.partition('://')[0]}:// is neither a folder nor s3://bucket/prefix")
    return value.rstrip("/")


def _database(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if text != EMBEDDED and not re.match(r"^postgres(ql)?://", text):
        raise ValueError("a database is written postgresql://user:password@host:port/name, or 'embedded'")
    return value


def _instance_database(value: SecretStr) -> SecretStr:
    # Without the driver, which is Dagster's affair: see DRIVER in operations.home.
    scheme, _, rest = value.get_secret_value().partition("://")
    if not rest or not re.fullmatch(r"postgres(ql)?(\+psycopg2?)?", scheme):
        raise ValueError("Dagster's database is written postgresql://user:password@host:port/name")
    return SecretStr(f"postgresql://{rest}")


def _spark_master(value: str) -> str:
    if not re.fullmatch(r"local(\[.+\])?|local-cluster\[.+\]|spark://.+|k8s://.+|yarn", value):
        raise ValueError("a master of Spark is written local[*], spark://host:port, k8s://host:port or yarn")
    return value


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", value.strip()):
        raise ValueError("a currency is written as three letters (ISO 4217), for example GBP, EUR or BRL")
    return value.strip().upper()


def _list_of_texts(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError('write it as a list, for example ["12346", "16446"]')
    return value


def _plain_features(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in RULE_FEATURES]:
        raise ValueError(
            f"{', '.join(unknown)} is no feature that a rule can use; there are {', '.join(RULE_FEATURES)}"
        )
    if not names:
        raise ValueError("a rule needs at least one feature")
    return tuple(dict.fromkeys(names))


def _holidays(value: str) -> str:
    if value.lower() == "none":  # an empty variable is one that is not set
        return ""
    if value:
        from insiders_assets.domain.forecasting.calendar import holiday_calendar

        holiday_calendar(value, range(2000, 2001))
    return value


def _closed_days(values: tuple[str, ...]) -> tuple[str, ...]:
    from insiders_assets.domain.forecasting.calendar import checked_period

    return tuple(checked_period(value) for value in values)


def _bucket(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value):
        raise ValueError("a bucket is written with its bare name, without s3:// and without a path")
    return value


def _topic(value: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+", value):
        raise ValueError("a topic is written arn:aws:sns:region:account:name")
    return value


def _namespace(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_./#-]{1,255}", value) or value.startswith("AWS/"):
        raise ValueError("a namespace of CloudWatch has letters, digits and . - _ / #, and does not begin with AWS/")
    return value


def _page(value: str) -> str:
    if not re.match(r"^https?://[^/\s@]+", value):
        raise ValueError("the address of the web page is written https://host, without a password")
    return value.rstrip("/")


Month = Annotated[dt.date, BeforeValidator(parse_month)]
Location = Annotated[str, AfterValidator(_location)]
Database = Annotated[SecretStr, AfterValidator(_database)]
InstanceDatabase = Annotated[SecretStr, AfterValidator(_instance_database)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_list_of_texts)]


class Settings(BaseSettings):
    """The settings of one home. Names in the environment carry the prefix ``INSIDERS_``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        frozen=True,
        env_nested_delimiter="__",
        # Compose files write `INSIDERS_LAKE: ${LAKE:-}`: an empty variable is one that is not set.
        env_ignore_empty=True,
    )

    home: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = DEFAULT_HOME
    landing: Location | None = None
    lake: Location | None = None
    s3_endpoint: str | None = None
    warehouse: Database = SecretStr(EMBEDDED)
    instance: InstanceDatabase | None = None
    warehouse_iam: bool = False
    secret: str | None = None

    first_month: Month | None = None
    last_month: Month | None = None
    history_months: Annotated[int, Field(ge=1, le=60)] = 13

    profile: str | None = None
    currency: Annotated[str, AfterValidator(_currency)] = "GBP"
    excluded_customers: Texts | None = None
    max_dropped_share: Annotated[float, Field(ge=0, le=1)] = 0.20
    max_quarantined_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    layouts: dict[str, Layout] = {}
    holidays: Annotated[str, AfterValidator(_holidays)] | None = None
    closed_days: Annotated[Texts, AfterValidator(_closed_days)] = ()

    recipe: Literal["product", "reference"] = "product"
    min_clusterable: Annotated[int, Field(ge=12)] = 50

    compare: Literal["last", "asked"] = "last"
    keep_notebook: bool = False

    programme_file: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] | None = None
    programme_share: Annotated[float, Field(gt=0, le=0.5)] = 0.10
    programme_fits: Annotated[int, Field(ge=2, le=1000)] = 24
    programme_features: Annotated[Texts, AfterValidator(_plain_features)] = FEATURES
    programme_min_fidelity: Annotated[float, Field(ge=0, le=1)] = 0.80
    programme_months_to_enter: Annotated[int, Field(ge=1, le=24)] = 1
    programme_months_to_leave: Annotated[int, Field(ge=1, le=24)] = 2
    programme_leave_share: Annotated[float, Field(gt=0, le=1)] = 0.80
    programme_renewal_months: Annotated[int, Field(ge=0, le=120)] = 0
    programme_held_share: Annotated[float, Field(gt=0, lt=1)] = 0.20
    programme_salt: str = "insiders"
    programme_effect: Annotated[float, Field(gt=0, le=1)] = 0.05

    engine: Literal["duckdb", "spark"] = "duckdb"
    spark_master: Annotated[str, AfterValidator(_spark_master)] = "local[*]"

    automation: bool = True
    sensor_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    quiet_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    settle_days: Annotated[int, Field(ge=0, le=27)] = 3
    keep_versions_days: Annotated[int, Field(ge=1)] = 730
    keep_logs_days: Annotated[int, Field(ge=1)] = 90

    logs_bucket: Annotated[str, AfterValidator(_bucket)] | None = None
    logs_prefix: Annotated[str, AfterValidator(lambda value: value.strip("/"))] = "logs"
    notify_topic: Annotated[str, AfterValidator(_topic)] | None = None
    metrics: Annotated[str, AfterValidator(_namespace)] | None = None
    page: Annotated[str, AfterValidator(_page)] | None = None

    @property
    def landing_location(self) -> str:
        """Folder or S3 prefix where files arrive."""
        return self.landing or str(self.home / "landing")

    @property
    def lake_location(self) -> str:
        """Folder or S3 prefix of the lake."""
        return self.lake or str(self.home / "lake")

    @property
    def programme_path(self) -> Path:
        """The file in which people publish rules and words on single customers; it need not be there."""
        return self.programme_file or self.home / "programme.toml"

    @property
    def uses_embedded_postgres(self) -> bool:
        """Whether the warehouse is the PostgreSQL server inside the home."""
        return self.warehouse.get_secret_value() == EMBEDDED

    @property
    def instance_folder(self) -> Path:
        """DAGSTER_HOME of this home."""
        return self.home / "dagster"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the caller says, over the environment, over the home's file, over defaults."""
        home = Path(init_settings().get("home", DEFAULT_HOME))
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, home / SETTINGS_FILE))


def home_from_environment(home: Path | None = None) -> Path:
    """The home that was asked for: the argument, else ``INSIDERS_HOME``, else ``.insiders`` here."""
    return (home or Path(os.environ.get(f"{PREFIX}HOME") or DEFAULT_HOME)).expanduser().absolute()


def load_settings(home: Path | None = None, **overrides: Any) -> Settings:
    """Settings of a home: `overrides` (command line, tests) over environment over `insiders.toml` over defaults.

    Raises
    ------
    SettingsError: a value is unknown or wrong, with its name, where it came from and what it should look like.
    """
    folder = home_from_environment(home)
    path = folder / SETTINGS_FILE
    _refuse_unknown_variables()
    try:
        if path.exists() and not path.is_file():
            raise SettingsError(f"{path} is not a file.", "Move it away; settings stand in a file of that name.")
        return Settings(home=folder, **overrides)
    except ValidationError as wrong:
        raise SettingsError(_sentence(wrong, path, overrides), README) from None
    except UnreadableSettingsError as wrong:
        raise SettingsError(f"The environment has a value that is no JSON: {wrong}.", README) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise SettingsError(f"{path} is not valid TOML: {wrong}.", "Correct it, or remove it to start anew.") from None
    except OSError as wrong:
        raise SettingsError(f"{path} cannot be read: {wrong.strerror}.") from None


def is_set_in_environment(name: str) -> bool:
    """Whether a setting comes from the environment, which wins over the file."""
    return bool(os.environ.get(f"{PREFIX}{name.upper()}"))


def java_program() -> str | None:
    """The Java that Spark would start: that of JAVA_HOME, else the one on the PATH; None where there is none."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=str(Path(home) / "bin") if home else None)


def record_settings(home: Path, values: dict[str, str]) -> None:
    """Write values into the home's `insiders.toml`, keeping every other line as it stands."""
    path = home / SETTINGS_FILE
    try:
        text = path.read_text("utf-8") if path.exists() else "# Settings of this home; the environment wins.\n"
        # Not splitlines: that also divides at characters that may stand inside a TOML text.
        lines = text.removesuffix("\n").split("\n")
        for name, value in values.items():
            _set_line(lines, name, value)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text("\n".join(lines) + "\n", "utf-8")
        unfinished.replace(path)
    except OSError as wrong:
        raise SettingsError(
            f"{path} cannot be written ({wrong.strerror}).", "Give this user the right, or choose another home."
        ) from wrong


def _set_line(lines: list[str], name: str, value: str) -> None:
    # JSON's surrogates for a character beyond the first plane, and DEL as it is, are not TOML.
    quoted = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    # Only before the first [section]: what stands in one belongs to it.
    first_section = next((i for i, old in enumerate(lines) if old.lstrip().startswith("[")), len(lines))
    places = [i for i in range(first_section) if re.match(rf"\s*{name}\s*=", lines[i])]
    if places:
        lines[places[0]] = f"{name} = {quoted}"
    else:
        lines.insert(first_section, f"{name} = {quoted}")


def _refuse_unknown_variables() -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields} | {f"{PREFIX}REAL_DATA"}
    unknown = [
        name
        for name in os.environ
        if name.startswith(PREFIX) and name.upper() not in known and not name.startswith(f"{PREFIX}LAYOUTS__")
    ]
    if unknown:
        raise SettingsError(
            f"The environment has {', '.join(sorted(unknown))}, which Insiders does not know.",
            "Correct the name; the README lists every setting.",
        )


def _sentence(wrong: ValidationError, path: Path, overrides: Mapping[str, Any]) -> str:
    told = []
    for error in wrong.errors():
        name = ".".join(str(part) for part in error["loc"]) or "settings"
        top = name.split(".")[0]
        if top in overrides:
            source = name
        elif is_set_in_environment(top):
            source = f"environment variable {PREFIX}{top.upper()}"
        else:
            source = f"{name} in {path}"
        unknown = error["type"] == "extra_forbidden"
        message = "is no setting of Insiders" if unknown else str(error["msg"]).removeprefix("Value error, ")
        told.append(f"{source}: {message}")
    return "; ".join(told) + "."
