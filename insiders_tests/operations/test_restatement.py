"""A credit note that comes late: which months are due, what moved, what was known before, and what is kept of it.

One home lives through it all: two months, then the credit note, the month made once more, the credit note retired,
and tidying up years later. Every stage is looked at where it stands; the tests say what was seen.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psycopg
import pyarrow.parquet as pq
import pytest
from freezegun import freeze_time

from insiders_assets.assets.insiders_report import RESTATED
from insiders_assets.automation.due import Due
from insiders_assets.automation.jobs import WATCH
from insiders_assets.contracts.catalogue import MONTHLY_TABLES
from insiders_assets.contracts.lines import RAW_INVOICES
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.definitions import build_definitions
from insiders_assets.domain.facts import MEMBER
from insiders_assets.errors import InputError
from insiders_assets.operations.as_known import query_as_known_at
from insiders_assets.operations.home import open_instance
from insiders_assets.operations.maintaining import Tidied, maintain
from insiders_assets.operations.pages import place_of_report
from insiders_assets.partitions import month_of
from insiders_assets.reporting.files import HTML, file_of
from insiders_assets.reporting.language import ENGLISH, Language
from insiders_assets.sample import ShopParameters, write_shop
from insiders_tests.command import Said, insiders_here
from insiders_tests.operations import shops
from insiders_tests.operations.shops import Hashes, Home, lines_of, moved, new_home, write_lines
from insiders_tests.servers import tcp_postgres

pytestmark = pytest.mark.usefixtures("plain_environment")

SEGMENTED = ShopParameters(dt.date(2024, 1, 1), 3, 90, seed=3, articles=60, invoices_per_month=1.5)
PLAIN = ShopParameters(dt.date(2024, 1, 1), 3, 60, seed=3, articles=60)
FIRST, SECOND, THIRD, FOURTH = MONTHS = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]
RESTATED_MONTHS = [SECOND, THIRD]
CREDIT = "credit-notes.csv"
MEMBERS = f"SELECT customer_id FROM {{}}insiders_membership m WHERE {MEMBER} AND month = DATE '{{}}'"
REVENUE = (
    "SELECT sum(f.gross_revenue) FROM {0}customer_features f JOIN {0}insiders_membership m USING (month, customer_id) "
    f"WHERE {MEMBER} AND f.month = DATE '{{1}}'"
)
FACTS = "SELECT key, value FROM {}report_facts WHERE month = DATE '{}'"


@dataclass(frozen=True)
class Seen:
    """What stands, as a reader of the warehouse finds it: per month members, their revenue and every fact."""

    hashes: Hashes
    members: dict[str, set[str]]
    revenue: dict[str, float]
    facts: dict[str, dict[str, float | None]]


def seen(home: Home) -> Seen:
    return Seen(
        home.hashes(),
        {month: {row[0] for row in home.sql(MEMBERS.format("insiders.", month))} for month in MONTHS[:3]},
        {month: float(home.sql(REVENUE.format("insiders.", month))[0][0] or 0) for month in MONTHS[:3]},
        {month: dict(home.sql(FACTS.format("insiders.", month))) for month in MONTHS[:3]},
    )


def beside_the_report(home: Home, month: str, name: str) -> bytes:
    with home.platform() as platform:
        return platform.lake.dataset(REPORT_FACTS, [month]).file(name)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with shops.quick_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def server(open_folder: Path) -> Iterator[str]:
    with tcp_postgres(open_folder / "restatement") as url:
        yield url


# -- the story


@dataclass(frozen=True)
class Landed:
    """Before the credit note, and when it was landed, but nothing made of it."""

    home: Home
    before: Seen
    moment: dt.datetime
    due: list[Due]
    printed: Said


def segmented_home(folder: Path, server: str, pytestconfig: pytest.Config) -> Home:
    """Members by net revenue, month by month: a credit note moves them, as it would not move items bought."""
    compiled = shops.compiled_by_numba(pytestconfig)
    bare = {"programme_months_to_leave": 1, "programme_leave_share": 1}
    home = new_home(folder, server, compiled, min_clusterable=20, **bare)
    (home.folder / "programme.toml").write_text(
        '[[rules]]\nversion = "own"\nfrom = "2024-01"\nrule = "net_revenue >= 500"\n'
    )
    return home


@pytest.fixture(scope="module")
def landed(folder: Path, server: str, pytestconfig: pytest.Config) -> Landed:
    home = segmented_home(folder, server, pytestconfig)
    files = write_shop(SEGMENTED, folder / "segmented", files="month")
    home.run(*files)
    before, moment = seen(home), dt.datetime.now(dt.UTC)
    # Half of what the members of February had bought in it comes back.
    members = before.members[SECOND]
    bought = [row for row in lines_of(files[1]) if row[6] in members and row[3].isdigit()]
    assert bought
    credits = [[f"C9{row[0]}", *row[1:3], f"-{row[3]}", "2/27/2024 17:30", *row[5:]] for row in bought[::2]]
    home.land(write_lines(folder / CREDIT, credits))
    printed = insiders_here("status", "--home", home.folder)
    return Landed(home, before, moment, home.due(*MONTHS[:3]), printed)


@dataclass(frozen=True)
class Restated:
    """After one run: what it told, what stands, and what it says has moved."""

    told: list[tuple[str, str, str]]
    after: Seen
    moved: dict[str, dict]
    pages: dict[str, str]
    shown: dict[str, str]
    versions: dict[tuple[str, str], list[str]]


def page_beside_the_report(home: Home, month: str) -> str:
    return beside_the_report(home, month, file_of(dt.date.fromisoformat(month), ENGLISH, HTML)).decode()


def restated_now(home: Home) -> Restated:
    return Restated(
        [(one.subject, one.asset, one.outcome) for one in home.told],
        seen(home),
        {month: json.loads(beside_the_report(home, month, RESTATED)) for month in RESTATED_MONTHS},
        {month: page_beside_the_report(home, month) for month in RESTATED_MONTHS},
        {month: place_of_report(home.settings, month).read_text() for month in RESTATED_MONTHS},
        home.versions(),
    )


@pytest.fixture(scope="module")
def restated(landed: Landed) -> Restated:
    landed.home.run()
    return restated_now(landed.home)


@pytest.fixture(scope="module")
def known_before(landed: Landed, restated: Restated) -> dict[str, Said]:
    """What `insiders sql` answers for the moment before the credit note."""
    asked = {"members": MEMBERS, "revenue": REVENUE, "facts": FACTS}
    return {
        f"{name} {month}": insiders_here(
            *("sql", query.format("", month), "--csv", "--as-known-at", landed.moment.isoformat()),
            *("--home", landed.home.folder),
        )
        for name, query in asked.items()
        for month in RESTATED_MONTHS
    }


@pytest.fixture(scope="module")
def once_more(landed: Landed, restated: Restated, known_before: dict[str, Said]) -> Restated:
    """The last month made again from the same lines, all but its embedding: the parity tests make that again too."""
    landed.home.make(THIRD, assets=[asset for asset in MONTHLY_TABLES if asset != "tree_embedding"])
    return restated_now(landed.home)


@pytest.fixture(scope="module")
def returned(landed: Landed, once_more: Restated) -> Restated:
    """The credit note is retired: the content goes back to the first."""
    landed.home.retire(CREDIT)
    landed.home.run()
    return restated_now(landed.home)


@dataclass(frozen=True)
class Tidy:
    """What was removed at once and years later, and what is left."""

    at_once: Tidied
    later: Tidied
    current_before: dict[tuple[str, str], str]
    left: dict[tuple[str, str], list[str]]
    runs_before: set[str]
    runs_left: set[str]
    runs_shown: set[str]
    orphan_is_there: bool


def latest_run(instance: dg.DagsterInstance, asset: str, month: str) -> str:
    """The run that made what the page shows of a month."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[month])
    return instance.fetch_materializations(wanted, limit=1).records[0].run_id


@pytest.fixture(scope="module")
def tidy(landed: Landed, returned: Restated) -> Tidy:
    home = landed.home
    orphan = home.folder / "lake" / "cluster_labels" / SECOND / "0123456789abcdef01234567.parquet"
    orphan.write_bytes(b"left by a run that was killed")
    current = {place: versions[-1] for place, versions in home.versions().items()}
    with open_instance(home.settings) as instance:
        runs = {run.run_id for run in instance.get_runs()}
        shown = {latest_run(instance, asset, month) for asset in MONTHLY_TABLES for month in MONTHS[:3]}
    at_once = maintain(home.settings)
    # The settings' policy is two years for versions and three months for runs.
    with freeze_time(dt.datetime.now(dt.UTC) + dt.timedelta(days=800), tick=True):
        later = maintain(home.settings)
    with open_instance(home.settings) as instance:
        left = {run.run_id for run in instance.get_runs()}
    return Tidy(at_once, later, current, home.versions(), runs, left, shown, orphan.exists())


# -- what is due


def test_exactly_the_month_of_the_credit_note_and_later_ones_are_due(landed: Landed) -> None:
    assert sorted({f"{one.month}" for one in landed.due}) == RESTATED_MONTHS
    reasons = {(f"{one.month}", one.asset): one.reason for one in landed.due}
    assert reasons[SECOND, "raw_invoices"] == f"its landed files have changed: {CREDIT} landed"
    assert reasons[SECOND, "insiders_report"] == "month_totals is made again"
    assert reasons[THIRD, "customer_features"] == "raw_invoices of 2024-02 is made again"
    # The lines of the later month itself are what they were.
    of_lines = {"raw_invoices", "month_files", "customer_purchases"}
    assert not of_lines & {asset for month, asset in reasons if month == THIRD}


def test_status_says_which_months_are_due_and_why(landed: Landed) -> None:
    assert landed.printed.code == 0, landed.printed.err
    lines = [line for line in landed.printed.out.splitlines() if " due " in line]
    assert {line.split()[0] for line in lines} == {"2024-02", "2024-03"}
    assert any(line.split()[1] == "raw_invoices" and f"{CREDIT} landed" in line for line in lines)
    assert all(line.split()[2] == "stands" for line in landed.printed.out.splitlines() if line.startswith("2024-01"))


# -- what moved


def test_one_run_brings_them_up_in_order_and_leaves_the_others_alone(landed: Landed, restated: Restated) -> None:
    made = [(month, asset) for month, asset, outcome in restated.told if outcome == "made"]
    assert [month for month, _ in made] == sorted(month for month, _ in made)
    assert set(made) == {(f"{one.month:%Y-%m}", one.asset) for one in landed.due}
    assert ("2024-01", "all assets", "up to date") in restated.told
    assert {place: found for place, found in restated.after.hashes.items() if place[0] == "2024-01"} == {
        place: found for place, found in landed.before.hashes.items() if place[0] == "2024-01"
    }


@pytest.mark.parametrize("month", RESTATED_MONTHS)
def test_the_delta_is_what_a_comparison_of_both_states_gives(month: str, landed: Landed, restated: Restated) -> None:
    before, after, said = landed.before, restated.after, restated.moved[month]
    assert before.members[month] != after.members[month]
    assert set(said["entered"]) == after.members[month] - before.members[month]
    assert set(said["left"]) == before.members[month] - after.members[month]

    changed = {fact["key"]: (fact["before"], fact["after"]) for fact in said["facts"]}
    # A fact that only one of them has, of a segment or an action that the other has not, did not move.
    keys = before.facts[month].keys() & after.facts[month].keys()
    pairs = {key: (before.facts[month][key], after.facts[month][key]) for key in keys}
    assert changed == {key: (was, now) for key, (was, now) in pairs.items() if was != now}
    assert changed["members.revenue"] == pytest.approx((before.revenue[month], after.revenue[month]))


@pytest.mark.parametrize("month", RESTATED_MONTHS)
def test_run_and_page_say_the_delta(month: str, landed: Landed, restated: Restated) -> None:
    before, after = landed.before, restated.after
    came, went = (
        after.members[month] - before.members[month],
        before.members[month] - after.members[month],
    )
    was, now = (Language(ENGLISH).written(one.revenue[month], "currency", "GBP") for one in (before, after))
    (line,) = [said for subject, _, said in restated.told if subject == month[:7] and said.startswith("restated")]
    assert f"{len(came)} members in, {len(went)} out; their gross revenue {was} -> {now}" in line
    page = re.sub(r"<[^>]+>", "", restated.pages[month])
    assert "What moved since an earlier version of this month" in page
    for word, who in (("Came in", came), ("Went out", went)):
        told = f"{word}: {len(who)} (" if who else f"{word}: nobody."
        assert told in page or (not came and not went and "Nobody came in or went out." in page)
    assert f"{was}{now}" in page


def test_made_from_scratch_the_restated_months_are_the_same(
    landed: Landed, restated: Restated, folder: Path, server: str, pytestconfig: pytest.Config
) -> None:
    """The second month in a home that had the credit note from the first day, as if it had come before the lines."""
    home = segmented_home(folder, server, pytestconfig)
    home.run(folder / CREDIT, *sorted((folder / "segmented").glob("*.csv")), last=month_of(SECOND))
    until = {place: found for place, found in restated.after.hashes.items() if place[0] <= SECOND[:7]}
    assert {place: found for place, found in home.hashes().items() if place[0] <= SECOND[:7]} == until
    with home.platform() as platform:
        assert RESTATED not in platform.lake.dataset(REPORT_FACTS, [SECOND]).versions[SECOND].files


def test_what_was_known_before_is_still_answered(landed: Landed, known_before: dict[str, Said]) -> None:
    for said in known_before.values():
        assert said.code == 0, said.err
    for month in RESTATED_MONTHS:
        answers = {
            name: list(csv.reader(known_before[f"{name} {month}"].out.splitlines()))[1:]
            for name in ("members", "revenue", "facts")
        }
        assert {row[0] for row in answers["members"]} == landed.before.members[month]
        assert float(answers["revenue"][0][0]) == pytest.approx(landed.before.revenue[month])
        known = {key: float(value) if value else None for key, value in answers["facts"]}
        assert known == pytest.approx(landed.before.facts[month])


@pytest.mark.parametrize("month", RESTATED_MONTHS)
def test_the_home_has_the_restated_page(month: str, landed: Landed, restated: Restated) -> None:
    assert restated.shown[month] == restated.pages[month]


# -- a credit note of somebody who is no member, and the same once more


@pytest.mark.slow
def test_a_credit_note_that_changes_only_net_revenue_is_told_and_nothing_older_with_it(checked: Checked) -> None:
    home = checked.home
    bought = f"FROM insiders.customer_purchases WHERE month = DATE '{SECOND}' AND gross_revenue > 2"
    ((customer,),) = home.sql(f"SELECT min(customer_id) {bought}")
    row = ["C99", "22423", "RETURNED", "-1", "2/27/2024 17:30", "1.25", customer, "United Kingdom"]
    home.run(write_lines(home.folder / "late.csv", [row]))
    told = {one.subject: one.outcome for one in home.told if one.outcome.startswith("restated")}
    assert sorted(told) == ["2024-02", "2024-03", "2024-04"]
    moved = json.loads(beside_the_report(home, SECOND, RESTATED))
    net = {fact["key"]: fact["after"] - fact["before"] for fact in moved["facts"]}["base.net_revenue_all"]
    assert net == pytest.approx(-1.25)
    assert "net of returns" in told["2024-02"]
    assert "all cleaned sales" not in told["2024-02"]

    home.run(again=True, first=month_of(SECOND))
    assert not [one for one in home.told if one.outcome.startswith("restated")]
    assert json.loads(beside_the_report(home, SECOND, RESTATED)) == moved

    # Lines that a rule drops change what the report reads and none of its facts: nothing moved, and no old news.
    free = ["588888", "22423", "FREE", "3", "2/27/2024 17:31", "0.00", customer, "United Kingdom"]
    home.run(write_lines(home.folder / "free.csv", [free]))
    assert ("2024-02", "insiders_report") in home.made()
    assert not [one for one in home.told if one.outcome.startswith("restated")]
    with home.platform() as platform:
        assert RESTATED not in platform.lake.dataset(REPORT_FACTS, [SECOND]).versions[SECOND].files


# -- made once more, and back


def test_made_once_more_page_and_versions_are_as_they_were(restated: Restated, once_more: Restated) -> None:
    assert once_more.after == restated.after
    assert once_more.pages == restated.pages
    assert once_more.moved == restated.moved
    assert once_more.versions == restated.versions


def test_retired_the_content_is_the_first_again_and_the_page_says_the_way_back(
    landed: Landed, restated: Restated, returned: Restated
) -> None:
    assert returned.after == landed.before
    for month in RESTATED_MONTHS:
        there, back = restated.moved[month], returned.moved[month]
        assert (back["entered"], back["left"]) == (there["left"], there["entered"])
        assert {fact["key"]: (fact["after"], fact["before"]) for fact in back["facts"]} == {
            fact["key"]: (fact["before"], fact["after"]) for fact in there["facts"]
        }
    assert {(month, asset) for month, asset, outcome in returned.told if outcome == "made"} == {
        (f"{one.month:%Y-%m}", one.asset) for one in landed.due
    }


# -- tidied up


def test_what_is_younger_than_the_policy_is_kept(tidy: Tidy) -> None:
    assert tidy.at_once == Tidied(0, 0, 0)


def test_later_only_the_version_that_counts_is_kept(tidy: Tidy, returned: Restated) -> None:
    assert tidy.left == {place: [version] for place, version in tidy.current_before.items()}
    assert tidy.later.versions == sum(len(versions) - 1 for versions in returned.versions.values())
    assert tidy.later.objects > 1
    assert not tidy.orphan_is_there


def test_the_runs_behind_what_the_page_shows_are_kept(tidy: Tidy) -> None:
    assert tidy.runs_shown <= tidy.runs_left < tidy.runs_before
    assert tidy.later.runs == len(tidy.runs_before - tidy.runs_left)


def test_everything_still_reads_after_tidying_up(landed: Landed, tidy: Tidy) -> None:
    home = landed.home
    assert home.stands()
    assert seen(home) == landed.before
    with home.platform() as platform:
        for table in MONTHLY_TABLES.values():
            dataset = platform.lake.dataset(table, MONTHS[:3])
            assert dataset.arrow().num_rows == sum(version.rows for version in dataset.versions.values())
            for version in dataset.versions.values():
                assert all(platform.lake.read_file(path) for path in version.files.values())
        parts = [part.path for file in platform.ledger().files for part in file.months.values()]
        assert all(pq.read_metadata(home.folder / "lake" / path).num_rows for path in parts)
        with pytest.raises(InputError, match="Nothing was known at"):
            query_as_known_at(platform, "SELECT 1", landed.moment - dt.timedelta(days=1))
    home.run()
    assert {one.outcome for one in home.told} == {"up to date"}


# -- checks


@dataclass(frozen=True)
class Checked:
    """A home without segments: two files share lines of the second month, and the fourth has hardly any."""

    home: Home
    shared: int
    failing: set[tuple[str, str]]


@pytest.fixture(scope="module")
def checked(folder: Path, server: str) -> Checked:
    files = write_shop(PLAIN, folder / "plain", files="month")
    february = lines_of(files[1])
    shared = february[::3]  # of all of the month, so that the file proves how its dates are written
    both = write_lines(folder / "second" / "overlap.csv", [*shared, *moved(lines_of(files[0])[:5], 2024, 2)])
    quiet = write_lines(folder / "second" / "april.csv", moved(lines_of(files[2])[-8:], 2024, 4))
    home = new_home(folder, server)
    home.run(*files, both, quiet)
    return Checked(home, len(shared), home.failing_checks())


def said_by(home: Home, asset: str, check: str) -> dict[str, object]:
    """What the last evaluation of a check says."""
    with open_instance(home.settings) as instance:
        key = dg.AssetCheckKey(dg.AssetKey(asset), check)
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    return {"passed": evaluation.passed, **{name: value.value for name, value in evaluation.metadata.items()}}


def test_a_month_with_hardly_any_lines_warns_and_nothing_else_does(checked: Checked) -> None:
    assert checked.failing == {("2024-04", "volume_is_as_usual")}
    assert checked.home.stands()


def test_lines_that_two_files_share_are_accounted_for_and_a_lost_one_is_noticed(checked: Checked) -> None:
    home, check = checked.home, "landed_lines_are_accounted_for"
    home.make(SECOND, assets=["month_files"])
    said = said_by(home, "month_files", check)
    assert said["passed"]
    assert said["lines overlapping"] == checked.shared
    assert said["lines landed"] == said["lines kept or dropped"] + checked.shared

    with home.platform() as platform:
        raw = platform.lake.dataset(RAW_INVOICES, [SECOND])
        platform.lake.write(RAW_INVOICES, SECOND, raw.arrow().slice(1), reads=raw.versions[SECOND].reads)
    home.make(SECOND, assets=["month_files"])
    assert home.failing_checks() == {("2024-02", check)}
    home.make(SECOND, assets=["raw_invoices", "month_files"])
    assert home.failing_checks() == set()
    assert home.stands()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "UPDATE insiders.customer_features SET gross_revenue = gross_revenue + 1",
            "the same number of rows with other",
        ),
        ("DELETE FROM insiders.customer_purchases", "0 rows are published"),
    ],
)
def test_a_published_row_that_was_changed_by_hand_is_noticed_and_mended_by_making_the_month_again(
    change: str, words: str, checked: Checked
) -> None:
    home, check = checked.home, "readers_see_what_the_lake_holds"
    home.make(FIRST, assets=["insiders_report"])
    assert said_by(home, "insiders_report", check)["passed"]
    table = change.split("insiders.")[1].split()[0]
    with psycopg.connect(home.settings.warehouse.get_secret_value()) as connection:
        connection.execute(f"{change} WHERE month = '{FIRST}'")
    home.make(FIRST, assets=["insiders_report"])
    assert home.failing_checks() == {("2024-01", check)}
    said = said_by(home, "insiders_report", check)
    assert words in str(said[table])
    first = month_of(FIRST)
    home.run(first=first, last=first, again=True)
    home.make(FIRST, assets=["insiders_report"])
    assert said_by(home, "insiders_report", check)["passed"]


@pytest.mark.parametrize(("today", "there"), [("2024-05-02", True), ("2024-05-20", True), ("2024-06-20", False)])
def test_the_last_closed_month_is_missed_once_it_has_settled(today: str, there: bool, checked: Checked) -> None:
    """Even where the home has recorded its last month: every run records the last one that it has made."""
    job = build_definitions(checked.home.settings).resolve_job_def(WATCH)
    assert checked.home.settings.last_month == month_of(FOURTH)
    with open_instance(checked.home.settings) as instance, freeze_time(f"{today} 12:00", tick=True):
        result = job.execute_in_process(instance=instance)
    (evaluation,) = result.get_asset_check_evaluations()
    assert result.success
    assert evaluation.passed == there
    assert evaluation.metadata["last report"].value == "2024-04"
