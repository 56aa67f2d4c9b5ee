"""Segments over months: what goes on keeps id and name, splits and merges are told, everybody is counted once."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insiders_assets.contracts.segments import NOT_CLUSTERABLE_ID
from insiders_assets.domain.feature_words import FEATURES
from insiders_assets.domain.messages import Message
from insiders_assets.domain.segment_names import LOW, TRAITS, TYPICAL, new_name, telling_traits, value_words
from insiders_assets.domain.segments import (
    CAME,
    ENDED,
    LOST,
    MERGE,
    NEW,
    SPLIT,
    MonthOfClusters,
    MonthOfSegments,
    Segment,
    movement,
    replay,
)
from insiders_assets.partitions import shift
from insiders_assets.reporting.language import PORTUGUESE, Language

pytestmark = pytest.mark.filterwarnings("error")
START = dt.date(2024, 1, 1)
portuguese = Language(PORTUGUESE).tell
NOBODY: Mapping[str, int] = {}


def clusters(
    number: int, label_of: Mapping[str, int], revenue_of: Mapping[int, float] | None = None
) -> MonthOfClusters:
    """The month of that number; a customer's revenue and items hang on the cluster: the lower its label, the more."""
    customers, labels = list(label_of), np.array(list(label_of.values()), dtype=np.int64)
    revenue = np.array([(revenue_of or {}).get(label, 1000.0 - label) for label in labels], dtype=float)
    return MonthOfClusters(shift(START, number), customers, labels, {"items_purchased": revenue}, revenue)


def groups(**sizes: int) -> list[list[str]]:
    """Lists of customers by the first letter of their names."""
    return [[f"{letter}{i:03d}" for i in range(size)] for letter, size in sizes.items()]


def labelled(*members: Sequence[str]) -> dict[str, int]:
    """The label of every customer: the number of the list that names them."""
    return {customer: label for label, customers in enumerate(members) for customer in customers}


def by_customer(month: MonthOfClusters, found: MonthOfSegments) -> dict[str, int]:
    return dict(zip(month.customer_ids, found.ids.tolist(), strict=True))


def of_id(found: MonthOfSegments, number: int) -> Segment:
    (segment,) = [one for one in found.segments if one.id == number]
    return segment


def kinds(found: MonthOfSegments) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [(one.kind, one.before, one.now) for one in found.changes]


def test_the_first_months_segments_are_numbered_by_mean_revenue_and_are_new() -> None:
    a, b, c = groups(a=5, b=4, c=3)
    month = clusters(0, labelled(a, b, c), revenue_of={0: 10.0, 1: 30.0, 2: 20.0})
    (found,) = replay([month])
    assert by_customer(month, found) == {**dict.fromkeys(b, 1), **dict.fromkeys(c, 2), **dict.fromkeys(a, 3)}
    assert [(one.id, one.rank, one.customers, one.mean_revenue) for one in found.segments] == [
        (1, 1, 4, 30.0),
        (2, 2, 3, 20.0),
        (3, 3, 5, 10.0),
    ]
    assert [(one.born, one.kept, str(one.change)) for one in found.segments] == 3 * [(START, None, "new")]
    assert {portuguese(one.change) for one in found.segments if one.change} == {"novo"}


def test_a_segment_is_the_same_while_most_of_its_customers_are_and_says_which_share_stayed() -> None:
    a, b = groups(a=10, b=10)
    _, found = replay(
        [clusters(0, labelled(a, b)), clusters(1, labelled([*b, *a[:2], "z1"], a[3:]), revenue_of={0: 1.0, 1: 5.0})]
    )
    first = of_id(found, 1)
    assert (first.customers, first.kept, first.change) == (7, 7 / 9, None)  # one of the ten is not there any more
    assert (of_id(found, 2).customers, of_id(found, 2).kept) == (13, 1.0)
    assert found.changes == []


def test_a_small_remnant_in_a_large_new_cluster_does_not_give_it_its_name() -> None:
    a, b = groups(a=5, b=100)
    _, found = replay([clusters(0, labelled(b, a)), clusters(1, labelled(b[:60], [*b[60:], *a]))])
    assert [one.id for one in found.segments] == [1, 3]
    assert kinds(found) == [(SPLIT, (1,), (1, 3)), (MERGE, (1, 2), (3,)), (NEW, (), (3,)), (ENDED, (2,), ())]


def test_two_pairs_with_little_in_common_do_not_keep_a_good_pair_apart() -> None:
    # Columns: C, D, then six that each continue a large segment. 6 + 5 are more than 10, yet neither pair is one.
    in_common = np.zeros((8, 8), dtype=int)
    in_common[0, :2] = 10, 6
    in_common[1] = [5, 0, 3, 3, 3, 3, 3, 3]
    in_common[2:, 1] = 4
    in_common[range(2, 8), range(2, 8)] = 100
    old, new = (np.repeat(part.ravel(), in_common.ravel()).tolist() for part in np.indices(in_common.shape))
    names = [f"c{i:04d}" for i in range(len(old))]
    months = [clusters(0, dict(zip(names, old, strict=True))), clusters(1, dict(zip(names, new, strict=True)))]
    assert [one.id for one in replay(months)[1].segments] == [1, 9, 3, 4, 5, 6, 7, 8]


def test_a_segment_in_two_halves_is_a_split_and_the_larger_keeps_the_id() -> None:
    a, b = groups(a=10, b=10)
    before, found = replay([clusters(0, labelled(a, b)), clusters(1, labelled(a[:6], a[6:], b))])
    name, other = of_id(before, 1), of_id(found, 3)
    assert [one.id for one in found.segments] == [1, 3, 2]
    assert kinds(found) == [(SPLIT, (1,), (1, 3)), (NEW, (), (3,))]
    assert other.change
    assert str(other.change) == f"split from “{name.name}”"
    assert portuguese(other.change) == f"separou-se de “{portuguese(name.name)}”"
    assert str(of_id(found, 1).change) == f"split: part of it went to “{other.name}”"
    assert str(found.changes[0].text) == f"“{name.name}” split into “{name.name}” and “{other.name}”"
    assert portuguese(found.changes[0].text).startswith(f"O segmento “{portuguese(name.name)}” dividiu-se em “")
    assert of_id(found, 2).change is None


def test_two_segments_in_one_are_a_merge_and_the_smaller_ended() -> None:
    a, b, c = groups(a=10, b=7, c=5)
    before, found = replay([clusters(0, labelled(a, b, c)), clusters(1, labelled([*a, *b], c))])
    smaller = of_id(before, 2)
    assert kinds(found) == [(MERGE, (1, 2), (1,)), (ENDED, (2,), ())]
    assert str(of_id(found, 1).change) == f"took in much of “{smaller.name}”"
    assert portuguese(of_id(found, 1).change) == f"absorveu boa parte de “{portuguese(smaller.name)}”"
    assert "is now in" in str(found.changes[1].text)


def test_an_id_is_never_used_again_even_if_the_same_customers_come_back() -> None:
    a, b = groups(a=10, b=7)
    *_, found = replay([clusters(0, labelled(a, b)), clusters(1, labelled([*a, *b])), clusters(2, labelled(a, b))])
    assert [one.id for one in found.segments] == [1, 3]
    assert [one.born for one in found.segments] == [START, shift(START, 2)]


def test_a_month_that_was_not_segmented_keeps_the_memory_of_the_last_one() -> None:
    a, b = groups(a=10, b=10)
    first, empty, last = replay([clusters(0, labelled(a, b)), clusters(1, NOBODY), clusters(2, labelled(b, a))])
    assert (len(empty.ids), empty.segments, empty.changes) == (0, [], [])
    assert [(str(one.name), one.kept) for one in last.segments] == [
        (str(first.segments[1].name), 1.0),
        (str(first.segments[0].name), 1.0),
    ]


def test_all_other_customers_are_all_other_segments() -> None:
    a, b = groups(a=3, b=3)
    _, found = replay([clusters(0, labelled(a)), clusters(1, labelled(b))])
    assert kinds(found) == [(NEW, (), (2,)), (ENDED, (1,), ())]
    assert "none of its customers" in str(found.changes[1].text)


def test_what_cannot_be_replayed_is_refused() -> None:
    month = clusters(0, {"a": 0, "b": 1})
    with pytest.raises(ValueError, match="oldest first"):
        replay([clusters(1, {"a": 0}), month])
    with pytest.raises(ValueError, match="twice"):
        replay([MonthOfClusters(START, ["a", "a"], month.labels, {}, month.revenue)])
    with pytest.raises(ValueError, match="revenue"):
        replay([MonthOfClusters(START, ["a", "b"], month.labels, {}, np.array([1.0, np.nan]))])


# Names


def test_a_name_says_the_value_and_the_most_telling_traits_of_different_aspects() -> None:
    labels = np.repeat([0, 1, 2], 10)
    features = {
        "items_purchased": np.repeat([900.0, 90.0, 40.0], 10),
        "purchases": np.repeat([40.0, 5.0, 5.0], 10),
        "recency_days": np.repeat([2.0, 30.0, 200.0], 10),
        "returns_ratio": np.repeat([0.0, 0.0, 0.0], 10),
    }
    revenue = np.repeat([500.0, 50.0, 40.0], 10)
    names = [f"c{i:02d}" for i in range(30)]
    (found,) = replay([MonthOfClusters(START, names, labels, features, revenue)])
    assert [str(one.name) for one in found.segments] == [
        "Top value: many purchases, bought recently",
        "Middle value: typical customers",
        "Low value: away for long, few items",
    ]
    assert [portuguese(one.name) for one in found.segments] == [
        "Valor muito alto: muitas compras, compra recente",
        "Valor médio: clientes típicos",
        "Valor baixo: longa ausência, poucos itens",
    ]
    assert str(found.segments[0].profile) == (
        "Rank 1 of 3 by mean revenue; medians against those of all clusterable customers: many purchases "
        "(40 against 5), bought recently (2 days against 30 days), many items (900 against 90)"
    )
    assert portuguese(found.segments[2].profile) == (
        "Posição 3 de 3 em receita média; medianas em comparação com as de todos os clientes agrupáveis: "
        "longa ausência (200 dias contra 30 dias), poucos itens (40 contra 90)"
    )


def test_a_name_stays_while_the_profile_follows_the_month() -> None:
    a, b = groups(a=10, b=10)
    before, now = replay([clusters(0, labelled(a, b)), clusters(1, labelled(a, b), revenue_of={0: 1.0, 1: 9000.0})])
    assert str(before.segments[0].name) == str(of_id(now, 1).name) == "Top value: many items"
    assert "Rank 2 of 2" in str(of_id(now, 1).profile)
    assert "few items (1 against 4,500)" in str(of_id(now, 1).profile)
    assert "poucos itens (1 contra 4.500)" in portuguese(of_id(now, 1).profile)


def test_what_is_worth_how_much_goes_by_thirds_of_the_ranks_and_equals_are_in_the_middle() -> None:
    def told(*means: float) -> str:
        return " ".join(str(one).split()[0] for one in value_words(np.array(means)))

    assert told(10, 9, 8, 7, 6, 5, 4, 3, 2, 1) == "Top High High High Middle Middle Middle Low Low Low"
    assert told(3, 2, 1) == "Top Middle Low"
    assert told(2, 1) == "Top Low"
    assert told(1) == "Middle"
    assert told(5, 5, 5 + 1e-12) == "Middle Middle Middle"


def test_a_taken_name_gets_a_further_trait_and_then_a_number() -> None:
    features = {name: np.array([1.0, 1.0, 1.0, 50.0]) for name in ("items_purchased", "avg_ticket", "recency_days")}
    traits = telling_traits(features, np.array([0, 0, 0, 1]))[1]
    names: list[Message] = []
    for _ in range(4):
        names.append(new_name(LOW, traits, names))
    assert [str(one) for one in names] == [
        "Low value: many items, away for long",
        "Low value: many items, away for long, high spend per order",
        "Low value: many items, away for long (2)",
        "Low value: many items, away for long (3)",
    ]
    assert portuguese(names[-1]) == "Valor baixo: muitos itens, longa ausência (3)"


def test_the_same_words_in_another_order_are_no_other_name() -> None:
    features = {"items_purchased": np.array([1.0, 1.0, 1.0, 50.0]), "avg_ticket": np.array([1.0, 1.0, 1.0, 50.0])}
    traits = telling_traits(features, np.array([0, 0, 0, 1]))[1]
    taken = [new_name(LOW, traits, [])]
    assert str(new_name(LOW, traits[::-1], taken)) == "Low value: high spend per order, many items (2)"


def test_every_feature_has_words_of_its_own_in_both_languages() -> None:
    assert set(TRAITS) == set(FEATURES)
    told = [words for trait in TRAITS.values() for words in (trait.more, trait.less)]
    assert len({str(one) for one in told}) == len({portuguese(one) for one in told}) == 2 * len(FEATURES)
    # They are what parts of a name end at.
    assert not any(sign in text for one in told for text in (str(one), portuguese(one)) for sign in ",:")


@pytest.mark.parametrize(
    "values",
    [
        np.full(4, 3.0),
        np.full(4, np.nan),
        np.array([np.inf, 1.0, 1.0, np.inf]),
        np.array([0.03, 0.03, *[np.nextafter(0.03, 1)] * 2]),
    ],
    ids=["constant", "missing", "infinite", "equal but for rounding"],
)
def test_features_that_tell_nothing_name_nothing(values: np.ndarray) -> None:
    month = MonthOfClusters(START, list("abcd"), np.array([0, 0, 1, 1]), {"purchases": values}, np.full(4, 0.1))
    (found,) = replay([month])
    assert [str(one.name) for one in found.segments] == [
        "Middle value: typical customers",
        "Middle value: typical customers (2)",
    ]
    told = portuguese(found.segments[0].profile)
    assert told == "Posição 1 de 2 em receita média; semelhante ao conjunto dos clientes"


def test_one_customer_alone_and_no_feature_at_all_have_a_name() -> None:
    (found,) = replay([MonthOfClusters(START, ["a"], np.array([7]), {}, np.array([5.0]))])
    assert (str(found.segments[0].name), portuguese(found.segments[0].name)) == (
        f"Middle value: {TYPICAL}",
        f"Valor médio: {portuguese(TYPICAL)}",
    )


# Properties

NAMES = [f"c{i:02d}" for i in range(12)]
MONTH = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3), max_size=len(NAMES))
MONTHS = st.lists(MONTH, min_size=1, max_size=5)


def of_labels(months: Sequence[Mapping[str, int]], values: int) -> list[MonthOfClusters]:
    """Months with drawn features (some missing) and revenue that hang on the customer and the month alone."""
    made = []
    for number, label_of in enumerate(months):
        drawn = np.random.default_rng(values + number)
        table = dict(zip(NAMES, np.round(drawn.lognormal(3, 1, (len(NAMES), len(FEATURES) + 1))), strict=True))
        rows = np.array([table[one] for one in label_of]).reshape(len(label_of), len(FEATURES) + 1)
        features = {name: np.where(rows[:, i] > 90, np.nan, rows[:, i]) for i, name in enumerate(FEATURES)}
        labels = np.array(list(label_of.values()), dtype=np.int64)
        made.append(MonthOfClusters(shift(START, number), list(label_of), labels, features, rows[:, -1]))
    return made


@given(MONTHS, st.integers(0, 99), st.permutations(range(4)), st.randoms(use_true_random=False))
def test_neither_raw_numbers_nor_the_order_of_customers_have_any_influence(
    months: list[dict[str, int]], values: int, numbers: list[int], shuffling: random.Random
) -> None:
    given_months = of_labels(months, values)
    shuffled = []
    for label_of in months:
        items = list(label_of.items())
        shuffling.shuffle(items)
        shuffled.append({customer: 10 * numbers[label] - 5 for customer, label in items})
    other_months = of_labels(shuffled, values)
    for month, one, other_month, other in zip(
        given_months, replay(given_months), other_months, replay(other_months), strict=True
    ):
        assert by_customer(month, one) == by_customer(other_month, other)
        assert (one.segments, one.changes) == (other.segments, other.changes)


@given(MONTHS, st.integers(0, 99))
def test_everybody_has_one_segment_names_stay_and_no_two_segments_share_one(
    months: list[dict[str, int]], values: int
) -> None:
    given_months = of_labels(months, values)
    name_of: dict[int, tuple[str, str]] = {}
    gone: set[int] = set()
    before: set[int] = set()
    for month, found in zip(given_months, replay(given_months), strict=True):
        ids = [one.id for one in found.segments]
        assert len(found.ids) == len(month.customer_ids)
        assert len(set(ids)) == len(ids) == len(np.unique(month.labels))
        assert {one.id: one.customers for one in found.segments} == dict(
            zip(*(part.tolist() for part in np.unique(found.ids, return_counts=True)), strict=True)
        )
        assert NOT_CLUSTERABLE_ID not in ids
        assert len({*zip(month.labels.tolist(), found.ids.tolist(), strict=True)}) == len(ids)  # a cluster is a segment
        assert not gone & {*ids}
        if ids:
            assert {(one.kind, one.now) for one in found.changes if one.kind == NEW} == {
                (NEW, (one,)) for one in {*ids} - before
            }
            gone |= before - {*ids}
            before = {*ids}
        for one in found.segments:
            name = (str(one.name), portuguese(one.name))
            assert name_of.setdefault(one.id, name) == name
            assert (one.kept is None) == (one.born == month.month)
    for language in (0, 1):
        assert len({names[language] for names in name_of.values()}) == len(name_of)


@given(MONTHS, st.integers(0, 99), st.integers(1, 5))
def test_a_later_month_changes_nothing_before_it(months: list[dict[str, int]], values: int, until: int) -> None:
    given_months = of_labels(months, values)
    for one, other in zip(replay(given_months), replay(given_months[:until]), strict=False):
        assert one.ids.tolist() == other.ids.tolist()
        assert (one.segments, one.changes) == (other.segments, other.changes)


@given(MONTH, MONTH)
def test_movement_counts_everybody_once(before: dict[str, int], now: dict[str, int]) -> None:
    table = movement(
        (np.array(list(before.values()), dtype=int), list(before)), (np.array(list(now.values()), dtype=int), list(now))
    )
    for segment in {*before.values()}:
        assert table.loc[segment].sum() == list(before.values()).count(segment)
    for segment in {*now.values()}:
        assert table[segment].sum() == list(now.values()).count(segment)
    assert table.loc[CAME].sum() == len({*now} - {*before})
    assert table[LOST].sum() == len({*before} - {*now})
    assert table.to_numpy().sum() == len({*before} | {*now})


def test_movement_says_who_went_where_who_came_and_who_is_lost() -> None:
    table = movement((np.array([0, 1, 1, 2]), ["a", "b", "c", "d"]), (np.array([1, 1, 3, 0]), ["a", "b", "c", "z"]))
    assert table.index.tolist() == [0, 1, 2, CAME]
    assert table.columns.tolist() == [0, 1, 3, LOST]
    assert table.to_numpy().tolist() == [[0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]]
    with pytest.raises(ValueError, match="twice"):
        movement((np.array([0, 1]), ["a", "a"]), (np.array([0]), ["a"]))


def test_three_years_of_five_thousand_customers_take_seconds_at_most() -> None:
    drawn = np.random.default_rng(1)
    usual = drawn.integers(0, 10, 9000)
    months = []
    for number in range(36):
        who = drawn.choice(9000, 5000, replace=False)
        labels = np.where(drawn.random(5000) < 0.15, drawn.integers(0, 10, 5000), usual[who])
        features = {name: drawn.lognormal(1 + labels / 5) for name in FEATURES}
        customers = np.array([f"c{one}" for one in who], dtype=object)
        months.append(
            MonthOfClusters(shift(START, number), customers, labels, features, drawn.lognormal(5 + labels / 5))
        )
    began = time.process_time()
    found = replay(months)
    assert time.process_time() - began < 4  # half a second on an idle machine
    assert {len(one.segments) for one in found} == {10}
    assert max(one.id for one in found[-1].segments) == 10
