"""A month's tables as pandas frames, for a person who looks at them in a notebook.

Belongs here: opening what a month has in the lake, to be read and never written; no database is needed. Does not belong
here: whatever is found in the tables (:mod:`insiders_assets.domain`), SQL over them (:mod:`.as_known`), or executing a
notebook (:mod:`.notebooks`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from insiders_assets.assets.monthly import SETTINGS
from insiders_assets.contracts.catalogue import TABLES_BY_MONTH
from insiders_assets.contracts.customers import CUSTOMER_FEATURES
from insiders_assets.contracts.table import as_floats
from insiders_assets.errors import MissingMonthError
from insiders_assets.partitions import key_of, month_asked_for
from insiders_assets.settings import load_settings
from insiders_assets.storage.lake import Dataset, Lake, Version
from insiders_assets.storage.objects import open_store

if TYPE_CHECKING:
    import pandas as pd

TABLES = {table.name: table for table in TABLES_BY_MONTH.values()}


@dataclass(frozen=True)
class OpenMonth:
    """The tables of a month in the versions that counted when it was opened, by name.

    Frames are made for analysis, not for the books: money and quantities are 64-bit floats, days are timestamps, gaps
    are NaN.
    """

    lake: Lake
    first_day: dt.date
    versions: Mapping[str, Version]

    def there_is(self) -> pd.DataFrame:
        """One row per table: what it holds, how many rows, when it was made, and the content hash."""
        import pandas as pd

        rows = [
            (
                name,
                version.rows,
                version.recorded_at[:16].replace("T", " "),
                version.content_hash[:16],
                TABLES[name].description,
            )
            for name, version in self.versions.items()
        ]
        return pd.DataFrame(rows, columns=["table", "rows", "made at (UTC)", "content hash", "what it holds"])

    def table(self, name: str, columns: Collection[str] = ()) -> pd.DataFrame:
        """A table of the month, or some of its columns.

        Raises
        ------
        MissingMonthError: the month has no such table.
        """
        return self._frame(name, {key_of(self.first_day): self._version(name)}, columns)

    def read_by(self, maker: str, name: str, columns: Collection[str] = ()) -> pd.DataFrame:
        """The rows of the table `name` that the table `maker` of this month was made from, in all months that it read.

        They are the very versions that were read, also where a month was restated since.

        Raises
        ------
        MissingMonthError: maintenance has removed one of them, or `maker` does not read the table.
        """
        wanted = self._version(maker).reads.get(name)
        if not wanted:
            raise MissingMonthError(f"{maker} of {self.first_day:%Y-%m} was not made from {name}.")
        found = {}
        for scope, content_hash in wanted.items():
            kept = [one for one in self.lake.history(name, scope) if one.content_hash == content_hash]
            if not kept:
                raise MissingMonthError(
                    f"{name} of {scope[:7]} as {maker} of {self.first_day:%Y-%m} had read it is not kept any more.",
                    "`insiders run` makes what is due from what stands now; then open the month again.",
                )
            found[scope] = kept[-1]
        return self._frame(name, found, columns)

    def made_with(self, name: str) -> Mapping[str, str]:
        """The settings that a table of the month was made with."""
        return self._version(name).reads.get(SETTINGS, {})

    def files(self, name: str) -> dict[str, bytes]:
        """What is kept beside a table of the month (models, pictures), by file name."""
        return {file: self.lake.read_file(path) for file, path in self._version(name).files.items()}

    def _version(self, name: str) -> Version:
        if name not in self.versions:
            raise MissingMonthError(
                f"{self.first_day:%Y-%m} has no table {name}; there are {', '.join(self.versions)}.",
                "`insiders run` makes a month's tables, `insiders compare` those of its comparison.",
            )
        return self.versions[name]

    def _frame(self, name: str, versions: Mapping[str, Version], columns: Collection[str]) -> pd.DataFrame:
        rows = Dataset(self.lake, TABLES[name], versions).arrow(list(columns) or None)
        for place, field in enumerate(rows.schema):
            if pa.types.is_decimal(field.type):
                rows = rows.set_column(place, field.name, pa.array(as_floats(rows[field.name])))
        return rows.to_pandas(date_as_object=False)


def open_month(home: Path | str, month: str | dt.date) -> OpenMonth:
    """Open a month (`2011-12`) of a home for reading.

    Raises
    ------
    SettingsError: a setting of the home is wrong, or the month is written wrongly.
    MissingMonthError: the home has no such month; those that it has are named.
    """
    first_day, settings = month_asked_for(month), load_settings(Path(home))
    lake = Lake(open_store(settings.lake_location, settings.s3_endpoint))
    current = {name: lake.current(name, key_of(first_day)) for name in TABLES}
    versions = {name: version for name, version in current.items() if version}
    if not versions:
        made = [scope[:7] for scope in lake.current_scopes(CUSTOMER_FEATURES.name)]
        known = f"it has {made[0]} to {made[-1]}" if made else "no month has been made there"
        raise MissingMonthError(
            f"{first_day:%Y-%m} is not among the months of the home {settings.home}; {known}.",
            "`insiders run` makes months; --home says which home is meant.",
        )
    return OpenMonth(lake, first_day, versions)
