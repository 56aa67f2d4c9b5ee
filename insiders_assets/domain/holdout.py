"""What would prove that the programme causes anything: some customers held out by chance, and what that could show.

Belongs here: who is held out, how small an effect the group could show, and the analysis of such a trial. Does not
belong here: comparisons of customers whom nobody drew by chance (:mod:`.guarantees`).

Whether a customer is held out hangs on a salt and the customer's id alone, so that nobody moves when others come or go,
or when a stratum changes. The strata are the analysis's: they take out of the noise what was known before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVEL, POWER = 0.05, 0.80
WINSORISED_AT = 0.99
STRATA = 3


@dataclass(frozen=True)
class Effect:
    """Mean of those in the programme less mean of those held out, in the outcome's unit: with its standard error, its
    95 % interval and its two-sided p."""

    treated: int
    held: int
    difference: float
    standard_error: float
    low: float
    high: float
    p: float


def places(customer_ids: Sequence[str], salt: str) -> np.ndarray:
    """A place (n,) from 0 to under 1 for each customer, drawn by SHA-256 of the salt and the id."""

    def place(customer: str) -> float:
        digest = hashlib.sha256(f"{salt}:{customer}".encode()).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / 2**53

    return np.array([place(one) for one in customer_ids], dtype="float64")


def held_out(customer_ids: Sequence[str], salt: str, share: float) -> np.ndarray:
    """Who is held out (n,): those whose place is under the share, 0 to 1. A larger share only adds customers."""
    return places(customer_ids, salt) < share


def sample_ratio_p(held: int, customers: int, share: float) -> float:
    """Exact binomial p of so many held out of so many customers: under .001 something else than chance chose them."""
    from scipy.stats import binomtest

    return float(binomtest(held, customers, share).pvalue)


def strata_of(before: np.ndarray, strata: int = STRATA) -> np.ndarray:
    """Stratum (n,) from 0 of each customer by a measure known beforehand, of about equal size; equals share theirs."""
    edges = np.quantile(before, np.arange(1, strata) / strata) if len(before) else []
    return np.searchsorted(edges, before, side="left")


def winsorised(values: np.ndarray, at: float = WINSORISED_AT) -> np.ndarray:
    """Values beyond the quantiles `at` and 1 - `at` put there: one huge order does not hide an effect on the others.

    It changes what is estimated, the mean of the clipped values; quantiles are over all customers together, so that
    both arms are clipped alike.
    """
    return np.clip(values, np.quantile(values, 1 - at), np.quantile(values, at)) if len(values) else values


def adjusted(outcome: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The outcome less what the measure beforehand says of it (CUPED, Deng, Xu, Kohavi and Walker 2013): its mean is
    the same, its variance smaller by the squared correlation."""
    centred = before - before.mean()
    variance = float(np.mean(centred**2))
    return outcome - (float(np.mean(centred * outcome)) / variance) * centred if variance > 0 else outcome


def detectable_effect(values: np.ndarray, share: float) -> float:
    """The smallest true difference of means that such a trial finds four times out of five, in the outcome's unit.

    (z of 1 - LEVEL/2 + z of POWER) * standard deviation * sqrt(1/treated + 1/held), two-sided; infinite where an arm
    has nobody, or the values are fewer than two.
    """
    n = len(values)
    held = share * n
    if n < 2 or not 0 < held < n:
        return np.inf
    return float(_z() * values.std(ddof=1) * np.sqrt(1 / (n - held) + 1 / held))


def customers_needed(values: np.ndarray, share: float, effect: float) -> float:
    """How many customers in both arms together such a trial needs to find a true difference of `effect` > 0; infinite
    where nothing is known of the outcome's spread."""
    if len(values) < 2 or effect <= 0 or not 0 < share < 1:
        return np.inf
    return float(np.ceil((_z() * values.std(ddof=1) / effect) ** 2 / (share * (1 - share))))


def plan(
    customer_ids: Sequence[str], outcome: np.ndarray, before: np.ndarray, *, salt: str, share: float, effect: float
) -> list[dict[str, Any]]:
    """What a trial on these customers could show, a row per way of taking noise out: none, winsorised, CUPED on both
    winsorised.

    Parameters
    ----------
    outcome, before: (n,) n >= 2, a month's measure per customer and the same of the months before, in one unit. share:
        to hold out. effect: difference wanted, as a share of the mean outcome.
    """
    held = int(held_out(customer_ids, salt, share).sum())
    treated = {
        "raw": outcome,
        "winsorised": winsorised(outcome),
        "cuped": adjusted(winsorised(outcome), winsorised(before)),
    }
    rows = []
    for estimator, values in treated.items():
        mean = float(values.mean())
        smallest, needed = detectable_effect(values, share), customers_needed(values, share, effect * abs(mean))
        rows.append(
            {
                "estimator": estimator,
                "customers": len(values),
                "held": held,
                "held_share": share,
                "sample_ratio_p": sample_ratio_p(held, len(values), share),
                "mean": mean,
                "deviation": float(values.std(ddof=1)),
                "detectable": smallest if np.isfinite(smallest) else None,
                "detectable_share": smallest / abs(mean) if np.isfinite(smallest) and mean else None,
                "wanted_share": effect,
                "customers_needed": needed if np.isfinite(needed) else None,
                "enough": bool(needed <= len(values)),
            }
        )
    return rows


def analyse(outcome: np.ndarray, held: np.ndarray, strata: np.ndarray | None = None) -> Effect | None:
    """The effect of the programme on an outcome (n,), `held` (n,) being who was held out.

    With `strata` (n,) it is the mean of the strata's differences weighted by their customers (post-stratification);
    strata in which an arm has fewer than two are taken together. None where an arm has fewer than two in all.
    """
    from scipy.stats import norm

    held = np.asarray(held, dtype=bool)
    if min(held.sum(), (~held).sum()) < 2:
        return None
    labels = np.zeros(len(outcome), dtype=int) if strata is None else np.asarray(strata)
    small = [one for one in np.unique(labels) if min(held[labels == one].sum(), (~held)[labels == one].sum()) < 2]
    if small:
        # Beside the smallest of the others, or those that are small would be left out of the mean.
        others = [one for one in np.unique(labels) if one not in small]
        neighbour = min(others, key=lambda one: (labels == one).sum()) if others else small[0]
        labels = np.where(np.isin(labels, small), neighbour, labels)
    difference = variance = 0.0
    for one in np.unique(labels):
        inside, kept = outcome[(labels == one) & ~held], outcome[(labels == one) & held]
        weight = (len(inside) + len(kept)) / len(outcome)
        difference += weight * float(inside.mean() - kept.mean())
        variance += weight**2 * float(inside.var(ddof=1) / len(inside) + kept.var(ddof=1) / len(kept))
    error = float(np.sqrt(variance))
    half = norm.ppf(1 - LEVEL / 2) * error
    p = float(2 * norm.sf(abs(difference) / error)) if error > 0 else float(difference == 0)
    return Effect(int((~held).sum()), int(held.sum()), difference, error, difference - half, difference + half, p)


def _z() -> float:
    from scipy.stats import norm

    return float(norm.ppf(1 - LEVEL / 2) + norm.ppf(POWER))
