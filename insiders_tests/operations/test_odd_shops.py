"""Shops that are odd without being broken: a result that makes sense, or a sentence, and never a made-up group.

Each is one month, or three, through `insiders run`.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from insiders_tests.command import Said, insiders_here
from insiders_tests.operations import shops
from insiders_tests.operations.shops import HEADER, Home, new_home
from insiders_tests.servers import tcp_postgres

pytestmark = pytest.mark.usefixtures("plain_environment")

CUSTOMERS = 120


@dataclass
class Invoices:
    """Lines as a shop exports them, an invoice a line."""

    rows: list[list[str]] = field(default_factory=list)

    def buys(self, who: int, day: int, pieces: int = 1, price: float = 10, country: str = "France") -> None:
        """`day` counts from 0 = the first of January 2024; fewer than no pieces are a credit note."""
        when = dt.date(2024, 1, 1) + dt.timedelta(days=day)
        number = f"{'C' if pieces < 0 else ''}{500_000 + len(self.rows)}"
        moment = when.strftime("%m/%d/%Y 10:00")
        self.rows.append([number, "A1", "LAMP", str(pieces), moment, f"{price:.2f}", str(10_000 + who), country])

    def lively(self, customers: int = CUSTOMERS, first_day: int = 0, seed: int = 1) -> None:
        """A month of customers of different tastes, with two purchases at least."""
        draws = np.random.default_rng(seed)
        for who in range(customers):
            taste = draws.lognormal(2, 1)
            for day in draws.choice(30, draws.integers(2, 8), replace=False):
                pieces, price = 1 + int(taste * draws.lognormal(0, 0.5)), 1 + draws.lognormal(0, 0.7)
                self.buys(who, first_day + int(day), pieces, price, country=draws.choice(["France", "Italy"]))


class BringUp(Protocol):
    """Runs invoices in a home of their own, with these settings."""

    def __call__(self, invoices: Invoices, **words: str) -> tuple[Home, Said]: ...


@pytest.fixture(scope="module")
def bring_up(open_folder: Path, pytestconfig: pytest.Config) -> Iterator[BringUp]:
    compiled = shops.compiled_by_numba(pytestconfig)
    with shops.quick_folder() as folder, tcp_postgres(open_folder / "odd") as server:

        def run(invoices: Invoices, **words: str) -> tuple[Home, Said]:
            home = new_home(folder, server, compiled, min_clusterable=50, history_months=1, **words)
            file = home.folder.with_suffix(".csv")
            with file.open("w", newline="") as opened:
                csv.writer(opened).writerows([HEADER, *invoices.rows])
            said = insiders_here("run", "--home", home.folder, "--data", file)
            assert said.code == 0, said
            assert "Traceback" not in said.out + said.err
            return home, said

        yield run


def members(home: Home) -> set[str]:
    return {who for (who,) in home.sql("SELECT customer_id FROM insiders.insiders_membership WHERE since IS NOT NULL")}


def facts(home: Home, *keys: str) -> list[float | None]:
    found = dict(home.sql("SELECT key, value FROM insiders.report_facts"))
    return [found[key] for key in keys]


def few(invoices: Invoices) -> None:
    invoices.lively(30)


def nearly_all_with_one_order(invoices: Invoices) -> None:
    invoices.lively(30)
    for who in range(100, 1070):
        invoices.buys(who, who % 31, pieces=1 + who % 50)


@pytest.mark.parametrize(
    ("shop", "recipe"), [(few, "product"), (few, "reference"), (nearly_all_with_one_order, "product")]
)
def test_too_few_for_segments_are_told_and_everything_else_stands(
    shop: Callable[[Invoices], None], recipe: str, bring_up: BringUp
) -> None:
    invoices = Invoices()
    shop(invoices)
    home, said = bring_up(invoices, recipe=recipe)
    assert "not segmented: fewer than 50 clusterable customers" in said.out
    assert members(home) == set()
    buyers = {row[6] for row in invoices.rows}
    clusterable, identified = facts(home, "base.clusterable", "base.identified_buyers")
    assert (clusterable, identified) == (30, len(buyers))
    # Who is in no segment of the clustering is still in one.
    assert home.sql("SELECT segment_id, count(*) FROM insiders.customer_segments GROUP BY 1 ORDER BY 1") != []
    ((told,),) = home.sql("SELECT count(DISTINCT customer_id) FROM insiders.customer_segments")
    assert told == len(buyers)


def test_customers_who_are_all_alike_are_no_group(bring_up: BringUp) -> None:
    invoices = Invoices()
    for who in range(CUSTOMERS):
        for day in (3, 20):
            invoices.buys(who, day, pieces=5)
    home, said = bring_up(invoices, compare="last")
    assert facts(home, "base.clusterable", "members.count") == [CUSTOMERS, 0]
    assert members(home) == set()
    assert home.sql("SELECT DISTINCT status, cluster_rank FROM insiders.cluster_labels") == [("not segmented", None)]
    assert "nothing tells the 120 clusterable customers apart" in said.out
    assert "2024-01    clusterer_trials     made" in said.out


def test_one_country_one_price_and_one_piece_leave_the_number_of_purchases(
    bring_up: BringUp,
) -> None:
    draws, invoices = np.random.default_rng(2), Invoices()
    bought = {}
    for who in range(CUSTOMERS):
        days = draws.choice(31, draws.integers(2, 12), replace=False)
        bought[str(10_000 + who)] = len(days)
        for day in days:
            invoices.buys(who, int(day))
    home, _ = bring_up(invoices)
    chosen = members(home)
    assert 0 < len(chosen) <= 0.2 * CUSTOMERS
    fewest = min(bought[who] for who in chosen)
    assert fewest > np.median(list(bought.values()))
    ((rule,),) = home.sql("SELECT rule FROM insiders.programme_rule")
    assert rule is None or not {"avg_ticket", "avg_basket_size"} & set(rule.split())


def test_more_returned_than_bought_makes_no_member(bring_up: BringUp) -> None:
    invoices = Invoices()
    invoices.lively()
    for who in range(0, CUSTOMERS, 3):
        invoices.buys(who, 30, pieces=-400)
    home, _ = bring_up(invoices)
    below = home.sql("SELECT count(*) FROM insiders.customer_features WHERE net_revenue < 0")
    assert below[0][0] > 0.2 * CUSTOMERS
    net, gross = facts(home, "base.net_revenue_all", "base.revenue_all")
    assert net is not None
    assert gross is not None
    assert net < 0 < gross
    assert members(home)


def test_a_month_of_returns_alone_and_a_month_without_a_line_have_no_members_and_do_not_stop_the_next(
    bring_up: BringUp,
) -> None:
    invoices = Invoices()
    for who in range(CUSTOMERS):
        for day in (40, 50):
            invoices.buys(who, day, pieces=-2)  # February 2024
    invoices.lively()
    invoices.lively(first_day=91, seed=2)  # April; March stays empty
    home, said = bring_up(invoices)
    found = home.sql("SELECT value FROM insiders.report_facts WHERE key = 'members.count' ORDER BY month")
    january, february, march, april = [value for (value,) in found]
    assert january > 0
    assert february in (0, january)  # who was in may be in grace
    assert march in (0, january)
    assert april > 0
    # Who is in and bought nothing has brought nothing, and no share is made up of that.
    revenue = home.sql("SELECT month, value FROM insiders.report_facts WHERE key LIKE 'members.share%' ORDER BY month")
    assert {value for month, value in revenue if month in (dt.date(2024, 2, 1), dt.date(2024, 3, 1))} <= {None}
    assert "2024-03    insiders_report      made" in said.out
