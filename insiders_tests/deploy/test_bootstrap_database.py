"""The databases of production, their roles, and who may enter which: on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from pathlib import Path

import psycopg
import pytest

from insiders_assets.storage.warehouse_schema import prepare_schema
from insiders_tests.deploy.scripts import as_master, log_in, needs_psql, run_script, stand_in, well
from insiders_tests.deploy.units import DEPLOY


@needs_psql
def test_two_databases_whose_roles_cannot_enter_each_other(empty_server: dict[str, str]) -> None:
    said = well("bootstrap-database", said="dagster's word\ninsiders' $word\n", **empty_server)
    assert "no role rds_iam" in said and "word" not in said.replace("password", "")
    for role, password in (("dagster", "dagster's word"), ("insiders", "insiders' $word")):
        with log_in(empty_server, role, password, role) as connection:
            connection.execute("CREATE TABLE of_mine (number int)")
        other = {"dagster": "insiders", "insiders": "dagster"}[role]
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            log_in(empty_server, role, password, other)


@needs_psql
def test_run_again_it_sets_the_password_anew_and_leaves_what_is_there(empty_server: dict[str, str]) -> None:
    well("bootstrap-database", said="the first word\nof insiders\n", **empty_server)
    with log_in(empty_server, "dagster", "the first word", "dagster") as connection:
        connection.execute("CREATE TABLE of_mine (number int)")
    # The secret of Secrets Manager, as it is.
    said = well("bootstrap-database", said=json.dumps({"password": "the second word", "port": 1}), **empty_server)
    assert "were there" in said and "was given no password" in said
    with log_in(empty_server, "dagster", "the second word", "dagster") as connection:
        connection.execute("SELECT FROM of_mine")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        log_in(empty_server, "dagster", "the first word", "dagster")
    log_in(empty_server, "insiders", "of insiders", "insiders").close()


@pytest.fixture
def landlord(empty_server: dict[str, str]) -> dict[str, str]:
    """A master as on RDS: no superuser, but it may let others into rds_iam."""
    with as_master(empty_server) as owner:
        owner.execute("CREATE ROLE rds_iam")
        owner.execute("CREATE ROLE landlord LOGIN CREATEROLE CREATEDB PASSWORD 'landlord'")
        owner.execute("GRANT rds_iam TO landlord WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    return {**empty_server, "PGUSER": "landlord", "PGPASSWORD": "landlord"}


def _members(server: dict[str, str], *roles: str) -> set[tuple[str, str]]:
    """Who belongs to these roles, with whatever option: RDS asks for none."""
    with as_master(server) as owner:
        found = owner.execute(
            "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members"
            " WHERE roleid::regrole::text = ANY(%s)",
            [list(roles)],
        )
        return set(found.fetchall())  # type: ignore[arg-type]


# The landlord's is the test's own: on RDS the master may grant it without belonging to it.
IN_RDS_IAM = {("rds_iam", "insiders"), ("rds_iam", "landlord")}


@needs_psql
def test_where_iam_logs_in_the_master_stays_out_of_it(landlord: dict[str, str], empty_server: dict[str, str]) -> None:
    for word in ("first", "second"):
        assert "logs in by IAM" in well("bootstrap-database", said=f"{word}\n", **landlord)
        assert _members(empty_server, "insiders", "rds_iam") == IN_RDS_IAM
    with as_master(empty_server) as owner:
        owners = dict(
            owner.execute("SELECT datname, rolname FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba").fetchall()
        )
        assert owner.execute("SELECT FROM pg_roles WHERE rolname = 'insiders_maker'").fetchone() is None
    assert (owners["insiders"], owners["dagster"]) == ("insiders", "dagster")
    log_in(empty_server, "dagster", "second", "dagster").close()


@needs_psql
@pytest.mark.parametrize("until", range(1, 7))
def test_interrupted_wherever_the_master_stays_out_of_it(
    landlord: dict[str, str], empty_server: dict[str, str], until: int
) -> None:
    steps = [
        ("landlord", "CREATE ROLE insiders_maker CREATEROLE"),
        ("landlord", "GRANT insiders_maker TO CURRENT_USER"),
        ("insiders_maker", "CREATE ROLE insiders LOGIN"),
        ("insiders_maker", "GRANT insiders TO SESSION_USER"),
        ("landlord", "CREATE DATABASE insiders"),
        ("landlord", "ALTER DATABASE insiders OWNER TO insiders"),
    ]
    with log_in(empty_server, "landlord", "landlord", "postgres") as interrupted:
        for role, step in steps[:until]:
            interrupted.execute(f"SET ROLE {role}")  # type: ignore[arg-type]
            interrupted.execute(step)  # type: ignore[arg-type]
    well("bootstrap-database", said="a word\n", **landlord)
    assert _members(empty_server, "insiders", "rds_iam") == IN_RDS_IAM


@needs_psql
def test_a_role_that_belongs_to_the_master_does_not_join_those_whom_iam_logs_in(
    landlord: dict[str, str], empty_server: dict[str, str]
) -> None:
    with log_in(empty_server, "landlord", "landlord", "postgres") as by_hand:
        by_hand.execute("CREATE ROLE insiders LOGIN")
    refused = run_script("bootstrap-database", said="a word\n", **landlord)
    assert refused.returncode != 0 and "does not join rds_iam" in refused.stderr
    assert ("rds_iam", "insiders") not in _members(empty_server, "rds_iam")


@needs_psql
@pytest.mark.parametrize("master", ["owner", "landlord"])
def test_insiders_can_become_somebody_who_only_reads(
    request: pytest.FixtureRequest, empty_server: dict[str, str], master: str
) -> None:
    server = request.getfixturevalue("landlord") if master == "landlord" else empty_server
    for _ in range(2):
        well("bootstrap-database", said="a word\n", **server)
    assert ("insiders_reader", "insiders") in _members(empty_server, "insiders_reader")
    with as_master(empty_server) as owner:
        owner.execute("ALTER ROLE insiders PASSWORD 'insiders'")
        assert owner.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'insiders_reader'").fetchone() == (
            False,
        )
    with log_in(empty_server, "insiders", "insiders", "insiders") as connection:
        connection.execute("CREATE TABLE of_mine (number int)")
        connection.execute("GRANT SELECT ON of_mine TO insiders_reader")
        connection.execute("SET ROLE insiders_reader")
        connection.execute("SELECT FROM of_mine")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO of_mine VALUES (1)")


@needs_psql
@pytest.mark.parametrize("master", ["owner", "landlord"])
def test_a_tool_of_ones_own_comes_in_as_the_runbook_says_and_only_reads(
    request: pytest.FixtureRequest, empty_server: dict[str, str], master: str
) -> None:
    server = request.getfixturevalue("landlord") if master == "landlord" else empty_server
    well("bootstrap-database", said="a word\n", **server)
    (made,) = re.findall(r"`(CREATE ROLE metabase [^`]+)`", (DEPLOY / "README.md").read_text("utf-8"))
    with as_master(server) as by_master:
        by_master.execute(made.replace("'…'", "'of metabase'"))
    with as_master(empty_server) as owner:
        owner.execute("ALTER ROLE insiders PASSWORD 'insiders'")
    with log_in(empty_server, "insiders", "insiders", "insiders") as connection:
        # As the first run does.
        prepare_schema(connection, [])
    with log_in(empty_server, "metabase", "of metabase", "insiders") as connection:
        connection.execute("SELECT FROM insiders.published_versions")
        for change in ("DELETE FROM insiders.published_versions", "CREATE TABLE insiders.mine (number int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(change)  # type: ignore[arg-type]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        log_in(empty_server, "metabase", "of metabase", "dagster")


@needs_psql
def test_without_a_password_nothing_is_made(empty_server: dict[str, str]) -> None:
    for said in ("", "\n", "{}", "péssword\n"):
        assert run_script("bootstrap-database", said=said, **empty_server).returncode == 1
    with as_master(empty_server) as master:
        assert master.execute("SELECT count(*) FROM pg_roles WHERE rolname = 'dagster'").fetchone() == (0,)


@needs_psql
def test_the_password_itself_is_never_sent(empty_server: dict[str, str]) -> None:
    with as_master(empty_server) as master:
        master.execute("ALTER ROLE owner SET log_min_duration_statement = 0")
    spy = shutil.which("psql")
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / uuid.uuid4().hex
    folder.mkdir()
    try:
        stand_in(folder, "psql", f'tee "{folder}/sent" | exec {spy} "$@"\necho "$@" >> "{folder}/sent"')
        well("bootstrap-database", said="a word to look for\nand another\n", path=folder, **empty_server)
        sent = (folder / "sent").read_text()
        assert "SCRAM-SHA-256$4096:" in sent and "a word to" not in sent and "another" not in sent
    finally:
        shutil.rmtree(folder)
