"""The assortment of second-line goods: tastes, articles, service codes and what is written about them.

Belongs here: what can stand on an invoice, with its price, pack and popularity. Does not belong here: who buys it.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from insiders_assets.sample.parameters import ShopParameters
from insiders_assets.sample.rhythm import stream


class Taste(NamedTuple):
    """A kind of customer: levels are multiples of the shop's own, `pieces` the typical pieces per line."""

    name: str
    share: float
    rate: float
    lines: float
    pieces: float
    price: float
    returns: float
    things: tuple[str, ...]


TASTES = (
    Taste("kitchen", 0.24, 1.0, 1.1, 6, 1.0, 1.0, ("MUG", "BOWL", "CAKE TIN", "APRON", "TEAPOT", "JAR")),
    Taste("garden", 0.16, 0.8, 0.8, 5, 1.4, 1.2, ("PLANTER", "WATERING CAN", "LANTERN", "BIRD HOUSE", "PARASOL")),
    Taste("textiles", 0.18, 0.9, 0.7, 3, 2.2, 1.8, ("CUSHION", "THROW", "TOWEL", "CURTAIN", "QUILT COVER")),
    Taste("stationery", 0.2, 1.4, 1.3, 12, 0.5, 0.4, ("NOTEBOOK", "GIFT BAG", "PENCIL SET", "CARD BOX", "RIBBON")),
    Taste("toys", 0.14, 0.9, 1.0, 4, 1.2, 0.9, ("PUZZLE", "SKITTLES", "DOLL HOUSE", "SPINNING TOP", "KITE")),
    Taste("resale", 0.08, 1.6, 1.6, 20, 0.9, 0.7, ("DISPLAY STAND", "MIXED CARTON", "BASKET", "HOOK", "CANDLE")),
)
OWN_TASTE = 0.8  # share of a customer's lines from the articles of the own taste; the others from the whole shop
_QUALITY = ("SECOND CHOICE", "END OF LINE", "EX DISPLAY", "B-STOCK", "LAST SEASON")
_LOOK = ("RED", "BLUE", "IVORY", "RETROSPOT", "VINTAGE", "ENAMEL", "WOODEN", "STRIPED", "GLASS", "ZINC")
_NOISE = (' 7"', ", SET OF 3", " CAFÉ", ' "HOME"', " £1 RANGE", " + LID, BOXED", "  ", " À LA MODE")
_PACKS = ((1.0, 12), (3.0, 6), (8.0, 2))  # pieces per pack below a price; dearer articles are sold singly


class Service(NamedTuple):
    """A code that is no article. On: `invoice` joins a purchase, `credit` gets a credit note of its own."""

    code: str
    description: str
    weight: float
    price: float
    on: str
    buyer: str


SERVICES = (
    Service("POST", "POSTAGE", 0.42, 18.0, "invoice", "customer"),
    Service("DOT", "DOTCOM POSTAGE", 0.22, 60.0, "invoice", "guest"),
    Service("M", "Manual", 0.16, 8.0, "invoice", "customer"),
    Service("D", "Discount", 0.05, 12.0, "credit", "customer"),
    Service("S", "SAMPLES", 0.04, 20.0, "credit", "nobody"),
    Service("BANK CHARGES", "Bank Charges", 0.03, 15.0, "credit", "nobody"),
    Service("AMAZONFEE", "AMAZON FEE", 0.03, 90.0, "credit", "nobody"),
    Service("CRUK", "CRUK Commission", 0.03, 30.0, "credit", "customer"),
    Service("PADS", "PADS TO MATCH ALL CUSHIONS", 0.02, 0.001, "invoice", "customer"),
)
BAD_DEBT = ("B", "Adjust bad debt")
NOTES = ("damaged", "?", "check", "wrongly coded", "lost, or found?", "smashed/Ébréché", 'sold as set "dotcom"')


@dataclass(frozen=True)
class Articles:
    """The catalogue: n articles, then the service codes, then the bad-debt code.

    codes, descriptions: all rows. prices, packs, taste: (n,) money, pieces, row of TASTES. popularity: (tastes + 1, n)
    probability of each article on a line of each taste; the last row is the guests'.
    """

    codes: list[str]
    descriptions: list[str]
    prices: NDArray[np.float64]
    packs: NDArray[np.int64]
    popularity: NDArray[np.float64]

    @functools.cached_property
    def _ladder(self) -> NDArray[np.float64]:
        """Cumulative popularity of taste k in [k, k + 1], one after the other, so that one search serves all."""
        cumulative = np.cumsum(self.popularity, axis=1)
        cumulative /= cumulative[:, -1:]
        return (cumulative + np.arange(len(cumulative))[:, None]).ravel()

    def pick(self, taste: NDArray[np.int64], chance: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the article at quantile `chance` (0-1) of each taste's popularity."""
        n = len(self.prices)
        found = np.searchsorted(self._ladder, taste + chance, side="right")
        return np.minimum(found, (taste + 1) * n - 1) % n

    def expected_amount(self, taste: NDArray[np.int64], pieces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected money of one line of a customer who takes `pieces` on average, but at least one pack."""
        amount = np.zeros(len(taste))
        for pack in np.unique(self.packs):
            per_piece = (self.popularity * (self.prices * (self.packs == pack))).sum(axis=1)
            amount += per_piece[taste] * np.maximum(pieces, pack)
        return amount

    @property
    def first_service(self) -> int:
        """Catalogue row of the first service code."""
        return len(self.prices)

    @property
    def bad_debt(self) -> int:
        """Catalogue row of the bad-debt code."""
        return len(self.codes) - 1


def make_articles(parameters: ShopParameters) -> Articles:
    """Draw the assortment: log-normal prices by taste ending in 5, packs by price, log-normal popularity."""
    rng = stream(parameters.seed, "articles")
    n = parameters.articles
    taste = rng.permutation(np.arange(n) % len(TASTES))
    level = np.array([each.price for each in TASTES])[taste]
    prices = np.round(np.maximum(np.round(2.0 * level * rng.lognormal(0, 0.7, n), 1), 0.1) + 0.05, 2)
    packs = np.select([prices < limit for limit, _ in _PACKS], [pack for _, pack in _PACKS], 1)
    numbers = 20000 + np.cumsum(rng.integers(1, 9, n))
    letters = rng.choice(list("ABCDEFGHKLMNPRSW"), n)
    codes = [
        f"{number}{letter}" if variant else str(number)
        for number, letter, variant in zip(numbers, letters, rng.random(n) < 0.2, strict=True)
    ]
    descriptions = _describe(rng, taste, parameters.dirt.noisy_descriptions)
    return Articles(
        codes=[*codes, *(service.code for service in SERVICES), BAD_DEBT[0]],
        descriptions=[*descriptions, *(service.description for service in SERVICES), BAD_DEBT[1]],
        prices=prices,
        packs=packs.astype(np.int64),
        popularity=_popularity(rng.lognormal(0, 0.9, n), taste),
    )


def _popularity(weight: NDArray[np.float64], taste: NDArray[np.int64]) -> NDArray[np.float64]:
    everybody = weight / weight.sum()
    rows = []
    for k in range(len(TASTES)):
        own = np.where(taste == k, weight, 0.0)
        rows.append(OWN_TASTE * own / own.sum() + (1 - OWN_TASTE) * everybody)
    return np.vstack([*rows, everybody])


def _describe(rng: np.random.Generator, taste: NDArray[np.int64], noisy: float) -> list[str]:
    words = rng.random((len(taste), 4))
    noise = rng.random(len(taste)) < noisy
    lines = []
    for k, (quality, look, thing, extra), spoiled in zip(taste, words, noise, strict=True):
        things = TASTES[k].things
        text = f"{_pick(_QUALITY, quality)} {_pick(_LOOK, look)} {_pick(things, thing)}"
        lines.append(text + _pick(_NOISE, extra) if spoiled else text)
    return lines


def _pick(choices: tuple[str, ...], chance: float) -> str:
    return choices[int(chance * len(choices))]
