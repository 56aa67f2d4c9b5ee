"""Forecasts as rows and rows as forecasts: what an origin said, what it was off by, what is published.

Belongs here: the three tables of :mod:`insiders_assets.contracts.forecast`. Does not belong here: any decision.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from insiders_assets.contracts.forecast import COMBINATION, LEVELS
from insiders_assets.contracts.found_by import library
from insiders_assets.contracts.table import or_null
from insiders_assets.domain.forecasting.calendar import month_end
from insiders_assets.domain.forecasting.choice import Actual, Half, Published, Said, gross_of
from insiders_assets.domain.forecasting.history import MONTHS_AHEAD, History
from insiders_assets.domain.forecasting.models import LIBRARIES, NETWORK
from insiders_assets.domain.forecasting.outcome import Outcome
from insiders_assets.domain.forecasting.voices import speaker

Row = dict[str, Any]


def origin_rows(history: History, outcomes: Mapping[str, Outcome], seed: int) -> list[Row]:
    """What every model says, in the columns of FORECAST_ORIGINS: a row for each month of the horizon, and one for each
    day of the models that can forecast."""
    gross_per_net = 1 / (1 - history.returns_share())
    trading = pd.Series(history.will_open, index=history.horizon)
    rows: list[Row] = []
    for name, outcome in outcomes.items():
        said: Row = {"month": history.month, "model": name, "library": outcome.library}
        said["seed"] = seed if name == NETWORK else None
        for horizon, _, first, last in history.periods():
            days = slice(pd.Timestamp(first), pd.Timestamp(last))
            row = {
                **said,
                "grain": "month",
                "period_start": first,
                "period_end": last,
                "horizon": horizon,
                "trading_days": int(trading.loc[days].sum()),
                "season_years": history.season_years,
                "note": outcome.note,
            }
            if outcome.daily is not None:
                net = float(outcome.daily.loc[days].sum())
                row |= {"net_revenue": net, "gross_revenue": gross_of(net, gross_per_net)}
                rows += _day_rows(said, horizon, outcome.daily.loc[days], gross_per_net, trading)
            if outcome.of_seeds is not None:
                sums = outcome.of_seeds.loc[days].sum()
                row |= {"seeds_lowest": float(sums.min()), "seeds_highest": float(sums.max())}
            rows.append(row)
    return rows


def _day_rows(said: Row, horizon: int, net: pd.Series, gross_per_net: float, trading: pd.Series) -> Iterator[Row]:
    for day, money in zip(pd.DatetimeIndex(net.index), net, strict=True):
        yield {
            **said,
            "grain": "day",
            "period_start": day.date(),
            "period_end": day.date(),
            "horizon": horizon,
            "net_revenue": float(money),
            "gross_revenue": gross_of(float(money), gross_per_net),
            "trading_days": int(trading.loc[day]),
        }


def said_of(rows: pd.DataFrame) -> Said:
    """What the models said at one origin, from its rows of FORECAST_ORIGINS."""
    days = rows[(rows["grain"] == "day") & rows["net_revenue"].notna()]
    month = pd.Timestamp(rows["month"].iloc[0]).date()
    index = pd.to_datetime(days["period_start"])
    told = days.assign(day=index, net_revenue=days["net_revenue"].astype(float), horizon=days["horizon"].astype(int))
    daily = told.pivot_table(index="day", columns="model", values="net_revenue", sort=True)
    horizons = told.groupby("day")["horizon"].first().reindex(daily.index)
    bought = told[told["net_revenue"] > 0]
    net, gross = float(bought["net_revenue"].sum()), float(bought["gross_revenue"].astype(float).sum())
    daily.columns.name = None
    return Said(month, horizons, daily, gross / net if net else 1.0)


def actual_after(
    origins: Sequence[dt.date], sales: pd.DataFrame, last_over: dt.date
) -> dict[tuple[dt.date, int], Actual]:
    """What the members of each origin brought in each of the months after it that are over, by (origin, horizon).

    Parameters
    ----------
    origins: first days of months. sales: origin, day, gross, returns: of the members of each origin, in the months
        after it. last_over: first day of the last month whose data are complete.
    """
    of_month = dict(list(sales.groupby(["origin", sales["day"].dt.to_period("M")])))
    found = {}
    for origin in origins:
        for horizon in range(1, MONTHS_AHEAD + 1):
            target = pd.Period(origin, "M") + horizon
            if target > pd.Period(last_over, "M"):
                break
            found[origin, horizon] = Actual.of_sales(of_month.get((origin, target), sales.iloc[:0]))
    return found


def backtest_rows(
    month: dt.date,
    origins: Sequence[Said],
    published: Mapping[tuple[dt.date, int], Published],
    actual: Mapping[tuple[dt.date, int], Actual],
) -> list[Row]:
    """How far off everything was, in the columns of FORECAST_BACKTEST.

    Parameters
    ----------
    published: as :func:`.choice.replay` gives it.
    """
    rows = []
    for said in origins:
        for horizon in range(1, MONTHS_AHEAD + 1):
            truth, quoted = actual.get((said.month, horizon)), published.get((said.month, horizon))
            if truth is None or quoted is None:
                continue
            totals = {**said.totals.loc[horizon].to_dict(), COMBINATION: float(quoted.combination.sum())}
            for name, net in totals.items():
                row: Row = {
                    "month": month,
                    "origin": said.month,
                    "model": name,
                    "horizon": horizon,
                    "target": (pd.Period(said.month, "M") + horizon).start_time.date(),
                    "published": name == quoted.model,
                    "net_forecast": net,
                    "net_actual": truth.net,
                    "net_error": (net - truth.net) / abs(truth.net) if truth.net else None,
                    "gross_forecast": said.gross(net),
                    "gross_actual": truth.gross,
                }
                half = quoted.half if name == quoted.model else quoted.half_of[str(name)]
                ends = interval_ends("net", net, half, quoted.scale)
                for level in LEVELS if ends else ():
                    row[f"inside_{level}"] = ends[f"net_lower_{level}"] <= truth.net <= ends[f"net_upper_{level}"]
                rows.append(row | ends)
    return rows


def interval_ends(measure: str, point: float, half: Half, scale: float, least: float = -np.inf) -> Row:
    """Both ends of the intervals about a forecast; none where there is no calibration. `least`: no end lies below."""
    if half.widths is None:
        return {}
    found: Row = {}
    for level, width in zip(LEVELS, half.widths, strict=True):
        found[f"{measure}_lower_{level}"] = min(max(point - width * scale, least), point)
        found[f"{measure}_upper_{level}"] = point + width * scale
    return found


def forecast_rows(
    said: Said,
    notes: pd.DataFrame,
    published: Mapping[int, Published],
    observed: tuple[float, float],
    backtest: pd.DataFrame,
    seed: int,
) -> list[Row]:
    """What is published at the last origin, in the columns of REVENUE_FORECAST.

    Parameters
    ----------
    notes: the origin's monthly rows of FORECAST_ORIGINS. published: by horizon. observed: net and gross revenue of the
        month so far. backtest: rows of FORECAST_BACKTEST.
    """
    measured = {
        (str(model), int(horizon)): backtest[(backtest["model"] == model) & (backtest["horizon"] == horizon)]
        for model, horizon in set(zip(backtest["model"], backtest["horizon"], strict=True))
    }
    told: list[Row] = [{str(name): value for name, value in row.items()} for row in notes.to_dict("records")]
    rows = [_month_row(said, note, published.get(int(note["horizon"])), observed, measured, seed) for note in told]
    for note in {note["horizon"]: note for note in told}.values():
        one = published.get(int(note["horizon"]))
        if one is None:
            continue
        combined = {**note, "model": COMBINATION, "note": None, "library": library("numpy")}
        net = float(one.combination.sum())
        combined |= {"net_revenue": net, "gross_revenue": said.gross(net), "seed": None}
        rows.append(_month_row(said, combined, one, observed, measured, seed))
        rows += _published_days(said, note, one, seed)
    return rows


def _month_row(
    said: Said,
    note: Row,
    published: Published | None,
    observed: tuple[float, float],
    measured: Mapping[tuple[str, int], pd.DataFrame],
    seed: int,
) -> Row:
    model, horizon = str(note["model"]), int(note["horizon"])
    start = pd.Timestamp(note["period_start"]).date()
    end = pd.Timestamp(note["period_end"]).date()
    before, before_gross = observed if horizon == 0 else (0.0, 0.0)
    errors = measured.get((model, horizon))
    row: Row = {
        **_named(said.month, model, seed),
        "grain": "month",
        "period_start": start.replace(day=1),
        "period_end": month_end(start),
        "horizon": horizon,
        "published": published is not None and model == published.model,
        "days_forecast": (end - start).days + 1,
        "trading_days": int(note["trading_days"]),
        "season_years": int(note["season_years"]),
        "observed": before,
        "note": note["note"] if isinstance(note["note"], str) else None,
        **(_errors(errors) if errors is not None else {"origins": 0}),
    }
    if published is not None:
        row |= _share_in_combination(model, said, published)
    if pd.isna(note["net_revenue"]):
        return row
    net, gross = before + float(note["net_revenue"]), before_gross + float(note["gross_revenue"])
    row |= {"net_revenue": net, "gross_revenue": gross}
    if published is not None and row["published"]:
        row |= interval_ends("net", net, published.half, published.scale)
        row |= interval_ends("gross", gross, published.half_gross, published.scale, least=before_gross)
        row |= {"interval_basis": published.half.basis, "interval_origins": published.half.origins}
        row["covered_80"] = _coverage(measured, horizon)
    return row


def _named(month: dt.date, model: str, seed: int) -> Row:
    found = library("numpy" if model == COMBINATION else LIBRARIES.get(model, "pandas"))
    return {"month": month, "model": model, "library": found, "seed": seed if model == NETWORK else None}


def _errors(errors: pd.DataFrame) -> Row:
    known = errors["net_error"].dropna().astype(float)
    return {
        "origins": len(errors),
        "mean_error": or_null(float(known.abs().mean())) if len(known) else None,
        "bias": or_null(float(known.mean())) if len(known) else None,
    }


def _coverage(measured: Mapping[tuple[str, int], pd.DataFrame], horizon: int) -> float | None:
    """Share of the past origins with an 80 % interval of what was published then that held the actual."""
    inside = [rows["inside_80"][rows["published"]].dropna() for (_, at), rows in measured.items() if at == horizon]
    judged = pd.concat(inside) if inside else pd.Series(dtype=bool)
    return float(judged.astype(bool).mean()) if len(judged) else None


def _share_in_combination(model: str, said: Said, published: Published) -> Row:
    """Weight and correction of a model that speaks for its family."""
    for family, weight in published.weights.items():
        if speaker(family, said.daily.columns) == model:
            return {"weight": weight, "correction": published.corrections[family]}
    return {}


def _published_days(said: Said, note: Row, published: Published, seed: int) -> Iterator[Row]:
    counted = int((published.net != 0).sum())
    a_day = published.scale / counted if counted else 0.0
    for day, money in zip(pd.DatetimeIndex(published.net.index), published.net, strict=True):
        date = day.date()
        net = float(money)
        # A closed day is 0 and certain to be: the shop does not sell on it.
        ends = interval_ends("net", net, published.half_daily, a_day if net else 0.0)
        yield {
            **_named(said.month, published.model, seed),
            "grain": "day",
            "period_start": date,
            "period_end": date,
            "horizon": int(note["horizon"]),
            "published": True,
            "net_revenue": net,
            "gross_revenue": said.gross(net),
            **ends,
            "interval_basis": published.half_daily.basis,
            "interval_origins": published.half_daily.origins,
            "days_forecast": 1,
            "trading_days": int(net != 0),
            "observed": 0.0,
        }
