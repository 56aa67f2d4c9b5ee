"""The choice of one clusterer and number of groups among many trials, by a criterion that is written down.

Belongs here: the criterion, and the reason in words. Does not belong here: the trials and their measures
(:mod:`.clusterers`).

A few hundredths of a silhouette do not decide: among those that are as good and as stable, fewer groups win, because
people have to tell them apart. By that ten groups were once preferred to fourteen, whose silhouette was .03 higher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from insiders_assets.domain.clusterers import Trial
from insiders_assets.domain.clustering import SCAN


@dataclass(frozen=True)
class Criterion:
    """How one trial is chosen: near enough to the best silhouette, then to the best stability, then fewest groups.

    quality, stability: how far below the best still counts as equal. least_share: smallest group that a programme can
    address, as a share of the customers. most_groups: as many as people can tell apart.
    """

    quality: float = 0.05
    stability: float = 0.05
    least_share: float = 0.01
    most_groups: int = max(SCAN)


USUAL = Criterion()


@dataclass(frozen=True, eq=False)
class Choice:
    """The chosen trial and the reason in words."""

    trial: Trial
    reason: str


def choose(trials: Sequence[Trial], criterion: Criterion = USUAL) -> Choice:
    """The trial that the criterion prefers, and why in words.

    A trial without a silhouette is never chosen; one with a tiny group, or more groups than people can tell apart, only
    where there is no other. Without a measured stability that step is passed over.

    Raises
    ------
    ValueError: no trial has a silhouette.
    """
    measured = [trial for trial in trials if np.isfinite(trial.silhouette)]
    if not measured:
        raise ValueError("None of the partitions has a silhouette: the customers do not fall into groups.")
    usable = [trial for trial in measured if _is_usable(trial, criterion)] or measured
    best = max(usable, key=lambda trial: trial.silhouette)
    good = [trial for trial in usable if trial.silhouette >= best.silhouette - criterion.quality]
    known = [trial for trial in good if np.isfinite(trial.stability)]
    steadiest = max(known, key=lambda trial: trial.stability) if known else None
    steady = good
    if steadiest is not None:
        steady = [trial for trial in known if trial.stability >= steadiest.stability - criterion.stability]
    chosen = min(steady, key=lambda trial: (trial.groups, -trial.silhouette))
    return Choice(chosen, _reason(chosen, best, steadiest, len(good), len(steady), criterion))


def _is_usable(trial: Trial, criterion: Criterion) -> bool:
    large_enough = trial.smallest >= criterion.least_share * len(trial.labels)
    return large_enough and trial.groups <= criterion.most_groups


def _reason(chosen: Trial, best: Trial, steadiest: Trial | None, good: int, steady: int, criterion: Criterion) -> str:
    said = [f"{chosen.name}: mean silhouette {chosen.silhouette:.3f}"]
    if chosen is best:
        said.append("the best of all")
    else:
        said.append(f"within {criterion.quality:g} of the best ({best.silhouette:.3f}, {best.name})")
    if steadiest is not None:
        said.append(
            f"adjusted Rand index over subsamples {chosen.stability:.2f}, within {criterion.stability:g} of the "
            f"steadiest of the {good} that are as good ({steadiest.stability:.2f}, {steadiest.name})"
        )
    said.append(f"and the fewest groups of the {steady} that are left" if steady > 1 else "and no other is left")
    return ", ".join(said) + "."
