"""programme_trials [month]: what other thresholds and shares would have given over the last year."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.assets.programme_history import SETTINGS_READ, TABLES_READ, ProgrammeHistory, columns_of
from insiders_assets.contracts.pages import PROGRAMME_TRIALS
from insiders_assets.contracts.table import as_floats
from insiders_assets.partitions import key_of
from insiders_assets.storage.lake import Dataset

if TYPE_CHECKING:
    from insiders_assets.domain.trials import MonthOfTrial


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=PROGRAMME_TRIALS,
        partitions=partitions,
        inputs=dict.fromkeys((*TABLES_READ, "customer_purchases"), up_to_this_month),
        group="programme",
        settings_read=SETTINGS_READ,
        kinds={"postgres"},
    )
    def programme_trials(month: Month, customer_purchases: Dataset, **inputs: Dataset) -> Made:
        """What another threshold or another share of the customers would have given over the last year, replayed with
        the programme's own months of entering and leaving. Empty until a rule is in force."""
        from insiders_assets.domain.trials import MOST_MONTHS, trials

        history = ProgrammeHistory(month, inputs)
        ruled = [one for one in history.months if _is_ruled(history, one)][-MOST_MONTHS:]
        if not ruled:
            return Made(PROGRAMME_TRIALS.empty(), metadata={"no trial": "no rule is in force yet"})
        months = [_month_of_trial(history, customer_purchases, one) for one in ruled]
        found = trials(months, history.policy, history.settings.programme_leave_share)
        shown = ("kind", "value", "members", "revenue_share", "churn", "year_net_share")
        return Made(
            [{"month": month.first_day} | row for row in found],
            metadata={
                "months": len(ruled),
                "trials": shown_as_table([{name: row[name] for name in shown} for row in found], decimals=4),
            },
        )

    return programme_trials


def _is_ruled(history: ProgrammeHistory, month: dt.date) -> bool:
    in_force = history.in_force.get(month)
    return in_force is not None and not in_force.provisional


def _month_of_trial(history: ProgrammeHistory, purchases: Dataset, month: dt.date) -> MonthOfTrial:
    from insiders_assets.domain.trials import MonthOfTrial

    in_force = history.in_force[month]
    features = {"gross_revenue", *(in_force.rule.features if in_force.rule else ())}
    # Both are the clusterable customers of the month, in the order of the features.
    valued = columns_of(history.features.only(key_of(month)), features)
    customers = replace(history.ranked(month), columns=valued.columns)
    bought = purchases.only(key_of(month)).arrow(["customer_id", "gross_revenue", "monetary_returns"])
    net = as_floats(bought["gross_revenue"]) - as_floats(bought["monetary_returns"])
    by_customer: dict[str, float] = {}
    for name, amount in zip(bought["customer_id"].to_pylist(), net.tolist(), strict=True):
        by_customer[name] = by_customer.get(name, 0.0) + amount
    return MonthOfTrial(month, customers, in_force, by_customer)
