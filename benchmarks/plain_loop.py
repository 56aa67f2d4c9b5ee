"""The platform's own domain calls in a plain loop over the months: no Dagster, no lake, no database, no contracts.

Belongs here: what `insiders run` computes, and nothing of what it keeps. What the platform takes beyond this is the
price of lineage, history, publishing and checks. Does not belong here: other algorithms (:mod:`.naive` has those).

Run it: ``python -m benchmarks.plain_loop OUT FILE``; OUT gets the members per month, so that a loop that did nothing
would be noticed.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from insiders_assets.contracts.table import Table

SEED, HISTORY_MONTHS = 42, 13


def loop(file: Path) -> dict[str, int]:
    """Parse the file and make every month; gives the members per month."""
    from insiders_assets.contracts.lines import LANDED_LINES
    from insiders_assets.domain.layouts import encodings, is_known
    from insiders_assets.domain.parsing import parse_file
    from insiders_assets.partitions import month_range
    from insiders_assets.storage.engine import DuckDBEngine
    from insiders_assets.storage.source_files import read_source

    sheets = read_source(file, encodings({}), lambda header: is_known(header, {}))
    parsed = parse_file(sheets, {}, file_name=file.name, file_version=file.name, date_format=None, decimal_mark=None)
    dates = pc.floor_temporal(parsed.good["invoiced_at"], unit="month").cast(pa.date32())
    months = month_range(pc.min(dates).as_py(), pc.max(dates).as_py())
    engine = DuckDBEngine()
    made = _Made(engine)
    for month in months:
        landed = parsed.good.filter(pc.equal(dates, pa.scalar(month, pa.date32())))
        made.month(month, landed.select(LANDED_LINES.arrow_schema.names))
    engine.close()
    return made.members


class _Made:
    """The months made so far, kept in memory as a notebook would."""

    def __init__(self, engine: Any):
        self.engine = engine
        self.raw: dict[dt.date, pa.Table] = {}
        self.labels: dict[dt.date, pa.Table] = {}
        self.purchases: dict[dt.date, pa.Table] = {}
        self.totals: list[pa.Table] = []
        self.origins: list[Any] = []
        self.members: dict[str, int] = {}

    def month(self, month: dt.date, landed: pa.Table) -> None:
        import ibis

        from insiders_assets.domain import embedding, features, fitted_files, invoices
        from insiders_assets.domain.clustering import segment
        from insiders_assets.partitions import shift

        table, run = self.engine.table, self.engine.run
        cleaned = invoices.with_dropping_rule(invoices.single_file(table(landed)), invoices.UCI)
        self.raw[month] = run(cleaned.mutate(month=ibis.literal(month)))
        raw = table(self.raw[month])
        window = pa.concat_tables([lines for m, lines in self.raw.items() if m > shift(month, -HISTORY_MONTHS)])
        names = table(pa.table({"file_version": [landed["source_file"][0].as_py()]}))
        run(invoices.lines_of_files(table(landed), raw, names, month))
        self.purchases[month] = run(features.customer_purchases(raw, month))
        customers = run(features.customer_features(table(window), month))
        clusterable = customers.filter(pc.field("clusterable")).select(["customer_id"])
        self.totals.append(run(features.month_totals(raw, table(clusterable), month)))
        frame = embedding.in_order_of_appearance(customers.to_pandas(types_mapper=pd.ArrowDtype))
        if len(frame) < 50:
            self.labels[month] = pa.table({"customer_id": pa.array([], pa.string())})
            return
        ids = frame["customer_id"].tolist()
        target = embedding.revenue_as_the_notebook_added_it(window, ids)
        fitted = embedding.fit_tree_embedding(embedding.design_matrix(frame), target)
        fitted_files.model_files(fitted, ids)
        found = segment(fitted.components, frame["gross_revenue"].to_numpy("float64"))
        ranks = pd.Series(found.ranks, index=ids)
        self.labels[month] = pa.table({"customer_id": ranks[ranks == 1].index.tolist()})
        self.members[f"{month:%Y-%m}"] = self.labels[month].num_rows
        forecast = self._forecast(month)
        self._report(month, customers, ranks, forecast)

    def _sold(self, *origins: dt.date, months_ahead: int = 0) -> pd.DataFrame:
        """What the members of months bought and sent back, by day: up to those months, or in so many after them."""
        from insiders_assets.contracts.table import as_floats
        from insiders_assets.domain.features import sales_of_members

        members = [
            self.labels[month].append_column("origin", pa.array([month] * self.labels[month].num_rows, pa.date32()))
            for month in origins
        ]
        purchases = self.engine.table(pa.concat_tables(self.purchases.values()))
        sold = self.engine.run(sales_of_members(purchases, self.engine.table(pa.concat_tables(members)), months_ahead))
        plain = sold.select(["origin", "customer_id", "day"]).to_pandas()
        plain["day"] = pd.to_datetime(plain["day"])
        return plain.assign(**{name: as_floats(sold[name]) for name in ("gross", "returns")})

    def _forecast(self, month: dt.date) -> list[dict[str, Any]]:
        from insiders_assets.contracts.forecast import FORECAST_BACKTEST, FORECAST_ORIGINS
        from insiders_assets.contracts.table import as_floats
        from insiders_assets.domain.features import net_by_day
        from insiders_assets.domain.forecasting.calendar import StatedDays, last_day_of_data
        from insiders_assets.domain.forecasting.choice import replay
        from insiders_assets.domain.forecasting.history import MONTHS_AHEAD, history_of
        from insiders_assets.domain.forecasting.models import ask_all
        from insiders_assets.domain.forecasting.records import (
            actual_after,
            backtest_rows,
            forecast_rows,
            origin_rows,
            said_of,
        )
        from insiders_assets.domain.invoices import UCI
        from insiders_assets.partitions import shift

        net = self.engine.run(net_by_day(self.engine.table(pa.concat_tables(self.raw.values()))))
        shop = pd.DataFrame({"day": pd.to_datetime(net["day"].to_pandas()), "net": as_floats(net["net"])})
        stated, theirs = StatedDays(UCI.holidays), self._sold(month)
        last_day = last_day_of_data(set(shop["day"].dt.date), month, stated)
        history = history_of(month, last_day, shop, theirs, self.labels[month].num_rows, stated)
        now = _frame(FORECAST_ORIGINS, origin_rows(history, ask_all(history, SEED), SEED))
        self.origins.append(said_of(now))
        origins, is_over = [said.month for said in self.origins], bool((now["horizon"] > 0).all())
        sold = self._sold(*origins, months_ahead=MONTHS_AHEAD)
        actual = actual_after(origins, sold, month if is_over else shift(month, -1))
        published = replay(self.origins, actual)
        tested = backtest_rows(month, self.origins, published, actual)
        sums = theirs.loc[theirs["day"] >= pd.Timestamp(month), ["gross", "returns"]].sum()
        return forecast_rows(
            self.origins[-1],
            now[now["grain"] == "month"],
            {horizon: one for (origin, horizon), one in published.items() if origin == month},
            (sums["gross"] - sums["returns"], sums["gross"]),
            _frame(FORECAST_BACKTEST, tested),
            SEED,
        )

    def _report(self, month: dt.date, customers: pa.Table, ranks: pd.Series, forecast: list[dict]) -> None:
        from insiders_assets.contracts.catalogue import MONTHLY_TABLES
        from insiders_assets.contracts.forecast import REVENUE_FORECAST
        from insiders_assets.contracts.programme import INSIDERS_MEMBERSHIP
        from insiders_assets.domain.facts import SQL_TABLES, Outline, facts_of
        from insiders_assets.domain.facts.forecast import MODELS
        from insiders_assets.reporting.content import Matter, report
        from insiders_assets.reporting.document import Teller
        from insiders_assets.reporting.forms.html import as_html
        from insiders_assets.reporting.language import ENGLISH, Language

        labels = pd.DataFrame({"month": month, "customer_id": ranks.index, "cluster_rank": ranks, "silhouette": 0.0})
        members = [
            {"month": month, "customer_id": customer, "status": "member"} for customer in ranks.index[ranks == 1]
        ]
        tables = {
            **{name: MONTHLY_TABLES[name].empty() for name in SQL_TABLES},
            "insiders_membership": pa.Table.from_pylist(members, schema=INSIDERS_MEMBERSHIP.arrow_schema),
            "month_totals": pa.concat_tables(self.totals[-HISTORY_MONTHS:]),
            "customer_features": customers,
            "cluster_labels": pa.Table.from_pandas(labels, preserve_index=False),
            "customer_purchases": pa.concat_tables(list(self.purchases.values())[-HISTORY_MONTHS:]),
            "revenue_forecast": pa.Table.from_pylist(forecast, schema=REVENUE_FORECAST.arrow_schema),
        }
        of_months = [row for row in forecast if row["grain"] == "month"]
        quoted = [row for row in of_months if row["published"] and row["horizon"] == 1]
        outline = Outline(
            month,
            tuple(sorted(self.raw))[-HISTORY_MONTHS:],
            (month,),
            models=tuple(model for model in MODELS if model in {row["model"] for row in of_months}),
            coming=tuple(sorted({row["period_start"] for row in of_months})),
        )
        facts, rows = facts_of(outline), {}
        ask = self.engine.over(tables)
        for fact in facts:
            value = (ask(fact.sql) or [(None,)])[0][0]
            told = {"value": None if value is None else float(value), "unit": fact.unit, "sql": fact.sql}
            rows[fact.key] = {**told, "function": None, "library": None, "seed": None}
        matter = Matter(outline, facts, rows, "GBP", published=quoted[0] if quoted else None)
        as_html(report(matter), Teller(Language(ENGLISH), rows, "GBP"), {})


def _frame(table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of a table with all its columns, also those that no row has."""
    return pd.DataFrame(rows, columns=table.arrow_schema.names)


def main() -> None:
    """Loop and write what came out."""
    out, file = (Path(argument) for argument in sys.argv[1:])
    out.write_text(json.dumps(loop(file)))


if __name__ == "__main__":
    main()
