"""When customers come back: more regularly than by chance, and every month by itself.

Belongs here: the times of repeat purchases. Does not belong here: how often a customer comes (customers.py), first
purchases and guests (lines.py).

A customer's clock runs with the shop's demand and ticks once in `CHANCE` of the gap that is expected. Each tick brings
a purchase with that probability, at a uniform place before the next tick. Whether and where hangs on the customer and
on the number of the tick alone, so a month needs no other month; and as every moment is as likely as any other, the
expectation over any span is exactly rate times demand.

Poisson purchases have both properties too, but come in heaps and holes that real ones do not. In the twelve whole
months of UCI 352 the gaps between a customer's dates have a coefficient of variation of .64 (median over customers with
six dates or more), and the variance of counts over two months is .65 of their expectation, seasons taken out. Poisson
purchases gave .89 and .96; these give .65 and .62.
"""

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from insiders_assets.sample.customers import Customers, expected_invoices
from insiders_assets.sample.rhythm import Rhythm

CHANCE = 0.5
_STEP = np.uint64(0x9E3779B97F4A7C15)
_BITS = 53  # of a float's mantissa


def repeat_purchases(
    customers: Customers, rhythm: Rhythm, month: dt.date
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return customer and day of each purchase of a whole month but the arrivals' first ones, by customer."""
    expected, low, high = expected_invoices(customers, rhythm, month, rhythm.span(month)[1])
    here = np.flatnonzero(expected > 0)
    low, high, key, pace = low[here], high[here], customers.clock[here], customers.rate[here] / CHANCE
    phase = _luck(key, np.zeros(len(here), dtype=np.int64))
    since, until = pace * low + phase, pace * high + phase
    first = np.floor(since).astype(np.int64)
    count = np.floor(until).astype(np.int64) - first + 1
    row = np.repeat(np.arange(len(here)), count)
    tick = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    luck = _luck(key[row], 1 + tick)
    # Below CHANCE there is a purchase, and how far below says where: one number serves both.
    time = tick + luck / CHANCE
    bought = (luck < CHANCE) & (time >= since[row]) & (time < until[row])
    row, time = row[bought], time[bought]
    # Rounding must not move a purchase out of the month or beyond the customer's days.
    demand = np.clip((time - phase[row]) / pace[row], low[row], np.nextafter(high[row], 0))
    return here[row], rhythm.day_at(demand)


def _luck(key: NDArray[np.uint64], number: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the number-th of each key's own uniform numbers (0-1): SplitMix64 (Steele, Lea & Flood 2014), of which any
    number can be had without those before it; pandas has its mixing."""
    from pandas.util import hash_array

    mixed = hash_array(key + number.astype(np.uint64) * _STEP) >> np.uint64(64 - _BITS)
    return mixed.astype(np.float64) * 0.5**_BITS
