"""What the report's pictures show, read from the month's tables.

Belongs here: columns and rows as the drawing takes them. Does not belong here: drawing
(:mod:`insiders_assets.reporting.pictures`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.contracts.programme import INSIDE
from insiders_assets.contracts.segments import COMPONENT_COLUMNS
from insiders_assets.contracts.table import as_floats
from insiders_assets.domain.facts.movement import movement_key
from insiders_assets.partitions import key_of
from insiders_assets.storage.lake import Dataset

if TYPE_CHECKING:
    from insiders_assets.reporting.content import Matter
    from insiders_assets.reporting.document import Part, Teller


def pictures_of(matter: Matter, inputs: Mapping[str, Dataset], teller: Teller) -> dict[str, bytes]:
    """The pictures for which the month has something to show, by name, in the teller's language."""
    found = {
        "history": _history(matter, teller),
        "lorenz": _lorenz(matter, inputs, teller),
        "embedding": _embedding(matter, inputs, teller),
        "silhouettes": _silhouettes(matter, inputs, teller),
        "movement": _movement(matter, teller),
        "forecast": _forecast(matter, teller),
    }
    return {name: picture for name, picture in found.items() if picture is not None}


def _told(teller: Teller, part: Part) -> str:
    return "".join(span.text for span in teller.spans(part))


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


def _lorenz(matter: Matter, inputs: Mapping[str, Dataset], teller: Teller) -> bytes | None:
    from insiders_assets.reporting.pictures.month import lorenz

    membership = inputs["insiders_membership"].only(key_of(matter.month)).arrow(["customer_id", "status"])
    members = membership.filter(pc.is_in(membership["status"], pa.array(INSIDE)))["customer_id"]
    customers = inputs["customer_features"].arrow(["customer_id", "gross_revenue", "clusterable"])
    customers = customers.filter(customers["clusterable"])
    if not len(members) or not customers.num_rows:
        return None
    inside = pc.is_in(customers["customer_id"], members.combine_chunks()).to_numpy()
    return lorenz(as_floats(customers["gross_revenue"]), inside, teller.language)


def _embedding(matter: Matter, inputs: Mapping[str, Dataset], teller: Teller) -> bytes | None:
    from insiders_assets.reporting.pictures.segments import embedding_scatter

    labels = inputs["cluster_labels"].arrow(["customer_id", "cluster_rank"])
    labels = labels.filter(pc.is_valid(labels["cluster_rank"]))
    points = inputs["tree_embedding"].arrow(["customer_id", *COMPONENT_COLUMNS[:2]])
    placed = points.join(labels, "customer_id", join_type="inner").sort_by("customer_id")
    if not placed.num_rows:
        return None
    numbers = _numbers(matter)
    names = {rank: _told(teller, matter.names[segment]) for rank, segment in numbers.items()}
    components = np.column_stack([placed[name].to_numpy() for name in COMPONENT_COLUMNS[:2]])
    return embedding_scatter(components, placed["cluster_rank"].to_numpy(), names, teller.language, numbers)


def _numbers(matter: Matter) -> dict[int, int]:
    """Rank -> lasting id: a segment has one number, in pictures and in tables."""
    ranked = [row for row in matter.profiles if row["cluster_rank"] is not None]
    return {row["cluster_rank"]: row["segment_id"] for row in ranked}


def _silhouettes(matter: Matter, inputs: Mapping[str, Dataset], teller: Teller) -> bytes | None:
    from insiders_assets.reporting.pictures.segments import silhouettes

    rows = inputs["cluster_labels"].arrow(["silhouette", "cluster_rank"])
    rows = rows.filter(pc.is_valid(rows["silhouette"]))
    if len(pc.unique(rows["cluster_rank"])) < 2:
        return None
    return silhouettes(
        rows["silhouette"].to_numpy(), rows["cluster_rank"].to_numpy(), teller.language, _numbers(matter)
    )


def _movement(matter: Matter, teller: Teller) -> bytes | None:
    from insiders_assets.domain.messages import say
    from insiders_assets.reporting.pictures.flows import alluvial

    outline = matter.outline
    if outline.before is None or not outline.segments:
        return None
    rows, columns = (*outline.segments_before, None), (*outline.segments, None)
    counts = np.array([[int(matter.value(movement_key(old, new)) or 0) for new in columns] for old in rows])
    before = [_told(teller, say("not there before") if one is None else matter.name(one)) for one in rows]
    now = [_told(teller, say("gone") if one is None else matter.name(one)) for one in columns]
    return alluvial(counts, before, now, teller.language)


def _forecast(matter: Matter, teller: Teller) -> bytes | None:
    from insiders_assets.reporting.pictures.month import forecast_fan

    if matter.value("forecast.net_revenue") is None:
        return None
    past = [(month, matter.value(f"forecast.history.{month:%Y-%m}") or 0.0) for month in matter.outline.window]
    coming = []
    for model, month in matter.outline.forecasts:
        key = f"forecast.{model}.{month:%Y-%m}"
        expected = matter.value(f"{key}.net_revenue")
        if model == matter.published_model and expected is not None:
            coming.append((month, expected, matter.value(f"{key}.lower"), matter.value(f"{key}.upper")))
    # A month that is not over is forecast whole: what is in the data of it is no month to compare with.
    forecast = {month for month, *_ in coming}
    return forecast_fan([one for one in past if one[0] not in forecast], coming, matter.currency, teller.language)
