"""marketing_actions [month]: what marketing can do, per segment and state, with the money at stake and the lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.assets.programme_history import rule_of
from insiders_assets.contracts.actions import MARKETING_ACTIONS
from insiders_assets.partitions import window
from insiders_assets.reporting.language import in_both_languages
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition, history_months: int) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=MARKETING_ACTIONS,
        partitions=partitions,
        inputs={
            "customer_features": None,
            "customer_segments": None,
            "insiders_membership": None,
            "affinity_candidates": None,
            "month_totals": window(history_months),
        },
        group="report",
        settings_read=("programme_leave_share",),
        kinds={"duckdb", "postgres"},
    )
    def marketing_actions(month: Month, month_totals: Dataset, **inputs: Dataset) -> Made:
        """What marketing can do: for each segment and membership state up to three actions by conditions on the
        month's own figures, with the customers, the money at stake and the query that lists them."""
        from insiders_assets.domain.actions import actions_of, chosen, counting

        ask = month.platform.engine.over({name: handle.arrow() for name, handle in inputs.items()})
        leave_share = month.platform.settings.programme_leave_share
        actions = actions_of(len(month_totals.scopes), rule_of(inputs["insiders_membership"]), leave_share)
        rows = chosen(((action, ask(counting(action, month.first_day))) for action in actions), month.first_day)
        if not rows:
            return Made(MARKETING_ACTIONS.empty(), metadata={"no action": "no condition holds for enough customers"})
        shown = ("segment_id", "state", "action", "customers", "money")
        return Made(
            [with_words(row) for row in rows],
            metadata={"actions": shown_as_table([{name: row[name] for name in shown} for row in rows], decimals=2)},
        )

    return marketing_actions


def with_words(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of MARKETING_ACTIONS, from one whose words are messages."""
    plain = {name: value for name, value in row.items() if name != "words"}
    for column, message in row["words"].items():
        plain |= in_both_languages(column, message)
    return plain
