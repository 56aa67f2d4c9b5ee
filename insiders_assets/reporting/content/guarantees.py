"""Answer seven: what guarantees that the group is better, and what would prove that the programme causes anything."""

from __future__ import annotations

from collections.abc import Iterator

from insiders_assets.contracts.guarantees import ESTIMATORS, SAME_WINDOW_MEASURES
from insiders_assets.domain.facts.fact import CURRENCY
from insiders_assets.domain.facts.guarantees import ESTIMATOR_WORDS, MEASURES, UNITS
from insiders_assets.domain.messages import Message, say
from insiders_assets.reporting.content.matter import NOT_THERE, Matter, figure, words
from insiders_assets.reporting.document import Block, Capital, Cell, Code, Figure, Heading, Paragraph, Part, Table


def guarantees(matter: Matter) -> Iterator[Block]:
    """The circular proof, the honest one, and the trial."""
    if not matter.value("members.count"):
        return
    yield Heading(2, say("What guarantees that the group is better"))
    yield from _same_window(matter)
    yield from _next_month(matter)
    yield from _trial(matter)


def _same_window(matter: Matter) -> Iterator[Block]:
    compared = [one for one in SAME_WINDOW_MEASURES if matter.value(f"same_window.{one}.u") is not None]
    if not compared:
        yield Paragraph([say("There is no next band to compare the Insiders with.")])
        return
    yield Heading(
        3,
        say("On the window that chose them"),
        say("circular: a group that is cut by what it buys has bought more"),
    )
    yield Table(
        say("Insiders beside the next band, on the window that chose them"),
        [
            say("Mean, and its 95 % interval"),
            say("Insiders"),
            say("Next band"),
            say("U"),
            say("p (Holm)"),
            say("Cliff's delta"),
            say("Shapiro-Wilk p: Insiders, next band"),
        ],
        [_tested(matter, measure) for measure in compared],
    )
    yield Paragraph(
        [
            say(
                "{ours} Insiders beside {theirs} customers of the next band.",
                ours=Figure("same_window.gross_revenue.member_customers"),
                theirs=Figure("same_window.gross_revenue.next_customers"),
            ),
            *_with_the_sample_s_deviation(matter),
            say(
                "U is Mann and Whitney's; intervals of means are Student's with the values' own deviation, those of "
                "delta a bootstrap's (BCa). A small p of Shapiro and Wilk: not normal, so U and not a t-test. "
                "Nothing here proves anything of the future."
            ),
        ]
    )


def _with_the_sample_s_deviation(matter: Matter) -> list[Message]:
    key = "same_window.gross_revenue.member"
    if matter.value(f"{key}_low_sample") is None:
        return []
    return [
        say(
            "With the sample's deviation (n - 1) the Insiders' interval of revenue is {low} to {high}.",
            low=Figure(f"{key}_low_sample"),
            high=Figure(f"{key}_high_sample"),
        )
    ]


def _tested(matter: Matter, measure: str) -> list[Cell]:
    key = f"same_window.{measure}"
    told: Part = MEASURES[measure]
    if UNITS[measure] == CURRENCY:
        told = say("{measure}, {currency}", measure=MEASURES[measure], currency=matter.currency)
    return [
        words(Capital(told)),
        *(
            Cell([Figure(f"{key}.{group}_mean", bare=True), *_interval(matter, f"{key}.{group}")])
            for group in ("member", "next")
        ),
        figure(f"{key}.u"),
        Cell([Figure(f"{key}.p_holm"), say("{p} before", p=Figure(f"{key}.p"))]),
        Cell([Figure(f"{key}.delta"), *_interval(matter, f"{key}.delta")]),
        Cell(
            [
                say(
                    "{ours}, {theirs}",
                    ours=Figure(f"{key}.member_shapiro_p", missing=NOT_THERE),
                    theirs=Figure(f"{key}.next_shapiro_p", missing=NOT_THERE),
                )
            ]
        ),
    ]


def _interval(matter: Matter, key: str) -> list[Message]:
    if matter.value(f"{key}_low") is None:
        return []
    return [say("{low} to {high}", low=Figure(f"{key}_low", bare=True), high=Figure(f"{key}_high", bare=True))]


def _next_month(matter: Matter) -> Iterator[Block]:
    told = [
        one for one in matter.outline.origins if matter.value(f"next_month.net_revenue.{one:%Y-%m}.delta") is not None
    ]
    if not told:
        yield Paragraph([say("No month of sales follows a membership yet, so there is no proof from what came after.")])
        return
    yield Heading(
        3, say("On the month that followed"), say("membership fixed first, then looked at what both groups did")
    )
    per_month = ("member_mean", "next_mean", "delta", "p_holm")
    yield Table(
        say("Insiders beside the next band, on the month that followed"),
        [
            say("Fixed at the end of"),
            say("Insiders, net revenue each, {currency}", currency=matter.currency),
            say("Next band, {currency}", currency=matter.currency),
            say("Cliff's delta"),
            say("p (Holm)"),
            say("Bought: Insiders, next band"),
            say("Sent back: Insiders, next band"),
        ],
        [
            [
                words(origin),
                *(figure(f"next_month.net_revenue.{origin:%Y-%m}.{name}") for name in per_month),
                *(_both(measure, f"{origin:%Y-%m}") for measure in ("active", "returned")),
            ]
            for origin in told
        ],
    )
    yield from _unfinished(matter)
    yield Paragraph(
        [
            say(
                "Insiders were ahead in net revenue after {ahead} of {origins} months, beyond chance after {hold};",
                ahead=Figure("next_month.net_revenue.positive"),
                origins=Figure("next_month.net_revenue.origins"),
                hold=Figure("next_month.net_revenue.hold"),
            ),
            say(
                "in the share of customers who bought after {ahead}, beyond chance after {hold}.",
                ahead=Figure("next_month.active.positive"),
                hold=Figure("next_month.active.hold"),
            ),
            say(
                "They sent something back more often after {ahead}, beyond chance after {hold}.",
                ahead=Figure("next_month.returned.positive"),
                hold=Figure("next_month.returned.hold"),
            ),
        ]
    )


def _unfinished(matter: Matter) -> Iterator[Paragraph]:
    """That the month which the last origin and the trial look at is not over in the data."""
    if matter.days_missing:
        yield Paragraph(
            [
                say(
                    "{month} is not over in the data: days missing: {days}. What is seen of it is less than a "
                    "month's, for both groups alike.",
                    month=matter.month,
                    days=Figure(matter.days_missing),
                )
            ]
        )


def _both(measure: str, origin: str) -> Cell:
    key = f"next_month.{measure}.{origin}"
    return Cell(
        [
            say(
                "{ours}, {theirs}",
                ours=Figure(f"{key}.member_mean", missing=NOT_THERE),
                theirs=Figure(f"{key}.next_mean", missing=NOT_THERE),
            )
        ]
    )


def _trial(matter: Matter) -> Iterator[Block]:
    if matter.value("trial.cuped.customers") is None:
        return
    yield Heading(
        3, say("What a trial could show"), say("that the programme itself causes anything, nothing above can say")
    )
    yield Table(
        say("Smallest effects that a trial finds"),
        [
            say("Net revenue of a month per Insider"),
            say("Smallest effect found four times out of five"),
            say("in {currency}", currency=matter.currency),
            say("Insiders needed for {effect}", effect=Figure("trial.raw.wanted_share")),
        ],
        [
            [
                words(Capital(ESTIMATOR_WORDS[one])),
                *(figure(f"trial.{one}.{name}") for name in ("detectable_share", "detectable", "customers_needed")),
            ]
            for one in ESTIMATORS
        ],
    )
    needed, there = matter.value("trial.cuped.customers_needed"), matter.value("trial.cuped.customers") or 0
    effect = Figure("trial.raw.wanted_share")
    yield Paragraph(
        [
            say(
                "With {share} of the Insiders held out by a salted hash of their id: {held} of the {all} of the month "
                "before, from whose spending this month the figures are taken.",
                share=Figure("trial.raw.held_share"),
                held=Figure("trial.raw.held"),
                all=Figure("trial.raw.customers"),
            ),
            *(
                [say("Of {month} only the days in the data are counted.", month=matter.month)]
                if matter.days_missing
                else []
            ),
            say("An effect of {effect} can be found.", effect=effect)
            if needed is not None and needed <= there
            else say("An effect of {effect} cannot be found with a group of this size in one month.", effect=effect),
            say(
                "Of this month's Insiders would be held out: {query}",
                query=Code(matter.query("customer_id", "holdout_assignment", "held")),
            ),
        ]
    )
