"""Segments that last: the same id and name from month to month for what is, by its customers, the same segment.

Belongs here: which cluster of a month continues which segment, what split, merged, began or ended, and who moved. Does
not belong here: clustering a month (:mod:`.clustering`) or the words (:mod:`.segment_names`).

A month hangs on the months before it and on nothing else. The numbers that a clusterer gives and the order of customers
have no influence: customers are put in the order of their ids and clusters in that of their mean revenue.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from insiders_assets.domain import segment_names as words
from insiders_assets.domain.clustering import rank_by_mean
from insiders_assets.domain.messages import Message

if TYPE_CHECKING:
    import pandas as pd

# A cluster continues a segment only if they share a quarter of the larger one, counting customers of both months. By
# chance two of ten share about a tenth, and two months have twelve of their thirteen in common: what went on shares far
# more. Of the larger one, because a remnant inside a big cluster, however complete, must not give it its name.
LEAST_IN_COMMON = 0.25
# So much of an old segment in a new one is a part of it, not a few who moved.
LEAST_PART = 0.30
SPLIT, MERGE, NEW, ENDED = "split", "merge", "new", "ended"
CAME, LOST = "new", "lost"

Customers = Sequence[str] | np.ndarray
# Segment ids (n,), and the customers whose they are.
Placed = tuple[np.ndarray, Customers]


@dataclass(frozen=True)
class MonthOfClusters:
    """A month's clusterable customers (n,): raw cluster numbers, features by name (NaN where missing), revenue in the
    shop's currency. A month without customers was not segmented."""

    month: dt.date
    customer_ids: Customers
    labels: np.ndarray
    features: Mapping[str, np.ndarray]
    revenue: np.ndarray


@dataclass(frozen=True)
class Segment:
    """A segment in a month.

    rank: by mean revenue, from 1. kept: share (0 to 1) of its customers of the last segmented month, as far as they
    are in any segment now, who are still in it; None in the month in which it is born. change: what happened to it.
    """

    id: int
    name: Message
    profile: Message
    customers: int
    rank: int
    mean_revenue: float
    born: dt.date
    kept: float | None
    change: Message | None


@dataclass(frozen=True)
class Change:
    """A split, a merge, a new segment or the end of one; the ids before and now that it is about."""

    kind: str
    before: tuple[int, ...]
    now: tuple[int, ...]
    text: Message


@dataclass(frozen=True)
class MonthOfSegments:
    """ids: (n,) as the customers were given. segments: by rank. changes: since the last segmented month."""

    month: dt.date
    ids: np.ndarray
    segments: list[Segment] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


@dataclass
class _Known:
    """All segments so far, and the customers (n,) of the last segmented month with their ids (n,)."""

    names: dict[int, Message]
    born: dict[int, dt.date]
    customers: np.ndarray
    ids: np.ndarray


def replay(months: Sequence[MonthOfClusters]) -> list[MonthOfSegments]:
    """Segments of months in order, oldest first.

    Ids count from 1 and are never used again; those that begin in one month are numbered by mean revenue.

    Raises
    ------
    ValueError: months out of order, a customer twice in a month, or revenue that is missing.
    """
    if any(later.month <= earlier.month for earlier, later in pairwise(months)):
        raise ValueError("months have to be in order, oldest first, each once")
    known = _Known({}, {}, np.empty(0, dtype=object), np.empty(0, dtype=np.int64))
    return [_next(month, known) for month in months]


def _next(month: MonthOfClusters, known: _Known) -> MonthOfSegments:
    customers = _unique(month.customer_ids)
    if not len(customers):
        return MonthOfSegments(month.month, np.empty(0, dtype=np.int64))
    order = np.argsort(customers)
    customers, revenue = customers[order], np.asarray(month.revenue, dtype="float64")[order]
    if not np.isfinite(revenue).all():
        raise ValueError(f"{month.month}: the revenue of some customers is missing")
    clusters = rank_by_mean(np.asarray(month.labels)[order], revenue) - 1
    sizes = np.bincount(clusters)
    means = np.bincount(clusters, weights=revenue) / sizes
    features = {name: np.asarray(values)[order] for name, values in month.features.items()}
    traits = words.telling_traits(features, clusters)
    overlap = _Overlap.of(known, customers, clusters, len(sizes))
    id_of = _continued(overlap)
    for cluster, value in enumerate(words.value_words(means)):
        if not id_of[cluster]:
            id_of[cluster] = len(known.names) + 1
            known.names[id_of[cluster]] = words.new_name(value, traits[cluster], known.names.values())
            known.born[id_of[cluster]] = month.month
    segments = [
        Segment(
            own,
            known.names[own],
            words.profile(cluster + 1, len(sizes), traits[cluster]),
            customers=int(sizes[cluster]),
            rank=cluster + 1,
            mean_revenue=float(means[cluster]),
            born=known.born[own],
            kept=overlap.kept(own, cluster),
            change=_story(cluster, id_of, known, overlap),
        )
        for cluster, own in enumerate(id_of)
    ]
    known.customers, known.ids = customers, np.array(id_of)[clusters]
    return MonthOfSegments(month.month, known.ids[np.argsort(order)], segments, list(_changes(overlap, id_of, known)))


def _unique(customer_ids: Customers) -> np.ndarray:
    customers = np.asarray(customer_ids, dtype=object)
    if len(set(customers)) < len(customers):
        raise ValueError("a customer stands twice in a month")
    return customers


@dataclass(frozen=True)
class _Overlap:
    """old: ids (m,) of the last segmented month. counts: (m, k) customers who were in one and are in the other.
    parts: (m, k) whether that is a part of the old one."""

    old: list[int]
    counts: np.ndarray
    parts: np.ndarray

    @classmethod
    def of(cls, known: _Known, customers: np.ndarray, clusters: np.ndarray, count: int) -> _Overlap:
        old, rows = np.unique(known.ids, return_inverse=True)
        places = _places(known.customers, customers)
        stayed = places >= 0
        counts = np.zeros((len(old), count), dtype=np.int64)
        np.add.at(counts, (rows[places[stayed]], clusters[stayed]), 1)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        return cls(old.tolist(), counts, shares >= LEAST_PART)

    def kept(self, own: int, cluster: int) -> float | None:
        """Share of the old segment that is in the cluster; None if there was no such segment."""
        if own not in self.old:
            return None
        stayed = self.counts[self.old.index(own)]
        return float(stayed[cluster] / stayed.sum())

    def sources(self, cluster: int) -> list[int]:
        """Old segments of which the cluster has a part."""
        return [self.old[row] for row in np.flatnonzero(self.parts[:, cluster])]

    def splits(self) -> dict[int, list[int]]:
        """Old segments with parts in several clusters, and these."""
        rows = np.flatnonzero(self.parts.sum(axis=1) > 1)
        return {self.old[row]: np.flatnonzero(self.parts[row]).tolist() for row in rows}


def _places(customers: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each wanted customer stands among customers, -1 if nowhere."""
    import pandas as pd

    return np.asarray(pd.Index(customers, dtype=object).get_indexer(pd.Index(wanted, dtype=object)))


def _continued(overlap: _Overlap) -> list[int]:
    """For every cluster the id that it continues, or 0: the assignment (Kuhn 1955) with the most customers in common.

    Pairs with too little in common are out before it is made, so that they cannot keep a good pair apart. Of equally
    good assignments the one with the higher sum of Jaccard indices is taken.
    """
    from scipy.optimize import linear_sum_assignment

    counts = overlap.counts
    before, now = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    allowed = (counts > 0) & (counts >= LEAST_IN_COMMON * np.maximum(before, now))
    jaccard = counts / np.maximum(before + now - counts, 1)
    # Divided so that their sum stays below one customer.
    worth = np.where(allowed, counts + jaccard / (min(counts.shape) + 1), 0.0)
    ids = [0] * counts.shape[1]
    for row, cluster in zip(*linear_sum_assignment(worth, maximize=True), strict=True):
        if allowed[row, cluster]:
            ids[cluster] = overlap.old[row]
    return ids


def _named(known: _Known, ids: Iterable[int]) -> list[Message]:
    return [known.names[one] for one in sorted(ids)]


def _story(cluster: int, id_of: Sequence[int], known: _Known, overlap: _Overlap) -> Message | None:
    own, sources, splits = id_of[cluster], overlap.sources(cluster), overlap.splits()
    if len(sources) < 2:  # a part of one that did not split is a few more who moved, however many they are
        sources = [one for one in sources if one in splits]
    gone_to = [id_of[other] for other in splits.get(own, []) if other != cluster]
    return words.story(_named(known, {*sources} - {own}), _named(known, gone_to), own not in overlap.old)


def _changes(overlap: _Overlap, id_of: Sequence[int], known: _Known) -> Iterator[Change]:
    names = known.names
    for old, clusters in overlap.splits().items():
        into = sorted(id_of[cluster] for cluster in clusters)
        yield Change(SPLIT, (old,), tuple(into), words.split_words(names[old], _named(known, into)))
    for cluster, own in enumerate(id_of):
        sources = overlap.sources(cluster)
        if len(sources) > 1:
            yield Change(MERGE, tuple(sources), (own,), words.merge_words(_named(known, sources), names[own]))
    for own in sorted({*id_of} - {*overlap.old}):
        yield Change(NEW, (), (own,), words.new_words(names[own]))
    for row, old in enumerate(overlap.old):
        if old not in id_of:
            went = overlap.counts[row]
            largest = names[id_of[int(went.argmax())]] if went.any() else None
            yield Change(ENDED, (old,), (), words.ended_words(names[old], largest))


def movement(before: Placed, now: Placed) -> pd.DataFrame:
    """How many customers went from which segment to which between two months; ValueError for a customer twice in one.

    Parameters
    ----------
    before, now: all customers of a month; those who are not clusterable are in segment NOT_CLUSTERABLE_ID.

    Returns
    -------
    Counts; a row for every segment before, then CAME for who was not there; a column for every segment now, then LOST
    for who is not there any more. So a segment's row sums to its customers before, and its column to those now.
    """
    import pandas as pd

    customers_before, customers_now = _unique(before[1]), _unique(now[1])
    old, row_of = np.unique(np.asarray(before[0], dtype=np.int64), return_inverse=True)
    new, columns = np.unique(np.asarray(now[0], dtype=np.int64), return_inverse=True)
    places = _places(customers_before, customers_now)
    rows = np.append(row_of, len(old))[places]  # nowhere, -1, is the row after the last
    lost = np.setdiff1d(np.arange(len(customers_before)), places)
    counts = np.zeros((len(old) + 1, len(new) + 1), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    np.add.at(counts, (row_of[lost], len(new)), 1)
    return pd.DataFrame(
        counts,
        index=pd.Index([*old.tolist(), CAME], name="before", dtype=object),
        columns=pd.Index([*new.tolist(), LOST], name="now", dtype=object),
    )
