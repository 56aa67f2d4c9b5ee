"""The engine on Spark: the same Ibis expressions and the same fitted models, for shops that outgrow one machine.

Belongs here: the session, what it needs (Java, pyspark, a lake that its workers reach) and how rows get in and out.
Does not belong here: what is computed, or SQL over small tables, which stays with DuckDB (:mod:`.engine`).

Lines never pass through this process: Spark's workers read the lake's Parquet files where they lie. Answers and the
rows given to a fitted model, one per customer, do.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pyarrow as pa

from insiders_assets.errors import SettingsError, StorageError, UnreachableError
from insiders_assets.storage.lake import Dataset

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from pyspark.sql import SparkSession

LEAST_JAVA = 17
OR_DUCKDB = "or set INSIDERS_ENGINE=duckdb."
# Rows that a task of a fitted model is given: fewer would not pay for handing it out, more would not fit into memory.
LEAST_PIECE, LARGEST_PIECE = 1_000, 50_000


def check_spark(java: str | None) -> str:
    """What Spark will run on, in words; `java` is the program that it would start, None where there is none.

    Raises
    ------
    SettingsError: pyspark or a Java that it can use is missing, and what to do.
    """
    if find_spec("pyspark") is None:
        raise SettingsError(
            "INSIDERS_ENGINE is spark, but pyspark is not installed.",
            f"Install it with `pip install 'insiders-assets[spark]'`, {OR_DUCKDB}",
        )
    import pyspark

    version = _java_version(java)
    if version is None or version < LEAST_JAVA:
        found = "none was found" if version is None else f"this is Java {version}"
        raise SettingsError(
            f"Spark needs Java {LEAST_JAVA} or later; {found}.",
            f"Install one and have JAVA_HOME or the PATH name it, {OR_DUCKDB}",
        )
    return f"Spark {pyspark.__version__}, Java {version}"


class SparkEngine:
    """Spark, reached through a master; the session starts when it is first needed.

    A session that this process has open already is used, and left open at the end. `java` is the program that Spark
    finds in the environment, None where there is none.
    """

    def __init__(self, master: str, java: str | None) -> None:
        self.master, self.java = master, java
        self._names = (f"dataset_{number}" for number in itertools.count())
        self._is_ours = False

    @cached_property
    def session(self) -> SparkSession:
        """The session.

        Raises
        ------
        SettingsError: see :func:`check_spark`. UnreachableError: the master does not answer.
        """
        check_spark(self.java)
        from pyspark.sql import SparkSession

        if open_already := SparkSession.getActiveSession():
            return open_already
        # Otherwise Spark would start whatever `python3` names, which need not have our packages.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.appName("insiders").master(self.master)
        for name, value in _configuration(self.master).items():
            builder = builder.config(name, value)
        try:
            session = builder.getOrCreate()
        except Exception as wrong:  # Py4J's, Java's and Spark's own errors have no common ancestor
            raise UnreachableError(
                f"Spark at {self.master} does not start: {_first_line(wrong)}",
                f"Check INSIDERS_SPARK_MASTER, {OR_DUCKDB}",
            ) from wrong
        session.sparkContext.setLogLevel("ERROR")
        self._is_ours = True
        return session

    @cached_property
    def connection(self) -> Any:
        """The session as an Ibis backend."""
        import ibis

        return ibis.pyspark.connect(self.session)

    def table(self, data: Dataset | pa.Table) -> ir.Table:
        """The rows as an Ibis table; a handle's files are read by Spark's workers when an expression over it runs.

        Raises
        ------
        SettingsError: this Spark cannot read where the lake is. StorageError: a file is gone.
        """
        name = next(self._names)
        frame = self.session.createDataFrame(data) if isinstance(data, pa.Table) else self._read(data)
        frame.createOrReplaceTempView(name)
        return self.connection.table(name)

    def run(self, expression: ir.Table) -> pa.Table:
        """The expression's rows."""
        # Not Ibis' to_pyarrow, which makes a pandas frame of Python objects first: a million Decimals.
        rows = self.session.sql(self.connection.compile(expression)).toArrow()
        return rows.cast(expression.schema().to_pyarrow())

    def by_row(self, function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
        """`function(rows)`, computed in pieces by Spark's workers: for a function that gives each row its own result,
        whatever other rows it is given with. The workers need this package as they need Spark."""
        if not len(rows):
            return function(rows)
        context = self.session.sparkContext
        wanted = max(2 * context.defaultParallelism, -(-len(rows) // LARGEST_PIECE))
        pieces = np.array_split(rows, min(wanted, -(-len(rows) // LEAST_PIECE)))
        # Spark broadcasts the function, and the model in it, by itself where it is large.
        return np.concatenate(context.parallelize(pieces, len(pieces)).map(function).collect())

    def close(self) -> None:
        """End the session, if it was started here."""
        if self._is_ours:
            self.session.stop()
            self._is_ours = False

    def _read(self, data: Dataset) -> Any:
        from pyspark.errors import AnalysisException

        places = data.places
        if places[0].startswith("s3://"):
            self._check_s3(data.lake.store.location)
            places = [place.replace("s3://", "s3a://", 1) for place in places]
        try:
            # By the contract, not by the files: as on DuckDB, whatever an older version of a file lacks is null.
            return self.session.read.schema(_spark_schema(data)).parquet(*map(_literally, places))
        except AnalysisException as wrong:
            raise StorageError(
                f"A table's object in {data.lake.store.location} is named by a manifest, but Spark cannot read it: "
                f"{_first_line(wrong)}",
                "If Spark runs on other machines, they need the lake under the same path; if the file is gone, restore "
                "it from a backup, or rebuild the month with `insiders run --again`.",
            ) from wrong

    def _check_s3(self, location: str) -> None:
        try:
            self.session._jvm.java.lang.Class.forName("org.apache.hadoop.fs.s3a.S3AFileSystem")  # type: ignore[union-attr]
        except Exception as wrong:
            raise SettingsError(
                f"The lake is {location}, and this Spark has no hadoop-aws with which to read it.",
                f"Use a cluster that has it, or a lake in a folder that all workers see, {OR_DUCKDB}",
            ) from wrong


def _configuration(master: str) -> dict[str, str]:
    fixed = {
        # Overflow, or a text that is no number, is an error and not a null.
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        # Features come back whole, one row per customer; the default of 1 GB is a few million customers.
        "spark.driver.maxResultSize": "0",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if not master.startswith("local"):
        return fixed
    # Driver and workers are one process here, whose memory Spark would otherwise set to 1 GB on whatever machine.
    third = psutil.virtual_memory().total // 3 // 1024**2
    return {**fixed, "spark.driver.memory": f"{third}m", "spark.driver.host": "127.0.0.1"}


def _spark_schema(data: Dataset) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(data.table.arrow_schema, prefer_timestamp_ntz=True)


def _literally(place: str) -> str:
    """A path that Hadoop does not take for a pattern."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", place)


def _java_version(program: str | None) -> int | None:
    if program is None:
        return None
    try:
        told = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(\d+)', told.stderr + told.stdout)
    return int(found[1]) if found else None


def _first_line(wrong: Exception) -> str:
    return str(wrong).strip().splitlines()[0] if str(wrong).strip() else type(wrong).__name__
