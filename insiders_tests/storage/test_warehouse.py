"""The warehouse: what readers see is whole, what was refused changed nothing, and errors name what to do."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from insiders_assets.contracts.table import (
    DATE,
    FLAG,
    MONEY,
    QUANTITY,
    REAL,
    TEXT,
    TIMESTAMP,
    WHOLE,
    Column,
    Table,
)
from insiders_assets.errors import ContractError, InputError, SettingsError, StorageError, UnreachableError
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_assets.storage.warehouse import Warehouse, redacted
from insiders_tests.servers import free_port, tcp_postgres

JANUARY, FEBRUARY = dt.date(2011, 1, 1), dt.date(2011, 2, 1)
MONTH = Column("month", DATE, "First day of the month.", key=True)
NUMBER = Column("number", WHOLE, "A number.", key=True)
WORD = Column("word", TEXT, "A word.", nullable=True)
WORDS = Table("words", "Words of a month.", (MONTH, NUMBER, WORD))
KINDS = Table(
    "kinds",
    "One column of each type; the description has a 'quote' and 100 %.",
    (
        MONTH,
        NUMBER,
        Column("text", TEXT, "Text.", nullable=True),
        Column("money", MONEY, "Money.", nullable=True),
        Column("quantity", QUANTITY, "Quantity.", nullable=True),
        Column("real", REAL, "Real.", nullable=True),
        Column("flag", FLAG, "Flag.", nullable=True),
        Column("moment", TIMESTAMP, "Moment.", nullable=True),
        Column("day", DATE, "Day.", nullable=True),
    ),
)


@pytest.fixture(scope="module")
def embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("warehouse") / "home")
    with server.running() as url:
        yield url
    server.remove()


@pytest.fixture(scope="module")
def tcp_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with tcp_postgres(tmp_path_factory.mktemp("tcp")) as url:
        yield url


@pytest.fixture(params=["embedded_url", "tcp_url"])
def url(request: pytest.FixtureRequest) -> str:
    """A database without our schema."""
    url: str = request.getfixturevalue(request.param)
    with psycopg.connect(url) as connection:
        connection.execute("DROP SCHEMA IF EXISTS insiders CASCADE")
    return url


@pytest.fixture
def warehouse(url: str) -> Warehouse:
    warehouse = Warehouse(url)
    warehouse.prepare([WORDS])
    return warehouse


@pytest.fixture
def one_warehouse(embedded_url: str) -> Warehouse:
    """For what does not depend on the way to the server."""
    with psycopg.connect(embedded_url) as connection:
        connection.execute("DROP SCHEMA IF EXISTS insiders CASCADE")
    warehouse = Warehouse(embedded_url)
    warehouse.prepare([WORDS])
    return warehouse


def words(month: dt.date, *of_it: str | None) -> pa.Table:
    rows = [{"month": month, "number": number, "word": word} for number, word in enumerate(of_it)]
    return pa.Table.from_pylist(rows, schema=WORDS.arrow_schema)


def publish(warehouse: Warehouse, data: pa.Table, version: str, month: dt.date = JANUARY) -> bool:
    return warehouse.publish(WORDS, month, data, version=version, content_hash=f"hash of {version}")


def rows(warehouse: Warehouse, statement: str = "SELECT word FROM words ORDER BY month, number") -> list[tuple]:
    return warehouse.query(statement).rows


def test_a_month_is_replaced_and_the_others_stay(warehouse: Warehouse) -> None:
    assert publish(warehouse, words(JANUARY, "one", "two"), "1")
    assert publish(warehouse, words(FEBRUARY, "three"), "1", FEBRUARY)
    assert publish(warehouse, words(JANUARY, "four"), "2")
    assert rows(warehouse) == [("four",), ("three",)]
    assert rows(warehouse, "SELECT word FROM current_words") == [("three",)]


def test_the_same_version_is_published_once(warehouse: Warehouse) -> None:
    assert publish(warehouse, words(JANUARY, "one"), "1")
    noted = warehouse.published()
    assert not publish(warehouse, words(JANUARY, "other"), "1")
    assert rows(warehouse) == [("one",)]
    assert warehouse.published() == noted


def test_what_is_published_is_known_by_table_and_scope(warehouse: Warehouse) -> None:
    publish(warehouse, words(JANUARY, "one", "two"), "1")
    publish(warehouse, words(JANUARY), "2")
    publish(warehouse, words(FEBRUARY, "three"), "1", FEBRUARY)
    assert set(warehouse.published()) == {("words", "2011-01-01"), ("words", "2011-02-01")}
    january = warehouse.published("words")["words", "2011-01-01"]
    assert (january.version, january.content_hash, january.rows) == ("2", "hash of 2", 0)
    assert abs(dt.datetime.now(dt.UTC) - january.published_at) < dt.timedelta(minutes=5)
    assert warehouse.published("unknown") == {}


def test_a_database_that_was_never_prepared_has_nothing_published(url: str) -> None:
    assert Warehouse(url).published() == {}
    with pytest.raises(StorageError, match="never prepared"):
        publish(Warehouse(url), words(JANUARY, "one"), "1")


def test_every_type_comes_back_as_it_was(url: str) -> None:
    warehouse = Warehouse(url)
    warehouse.prepare([KINDS])
    moment = dt.datetime(2011, 1, 31, 23, 59, 59, 999999)  # noqa: DTZ001
    texts = ["", " ", "NULL", r"\N", "\\.", "a\n\\.\nb", "tab\tquote\"s'\\ back\r\n", "ünïcode 漢字 🎁", ",;|", None]
    sent = [
        {
            "month": JANUARY,
            "number": number,
            "text": text,
            "money": Decimal("-12345678901234.5678") if number % 2 else None,
            "quantity": Decimal("0.0001"),
            "real": [0.1, -1e308, 5e-324, float("inf"), None][number % 5],
            "flag": [True, False, None][number % 3],
            "moment": moment if number % 2 else None,
            "day": dt.date(1, 1, 1) if number % 2 else dt.date(9999, 12, 31),
        }
        for number, text in enumerate(texts)
    ]
    warehouse.publish(
        KINDS, JANUARY, pa.Table.from_pylist(sent, schema=KINDS.arrow_schema), version="1", content_hash="1"
    )
    answer = warehouse.query("SELECT * FROM kinds ORDER BY number")
    assert answer.columns == tuple(column.name for column in KINDS.columns)
    assert [dict(zip(answer.columns, row, strict=True)) for row in answer.rows] == sent


def test_a_scope_may_be_a_text(one_warehouse: Warehouse) -> None:
    files = Table(
        "files",
        "Files.",
        (Column("version", TEXT, "Version.", key=True), Column("file", TEXT, "Its 'name'.")),
        scope="file",
    )
    one_warehouse.prepare([files])
    data = pa.table({"version": ["a", "b"], "file": ["it's", "it's"]}, schema=files.arrow_schema)
    one_warehouse.publish(files, "it's", data, version="1", content_hash="1")
    assert one_warehouse.published()["files", "it's"].rows == 2
    assert rows(one_warehouse, "SELECT to_regclass('current_files')::text") == [(None,)]


def test_rows_of_another_month_are_refused(one_warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="not of month 2011-01-01"):
        publish(one_warehouse, pa.concat_tables([words(JANUARY, "one"), words(FEBRUARY, "two")]), "1")
    with pytest.raises(ValueError, match="columns"):
        publish(one_warehouse, words(JANUARY, "one").drop_columns(["word"]), "1")


def test_a_refused_month_leaves_the_old_one(warehouse: Warehouse) -> None:
    publish(warehouse, words(JANUARY, "old"), "1")
    many = [f"new {number}" for number in range(50_000)]
    with pytest.raises(StorageError, match="NUL"):
        publish(warehouse, words(JANUARY, *many, "with \x00 inside"), "2")
    secret = words(JANUARY, "secret")
    with pytest.raises(ContractError, match=r"words_pkey") as twice:
        publish(warehouse, pa.concat_tables([secret, secret]), "2")
    assert "secret" not in str(twice.value)
    assert rows(warehouse) == [("old",)]
    assert warehouse.published()["words", "2011-01-01"].version == "1"


def test_a_connection_lost_in_the_middle_leaves_the_old_month(one_warehouse: Warehouse, embedded_url: str) -> None:
    publish(one_warehouse, words(JANUARY, "old"), "1")
    with psycopg.connect(embedded_url) as reader, ThreadPoolExecutor(1) as thread:
        reader.execute("LOCK TABLE insiders.words IN EXCLUSIVE MODE")
        publishing = thread.submit(publish, one_warehouse, words(JANUARY, "new"), "2")
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'relation'"
        while reader.execute(kill).fetchone() is None:
            reader.execute("SELECT pg_stat_clear_snapshot()")
        with pytest.raises(UnreachableError, match="publishing words, month 2011-01-01"):
            publishing.result()
    assert rows(one_warehouse) == [("old",)]


def test_two_months_can_be_published_at_once(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(2) as threads:
        done = threads.map(lambda m: publish(warehouse, words(m, *["word"] * 5000), "1", m), [JANUARY, FEBRUARY])
        assert list(done) == [True, True]
    assert rows(warehouse, "SELECT month, count(*) FROM words GROUP BY 1 ORDER BY 1") == [
        (JANUARY, 5000),
        (FEBRUARY, 5000),
    ]


def test_the_same_month_published_at_once_is_one_of_both_and_whole(warehouse: Warehouse) -> None:
    together = threading.Barrier(4)

    def race(version: str) -> bool:
        together.wait()
        return publish(warehouse, words(JANUARY, *[version] * 5000), version)

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(race, ["a", "a", "b", "b"]))
    assert 2 <= sum(done) <= 4
    assert rows(warehouse, "SELECT word, count(*) FROM words GROUP BY 1") == [
        (warehouse.published()["words", "2011-01-01"].version, 5000)
    ]


def test_a_reader_sees_only_whole_months_while_a_writer_republishes(warehouse: Warehouse, url: str) -> None:
    publish(warehouse, words(JANUARY, *["0"] * 2000), "0")
    finished = threading.Event()

    def read() -> set[tuple]:
        seen = set()
        with psycopg.connect(url, autocommit=True) as connection:
            while not finished.is_set():
                seen.add(tuple(connection.execute("SELECT count(*), min(word), max(word) FROM insiders.words")))
        return seen

    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(read)
        for round_ in range(1, 11):
            publish(warehouse, words(JANUARY, *[str(round_)] * (2000 + round_)), str(round_))
        finished.set()
        for ((count, least, most),) in reading.result():
            assert least == most
            assert count == 2000 + int(least)


def test_two_hundred_thousand_rows_of_twenty_columns_take_seconds(one_warehouse: Warehouse) -> None:
    size = 200_000
    columns = [MONTH, NUMBER]
    columns += [Column(f"text_{i}", TEXT, "Text.") for i in range(6)]
    columns += [Column(f"money_{i}", MONEY, "Money.") for i in range(6)]
    columns += [Column(f"real_{i}", REAL, "Real.", nullable=True) for i in range(6)]
    wide = Table("wide", "Wide.", tuple(columns))
    draw = np.random.default_rng(1)
    values = {
        TEXT: pa.array(draw.integers(0, 10**6, size)).cast(TEXT),
        MONEY: pa.array(draw.integers(-(10**6), 10**6, size)).cast(pa.decimal128(19, 0)).cast(MONEY),
        REAL: pa.array(draw.normal(size=size)),
        DATE: pa.array([JANUARY]).take(pa.array(np.zeros(size, dtype=int))),
        WHOLE: pa.array(range(size)),
    }
    data = pa.table({column.name: values[column.type] for column in columns})
    one_warehouse.prepare([wide])
    started = time.perf_counter()
    one_warehouse.publish(wide, JANUARY, data, version="1", content_hash="1")
    seconds = time.perf_counter() - started
    print(f"published 200,000 rows x 20 columns in {seconds:.2f} s")
    assert one_warehouse.query("SELECT count(*) FROM wide").rows == [(size,)]
    assert seconds < 30  # 2 s alone on a small machine; the bound allows for a busy one


def test_preparing_twice_or_at_once_changes_nothing(url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: Warehouse(url).prepare([WORDS, KINDS]), range(4)))
    warehouse = Warehouse(url)
    publish(warehouse, words(JANUARY, "one"), "1")
    warehouse.prepare([WORDS, KINDS])
    assert rows(warehouse, "SELECT word FROM current_words") == [("one",)]


def test_contracts_become_typed_tables_with_their_words(one_warehouse: Warehouse) -> None:
    one_warehouse.prepare([KINDS])
    described = rows(
        one_warehouse,
        """SELECT attname::text, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum)
           FROM pg_attribute WHERE attrelid = 'insiders.kinds'::regclass AND attnum > 0 ORDER BY attnum""",
    )
    assert described == [
        ("month", "date", True, "First day of the month."),
        ("number", "bigint", True, "A number."),
        ("text", "text", False, "Text."),
        ("money", "numeric(18,4)", False, "Money."),
        ("quantity", "numeric(18,4)", False, "Quantity."),
        ("real", "double precision", False, "Real."),
        ("flag", "boolean", False, "Flag."),
        ("moment", "timestamp without time zone", False, "Moment."),
        ("day", "date", False, "Day."),
    ]
    assert rows(one_warehouse, "SELECT obj_description('kinds'::regclass)") == [(KINDS.description,)]
    assert rows(one_warehouse, "SELECT obj_description('published_versions'::regclass) IS NOT NULL") == [(True,)]
    assert rows(
        one_warehouse,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'kinds'::regclass AND contype = 'p'",
    ) == [("PRIMARY KEY (month, number)",)]


def test_a_new_nullable_column_is_added_and_views_survive(warehouse: Warehouse, url: str) -> None:
    publish(warehouse, words(JANUARY, "one"), "1")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE VIEW insiders.of_an_analyst AS SELECT word FROM insiders.current_words")
    tone = Column("tone", TEXT, "How it sounds.", nullable=True)
    grown = Table("words", "Words of a month.", (MONTH, tone, NUMBER, WORD))
    warehouse.prepare([grown])
    data = words(FEBRUARY, "two").append_column("tone", pa.array(["high"]))
    warehouse.publish(grown, FEBRUARY, data, version="1", content_hash="1")
    assert rows(warehouse, "SELECT number, word, tone FROM words ORDER BY month") == [
        (0, "one", None),
        (0, "two", "high"),
    ]
    assert rows(warehouse, "SELECT tone FROM current_words") == [("high",)]
    assert rows(warehouse, "SELECT * FROM of_an_analyst") == [("two",)]
    assert rows(warehouse, "SELECT col_description('words'::regclass, 4)") == [("How it sounds.",)]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ((MONTH, NUMBER), "word.*not in the contract"),
        ((MONTH, NUMBER, WORD, Column("new", TEXT, "New.")), "new.*missing"),
        ((MONTH, NUMBER, Column("word", REAL, "A word.", nullable=True)), "word.*is text.*double precision"),
        ((MONTH, NUMBER, Column("word", TEXT, "A word.")), "word.*may be null"),
        ((MONTH, Column("number", WHOLE, "A number."), WORD), "number.*primary key"),
    ],
)
def test_any_other_difference_is_refused_with_its_remedy(
    one_warehouse: Warehouse, columns: tuple[Column, ...], said: str
) -> None:
    publish(one_warehouse, words(JANUARY, "one"), "1")
    other = Table("another", "Another.", (MONTH,))
    with pytest.raises(StorageError, match=rf"(?s){said}.*DROP TABLE insiders.words"):
        one_warehouse.prepare([other, Table("words", "Words.", columns)])
    assert rows(one_warehouse) == [("one",)]
    assert rows(one_warehouse, "SELECT to_regclass('another')::text") == [(None,)]


def test_a_table_that_was_dropped_is_published_again(one_warehouse: Warehouse, embedded_url: str) -> None:
    publish(one_warehouse, words(JANUARY, "one"), "1")
    with psycopg.connect(embedded_url) as connection:
        connection.execute("DROP TABLE insiders.words CASCADE")
    one_warehouse.prepare([WORDS])
    assert one_warehouse.published() == {}
    assert publish(one_warehouse, words(JANUARY, "one"), "1")
    assert rows(one_warehouse, "SELECT word FROM current_words") == [("one",)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM words",
        "DROP TABLE words",
        "WITH gone AS (DELETE FROM words RETURNING *) SELECT * FROM gone",
        "SELECT 1; DELETE FROM words",
        "SELECT 1; COMMIT; DELETE FROM words",
        "COMMIT",
        "SET TRANSACTION READ WRITE",
        "SET SESSION AUTHORIZATION DEFAULT",
        "DO $$ BEGIN DELETE FROM words; END $$",
        "COPY words TO PROGRAM 'cat > /dev/null'",
        "COPY words TO STDOUT",
        "COPY words FROM STDIN",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT nextval('missing')",
        "",
        "-- nothing",
    ],
)
def test_a_query_only_reads(warehouse: Warehouse, statement: str) -> None:
    publish(warehouse, words(JANUARY, "one"), "1")
    with pytest.raises(InputError):
        warehouse.query(statement)
    assert rows(warehouse) == [("one",)]


def test_a_wrong_query_is_answered_with_the_place_of_the_mistake(one_warehouse: Warehouse) -> None:
    with pytest.raises(InputError, match=r'column "wrod" does not exist \(line 2, column 2\).*words.word'):
        one_warehouse.query("SELECT\n wrod FROM words")
    with pytest.raises(InputError, match="more than one statement"):
        one_warehouse.query("SELECT 1; SELECT 2")
    with pytest.raises(InputError, match=r"longer than 0\.1 seconds"):
        one_warehouse.query("SELECT pg_sleep(30)", timeout_seconds=0.1)


def test_a_query_may_have_a_limit_a_percent_sign_and_no_rows(one_warehouse: Warehouse) -> None:
    publish(one_warehouse, words(JANUARY, *"abc"), "1")
    first = one_warehouse.query("SELECT word FROM words ORDER BY number;", limit=2)
    assert (first.rows, first.truncated) == ([("a",), ("b",)], True)
    everything = one_warehouse.query("SELECT word FROM words", limit=3)
    assert (len(everything.rows), everything.truncated) == (3, False)
    endless = one_warehouse.query("SELECT generate_series(1, 1000000000)", limit=1)
    assert endless.truncated
    nothing = one_warehouse.query("SELECT word, number FROM words WHERE word LIKE '%s%'")
    assert (nothing.columns, nothing.rows) == (("word", "number"), [])


def test_a_database_that_cannot_be_reached_is_named_without_its_password(tcp_url: str, tmp_path: Path) -> None:
    Warehouse(tcp_url).check()
    Warehouse(tcp_url.replace("postgresql://", "postgres://")).check()
    port = urlsplit(tcp_url).port
    wrong = {
        f"postgresql://owner:s3cret@127.0.0.1:{port}/shop": "refuses user or password",
        tcp_url.replace("/shop", "/nothing"): "no such database",
        f"postgresql://owner:s3cret@127.0.0.1:{free_port()}/shop": "nothing listens",
        "postgresql://owner:s3cret@no-such-host.invalid/shop": "no such host",
        f"postgresql://owner:s3cret@/shop?host={tmp_path}": "no server runs",
    }
    for url, said in wrong.items():
        with pytest.raises(UnreachableError, match=f"database (shop|nothing) .*{said}") as unreachable:
            Warehouse(url).check()
        assert "s3cret" not in str(unreachable.value)
        assert "p@ss" not in str(unreachable.value)


def test_an_address_that_is_none_is_refused_without_repeating_it() -> None:
    for url in ["mysql://u:s3cret@h/d", "s3cret", "postgresql://u:s3cret@h:port%zz/d", "postgresql://h/d?s3cret=1"]:
        with pytest.raises(SettingsError) as refused:
            Warehouse(url)
        assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:s3cret@h:5432/d", "postgresql://u@h:5432/d"),
        ("postgres://u@h/d", "postgres://u@h/d"),
        ("postgresql://h:5432/d", "postgresql://h:5432/d"),
        ("postgresql://u:s3cret#/?@s3cret@h/d", "postgresql://u@h/d"),
        ("postgresql://u@/d?host=/tmp&password=s3cret&port=1", "postgresql://u@/d?host=/tmp&password=&port=1"),
    ],
)
def test_a_redacted_address_has_no_password(url: str, shown: str) -> None:
    assert redacted(url) == shown
    if "#" not in url:
        assert "s3cret" not in repr(Warehouse(url))
