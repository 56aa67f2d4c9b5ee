"""Claims about what readers see: it is what the lake holds, and the last closed month is there.

Belongs here: comparing lake and warehouse, and the home with the calendar. Does not belong here: what the rows say.
"""

import dagster as dg
import pyarrow as pa

from insiders_assets.assets.platform import Platform
from insiders_assets.checks.monthly import monthly_check, platform_of
from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.contracts.table import Table, content_hash
from insiders_assets.partitions import key_of, last_month_expected
from insiders_assets.settings import Settings
from insiders_assets.storage.lake import Lake


def build(partitions: dg.PartitionsDefinition, settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The checks over the months that can exist."""
    return [_readers_see_the_lake(partitions), _last_closed_month_is_there(settings)]


def rows_differ(platform: Platform, table: Table, month: str) -> str:
    """How the published rows of a month differ from the lake's current version; empty where they are the same.

    The rows are read back from the database and hashed anew: what is noted there of them is not trusted.
    """
    version = platform.lake.current(table.name, month)
    if version is None:
        return "the lake has no version"
    names = ", ".join(column.name for column in table.columns)
    found = platform.warehouse.query(f"SELECT {names} FROM insiders.{table.name} WHERE month = DATE '{month}'")
    columns = list(zip(*found.rows, strict=True)) or [()] * len(table.columns)
    rows = pa.table(
        [pa.array(values, column.type) for values, column in zip(columns, table.columns, strict=True)],
        names=[column.name for column in table.columns],
    )
    if rows.num_rows != version.rows:
        return f"{rows.num_rows:,} rows are published, the lake has {version.rows:,}"
    return "" if content_hash(table, rows) == version.content_hash else "the same number of rows with other values"


def last_report_missing(settings: Settings, lake: Lake) -> bool:
    """Whether the last month that has closed and settled has no report."""
    return key_of(last_month_expected(settings, lake.clock())) not in lake.current_scopes(REPORT_FACTS.name)


def _readers_see_the_lake(partitions: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    @monthly_check(
        "insiders_report",
        partitions,
        "Every published table of the month, read back from the warehouse, has the content of the lake's version.",
        after=[name for name, table in MONTHLY_TABLES.items() if table.published and name != "insiders_report"],
    )
    def readers_see_what_the_lake_holds(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        published = [table for table in MONTHLY_TABLES.values() if table.published]
        found = {table.name: rows_differ(platform_of(context), table, context.partition_key) for table in published}
        differing = {name: how for name, how in found.items() if how}
        return dg.AssetCheckResult(passed=not differing, metadata={"tables": len(found), **differing})

    return readers_see_what_the_lake_holds


def _last_closed_month_is_there(settings: Settings) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="insiders_report",
        name="last_closed_month_is_there",
        required_resource_keys={"platform"},
        description="The report of the last month that has closed and settled is made. (A freshness policy alone would "
        "be content with any month's.) With INSIDERS_LAST_MONTH set: the report of that month.",
    )
    def last_closed_month_is_there(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        lake = platform_of(context).lake
        made = lake.current_scopes(REPORT_FACTS.name)
        expected = last_month_expected(settings, lake.clock())
        return dg.AssetCheckResult(
            passed=not last_report_missing(settings, lake),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"expected": f"{expected:%Y-%m}", "last report": made[-1][:7] if made else "none"},
        )

    return last_closed_month_is_there
