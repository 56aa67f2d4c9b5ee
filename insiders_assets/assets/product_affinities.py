"""product_affinities and affinity_candidates [month]: articles that the same customers buy, and whom to offer them.

Counted by DuckDB on whatever engine the features are made: three passes over the lines of the window, which it spills.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow.compute as pc

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.affinities import AFFINITY_CANDIDATES, PRODUCT_AFFINITIES
from insiders_assets.partitions import window
from insiders_assets.storage.engine import DuckDBEngine
from insiders_assets.storage.lake import Dataset

if TYPE_CHECKING:
    import ibis.expr.types as ir


def build_pairs(partitions: dg.PartitionsDefinition, history_months: int) -> dg.AssetsDefinition:
    """The pairs over the months that can exist, with a window of so many months."""

    @monthly_asset(
        table=PRODUCT_AFFINITIES,
        partitions=partitions,
        inputs={"raw_invoices": window(history_months)},
        group="report",
        kinds={"duckdb", "scipy", "postgres"},
    )
    def product_affinities(month: Month, raw_invoices: Dataset) -> Made:
        """Pairs of articles that the same customers buy, with support, confidence and lift, found on the earlier months
        of the window and tested on the later ones, among customers who buy equally many different articles."""
        from insiders_assets.domain.affinities import months_with_sales
        from insiders_assets.domain.affinity_pairs import FEWEST_MONTHS, later_from

        engine = month.platform.engine
        lines = engine.table(raw_invoices)
        months = engine.run(months_with_sales(lines))["month"].to_pylist()
        split = later_from(months)
        if split is None:
            few = f"{len(months)} months of sales in the window; at least {FEWEST_MONTHS} are needed"
            return Made(PRODUCT_AFFINITIES.empty(), metadata={"no pair": few})
        rows = pairs_of(engine, lines, split)
        if not rows:
            return Made(PRODUCT_AFFINITIES.empty(), metadata={"no pair": "no two articles are bought beyond chance"})
        shown = ("antecedent_description", "consequent_description", "both_customers", "confidence", "holds")
        return Made(
            [{"month": month.first_day, "later_from": split, **row} for row in rows],
            metadata={
                "pairs found": len(rows) // 2,
                "pairs that hold": sum(row["holds"] for row in rows) // 2,
                "first pairs": shown_as_table([{name: row[name] for name in shown} for row in rows[:20:2]], decimals=2),
            },
        )

    return product_affinities


def build_candidates(partitions: dg.PartitionsDefinition, history_months: int) -> dg.AssetsDefinition:
    """The candidates over the months that can exist, with a window of so many months."""

    @monthly_asset(
        table=AFFINITY_CANDIDATES,
        partitions=partitions,
        inputs={"product_affinities": None, "customer_features": None, "raw_invoices": window(history_months)},
        group="report",
        kinds={"duckdb", "postgres"},
    )
    def affinity_candidates(
        month: Month, product_affinities: Dataset, customer_features: Dataset, raw_invoices: Dataset
    ) -> Made:
        """Whom to recommend which article: clusterable customers who have the one article of a pair that holds and
        never had the other, each with the pair that stands for the most money."""
        from insiders_assets.domain.affinities import candidates

        found = product_affinities.arrow(["antecedent", "consequent", "uptake_later", "mean_spend", "holds"])
        holding = found.filter(found["holds"])
        money = pc.multiply(pc.fill_null(holding["uptake_later"], 0.0), holding["mean_spend"])
        rules = holding.select(["antecedent", "consequent"]).append_column("money", money)
        if not rules.num_rows:
            return Made(AFFINITY_CANDIDATES.empty(), metadata={"no candidate": "no pair of articles holds"})
        known = customer_features.arrow(["customer_id", "clusterable"])
        clusterable = known.filter(known["clusterable"]).select(["customer_id"])
        engine = month.platform.engine
        lines, theirs, given = engine.table(raw_invoices), engine.table(clusterable), engine.table(rules)
        data = engine.run(candidates(lines, theirs, given, month.first_day))
        return Made(data, metadata={"customers": data.num_rows, "of clusterable customers": clusterable.num_rows})

    return affinity_candidates


def pairs_of(engine: DuckDBEngine, lines: ir.Table, split: dt.date) -> list[dict[str, Any]]:
    """Rows of PRODUCT_AFFINITIES but for the month and `later_from`: counted on the engine, judged here, from numbers
    that the articles bound and not the customers."""
    from insiders_assets.domain import affinities
    from insiders_assets.domain.affinity_pairs import pair_rows, period_of

    owned = affinities.bought(lines, split)
    most = engine.run(affinities.most_bought(owned))
    if most.num_rows < 2:
        return []
    articles = engine.table(most)
    met = engine.run(affinities.pairs(affinities.known_customers(owned, articles)))
    counted = {name: met[name].to_numpy() for name in met.column_names}
    by_kinds = engine.run(affinities.by_kinds(owned, articles))
    periods = {
        period: period_of(by_kinds.filter(pc.equal(by_kinds["period"], period)), counted[period], most.num_rows)
        for period in affinities.PERIODS
    }
    described = engine.run(affinities.descriptions(lines, articles)).to_pydict()
    told = dict(zip(described["stock_code"], described["description"], strict=True))
    named = [{**one, "description": told.get(one["stock_code"])} for one in most.to_pylist()]
    return pair_rows(named, counted, periods)
