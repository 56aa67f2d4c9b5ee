"""Made-up shops and what is known of them at an origin, for the tests of the forecast.

Belongs here: daily sales, members who buy, and histories and forecasts of them. Does not belong here: what should come
of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from insiders_assets.contracts.table import Table
from insiders_assets.domain.forecasting.calendar import StatedDays
from insiders_assets.domain.forecasting.history import History, history_of
from insiders_assets.domain.forecasting.models import MODELS
from insiders_assets.domain.forecasting.outcome import CannotForecastError, Outcome

# Monday to Sunday; closed on Saturdays.
WEEK = np.array([1000.0, 1400.0, 800.0, 1600.0, 600.0, 0.0, 200.0])
NOBODY = pd.DataFrame(
    {
        "customer_id": pd.Series(dtype=object),
        "day": pd.Series(dtype="datetime64[ns]"),
        "gross": pd.Series(dtype=float),
        "returns": pd.Series(dtype=float),
    }
)
NEED_NO_FIT = ("last_30_days", "last_90_days", "seasonal_naive", "seasonal_rate")


def constant(first: str, last: str, money: float = 100.0, closed: Sequence[int] = ()) -> pd.Series:
    """The same money on every day, 0 on closed weekdays."""
    days = pd.date_range(first, last)
    return pd.Series(np.where(days.weekday.isin(list(closed)), 0.0, money), index=days)


def rhythm(first: str, last: str, seed: int = 5) -> pd.Series:
    """Daily sales with a weekly rhythm and closed Saturdays."""
    days = pd.date_range(first, last)
    return pd.Series(WEEK[days.weekday] * np.random.default_rng(seed).gamma(8, 1 / 8, len(days)), index=days)


def shop_of(daily: pd.Series) -> pd.DataFrame:
    """Daily sales as the shop's: a row for each day with some."""
    sold = daily[daily != 0]
    return pd.DataFrame({"day": sold.index, "net": sold.to_numpy(float)})


def sales_of(daily: pd.Series, customer: str = "one") -> pd.DataFrame:
    """Daily sales as those of one member; what is below 0 was returned."""
    sold = daily[daily != 0].to_numpy(float)
    days = daily.index[daily != 0]
    return pd.DataFrame(
        {"customer_id": customer, "day": days, "gross": np.maximum(sold, 0.0), "returns": np.maximum(-sold, 0.0)}
    )


def members_sales(first: str, last: str, members: int, a_month: float = 2.0, seed: int = 1) -> pd.DataFrame:
    """Members who buy on about so many days a month for about 90 each, never on a Saturday; a twentieth comes back."""
    random = np.random.default_rng(seed)
    days = pd.date_range(first, last)
    likely = WEEK[days.weekday] / WEEK.mean() * a_month / 30.4
    found = []
    for number in range(members):
        bought = days[random.random(len(days)) < likely * random.gamma(4, 1 / 4)]
        gross = np.round(random.gamma(3, 30, len(bought)) + 1, 2)
        returns = np.where(random.random(len(bought)) < 0.1, np.round(gross / 2, 2), 0.0)
        found.append(
            pd.DataFrame({"customer_id": f"member {number}", "day": bought, "gross": gross, "returns": returns})
        )
    return pd.concat(found, ignore_index=True)


def known(
    last_day: str,
    shop: pd.Series,
    sales: pd.DataFrame | None = None,
    members: int | None = None,
    stated: StatedDays | None = None,
) -> History:
    """What is known on a day; without sales of members they are one member who buys all that the shop sells."""
    theirs = sales_of(shop) if sales is None else sales
    day = dt.date.fromisoformat(last_day)
    how_many = theirs["customer_id"].nunique() if members is None else members
    return history_of(day.replace(day=1), day, shop_of(shop), theirs, how_many, stated)


def outcomes_of(history: History, models: Iterable[str] = NEED_NO_FIT) -> dict[str, Outcome]:
    """What some of the models say, or why they do not."""
    found = {}
    for name in models:
        try:
            said = MODELS[name](history, 0)
        except CannotForecastError as reason:
            said = Outcome(note=str(reason))
        found[name] = said if isinstance(said, Outcome) else Outcome(said)
    return found


def kept(table: Table, rows: list[dict]) -> pa.Table:
    """Rows as the lake keeps them, once their contract holds."""
    schema = pa.schema([pa.field(column.name, column.type) for column in table.columns])
    return table.validate(pa.Table.from_pylist(rows, schema=schema))
