"""Why a status changed and what would change it, in words that a customer's adviser can say.

Belongs here: sentences on one customer's standing. Does not belong here: deciding the standing (:mod:`.membership`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from insiders_assets.contracts.programme import GRACE, MEMBER, PROVISIONAL
from insiders_assets.domain.feature_words import WORDS, written
from insiders_assets.domain.membership import ENTER, INCLUDE, RETURN, Event, Override, Policy, Standing
from insiders_assets.domain.messages import AND, OR, SEMICOLON, Message, Numeral, joined, say
from insiders_assets.domain.programme import TOP_SEGMENT, RuleInForce
from insiders_assets.domain.rules import ALL, AT_LEAST, AT_MOST, Condition, Rule
from insiders_assets.domain.scaling import signed_log

Values = Mapping[str, float]
NOT_THERE = say("no longer among the clusterable customers of the window")


def rule_in_words(rule: Rule) -> Message:
    """The rule: "at least 2,759 items bought and at most 90 days since the last purchase"."""
    return _all_of(rule, [_said(one) for one in rule.conditions])


def _said(condition: Condition) -> Message:
    value, feature = Numeral(written(condition.feature, condition.threshold)), WORDS[condition.feature].words
    if condition.direction == AT_LEAST:
        return say("at least {value} {feature}", value=value, feature=feature)
    return say("at most {value} {feature}", value=value, feature=feature)


def _all_of(rule: Rule, parts: Sequence[Message]) -> Message:
    return joined(AND if rule.connective == ALL else OR, parts)


@dataclass(frozen=True)
class Speaker:
    """Speaks of customers under one rule in force.

    leave_share: of the threshold that a member has to keep. by_rank: what is said of a customer where the programme
    goes by rank, by customer.
    """

    in_force: RuleInForce
    policy: Policy
    leave_share: float
    by_rank: Mapping[str, Message] = field(default_factory=dict)

    def needs(self, standing: Standing, values: Values | None) -> Message:
        """What would bring the customer in or out. `values`: the rule's features; None for who is not there."""
        have = self._have(standing.customer_id, values)
        if standing.status == PROVISIONAL:
            return joined(SEMICOLON, [have, say("provisional until a rule is in force")])
        if standing.status == MEMBER:
            return joined(SEMICOLON, [have, self._way_out(standing)])
        gap = self._gap(values)
        if standing.status == GRACE:
            safe = [say("{gap} to be safe", gap=gap)] if gap else []
            return joined(SEMICOLON, [have, *safe, self._way_out(standing)])
        parts = [have, *([say("{gap} by month end", gap=gap)] if gap else [])]
        if self.policy.months_to_enter > 1:
            counts = {"months": str(self.policy.months_to_enter), "so_far": str(standing.months_holding)}
            parts.append(say("the rule has to hold {months} months in a row, {so_far} so far", **counts))
        return joined(SEMICOLON, parts)

    def reason(self, event: Event, standing: Standing, values: Values | None, begins: bool) -> Message:
        """Why the rule changed the status. `begins`: a rule comes into force for the first time this month."""
        told = {"version": _version(self.in_force.version), "have": self._have(event.customer_id, values)}
        if event.after == PROVISIONAL:
            return say("the rule ({version}) holds, provisionally: {have}", **told)
        if event.kind == ENTER and begins:
            return say("the programme begins with {version}: {have}", **told)
        if event.kind == ENTER and standing.months_holding > 1:
            months = str(standing.months_holding)
            return say("the rule ({version}) holds for {months} months in a row: {have}", months=months, **told)
        if event.kind == ENTER:
            return say("the rule ({version}) holds: {have}", **told)
        if event.kind == RETURN:
            return say("the rule ({version}) holds again: {have}", **told)
        if event.after != GRACE and standing.months_short >= self.policy.months_to_leave:
            below = {"below": self._below(), "have": told["have"]}
            if standing.months_short > 1:
                return say("{below} for {months} months in a row: {have}", months=str(standing.months_short), **below)
            return say("{below}: {have}", **below)
        return say("the rule ({version}) does not hold: {have}", **told)

    def _have(self, customer: str, values: Values | None) -> Message:
        if self.in_force.rule is None:
            return self.by_rank.get(customer, NOT_THERE)
        if values is None:
            return NOT_THERE
        rule = self.in_force.rule
        return _all_of(rule, [_reached(one, values[one.feature]) for one in rule.conditions])

    def _gap(self, values: Values | None) -> Message | None:
        if self.in_force.rule is None or values is None:
            return None
        gaps = [_missing(one, values[one.feature]) for one in self.in_force.rule.conditions]
        lacking = [gap for gap in gaps if gap is not None]
        return _all_of(self.in_force.rule, lacking) if lacking else None

    def _way_out(self, standing: Standing) -> Message:
        months, below = self.policy.months_to_leave, self._below()
        way = say("out after a month {below}", below=below)
        if months > 1:
            way = say("out after {months} months in a row {below}", months=str(months), below=below)
        short = standing.months_short
        return say("{way} ({months} so far)", way=way, months=str(short)) if short else way

    def _below(self) -> Message:
        if self.in_force.rule is None:
            return say("beyond the places that are kept")
        return _joined_below(self.in_force.rule, self.leave_share)


def _version(version: str) -> Message:
    """The version of a rule: a month's suggestion, or as a person has called it."""
    word, _, month = version.partition(" ")
    if word == "candidate":
        return say("candidate {month}", month=month)
    return say("top segment") if version == TOP_SEGMENT else say("{name}", name=version)


def by_hand(word: Override) -> Message:
    """A person's word."""
    included, told = word.kind == INCLUDE, {"reason": word.reason}
    if word.until is None:
        return say("included by hand: {reason}", **told) if included else say("excluded by hand: {reason}", **told)
    told["until"] = f"{word.until:%Y-%m}"
    if included:
        return say("included by hand until {until}: {reason}", **told)
    return say("excluded by hand until {until}: {reason}", **told)


def moved_most(
    before: Mapping[str, float] | None, now: Mapping[str, float] | None, spreads: Mapping[str, float]
) -> Message:
    """The two features that moved most between two months, as multiples of their spread among the customers.

    Parameters
    ----------
    before, now: feature -> value; None where the customer was not there. spreads: feature -> standard deviation of
        log1p of its size over the clusterable customers of this month; features without a spread do not count.
    """
    if before is None:
        return say("not there the month before") if now is not None else say("there in neither month")
    if now is None:
        return NOT_THERE
    moves = {
        name: abs(signed_log(np.float64(now[name])) - signed_log(np.float64(before[name]))) / spread
        for name, spread in spreads.items()
        if spread > 0 and now[name] == now[name] and before[name] == before[name] and now[name] != before[name]
    }
    first = sorted(moves, key=lambda name: (-moves[name], name))[:2]
    told = [
        say(
            "{feature} {before} → {now}",
            feature=WORDS[name].words,
            before=Numeral(written(name, before[name])),
            now=Numeral(written(name, now[name])),
        )
        for name in first
    ]
    return joined(SEMICOLON, told) if told else say("no feature moved")


def _reached(condition: Condition, value: float) -> Message:
    feature = condition.feature
    told = {
        "feature": WORDS[feature].words,
        "have": Numeral(written(feature, value)),
        "need": Numeral(written(feature, condition.threshold)),
    }
    if condition.direction == AT_MOST:
        return say("{have} {feature}, at most {need}", **told)
    if value >= condition.threshold:
        return say("{have} {feature}, {need} needed", **told)
    return say("{have} of {need} {feature}", **told)


def _missing(condition: Condition, value: float) -> Message | None:
    """What the customer lacks of a condition; None where it holds."""
    feature, gap = condition.feature, condition.threshold - value
    if value != value:
        return say("a first value of {feature}", feature=WORDS[feature].words)
    if condition.direction == AT_LEAST:
        return say("{gap} more", gap=Numeral(written(feature, gap))) if gap > 0 else None
    return say("{gap} fewer", gap=Numeral(written(feature, -gap))) if gap < 0 else None


def _joined_below(rule: Rule, leave_share: float) -> Message:
    # With `all` a member is short as soon as one condition is, with `any` only when every one is.
    parts = []
    for one in rule.conditions:
        told = {"value": Numeral(written(one.feature, one.kept(leave_share))), "feature": WORDS[one.feature].words}
        under = one.direction == AT_LEAST
        parts.append(say("under {value} {feature}", **told) if under else say("over {value} {feature}", **told))
    return joined(OR if rule.connective == ALL else AND, parts)
