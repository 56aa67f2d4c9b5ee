"""The moment that a person names, and what is said of a query that cannot be answered as of then."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from insiders_assets.errors import SettingsError
from insiders_assets.operations.as_known import parse_moment
from insiders_tests.command import insiders_here

CET = dt.timezone(dt.timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2011-12-05", dt.datetime(2011, 12, 5, 23, 59, 59, 999999, dt.UTC)),
        ("2011-12-05T10:30", dt.datetime(2011, 12, 5, 10, 30, tzinfo=dt.UTC)),
        ("2011-12-05 10:30:15", dt.datetime(2011, 12, 5, 10, 30, 15, tzinfo=dt.UTC)),
        ("2011-12-05T10:30+01:00", dt.datetime(2011, 12, 5, 10, 30, tzinfo=CET)),
    ],
)
def test_a_day_means_its_end_and_a_moment_itself(text: str, moment: dt.datetime) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize("text", ["", " ", "yesterday", "20111205", "2011-W49-1", "2011-12", "2011-13-01", "12/5/2011"])
def test_what_could_be_read_in_two_ways_or_in_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is no moment\. Write 2011-12-05"):
        parse_moment(text)


def test_a_table_that_is_not_kept_over_time_is_told_with_those_that_are(shop_home: Path) -> None:
    said = insiders_here("sql", "SELECT * FROM landing_ledger", "--as-known-at", "2999-01-01", "--home", shop_home)
    assert said.code == 4
    assert "landing_ledger" in said.err
    assert "As it was known then there are: affinity_candidates, cluster_labels, " in said.err
    assert insiders_here("sql", "SELECT 1", "--as-known-at", "", "--home", shop_home).code == 3
