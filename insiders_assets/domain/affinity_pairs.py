"""Which pairs of articles are found, and which hold out of time, from counts of customers.

Belongs here: support, lift, the test, the choice. Does not belong here: the counting (:mod:`.affinities`).

Who buys many articles buys any two of them, so across all customers nearly every two articles have a lift above one,
in the later months too, and Fisher's test confirms each. So chance is taken among customers who bought equally many
different articles: within each such group who has the one and who has the other are independent, given how many have
each. Where customers differ in nothing but how much they buy (Rasch 1960) the test is on the safe side.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from insiders_assets.domain.affinities import EARLIER, EVERYBODY, LATER
from insiders_assets.domain.guarantees import holm

if TYPE_CHECKING:
    import pyarrow as pa

FEWEST_MONTHS = 4
# The last quarter of the months tests what the others found: three of thirteen.
PARTS = 4
# Of fewer customers the number itself is not known to within a factor of two (Garwood's 95 % interval of ten: 4.8 to
# 18.4); of a smaller share a list is not worth an action of its own.
FEWEST_WITH_BOTH, LEAST_SUPPORT = 10, 0.01
MOST_PAIRS = 200
ERROR_RATE = 0.05


@dataclass(frozen=True)
class Period:
    """What customers of a period bought, by how many different articles they bought then (K sizes).

    by_kinds: (K,) customers. articles: (N, K) customers of each article. both: (P,) customers of each pair.
    """

    by_kinds: np.ndarray
    articles: np.ndarray
    both: np.ndarray

    @property
    def customers(self) -> int:
        """Who bought anything."""
        return int(self.by_kinds.sum())

    @property
    def of_article(self) -> np.ndarray:
        """Customers of each article (N,)."""
        return self.articles.sum(axis=1)


def period_of(by_kinds: pa.Table, both: np.ndarray, articles: int) -> Period:
    """A period from its rows of :func:`.affinities.by_kinds` and the number of articles."""
    article, kinds, customers = (by_kinds[name].to_numpy() for name in ("article", "kinds", "customers"))
    sizes, places = np.unique(kinds, return_inverse=True)
    # EVERYBODY, -1, is the last row.
    counts = np.zeros((articles + 1, len(sizes)), dtype="int64")
    counts[article, places] = customers
    return Period(counts[EVERYBODY], counts[:EVERYBODY], both)


def later_from(months: Sequence[dt.date]) -> dt.date | None:
    """The first of the later months, from those with sales, in order; None where there are too few."""
    return months[-(len(months) // PARTS)] if len(months) >= FEWEST_MONTHS else None


def by_chance(period: Period, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Customers with both articles of each pair that chance gives, (P,); first, second: articles, from 0."""
    shares = period.articles / np.maximum(period.by_kinds, 1)
    # From all of N by N, which is small: the rows of P pairs would be many times as much.
    return (shares @ period.articles.T)[first, second]


def p_values(period: Period, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Upper bounds (P,) of the probability that chance gives at least so many customers with both.

    Notes
    -----
    Given the margins the number is a sum of hypergeometric ones, each of which is a sum of independent trials, as many
    as the smaller margin (Vatutin and Mikhailov 1982). The tail of such a sum is below that of the binomial with as
    many trials and the same mean, from one above the mean on (Hoeffding 1956); nearer to the mean the bound is 1.
    """
    from scipy.stats import binom

    mean = by_chance(period, first, second)
    trials = np.zeros(len(first))
    for articles in period.articles.T:
        trials += np.minimum(articles[first], articles[second])
    chance = np.divide(mean, trials, out=np.zeros_like(mean), where=trials > 0)
    return np.where(period.both >= mean + 1, binom.sf(period.both - 1, trials, np.minimum(chance, 1)), 1.0)


def found(first: np.ndarray, second: np.ndarray, earlier: Period) -> np.ndarray:
    """Places of the pairs (P,) that are found in the earlier months: with the support that is asked for, and beyond
    chance by Holm over all that have it; at most MOST_PAIRS, most customers beyond chance first."""
    enough = max(FEWEST_WITH_BOTH, LEAST_SUPPORT * earlier.customers)
    (supported,) = np.nonzero(earlier.both >= enough)
    one, other = first[supported], second[supported]
    counted = Period(earlier.by_kinds, earlier.articles, earlier.both[supported])
    beyond = counted.both - by_chance(counted, one, other)
    real = np.asarray(holm(p_values(counted, one, other).tolist())) < ERROR_RATE
    # Rounded, so that equal pairs do not change places by the last bit of a matrix product.
    order = np.lexsort((other, one, -np.round(beyond, 6)))
    return supported[order[real[order]]][:MOST_PAIRS]


def pair_rows(
    articles: Sequence[Mapping[str, Any]], pairs: Mapping[str, np.ndarray], periods: Mapping[str, Period]
) -> list[dict[str, Any]]:
    """Rows of PRODUCT_AFFINITIES, without the month and `later_from`.

    Parameters
    ----------
    articles: stock_code, description (None where it has none), buyers and spent (over the window) of each article, by
        its number.
    pairs: the columns of :func:`.affinities.pairs`, (P,) each. periods: EARLIER and LATER, `both` of all pairs.
    """
    first, second = pairs["first"], pairs["second"]
    places = found(first, second, periods[EARLIER])
    first, second = first[places], second[places]
    kept = {name: Period(one.by_kinds, one.articles, one.both[places]) for name, one in periods.items()}
    alike = {name: _ratio(one.both, by_chance(one, first, second)) for name, one in kept.items()}
    p_holm = holm(p_values(kept[LATER], first, second).tolist())
    rows = []
    customers = kept[EARLIER].customers
    for at, both in enumerate(kept[EARLIER].both.tolist()):
        of_the_pair = {
            "position": at + 1,
            "customers": customers,
            "both_customers": both,
            "support": both / customers,
            "lift": _lift(kept[EARLIER], first, second, at),
            "lift_alike": alike[EARLIER][at],
            "both_later": int(kept[LATER].both[at]),
            "lift_later": _lift(kept[LATER], first, second, at),
            "lift_alike_later": alike[LATER][at],
            "p_holm": p_holm[at],
            "holds": p_holm[at] < ERROR_RATE,
        }
        ways = ((first[at], second[at], "first_then_second"), (second[at], first[at], "second_then_first"))
        for antecedent, consequent, taken in ways:
            have = int(kept[EARLIER].of_article[antecedent])
            sold = articles[consequent]
            rows.append(
                {
                    **of_the_pair,
                    "antecedent": articles[antecedent]["stock_code"],
                    "consequent": sold["stock_code"],
                    "antecedent_description": _readable(articles[antecedent]),
                    "consequent_description": _readable(sold),
                    "antecedent_customers": have,
                    "consequent_customers": int(kept[EARLIER].of_article[consequent]),
                    "confidence": both / have,
                    "uptake_later": _over(pairs[taken][places][at], have - both),
                    "mean_spend": float(sold["spent"]) / sold["buyers"],
                }
            )
    return rows


def _readable(article: Mapping[str, Any]) -> str:
    return " ".join((article["description"] or "").split()) or article["stock_code"]


def _lift(period: Period, first: np.ndarray, second: np.ndarray, at: int) -> float | None:
    alone = int(period.of_article[first[at]]) * int(period.of_article[second[at]])
    return _over(int(period.both[at]) * period.customers, alone)


def _ratio(counts: np.ndarray, means: np.ndarray) -> list[float | None]:
    return [_over(count, mean) for count, mean in zip(counts.tolist(), means.tolist(), strict=True)]


def _over(count: float, base: float) -> float | None:
    return float(count / base) if base > 0 else None
