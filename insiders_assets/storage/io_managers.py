"""IO managers: how a month that an asset made reaches the lake, and from there the warehouse.

Belongs here: the two ways of storing (lake only; lake, then published) and loading handles. Does not belong here: what
a table holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import dagster as dg
import pyarrow as pa

from insiders_assets.contracts.table import Table
from insiders_assets.errors import UnreachableError
from insiders_assets.storage.lake import Dataset, Lake, Reads, Version
from insiders_assets.storage.warehouse import Warehouse

TRIES_AGAIN, SECONDS_BETWEEN = 2, 5


@dataclass(frozen=True)
class Product:
    """What an asset made of one month: a valid table, files beside it, and what it was made from."""

    table: Table
    data: pa.Table
    files: Mapping[str, bytes] = field(default_factory=dict)
    reads: Reads = field(default_factory=dict)


class LakeIOManager(dg.IOManager):
    """Writes a month of a table to the lake; gives readers a handle, for one month and for many alike."""

    def __init__(self, lake: Lake, tables: Mapping[str, Table]):
        self.lake = lake
        self.tables = tables

    def handle_output(self, context: dg.OutputContext, obj: Mapping[str, Product]) -> None:
        """Write the months of a run, one after the other; of a single one the page shows version, hash and place."""
        with tried_again_if_unreachable():
            versions = [self._write(month, product) for month, product in obj.items()]
        if len(versions) == 1:
            (version,) = versions
            context.add_output_metadata(
                {
                    "dagster/uri": f"{self.lake.store.location}/{version.path}",
                    "dagster/row_count": version.rows,
                    "content hash": version.content_hash,
                    "version": version.version,
                    **{name: f"{self.lake.store.location}/{path}" for name, path in version.files.items()},
                }
            )

    def load_input(self, context: dg.InputContext) -> Dataset:
        """A handle on the months asked for; a month that is not there is an error that names it."""
        table = self.tables[context.asset_key.to_user_string()]
        with tried_again_if_unreachable():
            return self.lake.dataset(table, list(context.asset_partition_keys))

    def _write(self, scope: str, product: Product) -> Version:
        return self.lake.write(product.table, scope, product.data, files=product.files, reads=product.reads)


class WarehouseIOManager(LakeIOManager):
    """The lake's, and then publishing: the month of the table in the warehouse is replaced in one transaction."""

    def __init__(self, lake: Lake, tables: Mapping[str, Table], warehouse: Warehouse):
        super().__init__(lake, tables)
        self.warehouse = warehouse

    def _write(self, scope: str, product: Product) -> Version:
        version = super()._write(scope, product)
        publish(self.warehouse, product.table, scope, product.data, version)
        return version


@contextmanager
def tried_again_if_unreachable() -> Iterator[None]:
    """Have Dagster try the step again where a server does not answer; no other trouble passes by itself.

    Not a RetryPolicy: that would try again after every error, and after Ctrl-C.
    """
    try:
        yield
    except UnreachableError as trouble:
        raise dg.RetryRequested(TRIES_AGAIN, SECONDS_BETWEEN) from trouble


def publish(
    warehouse: Warehouse, table: Table, scope: str, data: pa.Table, version: Version, anew: bool = False
) -> bool:
    """Publish a version of a month; False where the readers have it already, unless it is to be published anew."""
    warehouse.prepare([table])
    month, content = dt.date.fromisoformat(scope), version.content_hash
    return warehouse.publish(table, month, data, version=version.version, content_hash=content, anew=anew)
