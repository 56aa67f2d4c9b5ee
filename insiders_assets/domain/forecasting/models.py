"""The models by name, and all of them asked of one history.

Belongs here: which models there are, in which order and family, and asking them. Does not belong here: any model's own
work (the modules beside this one), and what is made of their answers (:mod:`.choice`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from insiders_assets.contracts.found_by import library
from insiders_assets.domain.forecasting.buyers import bg_nbd
from insiders_assets.domain.forecasting.history import History
from insiders_assets.domain.forecasting.naive import last_30_days, last_90_days, seasonal_naive, seasonal_rate
from insiders_assets.domain.forecasting.network import seven_layers
from insiders_assets.domain.forecasting.outcome import CannotForecastError, Outcome
from insiders_assets.domain.forecasting.statistical import MODELS as STATISTICAL
from insiders_assets.domain.forecasting.statistical import VIEWS, statistical

Model = Callable[[History, int], "pd.Series | Outcome"]

NETWORK, STATISTICAL_MEDIAN = "network", "statistical_median"
NAIVE = ("last_30_days", "last_90_days", "seasonal_naive")
STATISTICAL_MODELS = tuple(f"{model}_{view}" for view in VIEWS for model in STATISTICAL)
MODELS: Mapping[str, Model] = {
    "last_30_days": last_30_days,
    "last_90_days": last_90_days,
    "seasonal_naive": seasonal_naive,
    "seasonal_rate": seasonal_rate,
    **{f"{model}_{view}": statistical(model, view) for view in VIEWS for model in STATISTICAL},
    "bg_nbd": bg_nbd,
    NETWORK: seven_layers,
}
LIBRARIES = {
    "bg_nbd": "scipy",
    NETWORK: "keras",
    **dict.fromkeys((*STATISTICAL_MODELS, STATISTICAL_MEDIAN), "statsforecast"),
}


def ask_all(history: History, seed: int) -> dict[str, Outcome]:
    """What every model says of the horizon, in the order of `MODELS`; one that cannot says why."""
    if not history.sales_days:
        reason = "The group has no sales in its history." if history.members else "Nobody is a member at the origin."
        return {name: _silent(reason, name) for name in (*MODELS, STATISTICAL_MEDIAN)}
    found = {name: _asked(name, model, history, seed) for name, model in MODELS.items()}
    return {**found, STATISTICAL_MEDIAN: _median([found[name] for name in STATISTICAL_MODELS])}


def _median(outcomes: Sequence[Outcome]) -> Outcome:
    """Day by day the median of those that can: of a dozen alike, no single one is worth choosing."""
    able = [outcome.daily for outcome in outcomes if outcome.daily is not None]
    if not able:
        return _silent(outcomes[0].note or "None of the statistical models can forecast.", STATISTICAL_MEDIAN)
    return Outcome(pd.concat(able, axis=1).median(axis=1), library=_library_of(STATISTICAL_MEDIAN))


def _asked(name: str, model: Model, history: History, seed: int) -> Outcome:
    started = time.perf_counter()
    try:
        said = model(history, seed)
    except CannotForecastError as reason:
        return _silent(str(reason), name)
    found = said if isinstance(said, Outcome) else Outcome(said)
    if found.daily is not None and not np.isfinite(found.daily.to_numpy(float)).all():
        return _silent("It did not settle on finite numbers.", name)
    return replace(found, library=_library_of(name), seconds=time.perf_counter() - started)


def _silent(reason: str, name: str) -> Outcome:
    return Outcome(note=reason, library=_library_of(name))


def _library_of(name: str) -> str:
    return library(LIBRARIES.get(name, "pandas"))
