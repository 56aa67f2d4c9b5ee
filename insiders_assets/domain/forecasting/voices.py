"""The families of models that the combination listens to, each with one voice.

Belongs here: which models speak together. Does not belong here: how much each voice counts (:mod:`.choice`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from insiders_assets.domain.forecasting.models import NETWORK, STATISTICAL_MEDIAN

# The first model of a family that can forecast is its voice: the rates are the same rate, less and less of it known.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "statistical": (STATISTICAL_MEDIAN,),
    "recent_rate": ("seasonal_rate", "last_90_days", "last_30_days"),
    "seasonal_naive": ("seasonal_naive",),
    "bg_nbd": ("bg_nbd",),
    NETWORK: (NETWORK,),
}


def speaker(family: str, able: Collection[str]) -> str | None:
    """The model that speaks for a family, of those that are able to forecast; None where none is."""
    return next((model for model in FAMILIES[family] if model in able), None)


def voices(said: pd.DataFrame) -> pd.DataFrame:
    """Families' forecasts from models' forecasts: columns models to columns families, a silent family left out."""
    able = said.columns[said.notna().all()]
    speakers = {family: speaker(family, able) for family in FAMILIES}
    return pd.DataFrame({family: said[model] for family, model in speakers.items() if model}, index=said.index)
