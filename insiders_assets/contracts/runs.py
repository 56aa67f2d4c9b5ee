"""What Dagster's runs did, as readers outside Dagster find it: seconds and memory per asset, and what checks said.

Belongs here: tables of runs, replaced run by run, and views of the last of each. Does not belong here: anything that a
run made.
"""

from insiders_assets.contracts.table import FLAG, REAL, TEXT, TIMESTAMP, WHOLE, Column, Table

_RUN = Column("run_id", TEXT, "Run of Dagster.", key=True)
_ASSET = Column("asset", TEXT, "Name of the asset.", key=True)
_PARTITION = Column("partition", TEXT, "Month (2011-12-01) or file version; empty where there is none.", key=True)

RUN_ASSETS = Table(
    "run_assets",
    "Assets that were made, run by run: when, how long it took, how much memory, what came of it.",
    (
        _RUN,
        _ASSET,
        _PARTITION,
        Column("job", TEXT, "Job of the run."),
        Column("made_at", TIMESTAMP, "When it was made (UTC)."),
        Column(
            "seconds",
            REAL,
            "Seconds that it took, storing not counted; a run of several months: all of them.",
            nullable=True,
            at_least=0,
        ),
        Column("peak_mb", WHOLE, "Peak memory of the process so far, in MB.", nullable=True, at_least=0),
        Column("rows", WHOLE, "Rows of the table.", nullable=True, at_least=0),
        Column("content_hash", TEXT, "Hash of the content: equal content, equal hash.", nullable=True),
    ),
    scope="run_id",
)

RUN_CHECKS = Table(
    "run_checks",
    "What the checks of assets said, run by run.",
    (
        _RUN,
        _ASSET,
        Column("check_name", TEXT, "Claim that was checked.", key=True),
        _PARTITION,
        Column("checked_at", TIMESTAMP, "When (UTC)."),
        Column("passed", FLAG, "Whether it holds."),
        Column("severity", TEXT, "WARN or ERROR, where it does not hold."),
        Column("description", TEXT, "What it claims.", nullable=True),
        Column("found", TEXT, "What it found, in short.", nullable=True),
    ),
    scope="run_id",
)
