"""IO managers: how a month that an asset made reaches the lake, and from there the warehouse.

Belongs here: the two ways of storing (lake only; lake, then published) and loading handles. Does not belong here: what
a table holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import dagster as dg
import pyarrow as pa

from insiders_assets.contracts.table import Table
from insiders_assets.storage.lake import Dataset, Lake, Reads, Version
from insiders_assets.storage.warehouse import Warehouse


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

    def handle_output(self, context: dg.OutputContext, obj: Product) -> None:
        """Write the month; the page shows version, hash, rows and place."""
        version = self._write(context.partition_key, obj)
        context.add_output_metadata(
            {
                "dagster/uri": f"{self.lake.store.location}/{version.path}",
                "dagster/row_count": version.rows,
                "content hash": version.content_hash,
                "version": version.version,
            }
        )

    def load_input(self, context: dg.InputContext) -> Dataset:
        """A handle on the months asked for; a month that is not there is an error that names it."""
        table = self.tables[context.asset_key.to_user_string()]
        return self.lake.dataset(table, list(context.asset_partition_keys))

    def _write(self, scope: str, product: Product) -> Version:
        return self.lake.write(product.table, scope, product.data, files=product.files, reads=product.reads)


class WarehouseIOManager(LakeIOManager):
    """The lake's, and then publishing: the month of the table in the warehouse is replaced in one transaction."""

    def __init__(self, lake: Lake, tables: Mapping[str, Table], warehouse: Warehouse):
        super().__init__(lake, tables)
        self.warehouse = warehouse

    def handle_output(self, context: dg.OutputContext, obj: Product) -> None:
        """Write the month and publish it."""
        super().handle_output(context, obj)
        context.add_output_metadata({"dagster/table_name": f"insiders.{obj.table.name}"})

    def _write(self, scope: str, product: Product) -> Version:
        version = super()._write(scope, product)
        publish(self.warehouse, product.table, scope, product.data, version)
        return version


def publish(warehouse: Warehouse, table: Table, scope: str, data: pa.Table, version: Version) -> bool:
    """Publish a version of a month; False where the readers have it already."""
    warehouse.prepare([table])
    return warehouse.publish(
        table, dt.date.fromisoformat(scope), data, version=version.version, content_hash=version.content_hash
    )
