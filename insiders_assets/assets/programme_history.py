"""The programme's course up to a month, read from the tables of all months up to it.

Belongs here: reading what membership and the comparison of policies both stand on. Does not belong here: the replay
(:mod:`insiders_assets.domain.membership`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.assets.monthly import Month
from insiders_assets.contracts.table import as_floats
from insiders_assets.domain.membership import Policy
from insiders_assets.domain.programme import Candidate, RuleInForce, rules_in_force
from insiders_assets.domain.rules import parse_rule
from insiders_assets.domain.standings import Course, CustomersOfMonth, month_of_rule
from insiders_assets.partitions import key_of, month_of, shift
from insiders_assets.settings import PRODUCT, Settings
from insiders_assets.storage.lake import Dataset

# What the course hangs on beside the tables.
SETTINGS_READ = (
    "recipe",
    "history_months",
    "programme_months_to_enter",
    "programme_months_to_leave",
    "programme_leave_share",
    "programme_renewal_months",
    "programme",
)


class ProgrammeHistory:
    """The tables of all months up to one, as the domain takes them."""

    def __init__(self, month: Month, rules: Dataset, consensus: Dataset, labels: Dataset, features: Dataset):
        self.settings: Settings = month.platform.settings
        self.programme = month.platform.programme.until(month.first_day)
        self.consensus, self.labels, self.features = consensus, labels, features
        self.months = [month_of(scope) for scope in features.scopes]
        self.in_force = self._rules_in_force(rules)

    @property
    def first_full(self) -> dt.date:
        """The first month with a full window."""
        return shift(self.months[0], self.settings.history_months - 1)

    def course(self) -> Course:
        """What the rule in force says of every month, and how the programme moves."""
        leave_share, months = self.settings.programme_leave_share, []
        for month in self.months:
            in_force = self.in_force.get(month)
            features = in_force.rule.features if in_force and in_force.rule else ()
            months.append(month_of_rule(month, self.customers(month, features), in_force, leave_share))
        return Course(months, self.in_force, self.policy, leave_share, self.programme.words)

    @property
    def policy(self) -> Policy:
        """How the programme moves; with the reference recipe whoever is in the top segment is in, month by month."""
        if self.settings.recipe != PRODUCT:
            return Policy(1, 1)
        return Policy(self.settings.programme_months_to_enter, self.settings.programme_months_to_leave)

    def customers(self, month: dt.date, features: Collection[str]) -> CustomersOfMonth:
        """The clusterable customers of a month with these features, and how the programme ranks them."""
        found, scope = columns_of(self.features.only(key_of(month)), features), key_of(month)
        if self.settings.recipe == PRODUCT:
            rows = self.consensus.only(scope).arrow(["customer_id", "consensus_rank", "chosen"])
            ranks, chosen = rows["consensus_rank"], rows["chosen"].to_numpy()
        else:
            rows = self.labels.only(scope).arrow(["customer_id", "cluster_rank"]).filter(pc.field("cluster_rank") == 1)
            ranks, chosen = rows["cluster_rank"], np.ones(len(rows), dtype=bool)
        ranked = pd.DataFrame({"rank": ranks.to_numpy().astype("float64"), "chosen": chosen}, index=rows[0].to_pylist())
        placed = ranked.reindex(found.ids)
        return CustomersOfMonth(
            found.ids,
            found.columns,
            placed["rank"].fillna(np.inf).to_numpy("float64"),
            placed["chosen"].eq(True).to_numpy(bool),
        )

    def said_by_rank(self, customers: CustomersOfMonth) -> dict[str, str]:
        """Where each customer stands, in words, for a programme that goes by rank."""
        if self.settings.recipe != PRODUCT:
            words = ("outside the top segment", "in the top segment")
            return {name: words[int(chosen)] for name, chosen in zip(customers.ids, customers.chosen, strict=True)}
        chosen, among = int(customers.chosen.sum()), len(customers.ids)
        return {
            name: f"ranked {int(rank):,} of {among:,} by the consensus, the first {chosen:,} are in"
            for name, rank in zip(customers.ids, customers.ranks, strict=True)
            if np.isfinite(rank)
        }

    def _rules_in_force(self, rules: Dataset) -> dict[dt.date, RuleInForce]:
        if self.settings.recipe != PRODUCT:
            return {month: RuleInForce("the top segment", None) for month in self.months}
        cards = rules.arrow(["month", "rule", "explainable"]).to_pylist()
        candidates = [
            Candidate(card["month"], parse_rule(card["rule"]) if card["explainable"] else None) for card in cards
        ]
        return rules_in_force(
            self.months,
            candidates,
            self.programme.rules,
            first_full=self.first_full,
            renewal_months=self.settings.programme_renewal_months,
        )


def columns_of(features: Dataset, names: Collection[str]) -> CustomersOfMonth:
    """The clusterable customers of a month with these features, nobody ranked or chosen."""
    rows = features.arrow(["customer_id", "clusterable", *names])
    rows = rows.filter(rows["clusterable"])
    return CustomersOfMonth(
        ids=np.asarray(rows["customer_id"].to_pylist(), dtype=object),
        columns={name: _floats(rows[name]) for name in names},
        ranks=np.full(rows.num_rows, np.inf),
        chosen=np.zeros(rows.num_rows, dtype=bool),
    )


def _floats(values: pa.ChunkedArray) -> np.ndarray:
    return as_floats(values) if pa.types.is_decimal(values.type) else values.cast(pa.float64()).to_numpy()
