"""What a forecast is made from and judged by: the members' sales, and what was said at every origin up to a month.

Belongs here: reading what the three assets of the forecast stand on. Does not belong here: any model or choice
(:mod:`insiders_assets.domain.forecasting`).
"""

from __future__ import annotations

import datetime as dt
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.assets.monthly import Month
from insiders_assets.assets.programme_history import member_ids
from insiders_assets.assets.raw_invoices import profile_in_force
from insiders_assets.contracts.programme import INSIDE
from insiders_assets.partitions import key_of, month_of, shift
from insiders_assets.storage.lake import Dataset

if TYPE_CHECKING:
    from insiders_assets.domain.forecasting.calendar import StatedDays
    from insiders_assets.domain.forecasting.choice import Actual, Published, Said
    from insiders_assets.domain.forecasting.history import History

MONTHS_SHOWN = 13
# What the shop's calendar hangs on beside its sales.
SETTINGS_READ = ("holidays", "closed_days")


def stated_days(month: Month) -> StatedDays:
    """The closed days that are not learnt: those of the settings, else the holidays of the profile in force."""
    from insiders_assets.domain.forecasting.calendar import StatedDays

    settings = month.platform.settings
    holidays = settings.holidays
    if holidays is None:
        holidays = profile_in_force(settings, month.platform.ledger()).holidays
    return StatedDays(holidays, settings.closed_days)


def history_up_to(month: Month, lines: Dataset, purchases: Dataset, membership: Dataset) -> History | None:
    """What is known at the end of a month of those who are members then; None where the shop has not sold anything.

    Parameters
    ----------
    lines: RAW_INVOICES, purchases: CUSTOMER_PURCHASES of all months up to it. membership: of the month alone.
    """
    from insiders_assets.domain.features import net_by_day, sales_of_members
    from insiders_assets.domain.forecasting.calendar import last_day_of_data
    from insiders_assets.domain.forecasting.history import history_of

    engine, stated = month.platform.engine, stated_days(month)
    shop = _as_frame(engine.run(net_by_day(engine.table(lines))), ("net",))
    if shop.empty:
        return None
    members = _at_origin(member_ids(membership), month.first_day)
    sales = engine.run(sales_of_members(engine.table(purchases), engine.table(members)))
    last_day = last_day_of_data(set(shop["day"].dt.date), month.first_day, stated)
    return history_of(month.first_day, last_day, shop, _as_frame(sales, ("gross", "returns")), members.num_rows, stated)


class ForecastHistory:
    """What was said at every origin up to a month, and what came of it.

    Parameters
    ----------
    origins: FORECAST_ORIGINS, membership: INSIDERS_MEMBERSHIP, purchases: CUSTOMER_PURCHASES; all months up to it.
    """

    def __init__(self, month: Month, origins: Dataset, membership: Dataset, purchases: Dataset):
        self.month = month.first_day
        self.engine = month.platform.engine
        self._origins, self._membership, self._purchases = origins, membership, purchases

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All rows of all origins."""
        return self._origins.arrow().to_pandas()

    @cached_property
    def said(self) -> list[Said]:
        """What the models said, origin by origin, oldest first; an origin at which no model could is among them."""
        from insiders_assets.domain.forecasting.records import said_of

        return [said_of(rows) for _, rows in self.rows.groupby("month", sort=True)]

    @cached_property
    def is_over(self) -> bool:
        """Whether the month's own data are complete: then nothing of it was left to forecast."""
        now = self.rows[self.rows["month"] == self.month]
        return not (now["horizon"] == 0).any()

    @cached_property
    def actual(self) -> dict[tuple[dt.date, int], Actual]:
        """What the members of each origin brought in each of the three months after it that are over."""
        from insiders_assets.domain.features import sales_of_members
        from insiders_assets.domain.forecasting.history import MONTHS_AHEAD
        from insiders_assets.domain.forecasting.records import actual_after

        rows = self._membership.arrow(["month", "customer_id", "status"])
        inside = rows.filter(pc.is_in(rows["status"], pa.array(INSIDE))).select(["month", "customer_id"])
        members = inside.rename_columns(["origin", "customer_id"])
        sold = self.engine.run(
            sales_of_members(self.engine.table(self._purchases), self.engine.table(members), MONTHS_AHEAD)
        )
        sales = _as_frame(sold.drop_columns(["customer_id"]), ("gross", "returns"))
        last_over = self.month if self.is_over else shift(self.month, -1)
        return actual_after([month_of(scope) for scope in self._origins.scopes], sales, last_over)

    @cached_property
    def published(self) -> dict[tuple[dt.date, int], Published]:
        """What is published at every origin for every month of its horizon."""
        from insiders_assets.domain.forecasting.choice import replay

        return replay(self.said, self.actual)

    @cached_property
    def past(self) -> pd.DataFrame:
        """What those who are members now brought in the last thirteen months: net and gross by first day of the month,
        oldest first, 0 where they bought nothing."""
        from insiders_assets.domain.features import sales_of_members

        scopes = self._purchases.scopes[-MONTHS_SHOWN:]
        members = _at_origin(member_ids(self._membership.only(key_of(self.month))), self.month)
        purchases = self.engine.table(self._purchases.only(*scopes))
        sold = self.engine.run(sales_of_members(purchases, self.engine.table(members)))
        sales = _as_frame(sold, ("gross", "returns"))
        by_month = sales.groupby(sales["day"].dt.to_period("M").dt.start_time.dt.date)[["gross", "returns"]].sum()
        found = by_month.reindex([month_of(scope) for scope in scopes], fill_value=0.0)
        return pd.DataFrame({"net": found["gross"] - found["returns"], "gross": found["gross"]})


def _at_origin(members: pa.Table, origin: dt.date) -> pa.Table:
    return members.append_column("origin", pa.array([origin] * members.num_rows, pa.date32()))


def _as_frame(rows: pa.Table, amounts: tuple[str, ...]) -> pd.DataFrame:
    """Rows by day as pandas takes them at the edge of a model: days as times, amounts as the nearest floats."""
    from insiders_assets.contracts.table import as_floats

    plain = rows.drop_columns(list(amounts)).to_pandas(date_as_object=True)
    plain["day"] = pd.to_datetime(plain["day"])
    return plain.assign(**{name: as_floats(rows[name]) for name in amounts})
