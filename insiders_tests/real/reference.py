"""The real shop in homes of the reference's recipe: what the tests of its last month share with those of its year.

Belongs here: making such a home, and asking it. Does not belong here: what should come of it.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from insiders_assets.assets.platform import Platform
from insiders_assets.contracts.report import REPORT_FACTS
from insiders_assets.operations.running import Progress, Wanted, run
from insiders_assets.operations.status import TableStatus, status
from insiders_assets.partitions import key_of, month_range
from insiders_assets.reporting.files import file_of
from insiders_assets.settings import PREFIX, Settings, load_settings
from insiders_assets.storage.embedded_postgres import EmbeddedPostgres
from insiders_tests.operations.shops import environment_as_before

FIRST, MONTH = dt.date(2010, 12, 1), dt.date(2011, 12, 1)
TODAY = dt.date(2012, 1, 2)
MONTHS = month_range(FIRST, MONTH)

FEATURES = "insiders.customer_features f"
LABELS = "JOIN insiders.cluster_labels l ON l.month = f.month AND l.customer_id = f.customer_id"
IN_MONTH = f"f.month = DATE '{MONTH}'"
RULE = "f.clusterable AND f.items_purchased >= 2759"
TOP = "l.cluster_rank = 1"


@dataclass
class Reference:
    """A home of the real shop, and what its commands have told."""

    settings: Settings
    platform: Platform
    told: list[Progress] = field(default_factory=list)

    def run(self, wanted: Wanted) -> None:
        self.told.clear()
        self.settings = run(self.settings, wanted, TODAY, self.told.append)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.platform.warehouse.query(sql).rows

    def one(self, sql: str) -> Any:
        ((value,),) = self.rows(sql)
        return value

    def over_features(self, select: str, where: str = "TRUE") -> Any:
        return self.one(f"SELECT {select} FROM {FEATURES} {LABELS} WHERE {IN_MONTH} AND {where}")

    def all_sales(self, column: str) -> Decimal:
        """Of the thirteen months, guests included."""
        return self.one(
            f"SELECT sum({column}) FROM insiders.month_totals "
            f"WHERE month BETWEEN DATE '{FIRST}' AND DATE '{MONTH}' AND bucket NOT LIKE 'dropped%'"
        )

    def customers(self, where: str) -> set[str]:
        found = self.rows(f"SELECT f.customer_id FROM {FEATURES} {LABELS} WHERE {IN_MONTH} AND {where}")
        return {row[0] for row in found}

    def fact(self, key: str) -> float:
        return self.one(f"SELECT value FROM insiders.report_facts WHERE month = DATE '{MONTH}' AND key = '{key}'")

    def document(self, language: str, form: str) -> bytes:
        (content,) = self.files(REPORT_FACTS, file_of(MONTH, language, form)).values()
        return content

    def status(self) -> list[TableStatus]:
        return status(self.platform, TODAY)

    def hashes(self) -> dict[tuple[str, str], str]:
        return {(one.month, one.table): one.content_hash for one in self.status()}

    def files(self, table: Any, *names: str) -> dict[str, bytes]:
        kept = self.platform.lake.dataset(table, [key_of(MONTH)])
        return {name: kept.file(name) for name in names}


@contextmanager
def empty_home(open_folder: Path) -> Iterator[Settings]:
    """A home of the reference's recipe without a line; its server is up, so that no command need start it."""
    with environment_as_before(), pytest.MonkeyPatch.context() as environment:
        environment.setenv(f"{PREFIX}RECIPE", "reference")
        # Spaces are compared, and the consensus is measured, by tests of their own.
        environment.setenv(f"{PREFIX}COMPARE", "asked")
        environment.setenv(f"{PREFIX}PROGRAMME_FITS", "3")
        parent = Path(tempfile.mkdtemp(dir=open_folder))
        parent.chmod(0o755)
        home = parent / "home"
        home.mkdir()
        with EmbeddedPostgres(home).running():
            yield load_settings(home)


def every_fact_is_what_its_sql_gives(reference: Reference, month: dt.date) -> None:
    """Of a month, on PostgreSQL."""
    facts = reference.rows(
        f"SELECT key, value, sql FROM insiders.report_facts WHERE month = DATE '{month}' ORDER BY position"
    )
    assert len(facts) > 50
    for key, value, sql in facts:
        answer = reference.rows(sql)
        found = None if not answer or answer[0][0] is None else float(answer[0][0])
        assert len(answer) <= 1, key
        assert found == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)), key
