"""The command line `insiders`: reads arguments, calls one function of :mod:`insiders_assets.operations`, prints.

Belongs here: arguments, tables, exit codes. Does not belong here: anything that a test could not call without a
terminal.
"""

from __future__ import annotations

import csv
import datetime as dt
import errno
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from insiders_assets import cli_services
from insiders_assets.errors import GapError, InsidersError, MissingMonthError, SettingsError, StorageError
from insiders_assets.operations.quiet import ignore_warnings, nothing_said_of_interrupts
from insiders_assets.partitions import last_closed_month, month_asked_for
from insiders_assets.settings import Settings, load_settings
from insiders_assets.terminal import err, out, print_line, print_table

if TYPE_CHECKING:
    from insiders_assets.operations.running import Progress
    from insiders_assets.storage.engine import Answer
    from insiders_assets.storage.warehouse import Result

app = typer.Typer(
    name="insiders",
    help="From a shop's raw invoices to a loyalty programme: who is in, why, what they are worth, what comes next.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(cli_services.app)
INTERRUPTED = 130
# What a disk or its rights refuse, wherever it happens.
REFUSED_BY_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
Home = Annotated[
    Path | None, typer.Option(help="Where lake, database and settings live (INSIDERS_HOME; default .insiders).")
]
# Not `readable`: what is wrong with a file is said where it is landed.
Data = Annotated[
    list[Path] | None,
    typer.Option(help="Invoice files: csv, csv.gz, xlsx, parquet; several allowed.", readable=False),
]
More = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE", help="More files, as --data folder/* gives.", readable=False)
]


def main() -> None:
    """Run a command; an error that a person can mend is one sentence on stderr and an exit code of its kind."""
    ignore_warnings()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal may be Latin-1
    try:
        with nothing_said_of_interrupts():
            code = app(standalone_mode=False) or 0
        if code == INTERRUPTED:  # what Typer makes of KeyboardInterrupt
            print_line("insiders: interrupted. What was finished stays; the same command goes on from there.", err)
        sys.exit(code)
    except InsidersError as wrong:
        sys.exit(_refuse(wrong))
    except OSError as wrong:
        if wrong.errno not in REFUSED_BY_DISK:
            raise
        problem = f"{wrong.filename or 'A file of the home'} cannot be written or read: {wrong.strerror}."
        sys.exit(_refuse(StorageError(problem, "Free some space, or give this user its rights; then run again.")))
    except Exception as usage:
        if not hasattr(usage, "show"):
            raise
        usage.show()
        sys.exit(getattr(usage, "exit_code", 2))


@app.command()
def demo(home: Home = None) -> None:
    """Make the sample shop, materialise every month, and show what came out."""
    from insiders_assets.operations.demonstrating import demonstrate

    _show_summary(demonstrate(load_settings(home), _today(), _tell))


@app.command()
def run(
    data: Data = None,
    more: More = None,
    first: Annotated[str | None, typer.Option("--from", help="First month wanted, YYYY-MM.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last month wanted, YYYY-MM.")] = None,
    date_format: Annotated[str | None, typer.Option(help='Form of dates, such as "%d/%m/%Y %H:%M".')] = None,
    decimal_mark: Annotated[str | None, typer.Option(help='"." or "," where the file does not prove it.')] = None,
    again: Annotated[bool, typer.Option("--again", help="Make the wanted months again, even if they stand.")] = False,
    home: Home = None,
) -> None:
    """Land files, bring the wanted months up (and the earlier ones they need), and show what came out."""
    files = [*(data or []), *(more or [])]
    settings = load_settings(home) if files or _something_waits(home) else _existing_home(home)
    if first and last and month_asked_for(first) > month_asked_for(last):
        raise SettingsError(f"--from {first} is after --to {last}.", "Exchange them.")
    if decimal_mark not in (None, ".", ","):
        raise SettingsError(f"--decimal-mark {decimal_mark!r} is no decimal mark.", 'Write "." or ",".')
    if date_format is not None and "%" not in date_format:
        raise SettingsError(f"--date-format {date_format!r} is no date format.", 'Write one as "%d/%m/%Y %H:%M".')
    from insiders_assets.operations.running import Wanted
    from insiders_assets.operations.running import run as run_months

    wanted = Wanted(
        files=files,
        first=month_asked_for(first) if first else None,
        last=month_asked_for(last) if last else None,
        date_format=date_format,
        decimal_mark=decimal_mark,
        again=again,
    )
    try:
        settings = run_months(settings, wanted, _today(), _tell)
    except GapError:
        _show_summary(load_settings(home), wanted.last)
        raise
    _show_summary(settings, wanted.last)


@app.command()
def fetch(home: Home = None, to: Annotated[Path | None, typer.Option(help="Folder for the file.")] = None) -> None:
    """Download the UCI "Online Retail" set (541,909 invoice lines, CC BY 4.0) and verify its content."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from insiders_assets.operations.fetching import fetch as fetch_file

    folder = to or load_settings(home).home / "downloads"
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("Online Retail", total=None)
        path = fetch_file(folder, progress=lambda done, total: bar.update(task, completed=done, total=total))
    print_line(str(path))
    print_line(f"Next: insiders run --data {shlex.quote(str(path))}")


@app.command()
def serve(
    home: Home = None,
    port: Annotated[int | None, typer.Option(help="Port of the web page; default 3000 or any free one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    dashboard_port: Annotated[int | None, typer.Option(help="Of the dashboard; default 8501 or any free one.")] = None,
) -> None:
    """Start the dashboard, Dagster's web page and its daemon on the home; Ctrl-C stops them."""
    from insiders_assets.operations.serving import serving

    with serving(load_settings(home), port, host, dashboard_port) as served:
        out.print(f"The dashboard is at {served.dashboard}")
        out.print(f"The web page is at {served.url} (Ctrl-C stops both); their words stand in {served.log}.")
        served.wait()


@app.command()
def status(
    home: Home = None, as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False
) -> None:
    """Per month and table: content hash, rows, and whether it stands, is due, missing or not published; and what waits,
    was refused, or is held."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.status import as_records
    from insiders_assets.operations.status import status as status_of

    with open_platform(_existing_home(home)) as platform:
        found = status_of(platform, _today())
    if as_json:
        print(json.dumps(as_records(found), indent=1))
    elif not found:
        out.print("Nothing was landed yet: insiders run --data FILE")
    else:
        rows = [
            (one.month, one.table, one.state, f"{one.rows:>9,}", one.content_hash[:16], one.reason) for one in found
        ]
        print_table(rows, ("month", "table", "state", "rows", "content hash", "why"))


@app.command()
def sql(
    query: str,
    home: Home = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, for another program.")] = False,
    as_known_at: Annotated[
        str | None, typer.Option(help="Read the months as they were known then: 2011-12-05, or 2011-12-05T10:30 (UTC).")
    ] = None,
) -> None:
    """Read the warehouse: one SELECT; tables stand in schema `insiders`, the last month in `current_…` views."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.as_known import parse_moment, query_as_known_at

    with open_platform(_existing_home(home)) as platform:
        result: Answer | Result = (
            query_as_known_at(platform, query, parse_moment(as_known_at))
            if as_known_at is not None
            else platform.warehouse.query(query)
        )
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(result.columns)
        writer.writerows(result.rows)
        sys.stdout.flush()  # here, where Typer takes a reader that has gone away for the end
    else:
        print_table((["" if value is None else value for value in row] for row in result.rows), result.columns)


@app.command()
def export(
    since: Annotated[str, typer.Option(help="Events later than 00:00 of this day, YYYY-MM-DD.")] = "0001-01-01",
    to: Annotated[Path | None, typer.Option(help="Folder for the files; else `exports` in the home.")] = None,
    home: Home = None,
) -> None:
    """Write the members, and who came and went, as CSV and Parquet; in the columns of audience tools too."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.exporting import export as write_files

    try:
        day = dt.date.fromisoformat(since)
    except ValueError:
        raise SettingsError(f"--since {since!r} is no day.", "Write one as 2011-11-30.") from None
    with open_platform(_existing_home(home)) as platform:
        for path, rows in write_files(platform, day, to).items():
            print_line(f"{path}  {rows:,} rows")


@app.command()
def doctor(home: Home = None) -> None:
    """What is configured, what answers, what is missing, and what to do; exit code 1 if something is wrong."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.doctor import WRONG, examine

    with open_platform(load_settings(home)) as platform:
        findings = examine(platform, _today())
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        print_line(f"{finding.subject:<{width}}  {finding.state:<7}  {finding.found}")
        if finding.remedy:
            print_line(f"{'':<{width}}  to do    {finding.remedy}")
    if any(finding.state == WRONG for finding in findings):
        raise typer.Exit(1)


@app.command("declare-empty")
def declare_empty(month: str, home: Home = None) -> None:
    """Say that a month had no sales, so that later months can stand on it."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.home import only_one
    from insiders_assets.storage.ledger import declare_empty as declare

    first_day, settings = month_asked_for(month), _existing_home(home)
    if first_day > (closed := last_closed_month(_today())):
        raise MissingMonthError(
            f"{first_day:%Y-%m} has not closed yet; the last closed month is {closed:%Y-%m}.",
            "Say it when the month is over.",
        )
    with only_one(settings), open_platform(settings) as platform:
        lines = sum(part.lines for part in declare(platform.lake, first_day).parts(first_day.isoformat()).values())
    found = f"is declared empty, but its {lines:,} landed lines count" if lines else "is known to be empty"
    out.print(f"{first_day:%Y-%m} {found}.")


@app.command()
def report(
    month: Annotated[str | None, typer.Option(help="YYYY-MM; the last one that has a report if left out.")] = None,
    lang: Annotated[str, typer.Option(help="en or pt-BR.")] = "en",
    form: Annotated[str, typer.Option("--format", help="html, pdf or md.")] = "html",
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open it, where this is a terminal.")] = True,
    home: Home = None,
) -> None:
    """The report of a month: where it stands, and opened."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.pages import report_of
    from insiders_assets.partitions import key_of
    from insiders_assets.reporting.files import FORMATS
    from insiders_assets.reporting.language import LANGUAGES

    lang = _among(lang, LANGUAGES, "language", "--lang")
    form = _among(form, FORMATS, "format", "--format")
    with open_platform(_existing_home(home)) as platform:
        place = report_of(platform, key_of(month_asked_for(month)) if month is not None else None, lang, form)
    print_line(str(place))
    if show and sys.stdout.isatty():
        typer.launch(str(place))


def _among(word: str, known: Sequence[str], what: str, option: str) -> str:
    """One of the known words, however it is written: pt-br, pt_BR, PDF."""
    found = {one.lower(): one for one in known}.get(word.strip().lower().replace("_", "-"))
    if found is None:
        raise SettingsError(f"{word} is no {what} of the report.", f"Give {option} one of {', '.join(known)}.")
    return found


@app.command()
def compare(month: str, home: Home = None) -> None:
    """Spaces and clusterers of a month side by side, as a page; of the last month a run makes it by itself."""
    from insiders_assets.operations.comparing import compare as compare_month

    settings = _existing_home(home)
    page = compare_month(settings, month_asked_for(month), _tell)
    print_line(f"comparison: {page}" if page else "There is nothing to compare; see the lines above.")


@app.command()
def forget(month: str, home: Home = None) -> None:
    """Take back a month that no landed line reaches, and those beyond it, as after a mistyped year."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.forgetting import forget as forget_months
    from insiders_assets.operations.home import only_one

    first_day, settings = month_asked_for(month), _existing_home(home)
    with only_one(settings), open_platform(settings) as platform:
        gone = forget_months(platform, first_day)
    print_line(f"No months of this home any more: {', '.join(f'{one:%Y-%m}' for one in gone)}.")


@app.command()
def retire(
    file_key: Annotated[str, typer.Argument(metavar="KEY")],
    undo: Annotated[bool, typer.Option("--undo", help="Have the lines of a retired file count again.")] = False,
    home: Home = None,
) -> None:
    """Say that the lines of a landed file no longer count; recorded in the ledger, and its months are due again."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.home import only_one
    from insiders_assets.operations.retiring import restore
    from insiders_assets.operations.retiring import retire as retire_file

    settings = _existing_home(home)
    with only_one(settings), open_platform(settings) as platform:
        if undo:
            restored = restore(platform, file_key)
            print_line(f"{file_key} counts again, with its {restored.good_lines:,} lines. Next: insiders run")
            return
        retired = retire_file(platform, file_key)
    lines = f"{retired.file.good_lines:,} {'line' if retired.file.good_lines == 1 else 'lines'}"
    due = ", ".join(f"{month:%Y-%m}" for month in retired.due) or "no month"
    print_line(f"{file_key} is retired: its {lines} no longer count. Due again: {due}.")
    for month in retired.without_file:
        print_line(
            f"{month:%Y-%m} is left without a file: land another, or `insiders declare-empty {month:%Y-%m}`. "
            "Until then readers see it as it was."
        )
    print_line("Next: insiders run")


@app.command()
def maintain(home: Home = None) -> None:
    """Remove old versions, objects that nothing names, and old runs, by the policy of the settings."""
    from insiders_assets.operations.maintaining import maintain as tidy

    for line in tidy(_existing_home(home)).lines:
        print_line(line)


def _existing_home(home: Path | None) -> Settings:
    from insiders_assets.operations.home import is_home

    settings = load_settings(home)
    if not is_home(settings) and settings.uses_embedded_postgres:
        what = "is no home of Insiders yet" if settings.home.exists() else "does not exist"
        raise SettingsError(
            f"The home {settings.home} {what}.",
            "`insiders demo` makes one, and so does `insiders run` with --data FILE or a filled landing zone.",
        )
    return settings


def _something_waits(home: Path | None) -> bool:
    """The home's own landing zone may be filled before the first command: then it is known which home is meant."""
    from insiders_assets.storage.objects import open_store

    settings = load_settings(home)
    return settings.landing is None and bool(open_store(settings.landing_location).entries(at_most=1))


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _tell(progress: Progress) -> None:
    seconds = f"{progress.seconds:7.1f} s" if progress.seconds is not None else ""
    print_line(f"{progress.subject:<10} {progress.asset:<20} {progress.outcome:<8} {seconds}")


def _show_summary(settings: Settings, until: dt.date | None = None) -> None:
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.summary import summarise

    with open_platform(settings) as platform:
        summary = summarise(platform, until)
    if summary is None:
        return
    out.print(f"\n[bold]{summary.month}[/]")
    print_table(summary.lines)
    if summary.first_members:
        print_line(f"first among them: {'; '.join(f'{who} ({revenue})' for who, revenue in summary.first_members)}")
    print_line(f"report:   {summary.report}")
    print_line(f"web page: insiders serve --home {shlex.quote(str(settings.home))}")


def _refuse(wrong: InsidersError) -> int:
    err.print("[bold red]insiders:[/] ", end="")
    print_line(wrong.problem, err)
    if wrong.remedy:
        print_line(f"  {wrong.remedy}", err)
    return wrong.exit_code


if __name__ == "__main__":
    main()
