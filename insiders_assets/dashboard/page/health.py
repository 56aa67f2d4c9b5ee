"""Data health: what landed, what could not be used, what was restated, what checks say, how fresh and dear it is."""

from __future__ import annotations

from insiders_assets.contracts.catalogue import TABLES_BY_MONTH
from insiders_assets.dashboard import reading
from insiders_assets.dashboard.choices import Choices
from insiders_assets.dashboard.parts import DAY, MOMENT, PROSE, Column, asset_column, table
from insiders_assets.domain.facts.fact import COUNT
from insiders_assets.domain.messages import say

SECONDS = "seconds"
A_MONTH = "^[0-9]{4}-[0-9]{2}-01$"


def show(choices: Choices) -> None:
    """Draw the page."""
    _checks(choices)
    _files(choices)
    _quarantine(choices)
    _restatements(choices)
    _freshness(choices)
    _cost(choices)


def _checks(choices: Choices) -> None:
    found = reading.checks_of(choices.month)
    # Of a file, or of a run over many months: no month would show it.
    others = reading.rows(
        "SELECT * FROM page_checks WHERE NOT passed AND partition !~ %s ORDER BY checked_at DESC", A_MONTH, limit=50
    )
    columns = [
        asset_column(choices, say("Asset")),
        Column(say("Check"), "check_name"),
        Column(say("Month or file"), "partition"),
        Column(say("Holds"), "passed"),
        Column(say("What it found"), "found", PROSE),
        Column(say("When (UTC)"), "checked_at", MOMENT),
    ]
    failing = sum(not row["passed"] for row in found)
    told = {"failing": choices.language.number(failing), "count": choices.language.number(len(found))}
    note = say("{failing} of {count} checks of the month do not hold.", **told)
    table(say("Checks"), columns, [*others, *found], choices, "insiders_report", "checks", note=note)


def _files(choices: Choices) -> None:
    found = reading.rows("SELECT * FROM page_files ORDER BY landed_at DESC, file_key", limit=500)
    columns = [
        Column(say("File"), "file_key"),
        Column(say("Landed (UTC)"), "landed_at", MOMENT),
        Column(say("By"), "landed_by"),
        Column(say("Lines"), "lines", COUNT),
        Column(say("Good"), "good_lines", COUNT),
        Column(say("In quarantine"), "quarantined_lines", COUNT),
        Column(say("In another file too"), "overlapping_lines", COUNT),
        Column(say("From"), "first_date", DAY),
        Column(say("To"), "last_date", DAY),
        Column(say("Counts"), "counts"),
        Column(say("Refused because"), "refused", PROSE),
    ]
    table(say("Landed files"), columns, found, choices, "landed_invoices", "files")


def _quarantine(choices: Choices) -> None:
    found = reading.rows(
        "SELECT q.reason, count(DISTINCT q.file_version) AS files, sum(q.lines)::bigint AS lines "
        "FROM page_quarantine q JOIN page_files f USING (file_version) WHERE f.counts "
        "GROUP BY q.reason ORDER BY lines DESC, q.reason",
        limit=200,
    )
    columns = [
        Column(say("Reason"), "reason", PROSE),
        Column(say("Files"), "files", COUNT),
        Column(say("Lines"), "lines", COUNT),
    ]
    table(
        say("Lines in quarantine, by reason"),
        columns,
        found,
        choices,
        "landed_invoices",
        "quarantine",
        note=say("Of the files that count."),
    )


def _restatements(choices: Choices) -> None:
    found = reading.rows("SELECT * FROM page_restatements ORDER BY last_at DESC, asset", limit=200)
    columns = [
        asset_column(choices, say("Asset")),
        Column(say("Month"), "partition"),
        Column(say("Times"), "times", COUNT),
        Column(say("Last (UTC)"), "last_at", MOMENT),
    ]
    table(
        say("Months that were restated"),
        columns,
        found,
        choices,
        "raw_invoices",
        "restatements",
        note=say("Made again with other content than before, as a later file or another setting has it."),
    )


def _freshness(choices: Choices) -> None:
    found = reading.rows(
        "SELECT table_name, count(*) AS scopes, max(scope) AS last_scope, max(published_at) AS published_at "
        "FROM page_published WHERE scope ~ %s GROUP BY table_name ORDER BY table_name",
        A_MONTH,
    )
    asset_of = {table.name: asset for asset, table in TABLES_BY_MONTH.items()}
    rows = [{**row, "asset": asset_of.get(row["table_name"], row["table_name"])} for row in found]
    columns = [
        asset_column(choices, say("Asset")),
        Column(say("Table"), "table_name"),
        Column(say("Months"), "scopes", COUNT),
        Column(say("Last month"), "last_scope"),
        Column(say("Published (UTC)"), "published_at", MOMENT),
    ]
    table(say("How fresh each table is"), columns, rows, choices, "insiders_report", "freshness")


def _cost(choices: Choices) -> None:
    found = reading.rows(
        "SELECT asset, seconds, peak_mb, rows, made_at FROM page_assets WHERE partition = %s "
        "ORDER BY seconds DESC NULLS LAST",
        choices.month.isoformat(),
    )
    columns = [
        asset_column(choices, say("Asset")),
        Column(say("Seconds"), "seconds", SECONDS),
        Column(say("Peak memory (MB)"), "peak_mb", COUNT),
        Column(say("Rows"), "rows", COUNT),
        Column(say("Made (UTC)"), "made_at", MOMENT),
    ]
    note = say("As the month was made last. Memory is the most that the process had held until then.")
    table(say("Seconds and memory of each asset"), columns, found, choices, "insiders_report", "cost", note=note)
