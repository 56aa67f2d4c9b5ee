"""member_list [month]: the Insiders and whoever just went out, with what they bring and how far from the door."""

from __future__ import annotations

import dagster as dg
import numpy as np

from insiders_assets.assets.monthly import Made, Month, monthly_asset
from insiders_assets.assets.programme_history import rule_of
from insiders_assets.contracts.pages import MEMBER_LIST
from insiders_assets.contracts.programme import INSIDE
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=MEMBER_LIST,
        partitions=partitions,
        inputs=dict.fromkeys(("insiders_membership", "customer_features", "customer_segments")),
        group="pages",
        kinds={"postgres"},
    )
    def member_list(
        month: Month, insiders_membership: Dataset, customer_features: Dataset, customer_segments: Dataset
    ) -> Made:
        """The Insiders at the end of the month, and whoever went out in it, each with segment, revenue, reason and how
        much of the rule in force is reached: a tenth of the customers, so that a page can sort them at once."""
        rows = insiders_membership.frame()
        rows = rows[rows["status"].isin(INSIDE) | rows["event"].notna()]
        rule = rule_of(insiders_membership)
        wanted = {column.name for column in MEMBER_LIST.columns} | {"clusterable", *(rule.features if rule else ())}
        for handle in (customer_features, customer_segments):
            names = [column.name for column in handle.table.columns if column.name in wanted and column.name != "month"]
            told = handle.frame(names)
            told = told[told["customer_id"].isin(rows["customer_id"])]
            rows = rows.merge(told, how="left", on="customer_id", validate="one_to_one")
        valued = {name: rows[name].to_numpy("float64", na_value=np.nan) for name in (rule.features if rule else ())}
        reach = rule.reach(valued) if rule else np.full(len(rows), np.nan)
        # The rule holds for nobody who cannot be clustered, whatever the features say.
        clusterable = rows["clusterable"].eq(True).to_numpy("bool", na_value=False)
        rows["reach"] = np.where(np.isfinite(reach) & clusterable, reach, np.nan)
        return Made(rows[[column.name for column in MEMBER_LIST.columns]], metadata={"customers": len(rows)})

    return member_list
