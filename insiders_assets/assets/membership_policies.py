"""membership_policies [month]: what each policy would have done over the months up to this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np
import pyarrow.compute as pc

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.assets.programme_history import SETTINGS_READ, ProgrammeHistory
from insiders_assets.contracts.programme import MEMBERSHIP_POLICIES
from insiders_assets.domain.policies import (
    CONSENSUS,
    FIXED,
    IN_FORCE,
    PATIENT,
    TOP_CLUSTER,
    Group,
    PolicyFigures,
    groups_by_rule,
    holding,
    measure,
)
from insiders_assets.domain.standings import Course, CustomersOfMonth
from insiders_assets.partitions import key_of
from insiders_assets.storage.lake import Dataset

DESCRIPTIONS = {
    IN_FORCE: "the rule in force with the months and the share that the settings say; no person's word counts here",
    FIXED: "the rule in force, month by month: in while it holds, out when it does not",
    PATIENT: "the rule in force has to hold three months in a row to enter, and to be missed three in a row to leave",
    CONSENSUS: "every month whom that month's consensus chooses",
    TOP_CLUSTER: "every month that month's cluster with the highest mean revenue",
}


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=MEMBERSHIP_POLICIES,
        partitions=partitions,
        inputs={
            "programme_rule": up_to_this_month,
            "customer_consensus": up_to_this_month,
            "cluster_labels": up_to_this_month,
            "customer_features": up_to_this_month,
        },
        group="programme",
        settings_read=SETTINGS_READ,
        kinds={"postgres"},
    )
    def membership_policies(
        month: Month,
        programme_rule: Dataset,
        customer_consensus: Dataset,
        cluster_labels: Dataset,
        customer_features: Dataset,
    ) -> Made:
        """The programme's policy beside others over the same months with a full window: who comes and goes, who
        returns, how far the group grows beyond the rule, what it brings. Empty until a rule is in force."""
        history = ProgrammeHistory(month, programme_rule, customer_consensus, cluster_labels, customer_features)
        course = history.course()
        if not any(not one.provisional for one in course.months):
            return Made(MEMBERSHIP_POLICIES.empty(), metadata={"no comparison": "no rule is in force yet"})
        found, groups = _compared(course, customer_consensus, cluster_labels)
        revenue = history.customers(month.first_day, ["gross_revenue"])
        rows = [_row(month, name, found[name], groups[name], revenue) for name in found]
        shown = ("policy", "members", "churn", "worst_churn", "returners", "growth")
        return Made(
            rows,
            metadata={
                "months": len(found[IN_FORCE].changes),
                "policies": shown_as_table([{name: _rounded(row[name]) for name in shown} for row in rows]),
            },
        )

    return membership_policies


def _compared(
    course: Course, consensus: Dataset, labels: Dataset
) -> tuple[Mapping[str, PolicyFigures], Mapping[str, Sequence[Group]]]:
    """Figures and groups of every policy over the months in which a rule is in force."""
    months = [month for month in course.months if not month.provisional]
    groups: dict[str, Sequence[Group]] = {
        **groups_by_rule(months, course.policy),
        CONSENSUS: [_chosen(consensus.only(key_of(month.month)), "chosen", True) for month in months],
        TOP_CLUSTER: [_chosen(labels.only(key_of(month.month)), "cluster_rank", 1) for month in months],
    }
    groups = {name: each for name, each in groups.items() if any(each)}
    held = [holding(month) for month in months]
    return {name: measure([one.month for one in months], each, held) for name, each in groups.items()}, groups


def _chosen(rows: Dataset, column: str, value: bool | int) -> Group:
    found = rows.arrow(["customer_id", column])
    return frozenset(found.filter(pc.equal(found[column], value))["customer_id"].to_pylist())


def _row(
    month: Month, name: str, figures: PolicyFigures, groups: Sequence[Group], revenue: CustomersOfMonth
) -> dict[str, Any]:
    inside = np.fromiter((one in groups[-1] for one in revenue.ids), dtype=bool, count=len(revenue.ids))
    amounts = revenue.columns["gross_revenue"]
    return {
        "month": month.first_day,
        "policy": name,
        "description": DESCRIPTIONS[name],
        "published": name == IN_FORCE,
        "months": len(figures.changes),
        "members": int(figures.sizes[-1]),
        "churn": _known(figures.mean_change),
        "worst_churn": _known(figures.worst_change),
        "returners": _known(figures.returning),
        "growth": _known(figures.mean_growth),
        "revenue_share": float(amounts[inside].sum() / amounts.sum()) if amounts.sum() else None,
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
