"""Invoice lines of one month as columns of numbers: purchases, and the returns that they lead to.

Belongs here: the honest business of the shop. Does not belong here: dirt (dirt.py), names and texts (shop.py).
"""

import dataclasses
import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from insiders_assets.sample.articles import TASTES, Articles
from insiders_assets.sample.customers import Customers, expected_invoices
from insiders_assets.sample.parameters import ShopParameters
from insiders_assets.sample.rhythm import MINUTES_PER_DAY, Rhythm, draw_minutes, stream
from insiders_assets.sample.timing import repeat_purchases

INVOICE, CREDIT, DEBT = 0, 1, 2  # kinds of document; the prefixes of their numbers are "", "C" and "A"
OWN_TEXT, NO_TEXT = -1, -2  # values of Lines.text; from 0 on it is a row of NOTES
_PART_BITS, _DOCUMENT_BITS = 28, 32  # of a document's number: within its part, with its part
# Shape of the negative binomial of an invoice's lines beyond the first. Over a customer's invoices (five or more) the
# lines, pieces and money have coefficients of variation of .66, .71 and .62 in UCI 352. A geometric number of lines
# (shape 1) gave .86, .89 and .96; this gives .67, .71 and .79: prices still differ more than there.
_SIZE_SHAPE = 2.0
_RETURNED_LINES = 0.3  # share of an invoice's lines that come back once anything does
_MEAN_DELAY, _LONGEST_DELAY = 9.0, 27  # days from purchase to return


@dataclass(frozen=True)
class World:
    """All that stays the same from month to month."""

    parameters: ShopParameters
    rhythm: Rhythm
    articles: Articles
    customers: Customers


@dataclass(frozen=True)
class Lines:
    """Columns of equal length, one entry per line.

    minute: since the start of the shop's first month. document: tells documents of one minute apart. kind: INVOICE,
    CREDIT or DEBT. customer: number or -1 for nobody. country: row of COUNTRIES. code: row of the catalogue. text:
    OWN_TEXT, NO_TEXT or a row of NOTES. quantity: pieces. price: money per piece.
    """

    minute: NDArray[np.int64]
    document: NDArray[np.int64]
    kind: NDArray[np.int8]
    customer: NDArray[np.int32]
    country: NDArray[np.int8]
    code: NDArray[np.int32]
    text: NDArray[np.int8]
    quantity: NDArray[np.int64]
    price: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.minute)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Lines":
        """Return the chosen rows."""
        return Lines(**{name: column[rows] for name, column in self.columns().items()})

    def with_columns(self, **columns: object) -> "Lines":
        """Replace columns; a single value stands for all lines."""
        old = self.columns()
        return Lines(
            **(
                old
                | {
                    name: np.broadcast_to(np.asarray(value, dtype=old[name].dtype), len(self))
                    for name, value in columns.items()
                }
            )
        )

    def columns(self) -> dict[str, NDArray]:
        """Return the columns by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def join(parts: list[Lines]) -> Lines:
    """Return the parts one after the other."""
    return Lines(**{name: np.concatenate([part.columns()[name] for part in parts]) for name in parts[0].columns()})


def apart(lines: Lines, part: int) -> Lines:
    """Number the documents of a part (1 to 15) so that they are not taken for documents of another; purchases are 0."""
    return lines.with_columns(document=lines.document + (part << _PART_BITS))


def in_order(lines: Lines) -> Lines:
    """Sort by minute and document; lines of one document keep their order."""
    return lines.take(np.argsort((lines.minute << _DOCUMENT_BITS) | lines.document, kind="stable"))


def draw_purchases(world: World, month: dt.date) -> Lines:
    """Draw all invoices of one whole month, guests included, in order of time."""
    rng = stream(world.parameters.seed, "purchases", month)
    customer, day = _draw_invoices(rng, world, month)
    minute = day * MINUTES_PER_DAY + draw_minutes(rng, len(day))
    order = np.argsort(minute, kind="stable")
    customer, minute = customer[order], minute[order]
    guest = customer < 0
    known = world.customers
    taste = np.where(guest, len(TASTES), known.taste[customer])
    pieces = np.where(guest, 3.0, known.pieces[customer])
    further = np.where(guest, guest_lines(world.parameters), known.lines[customer]) - 1
    size = 1 + rng.negative_binomial(_SIZE_SHAPE, _SIZE_SHAPE / (_SIZE_SHAPE + further))
    document = np.repeat(np.arange(len(size)), size)
    place = np.arange(len(document)) - np.repeat(np.cumsum(size) - size, size)
    # Systematic sampling: an invoice spreads over the popularity scale, so an article seldom comes twice by accident.
    chance = rng.random(len(size))[document] + (place + rng.random(len(document))) / size[document]
    code = world.articles.pick(taste[document], chance % 1)
    pack = world.articles.packs[code]
    quantity = pack * rng.geometric(pack / np.maximum(pieces[document], pack))
    country = np.where(guest, 0, known.country[customer])
    source = _repeats(rng, place, code, quantity, world.parameters.dirt.duplicates)
    return Lines(
        minute=minute[document],
        document=document,
        kind=np.full(len(document), INVOICE, dtype=np.int8),
        customer=customer[document].astype(np.int32),
        country=country[document].astype(np.int8),
        code=code[source].astype(np.int32),
        text=np.full(len(document), OWN_TEXT, dtype=np.int8),
        quantity=quantity[source],
        price=world.articles.prices[code[source]],
    )


def draw_returns(world: World, month: dt.date, purchases: Lines) -> Lines:
    """Draw what comes back of one month's purchases, on later open days: some lines of some invoices, in part or whole.

    A return that would fall later than the end of the next month does not happen, so that a month needs to look back no
    further than the month before it.
    """
    rng = stream(world.parameters.seed, "returns", month)
    dirt = world.parameters.dirt
    documents = int(purchases.document[-1]) + 1 if len(purchases) else 0
    luck, delay, time = rng.random(documents), rng.exponential(_MEAN_DELAY, documents), draw_minutes(rng, documents)
    wanted = dirt.credit_notes / (1 - dirt.guests) / (1 - dirt.credit_notes) / _RETURNED_LINES
    customer = purchases.customer
    tendency = np.where(customer < 0, 0.0, world.customers.returns[customer])
    chosen = luck[purchases.document] < wanted * tendency
    rows = np.flatnonzero(chosen)
    back = purchases.take(rows[rng.random(len(rows)) < _RETURNED_LINES])
    later = 1 + np.minimum(delay[back.document].astype(np.int64), _LONGEST_DELAY - 1)
    day = world.rhythm.next_open_day(back.minute // MINUTES_PER_DAY + later)
    back = back.with_columns(
        minute=day * MINUTES_PER_DAY + time[back.document],
        kind=CREDIT,
        quantity=-np.ceil(rng.random(len(back)) * back.quantity).astype(np.int64),
    )
    return in_order(back.take(back.quantity < 0))


def guest_lines(parameters: ShopParameters) -> float:
    """Return the mean lines of a guest invoice: in UCI 352 these are collective invoices, longer than others."""
    return 2 * parameters.lines_per_invoice


def guest_invoices(world: World, identified_lines: float) -> float:
    """Return the expected number of guests' invoices beside that many lines of customers."""
    share = world.parameters.dirt.guests
    return identified_lines * share / (1 - share) / guest_lines(world.parameters)


def arrivals(world: World, first: int, end: int) -> NDArray[np.bool_]:
    """Return which customers make their first purchase on the days [first, end)."""
    known = world.customers
    return (known.arrival >= first) & (known.arrival < end) & (known.taste >= 0)


def _draw_invoices(
    rng: np.random.Generator, world: World, month: dt.date
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw customer (-1 for guests) and day of each invoice of a month, in no order."""
    rhythm, known = world.rhythm, world.customers
    first, end = rhythm.span(month)
    expected = expected_invoices(known, rhythm, month, end)[0]
    new = np.flatnonzero(arrivals(world, first, end))
    guests = rng.poisson(guest_invoices(world, expected @ known.lines + known.lines[new].sum()))
    opening, closing = rhythm.demand[first], rhythm.demand[end]
    guests = guests if closing > opening else 0
    # The last demand belongs to the day before: rounding up to it would open the shop on a day too late.
    reached = np.minimum(opening + rng.random(guests) * (closing - opening), np.nextafter(closing, 0))
    buyers, days = repeat_purchases(known, rhythm, month)
    customer = np.concatenate([buyers, np.full(guests, -1), new])
    return customer, np.concatenate([days, rhythm.day_at(reached), known.arrival[new]])


def _repeats(
    rng: np.random.Generator,
    place: NDArray[np.int64],
    code: NDArray[np.int64],
    quantity: NDArray[np.int64],
    share: float,
) -> NDArray[np.int64]:
    """Return for each line the line it copies: itself, or the one before on its invoice.

    `share` of all lines become repeats, those that came by chance counted. A copy stands instead of a line, so that
    expected lines and money stay what they were.
    """
    rows = np.arange(len(place))
    followers = place > 0
    by_chance = followers & (code == code[rows - 1]) & (quantity == quantity[rows - 1])
    wanted = share * len(place) - by_chance.sum()
    return rows - (followers & (rng.random(len(place)) < wanted / max(int(followers.sum()), 1)))
