"""What every asset stands on: settings, lake, ledger, engine, warehouse; opened when first used, closed with the run.

Belongs here: opening. Does not belong here: any computation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from insiders_assets.errors import StorageError
from insiders_assets.settings import Settings
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.engine import DuckDBEngine
from insiders_assets.storage.lake import Lake
from insiders_assets.storage.ledger import Ledger, read_ledger
from insiders_assets.storage.objects import ObjectStore, open_store
from insiders_assets.storage.warehouse import Warehouse


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
        return Warehouse(self.settings.warehouse.get_secret_value())

    @cached_property
    def engine(self) -> DuckDBEngine:
        """The engine of this run."""
        engine = DuckDBEngine()
        self._open.callback(engine.close)
        return engine

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


@contextmanager
def open_platform(settings: Settings) -> Iterator[Platform]:
    """The platform of a home, closed at the end whatever happens."""
    platform = Platform(settings)
    try:
        yield platform
    finally:
        platform.close()
