"""month_files [month]: which file versions make the month, and what became of their lines."""

from __future__ import annotations

import dagster as dg
import pyarrow as pa

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.contracts.lines import LANDED_LINES, MONTH_FILES
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=MONTH_FILES,
        partitions=partitions,
        inputs={"raw_invoices": None},
        lineage={"landed_invoices": dg.AllPartitionMapping()},
        group="lines",
        kinds={"duckdb", "postgres"},
    )
    def month_files(month: Month, raw_invoices: Dataset) -> Made:
        """Per file version of the month: its landed lines and their money, and what became of them: in another file
        too, dropped by a cleaning rule, or kept."""
        from insiders_assets.domain.invoices import lines_of_files

        engine = month.platform.engine
        # Those that raw_invoices was made from: another file may have been landed since.
        versions = raw_invoices.versions[month.key].reads["landed_invoices"]
        ledger = month.platform.ledger()
        parts = {name: file.months[month.key] for name in versions if (file := ledger.find(name))}
        names = engine.table(pa.table({"file_version": pa.array(list(parts), pa.string())}))
        landed = engine.table(month.platform.lake.objects(LANDED_LINES, [part.path for part in parts.values()]))
        data = engine.run(lines_of_files(landed, engine.table(raw_invoices), names, month.first_day))
        return Made(
            data,
            metadata={"files": len(parts), "overlapping lines": sum(data["overlapping_lines"].to_pylist())},
            reads={"landed_invoices": {name: part.content_hash for name, part in parts.items()}},
        )

    return month_files
