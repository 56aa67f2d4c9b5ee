"""How much a programme may change: the bars for who comes and goes, who returns, and growth, on made-up shops.

A shop of 36 months with known tastes, seasons and noise, from lines to policies through the domain's own functions. The
bars are for the months with a full window. The policy in force is "in when the rule holds, out after two months under
80 % of it". `python -m benchmarks.policies` prints the same figures; the slow tests print them by seed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from benchmarks.policies import Outcome, as_markdown, policies_of, shop_of
from insiders_assets.domain.policies import CONSENSUS, FIXED, IN_FORCE, PATIENT, TOP_CLUSTER

SEEDS = range(1, 13)


def over_seeds(outcomes: Mapping[int, Outcome], policy: str, figure: str) -> np.ndarray:
    return np.array([getattr(outcome.figures[policy], figure) for outcome in outcomes.values()])


@pytest.fixture(scope="module")
def small_shop() -> Outcome:
    return policies_of(shop_of(seed=1, customers=4_000), fits=4, every_month_anew=False)


def test_the_programme_keeps_its_bars_on_a_small_shop(small_shop: Outcome) -> None:
    programme = small_shop.figures[IN_FORCE]
    assert programme.mean_change <= 0.08
    assert programme.worst_change <= 0.14
    assert programme.returning <= 0.04
    assert programme.mean_growth <= 0.20


def test_three_months_in_and_three_out_keep_theirs_on_a_small_shop(small_shop: Outcome) -> None:
    patient = small_shop.figures[PATIENT]
    assert patient.mean_change <= 0.06
    assert patient.worst_change <= 0.10
    assert patient.returning <= 0.03
    assert patient.mean_growth <= 0.10


def test_grace_is_what_keeps_members(small_shop: Outcome) -> None:
    changes = [small_shop.figures[policy].mean_change for policy in (PATIENT, IN_FORCE, FIXED)]
    assert changes == sorted(changes)
    assert small_shop.figures[FIXED].returning > 4 * small_shop.figures[IN_FORCE].returning


@pytest.fixture(scope="module")
def shops() -> Mapping[int, Outcome]:
    outcomes = {seed: policies_of(shop_of(seed), fits=12, every_month_anew=False) for seed in SEEDS}
    print(as_markdown(outcomes))
    return outcomes


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_programme_keeps_its_bars_over_many_shops(shops: Mapping[int, Outcome]) -> None:
    """Coming and going and the mean growth keep theirs on every shop.

    Leaving and returning does on the mean of the shops only, and narrowly: 3.9 % of at most 4, from 2.4 to 4.7. Who
    returns left with about 70 % of the threshold and came back some months later with one large order. In its worst
    month the group has outgrown the rule by more than 20 % on most shops: those for whom the rule holds become fewer
    from one month to the next, and the members among them are in grace.
    """
    assert (over_seeds(shops, IN_FORCE, "mean_change") <= 0.08).all()
    assert (over_seeds(shops, IN_FORCE, "worst_change") <= 0.14).all()
    assert (over_seeds(shops, IN_FORCE, "mean_growth") <= 0.20).all()
    assert over_seeds(shops, IN_FORCE, "returning").mean() <= 0.04
    assert (over_seeds(shops, IN_FORCE, "returning") <= 0.05).all()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_three_months_in_and_three_out_keep_theirs_over_many_shops(shops: Mapping[int, Outcome]) -> None:
    """The worst month keeps its bar on the mean of the shops only: 9.5 % of at most 10, from 8.0 to 11.8.

    It is above 10 % on four shops of twelve. In a group of about 340 the changes of a month are 18 on average with a
    standard deviation of 8, and the worst month is the largest of 23.
    """
    assert (over_seeds(shops, PATIENT, "mean_change") <= 0.06).all()
    assert over_seeds(shops, PATIENT, "worst_change").mean() <= 0.10
    assert (over_seeds(shops, PATIENT, "returning") <= 0.03).all()
    assert (over_seeds(shops, PATIENT, "mean_growth") <= 0.10).all()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_clustering_every_month_anew_changes_the_group_far_more() -> None:
    """One shop, since every month costs a consensus and an embedding; 6.8, 19.9 and 66 % a month there."""
    found = policies_of(shop_of(seed=1), fits=6)
    print(as_markdown({1: found}))
    changes = [found.figures[policy].mean_change for policy in (PATIENT, IN_FORCE, CONSENSUS, TOP_CLUSTER)]
    assert changes == sorted(changes)
    assert changes[2] > 2 * changes[1]
