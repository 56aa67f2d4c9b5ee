"""The commands of a production set-up, which systemd and compose call: beside `insiders`' other ones.

Belongs here: arguments. Does not belong here: what they do (:mod:`insiders_assets.operations.services`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from insiders_assets.settings import load_settings
from insiders_assets.terminal import print_line

app = typer.Typer()
Seconds = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait at most.")]


@app.command()
def ready(
    seconds: Seconds = 0,
    starting_code: Annotated[
        bool, typer.Option("--starting-code", help="Before a code server: also close the runs that died with the last.")
    ] = False,
    pages: Annotated[
        bool, typer.Option("--pages", help="Before the dashboard: ask for the warehouse only, which is all it reads.")
    ] = False,
) -> None:
    """Production: return when every variable is set and databases and bucket answer; else say what is missing."""
    from insiders_assets.operations.services import ready as wait_until_ready

    wait_until_ready(load_settings(), seconds, print_line, starting_code, pages)


@app.command()
def drain(seconds: Seconds = 0) -> None:
    """Production: return when no run is under way, so that the code server can be stopped."""
    from insiders_assets.operations.services import drain as wait_for_runs

    wait_for_runs(load_settings(), seconds, print_line)


@app.command()
def secrets(
    to: Annotated[Path, typer.Option(help="File to write, readable for this user only.")], seconds: Seconds = 0
) -> None:
    """Production: write the login of Dagster's storage, from Secrets Manager, as a file of variables."""
    from insiders_assets.operations.services import write_secrets

    write_secrets(load_settings(), to, seconds, print_line)


@app.command()
def dashboard(
    home: Annotated[Path | None, typer.Option(help="Home whose settings count (INSIDERS_HOME).")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    under: Annotated[str, typer.Option(help="Path below which a proxy shows it, such as /pages.")] = "",
) -> None:
    """The dashboard alone, on the warehouse that the settings name: what `insiders serve` starts beside Dagster."""
    from insiders_assets.operations.dashboards import become_dashboard
    from insiders_assets.operations.serving import free_port

    become_dashboard(load_settings(home), free_port(port, host), host, under)
