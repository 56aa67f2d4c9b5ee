"""From what every model said at every origin to what is published, with its intervals; replayed origin by origin.

Belongs here: the combination, the choice, stepping aside, the calibration. Does not belong here: any model, and what
the actual revenue was (it is given).

At an origin only the errors of months that were over by then are known, and only they are used: the replay of an
earlier origin gives what would have been published then. Errors are counted in *scales*: the median of what the models
said of the period, so that a month whose actual is near zero cannot rule a mean.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from insiders_assets.contracts.forecast import COMBINATION, CONFORMAL, NONE, STUDENT
from insiders_assets.contracts.forecast import LEVELS as PERCENT
from insiders_assets.domain.forecasting.history import MONTHS_AHEAD
from insiders_assets.domain.forecasting.models import NAIVE
from insiders_assets.domain.forecasting.voices import voices
from insiders_assets.domain.months import months_between

SHOWN = 0.80
LEVELS = tuple(percent / 100 for percent in PERCENT)
# Of past errors a year counts, for correction, weights and intervals alike: the older ones were made of smaller groups,
# with less known of the season. With two years the 80 % interval held 89 % of the months of made-up shops.
MOST_ERRORS = 12
# A correction counts as if four earlier origins had shown none, a weight as if three had found all voices equal.
NO_CORRECTION = 4
EQUAL_ERRORS = 3
LARGEST_CORRECTION = 0.7
MARGIN, MIN_ORIGINS = 0.03, 8
MIN_ERRORS = 2
# How far a level moves for an interval that held or did not. A tenth of it is too slow for the few dozen months that a
# shop has; with half of it or twice as much the 80 % interval held within three points of the same.
PACE = 0.02
LEAST_LEVEL, MOST_LEVEL = 0.05, 0.995


def gross_of(net: float, gross_per_net: float) -> float:
    """Purchases that go with a net revenue; 0 where more is expected back than bought: nothing else is known of it."""
    return max(net * gross_per_net, 0.0)


@dataclass(frozen=True)
class Said:
    """What the models said at an origin.

    month: first day of the origin's month. horizons: month of the horizon (0: the rest of the origin's own) by day.
    daily: net revenue, a row for each day of the horizon and a column for each model that could forecast.
    gross_per_net: what a unit of net revenue is in gross revenue.
    """

    month: dt.date
    horizons: pd.Series
    daily: pd.DataFrame
    gross_per_net: float

    @cached_property
    def totals(self) -> pd.DataFrame:
        """By month of the horizon: models' totals."""
        return self.daily.groupby(self.horizons).sum()

    @cached_property
    def voices(self) -> pd.DataFrame:
        """By month of the horizon: families' totals, each the total of the family's days."""
        return voices(self.daily).groupby(self.horizons).sum()

    def gross(self, net: float) -> float:
        """The purchases that go with a net revenue, as :func:`gross_of` has it."""
        return gross_of(net, self.gross_per_net)

    def total(self, model: str, horizon: int) -> float:
        """A model's total of a month; NaN where it could not forecast."""
        return float(self.totals[model].loc[horizon]) if model in self.totals else float("nan")

    def heard(self, family: str, horizon: int) -> float:
        """A family's total of a month; NaN where it was silent."""
        return float(self.voices[family].loc[horizon]) if family in self.voices else float("nan")

    def scale(self, horizon: int) -> float:
        """The size of the median model's total of a month, money; above 0 unless all say 0."""
        return float(self.scales.loc[horizon])

    @cached_property
    def scales(self) -> pd.Series:
        """By month of the horizon: the sizes that :meth:`scale` gives."""
        sizes = self.totals.abs()
        return sizes.median(axis=1).where(lambda scale: scale > 0, sizes.max(axis=1))


@dataclass(frozen=True)
class Actual:
    """What a group fixed at an origin brought in a month after it, net and gross, in total and by day."""

    net: float
    gross: float
    daily: pd.Series

    @classmethod
    def of_sales(cls, sales: pd.DataFrame) -> Actual:
        """What rows of sales (day, gross, returns) come to."""
        net = sales["gross"] - sales["returns"]
        return cls(float(net.sum()), float(sales["gross"].sum()), net.groupby(sales["day"]).sum())


@dataclass(frozen=True)
class Half:
    """Half-widths of the intervals at `LEVELS`, as shares of the scale, and what they rest on."""

    widths: tuple[float, ...] | None
    basis: str
    origins: int


@dataclass(frozen=True)
class Published:
    """What is published at an origin of one month of its horizon.

    model: the one that is quoted. net: its daily path. combination: the combination's. weights, corrections: of each
    voice in it. half, half_gross, half_daily: of the intervals of the total, of the gross total and of a day.
    half_of: of the total that each model says by itself, and the combination, from its own past errors.
    """

    model: str
    net: pd.Series
    combination: pd.Series
    weights: Mapping[str, float]
    corrections: Mapping[str, float]
    half: Half
    half_gross: Half
    half_daily: Half
    half_of: Mapping[str, Half]
    scale: float


@dataclass(frozen=True)
class Off:
    """What a forecast of a month that is over was off by: the size, in scales, and whether the intervals at `LEVELS`
    that it had held the actual; None where it had none."""

    size: float
    held: tuple[bool, ...] | None

    @classmethod
    def of(cls, size: float, half: Half) -> Off:
        """The size beside the half-widths that the forecast had."""
        return cls(size, None if half.widths is None else tuple(size <= width for width in half.widths))


@dataclass(frozen=True)
class _Errors:
    """What was said of a month that is over was off by: what was published, net and gross; models and the combination
    by name; days (n,), sizes in scales; and of voices squared errors as shares of their mean."""

    published: Off
    gross: Off
    of: Mapping[str, Off]
    of_days: np.ndarray
    voices: Mapping[str, float]


@dataclass(frozen=True)
class _Known:
    """An earlier origin's month that is over: what was said of it, what came, and how far off that was (None where the
    models said nothing but 0)."""

    said: Said
    actual: Actual
    errors: _Errors | None


class _Past:
    """What is known of earlier origins, by (origin, horizon), filled as the replay goes on."""

    def __init__(self) -> None:
        self.published: dict[tuple[dt.date, int], Published] = {}
        self._known: dict[tuple[dt.date, int], _Known] = {}

    def known(self, said: Said, horizon: int, actual: Actual) -> _Known:
        """An earlier origin's month with its errors, which are counted once."""
        key = (said.month, horizon)
        if key not in self._known:
            published = self.published[key]
            errors = _errors(said, horizon, published, actual) if published.scale > 0 else None
            self._known[key] = _Known(said, actual, errors)
        return self._known[key]


def _errors(said: Said, horizon: int, published: Published, actual: Actual) -> _Errors:
    net, scale = float(published.net.sum()), published.scale
    corrected = {name: factor * said.heard(name, horizon) for name, factor in published.corrections.items()}
    squares = {name: (expected - actual.net) ** 2 for name, expected in corrected.items()}
    mean = float(np.mean(list(squares.values())))
    truth = actual.daily.reindex(published.net.index, fill_value=0.0)
    counted = ((published.net != 0) | (truth != 0)).to_numpy()
    a_day = scale / max(int(counted.sum()), 1)
    totals = {**said.totals.loc[horizon].to_dict(), COMBINATION: float(published.combination.sum())}
    return _Errors(
        Off.of(abs(net - actual.net) / scale, published.half),
        Off.of(abs(said.gross(net) - actual.gross) / scale, published.half_gross),
        {
            str(name): Off.of(abs(total - actual.net) / scale, published.half_of[str(name)])
            for name, total in totals.items()
        },
        (published.net - truth).abs().to_numpy()[counted] / a_day,
        {name: square / mean for name, square in squares.items()} if mean > 0 else {},
    )


def replay(
    origins: Sequence[Said], actual: Mapping[tuple[dt.date, int], Actual]
) -> dict[tuple[dt.date, int], Published]:
    """What is published at each origin for each month of its horizon, by (origin's month, horizon).

    Parameters
    ----------
    origins: oldest first. actual: by (origin's month, horizon), of months that are over; it may hold months after an
        origin, which are not looked at when that origin is replayed.
    """
    past = _Past()
    for place, said in enumerate(origins):
        if said.daily.empty:
            continue
        # A month that was not over then is not known then, whatever came of it later.
        unfinished = int(0 in said.totals.index)
        for horizon in said.totals.index:
            # Of the rest of a month nothing was ever measured: the month after it comes nearest. What follows an
            # unfinished month is further away than the same month seen from that month's end.
            measured = max(min(int(horizon) + unfinished, MONTHS_AHEAD), 1) if horizon else 1
            known = [
                past.known(one, measured, actual[one.month, measured])
                for one in origins[:place]
                if (one.month, measured) in actual
                and (one.month, measured) in past.published
                and months_between(one.month, said.month) >= measured + unfinished
            ]
            past.published[said.month, int(horizon)] = _published(said, int(horizon), measured, known)
    return past.published


def _published(said: Said, horizon: int, measured: int, known: Sequence[_Known]) -> Published:
    daily = said.daily[said.horizons == horizon]
    heard = voices(daily)
    names = [str(name) for name in heard.columns]
    corrections = {name: _correction(name, measured, known) for name in names}
    corrected = heard.mul(pd.Series(corrections))
    errors = [one.errors for one in known if one.errors]
    recent = errors[-MOST_ERRORS:]
    weights = _weights(names, recent)
    combination = corrected.mul(pd.Series(weights)).sum(axis=1)
    naive = _better_naive(daily, recent)
    if not said.scale(horizon) > 0:  # closed, as far as is known: there is nothing to be a share of
        errors = []
    wider = _wider(said) if horizon == 0 else 1.0
    return Published(
        naive or COMBINATION,
        daily[naive] if naive else combination,
        combination,
        weights,
        corrections,
        _half([one.published for one in errors], wider),
        _half([one.gross for one in errors], wider),
        _half_of_days([one.of_days for one in errors[-MOST_ERRORS:] if len(one.of_days)]),
        {
            name: _half([one.of[name] for one in errors if name in one.of], wider)
            for name in (*daily.columns, COMBINATION)
        },
        said.scale(horizon),
    )


def _wider(said: Said) -> float:
    """How much further off, in shares, the rest of a month is than the whole month that its errors are taken from: days
    err by chance, so the fewer they are, the less of it evens out."""
    days = (said.daily != 0).any(axis=1).groupby(said.horizons).sum()
    return float(np.sqrt(max(days.get(1, 0) / max(days.get(0, 0), 1), 1.0)))


def _correction(voice: str, horizon: int, known: Sequence[_Known]) -> float:
    """What a voice has been off by at past origins, as a factor: the median of actual / forecast, drawn towards 1."""
    pairs = [(one.said.heard(voice, horizon), one.actual.net) for one in known[-MOST_ERRORS:]]
    logs = [np.log(actual / expected) for expected, actual in pairs if expected > 0 and actual > 0]
    if not logs:
        return 1.0
    drawn = float(np.median(logs)) * len(logs) / (len(logs) + NO_CORRECTION)
    return float(np.exp(np.clip(drawn, -LARGEST_CORRECTION, LARGEST_CORRECTION)))


def _weights(names: Sequence[str], errors: Sequence[_Errors]) -> dict[str, float]:
    """Weights of the voices, in sum 1: one over the mean squared error of their corrected forecasts (Bates and Granger
    1969, without correlations), drawn towards equal ones.

    An origin's squared errors count as shares of their mean over the voices heard there: a voice that is new has not
    been through the hard months of the others, and is not to gain by that.
    """
    precision = {}
    for name in names:
        own = [one.voices[name] for one in errors if name in one.voices]
        precision[name] = (len(own) + EQUAL_ERRORS) / (sum(own) + EQUAL_ERRORS)
    whole = sum(precision.values())
    return {name: value / whole for name, value in precision.items()}


def _better_naive(daily: pd.DataFrame, errors: Sequence[_Errors]) -> str | None:
    """The naive model that has been nearer than the combination by more than the margin, at enough origins; None where
    there is none, or where it cannot forecast now."""
    found: dict[str, float] = {}
    for name in NAIVE:
        both = [(one.of[name].size, one.of[COMBINATION].size) for one in errors if name in one.of]
        if name not in daily or len(both) < MIN_ORIGINS:
            continue
        own, its = np.mean(both, axis=0)
        if its - own > MARGIN:
            found[name] = float(own)
    return min(found, key=lambda name: found[name]) if found else None


def _half_of_days(errors: Sequence[np.ndarray]) -> Half:
    """Half-widths of a day's intervals, from the errors of the days of n origins, in mean days of the scale.

    The days of a month err together, so origins are counted, not days: four, as for a month's 80 %.
    """
    if SHOWN * (len(errors) + 1) > len(errors):
        return Half(None, NONE, len(errors))
    return Half(tuple(float(width) for width in np.quantile(np.concatenate(errors), LEVELS)), CONFORMAL, len(errors))


def _half(known: Sequence[Off], wider: float) -> Half:
    """Half-widths from what forecasts of the same kind were off by, and from how often their intervals held."""
    return calibrated(
        [one.size * wider for one in known[-MOST_ERRORS:]], adapted([one.held for one in known if one.held])
    )


def adapted(held: Sequence[tuple[bool, ...]]) -> tuple[float, ...]:
    """The levels to ask for, so that `LEVELS` hold in the long run: each falls a little when an interval held and rises
    when one did not, and so stays where as many hold as should (adaptive conformal inference, Gibbs and Candès 2021).

    Past errors are not drawn like the next one, as conformal prediction has it: the earlier ones were made with less
    known of the season and of every model's bias, so their quantiles are too wide; after a break they are too narrow.
    """
    moved = [level - PACE * sum(one[place] - level for one in held) for place, level in enumerate(LEVELS)]
    return tuple(np.clip(moved, LEAST_LEVEL, MOST_LEVEL).tolist())


def calibrated(scores: Sequence[float], levels: Sequence[float] = LEVELS) -> Half:
    """Half-widths of the intervals at so many levels, lowest first, from the sizes of n past errors.

    Split conformal (Vovk, Gammerman and Shafer 2005; Lei et al. 2018): the quantile at level x (n + 1) of the scores,
    between two of them by interpolation, where n is large enough for it to exist: from 4 on for 80 %, from 19 on for
    95 %. Below that Student's t with n degrees of freedom about an error of mean zero, from two errors on; with fewer,
    none: of the twelve errors that count here, 95 % is always Student's. A higher level is never narrower than a lower
    one. The basis that is told is that of the 80 % interval.
    """
    from scipy.special import stdtrit

    n = len(scores)
    if n < MIN_ERRORS:
        return Half(None, NONE, n)
    ordered = np.sort(np.asarray(scores, dtype=float))
    root = float(np.sqrt(np.mean(np.square(ordered))))
    widths = [
        float(np.interp(level * (n + 1), np.arange(1, n + 1), ordered))
        if level * (n + 1) <= n
        else root * float(stdtrit(n, (1 + level) / 2))
        for level in levels
    ]
    basis = CONFORMAL if levels[LEVELS.index(SHOWN)] * (n + 1) <= n else STUDENT
    return Half(tuple(np.maximum.accumulate(widths).tolist()), basis, n)
