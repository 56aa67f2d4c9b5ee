"""A seven-layer Keras network that continues a daily series, several seeds of it, and their files.

Belongs here: the series' windows and their scaling, the network's fit, its recursive forecast, its files (`.keras` and
the scaler's JSON), the mean of several seeds. Does not belong here: what the series means, which days are open, other
models and errors, and where files are kept. TensorFlow and Keras are imported inside the functions that use them,
because their import takes seconds and hundreds of megabytes.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from insiders_assets.domain.forecasting.history import LONGEST, MIN_SALES_DAYS, History
from insiders_assets.domain.forecasting.outcome import CannotForecastError, Outcome

SEEDS = 3
LAGS = 28
# Half a year: on the real file, with less than that, it was further off than any other model.
MIN_DAYS = 182
WIDTH = LAGS + 11
LAYERS = (64, 64, 32, 32, 16, 16, 1)
MAX_EPOCHS = 200
PATIENCE = 30
LEARNING_RATE = 0.001
NOISE = 1.0
MODEL_FILE = "network.keras"
SCALER_FILE = "scaler.json"


def seven_layers(history: History, seed: int) -> Outcome:
    """The mean of several seeds of the network, fitted on the last two years without the shop's season.

    What one seed says is half luck: its spread stands beside the mean. When to stop is found with the first seed alone,
    because it hangs on the series more than on the seed, and the search takes two thirds of a fit.
    """
    history.require(MIN_DAYS, MIN_SALES_DAYS)
    daily = history.adjusted.iloc[-LONGEST:]
    is_open = history.is_open.loc[daily.index[0] :]
    known = is_open.iloc[: len(daily)]
    first = fit_network(daily, known, seed)
    fitted = [first, *(fit_network(daily, known, seed + later, first.epochs) for later in range(1, SEEDS))]
    said = {str(seed + later): one.forecast(daily, is_open) for later, one in enumerate(fitted)}
    of_seeds = pd.DataFrame(said).mul(history.season_ahead, axis=0)
    if not np.isfinite(of_seeds.to_numpy()).all():
        raise CannotForecastError("Its training did not settle on finite numbers.")
    untrained = not any(one.epochs for one in fitted)
    return Outcome(
        of_seeds.mean(axis=1),
        "Training found nothing beyond the mean trading day of the last 28 days." if untrained else None,
        of_seeds,
        {f"{seed + later}-{name}": file for later, one in enumerate(fitted) for name, file in one.to_files().items()},
    )


@dataclass(frozen=True)
class Scaler:
    """Centre and spread of the training days, and the bounds beyond which a day is cut.

    All four are money a day in the shop's currency; `spread` > 0. The bounds lie eight spreads from the median: far
    beyond a shop's best ordinary days, so that sums stay unbiased, and near enough that one mistyped order cannot rule
    the squared error. A forecast day is held inside them too, so that the recursion cannot run away.
    """

    centre: float
    spread: float
    low: float
    high: float

    def scale(self, money: np.ndarray) -> np.ndarray:
        """Money a day to scaled numbers, cut at the bounds; any shape."""
        return (np.clip(money, self.low, self.high) - self.centre) / self.spread

    def money(self, scaled: float) -> float:
        """The opposite of :meth:`scale`, held inside the bounds."""
        return float(np.clip(scaled * self.spread + self.centre, self.low, self.high))


def fit_scaler(open_days: np.ndarray) -> Scaler:
    """The scaler of training days on which the shop was open: shape (n,), n >= 1, money a day."""
    lower, median, upper = np.quantile(open_days, [0.25, 0.5, 0.75])
    iqr = upper - lower or np.std(open_days) or abs(median) or 1.0
    low, high = median - 8 * iqr, median + 8 * iqr
    cut = np.clip(open_days, low, high)
    return Scaler(float(np.mean(cut)), float(np.std(cut) or iqr), float(low), float(high))


def calendar_features(days: pd.DatetimeIndex, is_open: np.ndarray) -> np.ndarray:
    """Weekday one-hot (7), sine and cosine of the day of the year (2), open on the eve (1): shape (n, 10).

    The day's own open or closed is no input: a closed day is 0 by rule, so the network never sees one as its target.
    The eve of the first day counts as open.
    """
    angle = 2 * np.pi * days.dayofyear.to_numpy() / 365.25
    eve = np.concatenate([[True], is_open[:-1]])
    return np.column_stack([np.eye(7)[days.weekday], np.sin(angle), np.cos(angle), eve])


def level(scaled: np.ndarray, is_open: np.ndarray) -> float:
    """The mean of the open days among `LAGS` scaled days, both shape (LAGS,); 0 if none was open."""
    return float(scaled[is_open].mean()) if is_open.any() else 0.0


def window(scaled: np.ndarray, is_open: np.ndarray, calendar: np.ndarray, base: float) -> np.ndarray:
    """One target day's inputs, shape (LAGS + 11,), with `base` the level that its forecast is measured from.

    They are the `LAGS` days before it less the level (0 on closed days, which say nothing), the level, and the target
    day's calendar. A shop that grows leaves the range of its first months; its windows, less their level, do not (Kim
    et al. 2022, reversible instance normalisation).

    Parameters
    ----------
    scaled, is_open: shape (LAGS,). calendar: shape (10,).
    """
    return np.concatenate([np.where(is_open, scaled - base, 0.0), [base], calendar])


def windows(scaled: np.ndarray, is_open: np.ndarray, calendar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The windows of all open days from day `LAGS` on: inputs (m, LAGS + 11) and targets less level (m, 1), float32."""
    rows = []
    targets = []
    for day in np.flatnonzero(is_open[LAGS:]) + LAGS:
        before = slice(day - LAGS, day)
        base = level(scaled[before], is_open[before])
        rows.append(window(scaled[before], is_open[before], calendar[day], base))
        targets.append(scaled[day] - base)
    return np.array(rows, dtype="float32").reshape(-1, WIDTH), np.array(targets, dtype="float32").reshape(-1, 1)


@dataclass(frozen=True)
class Network:
    """A fitted network: the Keras model, its scaler, and the epochs that it was trained for."""

    model: Any
    scaler: Scaler
    epochs: int

    def forecast(self, daily: pd.Series, is_open: pd.Series) -> pd.Series:
        """Continue `daily` over the days of `is_open` that follow it, each forecast being a lag of the next days.

        The level stays that of the last observed days. If it followed the forecasts, what the network takes for growth
        would compound day by day; on made-up shops that made the second month's total worse by a quarter.

        Parameters
        ----------
        daily: money a day, shape (n,), n >= `LAGS`, the days up to the origin.
        is_open: bool for the days of `daily` and, after them, for each day of the horizon.

        Returns
        -------
        Money a day over the horizon, 0 on closed days.
        """
        opened = is_open.to_numpy(dtype=bool)
        days = pd.DatetimeIndex(is_open.index)
        calendar = calendar_features(days, opened)
        money = np.zeros(len(days))
        money[: len(daily)] = daily.to_numpy(dtype=float)
        last = slice(len(daily) - LAGS, len(daily))
        base = level(self.scaler.scale(money[last]), opened[last])
        weights = [weight.astype("float32") for weight in self.model.get_weights()]
        for day in np.flatnonzero(opened[len(daily) :]) + len(daily):
            before = slice(day - LAGS, day)
            row = window(self.scaler.scale(money[before]), opened[before], calendar[day], base)
            money[day] = self.scaler.money(_through(row.astype("float32"), weights) + base)
        return pd.Series(money[len(daily) :], index=days[len(daily) :], dtype=float)

    def to_files(self) -> dict[str, bytes]:
        """The network as `network.keras` and `scaler.json`; the same network gives the same bytes."""
        # Keras writes a model to a named file only.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / MODEL_FILE
            self.model.save(path)
            model = _plain(path.read_bytes())
        scaler = {**asdict(self.scaler), "epochs": self.epochs, "lags": LAGS}
        return {MODEL_FILE: model, SCALER_FILE: json.dumps(scaler, indent=1).encode()}

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> Network:
        """The network that :meth:`to_files` gave; it makes the same forecast. No pickle and no code is read."""
        import keras

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / MODEL_FILE
            path.write_bytes(files[MODEL_FILE])
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        said = json.loads(files[SCALER_FILE])
        scaler = Scaler(said["centre"], said["spread"], said["low"], said["high"])
        return cls(model, scaler, said["epochs"])


def _through(row: np.ndarray, weights: list[np.ndarray]) -> float:
    """One window through the layers: a hundred calls of Keras, one for each day, take longer than the fit."""
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        row = row @ kernel + bias
        row = np.where(row > 0, row, np.expm1(np.minimum(row, 0)))
    return float((row @ weights[-2] + weights[-1])[0])


def fit_network(daily: pd.Series, is_open: pd.Series, seed: int, epochs: int | None = None) -> Network:
    """Fit the network to a daily series; the last seventh of it decides when to stop.

    First the scaler and the network see the earlier six sevenths, and the best epoch on the last seventh is noted; then
    both start anew on the whole series for that many epochs (Goodfellow, Bengio, Courville 2016, algorithm 7.2),
    because the latest weeks say most about the next. The same series, seed and machine give the same numbers, in
    one process or in two. Side effects: the global seeds of Python, NumPy and TensorFlow are set, and TensorFlow's
    operations stay deterministic for the rest of the process.

    Parameters
    ----------
    daily: money a day, shape (n,), n >= `MIN_DAYS`, consecutive days, with at least one open day in any six sevenths.
    is_open: bool, same index.
    seed: whole number >= 0. epochs: where to stop, if that is known already.

    Raises
    ------
    ValueError: the series is shorter than `MIN_DAYS`.
    """
    if len(daily) < MIN_DAYS:
        raise ValueError(f"The network needs {MIN_DAYS} days of history; there are {len(daily)}.")
    money = daily.to_numpy(dtype=float)
    opened = is_open.to_numpy(dtype=bool)
    calendar = calendar_features(pd.DatetimeIndex(daily.index), opened)
    kept = len(money) - len(money) // 7
    if epochs is None:
        early = fit_scaler(money[:kept][opened[:kept]]).scale(money)
        seen = windows(early[:kept], opened[:kept], calendar[:kept])
        held = windows(early[kept - LAGS :], opened[kept - LAGS :], calendar[kept - LAGS :])
        _, epochs = _train(seen, held, MAX_EPOCHS, seed)
    scaler = fit_scaler(money[opened])
    model, _ = _train(windows(scaler.scale(money), opened, calendar), None, epochs, seed)
    return Network(model, scaler, epochs)


def _train(
    seen: tuple[np.ndarray, np.ndarray], held: tuple[np.ndarray, np.ndarray] | None, epochs: int, seed: int
) -> tuple[Any, int]:
    """A model trained on `seen` as one batch, and the epoch (0 = untrained) with the least squared error on `held`.

    Fresh noise is laid over lags and level in each epoch, which smooths what is learnt from few windows (Bishop 1995,
    training with noise); on made-up shops it cut the error of the daily mean by a third.
    """
    model = _seven_layers(seed)
    training = _training()
    training.begin(model)
    noise = np.random.default_rng(seed)
    least, best = (np.inf, epochs) if held is None else (float(np.mean(held[1] ** 2)), 0)
    wanted = seen[1].astype("float32")
    tested = held and tuple(one.astype("float32") for one in held)
    for epoch in range(1, epochs + 1):
        inputs = seen[0].copy()
        inputs[:, : LAGS + 1] += noise.normal(0.0, NOISE, (len(inputs), LAGS + 1))
        training.step(inputs.astype("float32"), wanted)
        if tested is None:
            continue
        error = float(training.error(*tested))
        if error < least:
            least, best = error, epoch
        elif epoch - best >= PATIENCE:
            break
    model.set_weights(training.model.get_weights())
    return model, best


class _Training:
    """A model and its optimiser whose step is compiled once: that takes a second, and a fit's own steps less."""

    def __init__(self) -> None:
        import keras
        import tensorflow as tf

        self.model = model = _seven_layers(0)
        self.optimiser = keras.optimizers.Adam(learning_rate=LEARNING_RATE)
        self.optimiser.build(model.trainable_variables)
        self._start = [np.array(variable) for variable in self.optimiser.variables]
        # Of any number of windows: one compiled for a certain number might differ in the last bit.
        windows, deviations = tf.TensorSpec((None, WIDTH), tf.float32), tf.TensorSpec((None, 1), tf.float32)

        def error(inputs: Any, wanted: Any) -> Any:
            return tf.reduce_mean(tf.square(model(inputs, training=False) - wanted))

        def step(inputs: Any, wanted: Any) -> None:
            with tf.GradientTape() as tape:
                wrong = error(inputs, wanted)
            self.optimiser.apply(tape.gradient(wrong, model.trainable_variables))

        self.error = tf.function(error, input_signature=(windows, deviations))
        self.step = tf.function(step, input_signature=(windows, deviations))

    def begin(self, model: Any) -> None:
        """Start from another model's weights, as if nothing had been trained before."""
        self.model.set_weights(model.get_weights())
        for variable, value in zip(self.optimiser.variables, self._start, strict=True):
            variable.assign(value)


@cache
def _training() -> _Training:
    return _Training()


def _seven_layers(seed: int) -> Any:
    """Seven seeded Dense layers; named, so that equal networks have equal files.

    The last layer begins at zero: an untrained network forecasts the level of the last `LAGS` days, and training only
    adds what it finds beyond it.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    layers = [
        keras.layers.Dense(units, activation="elu", kernel_initializer="he_normal", name=f"dense_{number}")
        for number, units in enumerate(LAYERS[:-1], start=1)
    ]
    last = keras.layers.Dense(LAYERS[-1], kernel_initializer="zeros", name=f"dense_{len(LAYERS)}")
    return keras.Sequential([keras.Input((WIDTH,), name="window"), *layers, last], name="network")


def _plain(archive: bytes) -> bytes:
    """A `.keras` archive without times and memory addresses, because objects in the lake are named by their content."""

    def without(said: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in said.items() if key not in ("date_saved", "shared_object_id")}

    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name.endswith(".json"):
                content = json.dumps(json.loads(content, object_hook=without)).encode()
            new.writestr(zipfile.ZipInfo(name), content)
    return written.getvalue()
