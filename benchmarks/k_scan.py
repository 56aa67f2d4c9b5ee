"""Three clusterers over k = 2…25: one warm-started scan beside a loop that fits and scores each one from scratch.

Belongs here: the duel of :mod:`insiders_assets.domain.clusterers`, and what quality its warm starts lose. Does not
belong here: Ward within the platform's own month (:mod:`.duels`).

Run it: ``python -m benchmarks.k_scan [--data FILE]``; FILE is the real invoices or what INSIDERS_REAL_DATA names, and
without one made-up points of the same shape take the embedding's place. Exit code 1 says that a bar was missed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import naive
from benchmarks.duels import ROUNDS, Duel, duel
from benchmarks.measure import own_cpu_seconds
from insiders_assets.domain.clusterers import DRAWS, K_MEANS, MIXTURE, WARD, Scan, Trial, scan_clusterers
from insiders_assets.domain.clustering import SCAN

REAL_DATA = "INSIDERS_REAL_DATA"
SEED = 42
LEAST_WARD_RATIO, LEAST_RATIO, MOST_DIFFERENCE = 15.0, 8.0, 1e-6


@dataclass(frozen=True)
class NaiveTrial:
    """One fit from scratch: its mean silhouette, and inertia or log-likelihood per point."""

    silhouette: float
    own_measure: float


def naive_scan(points: np.ndarray, ks: Sequence[int] = SCAN) -> dict[tuple[str, int], NaiveTrial]:
    """As a notebook does it: every clusterer for every k with scikit-learn's defaults, k-means from ten starts."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from sklearn.mixture import GaussianMixture

    found = {(WARD, k): NaiveTrial(silhouette, np.nan) for k, silhouette in naive.naive_k_scan(points, ks)}
    for k in ks:
        means = KMeans(k, n_init=10, random_state=SEED).fit(points)
        found[K_MEANS, k] = NaiveTrial(float(silhouette_score(points, means.labels_)), float(means.inertia_))
        mixture = GaussianMixture(k, random_state=SEED).fit(points)
        silhouette = float(silhouette_score(points, mixture.predict(points)))
        found[MIXTURE, k] = NaiveTrial(silhouette, float(mixture.score(points)))
    return found


def embedded_points(file: Path) -> np.ndarray:
    """The reference embedding (n, 10) of the file's clusterable customers."""
    from insiders_assets.domain.embedding import design_matrix, fit_tree_embedding

    features = naive.naive_features(naive.read_lines(file))
    customers = features[features["clusterable"]]
    return fit_tree_embedding(design_matrix(customers), customers["gross_revenue"].to_numpy()).components


def made_up_points(n: int = 2_967, dimensions: int = 10, groups: int = 14) -> np.ndarray:
    """Groups of unequal size and width, so many as an embedding of real customers has."""
    generator = np.random.default_rng(SEED)
    group = generator.choice(groups, n, p=generator.dirichlet(np.full(groups, 4.0)))
    centres, widths = generator.normal(0, 6, (groups, dimensions)), generator.uniform(0.3, 1.5, groups)
    return centres[group] + generator.normal(size=(n, dimensions)) * widths[group, None]


def greatest_difference(points: np.ndarray, trials: Sequence[Trial]) -> float:
    """Between our silhouettes and scikit-learn's of the same labels."""
    from sklearn.metrics import silhouette_score

    return max(abs(trial.silhouette - float(silhouette_score(points, trial.labels))) for trial in trials)


def run_duels(points: np.ndarray) -> tuple[list[Duel], list[str]]:
    """Ward alone and all three clusterers, and the lines of what the warm starts lost."""
    lost: list[str] = []

    def same_ward(ours: Scan, theirs: list[tuple[int, float]]) -> str:
        difference = max(abs(t.silhouette - s) for t, (_, s) in zip(ours.trials, theirs, strict=True))
        assert difference < MOST_DIFFERENCE, f"Ward's silhouettes differ by {difference}"
        return f"{difference:.0e}"

    def same_silhouettes(ours: Scan, theirs: dict[tuple[str, int], NaiveTrial]) -> str:
        difference = greatest_difference(points, ours.trials)
        assert difference < MOST_DIFFERENCE, f"silhouettes of the same labels differ by {difference}"
        lost.extend(quality_lost(ours.trials, theirs))
        return f"{difference:.0e}"

    def scan(*clusterers: str) -> Callable[[], Scan]:
        return lambda: scan_clusterers(points, seed=SEED, clusterers=clusterers, draws=0)

    ward = duel("Ward", scan(WARD), lambda: naive.naive_k_scan(points), same_ward)
    every = duel(
        "Ward, k-means and mixture", scan(WARD, K_MEANS, MIXTURE), lambda: naive_scan(points), same_silhouettes
    )
    return [ward, every], lost


def quality_lost(ours: Sequence[Trial], theirs: dict[tuple[str, int], NaiveTrial]) -> list[str]:
    """Rows of a table: silhouette, and inertia in percent or log-likelihood per point; positive = ours is worse."""
    rows = []
    for clusterer in (K_MEANS, MIXTURE):
        pairs = [(t, theirs[clusterer, int(t.setting.removeprefix("k = "))]) for t in ours if t.clusterer == clusterer]
        silhouettes = [their.silhouette - our.silhouette for our, their in pairs]
        if clusterer == K_MEANS:
            measure, unit = "inertia", " %"
            own = [100 * (our.own_measure / their.own_measure - 1) for our, their in pairs]
        else:
            measure, unit = "log-likelihood per point", ""
            own = [their.own_measure - our.own_measure for our, their in pairs]
        for name, values, sign in (("silhouette", silhouettes, ""), (measure, own, unit)):
            rows.append(f"| {clusterer} | {name} | {np.mean(values):+.3f}{sign} | {np.max(values):+.3f}{sign} |")
    return rows


def main() -> int:
    """Print both tables in Markdown and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get(REAL_DATA), help=f"the real file; else {REAL_DATA}")
    asked = parser.parse_args()
    points = embedded_points(Path(asked.data)) if asked.data else made_up_points()
    duels, lost = run_duels(points)
    before = own_cpu_seconds()
    scan_clusterers(points, seed=SEED)
    whole = own_cpu_seconds() - before

    print(f"{len(points):,} points of {'the real embedding' if asked.data else 'made-up groups'}, k = 2…25, ", end="")
    print(f"least CPU seconds of {ROUNDS} rounds\n")
    print("| k scan | naive CPU s | our CPU s | ratio | greatest silhouette difference |\n|---|---:|---:|---:|---:|")
    for one in duels:
        print(f"| {one.name} | {one.naive_cpu:.2f} | {one.our_cpu:.2f} | {one.ratio:.1f} | {one.agreement} |")
    print(f"| the same, DBSCAN, and stability over {DRAWS} subsamples | | {whole:.2f} | | |\n")
    print("| clusterer | measure | lost on average | at worst |\n|---|---|---:|---:|")
    print("\n".join(lost))
    kept = [duels[0].ratio >= LEAST_WARD_RATIO, duels[1].ratio >= LEAST_RATIO]
    print(f"\nbars: Ward {LEAST_WARD_RATIO:g}×, all three {LEAST_RATIO:g}×: {'kept' if all(kept) else 'MISSED'}")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    raise SystemExit(main())
