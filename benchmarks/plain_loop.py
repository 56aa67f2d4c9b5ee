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
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

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
        self.totals: list[pa.Table] = []
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
        run(features.customer_purchases(raw, month))
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

    def _daily(self, members: pa.Table | None) -> pd.Series:
        from insiders_assets.contracts.table import as_floats
        from insiders_assets.domain.features import net_by_day

        lines = self.engine.table(pa.concat_tables(self.raw.values()))
        sold = self.engine.run(net_by_day(lines, None if members is None else self.engine.table(members)))
        return pd.Series(as_floats(sold["net_revenue"]), pd.DatetimeIndex(pd.to_datetime(sold["day"].to_pandas())))

    def _forecast(self, month: dt.date) -> pd.DataFrame:
        from insiders_assets.assets.revenue_forecast import last_day_of_data
        from insiders_assets.domain.forecasting import Backtest, backtest_month, forecast_month
        from insiders_assets.partitions import shift

        shop = self._daily(None)
        last_day = last_day_of_data(shop, month)
        calendar = pd.date_range(shop.index[0], last_day, freq="D")

        def of_members(origin: dt.date) -> pd.Series:
            return self._daily(self.labels[origin]).reindex(calendar, fill_value=0.0)

        tested = backtest_month(month, last_day)
        origin = shift(tested, -1)
        backtest = Backtest(tested, of_members(origin)) if origin in self.labels else None
        found = forecast_month(month, of_members(month), backtest, SEED)
        if network := found.outcomes["network"].network:
            network.to_files()
        return found.rows()

    def _report(self, month: dt.date, customers: pa.Table, ranks: pd.Series, forecast: pd.DataFrame) -> None:
        from insiders_assets.contracts.catalogue import MONTHLY_TABLES
        from insiders_assets.contracts.forecast import REVENUE_FORECAST
        from insiders_assets.contracts.programme import INSIDERS_MEMBERSHIP
        from insiders_assets.domain.facts import SQL_TABLES, Outline, facts_of
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
            "revenue_forecast": pa.Table.from_pandas(
                forecast, schema=REVENUE_FORECAST.arrow_schema, preserve_index=False
            ),
        }
        outline = Outline(month, tuple(sorted(self.raw))[-HISTORY_MONTHS:], (month,))
        facts, rows = facts_of(outline), {}
        ask = self.engine.over(tables)
        for fact in facts:
            value = (ask(fact.sql) or [(None,)])[0][0]
            told = {"value": None if value is None else float(value), "unit": fact.unit, "sql": fact.sql}
            rows[fact.key] = {**told, "function": None, "library": None, "seed": None}
        matter = Matter(outline, facts, rows, "GBP")
        as_html(report(matter), Teller(Language(ENGLISH), rows, "GBP"), {})


def main() -> None:
    """Loop and write what came out."""
    out, file = (Path(argument) for argument in sys.argv[1:])
    out.write_text(json.dumps(loop(file)))


if __name__ == "__main__":
    main()
