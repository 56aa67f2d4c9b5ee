"""The customers and the truth about them: taste, rate, ticket, arrival and departure.

Belongs here: who they are and what is expected of them, without noise. Does not belong here: what they then did.

The heterogeneity of a Pareto/NBD shop (Schmittlein, Morrison & Colombo 1987): while a customer belongs to the shop,
purchases come at a rate of their own (timing.py), rates are gamma over customers, lifetimes are exponential with gamma
rates, that is Lomax. The shop starts in its steady state, so that a trend comes from the parameters and not from a
population that fills up. Quantiles are drawn stratified (each customer has a stratum of equal probability): the heavy
tail is the same for every seed, only its owners change.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri

from insiders_assets.sample.articles import TASTES, Articles
from insiders_assets.sample.parameters import ShopParameters
from insiders_assets.sample.rhythm import DAYS_PER_MONTH, Rhythm, stream

FIRST_CUSTOMER_ID = 20000  # above every id of the UCI sets, so that both can stand in one warehouse
COUNTRIES = (
    "United Kingdom",
    "Germany",
    "France",
    "EIRE",
    "Spain",
    "Netherlands",
    "Belgium",
    "Switzerland",
    "European Community",
    "Unspecified",
)
_COUNTRY_SHARES = (0.914, 0.024, 0.022, 0.016, 0.008, 0.006, 0.005, 0.005)
MISTAKEN = "mistaken order"  # stands as taste of the customers who exist for a large order cancelled minutes later
_LOMAX_SHAPE = 3.0
_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Customers:
    """Columns of equal length, one entry per customer; days as numbers of `Rhythm`, rates per month, money.

    taste: row of TASTES, -1 for a mistaken order. lines, pieces: means per invoice and per line. returns: tendency, 1
    on average over lines. arrival: day of the first purchase, negative before the shop's months. departure: last day.
    clock: 64 random bits, from which the times of the other purchases come.
    """

    taste: NDArray[np.int64]
    country: NDArray[np.int64]
    rate: NDArray[np.float64]
    lines: NDArray[np.float64]
    pieces: NDArray[np.float64]
    ticket: NDArray[np.float64]
    returns: NDArray[np.float64]
    arrival: NDArray[np.int64]
    departure: NDArray[np.int64]
    clock: NDArray[np.uint64]

    def __len__(self) -> int:
        """Return the number of customers, those of mistaken orders included."""
        return len(self.taste)

    def ids(self) -> list[str]:
        """Return the customers' ids, digits from 20000 on."""
        return [str(FIRST_CUSTOMER_ID + number) for number in range(len(self))]

    def selected(self, ids: Iterable[str]) -> NDArray[np.bool_]:
        """Return which customers have one of the ids; ids of other shops select nobody."""
        chosen = np.zeros(len(self), dtype=bool)
        numbers = [int(each) - FIRST_CUSTOMER_ID for each in ids if each.isdecimal()]
        chosen[[number for number in numbers if 0 <= number < len(self)]] = True
        return chosen


def make_customers(parameters: ShopParameters, rhythm: Rhythm, articles: Articles) -> Customers:
    """Draw everybody who ever belongs to the shop; the last `large_orders` of them exist for a mistaken order."""
    rng = stream(parameters.seed, "customers")
    n = parameters.customers
    once = rng.permutation(n) < round(_share_buying_once(parameters, len(rhythm.open)) * n)
    value = _evenly_spread(rng, n, 4)
    taste = np.searchsorted(np.cumsum([each.share for each in TASTES])[:-1], value[3], side="right")
    of = {
        name: np.array([getattr(each, name) for each in TASTES], dtype=float)[taste]
        for name in ("rate", "lines", "pieces", "returns")
    }
    shape = parameters.rate_shape
    heterogeneity = gammaincinv(shape, value[0]) / shape
    rate = np.where(once, 0.0, parameters.invoices_per_month * _centred(of["rate"]) * heterogeneity)
    # Half of the variance of the ticket's level is in the number of lines, half in the pieces of a line.
    half = parameters.ticket_spread / np.sqrt(2)
    size = np.exp(half * ndtri(value[1]) - half**2 / 2)
    lines = 1 + (parameters.lines_per_invoice - 1) * _centred(of["lines"]) * size
    pieces = np.maximum(of["pieces"] * np.exp(half * ndtri(value[2])), 1.0)
    arrival, departure = _lives(rng, parameters, rhythm, once)
    ends = np.array([0, len(rhythm.open)])
    months_here = (np.clip(departure, *ends) - np.clip(arrival, *ends)) / DAYS_PER_MONTH
    volume = lines * (rate * months_here + (arrival >= 0))
    drawn = Customers(
        taste=taste.astype(np.int64),
        country=_countries(rng, volume, parameters.dirt.doubtful_countries),
        rate=rate,
        lines=lines,
        pieces=pieces,
        ticket=lines * articles.expected_amount(taste, pieces),
        returns=of["returns"] / np.average(of["returns"], weights=lines * (rate + 1e-9)),
        arrival=arrival,
        departure=departure,
        clock=stream(parameters.seed, "timing").integers(2**64, size=n, dtype=np.uint64),
    )
    return _with_mistaken(drawn, parameters, rhythm)


def expected_invoices(
    customers: Customers, rhythm: Rhythm, month: dt.date, until: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return what a month is expected to bring, up to day number `until` (exclusive).

    Returns
    -------
    expected: (customers,) repeat purchases, the arrival's own purchase not counted.
    low, high: (customers,) cumulative demand between which these purchases fall.
    """
    first, end = rhythm.span(month)
    end = min(end, until)
    start = np.clip(customers.arrival + 1, first, end)
    stop = np.clip(customers.departure + 1, start, end)
    low, high = rhythm.demand[start], rhythm.demand[stop]
    return customers.rate * (high - low), low, high


def truth_table(customers: Customers, first_month: dt.date, days: int) -> pa.Table:
    """Return one row per customer; arrival and departure are null where they do not fall before the shop's end."""

    def dates(numbers: NDArray[np.int64]) -> pa.Array:
        offset = np.datetime64(first_month, "D") + np.where(numbers < days, numbers, 0)
        return pa.array(offset, mask=numbers >= days)

    names = np.array([*(each.name for each in TASTES), MISTAKEN])
    countries = np.array(COUNTRIES)
    return pa.table(
        {
            "customer_id": pa.array(customers.ids()),
            "taste": pa.array(names[customers.taste].tolist()),
            "country": pa.array(countries[customers.country].tolist()),
            "monthly_rate": customers.rate,
            "expected_ticket": customers.ticket,
            "expected_monthly_revenue": customers.rate * customers.ticket,
            "expected_lines": customers.lines,
            "return_tendency": customers.returns,
            "arrival_date": dates(customers.arrival),
            "departure_date": dates(customers.departure),
        }
    )


def _stratified(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return (rng.permutation(n) + rng.uniform(0.01, 0.99, n)) / n


def _evenly_spread(rng: np.random.Generator, n: int, dimensions: int) -> NDArray[np.float64]:
    """Return (dimensions, n) uniform numbers, even in all dimensions together: a shifted additive recurrence.

    Steps are powers of the generalised golden ratio (Roberts 2018). Independent draws would leave to chance whether one
    customer is both frequent and large, and with it whether he brings 3 % or 20 % of a small shop's revenue.
    """
    golden = 2.0
    for _ in range(40):
        golden = (1 + golden) ** (1 / (dimensions + 1))
    steps = golden ** -np.arange(1.0, dimensions + 1)
    points = (rng.random((dimensions, 1)) + steps[:, None] * rng.permutation(n)) % 1
    return np.clip(points, 1e-9, 1 - 1e-9)


def _centred(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    return levels / np.average([1.0] if not len(levels) else levels)


def _share_buying_once(parameters: ShopParameters, days: int) -> float:
    """Return the share of everybody who ever belongs to the shop, from the share of those who arrive.

    Who buys once arrives within the shop's days; of the others, some are there already.
    """
    arriving = _arriving_later(parameters, days)
    once, back = parameters.one_time_share * arriving, 1 - parameters.one_time_share
    return once / (once + back)


def _arriving_later(parameters: ShopParameters, days: int) -> float:
    """Return the share of those who come back that is not there yet on the first day, in a steady state."""
    return days / (parameters.lifetime_months * DAYS_PER_MONTH + days)


def _lives(
    rng: np.random.Generator, parameters: ShopParameters, rhythm: Rhythm, once: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw first and last days. Age and rest of an established customer's life are Lomax with one shape less."""
    n, days = len(once), len(rhythm.open)
    mean = parameters.lifetime_months * DAYS_PER_MONTH
    established = ~once & (_stratified(rng, n) < 1 - _arriving_later(parameters, days))
    shape = np.where(established, _LOMAX_SHAPE - 1, _LOMAX_SHAPE)
    scale = mean * (_LOMAX_SHAPE - 1)
    life = scale * (_stratified(rng, n) ** (-1 / shape) - 1)
    age = scale * (_stratified(rng, n) ** (-1 / shape) - 1)
    goal = _stratified(rng, n) * rhythm.demand[-1]
    opened = rhythm.day_at(goal) if rhythm.demand[-1] > 0 else np.full(n, _NEVER)
    arrival = np.where(established, -1 - np.minimum(age, 36500).astype(np.int64), opened)
    departure = np.where(established, 0, arrival) + np.minimum(np.where(once, 0, life), 36500).astype(np.int64)
    return arrival.astype(np.int64), departure.astype(np.int64)


def _countries(rng: np.random.Generator, volume: NDArray[np.float64], doubtful: float) -> NDArray[np.int64]:
    """Draw countries; doubtful ones go to customers of average volume, so that their share of the lines is no luck."""
    n = len(volume)
    share = np.cumsum(_COUNTRY_SHARES) / np.sum(_COUNTRY_SHARES)
    country = np.searchsorted(share[:-1], _stratified(rng, n), side="right").astype(np.int64)
    pairs = max(1, round(doubtful * n / 2)) if doubtful > 0 and n >= 50 else 0
    country[np.argsort(np.abs(volume - volume.mean()), kind="stable")[: 2 * pairs]] = np.arange(2 * pairs) % 2 + len(
        _COUNTRY_SHARES
    )
    return country


def _with_mistaken(drawn: Customers, parameters: ShopParameters, rhythm: Rhythm) -> Customers:
    """Append one customer per large order, who comes on an open day in the middle of the shop's months."""
    opened = np.flatnonzero(rhythm.open)
    count = parameters.dirt.large_orders if len(opened) else 0
    if not count:
        return drawn
    rng = stream(parameters.seed, "large_orders")
    days = opened[(rng.uniform(0.3, 0.7, count) * len(opened)).astype(np.int64)]
    zeros, ones = np.zeros(count), np.ones(count)
    extra = {
        "taste": np.full(count, -1),
        "country": np.zeros(count, dtype=np.int64),
        "rate": zeros,
        "lines": ones,
        "pieces": ones,
        "ticket": zeros,
        "returns": zeros,
        "arrival": days,
        "departure": days,
        "clock": np.zeros(count, dtype=np.uint64),
    }
    return Customers(**{name: np.concatenate([getattr(drawn, name), more]) for name, more in extra.items()})
