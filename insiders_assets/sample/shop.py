"""The shop: its truth, its months as tables in the layout of UCI 352, its expectation.

Belongs here: putting a month together and giving its numbers names. Does not belong here: what is drawn (lines.py,
dirt.py), files (files.py).
"""

import datetime as dt
import math
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from insiders_assets.errors import MissingMonthError
from insiders_assets.sample.articles import NOTES, make_articles
from insiders_assets.sample.customers import COUNTRIES, expected_invoices, make_customers, truth_table
from insiders_assets.sample.dirt import draw_dirt, forget_descriptions, large_orders
from insiders_assets.sample.lines import (
    CREDIT,
    DEBT,
    INVOICE,
    NO_TEXT,
    OWN_TEXT,
    Lines,
    World,
    apart,
    arrivals,
    draw_purchases,
    draw_returns,
    guest_invoices,
    in_order,
    join,
)
from insiders_assets.sample.parameters import ShopParameters, month_starts
from insiders_assets.sample.rhythm import MINUTES_PER_DAY, make_rhythm, stream

FIRST_INVOICE = 600_001  # above the UCI sets' numbers
RETURNS, CARRIED_RETURNS = 1, 2  # parts of a month, beside those of dirt.py
_PREFIXES = {INVOICE: "", CREDIT: "C", DEBT: "A"}
SCHEMA = pa.schema(
    [
        ("InvoiceNo", pa.string()),
        ("StockCode", pa.string()),
        ("Description", pa.string()),
        ("Quantity", pa.int64()),
        ("InvoiceDate", pa.timestamp("us")),
        ("UnitPrice", pa.float64()),
        ("CustomerID", pa.string()),
        ("Country", pa.string()),
    ]
)


class Shop:
    """A made-up shop. Months can be asked for in any order, or by several processes, and give the same rows.

    A month holds late returns of the month before. They are kept from one call to the next, so that going forward draws
    each month once; any other order draws the month before again. Memory is bounded by one month's lines.
    """

    def __init__(self, parameters: ShopParameters):
        self.parameters = parameters
        rhythm, articles = make_rhythm(parameters), make_articles(parameters)
        self._world = World(parameters, rhythm, articles, make_customers(parameters, rhythm, articles))
        self._ids = pa.array(self._world.customers.ids())
        self._months = month_starts(parameters)
        self._numbers_per_month = self._reserve_numbers()
        self._returns: tuple[dt.date, Lines] | None = None
        last = parameters.last_day
        self._days = len(rhythm.open) if last is None else rhythm.day(last) + 1

    def months(self) -> list[dt.date]:
        """Return the first day of each month, oldest first."""
        return list(self._months)

    def truth(self) -> pa.Table:
        """Return one row per customer, also for those who never buy within the months.

        Columns: customer_id, taste, country, monthly_rate (invoices per month at level 1), expected_ticket (money per
        invoice), expected_monthly_revenue (their product), expected_lines (per invoice), return_tendency (1 on
        average), arrival_date (first purchase; null if never), departure_date (null if still a customer at the end).
        A customer of a large order cancelled minutes later has the taste `mistaken order` and expectations of 0.
        """
        return truth_table(self._world.customers, self._months[0], self._days)

    def month(self, month: dt.date) -> pa.Table:
        """Return the lines of a month in order of time, columns as in `SCHEMA`; `last_day` cuts the last month."""
        self._check(month)
        world, rng = self._world, stream(self.parameters.seed, "dirt", month)
        first, end = world.rhythm.span(month)
        purchases = draw_purchases(world, month)
        returns = draw_returns(world, month, purchases)
        carried = self._returns_before(month)
        self._returns = (month, returns)
        large = large_orders(world, month, self._expected(month, end))
        parts = [purchases, apart(returns, RETURNS), apart(carried, CARRIED_RETURNS), large]
        lines = in_order(join([*parts, *draw_dirt(rng, world, purchases)]))
        lines = lines.take((lines.minute >= first * MINUTES_PER_DAY) & (lines.minute < end * MINUTES_PER_DAY))
        lines = forget_descriptions(rng, lines, self.parameters.dirt.missing_descriptions)
        # Cut last: an incomplete month is the beginning of the complete one.
        return self._named(lines, self._months.index(month)).slice(
            0, int(np.searchsorted(lines.minute, self._days * MINUTES_PER_DAY))
        )

    def expected_revenue(self, month: dt.date, customers: Iterable[str] | None = None) -> float:
        """Return the expectation of a month's gross purchases of identified customers, in the shop's money.

        By construction: rate x level of the month x busyness of the open days as a customer, plus the first purchases
        of those who arrive, each times the expected ticket. Guests, returns, services, tiny prices and large orders
        that are cancelled do not count. `customers` narrows it to these ids, for example a programme's members.
        """
        self._check(month)
        return self._expected(month, self._days, customers)

    def _expected(self, month: dt.date, until: int, customers: Iterable[str] | None = None) -> float:
        known, rhythm = self._world.customers, self._world.rhythm
        first, end = rhythm.span(month)
        invoices = expected_invoices(known, rhythm, month, until)[0]
        invoices = invoices + arrivals(self._world, first, min(end, until))
        wanted = np.ones(len(known), dtype=bool) if customers is None else known.selected(customers)
        return float(invoices[wanted] @ known.ticket[wanted])

    def _check(self, month: dt.date) -> None:
        if month not in self._months:
            raise MissingMonthError(
                f"The sample shop has no month {month}.",
                f"Its months are the first days from {self._months[0]} to {self._months[-1]}.",
            )

    def _returns_before(self, month: dt.date) -> Lines:
        """Return the returns that the purchases of the month before lead to; none before the first month."""
        place = self._months.index(month)
        before = self._months[max(place - 1, 0)]
        kept = self._returns  # read once: another thread may ask for another month meanwhile
        if kept is not None and kept[0] == before and place:
            return kept[1]
        purchases = draw_purchases(self._world, before)
        returns = draw_returns(self._world, before, purchases)
        return returns if place else returns.take(slice(0, 0))

    def _reserve_numbers(self) -> int:
        """Return how many document numbers each month gets: more than it can use, and the same in any order."""
        world, given = self._world, self.parameters
        busiest = max(
            float(world.rhythm.cumulative[span[1]] - world.rhythm.cumulative[span[0]]) * world.rhythm.factor(month)
            for month in self._months
            for span in [world.rhythm.span(month)]
        )
        invoices = float(world.customers.rate.sum()) * busiest + len(world.customers)
        lines = float(world.customers.rate @ world.customers.lines) * busiest + float(world.customers.lines.sum())
        own = guest_invoices(world, lines) + lines * (
            given.dirt.zero_prices + given.dirt.services + given.dirt.bad_debts
        )
        return 1000 * math.ceil(2 * invoices / 1000 + own / 1000 + 1)

    def _named(self, lines: Lines, place: int) -> pa.Table:
        """Give documents their numbers, in order of time, and everything its name."""
        world = self._world
        starts = np.ones(len(lines), dtype=bool)
        starts[1:] = (np.diff(lines.minute) != 0) | (np.diff(lines.document) != 0)
        first = FIRST_INVOICE + place * self._numbers_per_month
        kinds = lines.kind[starts].tolist()
        numbers = pa.array([f"{_PREFIXES[kind]}{first + rank}" for rank, kind in enumerate(kinds)], pa.string())
        stock = pa.array(world.articles.codes)
        texts = pa.array([*world.articles.descriptions, *NOTES])
        note = np.where(lines.text == OWN_TEXT, lines.code, len(world.articles.codes) + lines.text.astype(np.int32))
        epoch = np.datetime64(self._months[0], "us")
        return pa.table(
            [
                numbers.take(_rows(np.cumsum(starts) - 1)),
                stock.take(_rows(lines.code)),
                texts.take(_rows(note, lines.text == NO_TEXT)),
                pa.array(lines.quantity),
                pa.array(epoch + lines.minute.astype("timedelta64[m]").astype("timedelta64[us]")),
                pa.array(lines.price),
                self._ids.take(_rows(lines.customer, lines.customer < 0)),
                pa.array(COUNTRIES).take(_rows(lines.country)),
            ],
            schema=SCHEMA,
        )


def _rows(index: NDArray, missing: NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array(index, mask=missing)
