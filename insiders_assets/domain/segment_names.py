"""What a segment is called: its name at birth, its profile of a month, what became of it.

Belongs here: words, and which of them tell a group from the rest. Does not belong here: which segment is which from
month to month (:mod:`.segments`). A name is a handle and stays; the profile says what is true of the month.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from insiders_assets.contracts.segments import NOT_CLUSTERABLE_ID, NOT_SEGMENTED_ID
from insiders_assets.domain.messages import AND, COMMA, SEMICOLON, Message, Numeral, joined, say
from insiders_assets.domain.scaling import signed_log

# Cohen (1988): a standardised difference under 0.2 is not even small.
LEAST_TO_TELL = 0.2
TRAITS_OF_A_NAME = 2
# With one trait more or two a name can still be read; beyond, a number is the better handle.
MOST_TRAITS = 4


@dataclass(frozen=True)
class Trait:
    """How a feature that is higher or lower than usual is told.

    aspect: features of one aspect say much the same of a customer, so a name begins with traits of different aspects.
    unit: written with a value; a share (0 to 1) is written as a percentage.
    """

    aspect: str
    more: Message
    less: Message
    unit: str = ""


DAYS, PER_DAY, SHARE = "days", "per day", "share"
_VOLUME, _ABSENCE, _PACE, _ORDER, _RETURNS = "volume", "absence", "pace", "order", "returns"
# Whoever buys much returns much: of itself that tells the less of the two, so a name does not begin with it.
_BY_THE_WAY = frozenset({"number_returns", "monetary_returns"})
# In the order in which equally telling traits are told.
TRAITS: Mapping[str, Trait] = {
    "items_purchased": Trait(_VOLUME, say("many items"), say("few items")),
    "purchases": Trait(_VOLUME, say("many purchases"), say("few purchases")),
    # The feature counts lines of invoices, a product once for every invoice that has it.
    "unique_products_purchased": Trait(_VOLUME, say("wide range"), say("narrow range")),
    "recency_days": Trait(_ABSENCE, say("away for long"), say("bought recently"), DAYS),
    "avg_ticket": Trait(
        _ORDER,
        say("high spend per order"),
        say("low spend per order"),
    ),
    "avg_basket_size": Trait(_ORDER, say("large baskets"), say("small baskets")),
    "unique_avg_basket": Trait(_ORDER, say("varied baskets"), say("baskets of few products")),
    "avg_recency_days": Trait(
        _PACE,
        say("long gaps between visits"),
        say("short gaps between visits"),
        DAYS,
    ),
    # Purchases per day from the first to the last: high, too, for two orders within a week and none after.
    "frequency": Trait(
        _PACE,
        say("orders in quick succession"),
        say("orders spread out"),
        PER_DAY,
    ),
    "number_returns": Trait(_RETURNS, say("many returns"), say("few returns")),
    "monetary_returns": Trait(
        _RETURNS,
        say("sizeable returns"),
        say("negligible returns"),
    ),
    "returns_ratio": Trait(
        _RETURNS,
        say("high share returned"),
        say("low share returned"),
        SHARE,
    ),
}
TOP, HIGH, MIDDLE, LOW = (
    say("Top value"),
    say("High value"),
    say("Middle value"),
    say("Low value"),
)
TYPICAL = say("typical customers")
NAMES_OF_OTHERS = {
    NOT_CLUSTERABLE_ID: say("Seen on one day only"),
    NOT_SEGMENTED_ID: say("Not segmented: too few, or all alike"),
}
PROFILE_OF_NOT_CLUSTERABLE = say(
    "Customers with fewer than two activity dates, or without a purchase, in the window: too little to compare."
)


@dataclass(frozen=True)
class Telling:
    """A trait of a segment: by how many standard deviations it differs, its median and that of all customers."""

    feature: str
    difference: float
    median: float
    of_all: float

    @property
    def words(self) -> Message:
        """The trait in plain words."""
        trait = TRAITS[self.feature]
        return trait.more if self.difference > 0 else trait.less


def telling_traits(features: Mapping[str, np.ndarray], groups: np.ndarray) -> list[list[Telling]]:
    """What tells each group from all customers, the most telling first.

    Parameters
    ----------
    features: name -> (n,) floats; a missing or infinite value counts for nothing; names not in TRAITS have no words.
    groups: (n,) from 0, each of which has customers.

    Notes
    -----
    The difference of the medians of log(1 + x), in standard deviations over all customers: the features are skewed, and
    a few giants among the customers must not name a group. A negative x keeps its sign. The best trait of every aspect
    comes before any second one.
    """
    import pandas as pd

    values = pd.DataFrame(
        {name: np.asarray(features[name], dtype="float64") for name in TRAITS if name in features},
        index=pd.RangeIndex(len(groups)),
    )
    values = values.where(np.isfinite(values))
    logs = pd.DataFrame(signed_log(values.to_numpy()), columns=values.columns)
    deviation = logs.std(ddof=0)
    # Of numbers equal but for rounding the deviation is a rounding error, and in units of that any difference is large.
    differences = (logs.groupby(groups).median() - logs.median()) / deviation.where(deviation > 1e-9)
    medians, of_all = values.groupby(groups).median().to_numpy(), values.median().to_numpy()
    return [
        _by_aspect(
            [
                Telling(name, float(difference), float(median), float(usual))
                for name, difference, median, usual in zip(values.columns, row, medians[group], of_all, strict=True)
                if abs(difference) >= LEAST_TO_TELL  # NaN, where nothing is known, is not
            ]
        )
        for group, row in enumerate(differences.to_numpy())
    ]


def _by_aspect(traits: Sequence[Telling]) -> list[Telling]:
    ranked = sorted(traits, key=lambda one: -round(abs(one.difference), 9))
    best: dict[str, Telling] = {}
    for one in ranked:
        if one.feature not in _BY_THE_WAY:
            best.setdefault(TRAITS[one.feature].aspect, one)
    return [*best.values(), *(one for one in ranked if one not in best.values())]


def value_words(means: np.ndarray) -> list[Message]:
    """What a segment is worth, from the mean revenues (k,) of all: top is the first of them alone, and the others are
    high, middle and low by thirds of the ranks. Equals share their ranks, so that one alone, or all alike, is middle.
    """
    from scipy.stats import rankdata

    others = max(len(means) - 1, 1)
    # Means of equal revenues differ by a rounding error.
    ranks = rankdata(-np.round(means, 6)) - 1 if len(means) > 1 else np.array([0.5])
    return [
        TOP if not rank else HIGH if 3 * rank <= others else MIDDLE if 3 * rank <= 2 * others else LOW for rank in ranks
    ]


def new_name(value: Message, traits: Sequence[Telling], taken: Collection[Message]) -> Message:
    """A name new in any order of its words: with the best traits, one more or two, or a number.

    It is new in every language, as long as no two traits have the same words there.
    """
    parts = {_parts(name) for name in taken}
    return next(name for name in _names(value, traits) if _parts(name) not in parts)


def _parts(name: Message) -> frozenset[str]:
    return frozenset(str(name).replace(":", ",").split(", "))


def _names(value: Message, traits: Sequence[Telling]) -> Iterator[Message]:
    told = [one.words for one in traits[:MOST_TRAITS]] or [TYPICAL]
    lengths = range(min(TRAITS_OF_A_NAME, len(told)), len(told) + 1)
    names = [say("{value}: {traits}", value=value, traits=joined(COMMA, told[:length])) for length in lengths]
    yield from names
    for number in count(2):
        yield say("{name} ({number})", name=names[0], number=Numeral(number))


def profile(rank: int, segments: int, traits: Sequence[Telling]) -> Message:
    """What is true of a segment in a month: its rank by mean revenue, and its traits with their medians."""
    place = {"rank": Numeral(rank), "segments": Numeral(segments)}
    if not traits:
        return say("Rank {rank} of {segments} by mean revenue; much like all customers", **place)
    told = [
        say(
            "{trait} ({median} against {of_all})", trait=one.words, median=_value(one.feature, one.median), of_all=usual
        )
        for one in traits[:MOST_TRAITS]
        for usual in [_value(one.feature, one.of_all)]
    ]
    return say(
        "Rank {rank} of {segments} by mean revenue; medians against those of all clusterable customers: {traits}",
        traits=joined(COMMA, told),
        **place,
    )


def _value(feature: str, value: float) -> Message | Numeral:
    unit = TRAITS[feature].unit
    if unit == SHARE:
        return Numeral(f"{_number(value * 100)}%")
    number = _number(value)
    if unit == DAYS:
        return say("{number} day", number=number) if number == "1" else say("{number} days", number=number)
    return say("{number} a day", number=number) if unit == PER_DAY else number


def _number(value: float) -> Numeral:
    """Whole from a hundred on, below that with three digits that count."""
    if abs(value) >= 100:
        return Numeral(f"{value:,.0f}")
    return Numeral(np.format_float_positional(value, precision=3, fractional=False, trim="-") if value else "0")


def listed(names: Sequence[Message]) -> Message:
    """Names in quotation marks, the last one after "and"."""
    quoted = [say("“{name}”", name=one) for one in names]
    return joined(AND, [joined(COMMA, quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def split_words(before: Message, into: Sequence[Message]) -> Message:
    """That a segment split."""
    return say("“{segment}” split into {parts}", segment=before, parts=listed(into))


def merge_words(before: Sequence[Message], into: Message) -> Message:
    """That segments merged."""
    return say("“{segment}” brings together much of {parts}", segment=into, parts=listed(before))


def new_words(name: Message) -> Message:
    """That a segment is new."""
    return say("“{segment}” is new", segment=name)


def ended_words(name: Message, largest_part: Message | None) -> Message:
    """That a segment ended, and where most of its customers are, if any is still there."""
    if largest_part is None:
        return say("“{segment}” ended; none of its customers is in a segment", segment=name)
    return say(
        "“{segment}” ended; the largest group of its customers is now in “{other}”", segment=name, other=largest_part
    )


def story(sources: Sequence[Message], gone_to: Sequence[Message], is_new: bool) -> Message | None:
    """A segment's own change of the month, None if it just went on.

    sources: other segments of which it has a part. gone_to: other segments that have a part of it, if it split.
    """
    told = [say("split: part of it went to {segments}", segments=listed(gone_to))] if gone_to else []
    if not is_new and sources:
        told.append(say("took in much of {segments}", segments=listed(sources)))
    elif is_new and len(sources) > 1:
        told.append(say("brings together much of {segments}", segments=listed(sources)))
    elif is_new:
        told.append(say("split from {segments}", segments=listed(sources)) if sources else say("new"))
    return joined(SEMICOLON, told) if told else None
