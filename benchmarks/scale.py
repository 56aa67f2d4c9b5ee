"""The science at three thousand customers and at a million: seconds and memory by stage, and whether it is the same.

Belongs here: the stages that grow with the customers, each size in a process of its own, beside the naive rendering
where that still runs, and the proof that what is drawn (landmarks, forests) does not decide who is chosen. Does not
belong here: making the customers (:mod:`.crowd`), or reading invoices, storing and publishing (:mod:`.run`).

Run it: ``python -m benchmarks.scale [--customers N …] [--features FOLDER] [--data FILE]``. FOLDER keeps the made-up
customers; FILE is the real invoices or what INSIDERS_REAL_DATA names. Exit code 1 says that a bar was missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from benchmarks.crowd import Crowd, made_up_customers, read_crowd, real_customers
from benchmarks.measure import Meter, Stage, as_markdown
from benchmarks.run import REAL_DATA, Bar
from insiders_assets.domain.feature_words import FEATURES

if TYPE_CHECKING:
    from insiders_assets.domain.consensus import Consensus
    from insiders_assets.domain.rule_card import RuleCard

SHARE, SEED, OTHER_SEED = 0.10, 42, 4242
LEAVE_SHARE = 0.80
SIZES = (3_000, 30_000, 300_000, 1_000_000)
# What numba has to compile once, in whatever process; the bars are on a warm one.
IMPORTS, CUSTOMERS_TO_WARM_UP = "imports, compilation", 500
SECOND = "check: consensus and rule again, other draws"
MILLION, MOST_SECONDS, MOST_GIGABYTES, LEAST_JACCARD = 1_000_000, 600.0, 8.0, 0.90
SMALL, MOST_CPU_SECONDS = 5_000, 60.0
# Condensed distances of SciPy's Ward and the copy that it works on, in bytes per pair of customers; and what it may be.
NAIVE_BYTES_PER_SQUARE, MOST_NAIVE_BYTES = 8, 4e9

Result = TypeVar("Result")


@dataclass(frozen=True)
class Measured:
    """One size: its stages and what came out. jaccard_of_*: the same customers by two independent sets of draws."""

    name: str
    customers: int
    stages: Sequence[Stage]
    rule: str
    f1: float
    members: int
    jaccard_of_members: float
    jaccard_of_chosen: float

    @property
    def job(self) -> list[Stage]:
        """The stages of a month in a warm process, without the check."""
        return [stage for stage in self.stages if stage.name not in (IMPORTS, SECOND)]


def measured(name: str, files: Sequence[Path], most: int | None) -> Measured:
    """Every stage of a month on these customers, in this process."""
    from insiders_assets.domain.consensus import find_consensus
    from insiders_assets.domain.rule_card import disagreement, find_rule

    before, now = read_crowd(files, most)
    matrix, revenue = now.matrix, now.revenue
    meter = Meter()

    def chosen_by(seed: int) -> Consensus:
        return find_consensus(matrix, revenue, share=SHARE, seed=seed)

    def rule_for(consensus: Consensus) -> RuleCard:
        return find_rule(now.columns, consensus.chosen, FEATURES, SEED)

    def again() -> tuple[Consensus, RuleCard]:
        other = chosen_by(OTHER_SEED)
        return other, rule_for(other)

    meter.run(IMPORTS, _warm_up, matrix, revenue)
    ranks = _segments(meter, matrix, revenue)
    consensus = meter.run("consensus, 24 fits", chosen_by, SEED)
    card = meter.run("rule card", rule_for, consensus)
    members = meter.run("membership", _membership, before, now, consensus, card)
    meter.run("segments: aligned with the month before", _align, before, now, ranks)
    other, other_card = meter.run(SECOND, again)
    return Measured(
        name,
        len(revenue),
        meter.stages,
        card.rule.sql,
        card.cross_validated.f1,
        members,
        1 - disagreement(card.rule.holds(now.columns), other_card.rule.holds(now.columns)),
        1 - disagreement(consensus.chosen, other.chosen),
    )


def _warm_up(matrix: np.ndarray, revenue: np.ndarray) -> None:
    some = slice(0, CUSTOMERS_TO_WARM_UP)
    _segments(Meter(), matrix[some], revenue[some])


def _segments(meter: Meter, matrix: np.ndarray, revenue: np.ndarray) -> np.ndarray:
    """As the assets tree_embedding and cluster_labels do it; gives the segments (n,)."""
    from insiders_assets.domain.clustering import segment_by_landmarks
    from insiders_assets.domain.proximity import fit_proximity_embedding

    fitted = meter.run("embedding: fitted", fit_proximity_embedding, matrix, revenue)
    landmark = np.zeros(len(revenue), dtype=bool)
    landmark[fitted.landmarks] = True
    components = np.empty((len(revenue), fitted.landmark_components.shape[1]))
    components[landmark] = fitted.landmark_components
    components[~landmark] = meter.run("embedding: others placed", fitted.place, matrix[~landmark])
    found = meter.run("segments", segment_by_landmarks, components, revenue, landmark)
    return found.ranks


def _membership(before: Crowd, now: Crowd, consensus: Consensus, card: RuleCard) -> int:
    """The rows of the second month of a programme that began with this rule; gives the members."""
    from insiders_assets.contracts.programme import INSIDE
    from insiders_assets.domain.membership import Policy
    from insiders_assets.domain.programme import RuleInForce
    from insiders_assets.domain.standings import Course, CustomersOfMonth, month_of_rule, standing_rows

    nobody = np.zeros(len(before.ids), dtype=bool)
    earlier = CustomersOfMonth(before.ids, before.columns, np.full(len(before.ids), np.inf), nobody)
    last = CustomersOfMonth(now.ids, now.columns, consensus.ranks, consensus.chosen)
    rule = RuleInForce("v1", card.rule)
    months = [month_of_rule(c.month, m, rule, LEAVE_SHARE) for c, m in ((before, earlier), (now, last))]
    course = Course(months, {before.month: rule, now.month: rule}, Policy(), LEAVE_SHARE)
    return sum(row["status"] in INSIDE for row in standing_rows(course, last, earlier, {}))


def _align(before: Crowd, now: Crowd, ranks: np.ndarray) -> None:
    """What it takes does not hang on how the month before was segmented: tenths by revenue stand in for its groups."""
    from insiders_assets.domain.segments import MonthOfClusters, replay

    tenths = (before.revenue.argsort().argsort() * 10) // len(before.revenue)
    replay(
        [
            MonthOfClusters(crowd.month, crowd.ids, labels, {f: crowd.columns[f] for f in FEATURES}, crowd.revenue)
            for crowd, labels in ((before, tenths), (now, ranks))
        ]
    )


def naive_stages(files: Sequence[Path], most: int | None) -> list[Stage]:
    """The notebook's way on the same customers: full forests, UMAP on the leaves' numbers, Ward on all distances."""
    import pandas as pd

    from benchmarks import naive

    _, now = read_crowd(files, most)
    features = pd.DataFrame({**now.columns}, index=now.ids).fillna(0.0)
    _warm_up(now.matrix, now.revenue)
    meter = Meter()
    leaves, _ = meter.run("forest, twice", naive.naive_forest, features)
    embedding = meter.run("UMAP on the leaves' numbers", naive.naive_embedding, leaves)
    meter.run("Ward, 10 clusters", naive.naive_clusters, embedding, features)
    return meter.stages


def in_a_fresh_process(work: Callable[..., Result], *arguments: object) -> Result:
    """So that no size finds the memory, the imports or the caches of another."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def table(sizes: Sequence[Measured]) -> str:
    """A row per stage, wall seconds, CPU seconds and peak MB of every size."""
    lines = [
        "| stage: wall s · CPU s · peak MB | " + " | ".join(size.name for size in sizes) + " |",
        "|---|" + "---:|" * len(sizes),
    ]
    rows = [*zip(*(size.stages for size in sizes), strict=True)]
    rows.append(tuple(replace(_whole(size), name="**a month, warm**") for size in sizes))
    for row in rows:
        cells = (f"{one.wall_seconds:,.1f} · {one.cpu_seconds:,.1f} · {one.peak_rss_mb:,.0f}" for one in row)
        lines.append(f"| {row[0].name} | " + " | ".join(cells) + " |")
    told: Sequence[tuple[str, Callable[[Measured], str]]] = (
        ("rule", lambda size: f"`{size.rule}`"),
        ("its F1, cross-validated", lambda size: f"{size.f1:.3f}"),
        ("members", lambda size: f"{size.members:,}"),
        ("members by two sets of draws: Jaccard", lambda size: f"{size.jaccard_of_members:.3f}"),
        ("chosen by two sets of draws: Jaccard", lambda size: f"{size.jaccard_of_chosen:.3f}"),
    )
    lines += [f"| {name} | " + " | ".join(tell(size) for size in sizes) + " |" for name, tell in told]
    return "\n".join(lines)


def _whole(size: Measured) -> Stage:
    return Stage(
        size.name,
        sum(stage.wall_seconds for stage in size.job),
        sum(stage.cpu_seconds for stage in size.job),
        max(stage.peak_rss_mb for stage in size.job),
    )


def bars_of(size: Measured) -> list[Bar]:
    """What was promised of a size."""
    whole, agreed = _whole(size), min(size.jaccard_of_members, size.jaccard_of_chosen)
    bars = [
        Bar(
            f"{size.name}: who is chosen, and who is a member, is the same by two independent sets of draws "
            f"(Jaccard ≥ {LEAST_JACCARD:.2f})",
            f"{agreed:.3f}",
            agreed >= LEAST_JACCARD,
        )
    ]
    if size.customers >= MILLION:
        minutes, gigabytes = whole.wall_seconds / 60, whole.peak_rss_mb / 1000
        took = f"{minutes:.1f} ({whole.cpu_seconds / 60:.1f} CPU minutes)"
        bars += [
            Bar(f"{size.name}: within {MOST_SECONDS / 60:.0f} minutes", took, whole.wall_seconds <= MOST_SECONDS),
            Bar(f"{size.name}: within {MOST_GIGABYTES:.0f} GB", f"{gigabytes:.1f}", gigabytes <= MOST_GIGABYTES),
        ]
    if size.customers <= SMALL:
        cpu = whole.cpu_seconds
        bars.append(Bar(f"{size.name}: {MOST_CPU_SECONDS:.0f} CPU s", f"{cpu:.1f}", cpu <= MOST_CPU_SECONDS))
    return bars


def main() -> int:
    """Measure, print the tables in Markdown and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=SIZES, help="sizes of made-up crowds")
    parser.add_argument("--features", type=Path, help="where made-up customers are kept; else they are thrown away")
    parser.add_argument("--data", type=Path, default=os.environ.get(REAL_DATA), help=f"the real file; else {REAL_DATA}")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.features or Path(scratch)
        crowds = [(f"{n:,} made up", made_up_customers(n, folder), n) for n in sorted(asked.customers)]
        if asked.data:
            crowds.insert(0, ("real", real_customers(Path(asked.data), folder), None))
        sizes = []
        for name, files, most in crowds:
            print(f"  measures {name}", file=sys.stderr, flush=True)
            sizes.append(in_a_fresh_process(measured, name, files, most))
        print(f"{table(sizes)}\n\nThe naive rendering beside it:\n")
        for (name, files, most), size in zip(crowds, sizes, strict=True):
            needed = NAIVE_BYTES_PER_SQUARE * size.customers**2
            if needed <= MOST_NAIVE_BYTES:
                print(f"{name}\n\n{as_markdown(in_a_fresh_process(naive_stages, files, most))}\n")
            else:
                print(f"{name}: not run; Ward on all distances alone would take {needed / 1e9:,.0f} GB.\n")
    bars = [bar for size in sizes for bar in bars_of(size)]
    for bar in bars:
        print(f"{'kept  ' if bar.kept else 'MISSED'} {bar.claim}: {bar.found}")
    return 0 if all(bar.kept for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
