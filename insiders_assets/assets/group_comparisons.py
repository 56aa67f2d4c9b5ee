"""group_comparisons [month]: members beside the next band, on their own window and on the months that followed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.assets.programme_history import chosen_in, member_ids
from insiders_assets.contracts.guarantees import (
    GROUP_COMPARISONS,
    NEXT_MONTH,
    NEXT_MONTH_MEASURES,
    SAME_WINDOW,
    SAME_WINDOW_MEASURES,
)
from insiders_assets.partitions import key_of, month_of, shift
from insiders_assets.settings import PRODUCT
from insiders_assets.storage.lake import Dataset

SEED = 42
NEXT_SEGMENT = 2


@dataclass(frozen=True)
class Bands:
    """Customers of a month: the members, and those next below them."""

    members: list[str]
    next: list[str]


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=GROUP_COMPARISONS,
        partitions=partitions,
        inputs={
            "customer_features": None,
            "insiders_membership": up_to_this_month,
            "customer_consensus": up_to_this_month,
            "cluster_labels": up_to_this_month,
            "customer_purchases": up_to_this_month,
        },
        group="programme",
        settings_read=("recipe",),
        kinds={"scipy", "postgres"},
    )
    def group_comparisons(month: Month, **inputs: Dataset) -> Made:
        """Whether members are better than the next band: on the window that chose them, as the earlier report had it,
        which is circular; and by what both did in the month after each month in which they were fixed."""
        from insiders_assets.domain.guarantees import compared, with_holm

        by_month = {scope: bands(scope, inputs, month.platform.settings.recipe) for scope in _scopes(inputs)}
        rows = []
        if month.key in by_month:
            features = inputs["customer_features"].frame(["customer_id", *SAME_WINDOW_MEASURES])
            found = compared(features.set_index("customer_id"), *_both(by_month[month.key]), SEED, bootstrapped=True)
            rows += [{"proof": SAME_WINDOW, "origin": month.first_day, **row} for row in with_holm(found)]
        later: dict[str, list[dict[str, Any]]] = {measure: [] for measure in NEXT_MONTH_MEASURES}
        for origin, done in followed(by_month, inputs["customer_purchases"]):
            for row in compared(done, *_both(by_month[key_of(origin)]), SEED):
                later[row["measure"]].append({"proof": NEXT_MONTH, "origin": origin, **row})
        for of_measure in later.values():
            rows += with_holm(of_measure)
        if not rows:
            return Made(GROUP_COMPARISONS.empty(), metadata={"no comparison": "no members, or nobody beside them"})
        shown = ("proof", "origin", "measure", "member_mean", "next_mean", "delta", "p_holm")
        return Made(
            [{"month": month.first_day, **row} for row in rows],
            metadata={
                "comparisons": shown_as_table([{name: _shown(row[name]) for name in shown} for row in rows], decimals=4)
            },
        )

    return group_comparisons


def bands(scope: str, inputs: Mapping[str, Dataset], recipe: str) -> Bands:
    """Members of a month, and the band below them: as many others, first by the consensus; with the reference recipe
    the second segment."""
    members = member_ids(inputs["insiders_membership"].only(scope))["customer_id"].to_pylist()
    inside = set(members)
    if recipe != PRODUCT:
        second = chosen_in(inputs["cluster_labels"].only(scope), "cluster_rank", NEXT_SEGMENT)
        return Bands(members, [one for one in second if one not in inside])
    ranked = inputs["customer_consensus"].only(scope).arrow(["customer_id", "consensus_rank"]).sort_by("consensus_rank")
    others = [one for one in ranked["customer_id"].to_pylist() if one not in inside]
    return Bands(members, others[: len(members)])


def followed(by_month: Mapping[str, Bands], purchases: Dataset) -> Iterator[tuple[dt.date, pd.DataFrame]]:
    """Every month in which both bands have somebody and that a month of sales follows, with what customers did then:
    a frame by customer of NEXT_MONTH_MEASURES, zeros for whoever did nothing."""
    for scope, both in by_month.items():
        after = key_of(shift(month_of(scope), 1))
        if after not in purchases.scopes or not both.members or not both.next:
            continue
        done = done_in(purchases.only(after))
        if not done.empty:
            yield month_of(scope), done.reindex([*both.members, *both.next], fill_value=0.0)


def done_in(purchases: Dataset) -> pd.DataFrame:
    """What each customer did in a month: net revenue, whether they bought, whether they sent anything back."""
    lines = purchases.frame(["customer_id", "gross_revenue", "monetary_returns"])
    sums = lines.astype({"gross_revenue": "float64", "monetary_returns": "float64"}).groupby("customer_id").sum()
    bought, returned = sums["gross_revenue"], sums["monetary_returns"]
    return pd.DataFrame({"net_revenue": bought - returned, "active": bought > 0, "returned": returned > 0}).astype(
        float
    )


def _scopes(inputs: Mapping[str, Dataset]) -> list[str]:
    return [scope for scope in inputs["insiders_membership"].scopes if scope in inputs["cluster_labels"].scopes]


def _both(found: Bands) -> tuple[np.ndarray, np.ndarray]:
    return np.array(found.members, dtype=object), np.array(found.next, dtype=object)


def _shown(value: Any) -> Any:
    return f"{value:%Y-%m}" if isinstance(value, dt.date) else value
