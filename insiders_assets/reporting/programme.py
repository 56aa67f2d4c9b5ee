"""What the page says of the programme: the rule card, who moved between segments, what other policies would have done.

Belongs here: choosing and writing numbers of the programme's tables. Does not belong here: computing them, or the
page's lay-out (the templates).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from insiders_assets.domain.segments import CAME, LOST

if TYPE_CHECKING:
    import pandas as pd

SHARES = ("churn", "worst_churn", "returners", "growth", "revenue_share")


@dataclass(frozen=True)
class ProgrammeOfMonth:
    """Rows of PROGRAMME_RULE (at most one), SEGMENT_PROFILES and MEMBERSHIP_POLICIES of the month; the movement from
    the month before, if there is one; and the rule in force in words."""

    card: Mapping[str, Any] | None = None
    profiles: Sequence[Mapping[str, Any]] = ()
    movement: pd.DataFrame | None = None
    policies: Sequence[Mapping[str, Any]] = field(default=())
    in_force: str = ""


def told_of_programme(programme: ProgrammeOfMonth, previous_month: dt.date) -> dict[str, Any]:
    """What the template `programme.html` shows."""
    return {
        "card": _card(programme.card) if programme.card else None,
        "in_force": programme.in_force,
        "previous_month": previous_month,
        "movement": _movement(programme) if programme.movement is not None else None,
        "policies": [_policy(policy) for policy in programme.policies],
        "months_compared": max((policy["months"] for policy in programme.policies), default=0),
        "policy_words": {policy["policy"]: policy["description"] for policy in programme.policies},
    }


def names_by_rank(programme: ProgrammeOfMonth) -> dict[int, Mapping[str, Any]]:
    """The profile of each segment by its rank of mean revenue."""
    return {row["cluster_rank"]: row for row in programme.profiles if row["cluster_rank"] is not None}


def _card(card: Mapping[str, Any]) -> dict[str, Any]:
    shares = ("precision", "recall", "f1", "runner_up_f1")
    counts = ("selected", "chosen", "clusterable", "exceptions")
    written = {name: f"{card[name]:.3f}" for name in shares if card[name] is not None}
    return {**card, **written, **{name: f"{card[name]:,}" for name in counts}}


def _movement(programme: ProgrammeOfMonth) -> dict[str, Any]:
    moved = programme.movement
    assert moved is not None
    names = {row["segment_id"]: row["name_en"] for row in programme.profiles}

    def named(segment: Any) -> str:
        if segment == CAME:
            return "not there before"
        name = names.get(segment)
        return f"{segment}: {name}" if name else f"{segment}: ended"

    return {
        "columns": ["gone" if column == LOST else column for column in moved.columns],
        "rows": [
            {
                "name": named(before),
                "counts": [
                    {"written": f"{int(count):,}" if count else "", "same": before == now}
                    for now, count in zip(moved.columns, row, strict=True)
                ],
                "sum": f"{int(row.sum()):,}",
            }
            for before, row in zip(moved.index, moved.to_numpy(), strict=True)
        ],
        "sums": [f"{int(count):,}" for count in moved.sum(axis=0)],
        "total": f"{int(moved.to_numpy().sum()):,}",
    }


def _policy(policy: Mapping[str, Any]) -> dict[str, Any]:
    shares = {name: "not known" if policy[name] is None else f"{policy[name]:.1%}" for name in SHARES}
    return {**policy, **shares, "members": f"{policy['members']:,}"}
