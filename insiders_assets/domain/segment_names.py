"""What a segment is called, in English and Portuguese: its name at birth, its profile of a month, what became of it.

Belongs here: words, and which of them tell a group from the rest. Does not belong here: which segment is which from
month to month (:mod:`.segments`). A name is a handle and stays; the profile says what is true of the month.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

import numpy as np

from insiders_assets.domain.scaling import signed_log

# Cohen (1988): a standardised difference under 0.2 is not even small.
LEAST_TO_TELL = 0.2
TRAITS_OF_A_NAME = 2
# With one trait more or two a name can still be read; beyond, a number is the better handle.
MOST_TRAITS = 4


class Words(NamedTuple):
    """The same in both languages."""

    en: str
    pt: str


@dataclass(frozen=True)
class Trait:
    """How a feature that is higher or lower than usual is told.

    aspect: features of one aspect say much the same of a customer, so a name begins with traits of different aspects.
    unit: written with a value; a share (0 to 1) is written as a percentage.
    """

    aspect: str
    more: Words
    less: Words
    unit: str = ""


DAYS, PER_DAY, SHARE = "days", "per day", "share"
_VOLUME, _ABSENCE, _PACE, _ORDER, _RETURNS = "volume", "absence", "pace", "order", "returns"
# Whoever buys much returns much: of itself that tells the less of the two, so a name does not begin with it.
_BY_THE_WAY = frozenset({"number_returns", "monetary_returns"})
# In the order in which equally telling traits are told.
TRAITS: Mapping[str, Trait] = {
    "items_purchased": Trait(_VOLUME, Words("many items", "muitos itens"), Words("few items", "poucos itens")),
    "purchases": Trait(_VOLUME, Words("many purchases", "muitas compras"), Words("few purchases", "poucas compras")),
    # The feature counts lines of invoices, a product once for every invoice that has it.
    "unique_products_purchased": Trait(
        _VOLUME, Words("wide range", "grande variedade"), Words("narrow range", "pouca variedade")
    ),
    "recency_days": Trait(
        _ABSENCE, Words("away for long", "longa ausência"), Words("bought recently", "compra recente"), DAYS
    ),
    "avg_ticket": Trait(
        _ORDER,
        Words("high spend per order", "ticket médio alto"),
        Words("low spend per order", "ticket médio baixo"),
    ),
    "avg_basket_size": Trait(
        _ORDER, Words("large baskets", "cestas grandes"), Words("small baskets", "cestas pequenas")
    ),
    "unique_avg_basket": Trait(
        _ORDER, Words("varied baskets", "cestas variadas"), Words("baskets of few products", "cestas pouco variadas")
    ),
    "avg_recency_days": Trait(
        _PACE,
        Words("long gaps between visits", "intervalos longos entre compras"),
        Words("short gaps between visits", "intervalos curtos entre compras"),
        DAYS,
    ),
    # Purchases per day from the first to the last: high, too, for two orders within a week and none after.
    "frequency": Trait(
        _PACE,
        Words("orders in quick succession", "pedidos em rápida sequência"),
        Words("orders spread out", "pedidos espaçados"),
        PER_DAY,
    ),
    "number_returns": Trait(
        _RETURNS, Words("many returns", "muitas devoluções"), Words("few returns", "poucas devoluções")
    ),
    "monetary_returns": Trait(
        _RETURNS,
        Words("sizeable returns", "devoluções expressivas"),
        Words("negligible returns", "devoluções insignificantes"),
    ),
    "returns_ratio": Trait(
        _RETURNS,
        Words("high share returned", "alto percentual devolvido"),
        Words("low share returned", "baixo percentual devolvido"),
        SHARE,
    ),
}
TOP, HIGH, MIDDLE, LOW = (
    Words("Top value", "Valor muito alto"),
    Words("High value", "Valor alto"),
    Words("Middle value", "Valor médio"),
    Words("Low value", "Valor baixo"),
)
TYPICAL = Words("typical customers", "clientes típicos")


@dataclass(frozen=True)
class Telling:
    """A trait of a segment: by how many standard deviations it differs, its median and that of all customers."""

    feature: str
    difference: float
    median: float
    of_all: float

    @property
    def words(self) -> Words:
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


def value_words(means: np.ndarray) -> list[Words]:
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


def new_name(value: Words, traits: Sequence[Telling], taken: Collection[Words]) -> Words:
    """A name new in both languages, in any order of its words: with the best traits, one more or two, or a number."""
    parts = {_parts(one) for name in taken for one in name}
    return next(name for name in _names(value, traits) if not parts & {_parts(name.en), _parts(name.pt)})


def _parts(name: str) -> frozenset[str]:
    return frozenset(name.replace(":", ",").split(", "))


def _names(value: Words, traits: Sequence[Telling]) -> Iterator[Words]:
    told = [one.words for one in traits[:MOST_TRAITS]] or [TYPICAL]
    lengths = range(min(TRAITS_OF_A_NAME, len(told)), len(told) + 1)
    names = [
        Words(
            f"{value.en}: {', '.join(one.en for one in told[:length])}",
            f"{value.pt}: {', '.join(one.pt for one in told[:length])}",
        )
        for length in lengths
    ]
    yield from names
    for number in count(2):
        yield Words(f"{names[0].en} ({number})", f"{names[0].pt} ({number})")


def profile(rank: int, segments: int, traits: Sequence[Telling]) -> Words:
    """What is true of a segment in a month: its rank by mean revenue, and its traits with their medians."""
    place_en, place_pt = f"Rank {rank} of {segments} by mean revenue", f"Posição {rank} de {segments} em receita média"
    if not traits:
        return Words(f"{place_en}; much like all customers", f"{place_pt}; semelhante ao conjunto dos clientes")
    told = traits[:MOST_TRAITS]
    en = ", ".join(
        f"{one.words.en} ({_value(one, one.median).en} against {_value(one, one.of_all).en})" for one in told
    )
    pt = ", ".join(f"{one.words.pt} ({_value(one, one.median).pt} contra {_value(one, one.of_all).pt})" for one in told)
    return Words(
        f"{place_en}; medians against those of all customers: {en}",
        f"{place_pt}; medianas em comparação com as de todos os clientes: {pt}",
    )


def _value(trait: Telling, value: float) -> Words:
    unit = TRAITS[trait.feature].unit
    number = _number(value * 100 if unit == SHARE else value)
    if unit == DAYS:
        several = "" if number.en == "1" else "s"
        return Words(f"{number.en} day{several}", f"{number.pt} dia{several}")
    if unit == PER_DAY:
        return Words(f"{number.en} a day", f"{number.pt} por dia")
    return Words(f"{number.en}%", f"{number.pt}%") if unit == SHARE else number


def _number(value: float) -> Words:
    """Whole from a hundred on, below that with three digits that count."""
    if abs(value) >= 100:
        en = f"{value:,.0f}"
    else:
        en = np.format_float_positional(value, precision=3, fractional=False, trim="-") if value else "0"
    return Words(en, en.translate(str.maketrans(",.", ".,")))


def listed(names: Sequence[Words]) -> Words:
    """Names in quotation marks, the last one after "and"."""
    en, pt = [f"“{one.en}”" for one in names], [f"“{one.pt}”" for one in names]
    if len(names) == 1:
        return Words(en[0], pt[0])
    return Words(f"{', '.join(en[:-1])} and {en[-1]}", f"{', '.join(pt[:-1])} e {pt[-1]}")


def split_words(before: Words, into: Sequence[Words]) -> Words:
    """That a segment split."""
    parts = listed(into)
    return Words(f"“{before.en}” split into {parts.en}", f"O segmento “{before.pt}” dividiu-se em {parts.pt}")


def merge_words(before: Sequence[Words], into: Words) -> Words:
    """That segments merged."""
    old = listed(before)
    return Words(f"“{into.en}” brings together much of {old.en}", f"O segmento “{into.pt}” reúne boa parte de {old.pt}")


def new_words(name: Words) -> Words:
    """That a segment is new."""
    return Words(f"“{name.en}” is new", f"O segmento “{name.pt}” é novo")


def ended_words(name: Words, largest_part: Words | None) -> Words:
    """That a segment ended, and where most of its customers are, if any is still there."""
    en, pt = f"“{name.en}” ended", f"O segmento “{name.pt}” deixou de existir"
    if largest_part is None:
        return Words(
            f"{en}; none of its customers is in a segment", f"{pt}; nenhum de seus clientes está em um segmento"
        )
    return Words(
        f"{en}; the largest group of its customers is now in “{largest_part.en}”",
        f"{pt}; o maior grupo de seus clientes está agora em “{largest_part.pt}”",
    )


def story(sources: Sequence[Words], gone_to: Sequence[Words], is_new: bool) -> Words | None:
    """A segment's own change of the month, None if it just went on.

    sources: other segments of which it has a part. gone_to: other segments that have a part of it, if it split.
    """
    told = [_about("split: part of it went to", "divisão: parte dele passou para", gone_to)] if gone_to else []
    if not is_new and sources:
        told.append(_about("took in much of", "absorveu boa parte de", sources))
    elif is_new and len(sources) > 1:
        told.append(_about("brings together much of", "reúne boa parte de", sources))
    elif is_new:
        told.append(_about("split from", "separou-se de", sources) if sources else Words("new", "novo"))
    return Words("; ".join(one.en for one in told), "; ".join(one.pt for one in told)) if told else None


def _about(en: str, pt: str, names: Sequence[Words]) -> Words:
    return Words(f"{en} {listed(names).en}", f"{pt} {listed(names).pt}")
