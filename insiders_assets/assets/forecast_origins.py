"""forecast_origins [month]: what every model says at the end of a month, said once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from insiders_assets.assets.forecast_history import SETTINGS_READ, history_up_to
from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.forecast import FORECAST_ORIGINS
from insiders_assets.storage.lake import Dataset

if TYPE_CHECKING:
    from insiders_assets.domain.forecasting.outcome import Outcome

SEED = 42


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""

    @monthly_asset(
        table=FORECAST_ORIGINS,
        partitions=partitions,
        inputs={
            "insiders_membership": None,
            "customer_purchases": up_to_this_month,
            "raw_invoices": up_to_this_month,
        },
        group="forecast",
        settings_read=SETTINGS_READ,
        kinds={"tensorflow", "postgres"},
    )
    def forecast_origins(
        month: Month, insiders_membership: Dataset, customer_purchases: Dataset, raw_invoices: Dataset
    ) -> Made:
        """What every model says at the end of a month, or on the last day of its data, of those who are members then:
        the rest of an unfinished month and the next three, by day. Naive rates, statsforecast's ARIMA, exponential
        smoothing, Theta and CES on three views, BG/NBD with Gamma-Gamma, a seven-layer network of several seeds.
        Nothing after the day is seen."""
        from insiders_assets.domain.forecasting.models import ask_all
        from insiders_assets.domain.forecasting.records import origin_rows

        history = history_up_to(month, raw_invoices, customer_purchases, insiders_membership)
        if history is None:
            return Made(FORECAST_ORIGINS.empty(), metadata={"no forecast": "there is no sale up to this month"})
        outcomes = ask_all(history, SEED)
        trading = [
            f"{first:%Y-%m}: {int(history.is_open.loc[str(first) : str(last)].sum())}"
            for _, _, first, last in history.periods()
        ]
        return Made(
            origin_rows(history, outcomes, SEED),
            metadata={
                "last day of data": history.origin.date().isoformat(),
                "trading days ahead": ", ".join(trading),
                "years of the shop's season": history.season_years,
                "models": shown_as_table(
                    [
                        {
                            "model": name,
                            "net revenue": round(float(outcome.daily.sum()), 2) if outcome.daily is not None else None,
                            "its seeds": _spread(outcome),
                            "seconds": round(outcome.seconds, 2),
                            "note": outcome.note or "",
                        }
                        for name, outcome in outcomes.items()
                    ]
                ),
            },
            files={name: file for outcome in outcomes.values() for name, file in outcome.files.items()},
        )

    return forecast_origins


def _spread(outcome: Outcome) -> str:
    """The least and the most that the seeds of a model say of the whole horizon."""
    if outcome.of_seeds is None:
        return ""
    sums = outcome.of_seeds.sum()
    return f"{sums.min():,.2f} to {sums.max():,.2f}"
