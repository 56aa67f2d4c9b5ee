"""insiders_membership [month]: who is in, since when, why, and what would change it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import dagster as dg

from insiders_assets.assets.monthly import Made, Month, monthly_asset, shown_as_table
from insiders_assets.contracts.programme import INSIDE, INSIDERS_MEMBERSHIP
from insiders_assets.domain.feature_words import RULE_FEATURES
from insiders_assets.reporting.language import PORTUGUESE, Language
from insiders_assets.storage.lake import Dataset

MOST_NAMED = 5
_PORTUGUESE = Language(PORTUGUESE)


def build(partitions: dg.PartitionsDefinition, up_to_this_month: dg.PartitionMapping) -> dg.AssetsDefinition:
    """The asset over the months that can exist."""
    from insiders_assets.assets.programme_history import SETTINGS_READ, TABLES_READ

    @monthly_asset(
        table=INSIDERS_MEMBERSHIP,
        partitions=partitions,
        inputs=dict.fromkeys(TABLES_READ, up_to_this_month),
        group="programme",
        settings_read=SETTINGS_READ,
        kinds={"postgres"},
    )
    def insiders_membership(month: Month, **inputs: Dataset) -> Made:
        """Who is in at the end of the month, since when and why: the rule in force, replayed over every month up to
        this one, with a grace below it, and a person's word over both. Each change of status is an event with its
        reason."""
        from insiders_assets.assets.programme_history import ProgrammeHistory, columns_of
        from insiders_assets.domain.standings import standing_rows

        history = ProgrammeHistory(month, inputs)
        now = columns_of(history.features.only(month.key), RULE_FEATURES)
        earlier = history.features.scopes[:-1]
        before = columns_of(history.features.only(earlier[-1]), RULE_FEATURES) if earlier else None
        rows = [_told(row) for row in standing_rows(history.course(), now, before, history.said_by_rank())]
        rule = history.in_force.get(month.first_day)
        if history.unknown:
            named = ", ".join(sorted(history.unknown)[:MOST_NAMED])
            month.log.warning(f"a word on customers who have no line up to this month has no effect yet: {named}")
        if rule and rows and not any(row["rule_holds"] for row in rows):
            month.log.warning(f"the rule in force, {rule.text} ({rule.version}), holds for nobody")
        statuses, events = (Counter(row[column] for row in rows if row[column]) for column in ("status", "event"))
        return Made(
            rows,
            metadata={
                "insiders": sum(statuses[status] for status in INSIDE),
                "rule in force": f"{rule.version}: {rule.text}" if rule else "none yet",
                "statuses": shown_as_table([{"status": one, "customers": count} for one, count in statuses.items()]),
                "events": shown_as_table([{"event": one, "customers": count} for one, count in events.items()]),
            },
        )

    return insiders_membership


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its sentences in both languages."""
    said = {name: row[name] for name in ("needs", "reason", "moved_most")}
    english = {name: None if message is None else str(message) for name, message in said.items()}
    others = {f"{name}_pt": None if one is None else _PORTUGUESE.tell(one) for name, one in said.items()}
    return row | english | others
