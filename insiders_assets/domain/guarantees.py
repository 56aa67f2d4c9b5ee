"""Is the group better than another one? Two groups of customers on one measure: tests, effect size, intervals.

Belongs here: statistics of two groups, and what several tests together say. Does not belong here: which groups and
months are compared (the assets), a trial with customers held out (:mod:`.holdout`), or words (the report).

Tests on groups that were cut on the measure itself, or on one that goes with it, are circular: they show that the cut
was made, not that the group will be better. The report prints those because an earlier report did, and says so; the
proof is the same comparison on months after the group was fixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from insiders_assets.contracts.found_by import library
from insiders_assets.contracts.table import or_null

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
RESAMPLES = 4_999
# Larger groups than these get Cliff's own variance: it agrees there, and a bootstrap would take minutes.
MOST_FOR_BOOTSTRAP = 2_000
# Royston's approximation of Shapiro and Wilk's p-value holds up to so many values; of more so many are drawn.
MOST_FOR_SHAPIRO = 5_000
BCA, ASYMPTOTIC = "BCa bootstrap", "Cliff's variance"


@dataclass(frozen=True)
class Group:
    """One group on one measure, in its unit. low, high: 95 % interval of the mean; *_sample: by the
    sample's deviation instead of the values' own. shapiro_w, shapiro_p: Shapiro and
    Wilk's test of normality; NaN with fewer than three different values."""

    customers: int
    mean: float
    median: float
    low: float
    high: float
    low_sample: float
    high_sample: float
    shapiro_w: float
    shapiro_p: float


@dataclass(frozen=True)
class Comparison:
    """Two groups on one measure.

    u, p: Mann and Whitney's U of the first group and its two-sided p. delta: Cliff's delta, from -1 to 1: how much more
    often a customer of the first group is above one of the second than below. delta_low, delta_high: its 95 % interval,
    by `interval`.
    """

    first: Group
    second: Group
    u: float
    p: float
    delta: float
    delta_low: float
    delta_high: float
    interval: str


def compare(first: np.ndarray, second: np.ndarray, seed: int, bootstrapped: bool = True) -> Comparison | None:
    """Compare two groups of values, (n,) and (m,), without gaps; None where one of them has nobody.

    The interval of delta is `bootstrapped` (BCa, Efron 1987) for groups of moderate size, else by Cliff's (1996)
    variance.
    """
    from scipy.stats import mannwhitneyu

    first, second = np.asarray(first, dtype="float64"), np.asarray(second, dtype="float64")
    if not len(first) or not len(second):
        return None
    u, p = mannwhitneyu(first, second, alternative="two-sided")
    low, high, interval = _interval_of_delta(first, second, seed, bootstrapped)
    return Comparison(
        describe(first, seed),
        describe(second, seed),
        float(u),
        float(p),
        cliffs_delta(first, second),
        low,
        high,
        interval,
    )


def compared(
    values: pd.DataFrame, first: np.ndarray, second: np.ndarray, seed: int, bootstrapped: bool = False
) -> list[dict[str, Any]]:
    """Rows, without p_holm, that compare two groups of customers (ids) on every column of `values`, a frame by
    customer; a gap is left out, and so is a column on which a group has nobody."""
    rows = []
    for measure in values.columns:
        known = values[measure].dropna().astype("float64")
        ours, theirs = (known[known.index.isin(group)].to_numpy("float64") for group in (first, second))
        found = compare(ours, theirs, seed, bootstrapped)
        if found is None:
            continue
        rows.append(
            {
                "measure": measure,
                **_of("member", found.first),
                **_of("next", found.second),
                "u": found.u,
                "p": found.p,
                "delta": found.delta,
                "delta_low": or_null(found.delta_low),
                "delta_high": or_null(found.delta_high),
                "delta_interval": found.interval,
                "library": library("scipy"),
                "seed": seed,
            }
        )
    return rows


def with_holm(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with p_holm, adjusted over all of them."""
    given = list(rows)
    return [{**row, "p_holm": p} for row, p in zip(given, holm([row["p"] for row in given]), strict=True)]


def describe(values: np.ndarray, seed: int) -> Group:
    """Mean, median, the mean's interval and the test of normality of one group, (n,), n >= 1."""
    from scipy.stats import shapiro

    low, high = interval_of_mean(values)
    tested = values
    if len(values) > MOST_FOR_SHAPIRO:
        tested = np.random.default_rng(seed).choice(values, MOST_FOR_SHAPIRO, replace=False)
    w, p = shapiro(tested) if len(np.unique(tested)) >= 3 else (np.nan, np.nan)
    mean, median = float(values.mean()), float(np.median(values))
    return Group(len(values), mean, median, low, high, *interval_of_mean(values, ddof=1), float(w), float(p))


def interval_of_mean(values: np.ndarray, ddof: int = 0) -> tuple[float, float]:
    """95 % interval of the mean by Student's t.

    With `ddof` 0, as the earlier report had it, the standard deviation is that of the values; with 1 the usual estimate
    of the population's, which is wider by a factor of sqrt(n / (n - 1)). NaN for a single value.
    """
    from scipy.stats import t

    n = len(values)
    if n < 2:
        return np.nan, np.nan
    half = t.ppf((1 + CONFIDENCE) / 2, n - 1) * values.std(ddof=ddof) / np.sqrt(n)
    return float(values.mean() - half), float(values.mean() + half)


def cliffs_delta(first: np.ndarray, second: np.ndarray) -> float:
    """Cliff's (1993) delta: P(first > second) - P(first < second), over all pairs. O((n + m) log(n + m))."""
    # Counted in whole numbers: two groups that are alike are exactly so.
    return float(int(_lead(first, second).sum()) / (len(first) * len(second)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being many (Holm 1979): rejected below a level, all errors together stay below it."""
    given = np.asarray(p_values, dtype="float64")
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()


def _lead(these: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each of `these` how many of `others` are below it, less how many are above it."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, these, side="left")
    above = len(ordered) - np.searchsorted(ordered, these, side="right")
    return below - above


def _interval_of_delta(
    first: np.ndarray, second: np.ndarray, seed: int, bootstrapped: bool
) -> tuple[float, float, str]:
    if min(len(first), len(second)) < 2:
        return np.nan, np.nan, ASYMPTOTIC
    # Where every customer of a group stands alike to the other group, no resample says anything else.
    varied = np.ptp(_lead(first, second)) > 0 or np.ptp(_lead(second, first)) > 0
    if bootstrapped and varied and max(len(first), len(second)) <= MOST_FOR_BOOTSTRAP:
        return *_bootstrapped(first, second, seed), BCA
    return *_by_variance(first, second), ASYMPTOTIC


def _bootstrapped(first: np.ndarray, second: np.ndarray, seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap, rankdata

    def delta(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        n, m = x.shape[axis], y.shape[axis]
        shape = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
        both = np.concatenate([np.broadcast_to(x, (*shape, n)), np.broadcast_to(y, (*shape, m))], axis=-1)
        u = rankdata(both, axis=-1)[..., :n].sum(axis=-1) - n * (n + 1) / 2
        return 2 * u / (n * m) - 1

    found = bootstrap(
        (first, second),
        delta,
        n_resamples=RESAMPLES,
        batch=500,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def _by_variance(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    from scipy.stats import norm

    n, m = len(first), len(second)
    of_first, of_second = _lead(first, second) / m, -_lead(second, first) / n
    delta = of_first.mean()
    ordered = np.sort(second)
    ties = np.searchsorted(ordered, first, side="right") - np.searchsorted(ordered, first, side="left")
    squares = n * m - ties.sum() - n * m * delta**2
    variance = m**2 * ((of_first - delta) ** 2).sum() + n**2 * ((of_second - delta) ** 2).sum() - squares
    variance = max(variance / (n * m * (n - 1) * (m - 1)), (1 - delta**2) / (n * m - 1))
    half = norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(variance)
    return float(max(delta - half, -1)), float(min(delta + half, 1))


def _of(which: str, group: Group) -> dict[str, Any]:
    found = asdict(group)
    return {f"{which}_customers": found.pop("customers"), **{f"{which}_{name}": or_null(found[name]) for name in found}}
