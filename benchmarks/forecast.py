"""How far off the forecast is, model by model, on made-up shops of 36 and 60 months and on the real file's origins.

Belongs here: the way from a shop's lines to errors through the platform's own domain functions, and the tables of
`forecast.md`. Does not belong here: any model.

Run it: ``python -m benchmarks.forecast [--only NAME …]`` (half an hour of two cores), which writes
`benchmarks/forecast.md`. The real file's rows need INSIDERS_REAL_DATA.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.shops import HISTORY_MONTHS, ShopMonth, members_by_items, months_of_file, months_of_shop
from insiders_assets.contracts.forecast import FORECAST_BACKTEST, FORECAST_ORIGINS, LEVELS
from insiders_assets.contracts.table import Table
from insiders_assets.sample import ShopParameters

FIRST = dt.date(2021, 1, 1)
REAL = "real file"
SEED = 42
AUGUST = (((12, 24), (1, 3)), ((8, 1), (8, 14)))
PROCESSES = 2
WRITTEN = Path(__file__).with_name("forecast.md")
HOW = (
    "Made by `python -m benchmarks.forecast`. An origin is the end of a month; its members are fixed there, and "
    "nothing after it is seen. Errors are shares of the actual net revenue of those members in the month. "
    "`published` is what would have been quoted: the combination, or a naive model that it had stepped aside for."
)
COST = (
    f"{PROCESSES} processes, a core each: an origin is all models and, the first time, their imports. Memory is that "
    "of the whole process, with the shop's lines of all months in it."
)


def shops() -> dict[str, ShopParameters]:
    """The made-up shops: plain ones, one with a closed August and promotions, one with a break of the trend."""
    promoted = (dt.date(2022, 6, 1), dt.date(2023, 6, 1))
    broken = (dt.date(2024, 1, 1), 0.6)
    return {
        "36 months": ShopParameters(FIRST, 36, 5_000, seed=1),
        "36 months, another seed": ShopParameters(FIRST, 36, 5_000, seed=2),
        "36 months, August closed, promotions": ShopParameters(
            FIRST, 36, 5_000, seed=3, closed_periods=AUGUST, promotion_months=promoted
        ),
        "36 months, August closed, promotions, another seed": ShopParameters(
            FIRST, 36, 5_000, seed=4, closed_periods=AUGUST, promotion_months=promoted
        ),
        "60 months": ShopParameters(FIRST, 60, 6_000, seed=5),
        "60 months, trend broken by .6 in month 37": ShopParameters(
            FIRST, 60, 6_000, seed=6, trend_break=broken, growth=0.01
        ),
    }


@dataclass(frozen=True)
class Measured:
    """A shop's backtest (rows of FORECAST_BACKTEST as of its last month) and what it took.

    slowest: seconds of the dearest origin. networks_share: of the seconds of all models at all origins. peak: resident
    memory of the process that did it all, bytes.
    """

    name: str
    rows: pd.DataFrame
    slowest: float
    networks_share: float
    peak: int


def measured(name: str) -> Measured:
    """All origins of a shop, as the platform would have them."""
    made_up = shops()
    months = (
        months_of_shop(made_up[name]) if name in made_up else months_of_file(Path(os.environ["INSIDERS_REAL_DATA"]))
    )
    return backtest(name, list(months))


def backtest(name: str, months: Sequence[ShopMonth], holidays: str = "GB-ENG") -> Measured:
    """What every model said at the end of every month, what was published, and how far off it was."""
    from insiders_assets.domain.forecasting.calendar import StatedDays, last_day_of_data
    from insiders_assets.domain.forecasting.choice import replay
    from insiders_assets.domain.forecasting.history import history_of
    from insiders_assets.domain.forecasting.models import MODELS, NETWORK, STATISTICAL_MEDIAN, ask_all
    from insiders_assets.domain.forecasting.records import actual_after, backtest_rows, origin_rows, said_of

    members = members_by_items(months)
    shop, sales = pd.concat([one.shop for one in months]), pd.concat([one.sales for one in months])
    stated = StatedDays(holidays)
    said, slowest, spent = [], 0.0, dict.fromkeys((*MODELS, STATISTICAL_MEDIAN), 0.0)
    for one in months:
        started = time.perf_counter()
        sold = shop.loc[shop["day"] <= pd.Timestamp(one.month) + pd.offsets.MonthEnd(0)]
        last_day = last_day_of_data(set(sold["day"].dt.date), one.month, stated)
        theirs = sales[sales["customer_id"].isin(members[one.month])]
        history = history_of(one.month, last_day, sold, theirs, len(members[one.month]), stated)
        outcomes = ask_all(history, SEED)
        slowest = max(slowest, time.perf_counter() - started)
        for model, outcome in outcomes.items():
            spent[model] += outcome.seconds
        rows = _kept(FORECAST_ORIGINS, origin_rows(history, outcomes, SEED))
        said.append(said_of(rows))
    complete = bool((rows["horizon"] > 0).all())
    theirs = pd.concat(
        [sales[sales["customer_id"].isin(members[one.month])].assign(origin=one.month) for one in months]
    )
    actual = actual_after([one.month for one in months], theirs, months[-1 if complete else -2].month)
    found = backtest_rows(months[-1].month, said, replay(said, actual), actual)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Measured(name, _kept(FORECAST_BACKTEST, found), slowest, spent[NETWORK] / sum(spent.values()), peak)


def _kept(table: Table, rows: list[dict]) -> pd.DataFrame:
    """The rows as the lake would keep them."""
    schema = pa.schema([pa.field(column.name, column.type) for column in table.columns])
    return table.validate(pa.Table.from_pylist(rows, schema=schema)).to_pandas()


def judged(measured: Measured) -> pd.DataFrame:
    """The origins that count: of made-up shops those with a full window, of the real file all with three months."""
    rows = measured.rows
    first = rows["origin"].min()
    waited = (pd.PeriodIndex(pd.to_datetime(rows["origin"]), freq="M") - pd.Period(first, "M")).map(lambda gap: gap.n)
    return rows[np.asarray(waited) >= (2 if measured.name == REAL else HISTORY_MONTHS - 1)]


def by_model(rows: pd.DataFrame, horizon: int = 1) -> pd.DataFrame:
    """Mean and median absolute error, bias, coverage and half-width (share of the forecast), by model."""
    there = rows[(rows["horizon"] == horizon) & rows["net_error"].notna()].copy()
    quoted = there[there["published"]].assign(model="published")
    told = pd.concat([quoted, there])
    told["size"] = told["net_error"].astype(float).abs()
    told["off"], told["all"] = told["net_forecast"] - told["net_actual"], told["net_actual"].abs()
    grouped = told.groupby("model")
    found = pd.DataFrame(
        {
            "origins": grouped.size(),
            "mean error": grouped["size"].mean(),
            "median error": grouped["size"].median(),
            "bias of the total": grouped["off"].sum() / grouped["all"].sum(),
        }
    )
    for level in LEVELS:
        known = told[told[f"inside_{level}"].notna()]
        half = (known[f"net_upper_{level}"] - known[f"net_lower_{level}"]) / 2 / known["net_forecast"].abs()
        found[f"inside {level} %"] = known[f"inside_{level}"].astype(float).groupby(known["model"]).mean()
        found[f"half-width {level} %"] = half.groupby(known["model"]).median()
    return found.sort_values("mean error")


def written(found: Sequence[Measured]) -> str:
    """The tables as Markdown."""
    told = [
        "# How far off the forecast is",
        "",
        HOW,
    ]
    pooled = pd.concat([judged(one) for one in found if one.name != REAL] or [judged(one) for one in found])
    for title, rows in [
        ("All made-up shops, pooled", pooled),
        *((one.name[0].upper() + one.name[1:], judged(one)) for one in found),
    ]:
        for horizon in (1, 3) if title.startswith("All") else (1,):
            ahead = "the next month" if horizon == 1 else "the third month ahead"
            told += ["", f"## {title}: {ahead}", "", _table(by_model(rows, horizon))]
    told += ["", "## What it takes", "", COST, ""]
    told += ["| shop | seconds of the dearest origin | the network's share of the seconds | peak memory, GB |"]
    told += ["|:--|--:|--:|--:|"]
    told += [f"| {one.name} | {one.slowest:.0f} | {one.networks_share:.2f} | {one.peak / 1e9:.2f} |" for one in found]
    return "\n".join(told) + "\n"


def _table(found: pd.DataFrame) -> str:
    columns = list(found.columns)
    lines = [f"| model | {' | '.join(columns)} |", "|:--|" + "--:|" * len(columns)]
    for model, row in found.iterrows():
        cells = [
            "" if pd.isna(row[name]) else f"{row[name]:.0f}" if name == "origins" else f"{row[name]:.3f}"
            for name in columns
        ]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure every shop, each in a process of its own, and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", help="names of shops; the tables are printed and not written")
    only = parser.parse_args().only
    names = [REAL] if os.environ.get("INSIDERS_REAL_DATA") else []
    names = only or [*names, *shops()]
    found = {}
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        waiting = {processes.submit(measured, name): name for name in names}
        for one in as_completed(waiting):
            found[waiting[one]] = one.result()
            print(f"  {waiting[one]} is done", file=sys.stderr, flush=True)
    told = written([found[name] for name in names])
    if only:
        print(told)
    else:
        WRITTEN.write_text(told, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
