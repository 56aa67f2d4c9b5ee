"""membership_policies [month]: what each policy would have done over the months up to this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.assets.programme_history import SETTINGS_READ, TABLES_READ, ProgrammeHistory, chosen_in, columns_of
from insiders_assets.contracts.found_by import library
from insiders_assets.contracts.programme import MEMBERSHIP_POLICIES
from insiders_assets.contracts.table import or_null
from insiders_assets.domain.policies import (
    CONSENSUS,
    DESCRIPTIONS,
    IN_FORCE,
    TOP_CLUSTER,
    Group,
    PolicyFigures,
    groups_by_rule,
    holding,
    measure,
    terms_of,
)
from insiders_assets.domain.standings import Course, CustomersOfMonth
from insiders_assets.partitions import key_of
from insiders_assets.storage.lake import Dataset


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=MEMBERSHIP_POLICIES,
        partitions=partitions,
        inputs=dict.fromkeys(TABLES_READ, up_to_this_month),
        group="programme",
        settings_read=SETTINGS_READ,
        kinds={"postgres"},
    )
    def membership_policies(month: Month, **inputs: Dataset) -> Made:
        """The programme's policy beside others over the same months with a full window: who comes and goes, who
        returns, how far the group grows beyond the rule, what it brings. Empty until a rule is in force."""
        history = ProgrammeHistory(month, inputs)
        course = history.course()
        if not any(not one.provisional for one in course.months):
            return Made(MEMBERSHIP_POLICIES.empty(), metadata={"no comparison": "no rule is in force yet"})
        found, groups = _compared(course, history)
        revenue = columns_of(history.features.only(month.key), ["gross_revenue"])
        terms = terms_of(course.policy, course.leave_share)
        rows = [_row(month, name, found[name], groups[name], revenue) | terms.get(name, {}) for name in found]
        shown = ("policy", "members", "churn", "worst_churn", "returners", "growth")
        return Made(
            rows,
            metadata={
                "months": len(found[IN_FORCE].changes),
                "policies": shown_as_table([{name: row[name] for name in shown} for row in rows], decimals=4),
            },
        )

    return membership_policies


def _compared(
    course: Course, history: ProgrammeHistory
) -> tuple[Mapping[str, PolicyFigures], Mapping[str, Sequence[Group]]]:
    """Figures and groups of every policy over the months in which a rule is in force."""
    months = [month for month in course.months if not month.provisional]
    scopes = [key_of(month.month) for month in months]
    groups: dict[str, Sequence[Group]] = {
        **groups_by_rule(months, course.policy),
        CONSENSUS: [frozenset(chosen_in(history.consensus.only(scope), "chosen", True)) for scope in scopes],
        TOP_CLUSTER: [frozenset(chosen_in(history.labels.only(scope), "cluster_rank", 1)) for scope in scopes],
    }
    # A programme whose rule has held for nobody stands here all the same; other policies without a member do not.
    groups = {name: each for name, each in groups.items() if name == IN_FORCE or any(each)}
    held = [holding(month) for month in months]
    return {name: measure([one.month for one in months], each, held) for name, each in groups.items()}, groups


def _row(
    month: Month, name: str, figures: PolicyFigures, groups: Sequence[Group], revenue: CustomersOfMonth
) -> dict[str, Any]:
    inside = np.fromiter((one in groups[-1] for one in revenue.ids), dtype=bool, count=len(revenue.ids))
    amounts = revenue.columns["gross_revenue"]
    return {
        "month": month.first_day,
        "policy": name,
        "description": str(DESCRIPTIONS[name]),
        "published": name == IN_FORCE,
        "months": len(figures.changes),
        "members": int(figures.sizes[-1]),
        "churn": or_null(figures.mean_change),
        "worst_churn": or_null(figures.worst_change),
        "returners": or_null(figures.returning),
        "growth": or_null(figures.mean_growth),
        "revenue_share": float(amounts[inside].sum() / amounts.sum()) if amounts.sum() else None,
        "library": library("numpy"),
    }
