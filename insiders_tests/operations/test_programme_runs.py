"""The programme through whole runs: statuses, events, ranges agree; a rule and a word change only what they can.

One home of five months with a window of two lives through it all, in the order of the tests.
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sklearn

from insiders_assets.automation.run_records import record_runs
from insiders_assets.contracts.catalogue import MONTHLY_TABLES, TABLES_BY_MONTH
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.contracts.runs import RUN_CHECKS
from insiders_assets.errors import MissingMonthError, SettingsError
from insiders_assets.operations.comparing import compare
from insiders_assets.operations.exporting import as_parquet
from insiders_assets.operations.home import open_instance
from insiders_assets.reporting.csv_text import as_csv
from insiders_assets.sample import ShopParameters, write_shop
from insiders_tests.command import insiders_here
from insiders_tests.operations import shops
from insiders_tests.operations.shops import Home, new_home
from insiders_tests.servers import tcp_postgres

# Five months are made before the first test: minutes on a busy machine.
pytestmark = [pytest.mark.usefixtures("plain_environment"), pytest.mark.timeout(1800)]

SETTINGS = 3
FIRST = dt.date(2024, 1, 1)
MONTHS = [f"2024-0{number}" for number in range(1, 6)]
SHOP = ShopParameters(FIRST, 5, 90, seed=3, articles=60, invoices_per_month=1.5)
EVENTS = "SELECT month, customer_id, event, status_before, status_after, reason FROM insiders.membership_events"


@pytest.fixture(scope="module")
def server(open_folder: Path) -> Iterator[str]:
    with tcp_postgres(open_folder / "programme") as url:
        yield url


@pytest.fixture(scope="module")
def home(server: str, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Home]:
    with shops.quick_folder() as folder:
        compiled = shops.compiled_by_numba(pytestconfig)
        home = new_home(folder, server, compiled, min_clusterable=20, history_months=2)
        home.run(*write_shop(SHOP, tmp_path_factory.mktemp("programme")))
        yield home


def statuses(home: Home) -> dict[str, dict[str, str]]:
    """Customer -> month -> status."""
    found: dict[str, dict[str, str]] = {}
    for month, customer, status in home.sql("SELECT month, customer_id, status FROM insiders.insiders_membership"):
        found.setdefault(customer, {})[f"{month:%Y-%m}"] = status
    return found


def test_every_check_of_the_programme_holds(home: Home) -> None:
    drift = "clustering_still_suggests_the_rule"
    assert {check for _, check in home.failing_checks()} <= {drift, "volume_is_as_usual", "members_share_is_as_usual"}


def test_the_rule_is_provisional_until_the_window_is_full(home: Home) -> None:
    found = home.sql(
        "SELECT DISTINCT month, rule_version, status FROM insiders.insiders_membership "
        "WHERE status IN ('provisional', 'member', 'grace') ORDER BY month"
    )
    assert {(version, status) for month, version, status in found if month == FIRST} == {
        ("candidate 2024-01", "provisional")
    }
    assert {version for month, version, _ in found if month > FIRST} == {"candidate 2024-02"}


def test_events_ranges_and_statuses_tell_the_same(home: Home) -> None:
    by_customer = statuses(home)
    expected = set()
    for customer, told in by_customer.items():
        before = "outside"
        for month in MONTHS:
            now = told.get(month, before)
            if now != before:
                expected.add((month, customer, before, now))
            before = now
    events = home.sql(EVENTS)
    assert {(f"{month:%Y-%m}", who, before, after) for month, who, _, before, after, _ in events} == expected
    assert len(events) == len(expected)
    assert all(reason for *_, reason in events)
    ranges = home.sql("SELECT customer_id, status, valid_from, valid_to FROM insiders.memberships")
    for customer, status, start, end in ranges:
        inside = [m for m in by_customer[customer] if f"{start:%Y-%m}" <= m and (not end or m <= f"{end:%Y-%m}")]
        assert {by_customer[customer][month] for month in inside} == {status}
    assert len(ranges) == len(events)


def test_the_cards_sql_gives_its_members(home: Home) -> None:
    for month, query, selected, exceptions_sql, exceptions in home.sql(
        "SELECT month, sql, selected, exceptions_sql, exceptions FROM insiders.programme_rule"
    ):
        assert len(home.sql(query)) == selected
        assert len(home.sql(exceptions_sql)) == exceptions, month


def test_the_movement_adds_up_to_everybody(home: Home) -> None:
    found = home.sql("SELECT month, segment_before, segment_now, customers FROM insiders.segment_movement")
    customers = dict(home.sql("SELECT month, count(*) FROM insiders.customer_features GROUP BY month"))
    before, now = Counter[dt.date](), Counter[dt.date]()
    for month, old, new, count in found:
        before[month] += count if old is not None else 0
        now[month] += count if new is not None else 0
    months = sorted(customers)
    assert {month: now[month] for month in months} == customers
    assert [before[month] for month in months[1:]] == [customers[month] for month in months[:-1]]


def test_the_pages_list_has_everybody_who_is_in_or_just_moved(home: Home) -> None:
    listed = home.sql(
        "SELECT month, customer_id, status, event, gross_revenue FROM insiders.page_members ORDER BY 1, 2"
    )
    expected = home.sql(
        "SELECT m.month, m.customer_id, m.status, m.event, f.gross_revenue FROM insiders.insiders_membership m "
        "LEFT JOIN insiders.customer_features f USING (month, customer_id) "
        "WHERE m.status IN ('provisional', 'member', 'grace') OR m.event IS NOT NULL ORDER BY 1, 2"
    )
    assert listed == expected
    assert listed
    holding = home.sql("SELECT rule_holds, reach FROM insiders.page_members WHERE reach IS NOT NULL")
    assert holding
    assert all(holds == (reach >= 1) for holds, reach in holding)


def test_sentences_are_told_in_both_languages(home: Home) -> None:
    for english, portuguese in (("needs", "needs_pt"), ("reason", "reason_pt"), ("moved_most", "moved_most_pt")):
        found = home.sql(
            f"SELECT {english}, {portuguese} FROM insiders.insiders_membership WHERE {english} IS NOT NULL"
        )
        assert found
        assert all(theirs and theirs != ours for ours, theirs in found if ours[0].isalpha()), english
    assert home.sql(
        "SELECT count(*) FROM insiders.insiders_membership WHERE (needs IS NULL) <> (needs_pt IS NULL)"
    ) == [(0,)]


def test_any_two_months_are_compared_and_add_up_to_everybody(home: Home) -> None:
    customers = dict(home.sql("SELECT month, count(*) FROM insiders.customer_segments GROUP BY month"))
    inside = dict(
        home.sql(
            "SELECT month, count(*) FROM insiders.insiders_membership "
            "WHERE status IN ('provisional', 'member', 'grace') GROUP BY month"
        )
    )
    found = home.sql(
        "SELECT month, month_before, sum(customers) FILTER (WHERE segment_now IS NOT NULL), "
        "sum(customers) FILTER (WHERE segment_before IS NOT NULL), "
        "coalesce(sum(customers) FILTER (WHERE inside_now), 0), "
        "coalesce(sum(customers) FILTER (WHERE inside_before), 0) "
        "FROM insiders.page_movement GROUP BY 1, 2"
    )
    months = sorted(customers)
    assert {(month, before) for month, before, *_ in found} == {(b, a) for b in months for a in months if a < b}
    for month, before, now, then, *members in found:
        assert (now, then) == (customers[month], customers[before])
        # Also those who have no line in the window any more.
        assert members == [inside.get(month, 0), inside.get(before, 0)]
    assert max(inside.values()) > 0


def test_the_reports_pictures_are_published_as_they_are(home: Home) -> None:
    found = home.sql("SELECT month, language, picture, form, content FROM insiders.page_pictures")
    with home.platform() as platform:
        for month in MONTHS:
            files = platform.lake.dataset(REPORT_FACTS, [f"{month}-01"]).versions[f"{month}-01"].files
            pictures = {name for name in files if name.endswith((".svg", ".png"))}
            mine = [row for row in found if f"{row[0]:%Y-%m}" == month]
            assert len(mine) == len(pictures)
            for _, language, name, form, content in mine:
                file = f"{month}.{name}.{form}" if language == "en" else f"{month}.{language}.{name}.{form}"
                drawn = platform.lake.read_file(files[file])
                assert drawn == (base64.b64decode(content) if form == "png" else content.encode())
    assert {"history", "lorenz", "embedding", "forecast"} <= {row[2] for row in found}


def test_the_programme_as_it_is_stands_among_the_trials(home: Home) -> None:
    found = home.sql(
        "SELECT t.month, t.members, p.members, t.revenue_share, p.revenue_share FROM insiders.page_trials t "
        "JOIN insiders.page_policies p ON p.month = t.month AND p.published WHERE t.kind = 'threshold' AND t.value = 1"
    )
    assert {month.month for month, *_ in found} == {2, 3, 4, 5}
    for _, members, policy_members, share, policy_share in found:
        assert members == policy_members
        assert share == pytest.approx(policy_share)


def test_what_runs_did_stands_in_the_warehouse(home: Home) -> None:
    made = home.sql("SELECT asset, partition, seconds, peak_mb, content_hash FROM insiders.page_assets")
    months = {(asset, month) for asset, month, *_ in made if asset != "landed_invoices"}
    assert months == {(asset, f"{month}-01") for asset in MONTHLY_TABLES for month in MONTHS}
    assert all(seconds is not None and peak > 0 for asset, _, seconds, peak, _ in made if asset != "landed_invoices")
    stands = {(f.table, f.month): f.content_hash for f in home.months()}
    told = {
        (MONTHLY_TABLES[asset].name, month[:7]): found for asset, month, *_, found in made if asset in MONTHLY_TABLES
    }
    assert told == stands
    checks = home.sql(
        "SELECT partition, count(*), count(*) FILTER (WHERE NOT passed) FROM insiders.page_checks GROUP BY 1"
    )
    assert {month[:7] for month, *_ in checks} >= set(MONTHS)
    assert {month[:7] for month, _, failing in checks if failing} == {month for month, _ in home.failing_checks()}


def test_a_run_is_written_once_whoever_looks(home: Home) -> None:
    before = home.sql("SELECT count(*), max(made_at) FROM insiders.run_assets")
    with open_instance(home.settings) as instance, home.platform() as platform:
        assert record_runs(platform, instance) == 0
        platform.warehouse.withdraw(RUN_CHECKS, home.sql("SELECT max(run_id) FROM insiders.run_checks")[0][0])
        assert record_runs(platform, instance) == 1
    assert home.sql("SELECT count(*), max(made_at) FROM insiders.run_assets") == before


def test_policies_are_compared_once_a_rule_is_in_force(home: Home) -> None:
    found = home.sql("SELECT month, policy, months, published FROM insiders.membership_policies")
    assert {month for month, *_ in found} == {dt.date(2024, number, 1) for number in range(2, 6)}
    assert {(month.month, months) for month, _, months, _ in found} == {(2, 0), (3, 1), (4, 2), (5, 3)}
    assert {policy for _, policy, _, published in found if published} == {"programme"}


def test_the_honest_proof_is_what_both_groups_did_in_the_month_that_followed(home: Home) -> None:
    found = home.sql(
        "SELECT origin, member_customers, member_mean, next_customers FROM insiders.group_comparisons "
        "WHERE month = DATE '2024-05-01' AND proof = 'next month' AND measure = 'net_revenue' ORDER BY origin"
    )
    assert [origin for origin, *_ in found] == [dt.date(2024, number, 1) for number in range(1, 5)]
    for origin, members, mean, others in found:
        ((counted, brought),) = home.sql(
            "SELECT count(DISTINCT m.customer_id), sum(p.gross_revenue - p.monetary_returns) "
            "FROM insiders.insiders_membership m LEFT JOIN insiders.customer_purchases p "
            "ON p.customer_id = m.customer_id AND p.month = m.month + INTERVAL '1 month' "
            f"WHERE m.month = DATE '{origin}' AND m.status IN ('provisional', 'member', 'grace')"
        )
        assert counted == members
        assert mean == pytest.approx(float(brought or 0) / members)
        assert 0 < others <= members


def test_in_a_trial_nobody_changes_arms_and_the_plan_is_that_of_the_month_before_s_members(home: Home) -> None:
    arms = home.sql(
        "SELECT customer_id, count(DISTINCT held), count(DISTINCT place) FROM insiders.holdout_assignment GROUP BY 1"
    )
    assert len(arms) > 5
    assert all(one[1:] == (1, 1) for one in arms)
    inside = "status IN ('provisional', 'member', 'grace')"
    plans = home.sql(
        "SELECT p.month, p.customers, (SELECT count(*) FROM insiders.insiders_membership m "
        f"WHERE m.month = p.month - INTERVAL '1 month' AND {inside}) FROM insiders.holdout_plan p "
        "WHERE p.estimator = 'raw' ORDER BY 1"
    )
    assert [month for month, *_ in plans] == [dt.date(2024, number, 1) for number in range(2, 6)]
    assert all(planned == members for _, planned, members in plans)


def test_every_action_has_its_list_and_its_money(home: Home) -> None:
    found = home.sql(
        "SELECT month, segment_id, state, customers, money, list_sql FROM insiders.marketing_actions "
        "ORDER BY month, segment_id, state, position"
    )
    assert found
    for month, segment, state, customers, money, query in found:
        listed = home.sql(query)
        assert len(listed) == customers >= 5
        assert float(sum(amount for _, amount, *_ in listed)) == pytest.approx(money, abs=0.01)
        of_segment = home.sql(
            "SELECT customer_id FROM insiders.customer_segments "
            f"WHERE month = DATE '{month}' AND segment_id = {segment}"
        )
        assert {who for who, *_ in listed} <= {who for (who,) in of_segment}
        assert state in ("in", "in grace", "out")
    groups = Counter((month, segment, state) for month, segment, state, *_ in found)
    assert max(groups.values()) <= 3


def test_the_executed_record_of_a_month_names_what_made_it(home: Home) -> None:
    place = home.folder / "reports" / "2024-05.trace.json"
    told = json.loads(place.read_text())
    hashes = {table: found for (month, table), found in home.hashes().items() if month == "2024-05"}
    assert {TABLES_BY_MONTH[name].name: one["content_hash"] for name, one in told["tables"].items()} == hashes
    assert told["last_run"]["libraries"]["scikit-learn"] == sklearn.__version__
    assert told["last_run"]["settings"]["history_months"] == 2
    assert home.settings.warehouse.get_secret_value() not in place.read_text()
    for asset, made in told["tables"].items():
        assert made["seconds"] >= 0, asset
        assert made["peak_mb"] > 0, asset
        assert made["checks"]["keeps_its_contract"] == "held", asset
    membership = told["tables"]["insiders_membership"]
    assert membership["checks"]["every_change_of_status_has_its_event"] == "held"
    assert set(membership["read"]["customer_features"]) == {f"{month}-01" for month in MONTHS}
    before = place.stat().st_mtime_ns
    home.run()
    assert place.stat().st_mtime_ns == before


def test_what_is_exported_adds_up_to_the_members(home: Home) -> None:
    said = insiders_here("export", "--home", home.folder, "--since", "2024-04-01")
    assert said.code == 0, said.err
    folder = home.folder / "exports" / "2024-05"
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in ("members", "audience_memberships")}
    events = pq.read_table(folder / "audience_events.parquet")
    assert tables["audience_memberships"].column_names == ["audience_id", "person_id"]
    assert events.column_names == ["audience_id", "person_id", "event_type", "timestamp"]
    assert {f"{moment:%Y-%m-%d %H:%M}" for moment in events["timestamp"].to_pylist()} <= {
        "2024-05-01 00:00",
        "2024-06-01 00:00",
    }
    inside = "SELECT customer_id FROM insiders.insiders_membership WHERE status IN ('provisional', 'member', 'grace')"
    before, now = ({who for (who,) in home.sql(f"{inside} AND month = DATE '2024-0{n}-01'")} for n in (3, 5))
    moved = {"enter": Counter[str](), "exit": Counter[str]()}
    for row in events.to_pylist():
        moved[row["event_type"]][row["person_id"]] += 1
    assert sum(moved["enter"].values()) - sum(moved["exit"].values()) == len(now) - len(before)
    assert {who for who in moved["enter"] if moved["enter"][who] > moved["exit"][who]} == now - before
    assert set(tables["audience_memberships"]["person_id"].to_pylist()) == now
    assert set(tables["members"]["customer_id"].to_pylist()) == now
    lines = (folder / "members.csv").read_text().splitlines()
    assert lines[0].split(",") == tables["members"].column_names
    assert len(lines) == len(now) + 1
    again = insiders_here("export", "--home", home.folder, "--to", home.folder / "elsewhere")
    assert again.code == 0
    everything = pq.read_table(home.folder / "elsewhere" / "audience_events.parquet")
    kinds = Counter(everything["event_type"].to_pylist())
    assert kinds["enter"] - kinds["exit"] == len(now)
    assert insiders_here("export", "--home", home.folder, "--since", "May").code == SETTINGS


def test_a_cell_that_a_spreadsheet_would_carry_out_is_made_harmless_in_csv_alone() -> None:
    ids = ["=1+1", "+44", "-5", "@name", "12583", "a=b", 'quote"d', "\u202eright to left", "\U0001f600"]
    rows = [{"person_id": one, "gross_revenue": Decimal(-5)} for one in ids]
    found = list(csv.DictReader(io.StringIO(as_csv(["person_id", "gross_revenue"], rows))))
    assert [row["person_id"] for row in found] == [*(f"'{one}" for one in ids[:4]), *ids[4:]]
    assert {row["gross_revenue"] for row in found} == {"-5"}
    # Where the comma is the decimal mark, a line is cut at semicolons too.
    assert as_csv(["person_id"], [{"person_id": "x;=1+1;y"}]) == "person_id\nx;'=1+1;y\n"
    kept = pq.read_table(io.BytesIO(as_parquet(["person_id", "gross_revenue"], rows)))
    assert as_parquet(["person_id", "timestamp"], []) != b""
    assert kept["person_id"].to_pylist() == ids


def test_a_published_rule_and_a_word_change_the_months_from_theirs_on(home: Home) -> None:
    before = home.hashes()
    outsider = home.sql(
        "SELECT customer_id FROM insiders.insiders_membership WHERE month = DATE '2024-05-01' AND since IS NULL LIMIT 1"
    )[0][0]
    (home.folder / "programme.toml").write_text(
        '[[rules]]\nversion = "own"\nfrom = "2024-04"\nrule = "purchases >= 2"\n'
        f'[[overrides]]\ncustomer = "{outsider}"\ndo = "include"\nreason = "press partner"\nfrom = "2024-05"\n'
    )
    due = {(one.month, one.table) for one in home.months() if one.state == "due"}
    assert {month for month, _ in due} == {"2024-04", "2024-05"}
    home.run()
    after = home.hashes()
    changed = {place for place in before if before[place] != after[place]}
    assert {month for month, _ in changed} == {"2024-04", "2024-05"}
    assert "customer_consensus" not in {table for _, table in changed}
    said = home.sql(
        "SELECT status, event, reason, rule_version, rule FROM insiders.insiders_membership "
        f"WHERE month = DATE '2024-05-01' AND customer_id = '{outsider}'"
    )
    (standing,) = said
    assert standing[0] in ("member", "grace")
    assert standing[3:] == ("own", "purchases >= 2")


def test_a_word_on_a_customer_whom_nobody_knows_makes_no_member(home: Home) -> None:
    programme = home.folder / "programme.toml"
    kept = programme.read_text()
    word = '[[overrides]]\ncustomer = "mistyped"\ndo = "include"\nreason = "typed by hand"\nfrom = "2024-05"\n'
    programme.write_text(kept + word)
    home.run()
    assert home.sql("SELECT count(*) FROM insiders.insiders_membership WHERE customer_id = 'mistyped'") == [(0,)]
    assert [one.outcome for one in home.told if "mistyped" in one.outcome] != []
    programme.write_text(kept)
    home.run()


def test_a_programme_that_cannot_be_is_told_and_changes_nothing(home: Home) -> None:
    before = home.hashes()
    (home.folder / "programme.toml").write_text('[[rules]]\nversion = "x"\nfrom = "2024-04"\nrule = "items > 3"\n')
    with pytest.raises(SettingsError, match=r"programme.toml: rules.1.rule: 'items > 3' is no rule") as refused:
        home.run()
    assert "README" in str(refused.value)
    examined = insiders_here("doctor", "--home", home.folder)
    assert examined.code == 1
    assert "'items > 3' is no rule" in examined.out
    (home.folder / "programme.toml").unlink()
    home.run()
    assert {place for place, found in home.hashes().items() if place[0] < "2024-04" and before[place] != found} == set()


def test_a_month_is_compared_where_it_is_asked_for(home: Home) -> None:
    with pytest.raises(MissingMonthError, match="2023-01 is not made yet"):
        compare(home.settings, dt.date(2023, 1, 1), lambda _: None)
    page = compare(home.settings, dt.date(2024, 5, 1), lambda _: None)
    assert page is not None
    text = page.read_text()
    assert "Ward" in text
    assert text.count("data:image/png") == 4
    spaces = home.sql("SELECT space FROM insiders.embedding_spaces WHERE month = DATE '2024-05-01' ORDER BY space")
    assert [name for (name,) in spaces] == ["PCA", "UMAP", "t-SNE", "tree embedding"]
    trials = home.sql("SELECT count(*), count(*) FILTER (WHERE preferred) FROM insiders.clusterer_trials")
    assert trials[0][0] > 40
    assert trials[0][1] == 1
