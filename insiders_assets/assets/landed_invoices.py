"""landed_invoices [file version]: a file of the landing zone, parsed into good lines by month, and quarantine.

Belongs here: landing one file version. Does not belong here: overlap between files and cleaning rules
(:mod:`.raw_invoices`), which follow from all files together.
"""

import datetime as dt
import getpass
import hashlib
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from insiders_assets.assets.monthly import CONTRACT_CHECK, OWNERS, column_schema, shown_as_table
from insiders_assets.assets.platform import Platform
from insiders_assets.contracts.lines import LANDED_FILES, LANDED_LINES, QUARANTINE, QUARANTINE_COUNTS
from insiders_assets.contracts.table import Table, content_hash
from insiders_assets.errors import InputError, LostMonthError
from insiders_assets.partitions import last_closed_month
from insiders_assets.storage.ledger import FileVersion, Ledger, Part, change_ledger
from insiders_assets.storage.objects import FolderStore
from insiders_assets.storage.warehouse import PublishedVersion
from insiders_assets.storage.warehouse_schema import SCHEMA

FILE_VERSIONS_NAME = "file_versions"
FILE_VERSIONS = dg.DynamicPartitionsDefinition(name=FILE_VERSIONS_NAME)
VERSION_DIGITS = 12
# Version and rows of what the ledger says of a file, by its key.
FilesToShow = dict[str, tuple[str, list[dict[str, Any]]]]


class LandingConfig(dg.Config):
    """What a person says of a file that cannot prove it itself."""

    date_format: str | None = None
    decimal_mark: str | None = None


def version_name(file_key: str, sha256: str) -> str:
    """The name of a file version: its key and the first twelve digits of its content's hash."""
    return f"{file_key}@{sha256[:VERSION_DIGITS]}"


@dg.asset(
    partitions_def=FILE_VERSIONS,
    required_resource_keys={"platform"},
    group_name="lines",
    kinds={"parquet", "postgres"},
    owners=OWNERS,
    check_specs=[
        dg.AssetCheckSpec(
            CONTRACT_CHECK,
            asset="landed_invoices",
            description="Every good line keeps the contract; the others are in quarantine, and lines in = good + "
            "quarantined. Otherwise nothing is landed.",
        )
    ],
    metadata={
        "dagster/column_schema": column_schema(LANDED_LINES),
        "dagster/table_name": f"{SCHEMA}.{LANDED_FILES.name}",
    },
)
def landed_invoices(context: dg.AssetExecutionContext, config: LandingConfig) -> dg.MaterializeResult:
    """One version of a file of the landing zone: every line is either good, in one layout, or in quarantine with its
    reason; each keeps its file and line number. The ledger says which versions count; it is published as landed_files
    and quarantine_counts."""
    platform: Platform = context.resources.platform
    landed = land(platform, context.partition_key, config.date_format, config.decimal_mark)
    context.log.info(f"{landed.file_key}: {landed.good_lines:,} good lines, {landed.quarantined_lines:,} quarantined")
    stored = sum(part.lines for part in landed.months.values())
    return dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(
                passed=landed.lines == stored + landed.quarantined_lines,
                check_name=CONTRACT_CHECK,
                metadata={"lines": landed.lines, "good": stored, "quarantined": landed.quarantined_lines},
            )
        ],
        metadata={
            "layout": landed.layout,
            "dagster/row_count": landed.good_lines,
            "quarantined": landed.quarantined_lines,
            "quarantined by reason": shown_as_table(
                [{"reason": reason, "lines": lines} for reason, lines in landed.reasons.items()]
            ),
            "first date": landed.first_date or "none",
            "last date": landed.last_date or "none",
            "months": len(landed.months),
        },
    )


def land(platform: Platform, file_version: str, date_format: str | None, decimal_mark: str | None) -> FileVersion:
    """Parse a file version, write its parts, and only then enter it in the ledger and publish its rows.

    Raises
    ------
    InputError: the file cannot be used, has changed since, or breaks the contract in too many lines.
    """
    from insiders_assets.domain.layouts import encodings, is_known
    from insiders_assets.domain.parsing import parse_file
    from insiders_assets.storage.source_files import read_source

    key = file_version.rpartition("@")[0]
    layouts = platform.settings.layouts
    # Before the content is read: should it be written again meanwhile, the new ETag is one that nobody has seen.
    seen = platform.landing.stat(key)
    with local_file(platform, key) as (path, sha256):
        if version_name(key, sha256) != file_version:
            raise InputError(f"{key} has changed since this version was seen.", "Land it again under its new content.")
        sheets = read_source(path, encodings(layouts), lambda header: is_known(header, layouts))
        parsed = parse_file(
            sheets,
            layouts,
            file_name=key,
            file_version=file_version,
            date_format=date_format,
            decimal_mark=decimal_mark,
        )
    good, quarantined = parsed.good, parsed.quarantined
    reasons = Counter(quarantined["reason"].to_pylist())
    refuse_too_many_bad_lines(key, reasons, good.num_rows, platform.settings.max_quarantined_share)
    first, last = _span(good)
    new = FileVersion(
        file_version=file_version,
        file_key=key,
        sha256=sha256,
        layout=parsed.layout_name,
        profile=parsed.profile,
        landed_by=getpass.getuser(),
        landed_at=platform.lake.clock().isoformat(timespec="seconds"),
        lines=good.num_rows + quarantined.num_rows,
        good_lines=good.num_rows,
        quarantined_lines=quarantined.num_rows,
        reasons=dict(reasons.most_common()),
        quarantine_path=platform.lake.write(QUARANTINE, file_version, quarantined).path,
        first_date=first,
        last_date=last,
        months=_write_parts(platform, file_version, good),
        etag=seen.etag if seen else None,
    )
    closed = last_closed_month(platform.lake.clock().date())
    publish_ledger(platform, change_ledger(platform.lake, lambda book: _with_landed(book, new, closed)), [key])
    return new


def refused_version(
    platform: Platform, file_key: str, sha256: str, etag: str, why: str, under: str | None = None
) -> FileVersion:
    """A file version that cannot be used, why, and under which settings (None: under any)."""
    return FileVersion(
        file_version=version_name(file_key, sha256),
        file_key=file_key,
        sha256=sha256,
        layout="",
        profile=None,
        landed_by=getpass.getuser(),
        landed_at=platform.lake.clock().isoformat(timespec="seconds"),
        lines=0,
        good_lines=0,
        quarantined_lines=0,
        reasons={},
        quarantine_path="",
        first_date=None,
        last_date=None,
        etag=etag,
        refused=why,
        refused_under=under,
    )


def refuse(platform: Platform, refused: Sequence[FileVersion]) -> None:
    """Enter in the ledger, in one change, versions that cannot be used: none is looked at again until it changes."""

    def with_all(book: Ledger) -> Ledger:
        for one in refused:
            book = book.with_refused(one)
        return book

    publish_ledger(platform, change_ledger(platform.lake, with_all), [one.file_key for one in refused])


def _with_landed(book: Ledger, new: FileVersion, closed: dt.date) -> Ledger:
    """The ledger with a new version of a file.

    Raises
    ------
    LostMonthError: a month that has closed would lose all its lines. A shop that calls each month's export `export.csv`
        would otherwise replace the month before with every new one. (Lines dated in the future are a mistake that a
        new version corrects.)
    """
    after = book.with_landed(new)
    lost = {month for month in book.months() if month <= closed.isoformat()} - {*after.months(), *book.declared_empty}
    if lost:
        months = ", ".join(month[:7] for month in sorted(lost))
        raise LostMonthError(
            f"{new.file_key} would replace the file of the same name, which alone holds lines of {months}; "
            "the new one has none. Nothing was landed.",
            "If both are right, give the new file a name of its own. If the old one was wrong, say so with "
            f"`insiders retire {new.file_key}`, and land the new one after that. If {min(lost)[:7]} really has no "
            f"sales: `insiders declare-empty {min(lost)[:7]}`.",
        )
    return after


def in_utf8(name: str) -> str:
    """A name as a database takes it: bytes that are no text, as a file system may have them, are spelled out."""
    return name.encode("utf-8", "backslashreplace").decode()


@contextmanager
def local_file(platform: Platform, key: str) -> Iterator[tuple[Path, str]]:
    """A file of the landing zone as a local path (downloaded where the zone is a bucket), and its SHA-256."""
    store = platform.landing
    if isinstance(store, FolderStore):
        path = Path(store.root, key)
        if not path.exists():
            raise InputError(f"{path} is not in the landing zone any more.", "Bring it again with `insiders run`.")
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as wrong:
            remedy = "Give this user the right to read it."
            raise InputError(f"{path} cannot be read ({wrong.strerror}).", remedy) from None
        yield path, sha256
        return
    content = store.read(key)
    if content is None:
        raise InputError(f"{store.location}/{key} is not in the landing zone any more.", "Upload it again.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(key).name)
        path.write_bytes(content)
        yield path, hashlib.sha256(content).hexdigest()


def refuse_too_many_bad_lines(key: str, reasons: Mapping[str, int], good: int, max_share: float) -> None:
    """Raise InputError, with the ten commonest reasons, where a file has too many lines that cannot be used."""
    bad = sum(reasons.values())
    if bad > max_share * (bad + good):
        commonest = "; ".join(f"{reason} ({lines:,})" for reason, lines in Counter(reasons).most_common(10))
        raise InputError(
            f"{key}: {bad:,} of {bad + good:,} lines cannot be used ({bad / (bad + good):.0%}; "
            f"at most {max_share:.0%} is accepted): {commonest}.",
            "Correct the file, describe its layout, or set INSIDERS_MAX_QUARANTINED_SHARE. Nothing was landed.",
        )


def publish_ledger(platform: Platform, ledger: Ledger, file_keys: Sequence[str] | None = None) -> None:
    """Show readers what the ledger says of some files or of every file; what they have already is left alone."""
    for table, lacking in ledger_that_readers_lack(platform.warehouse.published(), ledger, file_keys):
        platform.warehouse.prepare([table])
        # Validated together: there may be thousands of files.
        all_rows = [row for _, rows in lacking.values() for row in rows]
        valid = table.validate(pa.Table.from_pylist(all_rows, schema=table.arrow_schema))
        for scope, (version, _) in lacking.items():
            data = valid.filter(pc.equal(valid[table.scope], scope))
            platform.warehouse.publish(table, scope, data, version=version, content_hash=content_hash(table, data))


def ledger_that_readers_lack(
    published: Mapping[tuple[str, str], PublishedVersion], ledger: Ledger, file_keys: Sequence[str] | None = None
) -> list[tuple[Table, FilesToShow]]:
    """What the ledger says and readers lack of some files or of every file, by table and file."""
    files: dict[str, list[FileVersion]] = defaultdict(list)
    wanted = None if file_keys is None else set(file_keys)
    for file in ledger.files:
        if wanted is None or file.file_key in wanted:
            files[in_utf8(file.file_key)].append(file)
    found: list[tuple[Table, FilesToShow]] = []
    for table, rows_of in ((LANDED_FILES, _file_rows), (QUARANTINE_COUNTS, _count_rows)):
        lacking: FilesToShow = {}
        for scope, versions in sorted(files.items()):
            rows = rows_of(versions)
            version = hashlib.sha256(json.dumps(rows, default=str, sort_keys=True).encode()).hexdigest()[:16]
            there = published.get((table.name, scope))
            if (there is None or there.version != version) and (rows or there):
                lacking[scope] = version, rows
        if lacking:
            found.append((table, lacking))
    return found


def _file_rows(versions: Sequence[FileVersion]) -> list[dict[str, Any]]:
    return [_ledger_row(file) for file in versions]


def _count_rows(versions: Sequence[FileVersion]) -> list[dict[str, Any]]:
    return [
        {"file_version": file.file_version, "reason": reason, "file_key": in_utf8(file.file_key), "lines": lines}
        for file in versions
        for reason, lines in file.reasons.items()
    ]


def _ledger_row(landed: FileVersion) -> dict[str, Any]:
    def date(text: str | None) -> dt.date | None:
        return dt.date.fromisoformat(text) if text else None

    def moment(text: str | None) -> dt.datetime | None:
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC).replace(tzinfo=None) if text else None

    return {
        **{name: getattr(landed, name) for name in LANDED_FILES.arrow_schema.names},
        "file_key": in_utf8(landed.file_key),
        "file_version": in_utf8(landed.file_version),
        "refused": in_utf8(landed.refused) if landed.refused else None,
        "landed_at": moment(landed.landed_at),
        "retired_at": moment(landed.retired_at),
        "first_date": date(landed.first_date),
        "last_date": date(landed.last_date),
        "months": len(landed.months),
        "acts": "; ".join(landed.acts),
    }


def _span(good: pa.Table) -> tuple[str | None, str | None]:
    if not good.num_rows:
        return None, None
    bounds = pc.min_max(good["invoiced_at"]).as_py()
    return bounds["min"].date().isoformat(), bounds["max"].date().isoformat()


def _write_parts(platform: Platform, file_version: str, good: pa.Table) -> dict[str, Part]:
    months = pc.floor_temporal(good["invoiced_at"], unit="month").cast(pa.date32())
    parts = {}
    for month in sorted(pc.unique(months).to_pylist()):
        lines = LANDED_LINES.validate(good.filter(pc.equal(months, pa.scalar(month, pa.date32()))))
        version = platform.lake.write(LANDED_LINES, f"{file_version}/{month}", lines)
        parts[month.isoformat()] = Part(version.path, version.rows, version.content_hash)
    return parts
