"""Why a status changed and what would change it, in words that a customer's adviser can say.

Belongs here: sentences on one customer's standing. Does not belong here: deciding the standing (:mod:`.membership`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from insiders_assets.contracts.programme import GRACE, MEMBER, PROVISIONAL
from insiders_assets.domain.feature_words import WORDS, written
from insiders_assets.domain.membership import ENTER, INCLUDE, RETURN, Event, Override, Policy, Standing
from insiders_assets.domain.messages import AND, OR, Message, Numeral, joined, say
from insiders_assets.domain.programme import RuleInForce
from insiders_assets.domain.rules import ALL, AT_LEAST, AT_MOST, Condition, Rule
from insiders_assets.domain.scaling import signed_log

Values = Mapping[str, float]
NOT_THERE = "no longer among the clusterable customers of the window"


def rule_in_words(rule: Rule) -> Message:
    """The rule: "at least 2,759 items bought and at most 90 days since the last purchase"."""
    return joined(AND if rule.connective == ALL else OR, [_said(one) for one in rule.conditions])


def _said(condition: Condition) -> Message:
    value, feature = Numeral(written(condition.feature, condition.threshold)), WORDS[condition.feature].words
    if condition.direction == AT_LEAST:
        return say("at least {value} {feature}", value=value, feature=feature)
    return say("at most {value} {feature}", value=value, feature=feature)


def _joined(rule: Rule, parts: list[str]) -> str:
    return (" and " if rule.connective == ALL else " or ").join(parts)


@dataclass(frozen=True)
class Speaker:
    """Speaks of customers under one rule in force.

    leave_share: of the threshold that a member has to keep. by_rank: what is said of a customer where the programme
    goes by rank, by customer.
    """

    in_force: RuleInForce
    policy: Policy
    leave_share: float
    by_rank: Mapping[str, str] = field(default_factory=dict)

    def needs(self, standing: Standing, values: Values | None) -> str:
        """What would bring the customer in or out. `values`: the rule's features; None for who is not there."""
        have = self._have(standing.customer_id, values)
        if standing.status == PROVISIONAL:
            return f"{have}; provisional until a rule is in force"
        if standing.status == MEMBER:
            return f"{have}; {self._way_out(standing)}"
        gap = self._gap(values)
        if standing.status == GRACE:
            return "; ".join(filter(None, (have, gap and f"{gap} to be safe", self._way_out(standing))))
        months = self.policy.months_to_enter
        in_a_row = f"the rule has to hold {months} months in a row, {standing.months_holding} so far"
        return "; ".join(filter(None, (have, gap and f"{gap} by month end", in_a_row if months > 1 else "")))

    def reason(self, event: Event, standing: Standing, values: Values | None, begins: bool) -> str:
        """Why the rule changed the status. `begins`: a rule comes into force for the first time this month."""
        version, have = self.in_force.version, self._have(event.customer_id, values)
        if event.after == PROVISIONAL:
            return f"the rule ({version}) holds, provisionally: {have}"
        if event.kind == ENTER and begins:
            return f"the programme begins with {version}: {have}"
        if event.kind == ENTER:
            return f"the rule ({version}) holds{_in_a_row(standing.months_holding)}: {have}"
        if event.kind == RETURN:
            return f"the rule ({version}) holds again: {have}"
        if event.after != GRACE and standing.months_short >= self.policy.months_to_leave:
            return f"{self._below()}{_in_a_row(standing.months_short)}: {have}"
        return f"the rule ({version}) does not hold: {have}"

    def _have(self, customer: str, values: Values | None) -> str:
        if self.in_force.rule is None:
            return self.by_rank.get(customer, NOT_THERE)
        if values is None:
            return NOT_THERE
        return _joined(
            self.in_force.rule, [_reached(one, values[one.feature]) for one in self.in_force.rule.conditions]
        )

    def _gap(self, values: Values | None) -> str:
        if self.in_force.rule is None or values is None:
            return ""
        return _joined(
            self.in_force.rule,
            [gap for one in self.in_force.rule.conditions if (gap := _missing(one, values[one.feature]))],
        )

    def _way_out(self, standing: Standing) -> str:
        span = _in_a_row(self.policy.months_to_leave).removeprefix(" for ") or "a month"
        so_far = f" ({standing.months_short} so far)" if standing.months_short else ""
        return f"out after {span} {self._below()}{so_far}"

    def _below(self) -> str:
        if self.in_force.rule is None:
            return "beyond the places that are kept"
        return _joined_below(self.in_force.rule, self.leave_share)


def _in_a_row(months: int) -> str:
    return f" for {months} months in a row" if months > 1 else ""


def by_hand(word: Override) -> str:
    """A person's word."""
    until = f" until {word.until:%Y-%m}" if word.until else ""
    return f"{'included' if word.kind == INCLUDE else 'excluded'} by hand{until}: {word.reason}"


def moved_most(
    before: Mapping[str, float] | None, now: Mapping[str, float] | None, spreads: Mapping[str, float]
) -> str:
    """The two features that moved most between two months, as multiples of their spread among the customers.

    Parameters
    ----------
    before, now: feature -> value; None where the customer was not there. spreads: feature -> standard deviation of
        log1p of its size over the clusterable customers of this month; features without a spread do not count.
    """
    if before is None:
        return "not there the month before" if now is not None else "there in neither month"
    if now is None:
        return NOT_THERE
    moves = {
        name: abs(signed_log(np.float64(now[name])) - signed_log(np.float64(before[name]))) / spread
        for name, spread in spreads.items()
        if spread > 0 and now[name] == now[name] and before[name] == before[name] and now[name] != before[name]
    }
    first = sorted(moves, key=lambda name: (-moves[name], name))[:2]
    told = [f"{WORDS[name].words} {written(name, before[name])} → {written(name, now[name])}" for name in first]
    return "; ".join(told) or "no feature moved"


def _reached(condition: Condition, value: float) -> str:
    words, feature = WORDS[condition.feature].words, condition.feature
    have, need = written(feature, value), written(feature, condition.threshold)
    if condition.direction == AT_MOST:
        return f"{have} {words}, at most {need}"
    return f"{have} {words}, {need} needed" if value >= condition.threshold else f"{have} of {need} {words}"


def _missing(condition: Condition, value: float) -> str:
    """What the customer lacks of a condition; empty where it holds."""
    feature, gap = condition.feature, condition.threshold - value
    if value != value:
        return f"a first value of {WORDS[feature].words}"
    if condition.direction == AT_LEAST:
        return f"{written(feature, gap)} more" if gap > 0 else ""
    return f"{written(feature, -gap)} fewer" if gap < 0 else ""


def _joined_below(rule: Rule, leave_share: float) -> str:
    # With `all` a member is short as soon as one condition is, with `any` only when every one is.
    parts = []
    for one in rule.conditions:
        kept = one.kept(leave_share)
        side = "under" if one.direction == AT_LEAST else "over"
        parts.append(f"{side} {written(one.feature, kept)} {WORDS[one.feature].words}")
    return (" or " if rule.connective == ALL else " and ").join(parts)
