"""Many customers as few points: the curve of revenue over customers, and an even sample.

Belongs here: what is thinned for a picture without changing what it shows. Does not belong here: drawing it.
"""

from __future__ import annotations

import numpy as np

MOST_POINTS = 300
MOST_CUSTOMERS = 4_000


def revenue_curve(revenues: np.ndarray, points: int = MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Customers from the highest revenue down: share of the customers, and share of revenue that they bring together.

    Parameters
    ----------
    revenues: (n,), of customers. points: at most so many are given, both ends among them.

    Returns
    -------
    Two arrays from 0 to 1; the second is above 1 before its end where somebody returned more than was bought. Empty
    where revenue does not add up to more than zero: there are no shares of nothing. (Lorenz 1905, turned round.)
    """
    revenues = np.asarray(revenues, dtype="float64")
    total = revenues.sum()
    if not total > 0:
        return np.empty(0), np.empty(0)
    shares = np.concatenate([[0.0], np.cumsum(np.sort(revenues)[::-1]) / total])
    kept = spaced(len(shares), points)
    return np.linspace(0, 1, len(shares))[kept], shares[kept]


def spaced(number: int, most: int = MOST_CUSTOMERS) -> np.ndarray:
    """Places of at most so many, evenly spaced among `number` in their order, both ends among them."""
    return np.unique(np.linspace(0, number - 1, most).round().astype(int)) if number else np.empty(0, dtype=int)
