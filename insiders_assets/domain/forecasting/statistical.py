"""The field's statistical models, from statsforecast, on three views of the same series.

Belongs here: the views (calendar days, trading days, weekly rates), and the way back from each to days. Does not belong
here: the models' own mathematics (Nixtla's statsforecast; Hyndman and Khandakar 2008 for ARIMA and exponential
smoothing, Assimakopoulos and Nikolopoulos 2000 for Theta, Svetunkov et al. 2022 for complex exponential smoothing).

Each view is taken of the series without the shop's season of the year, which the forecast gets back: no model here can
learn a year from one or two of them. The series is cut to its last two years (:data:`.history.LONGEST`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from insiders_assets.domain.forecasting.history import LONGEST, MIN_SALES_DAYS, History
from insiders_assets.domain.forecasting.outcome import CannotForecastError

MODELS = ("arima", "ets", "theta", "ces")
VIEWS = ("daily", "trading", "weekly")
MIN_DAYS = 112  # sixteen weeks: with three months they are behind the mean trading day
WEEK = 7


def statistical(model: str, view: str) -> Callable[[History, int], pd.Series]:
    """The forecast of one of `MODELS` on one of `VIEWS`, as a model of a history."""

    def forecast(history: History, seed: int) -> pd.Series:
        history.require(MIN_DAYS, MIN_SALES_DAYS)
        money = history.adjusted.to_numpy(dtype=float)[-LONGEST:]
        opened = history.was_open[-LONGEST:]
        expected = _VIEWS[view](model, money, opened, history.will_open)
        return pd.Series(np.where(history.will_open, expected, 0.0) * history.season_ahead, index=history.horizon)

    return forecast


def _daily(model: str, money: np.ndarray, opened: np.ndarray, will_open: np.ndarray) -> np.ndarray:
    """Every calendar day; closed ones are 0, and the weekly season carries them."""
    return _continued(model, money, len(will_open), WEEK)


def _trading(model: str, money: np.ndarray, opened: np.ndarray, will_open: np.ndarray) -> np.ndarray:
    """Trading days only, one after the other: a week is as many of them as an ordinary week has."""
    days = int(will_open.sum())
    expected = np.zeros(len(will_open))
    if days:
        # Of the median week: one with holidays is no ordinary week.
        per_week = int(np.clip(np.median(_by_week(opened.astype(float)).sum(axis=1)), 1, WEEK))
        expected[will_open] = _continued(model, money[opened], days, per_week)
    return expected


def _weekly(model: str, money: np.ndarray, opened: np.ndarray, will_open: np.ndarray) -> np.ndarray:
    """Weeks back from the origin, as money per trading day; a week that was closed has the rate of the one before."""
    trading = _by_week(opened.astype(float)).sum(axis=1)
    sold = _by_week(money).sum(axis=1)
    rates = pd.Series(np.where(trading > 0, sold / np.maximum(trading, 1), np.nan)).ffill().bfill().to_numpy()
    weeks = -(-len(will_open) // WEEK)
    return np.repeat(_continued(model, rates, weeks, 1), WEEK)[: len(will_open)]


_VIEWS = {"daily": _daily, "trading": _trading, "weekly": _weekly}


def _by_week(values: np.ndarray) -> np.ndarray:
    """The last whole weeks of daily values, shape (weeks, 7)."""
    weeks = len(values) // WEEK
    return values[len(values) - weeks * WEEK :].reshape(weeks, WEEK)


def _continued(model: str, values: np.ndarray, steps: int, season: int) -> np.ndarray:
    """The next `steps` values by a model, shape (steps,).

    Raises
    ------
    CannotForecastError: the fit failed, or did not settle on finite numbers.
    """
    if np.ptp(values) == 0:  # none of the models takes a constant well
        return np.full(steps, values[-1])
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = _model(model, season).forecast(y=np.ascontiguousarray(values, dtype=float), h=steps)["mean"]
    except Exception as broken:  # statsforecast has no error of its own: whatever a fit dies of, the others go on
        reason = str(broken).partition("\n")[0] or type(broken).__name__
        raise CannotForecastError(f"Its fit failed: {reason}.") from None
    found = np.asarray(found, dtype=float)
    if not np.isfinite(found).all():
        raise CannotForecastError("Its fit did not settle on finite numbers.")
    # An unlucky trend is held within what the series has seen, so that a bad fit cannot rule a mean.
    spread = np.ptp(values)
    return np.clip(found, values.min() - spread, values.max() + spread)


def _model(name: str, season: int) -> Any:
    from statsforecast.models import AutoARIMA, AutoCES, AutoETS, AutoTheta

    if name == "arima":
        # Approximate likelihoods while searching the orders, as R's auto.arima does for long or seasonal series.
        return AutoARIMA(season_length=season, approximation=True)
    return {"ets": AutoETS, "theta": AutoTheta, "ces": AutoCES}[name](season_length=season)
