"""What moved since an earlier version of the month, and every number with the query that gives it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from insiders_assets.domain.messages import say
from insiders_assets.domain.restatement import Restatement
from insiders_assets.reporting.content.matter import Matter, words
from insiders_assets.reporting.document import (
    Amount,
    Appendix,
    Block,
    Capital,
    Cell,
    Code,
    Figure,
    Heading,
    Paragraph,
    Part,
    Quoted,
    Table,
)

MOST_NAMED = 20
# Facts on single segments, customers and cells are too many to be told one by one.
OF_ALL = ("base.", "members.", "others.", "programme.", "rule.", "forecast.net_revenue", "next_month.", "same_window.")


def what_moved(matter: Matter) -> Iterator[Block]:
    """Who came and went, and which facts changed, since the version that was replaced."""
    moved = matter.moved
    if moved is None:
        return
    yield Heading(2, say("What moved since an earlier version of this month"))
    yield Paragraph([*_sentences(moved)])
    facts = [fact for fact in moved.facts if fact.key.startswith(OF_ALL) and fact.key in matter.rows]
    if not facts:
        return
    told = {fact.key: fact.words for fact in matter.facts}
    yield Table(
        say("Facts that moved"),
        [say("Fact"), say("Before"), say("Now"), say("Difference")],
        [
            [
                words(Capital(told[fact.key])),
                Cell([Amount(fact.before, fact.unit)]),
                Cell([Figure(fact.key)]),
                Cell([Amount(_difference(fact.before, fact.after), fact.unit, signed=True)]),
            ]
            for fact in facts
        ],
    )


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _sentences(moved: Restatement) -> Iterator[Part]:
    version = Quoted.same(moved.moment)
    yield say(
        "This month was made again: its lines, the programme, or what is computed of them has changed since the "
        "version of {version} UTC.",
        version=version,
    )
    if moved.entered is None or moved.left is None:
        yield say("Who was an Insider in that version is not kept any more.")
    elif not moved.entered and not moved.left:
        yield say("Nobody came in or went out.")
    else:
        yield say("Came in: {customers}.", customers=_named(moved.entered))
        yield say("Went out: {customers}.", customers=_named(moved.left))
    yield say(
        "While it is kept, the earlier version can be read with {command}.",
        command=Code(f'insiders sql "SELECT …" --as-known-at {moved.moment}'),
    )


def _named(customers: tuple[str, ...]) -> Part:
    if not customers:
        return say("nobody")
    count = Amount(len(customers), "count")
    listed = Quoted.same(", ".join(customers[:MOST_NAMED]))
    if len(customers) > MOST_NAMED:
        more = Amount(len(customers) - MOST_NAMED, "count")
        return say("{count} ({customers} and {more} more)", count=count, customers=listed, more=more)
    return say("{count} ({customers})", count=count, customers=listed)


def every_number(matter: Matter) -> Iterator[Block]:
    """All facts with their denominators and queries; a page folds them."""
    yield Appendix(
        say("Every number again: {count} facts, each with its query", count=Amount(len(matter.facts), "count")),
        [
            Table(
                say("Facts"),
                [say("Fact"), say("Over"), say("Query"), say("Value")],
                [
                    [
                        words(Capital(fact.words)),
                        words(fact.over or ""),
                        words(Code(matter.rows[fact.key]["sql"]), *_found_by(matter.rows[fact.key])),
                        Cell([Figure(fact.key)]),
                    ]
                    for fact in matter.facts
                ],
                text=(1, 1, 1),
            )
        ],
    )


def _found_by(row: Mapping[str, Any]) -> list[Part]:
    if not row["function"]:
        return []
    seed = "" if row["seed"] is None else f"seed {row['seed']:.0f}"
    return [Code(" ".join(filter(None, (row["function"], row["library"], seed))))]
