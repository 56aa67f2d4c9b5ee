"""What moved when a month was made again from other tables: members in and out, and every fact that changed.

Belongs here: comparing two versions of a month. Does not belong here: which versions there are (the lake knows), or how
the difference is laid out (:mod:`insiders_assets.reporting`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ChangedFact:
    """A fact that two versions of a month state differently; None where one of them cannot give it."""

    key: str
    description: str
    unit: str
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Restatement:
    """The difference between a month and its earlier version, which was recorded at `recorded_at` (UTC, ISO form).

    `entered` and `left` are customer ids, sorted; None where the earlier version's members are not kept any more.
    """

    recorded_at: str
    facts: tuple[ChangedFact, ...]
    entered: tuple[str, ...] | None
    left: tuple[str, ...] | None

    @property
    def moment(self) -> str:
        """The moment (UTC) at which the earlier version was recorded, as `insiders sql --as-known-at` takes it."""
        return self.recorded_at.partition("+")[0]

    def fact(self, key: str) -> ChangedFact | None:
        """The change of one fact, or None if it did not change."""
        return next((fact for fact in self.facts if fact.key == key), None)


def what_moved(
    recorded_at: str,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    members_before: Iterable[str] | None,
    members_after: Iterable[str],
) -> Restatement:
    """Compare two versions of a month.

    Parameters
    ----------
    before, after: rows of REPORT_FACTS; a fact that only one of them has did not move: the report asks for others.
    members_before, members_after: customer ids; None where they are not known any more.
    """
    values_before = {fact["key"]: fact["value"] for fact in before}
    pairs = [(fact, values_before[fact["key"]], fact["value"]) for fact in after if fact["key"] in values_before]
    changed = tuple(
        ChangedFact(fact["key"], fact["description"], fact["unit"], was, now) for fact, was, now in pairs if was != now
    )
    if members_before is None:
        return Restatement(recorded_at, changed, None, None)
    was_in, is_in = set(members_before), set(members_after)
    return Restatement(recorded_at, changed, tuple(sorted(is_in - was_in)), tuple(sorted(was_in - is_in)))
