"""What the database's errors mean to the person who can act, without its password and without anybody's rows.

Belongs here: from a psycopg error to one of ours, and words for a database. Does not belong here: SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import psycopg

from insiders_assets.errors import BusyError, ContractError, InputError, InsidersError, StorageError, UnreachableError

# libpq gives no code for a refused connection, only words.
REFUSALS = (
    ("Connection refused", "nothing listens there", "Start the database server, or correct host and port"),
    ("No such file or directory", "no server runs there", "Start the database server, or correct the host"),
    ("password authentication failed", "it refuses user or password", "Correct user and password"),
    ("no password supplied", "it wants a password", "Add the password"),
    ("database .* does not exist", "it has no such database", "Create the database, or correct its name"),
    ("role .* does not exist", "it has no such user", "Create the user, or correct the name"),
    ("no pg_hba.conf entry", "it does not admit this user from here", "Have the server's administrator admit it"),
    ("timeout|timed out", "it does not answer in time", "See whether host, network and firewall let you through"),
    ("resolve|translate host name|Name or service", "there is no such host", "Correct the host's name"),
    ("too many clients|remaining connection slots", "it has no connection left", "Try again later"),
    ("the database system is", "it is just starting or stopping", "Try again in a minute"),
)


def redacted(url: str) -> str:
    """The URL without its password; rather too little of an odd URL than a part of a password."""
    without = re.sub(r"(?<=://)([^:@/?]*):.*@", r"\1@", url, flags=re.DOTALL)
    return re.sub(r"(?i)([?&](?:ssl)?password=)[^&]*", r"\1", without)


def place(connection_info: Mapping[str, Any]) -> str:
    """A database in words: name, host, port, user."""
    host = connection_info.get("host") or connection_info.get("hostaddr") or "this machine"
    at = f"in {host}" if str(host).startswith("/") else f"on {host}, port {connection_info.get('port') or 5432}"
    user = connection_info.get("user")
    name = connection_info.get("dbname") or user or "(unnamed)"
    return f"database {name} {at}" + (f", user {user}" if user else "")


def connection_error(error: psycopg.Error, connection_info: Mapping[str, Any]) -> UnreachableError:
    """The error for a connection that did not come about."""
    for pattern, cause, remedy in REFUSALS:
        if re.search(pattern, str(error)):
            return UnreachableError(
                f"The warehouse ({place(connection_info)}) cannot be reached: {cause}.",
                f"{remedy} (INSIDERS_WAREHOUSE).",
            )
    words = _without_password(str(error).strip().splitlines()[-1], connection_info)
    return UnreachableError(f"The warehouse ({place(connection_info)}) cannot be reached: {words}.")


def database_error(error: psycopg.Error, doing: str, connection_info: Mapping[str, Any]) -> InsidersError:
    """The error for a transaction that was rolled back; only the primary message: the details name rows."""
    state = error.sqlstate or ""
    where = place(connection_info)
    words = _without_password(error.diag.message_primary or str(error).strip(), connection_info)
    failed = f"The warehouse ({where}) failed at {doing}"
    unchanged = "Nothing is left half done there."
    if state == "53100" or "No space left on device" in words:
        return StorageError(f"{failed}: its disk is full.", f"Make room on the disk of the database. {unchanged}")
    if state == "55P03":
        return BusyError(f"{failed}: somebody else has been at the same thing for minutes.", f"Try again. {unchanged}")
    if state[:2] in ("08", "53", "57") or (not state and isinstance(error, psycopg.OperationalError)):
        return UnreachableError(f"{failed}: {words}.", f"Try again when it answers. {unchanged}")
    if state[:2] == "23":
        return ContractError(f"{failed}: {words}.", f"The rows break the table's key or nulls. {unchanged}")
    if state == "22021" or "0x00" in words:
        return StorageError(
            f"{failed}: a text has a NUL character, which PostgreSQL cannot keep.", f"Take it out. {unchanged}"
        )
    if state == "42P01":
        return StorageError(f"{failed}: {words}.", "The table was never prepared, or somebody dropped it.")
    if state == "42501":
        return StorageError(f"{failed}: {words}.", f"Grant the user that right, or let another publish. {unchanged}")
    if state == "25006":
        return StorageError(f"{failed}: the database is read only.", f"Name the primary server. {unchanged}")
    return StorageError(f"{failed}: {words}.", unchanged)


def query_error(error: psycopg.Error, statement: str, timeout_seconds: float) -> InputError | None:
    """The error for a query that the person who wrote it can correct; None if the trouble is not the query's."""
    state = error.sqlstate or ""
    if state == "57014":
        return InputError(f"The query took longer than {timeout_seconds:g} seconds.", "Narrow it, or allow more time.")
    if state == "25006" or (state == "42501" and "COPY" in str(error)):
        return InputError(f"A query may only read: {error.diag.message_primary}.")
    if state == "42601" and "multiple commands" in str(error):
        return InputError("There is more than one statement.", "Ask one query at a time.")
    if state[:2] in ("08", "53", "57") or (not state and isinstance(error, psycopg.OperationalError)):
        return None
    words = error.diag.message_primary or str(error).strip()
    return InputError(f"PostgreSQL: {words}{_position(error, statement)}.", error.diag.message_hint or "")


def _position(error: psycopg.Error, statement: str) -> str:
    if not error.diag.statement_position:
        return ""
    before = statement[: int(error.diag.statement_position) - 1]
    return f" (line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))})"


def _without_password(words: str, connection_info: Mapping[str, Any]) -> str:
    password = connection_info.get("password")
    return words.replace(str(password), "…") if password else words
