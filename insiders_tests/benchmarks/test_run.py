"""The document adds up, names what was missed, and compares only what gave the same."""

from __future__ import annotations

import time

import pytest

from benchmarks.duels import Duel, duel
from benchmarks.measure import Laps, Stage
from benchmarks.run import Bar, Section, by_asset, duel_table, render


def test_laps_add_up_to_the_whole() -> None:
    start = time.perf_counter()
    with Laps() as laps:
        time.sleep(0.05)
        laps.cut("asleep")
        laps.cut("nothing")
        elapsed = time.perf_counter() - start
    asleep, nothing = laps.stages
    assert asleep.wall_seconds >= 0.05 > nothing.wall_seconds
    assert asleep.wall_seconds + nothing.wall_seconds <= elapsed
    assert asleep.peak_rss_mb > 1


def test_the_months_of_an_asset_are_one_line() -> None:
    stages = [Stage("raw_invoices 2011-11", 1, 2, 100), Stage("raw_invoices 2011-12", 2, 3, 50)]
    assert "| raw_invoices × 2 | 3.00 | 5.00 | 100 |" in by_asset(stages)


def test_a_duel_keeps_the_least_times_and_what_agreed() -> None:
    found = duel("add", lambda: 3, lambda: sum(range(300_000)) * 0 + 3, lambda a, b: f"both {a}" if a == b else "")
    assert found.agreement == "both 3"
    assert 0 <= found.our_wall < found.naive_wall


def test_a_duel_of_different_results_gives_no_figures() -> None:
    def agree(ours: int, theirs: int) -> str:
        assert ours == theirs
        return ""

    with pytest.raises(AssertionError):
        duel("add", lambda: 3, lambda: 4, agree)


def test_the_whole_is_the_ratio_of_the_sums() -> None:
    table = duel_table([Duel("a", 1, 12, 1, 12, "equal"), Duel("b", 9, 8, 9, 8, "equal")])
    assert "12.0×" in table
    assert "| **the whole** | 10.00 | 20.00 | 2.0× | 10.00 | 20.00 |  |" in table


def test_a_section_begins_with_what_was_promised_and_says_what_was_missed() -> None:
    body = Section("Demo", "the tables", "two cores", [Bar("in time", "3 s", True), Bar("small", "9 GB", False)]).body()
    assert body.index("in time: **3 s**, kept") < body.index("small: **9 GB**, **missed**") < body.index("the tables")


def test_sections_that_were_not_measured_again_stay_as_they_were() -> None:
    first = render([Section("Demo", "slow", "two cores"), Section("Run", "old tables\n\n| a |", "two cores")])
    again = render([Section("Demo", "fast", "two cores")], first)
    assert again == render([Section("Demo", "fast", "two cores"), Section("Run", "old tables\n\n| a |", "two cores")])
    assert render([], again) == again
