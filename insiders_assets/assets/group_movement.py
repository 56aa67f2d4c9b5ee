"""group_movement [month]: who stood where at the end of any earlier month, and where they stand now."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pandas as pd

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.assets.programme_history import member_ids
from insiders_assets.contracts.pages import GROUP_MOVEMENT
from insiders_assets.partitions import month_of
from insiders_assets.storage.lake import Dataset

# So far back can two months be compared: a year beside the year before it.
MOST_MONTHS_BACK = 24


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=GROUP_MOVEMENT,
        partitions=partitions,
        inputs=dict.fromkeys(("customer_segments", "insiders_membership"), up_to_this_month),
        group="pages",
        kinds={"postgres"},
    )
    def group_movement(month: Month, customer_segments: Dataset, insiders_membership: Dataset) -> Made:
        """Customers by segment and membership at the end of each of the 24 months before, and by both now, so that any
        two months can be compared without counting customers anew."""

        def standing(scope: str) -> pd.DataFrame:
            rows = customer_segments.only(scope).frame(["customer_id", "segment_id"])
            segments = pd.Series(rows["segment_id"].to_numpy("float64"), rows["customer_id"].to_numpy(object))
            members = pd.Index(member_ids(insiders_membership.only(scope))["customer_id"].to_pylist(), dtype=object)
            # Members in grace, or by a person's word, who have no line in the window any more are Insiders too.
            everybody = segments.index.union(members)
            return pd.DataFrame({"segment": segments.reindex(everybody), "inside": everybody.isin(members)})

        now = standing(month.key)
        earlier = [scope for scope in customer_segments.scopes if scope < month.key][-MOST_MONTHS_BACK:]
        counted = [_counted(month.first_day, month_of(scope), standing(scope), now) for scope in earlier]
        if not counted:
            return Made(GROUP_MOVEMENT.empty(), metadata={"no movement": "there is no earlier month"})
        rows = pd.concat(counted, ignore_index=True)
        return Made(rows.assign(position=range(1, len(rows) + 1)), metadata={"earlier months": len(earlier)})

    return group_movement


def _counted(month: dt.date, before: dt.date, then: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Customers by where they stood then and stand now; those of one month only are outside in the other."""
    both = then.join(now, how="outer", lsuffix="_before", rsuffix="_now")
    for side in ("inside_before", "inside_now"):
        both[side] = both[side].eq(True)
    sides = ["segment_before", "segment_now", "inside_before", "inside_now"]
    counted = both.groupby(sides, dropna=False).size().reset_index(name="customers")
    counted[sides[:2]] = counted[sides[:2]].astype("Int64")
    return counted.assign(month=month, month_before=before)
