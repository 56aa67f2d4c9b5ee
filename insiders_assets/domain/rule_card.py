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
from insiders_assets.domain.membership_words import rule_in_portuguese, rule_in_words
from insiders_assets.domain.rules import ALL, ANY, AT_LEAST, AT_MOST, MOST_CONDITIONS, Columns, Condition, Rule

FOLDS = 10
# A further condition has to bring so much: F1, cross-validated.
WORTH_A_CONDITION = 0.005
# So many rules of a length are tried with one more condition.
BEAM = 6
MOST_PASSES = 5


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
    features: those that a rule may look at. seed: of the folds.

    Raises
    ------
    ValueError: everybody or nobody is chosen.
    """
    if chosen.all() or not chosen.any():
        raise ValueError("a rule needs customers who are chosen and customers who are not")
    columns = {name: customers[name] for name in features}
    folds = _folds(chosen, np.random.default_rng(seed))
    by_length = [
        _cross_validated(columns, chosen, folds, length) for length in range(1, min(MOST_CONDITIONS, len(features)) + 1)
    ]
    length = 0
    for longer in range(1, len(by_length)):
        if by_length[longer].f1 >= by_length[length].f1 + WORTH_A_CONDITION:
            length = longer
    rule = _best_rules(columns, chosen, length + 1)[0]
    others = [name for name in features if name not in rule.features]
    runner_up, beside = None, None
    if others:
        remaining = {name: columns[name] for name in others}
        runner_up = _best_rules(remaining, chosen, 1)[0]
        beside = _cross_validated(remaining, chosen, folds, 1)
    holds = rule.holds(columns)
    return RuleCard(rule, fidelity(holds, chosen), by_length[length], holds != chosen, runner_up, beside)


def fidelity(selected: np.ndarray, chosen: np.ndarray) -> Fidelity:
    """Precision, recall and F1 of a selection (n,) of those who are chosen (n,)."""
    hits, selections, wanted = int((selected & chosen).sum()), int(selected.sum()), int(chosen.sum())
    precision = hits / selections if selections else 0.0
    recall = hits / wanted if wanted else 0.0
    return Fidelity(precision, recall, _f1(hits, selections, wanted))


def _cross_validated(columns: Columns, chosen: np.ndarray, folds: np.ndarray, length: int) -> Fidelity:
    """Of the best rule of that length, found without each fold and judged on it; the folds' verdicts are pooled."""
    selected = np.zeros(len(chosen), dtype=bool)
    for fold in range(folds.max() + 1):
        inside = folds == fold
        best = _best_rules({name: column[~inside] for name, column in columns.items()}, chosen[~inside], length)[0]
        selected[inside] = best.holds({name: column[inside] for name, column in columns.items()})
    return fidelity(selected, chosen)


def _folds(chosen: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A fold (n,) for every customer; the chosen are spread evenly, as far as there are enough of them."""
    count = max(2, min(FOLDS, int(chosen.sum()), int((~chosen).sum())))
    folds = np.empty(len(chosen), dtype=np.int64)
    for group in (chosen, ~chosen):
        places = np.flatnonzero(group)
        folds[generator.permutation(places)] = np.arange(len(places)) % count
    return folds


def _best_rules(columns: Columns, chosen: np.ndarray, length: int) -> list[Rule]:
    """Rules of so many conditions, the best by F1 first; a longer one is a good shorter one with another condition."""
    found = _scored(((Rule((condition,)), score) for condition, score in _conditions(columns, chosen)), BEAM)
    for _ in range(length - 1):
        longer = {}
        for rule in found:
            connectives = (rule.connective,) if len(rule.conditions) > 1 else (ALL, ANY)
            for connective in connectives:
                for condition, score in _conditions(columns, chosen, (rule, connective)):
                    if condition.feature not in rule.features:
                        parts = sorted((*rule.conditions, condition), key=lambda one: (one.feature, one.direction))
                        longer[Rule(tuple(parts), connective)] = score
        if not longer:
            break
        refined = (_refined(columns, chosen, rule) for rule in _scored(iter(longer.items()), BEAM))
        found = _scored(((rule, fidelity(rule.holds(columns), chosen).f1) for rule in refined), BEAM)
    return found


def _refined(columns: Columns, chosen: np.ndarray, rule: Rule) -> Rule:
    """The rule with every threshold set anew beside the others until none moves: the first was set for itself alone."""
    for _ in range(MOST_PASSES):
        before = rule
        for one in rule.conditions:
            others = tuple(other for other in rule.conditions if other != one)
            candidates = _conditions(columns, chosen, (Rule(others, rule.connective), rule.connective), [one.feature])
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
    columns: Columns,
    chosen: np.ndarray,
    joined_to: tuple[Rule, str] | None = None,
    features: Sequence[str] = (),
) -> Iterator[tuple[Condition, float]]:
    """For every feature (or those named) and direction the threshold with the highest F1, and that F1: of the condition
    alone or joined to a rule."""
    free = np.ones(len(chosen), dtype=bool)
    kept = ~free
    if joined_to:
        rule, connective = joined_to
        holds = rule.holds(columns)
        free, kept = (holds, kept) if connective == ALL else (~holds, holds)
    base_hits, base_selected, wanted = int((kept & chosen).sum()), int(kept.sum()), int(chosen.sum())
    for name in features or columns:
        column = columns[name]
        for direction in (AT_LEAST, AT_MOST):
            usable = free & ~np.isnan(column)
            if not usable.any():
                continue
            values = column[usable] if direction == AT_LEAST else -column[usable]
            order = np.argsort(-values, kind="stable")
            values, hits = values[order], np.cumsum(chosen[usable][order])
            counts = np.arange(1, len(values) + 1)
            scores = 2 * (hits + base_hits) / (counts + base_selected + wanted)
            ends = np.append(values[1:] < values[:-1], True)  # equal values stand on one side of any threshold
            scores = np.where(ends, scores, -1.0)
            best = int(scores.argmax())
            outside = values[best + 1] if best + 1 < len(values) else -math.inf
            threshold = _roundest(float(outside), float(values[best]))
            yield Condition(name, direction, threshold if direction == AT_LEAST else -threshold), float(scores[best])


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
    """The card as a row of PROGRAMME_RULE. `chosen`: (n,) whom the clustering chooses; `basis`: what that rests on."""
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
        "rule_in_portuguese": rule_in_portuguese(rule),
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
