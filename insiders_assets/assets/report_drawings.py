"""What the report's pictures show, read from the month's tables.

Belongs here: columns and rows as the drawing takes them. Does not belong here: drawing
(:mod:`insiders_assets.reporting.pictures`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from insiders_assets.assets.programme_history import member_ids
from insiders_assets.contracts.segments import COMPONENT_COLUMNS
from insiders_assets.contracts.table import as_floats
from insiders_assets.domain.facts.movement import movement_key
from insiders_assets.partitions import key_of
from insiders_assets.storage.lake import Dataset

if TYPE_CHECKING:
    from insiders_assets.reporting.content import Matter
    from insiders_assets.reporting.document import Teller


class Shown:
    """What there is to show of a month: read when a picture first asks for it, and once for all languages."""

    def __init__(self, matter: Matter, inputs: Mapping[str, Dataset]) -> None:
        self.matter, self.inputs = matter, inputs

    @cached_property
    def revenues(self) -> tuple[np.ndarray, np.ndarray]:
        """Gross revenue of the clusterable customers (n,), and who of them is a member (n,)."""
        members = member_ids(self.inputs["insiders_membership"].only(key_of(self.matter.month)))["customer_id"]
        customers = self.inputs["customer_features"].arrow(["customer_id", "gross_revenue", "clusterable"])
        customers = customers.filter(customers["clusterable"])
        inside = pc.is_in(customers["customer_id"], members.combine_chunks()).to_numpy()
        return as_floats(customers["gross_revenue"]), inside

    @cached_property
    def embedded(self) -> tuple[np.ndarray, np.ndarray]:
        """The segmented customers' first two components (n, 2), and the ranks of their segments (n,)."""
        labels = self.inputs["cluster_labels"].arrow(["customer_id", "cluster_rank"])
        labels = labels.filter(pc.is_valid(labels["cluster_rank"]))
        points = self.inputs["tree_embedding"].arrow(["customer_id", *COMPONENT_COLUMNS[:2]])
        placed = points.join(labels, "customer_id", join_type="inner").sort_by("customer_id")
        components = np.column_stack([placed[name].to_numpy() for name in COMPONENT_COLUMNS[:2]])
        return components, placed["cluster_rank"].to_numpy()

    @cached_property
    def silhouettes(self) -> tuple[np.ndarray, np.ndarray]:
        """Silhouettes (n,) of those who have one, and the ranks of their segments (n,)."""
        rows = self.inputs["cluster_labels"].arrow(["silhouette", "cluster_rank"])
        rows = rows.filter(pc.is_valid(rows["silhouette"]))
        return rows["silhouette"].to_numpy(), rows["cluster_rank"].to_numpy()

    @property
    def numbers(self) -> dict[int, int]:
        """Rank -> lasting id: a segment has one number, in pictures and in tables."""
        ranked = [row for row in self.matter.profiles if row["cluster_rank"] is not None]
        return {row["cluster_rank"]: row["segment_id"] for row in ranked}


def pictures_of(shown: Shown, teller: Teller) -> dict[str, bytes]:
    """The pictures for which the month has something to show, by name, in the teller's language."""
    from insiders_assets.reporting.pictures.month import lorenz
    from insiders_assets.reporting.pictures.segments import embedding_scatter, silhouettes

    matter, language, numbers = shown.matter, teller.language, shown.numbers
    names = {rank: teller.plain(matter.names[segment]) for rank, segment in numbers.items()}
    found = {
        "history": _history(matter, teller),
        "lorenz": lorenz(*shown.revenues, language) if matter.value("members.count") else None,
        "embedding": embedding_scatter(*shown.embedded, names, language, numbers),
        "silhouettes": silhouettes(*shown.silhouettes, language, numbers),
        "movement": _movement(matter, teller),
        "forecast": _forecast(matter, teller),
    }
    return {name: picture for name, picture in found.items() if picture is not None}


def _history(matter: Matter, teller: Teller) -> bytes | None:
    from insiders_assets.reporting.pictures.month import membership_over_time

    months = matter.outline.months
    if not matter.value("members.count") or len(months) < 2:
        return None
    members, entered, went = (
        [matter.value(f"history.{month:%Y-%m}.{name}") or 0.0 for month in months]
        for name in ("members", "entered", "went")
    )
    return membership_over_time(months, members, entered, went, teller.language)


def _movement(matter: Matter, teller: Teller) -> bytes | None:
    from insiders_assets.reporting.content.matter import GONE, NOT_BEFORE
    from insiders_assets.reporting.pictures.flows import alluvial

    outline = matter.outline
    if outline.before is None or not outline.segments:
        return None
    rows, columns = (*outline.segments_before, None), (*outline.segments, None)
    counts = np.array([[int(matter.value(movement_key(old, new)) or 0) for new in columns] for old in rows])
    before = [teller.plain(NOT_BEFORE if one is None else matter.name(one)) for one in rows]
    now = [teller.plain(GONE if one is None else matter.name(one)) for one in columns]
    return alluvial(counts, before, now, teller.language)


def _forecast(matter: Matter, teller: Teller) -> bytes | None:
    from insiders_assets.contracts.forecast import LEVELS
    from insiders_assets.reporting.pictures.month import forecast_fan

    if matter.value("forecast.net_revenue") is None:
        return None
    past = [(month, matter.value(f"forecast.history.{month:%Y-%m}") or 0.0) for month in matter.outline.window]
    coming = []
    for month in matter.outline.coming:
        key = f"forecast.{month:%Y-%m}"
        expected = matter.value(f"{key}.net_revenue")
        if expected is not None:
            ends = [(matter.value(f"{key}.lower_{level}"), matter.value(f"{key}.upper_{level}")) for level in LEVELS]
            coming.append((month, expected, ends))
    # A month that is not over is forecast whole: what is in the data of it is no month to compare with.
    forecast = {month for month, *_ in coming}
    return forecast_fan([one for one in past if one[0] not in forecast], coming, matter.currency, teller.language)
