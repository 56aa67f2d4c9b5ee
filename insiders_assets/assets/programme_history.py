"""The programme's course up to a month, read from the tables of all months up to it.

Belongs here: reading what membership and the comparison of policies both stand on. Does not belong here: the replay
(:mod:`insiders_assets.domain.membership`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.assets.monthly import Month
from insiders_assets.contracts.programme import INSIDE
from insiders_assets.contracts.table import as_floats
from insiders_assets.domain.membership import Policy
from insiders_assets.domain.messages import Message, Numeral, say
from insiders_assets.domain.programme import BY_RANK, TOP_SEGMENT, Candidate, RuleInForce, rules_in_force
from insiders_assets.domain.rules import Rule, parse_rule
from insiders_assets.domain.standings import Course, CustomersOfMonth, month_of_rule
from insiders_assets.partitions import key_of, month_of, shift
from insiders_assets.settings import PRODUCT, Settings
from insiders_assets.storage.lake import Dataset

TABLES_READ = ("programme_rule", "customer_consensus", "cluster_labels", "customer_features")
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
    """The tables of all months up to one (TABLES_READ), as the domain takes them."""

    def __init__(self, month: Month, inputs: Mapping[str, Dataset]):
        self.settings: Settings = month.platform.settings
        self.programme = month.platform.programme.until(month.first_day)
        self.consensus, self.labels = inputs["customer_consensus"], inputs["cluster_labels"]
        self.features = inputs["customer_features"]
        self.months = [month_of(scope) for scope in self.features.scopes]
        self.in_force = self._rules_in_force(inputs["programme_rule"])

    @property
    def first_full(self) -> dt.date:
        """The first month with a full window."""
        return shift(self.months[0], self.settings.history_months - 1)

    def course(self) -> Course:
        """What the rule in force says of every month, and how the programme moves."""
        leave_share, months = self.settings.programme_leave_share, []
        for month in self.months:
            in_force = self.in_force.get(month)
            if in_force and in_force.rule:
                customers = columns_of(self.features.only(key_of(month)), in_force.rule.features)
            else:
                customers = self.ranked(month)
            months.append(month_of_rule(month, customers, in_force, leave_share))
        words = [word for word in self.programme.words if word.customer_id not in self.unknown]
        return Course(months, self.in_force, self.policy, leave_share, words)

    @cached_property
    def unknown(self) -> frozenset[str]:
        """Customers on whom a person has said a word and who have no line in any window up to this month: a mistyped
        id is no member."""
        spoken_of = {word.customer_id for word in self.programme.words}
        if not spoken_of:
            return frozenset()
        return frozenset(spoken_of - set(pc.unique(self.features.arrow(["customer_id"])["customer_id"]).to_pylist()))

    @property
    def policy(self) -> Policy:
        """How the programme moves; with the reference recipe whoever is in the top segment is in, month by month."""
        if self.settings.recipe != PRODUCT:
            return Policy(1, 1)
        return Policy(self.settings.programme_months_to_enter, self.settings.programme_months_to_leave)

    def ranked(self, month: dt.date) -> CustomersOfMonth:
        """The clusterable customers of a month as the programme ranks them, where it goes by rank."""
        scope = key_of(month)
        found = columns_of(self.features.only(scope), ())
        if self.settings.recipe == PRODUCT:
            rows = self.consensus.only(scope).arrow(["customer_id", "consensus_rank", "chosen"])
            ranks, chosen = rows["consensus_rank"], rows["chosen"].to_numpy()
        else:
            rows = self.labels.only(scope).arrow(["customer_id", "cluster_rank"]).filter(pc.field("cluster_rank") == 1)
            ranks, chosen = rows["cluster_rank"], np.ones(len(rows), dtype=bool)
        frame = pd.DataFrame({"rank": ranks.to_numpy().astype("float64"), "chosen": chosen}, index=rows[0].to_pylist())
        placed = frame.reindex(found.ids)
        return replace(
            found,
            ranks=placed["rank"].fillna(np.inf).to_numpy("float64"),
            chosen=placed["chosen"].eq(True).to_numpy(bool),
        )

    def said_by_rank(self) -> dict[str, Message]:
        """Where each customer of the last month stands, in words; empty where the programme goes by a rule."""
        in_force = self.in_force.get(self.months[-1])
        if in_force is None or in_force.rule:
            return {}
        customers = self.ranked(self.months[-1])
        if self.settings.recipe != PRODUCT:
            words = (say("outside the top segment"), say("in the top segment"))
            return {name: words[int(chosen)] for name, chosen in zip(customers.ids, customers.chosen, strict=True)}
        chosen, among = int(customers.chosen.sum()), len(customers.ids)
        return {
            name: say(
                "ranked {rank} of {among} by the consensus, the first {chosen} are in",
                rank=Numeral(f"{int(rank):,}"),
                among=Numeral(f"{among:,}"),
                chosen=Numeral(f"{chosen:,}"),
            )
            for name, rank in zip(customers.ids, customers.ranks, strict=True)
            if np.isfinite(rank)
        }

    def _rules_in_force(self, rules: Dataset) -> dict[dt.date, RuleInForce]:
        if self.settings.recipe != PRODUCT:
            return {month: RuleInForce(TOP_SEGMENT, None) for month in self.months}
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


def chosen_in(rows: Dataset, column: str, value: bool | int) -> list[str]:
    """The customers of a month whose column has this value: chosen by the consensus, or in the top cluster."""
    found = rows.arrow(["customer_id", column])
    return found.filter(pc.equal(found[column], value))["customer_id"].to_pylist()


def member_ids(membership: Dataset) -> pa.Table:
    """The members at the end of a month, those in grace among them."""
    rows = membership.arrow(["customer_id", "status"])
    return rows.filter(pc.is_in(rows["status"], pa.array(INSIDE))).select(["customer_id"])


def rule_of(membership: Dataset) -> Rule | None:
    """The rule that a month's membership goes by; None where it goes by rank, or where nobody is told of."""
    told = membership.arrow(["rule"])["rule"].drop_null().slice(length=1).to_pylist()
    return parse_rule(told[0]) if told and told[0] != BY_RANK else None
