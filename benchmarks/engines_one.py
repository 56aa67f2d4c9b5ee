"""One engine's work of :mod:`.engines`, in a process of its own: ``python -m benchmarks.engines_one ENGINE LAKE OUT``.

Belongs here: what the engine's process does and nothing else, so that its memory holds nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.engines import features_of
from insiders_assets.storage.engine import DuckDBEngine, Engine


def main() -> None:
    """Read the lake, write the features."""
    name, lake, out = sys.argv[1:]
    engine: Engine
    if name == "spark":
        from insiders_assets.settings import java_program
        from insiders_assets.storage.spark_engine import SparkEngine

        engine = SparkEngine("local[*]", java_program())
    else:
        engine = DuckDBEngine()
    try:
        pq.write_table(features_of(engine, Path(lake)), out)
    finally:
        engine.close()


if __name__ == "__main__":
    main()
