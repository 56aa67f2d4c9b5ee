"""Answer nine: what marketing can do, for whom, and with how much money at stake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, groupby, repeat
from typing import Any

from insiders_assets.domain.facts.actions import STATE_WORDS, action_key
from insiders_assets.domain.messages import say
from insiders_assets.reporting.content.matter import Matter, figure, words
from insiders_assets.reporting.document import (
    Appendix,
    Block,
    Capital,
    Cell,
    Code,
    Heading,
    Paragraph,
    Part,
    Quoted,
    Table,
)


def actions(matter: Matter) -> Iterator[Block]:
    """Per segment and membership state two or three actions, each with customers, money, and the list behind it."""
    yield Heading(2, say("What marketing can do"))
    if not matter.actions:
        yield Paragraph([say("No condition holds for five customers or more of one segment and membership.")])
        return
    yield Table(
        say("Actions"),
        [
            say("Segment"),
            say("Membership"),
            say("What"),
            say("Customers"),
            say("At stake, {currency}", currency=matter.currency),
        ],
        [
            _action(row, matter.name(segment) if first else "")
            for segment, rows in groupby(matter.actions, key=lambda row: row["segment_id"])
            for first, row in zip(chain([True], repeat(False)), rows, strict=False)
        ],
        text=(3, 1.2, 3),
    )
    yield Table(
        say("For whom the actions are, and what is at stake"),
        [say("What"), say("For whom"), say("What is at stake")],
        [
            [
                words(Quoted.kept(row, "action")),
                words(Capital(Quoted.kept(row, "condition"))),
                words(Capital(Quoted.kept(row, "money"))),
            ]
            for row in {row["action"]: row for row in matter.actions}.values()
        ],
        text=(2, 3, 3),
    )
    yield Paragraph(
        [
            say("A customer may stand in several actions, so neither customers nor money add up over them."),
            say("Groups of fewer than five customers, and more than three actions for one group, are left out."),
            say(
                "Which article goes with which, by name: {query}",
                query=Code(matter.query("*", "product_affinities", "holds")),
            ),
        ],
        soft=True,
    )
    yield Appendix(
        say("The lists behind the actions"),
        [
            Paragraph(
                [
                    say(
                        "{segment}, {state}, {action}: {query}",
                        segment=matter.name(row["segment_id"]),
                        state=STATE_WORDS[row["state"]],
                        action=Quoted.kept(row, "action"),
                        query=Code(row["list_sql"]),
                    )
                ]
            )
            for row in matter.actions
        ],
    )


def _action(row: Mapping[str, Any], segment: Part) -> list[Cell]:
    key = action_key(row["segment_id"], row["state"], row["action"])
    return [
        words(segment),
        words(Capital(STATE_WORDS[row["state"]])),
        words(Quoted.kept(row, "action")),
        figure(f"{key}.customers"),
        figure(f"{key}.money"),
    ]
