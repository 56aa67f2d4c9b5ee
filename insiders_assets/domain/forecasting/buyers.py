"""BG/NBD with Gamma-Gamma, summed over members: who still buys, how often, and for how much.

Belongs here: the two models, their fit, and their expectation of a coming period. Does not belong here: the season and
the trading days (:mod:`.history`), in whose units its time runs.

BG/NBD (Fader, Hardie and Lee 2005, "Counting your customers" the easy way): while a customer is alive, purchases are
Poisson with a rate of their own, gamma over customers; after each, a customer is gone with a probability of their own,
beta over customers. Gamma-Gamma (Fader and Hardie 2013): a purchase's value varies about a customer's own mean, which
is inverse gamma over customers. Purchases are days with a purchase. Time counts trading days, each as long as the
shop's season makes it, so that a busy autumn is not taken for new zeal, nor a closed week for a loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from insiders_assets.domain.forecasting.history import History
from insiders_assets.domain.forecasting.outcome import CannotForecastError

WINDOW_DAYS = 396  # the month and the twelve before it
MIN_CUSTOMERS = 20
MIN_DAYS = 56


@dataclass(frozen=True)
class Buyers:
    """Members with at least one purchase in the window, arrays of shape (n,).

    repeats: days with a purchase, less the first. last: time from the first to the last of them. age: time from the
    first to the origin. spent: mean gross revenue of such a day.
    """

    repeats: np.ndarray
    last: np.ndarray
    age: np.ndarray
    spent: np.ndarray


def bg_nbd(history: History, seed: int) -> pd.Series:
    """What the members are expected to buy, purchase by purchase, less the returns that go with it."""
    history.require(MIN_DAYS)
    clock = (history.is_open * history.season).cumsum()
    buyers = buyers_of(history.purchases, clock, history.origin)
    if (count := int((buyers.repeats > 0).sum())) < MIN_CUSTOMERS:
        raise CannotForecastError(
            f"It needs {MIN_CUSTOMERS} members who bought on two days or more; there are {count}."
        )
    rates = fit_bg_nbd(buyers)
    value = expected_values(buyers)
    ahead = clock.iloc[len(history.net) :]
    elapsed = ahead.to_numpy(dtype=float) - float(clock.loc[history.origin])
    # The expectation at the ends of the months, and within a month by the clock: one evaluation a month, not one a day.
    last_of_month = np.append(history.horizon.month[1:] != history.horizon.month[:-1], True)
    ends = np.concatenate([[0.0], elapsed[last_of_month]])
    gross = np.array([0.0, *(float(expected_purchases(rates, buyers, end) @ value) for end in ends[1:])])
    total = np.interp(elapsed, ends, gross)
    net = np.diff(total, prepend=0.0) * (1 - history.returns_share())
    return pd.Series(np.where(history.will_open, net, 0.0), index=history.horizon)


def buyers_of(purchases: pd.DataFrame, clock: pd.Series, origin: pd.Timestamp) -> Buyers:
    """The members' purchases of the window in the clock's time (a running sum by day)."""
    recent = purchases[purchases["day"] > origin - pd.Timedelta(days=WINDOW_DAYS)]
    timed = recent.assign(time=clock.reindex(recent["day"]).to_numpy(dtype=float))
    each = timed.groupby("customer_id").agg(
        days=("day", "nunique"), first=("time", "min"), last=("time", "max"), gross=("gross", "sum")
    )
    now = float(clock.loc[origin])
    return Buyers(
        repeats=(each["days"] - 1).to_numpy(float),
        last=(each["last"] - each["first"]).to_numpy(float),
        # Half a day more: who bought on the last day has been there for some of it.
        age=(now - each["first"]).to_numpy(float) + 0.5,
        spent=(each["gross"] / each["days"]).to_numpy(float),
    )


def fit_bg_nbd(buyers: Buyers) -> np.ndarray:
    """(r, alpha, a, b) of greatest likelihood (Fader, Hardie and Lee 2005, equation 6), on logarithms within e^-6, e^6.

    A weak pull towards moderate values keeps the parameters finite where nobody has gone yet.
    """
    from scipy.optimize import minimize
    from scipy.special import gammaln

    x, last, age = buyers.repeats, buyers.last, buyers.age
    start = np.array([0.0, np.log(max(age.mean() / 2, 1.0)), -1.0, 1.0])

    def loss(logs: np.ndarray) -> float:
        r, alpha, a, b = np.exp(logs)
        shared = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        shared += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        alive = -(r + x) * np.log(alpha + age)
        again = np.maximum(x, 1.0)
        gone = np.where(x > 0, np.log(a) - np.log(b + again - 1) - (r + x) * np.log(alpha + last), -np.inf)
        return float(-(shared + np.logaddexp(alive, gone)).mean() + 1e-4 * np.square(logs - start).sum())

    return np.exp(minimize(loss, start, method="L-BFGS-B", bounds=[(-6.0, 6.0)] * 4).x)


def expected_purchases(rates: np.ndarray, buyers: Buyers, time: float) -> np.ndarray:
    """Days with a purchase expected of each within `time` from the origin, (n,) (the same paper, equation 10)."""
    from scipy.special import hyp2f1

    r, alpha, a, b = rates
    a = a if abs(a - 1) > 1e-6 else a + 1e-6  # the formula has a gap there, its limit does not
    x, last, age = buyers.repeats, buyers.last, buyers.age
    series = hyp2f1(r + x, b + x, a + b + x - 1, time / (alpha + age + time))
    expected = (a + b + x - 1) / (a - 1) * (1 - ((alpha + age) / (alpha + age + time)) ** (r + x) * series)
    again = np.maximum(x, 1.0)
    gone = np.where(x > 0, a / (b + again - 1) * ((alpha + age) / (alpha + last)) ** (r + x), 0.0)
    return expected / (1 + gone)


def expected_values(buyers: Buyers) -> np.ndarray:
    """Gross revenue expected of a day with a purchase, of each, (n,): between their own mean and everybody's.

    Gamma-Gamma fitted to those who bought more than once (Fader and Hardie 2013, equations 1a and 5).
    """
    from scipy.optimize import minimize
    from scipy.special import gammaln

    several = buyers.repeats > 0
    days, spent = buyers.repeats[several] + 1, buyers.spent[several]

    def loss(logs: np.ndarray) -> float:
        p, q, v = np.exp(logs)
        likelihood = gammaln(p * days + q) - gammaln(p * days) - gammaln(q) + q * np.log(v)
        likelihood += (
            (p * days - 1) * np.log(spent) + p * days * np.log(days) - (p * days + q) * np.log(days * spent + v)
        )
        return float(-likelihood.mean())

    mean = float(np.log(spent.mean()))
    start = np.array([np.log(2.0), np.log(3.0), mean + np.log(2.0)])
    # Where everybody always spends the same, the likelihood grows for ever, and what it grows to is noise.
    bounds = [(-8.0, 8.0), (-8.0, 8.0), (mean - 8.0, mean + 8.0)]
    p, q, v = np.exp(minimize(loss, start, method="Nelder-Mead", bounds=bounds, options={"maxiter": 2_000}).x)
    if q <= 1:  # so wide a spread has no mean: each for themselves
        return buyers.spent
    all_days = buyers.repeats + 1
    return p * (v + all_days * buyers.spent) / (p * all_days + q - 1)
