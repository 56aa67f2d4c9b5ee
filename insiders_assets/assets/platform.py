"""What every asset stands on: settings, lake, ledger, engine, warehouse; opened when first used, closed with the run.

Belongs here: opening. Does not belong here: any computation.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from insiders_assets.domain.programme import Programme, parse_programme
from insiders_assets.errors import SettingsError, StorageError
from insiders_assets.settings import SPARK, Settings, java_program
from insiders_assets.storage.aws import token_for
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.engine import DuckDBEngine, Engine
from insiders_assets.storage.lake import Lake
from insiders_assets.storage.ledger import Ledger, read_ledger
from insiders_assets.storage.objects import ObjectStore, open_store
from insiders_assets.storage.warehouse import Warehouse

HOW_TO_PUBLISH = "The README shows how a rule or a word on a customer is written there."


class Platform:
    """The stores and engines of one home, for the time of a run or a command."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self._open = ExitStack()

    @cached_property
    def lake(self) -> Lake:
        """The lake; opening it touches nothing."""
        return Lake(open_store(self.settings.lake_location, self.settings.s3_endpoint))

    @cached_property
    def landing(self) -> ObjectStore:
        """The landing zone."""
        return open_store(self.settings.landing_location, self.settings.s3_endpoint)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse; the embedded server is started if need be and left to its other users at the end."""
        if self.settings.uses_embedded_postgres:
            self._make_home()
            return Warehouse(self._open.enter_context(EmbeddedPostgres(self.settings.home).running()))
        return warehouse_elsewhere(self.settings)

    @cached_property
    def engine(self) -> DuckDBEngine:
        """DuckDB, for all that is a month's or less."""
        engine = DuckDBEngine(spill=self.settings.home / "spill")
        self._open.callback(engine.close)
        return engine

    @cached_property
    def distributed(self) -> Engine:
        """The engine that the settings name, for what grows with the shop: features over all lines of the window, and
        customers beyond those that a model was fitted on. Both engines give the same rows."""
        if self.settings.engine != SPARK:
            return self.engine
        from insiders_assets.storage.spark_engine import SparkEngine

        engine = SparkEngine(self.settings.spark_master, java_program())
        self._open.callback(engine.close)
        return engine

    @cached_property
    def programme(self) -> Programme:
        """What people have published; empty where there is no such file.

        Raises
        ------
        SettingsError: the file cannot be read or says what cannot be, and where.
        """
        return read_programme(self.settings.programme_path, asked_for=self.settings.programme_file is not None)

    def said(self, setting: str, month: dt.date) -> str:
        """The value of a setting as far as it can matter to a month; "programme" is what people have published."""
        if setting == "programme":
            return self.programme.until(month).fingerprint
        return str(getattr(self.settings, setting))

    def ledger(self) -> Ledger:
        """The ledger as it stands now."""
        return read_ledger(self.lake)

    def close(self) -> None:
        """Close what was opened, last first."""
        self._open.close()

    def _make_home(self) -> None:
        try:
            Path(self.settings.home).mkdir(parents=True, exist_ok=True)
        except OSError as wrong:
            raise StorageError(
                f"The home {self.settings.home} cannot be made ({wrong.strerror}).", "Choose another with --home."
            ) from wrong


def warehouse_elsewhere(settings: Settings) -> Warehouse:
    """The warehouse behind the URL of the settings; with `warehouse_iam` it is logged in to by a token.

    Raises
    ------
    SettingsError: a token is to be sent that the address lets travel in the clear.
    """
    url = settings.warehouse.get_secret_value()
    if not settings.warehouse_iam:
        return Warehouse(url)
    given = conninfo_to_dict(url)
    host, port, user = (str(given.get(name) or "") for name in ("host", "port", "user"))
    if not host or not user or given.get("sslmode") not in ("verify-full", "verify-ca"):
        raise SettingsError(
            "INSIDERS_WAREHOUSE_IAM needs an address with user, host, and a server that proves who it is.",
            "Write INSIDERS_WAREHOUSE=postgresql://user@host:5432/database?sslmode=verify-full&sslrootcert=FILE.",
        )
    return Warehouse(url, token_for(host, int(port or 5432), user))


def read_programme(path: Path, asked_for: bool = False) -> Programme:
    """The programme that a file publishes; empty where there is no file and none was `asked_for`."""
    if not asked_for and not path.exists():
        return Programme()
    try:
        return parse_programme(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise SettingsError(f"{path} is not valid TOML: {wrong}.", HOW_TO_PUBLISH) from None
    except ValueError as wrong:
        raise SettingsError(f"{path}: {wrong}.", HOW_TO_PUBLISH) from None
    except OSError as wrong:
        raise SettingsError(f"{path} cannot be read: {wrong.strerror}.", HOW_TO_PUBLISH) from None


@contextmanager
def open_platform(settings: Settings) -> Iterator[Platform]:
    """The platform of a home, closed at the end whatever happens."""
    platform = Platform(settings)
    try:
        yield platform
    finally:
        platform.close()
