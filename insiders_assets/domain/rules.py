"""Rules on plain features: what a member has to fulfil, as people and databases read it.

Belongs here: conditions and rules, whom they hold for, their text. Does not belong here: finding one
(:mod:`.rule_card`), which one is in force (:mod:`.programme`), or what a member has to do to stay (:mod:`.membership`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from insiders_assets.domain.feature_words import RULE_FEATURES

AT_LEAST, AT_MOST = ">=", "<="
ALL, ANY = "all", "any"
MOST_CONDITIONS = 3

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Condition:
    """A plain feature at least (or at most) a threshold, in the feature's unit."""

    feature: str
    direction: str
    threshold: float

    def holds(self, customers: Columns, slack: float = 1.0) -> np.ndarray:
        """Whether it holds (n,); with a slack of 0.8 for whoever reaches 80 % of the threshold, in its direction.

        A missing value does not hold.
        """
        values = customers[self.feature]
        kept = self.kept(slack)
        return np.asarray(values >= kept if self.direction == AT_LEAST else values <= kept)

    def kept(self, slack: float) -> float:
        """The threshold that whoever needs only a share `slack` of it has to keep."""
        return _share_of(self.threshold, slack if self.direction == AT_LEAST else 1 / slack)

    def reach(self, customers: Columns) -> np.ndarray:
        """How much of it is reached (n,): 1 is just enough, 2 twice as much; NaN for a missing value, and where the
        threshold is not above zero, of which there are no shares."""
        values = np.asarray(customers[self.feature], dtype="float64")
        if self.threshold <= 0:
            return np.full(len(values), np.nan)
        if self.direction == AT_LEAST:
            return values / self.threshold
        return np.divide(self.threshold, values, out=np.full(len(values), np.inf), where=values != 0)

    @property
    def sql(self) -> str:
        """The condition as SQL over customer_features."""
        return f"{self.feature} {self.direction} {_written(self.threshold)}"


@dataclass(frozen=True)
class Rule:
    """Conditions of which all or any have to hold."""

    conditions: tuple[Condition, ...]
    connective: str = ALL

    def holds(self, customers: Columns, slack: float = 1.0) -> np.ndarray:
        """Whether the rule holds (n,). With a slack under 1 a customer falls short with `all` as soon as one condition
        does, with `any` only when every one does."""
        each = [condition.holds(customers, slack) for condition in self.conditions]
        return np.logical_and.reduce(each) if self.connective == ALL else np.logical_or.reduce(each)

    def reach(self, customers: Columns) -> np.ndarray:
        """How much of the rule is reached (n,): of the condition on which it hangs, with `all` the farthest behind,
        with `any` the farthest ahead."""
        each = [condition.reach(customers) for condition in self.conditions]
        return np.minimum.reduce(each) if self.connective == ALL else np.fmax.reduce(each)

    def moved(self, factor: float) -> Rule:
        """The rule with every threshold moved, to six digits: above 1 it is harder to fulfil, below 1 easier."""
        moved = (Condition(one.feature, one.direction, float(f"{one.kept(factor):.6g}")) for one in self.conditions)
        return Rule(tuple(moved), self.connective)

    @property
    def sql(self) -> str:
        """The rule as a condition over customer_features."""
        return f" {'AND' if self.connective == ALL else 'OR'} ".join(condition.sql for condition in self.conditions)

    def eased(self, slack: float, table: str) -> str:
        """The rule as SQL over a table named `table`, with a share `slack` of every threshold."""
        kept = [Condition(f"{table}.{one.feature}", one.direction, one.kept(slack)) for one in self.conditions]
        return Rule(tuple(kept), self.connective).sql

    @property
    def features(self) -> frozenset[str]:
        """The features that it looks at."""
        return frozenset(condition.feature for condition in self.conditions)


def parse_rule(text: str) -> Rule:
    """A rule as a person writes it, or as :attr:`Rule.sql` does: `items_purchased >= 2759 and recency_days <= 90`.

    Raises
    ------
    ValueError: it is no such rule; the sentence says how one is written.
    """
    connectives = {word.lower() for word in re.findall(r"\b(and|or)\b", text, re.IGNORECASE)}
    parts = re.split(r"\s+(?:and|or)\s+", text.strip(), flags=re.IGNORECASE)
    matches = [re.fullmatch(r"(\w+)\s*(>=|<=)\s*(-?[0-9]+(?:\.[0-9]+)?)", part.strip()) for part in parts]
    if len(connectives) > 1 or len(parts) > MOST_CONDITIONS or not all(matches):
        raise ValueError(
            f"{text!r} is no rule; write up to {MOST_CONDITIONS} conditions joined by `and` or by `or`, for example "
            "items_purchased >= 2759 and recency_days <= 90"
        )
    conditions = tuple(Condition(match[1], match[2], float(match[3])) for match in matches if match)
    if not all(np.isfinite(one.threshold) for one in conditions):
        raise ValueError(f"{text!r} asks for a number too large to be one")
    if unknown := [one.feature for one in conditions if one.feature not in RULE_FEATURES]:
        raise ValueError(f"{unknown[0]} is no feature that a rule can use; there are {', '.join(RULE_FEATURES)}")
    return Rule(conditions, ANY if connectives == {"or"} else ALL)


def _share_of(threshold: float, slack: float) -> float:
    """So much of a threshold; of one below zero the farther side."""
    return threshold * slack if threshold >= 0 else threshold / slack


def _written(threshold: float) -> str:
    """A threshold as SQL reads it back exactly, never in powers of ten."""
    return np.format_float_positional(threshold, trim="-")
