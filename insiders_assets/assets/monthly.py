"""How a monthly asset is made: one decorator that turns a function and a contract into an asset that keeps it.

Belongs here: partitions, contract check, column schema, owners, metadata: what all monthly assets share. Does not
belong here: anything that only one asset needs.

The contract is validated inside the asset, before anything is written: a blocking check alone would stop the assets
downstream, but its own bad rows would already stand in the lake.
"""

import datetime as dt
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from insiders_assets.contracts.table import Column, Table
from insiders_assets.errors import ContractError, MissingMonthError
from insiders_assets.partitions import key_of, month_of, months_back, shift
from insiders_assets.storage.io_managers import Product, tried_again_if_unreachable
from insiders_assets.storage.lake import Dataset
from insiders_assets.storage.warehouse_schema import SCHEMA, sql_type

if TYPE_CHECKING:
    import pandas as pd

    from insiders_assets.assets.platform import Platform

OWNERS = ["team:insiders"]
CONTRACT_CHECK = "keeps_its_contract"
# Where a version notes, beside the tables that it read, the settings that it was made with.
SETTINGS = "settings"


@dataclass(frozen=True)
class Made:
    """What an asset's function gives back: rows, what people see, files beside the table, further things read.

    `skip` is a sentence why there is nothing to make; the month is then skipped, with everything that stands on it.
    """

    data: "pd.DataFrame | pa.Table | list[dict[str, Any]] | None" = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    reads: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    skip: str = ""


@dataclass(frozen=True)
class Month:
    """What an asset's function is given beside its inputs."""

    first_day: dt.date
    platform: "Platform"
    log: Any

    @property
    def key(self) -> str:
        """The partition key."""
        return self.first_day.isoformat()


def monthly_asset(
    *,
    table: Table,
    partitions: dg.PartitionsDefinition,
    inputs: Mapping[str, dg.PartitionMapping | None],
    group: str,
    kinds: set[str],
    lineage: Mapping[str, dg.PartitionMapping] | None = None,
    settings_read: tuple[str, ...] = (),
    may_skip: bool = False,
    many_months_at_once: bool = False,
) -> Callable[[Callable[..., Made]], dg.AssetsDefinition]:
    """Make an asset of `function(month: Month, **inputs: Dataset) -> Made`; its docstring is the description.

    `inputs` are upstream assets and their partition mappings (None: the same month); `lineage` are upstream assets that
    are shown, but not loaded. `settings_read` are the settings that the rows depend on: a month made with another value
    is due again. With `many_months_at_once` a backfill makes all its months in one run; the function still sees one
    month and what that month reads.
    """

    def decorate(function: Callable[..., Made]) -> dg.AssetsDefinition:
        asset_name = function.__name__

        @dg.asset(
            name=asset_name,
            description=function.__doc__,
            partitions_def=partitions,
            ins={key: dg.AssetIn(partition_mapping=mapping) for key, mapping in inputs.items()},
            deps=[dg.AssetDep(key, partition_mapping=mapping) for key, mapping in (lineage or {}).items()],
            dagster_type=_dagster_type(table),
            io_manager_key="warehouse_io" if table.published else "lake_io",
            required_resource_keys={"platform"},
            check_specs=[
                dg.AssetCheckSpec(
                    CONTRACT_CHECK,
                    asset=asset_name,
                    blocking=True,
                    description=f"Columns, types, values and key of {table.name} are as its contract says; "
                    "otherwise nothing is written.",
                )
            ],
            output_required=not may_skip,
            backfill_policy=dg.BackfillPolicy.single_run() if many_months_at_once else None,
            group_name=group,
            kinds=kinds,
            owners=OWNERS,
            metadata={
                "dagster/column_schema": column_schema(table),
                **({"dagster/table_name": f"{SCHEMA}.{table.name}"} if table.published else {}),
            },
        )
        def compute(context: dg.AssetExecutionContext, **loaded: Any) -> Iterator[Any]:
            started = time.perf_counter()
            platform: Platform = context.resources.platform
            products: dict[str, Product] = {}
            metadata: Mapping[str, Any] = {}
            for key in context.partition_keys:
                month = Month(month_of(key), platform, context.log)
                read = {name: _read_by(month.first_day, loaded[name], inputs[name]) for name in inputs}
                with tried_again_if_unreachable():
                    made = function(month, **read)
                if made.data is None:
                    if len(context.partition_keys) > 1:
                        raise MissingMonthError(made.skip)
                    context.log.warning(made.skip)
                    # Dagster fails a step that leaves a check unanswered, even where there is nothing to check.
                    yield dg.AssetCheckResult(
                        passed=True, check_name=CONTRACT_CHECK, metadata={"skipped": made.skip, "rows": 0}
                    )
                    return
                try:
                    data = table.validate(_as_table(table, made.data))
                except ContractError as broken:
                    yield dg.AssetCheckResult(
                        passed=False, check_name=CONTRACT_CHECK, metadata=_failure_metadata(broken)
                    )
                    raise
                reads = {handle.table.name: handle.hashes for handle in read.values()}
                said = {one: platform.said(one, month.first_day) for one in settings_read}
                reads[SETTINGS] = {**said, **made.reads.get(SETTINGS, {})}
                products[key] = Product(table, data, made.files, {**made.reads, **reads})
                metadata = made.metadata
            rows = sum(product.data.num_rows for product in products.values())
            yield dg.AssetCheckResult(passed=True, check_name=CONTRACT_CHECK, metadata={"rows": rows})
            # What is said of one month is not said of the others that a backfill makes in the same run.
            told = metadata if len(products) == 1 else {"months made in this run": len(products)}
            yield dg.Output(
                products,
                metadata={**told, "seconds": round(time.perf_counter() - started, 3), "peak MB": peak_mb()},
            )

        return compute

    return decorate


def _as_table(table: Table, data: "pd.DataFrame | pa.Table | list[dict[str, Any]]") -> "pd.DataFrame | pa.Table":
    if not isinstance(data, list):
        return data
    return pa.Table.from_pylist(data, schema=pa.schema([pa.field(c.name, c.type) for c in table.columns]))


def _read_by(month: dt.date, handle: Dataset, mapping: dg.PartitionMapping | None) -> Dataset:
    """What this month reads of a handle that holds what all months of the run read."""
    first, last = key_of(shift(month, -months_back(mapping))), key_of(month)
    return handle.only(*(scope for scope in handle.scopes if first <= scope <= last))


def column_schema(table: Table) -> dg.TableSchema:
    """A contract as Dagster's page shows it, with the types that a reader meets in the warehouse."""

    def constraints(column: Column) -> dg.TableColumnConstraints:
        bounds = [
            *([f"at least {column.at_least}"] if column.at_least is not None else []),
            *([f"at most {column.at_most}"] if column.at_most is not None else []),
            *([f"among {', '.join(column.among)}"] if column.among else []),
        ]
        return dg.TableColumnConstraints(nullable=column.nullable, unique=table.key == (column.name,), other=bounds)

    return dg.TableSchema(
        columns=[
            dg.TableColumn(c.name, type=sql_type(c.type), description=c.description, constraints=constraints(c))
            for c in table.columns
        ]
    )


def shown_as_table(rows: Sequence[Mapping[str, Any]], decimals: int | None = None) -> dg.TableMetadataValue | str:
    """Rows as a small table of Dagster's page, numbers rounded if `decimals` says so; "none" where there are none."""

    def shown(value: Any) -> Any:
        return round(value, decimals) if isinstance(value, float) and decimals is not None else value

    told = [dg.TableRecord({name: shown(value) for name, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(told) if told else "none"


def too_few_clusterable(month: Month, clusterable: int) -> str:
    """Why the month cannot be embedded and ranked, in words; empty where it can."""
    fewest = month.platform.settings.min_clusterable
    return f"{clusterable} clusterable customers; at least {fewest} are needed" if clusterable < fewest else ""


def peak_mb() -> int:
    """Peak resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))


def _dagster_type(table: Table) -> dg.DagsterType:
    def is_the_table(_: object, value: object) -> bool:
        return isinstance(value, dict) and all(
            isinstance(product, Product) and product.data.schema.equals(table.arrow_schema)
            for product in value.values()
        )

    return dg.DagsterType(
        is_the_table,
        name=table.name,
        description=table.description,
        metadata={"dagster/column_schema": column_schema(table)},
    )


def _failure_metadata(broken: ContractError) -> dict[str, Any]:
    failures = getattr(broken, "failures", [])
    records = [dg.TableRecord({key: str(value) for key, value in row.items()}) for row in failures]
    return {
        "problem": str(broken),
        **({"failures": dg.TableMetadataValue(records=records, schema=None)} if records else {}),
    }
