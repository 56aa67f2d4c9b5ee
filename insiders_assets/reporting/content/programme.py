"""Answers five and six: the conditions to come in and to go out, who is near the door, who moved, and what other
policies would have done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from insiders_assets.contracts.segments import NOT_SEGMENTED_ID
from insiders_assets.domain.facts.fact import over_features
from insiders_assets.domain.facts.movement import movement_key
from insiders_assets.domain.facts.programme import ENTERING, LEAVING, doors, policy_key
from insiders_assets.domain.feature_words import MONEY_FEATURES, WORDS
from insiders_assets.domain.membership_words import rule_in_words
from insiders_assets.domain.messages import Message, say
from insiders_assets.domain.policies import DESCRIPTIONS, IN_FORCE, NAMES
from insiders_assets.domain.programme import TOP_SEGMENT
from insiders_assets.reporting.content.matter import GONE, NOT_BEFORE, Matter, figure, words
from insiders_assets.reporting.document import (
    Block,
    Capital,
    Cell,
    Code,
    Figure,
    Heading,
    Paragraph,
    Part,
    Quoted,
    Strong,
    Table,
)


def conditions(matter: Matter) -> Iterator[Block]:
    """The rule card: the conditions to be eligible, its fidelity, the exceptions."""
    if not matter.value("members.count") and not matter.card:
        return
    yield Heading(2, say("The conditions to come in"))
    yield Paragraph([_in_force(matter)])
    if not matter.card:
        yield Paragraph([say("This month's clustering suggests no rule: it chooses nobody.")])
        return
    yield from _card(matter, matter.card)


def _in_force(matter: Matter) -> Message:
    if not matter.version:
        return say("No rule is in force yet: members are provisional, by this month's suggestion.")
    if matter.version == TOP_SEGMENT:
        top = say("whoever is in the segment with the highest mean revenue, month by month")
        return say("In force: {rule}.", rule=Strong(top))
    rule = matter.outline.rule
    told: Part = Quoted.of(rule_in_words(rule)) if rule else say("by the consensus's rank")
    return say("In force ({version}): {rule}.", version=_version(matter.version), rule=Strong(told))


def _version(version: str) -> Part:
    """The version of a rule: a month's suggestion, or as a person has called it."""
    word, _, month = version.partition(" ")
    return say("suggestion of {month}", month=Quoted.same(month)) if word == "candidate" else Quoted.same(version)


def _card(matter: Matter, card: Mapping[str, Any]) -> Iterator[Block]:
    suggested = Quoted(card["rule_in_words"], card["rule_in_portuguese"])
    verdict = (
        say("The rule says who is chosen.")
        if card["explainable"]
        else say("The choice is not explainable by a short rule: the programme goes by the rank.")
    )
    yield Paragraph(
        [
            say("This month's clustering suggests: {rule}.", rule=Strong(suggested)),
            verdict,
            say(
                "It selects {selected} of the {base} clusterable customers; the clustering chooses {chosen}, and they "
                "differ on {exceptions}.",
                selected=Figure("rule.selected"),
                base=Figure("base.clusterable"),
                chosen=Figure("rule.chosen"),
                exceptions=Figure("rule.exceptions"),
            ),
        ]
    )
    rows = [[words(Code(card["rule"])), *(figure(f"rule.{name}") for name in ("precision", "recall", "f1"))]]
    if card["runner_up"]:
        runner_up = words(Code(card["runner_up"]), say("the best on another feature"))
        rows.append([runner_up, words(""), words(""), figure("rule.runner_up_f1")])
    yield Table(
        say("The rule card"),
        [say("On customers it was not found on"), say("Precision"), say("Recall"), say("F1")],
        rows,
    )
    yield Paragraph([say("The exceptions: {query}", query=Code(card["exceptions_sql"]))], soft=True)


def near_the_door(matter: Matter) -> Iterator[Block]:
    """The conditions to be removed, and who is close to leaving or to entering."""
    if not matter.value("members.count"):
        return
    yield Heading(2, say("The conditions to go out"))
    yield Paragraph(list(_terms(matter)))
    sides = {
        LEAVING: (
            say("Close to leaving"),
            say("in grace, those with the most months short first"),
            matter.outline.leaving,
        ),
        ENTERING: (say("Close to entering"), say("out, with most of what the rule asks for"), matter.outline.entering),
    }
    for side, where in doors(matter.outline).items():
        title, beside, shown = sides[side]
        if not matter.value(f"{side}.customers"):
            continue
        yield Heading(3, title, beside)
        yield _tick_list(matter, side, shown, title)
        every = f"SELECT f.customer_id, m.needs, f.gross_revenue {over_features(matter.month, where)} ORDER BY 3 DESC"
        yield Paragraph(
            [
                say(
                    "The first of {count} in all, with {revenue} of gross revenue in the window: {query}",
                    count=Figure(f"{side}.customers"),
                    revenue=Figure(f"{side}.gross_revenue"),
                    query=Code(every),
                )
            ],
            soft=True,
        )


def _terms(matter: Matter) -> Iterator[Part]:
    in_force = policy_key(IN_FORCE)
    months = matter.value(f"{in_force}.months_to_leave")
    if not matter.version or matter.outline.rule is None or months is None:
        yield say("Members are chosen anew every month until a rule is in force.")
    elif months == 1:
        yield say("Out in the first month in which less than {share} of the rule is reached.", share=_leave_share())
    else:
        yield say(
            "Out after {months} months in a row in which less than {share} of the rule is reached; until then, and "
            "while the rule does not hold, in grace.",
            months=Figure(f"{in_force}.months_to_leave"),
            share=_leave_share(),
        )
    if matter.version:
        yield say(
            "In grace now: {grace}; of them so far below that they leave if it stays so: {short}.",
            grace=Figure("programme.in_grace"),
            short=Figure("programme.short"),
        )


def _leave_share() -> Figure:
    return Figure(f"{policy_key(IN_FORCE)}.leave_share")


def _tick_list(matter: Matter, side: str, customers: tuple[str, ...], title: Message) -> Table:
    features = [one.feature for one in matter.outline.rule.conditions] if matter.outline.rule else []
    head: list[Part] = [
        say("Customer"),
        say("Gross revenue, {currency}", currency=matter.currency),
        *(_feature(matter, name) for name in features),
        *(Capital(say("missing in {feature}", feature=WORDS[name].words)) for name in features),
    ]
    if side == LEAVING:
        head.append(say("Months short"))
    names = ["gross_revenue", *features, *(f"{name}_missing" for name in features)]
    names += ["months_short"] if side == LEAVING else []
    rows = [
        [
            words(say("☐ {customer}", customer=Quoted.same(customer))),
            *(figure(f"{side}.{place:02d}.{name}") for name in names),
        ]
        for place, customer in enumerate(customers, start=1)
    ]
    return Table(title, head, rows)


def _feature(matter: Matter, name: str) -> Capital:
    told = WORDS[name].words
    return Capital(
        say("{measure}, {currency}", measure=told, currency=matter.currency) if name in MONEY_FEATURES else told
    )


def movement(matter: Matter) -> Iterator[Block]:
    """Who came and went, and the movement between segments."""
    if not matter.value("members.count") and not matter.card:
        return
    yield Heading(2, say("Who moved"))
    events = ("entered", "returned", "to_grace", "went", "by_hand", "in_grace")
    yield Table(
        say("Changes of membership this month"),
        [
            say("Came in"),
            say("Rule holds again"),
            say("Into grace"),
            say("Went out"),
            say("By hand"),
            say("In grace now"),
        ],
        [[figure(f"programme.{event}") for event in events]],
        text=(),
    )
    if matter.value("programme.confirmed"):
        yield Paragraph(
            [
                say(
                    "The programme begins this month: {count} provisional members became members; those for whom the "
                    "rule in force does not hold went out at once.",
                    count=Figure("programme.confirmed"),
                )
            ]
        )
    yield Paragraph(
        [say("Each of them with its reason: {query}", query=Code(matter.query("*", "membership_events")))], soft=True
    )
    before, outline = matter.outline.before, matter.outline
    if before is None or not outline.segments:
        return
    yield Heading(
        3,
        say("Between segments"),
        say("customers by the segment of {before} (rows) and of {month} (columns)", before=before, month=outline.month),
    )
    yield from matter.picture(
        "movement",
        say(
            "Customers by their segment of {before} (left) and of {month} (right).", before=before, month=outline.month
        ),
        say("Bands from the segments of the month before to those of this one; the table below has the counts."),
    )
    yield Table(
        say("Movement between segments"),
        [say("Segment"), *(str(one) for one in outline.segments), GONE],
        [
            [
                words(Capital(NOT_BEFORE) if old is None else matter.name(old)),
                *(_moved(matter, old, new) for new in (*outline.segments, None)),
            ]
            for old in (*outline.segments_before, None)
        ],
        text=(6,),
        dense=True,
    )


def _moved(matter: Matter, before: int | None, now: int | None) -> Cell:
    key = movement_key(before, now)
    if not matter.value(key):
        return words("")
    return Cell(figure(key).parts, shade=2 if before == now and before != NOT_SEGMENTED_ID else 0)


def policies(matter: Matter) -> Iterator[Block]:
    """What other policies would have done over the same months."""
    if not matter.outline.policies or not matter.value(f"{policy_key(IN_FORCE)}.months"):
        return
    yield Heading(2, say("What other policies would have done"))
    columns = ("members", "churn", "worst_churn", "returners", "growth", "revenue_share")
    rows = []
    for policy in matter.outline.policies:
        name = say("{policy} (in force)", policy=NAMES[policy]) if policy == IN_FORCE else NAMES[policy]
        told = [figure(f"{policy_key(policy)}.{column}") for column in columns]
        rows.append([Cell([Capital(name), Capital(DESCRIPTIONS[policy])], strong=policy == IN_FORCE), *told])
    yield Table(
        say("Policies"),
        [
            say("Policy"),
            say("Insiders"),
            say("Come and go a month"),
            say("in the worst month"),
            say("Leave and return within a year"),
            say("Beyond the rule"),
            say("Share of revenue"),
        ],
        rows,
        text=(4,),
    )
    yield Paragraph(
        [
            say(
                "Insiders at the end of this month; the shares are of the group at each month's beginning. Months with "
                "a full window, the first left out: {months}.",
                months=Figure(f"{policy_key(IN_FORCE)}.months"),
            )
        ],
        soft=True,
    )
