"""Overview: the ten numbers that are read first, how the group grew, and what to do now."""

from __future__ import annotations

from collections.abc import Mapping

from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import Choices
from insiders_assets.dashboard.parts import NAME, NOTHING, PROSE, Column, Tile, report_picture, table, tiles
from insiders_assets.dashboard.reading import Row
from insiders_assets.dashboard.words import segment_name
from insiders_assets.domain.facts.actions import STATE_WORDS
from insiders_assets.domain.facts.fact import CURRENCY, CUSTOMERS
from insiders_assets.domain.messages import Message, say
from insiders_assets.partitions import shift

MOST_ACTIONS = 8
FAILING = say("Checks that do not hold")
# Of what the customers are counted, by what shares of revenue are taken of: guests are nobody who could be counted.
SHARE_OF_CUSTOMERS = {
    "clusterable": ("members.share_of_clusterable", say("Share of the clusterable customers")),
    "identified": ("members.share_of_identified", say("Share of the customers with a purchase")),
    "all": ("members.share_of_identified", say("Share of the customers with a purchase")),
}


def show(choices: Choices) -> None:
    """Draw the page."""
    facts = reading.facts_of(choices.month)
    earlier = reading.facts_of(choices.before) if choices.before else {}
    told = _Told(choices, facts, earlier)
    share_key, share_words = SHARE_OF_CUSTOMERS[choices.base]
    tiles(
        [
            told.tile("members.count", say("Insiders")),
            told.tile(share_key, share_words),
            told.tile(f"members.share_of_revenue_{choices.base}", say("Share of gross revenue")),
            told.tile(f"members.share_of_net_revenue_{choices.base}", say("Share of net revenue")),
            told.tile("members.revenue", say("Gross revenue of the Insiders in the window")),
            told.tile("programme.entered", say("Came in this month")),
            told.tile("programme.went", say("Went out this month")),
            told.tile("programme.in_grace", say("In grace")),
            _expected(told),
            _health(choices),
        ],
        choices,
    )
    _history(choices)
    _what_now(choices)


class _Told:
    """Facts of the month as tiles, the earlier month's value beside each."""

    def __init__(self, choices: Choices, facts: Mapping[str, Row], earlier: Mapping[str, Row]) -> None:
        self.choices, self.facts, self.earlier = choices, facts, earlier

    def written(self, key: str, facts: Mapping[str, Row]) -> str:
        fact = facts.get(key)
        unit = fact["unit"] if fact else CUSTOMERS
        return self.choices.language.written(fact["value"] if fact else None, unit, self.choices.currency)

    def tile(self, key: str, label: Message) -> Tile:
        beside, before = "", self.choices.before
        if before and key in self.earlier:
            was = {"month": self.choices.language.short_month(before), "value": self.written(key, self.earlier)}
            beside = self.choices.tell(say("{month}: {value}", **was))
        source = self.facts[key]["source"] if key in self.facts else "insiders_report"
        return Tile(label, self.written(key, self.facts), source, key, beside)


def _expected(told: _Told) -> Tile:
    """Net revenue of the next month, with the interval that holds eight months of ten."""
    key = "forecast.net_revenue"
    ends = [told.facts.get(f"forecast.{end}", {}).get("value") for end in ("lower", "upper")]
    beside = ""
    if None not in ends:
        low, high = (told.choices.language.written(end, CURRENCY, told.choices.currency) for end in ends)
        beside = told.choices.tell(say("8 of 10 times between {low} and {high}", low=low, high=high))
    source = told.facts[key]["source"] if key in told.facts else "revenue_forecast"
    label = say("Net revenue expected of the Insiders in {month}", month=shift(told.choices.month, 1))
    return Tile(label, told.written(key, told.facts), source, key, beside)


def _health(choices: Choices) -> Tile:
    checks = reading.checks_of(choices.month)
    if not checks:
        unknown = choices.tell(say("not written down yet"))
        return Tile(FAILING, NOTHING, "insiders_report", "checks.failing", unknown)
    written = choices.language.number(sum(not one["passed"] for one in checks))
    beside = choices.tell(say("of {count} checks of the month", count=choices.language.number(len(checks))))
    return Tile(FAILING, written, "insiders_report", "checks.failing", beside)


def _history(choices: Choices) -> None:
    shows = say("Members at the end of each month, and who came in and went out in it.")
    report_picture(say("How the group grew"), shows, choices, "insiders_membership", "history")


def _what_now(choices: Choices) -> None:
    found = reading.rows("SELECT * FROM page_actions WHERE month = %s ORDER BY money DESC", choices.month)
    segments = {row["segment_id"]: segment_name(row, choices) for row in reading.segments_of(choices.month)}
    rows = [
        {
            **row,
            "segment": segments.get(row["segment_id"], str(row["segment_id"])),
            "state_words": choices.tell(STATE_WORDS[row["state"]]),
            "action_words": choices.in_language(row, "action"),
            "condition_words": choices.in_language(row, "condition"),
            "money_words": choices.in_language(row, "money"),
        }
        for row in found
    ]
    columns = [
        Column(say("Action"), "action_words", PROSE),
        Column(say("Of which segment"), "segment", NAME),
        Column(say("In or out"), "state_words"),
        Column(say("For whom"), "condition_words", PROSE),
        Column(say("Customers"), "customers", CUSTOMERS),
        Column(say("Money at stake ({currency})", currency=choices.currency), "money", CURRENCY),
        Column(say("What the money is"), "money_words", PROSE),
    ]
    table(
        say("What now"),
        columns,
        rows[:MOST_ACTIONS],
        choices,
        "marketing_actions",
        "actions",
        every=lambda: rows,
        note=say(
            "The actions with the most money at stake, which is not the same money for all of them; the file has all "
            "actions, each with the query that lists its customers."
        ),
        more=("list_sql",),
    )
