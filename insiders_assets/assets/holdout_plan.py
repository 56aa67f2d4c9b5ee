"""holdout_plan and holdout_assignment [month]: what a trial with members held out could show, and who would be."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pandas as pd

from insiders_assets.assets.group_comparisons import done_in
from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.assets.programme_history import member_ids
from insiders_assets.contracts.found_by import library
from insiders_assets.contracts.guarantees import HOLDOUT_ASSIGNMENT, HOLDOUT_PLAN
from insiders_assets.partitions import window
from insiders_assets.storage.lake import Dataset

DRAW = ("programme_held_share", "programme_salt")


def build_plan(partitions: dg.PartitionsDefinition, history_months: int) -> dg.AssetsDefinition:
    """The plan over the months that can exist."""

    @monthly_asset(
        table=HOLDOUT_PLAN,
        partitions=partitions,
        inputs={"insiders_membership": window(2), "customer_purchases": window(history_months)},
        group="programme",
        settings_read=(*DRAW, "programme_effect"),
        kinds={"scipy", "postgres"},
    )
    def holdout_plan(month: Month, insiders_membership: Dataset, customer_purchases: Dataset) -> Made:
        """How small an effect of the programme a trial could show with this group: on this month's net revenue of those
        who were members before it, raw, winsorised, and less what the months before say of it (CUPED)."""
        from insiders_assets.domain.holdout import plan

        earlier = [scope for scope in insiders_membership.scopes if scope < month.key]
        members = member_ids(insiders_membership.only(earlier[-1]))["customer_id"].to_pylist() if earlier else []
        outcome = _net(customer_purchases.only(month.key), members)
        if len(members) < 2 or not outcome.any():
            return Made(HOLDOUT_PLAN.empty(), metadata={"no plan": "no month of sales follows a membership yet"})
        before = _net(customer_purchases.only(*(s for s in customer_purchases.scopes if s < month.key)), members)
        settings = month.platform.settings
        rows = plan(
            members,
            outcome,
            before,
            salt=settings.programme_salt,
            share=settings.programme_held_share,
            effect=settings.programme_effect,
        )
        shown = ("estimator", "customers", "held", "detectable_share", "customers_needed", "enough")
        return Made(
            [
                {"month": month.first_day, "outcome_month": month.first_day, **row, "library": library("scipy")}
                for row in rows
            ],
            metadata={"plan": shown_as_table([{name: row[name] for name in shown} for row in rows], decimals=4)},
        )

    return holdout_plan


def build_assignment(partitions: dg.PartitionsDefinition, history_months: int) -> dg.AssetsDefinition:
    """The assignment over the months that can exist."""

    @monthly_asset(
        table=HOLDOUT_ASSIGNMENT,
        partitions=partitions,
        inputs={"insiders_membership": None, "customer_purchases": window(history_months)},
        group="programme",
        settings_read=DRAW,
        kinds={"postgres"},
    )
    def holdout_assignment(month: Month, insiders_membership: Dataset, customer_purchases: Dataset) -> Made:
        """Who would be held out of the programme's advantages while a trial runs: drawn by a hash of a salt and the
        customer's id alone, so that nobody moves when others come or go."""
        from insiders_assets.domain.holdout import held_out, places, strata_of

        settings = month.platform.settings
        members = sorted(member_ids(insiders_membership)["customer_id"].to_pylist())
        held = held_out(members, settings.programme_salt, settings.programme_held_share)
        return Made(
            pd.DataFrame(
                {
                    "month": month.first_day,
                    "customer_id": pd.Series(members, dtype="object"),
                    "place": places(members, settings.programme_salt),
                    "held": held,
                    "stratum": strata_of(_net(customer_purchases, members)) + 1,
                }
            ),
            metadata={"members": len(members), "held out": int(held.sum())},
        )

    return holdout_assignment


def _net(purchases: Dataset, customers: list[str]) -> np.ndarray:
    """Net revenue of customers over the months of a handle (n,); 0 for whoever did nothing."""
    return done_in(purchases)["net_revenue"].reindex(customers, fill_value=0.0).to_numpy("float64")
