"""What each policy costs on made-up shops whose customers have known tastes, seasons and noise, seed by seed.

Belongs here: the way from a shop's lines to a policy's figures through the platform's own domain functions, without
Dagster, lake or database. Does not belong here: the bars that the figures are held to; a test has them.

Run it: ``python -m benchmarks.policies --seeds 3``; ``--quick`` leaves out the policies that cluster every month anew.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.shops import HISTORY_MONTHS, LEAVE_SHARE, SHARE, cleaned
from insiders_assets.domain.membership import Policy
from insiders_assets.domain.policies import (
    CONSENSUS,
    TOP_CLUSTER,
    Group,
    PolicyFigures,
    groups_by_rule,
    holding,
    measure,
)
from insiders_assets.domain.programme import RuleInForce
from insiders_assets.domain.rules import Rule
from insiders_assets.domain.standings import CustomersOfMonth, month_of_rule
from insiders_assets.sample import Shop, ShopParameters

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT = Policy()
FITS, SEED = 24, 42
CUSTOMERS, MONTHS = 8_000, 36


@dataclass(frozen=True)
class Outcome:
    """A shop's rule, its agreement with the first full month's consensus (F1, cross-validated), and every policy's
    figures over the months with a full window."""

    rule: Rule
    f1: float
    clusterable: int
    figures: Mapping[str, PolicyFigures]


def shop_of(seed: int, customers: int = CUSTOMERS) -> ShopParameters:
    """The shop that policies are compared on: 36 months, of which 24 have a full window."""
    return ShopParameters(dt.date(2021, 1, 1), MONTHS, customers, seed=seed)


def policies_of(parameters: ShopParameters, *, fits: int = FITS, every_month_anew: bool = True) -> Outcome:
    """Find the rule in the first month with a full window, and what each policy does over that and the later ones.

    Parameters
    ----------
    fits: of the consensus, of the first month and, if `every_month_anew`, of all: fewer are quicker and less steady.
    every_month_anew: whether the consensus and the top cluster of each month are policies too.
    """
    from insiders_assets.domain.feature_words import FEATURES
    from insiders_assets.domain.rule_card import find_rule

    months = list(full_months(parameters))
    first = months[0][1]
    card = find_rule(_columns(first), _chosen(first, fits), FEATURES, SEED)
    in_force = RuleInForce("candidate", card.rule)
    ruled = [month_of_rule(month, _of_month(rows), in_force, LEAVE_SHARE) for month, rows in months]
    groups: dict[str, Sequence[Group]] = dict(groups_by_rule(ruled, DEFAULT))
    if every_month_anew:
        groups[CONSENSUS] = [_group(rows, _chosen(rows, fits)) for _, rows in months]
        groups[TOP_CLUSTER] = [_group(rows, _top_cluster(rows)) for _, rows in months]
    held = [holding(month) for month in ruled]
    figures = {name: measure([month for month, _ in months], each, held) for name, each in groups.items()}
    return Outcome(card.rule, card.cross_validated.f1, len(first), figures)


def full_months(parameters: ShopParameters) -> Iterator[tuple[dt.date, pd.DataFrame]]:
    """Every month with a full window and its clusterable customers, by name."""
    import pyarrow as pa

    from insiders_assets.domain.embedding import in_order_of_appearance
    from insiders_assets.domain.features import customer_features
    from insiders_assets.storage.engine import DuckDBEngine

    shop, engine = Shop(parameters), DuckDBEngine()
    window: deque[pa.Table] = deque(maxlen=HISTORY_MONTHS)
    for month in shop.months():
        window.append(cleaned(engine, shop.month(month), month))
        if len(window) == HISTORY_MONTHS:
            found = engine.run(customer_features(engine.table(pa.concat_tables(window)), month))
            rows = in_order_of_appearance(found.to_pandas(types_mapper=pd.ArrowDtype))
            yield month, rows.sort_values("customer_id", ignore_index=True)
    engine.close()


def _columns(customers: pd.DataFrame) -> dict[str, np.ndarray]:
    from insiders_assets.domain.feature_words import FEATURES

    return {name: customers[name].to_numpy("float64", na_value=np.nan) for name in FEATURES}


def _of_month(customers: pd.DataFrame) -> CustomersOfMonth:
    nobody = np.zeros(len(customers), dtype=bool)
    return CustomersOfMonth(
        customers["customer_id"].to_numpy(object), _columns(customers), np.full(len(customers), np.inf), nobody
    )


def _chosen(customers: pd.DataFrame, fits: int) -> np.ndarray:
    from insiders_assets.domain.consensus import find_consensus
    from insiders_assets.domain.embedding import design_matrix

    revenue = customers["gross_revenue"].to_numpy("float64")
    return find_consensus(design_matrix(customers), revenue, share=SHARE, seed=SEED, fits=fits).chosen


def _top_cluster(customers: pd.DataFrame) -> np.ndarray:
    from insiders_assets.domain.clustering import segment_by_landmarks
    from insiders_assets.domain.embedding import design_matrix
    from insiders_assets.domain.proximity import fit_proximity_embedding

    features, revenue = design_matrix(customers), customers["gross_revenue"].to_numpy("float64")
    fitted = fit_proximity_embedding(features, revenue)
    landmark = np.zeros(len(customers), dtype=bool)
    landmark[fitted.landmarks] = True
    points = np.empty((len(customers), fitted.landmark_components.shape[1]))
    points[landmark] = fitted.landmark_components
    if not landmark.all():
        points[~landmark] = fitted.place(features[~landmark])
    return segment_by_landmarks(points, revenue, landmark).ranks == 1


def _group(customers: pd.DataFrame, inside: np.ndarray) -> Group:
    return frozenset(customers["customer_id"].to_numpy(object)[inside])


def as_markdown(outcomes: Mapping[int, Outcome]) -> str:
    """A table with a line for every policy and seed, the policies one after the other, and the seeds' rules below."""
    names = list(next(iter(outcomes.values())).figures)
    head = (
        "| policy | seed | come and go a month | worst month | leave and return in a year | growth beyond the rule "
        "| worst month | members, mean |\n|---|---:|---:|---:|---:|---:|---:|---:|\n"
    )
    rows = [_row(name, str(seed), [outcome.figures[name]]) for name in names for seed, outcome in outcomes.items()]
    if len(outcomes) > 1:
        rows += [_row(name, "mean", [outcome.figures[name] for outcome in outcomes.values()]) for name in names]
    rules = [
        f"seed {seed}: `{outcome.rule.sql}` (F1 {outcome.f1:.3f}), {outcome.clusterable:,} clusterable customers"
        for seed, outcome in outcomes.items()
    ]
    return head + "\n".join(rows) + "\n\n" + "\n".join(f"- {rule}" for rule in rules) + "\n"


def _row(name: str, seed: str, figures: Sequence[PolicyFigures]) -> str:
    shares = [
        np.mean([getattr(one, figure) for one in figures])
        for figure in ("mean_change", "worst_change", "returning", "mean_growth", "worst_growth")
    ]
    told = [f"{100 * share:.1f} %" for share in shares]
    return f"| {' | '.join([name, seed, *told, f'{np.mean([one.sizes.mean() for one in figures]):.0f}'])} |"


def main() -> None:
    """Print the table of every policy by seed."""
    parser = argparse.ArgumentParser(description="Policies on made-up shops, as a markdown table.")
    parser.add_argument("--seeds", type=int, default=3, help="shops, with the seeds from 1 on")
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="people who ever belong to a shop")
    parser.add_argument("--fits", type=int, default=FITS, help="fits of a consensus")
    parser.add_argument("--quick", action="store_true", help="without the policies that cluster every month anew")
    given = parser.parse_args()
    outcomes = {}
    for seed in range(1, given.seeds + 1):
        begun = time.perf_counter()
        outcomes[seed] = policies_of(shop_of(seed, given.customers), fits=given.fits, every_month_anew=not given.quick)
        print(f"  seed {seed}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    print(as_markdown(outcomes))


if __name__ == "__main__":
    main()
