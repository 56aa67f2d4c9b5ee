"""The rule card: the shortest rule on plain features that says who is chosen, and how faithful it is.

Belongs here: finding a rule and judging it. Does not belong here: what a rule is (:mod:`.rules`) or who is chosen
(:mod:`.consensus`).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from insiders_assets.contracts.programme import BY_CONSENSUS
from insiders_assets.domain.membership_words import rule_in_words
from insiders_assets.domain.rules import ALL, ANY, AT_LEAST, AT_MOST, MOST_CONDITIONS, Columns, Condition, Rule

FOLDS = 10
# A further condition has to bring so much: F1, cross-validated.
WORTH_A_CONDITION = 0.005
# So many rules of a length are tried with one more condition.
BEAM = 6
MOST_PASSES = 5
# Beyond so many customers a rule is searched on a sample: its F1 is good to a few thousandths then.
MOST_SEARCHED = 100_000


@dataclass(frozen=True)
class Fidelity:
    """How a rule agrees with who is chosen; shares 0 to 1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class RuleCard:
    """The rule found, its agreement with the chosen (in sample and cross-validated), and the best rule on others.

    exceptions: (n,) customers whom the rule has on the other side. `runner_up` does not look at the same features.
    """

    rule: Rule
    in_sample: Fidelity
    cross_validated: Fidelity
    exceptions: np.ndarray
    runner_up: Rule | None
    runner_up_cross_validated: Fidelity | None


def find_rule(customers: Columns, chosen: np.ndarray, features: Sequence[str], seed: int) -> RuleCard:
    """The shortest rule whose cross-validated F1 no longer rule betters by WORTH_A_CONDITION.

    Parameters
    ----------
    customers: feature -> (n,) floats; a missing value is NaN. chosen: (n,) bool, some of them true and some false.
    features: those that a rule may look at. seed: of the folds, and of the sample.

    Raises
    ------
    ValueError: everybody or nobody is chosen.

    Notes
    -----
    Of more than MOST_SEARCHED customers so many are drawn, the chosen in proportion: they say which features and how
    many, and give the cross-validated fidelity. The thresholds, whom the rule has on the other side and the fidelity in
    sample are everybody's.
    """
    if chosen.all() or not chosen.any():
        raise ValueError("a rule needs customers who are chosen and customers who are not")
    everybody = _Customers.of({name: customers[name] for name in features}, chosen)
    generator = np.random.default_rng(seed)
    searched = _drawn(everybody, generator)
    folds = _folds(searched.chosen, generator)
    by_length = _cross_validated(searched, folds, min(MOST_CONDITIONS, len(features)))
    length = 0
    for longer in range(1, len(by_length)):
        if by_length[longer].f1 >= by_length[length].f1 + WORTH_A_CONDITION:
            length = longer
    rule = _refined(everybody, _best_by_length(searched, length + 1)[length])
    others = [name for name in features if name not in rule.features]
    runner_up, beside = None, None
    if others:
        runner_up = _refined(everybody, _best_by_length(searched.looked_at_by(others), 1)[0])
        beside = _cross_validated(searched.looked_at_by(others), folds, 1)[0]
    holds = rule.holds(everybody.columns)
    return RuleCard(rule, fidelity(holds, chosen), by_length[length], holds != chosen, runner_up, beside)


@dataclass(frozen=True)
class _Customers:
    """Columns of n customers, each also as its distinct values, ascending, and the place (n,) of each customer's value
    among them; a missing value's is after the last. Sorting is done once: a threshold is found by counting."""

    columns: Columns
    values: Columns
    places: Columns
    chosen: np.ndarray

    @classmethod
    def of(cls, columns: Columns, chosen: np.ndarray) -> _Customers:
        values = {name: np.unique(column[~np.isnan(column)]) for name, column in columns.items()}
        places = {name: np.searchsorted(values[name], column) for name, column in columns.items()}
        return cls(columns, values, places, chosen)

    def only(self, rows: np.ndarray) -> _Customers:
        """Some of the customers: (n,) bool, or their numbers."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        places = {name: column[rows] for name, column in self.places.items()}
        return replace(self, columns=columns, places=places, chosen=self.chosen[rows])

    def looked_at_by(self, features: Sequence[str]) -> _Customers:
        """The same customers by some of the features."""
        return replace(self, columns={name: self.columns[name] for name in features})


def _drawn(customers: _Customers, generator: np.random.Generator) -> _Customers:
    """All of them, or MOST_SEARCHED, the chosen and the others in proportion, but some of both."""
    n = len(customers.chosen)
    if n <= MOST_SEARCHED:
        return customers
    groups = [np.flatnonzero(customers.chosen), np.flatnonzero(~customers.chosen)]
    sizes = [max(1, round(len(group) * MOST_SEARCHED / n)) for group in groups]
    drawn = [generator.choice(group, size, replace=False) for group, size in zip(groups, sizes, strict=True)]
    return customers.only(np.sort(np.concatenate(drawn)))


def fidelity(selected: np.ndarray, chosen: np.ndarray) -> Fidelity:
    """Precision, recall and F1 of a selection (n,) of those who are chosen (n,)."""
    hits, selections, wanted = int((selected & chosen).sum()), int(selected.sum()), int(chosen.sum())
    precision = hits / selections if selections else 0.0
    recall = hits / wanted if wanted else 0.0
    return Fidelity(precision, recall, _f1(hits, selections, wanted))


def _cross_validated(customers: _Customers, folds: np.ndarray, most: int) -> list[Fidelity]:
    """Of the best rule of every length up to `most`, found without each fold and judged on it; the folds' verdicts are
    pooled."""
    selected = np.zeros((most, len(folds)), dtype=bool)
    for fold in range(folds.max() + 1):
        inside = folds == fold
        judged = {name: column[inside] for name, column in customers.columns.items()}
        for length, rule in enumerate(_best_by_length(customers.only(~inside), most)):
            selected[length, inside] = rule.holds(judged)
    return [fidelity(one, customers.chosen) for one in selected]


def _folds(chosen: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A fold (n,) for every customer; the chosen are spread evenly, as far as there are enough of them."""
    count = max(2, min(FOLDS, int(chosen.sum()), int((~chosen).sum())))
    folds = np.empty(len(chosen), dtype=np.int64)
    for group in (chosen, ~chosen):
        places = np.flatnonzero(group)
        folds[generator.permutation(places)] = np.arange(len(places)) % count
    return folds


def _best_by_length(customers: _Customers, most: int) -> list[Rule]:
    """The best rule by F1 of one condition, of two, and so on; a longer one is a good shorter one with another
    condition, and where there is none, that shorter one."""
    found = _scored(((Rule((condition,)), score) for condition, score in _conditions(customers)), BEAM)
    best = [found[0]]
    while len(best) < most:
        longer = {}
        for rule in found:
            connectives = (rule.connective,) if len(rule.conditions) > 1 else (ALL, ANY)
            for connective in connectives:
                for condition, score in _conditions(customers, (rule, connective)):
                    if condition.feature not in rule.features:
                        parts = sorted((*rule.conditions, condition), key=lambda one: (one.feature, one.direction))
                        longer[Rule(tuple(parts), connective)] = score
        if longer:
            refined = (_refined(customers, rule) for rule in _scored(iter(longer.items()), BEAM))
            scored = ((rule, fidelity(rule.holds(customers.columns), customers.chosen).f1) for rule in refined)
            found = _scored(scored, BEAM)
        best.append(found[0])
    return best


def _refined(customers: _Customers, rule: Rule) -> Rule:
    """The rule with every threshold set anew beside the others until none moves: the first was set for itself alone,
    or on fewer customers."""
    for _ in range(MOST_PASSES):
        before = rule
        for one in rule.conditions:
            others = tuple(other for other in rule.conditions if other != one)
            joined_to = (Rule(others, rule.connective), rule.connective) if others else None
            candidates = _conditions(customers, joined_to, [one.feature])
            anew = next((found for found, _ in candidates if found.direction == one.direction), one)
            parts = sorted((*others, anew), key=lambda part: (part.feature, part.direction))
            rule = Rule(tuple(parts), rule.connective)
        if rule == before:
            break
    return rule


def _scored(rules: Iterator[tuple[Rule, float]], most: int) -> list[Rule]:
    """The best by score; equal ones by their words, so that the order of features has no influence."""
    return [rule for rule, _ in sorted(rules, key=lambda one: (-round(one[1], 12), one[0].sql))[:most]]


def _conditions(
    customers: _Customers, joined_to: tuple[Rule, str] | None = None, features: Sequence[str] = ()
) -> Iterator[tuple[Condition, float]]:
    """For every feature (or those named) and direction the threshold with the highest F1, and that F1: of the condition
    alone or joined to a rule."""
    chosen = customers.chosen
    free = np.ones(len(chosen), dtype=bool)
    kept = ~free
    if joined_to:
        rule, connective = joined_to
        holds = rule.holds(customers.columns)
        free, kept = (holds, kept) if connective == ALL else (~holds, holds)
    base_hits, base_selected, wanted = int((kept & chosen).sum()), int(kept.sum()), int(chosen.sum())
    hitting = free & chosen
    for name in features or customers.columns:
        values, places = customers.values[name], customers.places[name]
        counts = np.bincount(places[free], minlength=len(values) + 1)[:-1]
        hits = np.bincount(places[hitting], minlength=len(values) + 1)[:-1]
        there = np.flatnonzero(counts)
        if not len(there):
            continue
        for direction, outward in ((AT_LEAST, there[::-1]), (AT_MOST, there)):
            selected = np.cumsum(counts[outward])
            scores = 2 * (np.cumsum(hits[outward]) + base_hits) / (selected + base_selected + wanted)
            best = int(scores.argmax())
            sign = 1 if direction == AT_LEAST else -1
            outside = sign * values[outward[best + 1]] if best + 1 < len(outward) else -math.inf
            threshold = sign * _roundest(float(outside), float(sign * values[outward[best]]))
            yield Condition(name, direction, threshold), float(scores[best])


def _roundest(outside: float, inside: float) -> float:
    """The number above `outside` and up to `inside` with the fewest digits, the nearest to `inside` of these: every
    one of them selects the same customers, and people keep the round one in mind."""
    if not math.isfinite(outside) or inside == 0:
        return inside
    for digits in range(math.floor(math.log10(abs(inside))), -5, -1):
        unit = 10.0**digits
        candidate = round(math.floor(inside / unit + 1e-9) * unit, 6)
        if outside < candidate <= inside:
            return candidate
    return inside


def _f1(hits: int, selected: int, wanted: int) -> float:
    return 2 * hits / (selected + wanted) if selected + wanted else 0.0


def disagreement(first: np.ndarray, second: np.ndarray) -> float:
    """One minus the Jaccard index of two selections (n,), 0 where both are empty."""
    either = int((first | second).sum())
    return 1 - int((first & second).sum()) / either if either else 0.0


def pairwise_jaccard(selections: Sequence[np.ndarray]) -> list[float]:
    """The Jaccard index of every two selections (n,)."""
    return [1 - disagreement(first, second) for first, second in combinations(selections, 2)]


def card_row(month: dt.date, card: RuleCard, chosen: np.ndarray, basis: str, least_fidelity: float) -> dict[str, Any]:
    """The card as a row of PROGRAMME_RULE, its rule still a message.

    `chosen`: (n,) whom the clustering chooses; `basis`: what that rests on.
    """
    rule, judged = card.rule, card.cross_validated
    explainable = judged.f1 >= least_fidelity
    where = f"month = DATE '{month}' AND clusterable AND {_in_brackets(rule)}"
    beside = card.runner_up_cross_validated
    picked = "c.chosen" if basis == BY_CONSENSUS else "c.cluster_rank = 1"
    table = "customer_consensus" if basis == BY_CONSENSUS else "cluster_labels"
    return {
        "month": month,
        "rule": rule.sql,
        "rule_in_words": rule_in_words(rule),
        "explainable": explainable,
        "verdict": f"F1 {judged.f1:.3f}: the rule says who is chosen"
        if explainable
        else f"not explainable by a short rule (F1 {judged.f1:.3f}, {least_fidelity:.2f} is asked for): "
        "the programme goes by the rank",
        "basis": basis,
        "clusterable": len(chosen),
        "chosen": int(chosen.sum()),
        "selected": int((chosen ^ card.exceptions).sum()),
        "exceptions": int(card.exceptions.sum()),
        "precision": judged.precision,
        "recall": judged.recall,
        "f1": judged.f1,
        "f1_in_sample": card.in_sample.f1,
        "runner_up": card.runner_up.sql if card.runner_up else None,
        "runner_up_f1": beside.f1 if beside else None,
        "lead": judged.f1 - beside.f1 if beside else None,
        "sql": f"SELECT customer_id FROM insiders.customer_features WHERE {where} ORDER BY customer_id",
        "exceptions_sql": "SELECT f.customer_id, coalesce(" + _qualified(rule) + ", FALSE) AS selected "
        f"FROM insiders.customer_features f LEFT JOIN insiders.{table} c "
        "ON c.month = f.month AND c.customer_id = f.customer_id "
        f"WHERE f.month = DATE '{month}' AND f.clusterable "
        f"AND coalesce({_qualified(rule)}, FALSE) <> coalesce({picked}, FALSE) ORDER BY f.customer_id",
    }


def _in_brackets(rule: Rule) -> str:
    return f"({rule.sql})" if len(rule.conditions) > 1 else rule.sql


def _qualified(rule: Rule) -> str:
    aliased = Rule(tuple(replace(one, feature=f"f.{one.feature}") for one in rule.conditions), rule.connective)
    return _in_brackets(aliased)
