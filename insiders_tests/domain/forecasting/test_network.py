"""What the network promises, on small made-up series."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from insiders_assets.domain.forecasting.network import (
    LAGS,
    LAYERS,
    MIN_DAYS,
    Network,
    calendar_features,
    fit_network,
    fit_scaler,
    seven_layers,
    windows,
)
from insiders_tests.domain.forecasting.histories import WEEK, constant, known

Fitted = tuple[Network, pd.Series, pd.Series]


def rhythm(days: int, horizon: int, seed: int = 3) -> tuple[pd.Series, pd.Series]:
    """Noisy sales with a weekly rhythm, closed on Saturdays, and whether each day (history, horizon) is open."""
    index = pd.date_range("2024-01-01", periods=days + horizon)
    noise = np.random.default_rng(seed).gamma(8, 1 / 8, len(index))
    return pd.Series(WEEK[index.weekday] * noise, index=index), pd.Series(index.weekday != 5, index=index)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    daily, is_open = rhythm(200, 35)
    return fit_network(daily.iloc[:200], is_open.iloc[:200], 7), daily.iloc[:200], is_open


def test_it_has_seven_dense_layers(fitted: Fitted) -> None:
    layers = fitted[0].model.layers
    assert [type(layer).__name__ for layer in layers] == ["Dense"] * 7
    assert tuple(layer.units for layer in layers) == LAYERS


def test_it_learns_a_weekly_rhythm_better_than_the_overall_mean(fitted: Fitted) -> None:
    network, daily, is_open = fitted
    forecast = network.forecast(daily, is_open)
    truth = WEEK[pd.DatetimeIndex(forecast.index).weekday]
    opened = is_open.iloc[200:].to_numpy()
    overall = np.where(opened, daily[is_open.iloc[:200]].mean(), 0.0)
    assert np.mean((forecast - truth) ** 2) < 0.5 * np.mean((overall - truth) ** 2)


def test_closed_days_are_zero_and_open_days_are_not(fitted: Fitted) -> None:
    network, daily, is_open = fitted
    forecast = network.forecast(daily, is_open)
    assert list(forecast.index) == list(is_open.index[200:])
    assert (forecast[~is_open.iloc[200:]] == 0).all()
    assert (forecast[is_open.iloc[200:]] != 0).all()


def test_a_reloaded_network_makes_the_same_forecast(fitted: Fitted) -> None:
    network, daily, is_open = fitted
    files = network.to_files()
    assert set(files) == {"network.keras", "scaler.json"}
    again = Network.from_files(files)
    pd.testing.assert_series_equal(again.forecast(daily, is_open), network.forecast(daily, is_open), check_exact=True)
    assert again.to_files() == files


def test_the_same_series_and_seed_give_the_same_files_twice(fitted: Fitted) -> None:
    network, daily, is_open = fitted
    again = fit_network(daily, is_open.iloc[:200], 7)
    assert again.to_files() == network.to_files()
    assert again.forecast(daily, is_open).equals(network.forecast(daily, is_open))


def test_another_process_gives_the_same_forecast(fitted: Fitted) -> None:
    network, daily, is_open = fitted
    program = """
import json
from insiders_tests.domain.forecasting.test_network import rhythm
from insiders_assets.domain.forecasting.network import fit_network
daily, is_open = rhythm(200, 35)
network = fit_network(daily.iloc[:200], is_open.iloc[:200], 7)
print(json.dumps(list(network.forecast(daily.iloc[:200], is_open))))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == list(network.forecast(daily, is_open))


def test_where_to_stop_can_be_known_already(fitted: Fitted) -> None:
    network, daily, is_open = fitted
    assert 0 < network.epochs < 200
    again = fit_network(daily, is_open.iloc[:200], 7, network.epochs)
    assert again.to_files() == network.to_files()
    untrained = fit_network(daily, is_open.iloc[:200], 8, 0).forecast(daily, is_open)
    level = daily.iloc[-28:].clip(*_bounds(daily, is_open)).sum() / is_open.iloc[172:200].sum()
    assert untrained[is_open.iloc[200:]].to_numpy() == pytest.approx(level, rel=1e-5)


def _bounds(daily: pd.Series, is_open: pd.Series) -> tuple[float, float]:
    scaler = fit_scaler(daily[is_open.iloc[: len(daily)]].to_numpy())
    return scaler.low, scaler.high


def test_odd_series_give_a_forecast_of_their_own_size(fitted: Fitted) -> None:
    _, daily, is_open = fitted
    ordinary = WEEK[pd.DatetimeIndex(is_open.index[200:]).weekday].sum()
    opened = is_open.iloc[:200]
    spiked = daily.copy()
    spiked.iloc[150] *= 30
    negative = (daily - 1_500.0).where(opened, 0.0)
    constant = daily.where(~opened, 100.0)
    found = {}
    for name, money in {"spiked": spiked, "negative": negative, "constant": constant}.items():
        # As many epochs as the ordinary series took: where to stop is not what is asked here.
        found[name] = fit_network(money, opened, 7, fitted[0].epochs).forecast(money, is_open)
        assert np.isfinite(found[name]).all()
    assert 0.6 < found["spiked"].sum() / ordinary < 1.6
    assert found["negative"].sum() == pytest.approx(ordinary - 1_500 * 30, rel=0.2)
    assert found["constant"].sum() == pytest.approx(3_000.0, rel=0.03)


def test_where_there_is_nothing_to_learn_it_says_so_and_stays_at_the_level() -> None:
    said = seven_layers(known("2024-06-30", constant("2023-12-01", "2024-06-30", closed=(5,))), 4)
    assert said.note == "Training found nothing beyond the mean trading day of the last 28 days."
    assert said.daily is not None
    saturday = pd.DatetimeIndex(said.daily.index).weekday == 5
    assert (said.daily[saturday] == 0).all()
    assert said.daily[~saturday].to_numpy() == pytest.approx(100.0, rel=1e-5)


def test_a_thirtyfold_day_stays_inside_bounds_that_ordinary_days_never_reach() -> None:
    daily, is_open = rhythm(200, 0)
    ordinary = fit_scaler(daily[is_open].to_numpy())
    assert ordinary.low < daily.min() and daily.max() < ordinary.high
    daily.iloc[150] = 30 * daily.max()
    spiked = fit_scaler(daily[is_open].to_numpy())
    assert spiked.high < daily.max() / 5
    assert spiked.spread < 2 * ordinary.spread


def test_a_constant_series_can_be_scaled() -> None:
    scaler = fit_scaler(np.full(40, 5.0))
    assert scaler.spread > 0
    assert scaler.money(float(scaler.scale(np.array([5.0]))[0])) == pytest.approx(5.0)


def test_windows_hold_only_open_targets_and_only_days_before_them() -> None:
    daily, is_open = rhythm(60, 0)
    opened = is_open.to_numpy()
    calendar = calendar_features(pd.DatetimeIndex(daily.index), opened)
    inputs, targets = windows(daily.to_numpy(), opened, calendar)
    assert inputs.shape == (int(opened[LAGS:].sum()), LAGS + 11) and targets.shape == (len(inputs), 1)
    later = daily.to_numpy().copy()
    later[LAGS:] += 1_000.0
    assert np.array_equal(windows(later, opened, calendar)[0][0], inputs[0])


def test_a_history_that_is_too_short_is_refused() -> None:
    daily, is_open = rhythm(MIN_DAYS - 1, 0)
    with pytest.raises(ValueError, match="needs 182 days"):
        fit_network(daily, is_open, 0)
