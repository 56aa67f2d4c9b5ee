"""The dirt of a month: lines that a real shop's files hold beside its honest business.

Belongs here: lines added to a month, each kind in a function of its own that takes the month's purchases. Does not
belong here: dirt that only a file can hold (files.py), returns of purchases (lines.py).
"""

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from insiders_assets.sample.articles import NOTES, SERVICES, Service
from insiders_assets.sample.lines import CREDIT, DEBT, INVOICE, NO_TEXT, OWN_TEXT, Lines, World, apart, join
from insiders_assets.sample.rhythm import CLOSING, MINUTES_PER_DAY

LARGE_ORDER_SHARE = 0.25  # of its month's expected revenue
CANCELLED_AFTER = 12  # minutes
BAD_DEBTS, ZERO_PRICES, LARGE_ORDERS, FIRST_SERVICE = 3, 4, 5, 6  # parts of a month; 1 and 2 are the returns
_TINY_PRICES = (0.001, 0.01, 0.02, 0.03)


def draw_dirt(rng: np.random.Generator, world: World, purchases: Lines) -> list[Lines]:
    """Return the added lines of a month, kind by kind; none where nothing was sold."""
    if not len(purchases):
        return []
    return [
        _tiny_prices(rng, world, purchases),
        apart(_bad_debts(rng, world, purchases), BAD_DEBTS),
        apart(_zero_prices(rng, world, purchases), ZERO_PRICES),
        *(_service(rng, world, purchases, row) for row in range(len(SERVICES))),
    ]


def large_orders(world: World, month: dt.date, expected_revenue: float) -> Lines:
    """Return the large orders of a month and their cancellations, for the customers who exist for them."""
    known = world.customers
    first, end = world.rhythm.span(month)
    who = np.flatnonzero((known.taste < 0) & (known.arrival >= first) & (known.arrival < end))
    article = int(np.argmax(world.articles.packs))
    price = world.articles.prices[article]
    pieces = max(1000, int(LARGE_ORDER_SHARE * expected_revenue / price))
    minute = known.arrival[who] * MINUTES_PER_DAY + 9 * 60 + np.arange(len(who)) % (CLOSING - 10 * 60)
    order = _blank(len(who)).with_columns(
        minute=minute, document=2 * np.arange(len(who)), customer=who, code=article, quantity=pieces, price=price
    )
    cancelled = order.with_columns(
        minute=minute + CANCELLED_AFTER, document=order.document + 1, kind=CREDIT, quantity=-pieces
    )
    return apart(join([order, cancelled]), LARGE_ORDERS)


def forget_descriptions(rng: np.random.Generator, lines: Lines, share: float) -> Lines:
    """Leave the description of a share of the lines empty."""
    return lines.with_columns(text=np.where(rng.random(len(lines)) < share, NO_TEXT, lines.text))


def _blank(count: int) -> Lines:
    """Return lines of nobody, at home, with the article's own text; what matters is filled in by the caller."""
    whole = np.zeros(count, dtype=np.int64)
    return Lines(
        minute=whole,
        document=np.arange(count),
        kind=np.full(count, INVOICE, dtype=np.int8),
        customer=np.full(count, -1, dtype=np.int32),
        country=whole.astype(np.int8),
        code=whole.astype(np.int32),
        text=np.full(count, OWN_TEXT, dtype=np.int8),
        quantity=whole,
        price=np.zeros(count),
    )


def _hosts(rng: np.random.Generator, purchases: Lines, buyer: str, share: float) -> Lines:
    """Return Poisson many purchase lines, `share` of all on average, of customers, guests or anybody ("nobody")."""
    rows: NDArray[np.int64] = np.arange(len(purchases))
    if buyer != "nobody":
        rows = np.flatnonzero((purchases.customer < 0) == (buyer == "guest"))
    count = rng.poisson(share * len(purchases)) if len(rows) else 0
    return purchases.take(rng.choice(rows, count)) if count else _blank(0)


def _service(rng: np.random.Generator, world: World, purchases: Lines, row: int) -> Lines:
    """Postage and the like on an invoice; discounts, fees and samples on a credit note of their own."""
    service: Service = SERVICES[row]
    hosts = _hosts(rng, purchases, service.buyer, world.parameters.dirt.services * service.weight)
    price = service.price if service.price < 0.01 else np.round(service.price * rng.lognormal(0, 0.5, len(hosts)), 2)
    lines = hosts.with_columns(code=world.articles.first_service + row, price=price, quantity=1, text=OWN_TEXT)
    if service.on == "invoice":
        return lines
    lines = apart(lines.with_columns(kind=CREDIT, quantity=-1, document=np.arange(len(lines))), FIRST_SERVICE + row)
    return lines.with_columns(customer=-1, country=0) if service.buyer == "nobody" else lines


def _bad_debts(rng: np.random.Generator, world: World, purchases: Lines) -> Lines:
    lines = _hosts(rng, purchases, "nobody", world.parameters.dirt.bad_debts)
    return lines.with_columns(
        document=np.arange(len(lines)),
        kind=DEBT,
        customer=-1,
        country=0,
        code=world.articles.bad_debt,
        quantity=1,
        price=-np.round(2000 * rng.lognormal(0, 0.8, len(lines)), 2),
    )


def _zero_prices(rng: np.random.Generator, world: World, purchases: Lines) -> Lines:
    """Stock adjustments at price 0 with a scribbled note, mostly taking pieces away, on invoices of their own."""
    lines = _hosts(rng, purchases, "nobody", world.parameters.dirt.zero_prices)
    sign = np.where(rng.random(len(lines)) < 0.6, -1, 1)
    return lines.with_columns(
        document=np.arange(len(lines)),
        customer=-1,
        country=0,
        price=0.0,
        quantity=sign * rng.geometric(1 / 30, len(lines)),
        text=rng.integers(0, len(NOTES), len(lines)),
    )


def _tiny_prices(rng: np.random.Generator, world: World, purchases: Lines) -> Lines:
    """Lines with a symbolic price beside the honest lines of an invoice."""
    lines = _hosts(rng, purchases, "nobody", world.parameters.dirt.tiny_prices)
    return lines.with_columns(price=rng.choice(_TINY_PRICES, len(lines)), text=OWN_TEXT)
