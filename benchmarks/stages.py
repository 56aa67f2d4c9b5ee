"""A whole run of the platform in this process, taken apart into its assets by what it reports itself.

Belongs here: running the real thing on a fresh home and cutting it at its progress. Does not belong here: any step of
its own; what is timed is what `insiders run` and `insiders demo` call.

Run it: ``python -m benchmarks.stages OUT HOME [FILE…]``; without a file it runs the sample shop. OUT gets the stages.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Laps, Stage

if TYPE_CHECKING:
    from insiders_assets.operations.running import Progress

START, SUMMARY = "start: imports", "summary, end"


def measured_run(home: Path, files: Sequence[Path], today: dt.date) -> list[Stage]:
    """Land the files (none: the sample shop) in a fresh home, bring all months up, give a stage per asset and month.

    A stage is named "asset month". It begins where the one before ended, so that what happens around an asset (Dagster,
    the next month's job) counts to the asset that follows, and the stages add up to the whole.
    """
    with Laps() as laps:
        from insiders_assets.assets.platform import open_platform
        from insiders_assets.operations.demonstrating import demonstrate
        from insiders_assets.operations.running import Wanted, run
        from insiders_assets.operations.summary import summarise
        from insiders_assets.settings import load_settings

        def tell(progress: Progress) -> None:
            laps.cut(f"{progress.asset} {progress.subject}")
            print(f"  {progress.subject} {progress.asset}", file=sys.stderr, flush=True)

        laps.cut(START)
        settings = load_settings(home)
        settings = run(settings, Wanted(files=files), today, tell) if files else demonstrate(settings, today, tell)
        with open_platform(settings) as platform:
            summarise(platform)
        laps.cut(SUMMARY)
    return laps.stages


def main() -> None:
    """Measure and write the stages as JSON."""
    out, home, *files = (Path(argument) for argument in sys.argv[1:])
    stages = measured_run(home, files, dt.datetime.now(dt.UTC).date())
    out.write_text(json.dumps([asdict(stage) for stage in stages]))


if __name__ == "__main__":
    main()
