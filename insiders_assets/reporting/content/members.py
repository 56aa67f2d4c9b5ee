"""Answers one, two and four: who is in, how many, and what share of which revenue."""

from __future__ import annotations

from collections.abc import Iterator

from insiders_assets.domain.facts.members import MEASURES
from insiders_assets.domain.messages import say
from insiders_assets.partitions import shift
from insiders_assets.reporting.content.matter import Matter, figure, words
from insiders_assets.reporting.document import (
    Block,
    Capital,
    Code,
    Figure,
    Heading,
    Paragraph,
    Part,
    Strong,
    Table,
    Tile,
    Tiles,
)

LIST = "customer_id, status, since, needs, reason"


def headline(matter: Matter) -> Iterator[Block]:
    """The tiles; or, without members, why there is no group."""
    if not matter.value("members.count"):
        yield Paragraph(list(_why_nobody(matter)))
        return
    yield Tiles(
        [
            Tile(
                Figure("members.count"),
                say(
                    "Insiders, {share} of the {base} clusterable customers",
                    share=Figure("members.share_of_clusterable"),
                    base=Figure("base.clusterable"),
                ),
            ),
            Tile(
                Figure("members.share_of_revenue_clusterable"),
                say(
                    "of the clusterable customers' gross revenue ({part} of {base})",
                    part=Figure("members.revenue"),
                    base=Figure("base.revenue_clusterable"),
                ),
            ),
            Tile(
                Figure("members.share_of_revenue_all"),
                say("of all cleaned sales, guests included ({base})", base=Figure("base.revenue_all")),
            ),
            _expected(matter),
        ]
    )


def _expected(matter: Matter) -> Tile:
    coming = shift(matter.month, 1)
    if matter.value("forecast.net_revenue") is None:
        return Tile(say("No forecast yet"), say("for {month}: there are too few days of sales", month=coming))
    expected = say("net revenue expected of them in {month}", month=coming)
    if matter.value("forecast.lower") is not None:
        expected = say(
            "net revenue expected of them in {month} ({lower} to {upper})",
            month=coming,
            lower=Figure("forecast.lower"),
            upper=Figure("forecast.upper"),
        )
    return Tile(Figure("forecast.net_revenue"), expected)


def _why_nobody(matter: Matter) -> Iterator[Part]:
    base = Figure("base.clusterable")
    if matter.value("base.segmented"):
        yield say(
            "There is no group this month: {base} customers have a purchase and two activity dates, and none of them "
            "fulfils the rule in force.",
            base=base,
        )
    else:
        yield say(
            "There is no group this month: {base} customers have a purchase and two activity dates: too few, or too "
            "much alike, to form segments.",
            base=base,
        )
    yield say(
        "{buyers} identified customers bought for {revenue}; all cleaned sales are {all}.",
        buyers=Figure("base.identified_buyers"),
        revenue=Figure("base.revenue_identified"),
        all=Figure("base.revenue_all"),
    )


def members(matter: Matter) -> Iterator[Block]:
    """Where the list is, how many, which share of which base, and how the group has grown."""
    if not matter.value("members.count"):
        return
    yield Heading(2, say("Who is in, and how many"))
    sentences = [
        say(
            "{count} Insiders: {clusterable} of the {base} clusterable customers, {identified} of the {buyers} "
            "identified customers with a purchase.",
            count=Strong(Figure("members.count")),
            clusterable=Figure("members.share_of_clusterable"),
            base=Figure("base.clusterable"),
            identified=Figure("members.share_of_identified"),
            buyers=Figure("base.identified_buyers"),
        )
    ]
    if matter.value("programme.in_grace"):
        sentences.append(
            say("In grace, since the rule does not hold for them: {grace}.", grace=Figure("programme.in_grace"))
        )
    if matter.value("members.growth") is not None and matter.outline.before:
        sentences.append(
            say(
                "At the end of {month} there were {before}: a change of {growth}.",
                month=matter.outline.before,
                before=Figure(f"history.{matter.outline.before:%Y-%m}.members"),
                growth=Figure("members.growth"),
            )
        )
    else:
        sentences.append(say("There is no month before to compare with."))
    yield Paragraph(sentences)
    yield Paragraph(
        [
            say(
                "The list, with status and reason: {query}; as CSV and Parquet: {command}.",
                query=Code(matter.query(LIST, "insiders_membership", "status IN ('provisional', 'member', 'grace')")),
                command=Code("insiders export"),
            )
        ]
    )
    yield from matter.picture(
        "history",
        say("Insiders at the end of each month, and who came in and went out during it."),
        say("A line of the number of Insiders by month, with bars for entries and exits."),
    )


def shares(matter: Matter) -> Iterator[Block]:
    """Their share of revenue, gross and net, and of items, with all three denominators."""
    if not matter.value("members.count"):
        return
    yield Heading(2, say("Their share of revenue and of items"))
    bases = {
        "clusterable": say("the clusterable customers' sales"),
        "identified": say("identified customers' cleaned sales"),
        "all": say("all cleaned sales, guests included"),
    }
    yield Table(
        say("Shares of the Insiders"),
        [say("Share of"), say("Gross revenue"), say("Net revenue"), say("Items bought")],
        [
            [
                words(Capital(told)),
                *(figure(f"members.share_of_{what}_{base}") for what in MEASURES),
            ]
            for base, told in bases.items()
        ],
    )
    yield from matter.picture(
        "lorenz",
        say("Customers from the highest gross revenue down, and the share of revenue that they bring together."),
        say("A curve of the cumulative share of revenue by the share of customers, the Insiders marked on it."),
    )
