"""What the platform costs, measured on this machine and written to ``results.md``: `make bench`.

Belongs here: which measurements, their bars, and the document. Does not belong here: how a stage is measured
(:mod:`.measure`) or what is run (:mod:`.stages`, :mod:`.duels`). Every measurement is a process of its own.

Run it: ``python -m benchmarks.run [--data FILE] [--demo]``. The real invoices are FILE or what INSIDERS_REAL_DATA
names; with `--demo`, or without a file, what needs none is measured again, and the other sections stay as they were
written. Exit code 1 says that a bar was missed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.duels import FEATURES, ROUNDS, SCAN, Duel
from benchmarks.measure import Stage, as_markdown, measure_command
from benchmarks.stages import START, SUMMARY

REAL_DATA = "INSIDERS_REAL_DATA"
RESULTS = Path(__file__).with_name("results.md")
LOADING_ROUNDS = 3
HEAVY = ("tensorflow", "umap", "sklearn", "pandas", "duckdb")
FORBIDDEN = ("tensorflow", "umap")
LOADING = f"""
import json, pathlib, sys
import dagster as dg
from insiders_assets.definitions import build_definitions
from insiders_assets.settings import load_settings
dg.Definitions.validate_loadable(build_definitions(load_settings(pathlib.Path(sys.argv[2]))))
pathlib.Path(sys.argv[1]).write_text(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""
LEAST_RATIO = {FEATURES: 6.0, SCAN: 10.0}
_HEAD = """# What it costs

Written by `make bench`; do not edit. CPU seconds are user + system over all threads; those of the PostgreSQL server, a
process of its own, are not among them, its wall seconds are. Where other jobs run on the machine wall seconds grow with
them, CPU seconds a little, and ratios of CPU seconds hardly: quote these."""
MOST_LOADING_SECONDS, MOST_DEMO_SECONDS = 4.0, 180.0
MOST_OVERHEAD, MOST_GROWTH = 1.5, 0.10


@dataclass(frozen=True)
class Bar:
    """Something promised: what, how much, what was found, and whether that is enough."""

    claim: str
    found: str
    kept: bool


@dataclass(frozen=True)
class Section:
    """A part of the document: its title stays the same from one measuring to the next."""

    title: str
    text: str
    machine: str
    bars: Sequence[Bar] = ()

    def body(self) -> str:
        """What was promised, the tables, and what they were measured on."""
        promised = [f"- {bar.claim}: **{bar.found}**, {'kept' if bar.kept else '**missed**'}." for bar in self.bars]
        return "\n\n".join([*(["\n".join(promised)] if promised else []), self.text, self.machine])


@dataclass(frozen=True)
class Run:
    """A run of the platform: the whole process, its stages, named "asset month", and what all other processes of the
    machine used meanwhile."""

    whole: Stage
    stages: list[Stage]
    others_cpu_seconds: float


def main() -> int:
    """Measure, write or print the document, and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get(REAL_DATA), help=f"the real file; else {REAL_DATA}")
    parser.add_argument("--demo", action="store_true", help="only what needs no real file")
    asked = parser.parse_args()
    data = None if asked.demo or not asked.data else Path(asked.data).absolute()
    measures: tuple[Callable[[Path, Path | None], Section], ...] = (_loading, _demo, _many_months)
    if data is not None:
        measures = (_loading, _demo, _many_months, _real_run, _beside, _overhead)
    # Below /tmp and open: as root the embedded PostgreSQL belongs to an unprivileged user.
    folder = Path(tempfile.mkdtemp(prefix="insiders-bench-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        sections = [measure(folder, data) for measure in measures]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    before = RESULTS.read_text("utf-8") if RESULTS.exists() else ""
    RESULTS.write_text(render(sections, before), "utf-8")
    bars = [bar for section in sections for bar in section.bars]
    for bar in bars:
        print(f"{'kept  ' if bar.kept else 'MISSED'} {bar.claim}: {bar.found}")
    return 0 if all(bar.kept for bar in bars) else 1


def render(sections: Sequence[Section], before: str = "") -> str:
    """The document; sections of the document `before` that were not measured again stand as they were."""
    written = dict.fromkeys((section.title for section in sections), "")
    for text in before.split("\n## ")[1:]:
        written[text.partition("\n")[0]] = text.strip()
    for section in sections:
        written[section.title] = f"{section.title}\n\n{section.body()}"
    return "\n\n".join([_HEAD, *(f"## {text}" for text in written.values())]) + "\n"


def machine() -> str:
    memory = psutil.virtual_memory().total / 1e9
    packages = ", ".join(f"{name} {version(name)}" for name in ("dagster", "duckdb", "pandas", "scikit-learn"))
    return (
        f"Measured on {os.cpu_count()} cores ({_processor()}), {memory:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}; load over the last five minutes, this included: "
        f"{os.getloadavg()[1]:.1f} jobs."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _real_run(folder: Path, data: Path | None) -> Section:
    run = _measured_run(folder, folder / "real", data)
    months = sum(stage.name.startswith("raw_invoices ") for stage in run.stages)
    first, later = _first_and_later(run.stages, "tree_embedding")
    text = (
        f"A fresh home: landing, {months} months, each published to the embedded PostgreSQL, and the summary. A stage "
        "lasts from the end of the one before to its own, so that Dagster's work around an asset counts to that asset "
        "(a month's first is raw_invoices), and the stages add up. Peaks are the process's resident memory while the "
        "stage ran, not what the stage added.\n\n"
        f"{by_asset(run.stages)}\n\n{_whole(run)}\n\n"
        f"Numba's cache was cold, as in every fresh home: the first month that is segmented compiled UMAP, "
        f"{first:.1f} CPU s; each later month took {later:.1f} CPU s at the most."
    )
    return Section("`insiders run` on the real file", text, machine())


def _demo(folder: Path, _: Path | None) -> Section:
    run = _measured_run(folder, folder / "demo", None)
    first, later = _first_and_later(run.stages, "tree_embedding")
    text = (
        "A fresh home: the sample shop is made and written, landed, and every month brought up.\n\n"
        f"{by_asset(run.stages)}\n\n{_whole(run)}\n\n"
        f"Numba's cache was cold: the first month that is segmented took {first:.1f} CPU s, "
        f"each later one {later:.1f} at the most."
    )
    seconds = run.whole.wall_seconds
    claim = f"`insiders demo` within {MOST_DEMO_SECONDS:.0f} s on two cores, once installed"
    busy = run.others_cpu_seconds / (seconds * (os.cpu_count() or 1))
    found = f"{seconds:.0f} s ({run.whole.cpu_seconds:.0f} CPU s), others having {busy:.0%} of the cores meanwhile"
    return Section("`insiders demo`", text, machine(), [Bar(claim, found, seconds <= MOST_DEMO_SECONDS)])


def _beside(folder: Path, data: Path | None) -> Section:
    out = folder / "duels.json"
    _child("beside the naive rendering", "benchmarks.duels", folder / "real", out, folder / "real", data)
    duels = [Duel(**one) for one in json.loads(out.read_text())]
    text = (
        "[naive.py](naive.py) does the notebook's steps as a notebook's author writes them: a row-wise apply, a "
        "linkage for each k, each silhouette from scratch. Both sides have the same input in memory and run in one "
        f"process; both ran once before (imports are done, what Numba compiles is warm), then {ROUNDS} times in turn; "
        "the least CPU seconds count. Nothing is landed, checked against a contract, stored or published.\n\n"
        f"{duel_table(duels)}\n\nForest and UMAP are the same work in the same libraries on both sides."
    )
    named = {one.name: one for one in duels}
    bars = [
        Bar(
            f"{name}: at least {least:.0f}× less CPU than naive",
            f"{named[name].ratio:.1f}×",
            named[name].ratio >= least,
        )
        for name, least in LEAST_RATIO.items()
    ]
    return Section("Beside a plain pandas and scikit-learn rendering, reference month", text, machine(), bars)


def _overhead(folder: Path, data: Path | None) -> Section:
    """The real file once more, Numba's cache warm on both sides: the platform, and its domain calls in a plain loop."""
    warm, numba = folder / "warm", folder / "real" / "numba"
    warm.mkdir()
    (warm / "numba").symlink_to(numba)
    loop = _child("plain loop", "benchmarks.plain_loop", folder / "real", folder / "members.json", data)
    run = _measured_run(folder, warm, data)
    members = json.loads((folder / "members.json").read_text())
    cpu, wall = run.whole.cpu_seconds / loop.cpu_seconds, run.whole.wall_seconds / loop.wall_seconds
    text = (
        "[plain_loop.py](plain_loop.py) calls the same domain functions for the same months, one after the other, and "
        f"keeps everything in memory ({len(members)} months segmented, {members[max(members)]} members in the last). "
        "What `insiders run` takes beyond it is the price of lineage, contracts, checks, history and publishing.\n\n"
        "| | wall s | CPU s | peak RSS MB |\n|---|---:|---:|---:|\n"
        + "".join(
            f"| {name} | {one.wall_seconds:.1f} | {one.cpu_seconds:.1f} | {one.peak_rss_mb:,.0f} |\n"
            for name, one in (("`insiders run`", run.whole), ("plain loop", loop))
        )
        + f"| ratio | {wall:.2f}× | {cpu:.2f}× | |"
    )
    claim = f"13 months through `insiders run` against the same domain calls in a plain loop: at most {MOST_OVERHEAD}×"
    bar = Bar(claim, f"{cpu:.2f}× CPU, {wall:.2f}× wall", cpu <= MOST_OVERHEAD)
    return Section("What the platform adds", text, machine(), [bar])


def _many_months(folder: Path, _: Path | None) -> Section:
    """A made-up shop of 40 months, too small for segments, so that what grows with the months would show."""
    from insiders_assets.sample import ShopParameters, write_shop

    home = folder / "many"
    home.mkdir()
    (home / "insiders.toml").write_text("min_clusterable = 1000000\n")
    shop = ShopParameters(first_month=dt.date(2021, 1, 1), months=40, customers=800, seed=5)
    out = folder / "many.json"
    whole = _child("40 months", "benchmarks.stages", home, out, home, *write_shop(shop, folder / "many-files"))
    stages = [Stage(**stage) for stage in json.loads(out.read_text())]
    # The window is full from the 13th month on; the first month's libraries are loaded long before.
    early = _peak(stages, "2022-01", "2022-06")
    late = _peak(stages, "2023-11", "2024-04")
    text = (
        f"A made-up shop of 40 months and 800 customers (no segments, so no UMAP and no network), {_seconds(whole)}. "
        f"Peak resident memory while months 13 to 18 were made: {early:,.0f} MB; while months 35 to 40 were: "
        f"{late:,.0f} MB."
    )
    bar = Bar(
        f"memory is flat in the number of months: at most {MOST_GROWTH:.0%} more two years later",
        f"{late / early - 1:+.1%}",
        late <= early * (1 + MOST_GROWTH),
    )
    return Section("Many months", text, machine(), [bar])


def _peak(stages: Sequence[Stage], first: str, last: str) -> float:
    return max(one.peak_rss_mb for one in stages if first <= one.name.rpartition(" ")[2] <= last)


def _seconds(stage: Stage) -> str:
    return f"{stage.wall_seconds:.0f} s, {stage.cpu_seconds:.0f} CPU s"


def _loading(folder: Path, _: Path | None) -> Section:
    out, home = folder / "modules.json", folder / "nothing"
    command = [sys.executable, "-c", LOADING, str(out), str(home)]
    measure_command("compiles the bytecode", command, env=_environment(home))
    rounds = [measure_command("loading", command, env=_environment(home)) for _ in range(LOADING_ROUNDS)]
    best = min(rounds, key=lambda stage: stage.wall_seconds)
    loaded = json.loads(out.read_text())
    text = (
        f"A fresh interpreter imports the definitions, builds them and resolves every asset and job; best of "
        f"{LOADING_ROUNDS}, with compiled bytecode: {best.wall_seconds:.2f} s, {best.cpu_seconds:.2f} CPU s, "
        f"{best.peak_rss_mb:.0f} MB. Of {', '.join(HEAVY)} it imports {', '.join(loaded) or 'none'}. "
        "Numba has no part in it."
    )
    unwanted = [name for name in FORBIDDEN if name in loaded]
    bars = [
        Bar(
            f"code location loads in under {MOST_LOADING_SECONDS:.0f} s",
            f"{best.wall_seconds:.2f} s",
            best.wall_seconds < MOST_LOADING_SECONDS,
        ),
        Bar(f"without {' or '.join(FORBIDDEN)}", ", ".join(unwanted) or "neither is imported", not unwanted),
    ]
    return Section("Loading the code location", text, machine(), bars)


def by_asset(stages: Sequence[Stage]) -> str:
    """Stages named "asset month" as a table with a line per asset, summed over the months, and the whole."""
    assets = list(dict.fromkeys(_asset_of(stage) for stage in stages))
    groups = {asset: [stage for stage in stages if _asset_of(stage) == asset] for asset in assets}
    return as_markdown(
        Stage(
            f"{asset} × {len(group)}" if len(group) > 1 else asset,
            sum(stage.wall_seconds for stage in group),
            sum(stage.cpu_seconds for stage in group),
            max(stage.peak_rss_mb for stage in group),
        )
        for asset, group in groups.items()
    )


def duel_table(duels: Sequence[Duel]) -> str:
    """The duels as a table with a line for the whole."""
    rows = [
        *duels,
        Duel(
            "**the whole**",
            sum(one.our_cpu for one in duels),
            sum(one.naive_cpu for one in duels),
            sum(one.our_wall for one in duels),
            sum(one.naive_wall for one in duels),
            "",
        ),
    ]
    lines = [
        "| step | ours, CPU s | naive, CPU s | ratio | ours, wall s | naive, wall s | results agree |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| {r.name} | {r.our_cpu:.2f} | {r.naive_cpu:.2f} | {r.ratio:.1f}× | {r.our_wall:.2f} | {r.naive_wall:.2f} "
        f"| {r.agreement} |"
        for r in rows
    ]
    return "\n".join(lines)


def _asset_of(stage: Stage) -> str:
    return stage.name if stage.name in (START, SUMMARY) else stage.name.partition(" ")[0]


def _first_and_later(stages: Sequence[Stage], asset: str) -> tuple[float, float]:
    """CPU seconds of the first month in which the asset did its full work, and of the dearest after it."""
    seconds = [stage.cpu_seconds for stage in stages if _asset_of(stage) == asset]
    dearest = seconds.index(max(seconds))
    return seconds[dearest], max(seconds[dearest + 1 :], default=0.0)


def _whole(run: Run) -> str:
    stage, cores = run.whole, os.cpu_count() or 1
    return (
        f"The whole process, from the interpreter's start to its end: {stage.wall_seconds:.1f} s, "
        f"{stage.cpu_seconds:.1f} CPU s, peak {stage.peak_rss_mb:,.0f} MB. Other processes, PostgreSQL among them, "
        f"used {run.others_cpu_seconds:.0f} of the {cores * stage.wall_seconds:.0f} CPU s that {cores} cores have in "
        "that time."
    )


def _measured_run(folder: Path, home: Path, data: Path | None) -> Run:
    out = folder / f"{home.name}.json"
    before = _machine_cpu_seconds()
    whole = _child(home.name, "benchmarks.stages", home, out, home, *([data] if data else []))
    others = _machine_cpu_seconds() - before - whole.cpu_seconds
    return Run(whole, [Stage(**stage) for stage in json.loads(out.read_text())], others)


def _machine_cpu_seconds() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "steal", 0.0)


def _child(name: str, module: str, home: Path, *arguments: Path | None) -> Stage:
    print(name, file=sys.stderr, flush=True)
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return measure_command(name, command, env=_environment(home), cwd=Path(__file__).parents[1])


def _environment(home: Path) -> dict[str, str]:
    """The caller's, without settings that would measure another platform; Numba's cache is the home's, as in a run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INSIDERS_")}
    return {**kept, "NUMBA_CACHE_DIR": str(home / "numba"), "TF_CPP_MIN_LOG_LEVEL": "3"}


if __name__ == "__main__":
    sys.exit(main())
