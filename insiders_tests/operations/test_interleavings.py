"""However landing, rewriting, retiring and making months follow each other: in the end stands what a fresh home gives.

The files of a tiny shop exist in a few contents each. A sequence of acts leaves some of them counting; one run after
it, every table of every month must have the hash and the rows of a home that was only ever given those.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from insiders_assets.errors import MissingMonthError
from insiders_assets.settings import load_settings
from insiders_assets.storage.ledger import declare_empty
from insiders_tests.operations import shops
from insiders_tests.operations.shops import Hashes, Home, Rows, new_home, write_lines
from insiders_tests.servers import tcp_postgres

pytestmark = pytest.mark.usefixtures("plain_environment")

MONTHS = {"first_month": "2024-01", "last_month": "2024-02"}
JANUARY, FEBRUARY, BOTH = "january.csv", "february.csv", "both.csv"
# A line: invoice, customer, month, day, quantity.
Line = tuple[int, int, int, int, int]
OVERLAP: list[Line] = [(500, 1, 1, 28, 3), (500, 1, 1, 28, 3), (501, 2, 1, 30, 4)]
CONTENTS: Mapping[str, list[list[Line]]] = {
    JANUARY: [
        [*((100 + i, 1 + i % 4, 1, 2 + 3 * i, 1 + i) for i in range(8)), *OVERLAP],
        [*((100 + i, 1 + i % 4, 1, 2 + 3 * i, 2 + i) for i in range(7)), *OVERLAP[1:]],
    ],
    FEBRUARY: [
        [(200 + i, 1 + i % 5, 2, 1 + 4 * i, 2) for i in range(6)],
        [*((200 + i, 1 + i % 5, 2, 1 + 4 * i, 2) for i in range(5)), (299, 3, 2, 27, -1)],
    ],
    # Nine days around the turn of the month, some lines of them in another file too.
    BOTH: [
        [*OVERLAP, (600, 6, 2, 3, 2), (601, 1, 2, 14, 5)],
        [*OVERLAP, OVERLAP[-1], (600, 6, 2, 3, 2)],
    ],
}

Act = tuple[str, str, int]
FILES = st.sampled_from(sorted(CONTENTS))
ACTS = st.one_of(
    st.tuples(st.just("bring"), FILES, st.integers(0, 1)),
    st.tuples(st.just("drop"), FILES, st.integers(0, 1)),
    st.tuples(st.just("retire"), FILES, st.just(0)),
    st.just(("run", "", 0)),
)


def write_content(folder: Path, name: str, content: int) -> Path:
    lines = [
        [
            *(f"{'C' if quantity < 0 else ''}{number}", "22423", "CAKESTAND", quantity, f"{month}/{day}/2024 10:00"),
            *("2.55", 12000 + customer, "France"),
        ]
        for number, customer, month, day, quantity in CONTENTS[name][content]
    ]
    return write_lines(folder / name, lines)


@dataclass
class Shop:
    """A home, and what should count there: the content of each file, those that were retired, those not yet seen."""

    home: Home
    folder: Path
    counting: dict[str, int] = field(default_factory=dict)
    retired: set[tuple[str, int]] = field(default_factory=set)
    unseen: dict[str, int] = field(default_factory=dict)

    def bring(self, name: str, content: int) -> None:
        """A person lands a file: what counts already is left alone, what was retired counts again."""
        self.home.land(write_content(self.folder, name, content))
        if self.counting.get(name) != content:
            self.counts(name, content)
            self.unseen.pop(name, None)

    def counts(self, name: str, content: int) -> None:
        self.counting[name] = content
        self.retired = {one for one in self.retired if one[0] != name}

    def drop(self, name: str, content: int) -> None:
        """A file is written into the landing zone; the next run sees it."""
        write_content(self.home.folder / "landing", name, content)
        self.unseen[name] = content

    def retire(self, name: str) -> None:
        if name in self.counting:
            self.home.retire(name)
            self.retired.add((name, self.counting.pop(name)))

    def run(self) -> str:
        """Bring every month up; gives the sentence of the refusal where a month has no file."""
        for name, content in self.unseen.items():
            # What was retired does not count again because it lies there, unless another content has counted since.
            if (name, content) not in self.retired:
                self.counts(name, content)
        self.unseen.clear()
        try:
            self.home.run()
        except MissingMonthError as missing:
            return str(missing)
        assert self.home.stands()
        return ""

    def do(self, act: Act) -> None:
        kind, name, content = act
        if kind == "bring":
            self.bring(name, content)
        elif kind == "drop":
            self.drop(name, content)
        elif kind == "retire":
            self.retire(name)
        else:
            self.run()

    def settle(self) -> None:
        """Bring every month up, whatever it takes: months without a file are declared empty."""
        if self.run():
            with self.home.platform() as platform:
                book = platform.ledger()
                for month in ("2024-01-01", "2024-02-01"):
                    if book.is_missing(month):
                        declare_empty(platform.lake, shops.month_of(month))
            assert self.run() == ""


@dataclass
class Yard:
    """Where homes are made, and what fresh ones gave, by the contents that counted."""

    folder: Path
    server: str
    given: dict[frozenset[tuple[str, int]], tuple[Hashes, Rows]] = field(default_factory=dict)

    def shop(self) -> Shop:
        home = new_home(self.folder, self.server, **MONTHS)
        (home.folder / "landing").mkdir()
        return Shop(home, Path(tempfile.mkdtemp(dir=self.folder)))

    def fresh(self, counting: Mapping[str, int]) -> tuple[Hashes, Rows]:
        """Hashes and rows of a home that was given only these files, all at once and the last name first."""
        contents = frozenset(counting.items())
        if contents not in self.given:
            shop = self.shop()
            for name, content in sorted(contents, reverse=True):
                shop.drop(name, content)
            shop.settle()
            self.given[contents] = shop.home.hashes(), shop.home.published_rows()
        return self.given[contents]


@pytest.fixture(scope="module")
def yard(open_folder: Path) -> Iterator[Yard]:
    with shops.quick_folder() as folder, tcp_postgres(open_folder / "interleavings") as server:
        yield Yard(folder, server)


def ends_as_a_fresh_home(yard: Yard, acts: list[Act]) -> None:
    shop = yard.shop()
    for act in acts:
        shop.do(act)
    if not shop.counting and not shop.unseen:
        shop.bring(BOTH, 0)
    shop.settle()
    assert {file.file_key for file in shop.home.ledger().live} == set(shop.counting)

    hashes, rows = yard.fresh(shop.counting)
    assert shop.home.stands()
    assert shop.home.hashes() == hashes
    assert shop.home.published_rows() == rows
    # And nothing is left to do.
    shop.home.settings = load_settings(shop.home.folder)
    shop.home.run()
    assert {one.outcome for one in shop.home.told} == {"up to date"}


SEQUENCES = st.lists(ACTS, min_size=3, max_size=6)
CHECKED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]}


@settings(max_examples=1, derandomize=True, **CHECKED)
@given(acts=SEQUENCES)
@example(
    acts=[
        ("bring", BOTH, 0),
        ("drop", JANUARY, 0),
        ("run", "", 0),
        ("drop", JANUARY, 1),
        ("bring", FEBRUARY, 1),
        ("retire", BOTH, 0),
        ("drop", BOTH, 0),
    ]
)
def test_a_few_interleavings_end_as_a_fresh_home(acts: list[Act], yard: Yard) -> None:
    ends_as_a_fresh_home(yard, acts)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=60, **CHECKED)
@given(acts=st.lists(ACTS, min_size=3, max_size=12))
def test_any_interleaving_ends_as_a_fresh_home(acts: list[Act], yard: Yard) -> None:
    ends_as_a_fresh_home(yard, acts)
