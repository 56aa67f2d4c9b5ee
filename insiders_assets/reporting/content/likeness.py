"""Answer three: what members are like, beside all others and beside every segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from insiders_assets.contracts.segments import NOT_CLUSTERABLE_ID
from insiders_assets.domain.embedding import LEAST_IMPORTANCE
from insiders_assets.domain.facts.characteristics import PROFILE
from insiders_assets.domain.facts.fact import CURRENCY
from insiders_assets.domain.feature_words import FEATURES, WORDS
from insiders_assets.domain.messages import COMMA, Message, joined, say
from insiders_assets.reporting.content.matter import Matter, figure, shaded, words
from insiders_assets.reporting.document import (
    Block,
    Capital,
    Cell,
    Figure,
    Heading,
    Paragraph,
    Part,
    Quoted,
    Table,
)

GROUPS = ("members", "clusterable")
# Heads of narrow columns, in the order of PROFILE.
HEADS = {
    "gross_revenue": say("Revenue"),
    "avg_ticket": say("Ticket"),
    "purchases": say("Purchases"),
    "items_purchased": say("Items"),
    "avg_basket_size": say("Items per purchase"),
    "recency_days": say("Days since purchase"),
    "avg_recency_days": say("Days between visits"),
    "number_returns": say("Credit notes"),
    "returns_ratio": say("Returned per revenue"),
}


def likeness(matter: Matter) -> Iterator[Block]:
    """Means and medians of the Insiders beside all clusterable customers; then every segment."""
    if matter.value("members.count"):
        yield Heading(2, say("What they are like"))
        yield Table(
            say("Means and medians of the Insiders and of all clusterable customers"),
            [
                say("Per customer"),
                say("Insiders, mean"),
                say("Insiders, median"),
                say("Clusterable, mean"),
                say("Clusterable, median"),
            ],
            [
                [
                    words(Capital(_measure(matter, column))),
                    *(figure(f"{group}.{name}_{column}") for group in GROUPS for name in ("mean", "median")),
                ]
                for column in PROFILE
            ],
        )
        yield Paragraph(_beside(matter))
    yield from _segments(matter)


def _measure(matter: Matter, column: str) -> Message:
    words, unit = PROFILE[column]
    return say("{measure}, {currency}", measure=words, currency=matter.currency) if unit == CURRENCY else words


def _beside(matter: Matter) -> list[Part]:
    told: list[Part] = [
        say(
            "Revenue per purchase over all Insiders together is {ratio}: a ratio of means ({medians} as a ratio of "
            "medians), not the mean ticket per customer above.",
            ratio=Figure("members.ticket_as_ratio_of_means"),
            medians=Figure("members.ticket_as_ratio_of_medians"),
        ),
        say("No Insider bought fewer than {least} items.", least=Figure("members.least_items")),
    ]
    if matter.value("others.most_items") is not None:
        told.append(say("No other clusterable customer bought more than {most}.", most=Figure("others.most_items")))
    return told


def _segments(matter: Matter) -> Iterator[Block]:
    if not any(segment != NOT_CLUSTERABLE_ID for segment in matter.outline.segments):
        return
    yield Heading(2, say("Segments, by mean revenue"))
    changes = {row["segment_id"]: row for row in matter.profiles}
    yield Table(
        say("Segments"),
        [
            say("Segment"),
            say("Customers"),
            say("Mean revenue, {currency}", currency=matter.currency),
            say("Median revenue, {currency}", currency=matter.currency),
            say("Revenue per purchase, {currency}", currency=matter.currency),
        ],
        [
            [
                _with_change(matter, segment, changes.get(segment)),
                figure(f"segment_{segment:02d}.customers"),
                figure(f"segment_{segment:02d}.mean_gross_revenue"),
                figure(f"segment_{segment:02d}.median_gross_revenue"),
                figure(f"segment_{segment:02d}.ticket_as_ratio_of_means"),
            ]
            for segment in matter.outline.segments
        ],
    )
    yield Paragraph(
        [
            say("A name was given when its segment began; the figures say what it is like now."),
            say("The last column is a ratio of means: all revenue of the segment over all its purchases."),
            say(
                "Mean silhouette {value} in the embedding; silhouettes of different spaces or sizes cannot be "
                "compared.",
                value=Figure("segments.silhouette"),
            ),
            *_forest(matter),
        ],
        soft=True,
    )
    for name, title in (("mean", say("Profile of the segments, means")), ("median", say("Profile, medians"))):
        yield Heading(3, title, say("the darker, the higher among the segments"))
        yield _profile(matter, name, title)
    yield from matter.picture(
        "embedding",
        say("The customers in the first two dimensions of the embedding, coloured by segment; its axes have no unit."),
        say("A scatter of customers, the segment with the highest mean revenue on top."),
    )
    yield from matter.picture(
        "silhouettes",
        say("How well each customer fits into the own segment, sorted within segments."),
        say("Bars of each customer's silhouette by segment, with the mean of all marked."),
    )


def _forest(matter: Matter) -> list[Message]:
    """What the forest looks at: the features that it chose."""
    values = {feature: matter.value(f"forest.{feature}") or 0.0 for feature in FEATURES}
    telling = [
        feature for feature in sorted(values, key=lambda one: -values[one]) if values[feature] > LEAST_IMPORTANCE
    ]
    told = [
        say("{feature} {share}", feature=WORDS[feature].words, share=Figure(f"forest.{feature}")) for feature in telling
    ]
    return [say("The forest behind it looks at: {features}.", features=joined(COMMA, told))] if told else []


def _profile(matter: Matter, name: str, title: Message) -> Table:
    groups: list[tuple[Part, str]] = [(say("Insiders"), "members")] if matter.value("members.count") else []
    groups += [(matter.name(segment), f"segment_{segment:02d}") for segment in matter.outline.segments]
    columns = [shaded(matter, [f"{key}.{name}_{column}" for _, key in groups]) for column in PROFILE]
    rows = [[words(told), *cells] for (told, _), cells in zip(groups, zip(*columns, strict=True), strict=True)]
    return Table(title, [say("Group"), *HEADS.values()], rows, text=(3.4,), dense=True)


def _with_change(matter: Matter, segment: int, row: Mapping[str, Any] | None) -> Cell:
    name = matter.name(segment)
    return Cell([name, Quoted.kept(row, "change")] if row and row["change_en"] else [name])
