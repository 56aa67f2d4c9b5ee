"""The command line `insiders`: reads arguments, calls one function of :mod:`insiders_assets.operations`, prints.

Belongs here: arguments, tables, exit codes. Does not belong here: anything that a test could not call without a
terminal.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from insiders_assets.errors import InsidersError, SettingsError
from insiders_assets.settings import Settings, load_settings, parse_month

if TYPE_CHECKING:
    from insiders_assets.operations.running import Progress, Wanted

app = typer.Typer(
    name="insiders",
    help="From a shop's raw invoices to a loyalty programme: who is in, why, what they are worth, what comes next.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

INTERRUPTED = 130
Home = Annotated[
    Path | None, typer.Option(help="Where lake, database and settings live (INSIDERS_HOME; default .insiders).")
]
Data = Annotated[list[Path] | None, typer.Option(help="Invoice files: csv, csv.gz, xlsx, parquet; several allowed.")]


def main() -> None:
    """Run a command; an error that a person can mend is one sentence on stderr and an exit code of its kind."""
    try:
        app(standalone_mode=False)
    except InsidersError as wrong:
        err.print(f"[bold red]insiders:[/] {_plain(wrong.problem)}")
        if wrong.remedy:
            err.print(f"  {_plain(wrong.remedy)}")
        sys.exit(wrong.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        err.print("insiders: interrupted. What was finished stays; the same command goes on from there.")
        sys.exit(INTERRUPTED)
    except typer.Exit as finished:
        sys.exit(finished.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
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
    more: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    first: Annotated[str | None, typer.Option("--from", help="First month wanted, YYYY-MM.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last month wanted, YYYY-MM.")] = None,
    date_format: Annotated[str | None, typer.Option(help='Form of dates, such as "%d/%m/%Y %H:%M".')] = None,
    decimal_mark: Annotated[str | None, typer.Option(help='"." or "," where the file does not prove it.')] = None,
    again: Annotated[bool, typer.Option("--again", help="Make the wanted months again, even if they stand.")] = False,
    home: Home = None,
) -> None:
    """Land files, bring the wanted months up (and the earlier ones they need), and show what came out."""
    from insiders_assets.operations.running import Wanted
    from insiders_assets.operations.running import run as run_months

    files = [*(data or []), *(more or [])]
    if first and last and _month(first) > _month(last):
        raise SettingsError(f"--from {first} is after --to {last}.", "Exchange them.")
    wanted: Wanted = Wanted(
        files=files,
        first=_month(first) if first else None,
        last=_month(last) if last else None,
        date_format=date_format,
        decimal_mark=decimal_mark,
        again=again,
    )
    _show_summary(run_months(load_settings(home), wanted, _today(), _tell))


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
    out.print(f"{path}\nNext: insiders run --data {path}")


@app.command()
def serve(
    home: Home = None,
    port: Annotated[int | None, typer.Option(help="Port of the web page; default 3000 or any free one.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Start Dagster's web page and daemon on the home; Ctrl-C stops them."""
    from insiders_assets.operations.serving import serving

    with serving(load_settings(home), port, host) as served:
        out.print(f"The web page is at {served.url} (Ctrl-C stops it); its words stand in {served.log}.")
        served.wait()


@app.command()
def status(
    home: Home = None, as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False
) -> None:
    """Per month and table: content hash, rows, and whether it stands, is due, missing or not published."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.status import as_records
    from insiders_assets.operations.status import status as status_of

    with open_platform(_existing_home(home)) as platform:
        found = status_of(platform)
    if as_json:
        print(json.dumps(as_records(found), indent=1))
        return
    table = Table("month", "table", "state", "rows", "content hash", "why", box=None, pad_edge=False)
    for one in found:
        table.add_row(one.month, one.table, one.state, f"{one.rows:,}", one.content_hash[:16], one.reason)
    out.print(table if found else "Nothing was landed yet: insiders run --data FILE")


@app.command()
def sql(
    query: str,
    home: Home = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, for another program.")] = False,
) -> None:
    """Read the warehouse: one SELECT; tables stand in schema `insiders`, the last month in `current_…` views."""
    from insiders_assets.assets.platform import open_platform

    with open_platform(_existing_home(home)) as platform:
        result = platform.warehouse.query(query)
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(result.columns)
        writer.writerows(result.rows)
        return
    table = Table(*(_plain(name) for name in result.columns), box=None, pad_edge=False)
    for row in result.rows:
        table.add_row(*("" if value is None else _plain(str(value)) for value in row))
    out.print(table)


@app.command()
def doctor(home: Home = None) -> None:
    """What is configured, what answers, what is missing, and what to do; exit code 1 if something is wrong."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.doctor import WRONG, examine

    with open_platform(load_settings(home)) as platform:
        findings = examine(platform)
    table = Table("what", "how", "found", "to do", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(finding.subject, finding.state, _plain(finding.found), _plain(finding.remedy))
    out.print(table)
    if any(finding.state == WRONG for finding in findings):
        raise typer.Exit(1)


@app.command("declare-empty")
def declare_empty(month: str, home: Home = None) -> None:
    """Say that a month had no sales, so that later months can stand on it."""
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.home import only_one
    from insiders_assets.storage.ledger import declare_empty as declare

    settings = _existing_home(home)
    with only_one(settings), open_platform(settings) as platform:
        declare(platform.lake, _month(month))
    out.print(f"{month} is known to be empty.")


def _existing_home(home: Path | None) -> Settings:
    settings = load_settings(home)
    if not settings.home.exists() and settings.uses_embedded_postgres:
        raise SettingsError(
            f"There is no home {settings.home}.", "`insiders demo` or `insiders run --data FILE` makes one."
        )
    return settings


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _month(text: str) -> dt.date:
    try:
        return parse_month(text)
    except ValueError as wrong:
        raise SettingsError(f"{wrong}.") from None


def _tell(progress: Progress) -> None:
    seconds = f"{progress.seconds:7.1f} s" if progress.seconds is not None else ""
    out.print(f"{_plain(progress.subject):<10} {progress.asset:<20} {_plain(progress.outcome):<8} {seconds}".rstrip())


def _show_summary(settings: Settings) -> None:
    from insiders_assets.assets.platform import open_platform
    from insiders_assets.operations.summary import summarise

    with open_platform(settings) as platform:
        summary = summarise(platform)
    if summary is None:
        return
    out.print(f"\n[bold]{summary.month}[/]")
    table = Table(box=None, pad_edge=False, show_header=False)
    for line in summary.lines:
        table.add_row(*(_plain(part) for part in line))
    out.print(table)
    if summary.first_members:
        told = "; ".join(f"{customer} ({revenue})" for customer, revenue in summary.first_members)
        out.print(f"first among them: {_plain(told)}")
    out.print(f"report:   {summary.report}\nweb page: insiders serve --home {settings.home}")


def _plain(text: str) -> str:
    """Text without Rich's markup: a file or customer may be called [red]."""
    from rich.markup import escape

    return escape(text)


if __name__ == "__main__":
    main()
