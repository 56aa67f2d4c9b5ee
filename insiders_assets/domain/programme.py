"""The programme as people set it: published rules, a person's word on single customers, and which rule is in force.

Belongs here: the shape of `programme.toml`, and choosing a month's rule among those published and the candidates that
the months suggest. Does not belong here: finding a candidate (:mod:`.rules`) or who is a member (:mod:`.membership`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from insiders_assets.domain.membership import Override
from insiders_assets.domain.months import months_between, parse_month
from insiders_assets.domain.rules import Rule, parse_rule

# What the programme calls the rules that it finds itself.
CANDIDATE = "candidate"
# What stands for a rule where the programme goes by the rank.
BY_RANK = "by rank"
# The version under which whoever is in the top segment is in.
TOP_SEGMENT = "the top segment"


def _month(value: Any) -> dt.date:
    if isinstance(value, dt.date) and value.day != 1:
        raise ValueError(f"{value:%Y-%m-%d} is a day; write the month as {value:%Y-%m}")
    return parse_month(value)


def _words(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{value!r} is no text; write it in quotes")
    return str(value).strip()


Month = Annotated[dt.date, BeforeValidator(_month)]
Words = Annotated[str, Field(min_length=1), BeforeValidator(_words)]


class PublishedRule(BaseModel):
    """A rule that a person has published: it is in force from its first month until the next one begins."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, populate_by_name=True)

    version: Words
    first_month: Annotated[Month, Field(alias="from")]
    rule: Annotated[Rule, BeforeValidator(lambda said: said if isinstance(said, Rule) else parse_rule(str(said)))]

    @model_validator(mode="after")
    def _is_no_candidate(self) -> PublishedRule:
        if self.version.startswith(CANDIDATE):
            raise ValueError(f"a version that begins with {CANDIDATE!r} is taken for a rule that nobody published")
        return self


class Word(BaseModel):
    """A person's word on one customer, with its reason; without `until` it has no end."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    customer: Words
    do: Literal["include", "exclude"]
    reason: Words
    first_month: Annotated[Month, Field(alias="from")]
    last_month: Annotated[Month | None, Field(alias="until")] = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Word:
        if self.last_month and self.last_month < self.first_month:
            raise ValueError(f"the word on customer {self.customer} ends before it begins")
        return self


class Programme(BaseModel):
    """What people have said: rules in force from a month on, and words on single customers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[PublishedRule, ...] = ()
    overrides: tuple[Word, ...] = ()

    @model_validator(mode="after")
    def _speaks_with_one_voice(self) -> Programme:
        for name, values in (
            ("the version", [rule.version for rule in self.rules]),
            ("the first month", [f"{rule.first_month:%Y-%m}" for rule in self.rules]),
        ):
            if twice := sorted({one for one in values if values.count(one) > 1}):
                raise ValueError(f"two rules have {name} {twice[0]}")
        words = sorted(self.overrides, key=lambda one: (one.customer, one.first_month))
        for first, second in pairwise(words):
            if first.customer == second.customer and (not first.last_month or first.last_month >= second.first_month):
                raise ValueError(
                    f"two words on customer {first.customer} hold in {second.first_month:%Y-%m}; end the first before"
                )
        return self

    def until(self, month: dt.date) -> Programme:
        """What of it can matter up to a month."""
        return Programme(
            rules=tuple(rule for rule in self.rules if rule.first_month <= month),
            overrides=tuple(word for word in self.overrides if word.first_month <= month),
        )

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that change with any word of it, and not with their order."""
        said = sorted(repr(one) for one in (*self.rules, *self.overrides))
        return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]

    @property
    def words(self) -> list[Override]:
        """The words on single customers as the replay takes them."""
        return [Override(one.customer, one.do, one.reason, one.first_month, one.last_month) for one in self.overrides]


def parse_programme(content: Mapping[str, Any]) -> Programme:
    """The content of `programme.toml` as a programme.

    Raises
    ------
    ValueError: what is wrong and where, for the person who wrote it.
    """
    try:
        return Programme.model_validate(content)
    except ValidationError as wrong:
        told = []
        for error in wrong.errors():
            place = ".".join(str(part + 1) if isinstance(part, int) else part for part in error["loc"])
            message = str(error["msg"]).removeprefix("Value error, ")
            told.append(f"{place}: {message}" if place else message)
        raise ValueError("; ".join(told)) from None


@dataclass(frozen=True)
class RuleInForce:
    """The rule of a month; None where the programme goes by the rank, of the consensus or of the segment."""

    version: str
    rule: Rule | None
    provisional: bool = False

    @property
    def text(self) -> str:
        """Its conditions as SQL."""
        return self.rule.sql if self.rule else BY_RANK


@dataclass(frozen=True)
class Candidate:
    """What a month suggests: a rule, or (None) the rank, where no short rule says who was chosen."""

    month: dt.date
    rule: Rule | None


def rules_in_force(
    months: Sequence[dt.date],
    candidates: Sequence[Candidate],
    published: Sequence[PublishedRule],
    *,
    first_full: dt.date,
    renewal_months: int,
) -> dict[dt.date, RuleInForce]:
    """The rule of every month that has one.

    A published rule is in force from its first month on. Before any, it is the candidate of the first month with a
    full window (`first_full` or the first after it that has one), renewed every `renewal_months` (0: never). Before
    that, each month's own candidate, provisionally.
    """
    by_month = {candidate.month: candidate for candidate in candidates}
    in_force: dict[dt.date, RuleInForce] = {}
    automatic: Candidate | None = None
    for month in months:
        own = by_month.get(month)
        said = [rule for rule in published if rule.first_month <= month]
        if own and month >= first_full and (automatic is None or _is_old(automatic, month, renewal_months)):
            automatic = own
        if said:
            latest = max(said, key=lambda rule: rule.first_month)
            in_force[month] = RuleInForce(latest.version, latest.rule)
        elif automatic:
            in_force[month] = RuleInForce(f"{CANDIDATE} {automatic.month:%Y-%m}", automatic.rule)
        elif own:
            in_force[month] = RuleInForce(f"{CANDIDATE} {month:%Y-%m}", own.rule, provisional=True)
    return in_force


def _is_old(candidate: Candidate, month: dt.date, renewal_months: int) -> bool:
    return bool(renewal_months) and months_between(candidate.month, month) >= renewal_months
