"""How the dashboard is started: the command that runs Streamlit over a home's warehouse.

Belongs here: Streamlit's options. Does not belong here: what stands on a page (:mod:`insiders_assets.dashboard`), and
watching the process (:mod:`.serving`, or systemd).
"""

from __future__ import annotations

import os
import sys
from importlib import resources

from insiders_assets.operations.home import environment, prepare_home
from insiders_assets.settings import Settings

# Streamlit's own option -> value. Nothing is sent to anybody, nothing watches files, and a visitor sees no traceback.
OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "theme.base": "light",
    "theme.primaryColor": "#00558c",
    "theme.textColor": "#24292e",
}


def dashboard_command(port: int, host: str, under: str = "") -> list[str]:
    """The command of a dashboard that listens on an address; `under`: the path below which a proxy shows it.

    Behind a proxy the browser's address is not ours, so that Streamlit would refuse its own page; the proxy compares
    both (deploy/proxy), and nobody else reaches the port.
    """
    script = str(resources.files("insiders_assets.dashboard").joinpath("app.py"))
    options = {**OPTIONS, "server.address": host, "server.port": str(port), "server.baseUrlPath": under.strip("/")}
    if under:
        options |= {"server.enableCORS": "false", "server.enableXsrfProtection": "false"}
    told = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [sys.executable, "-m", "insiders_assets.dashboard", "run", script, *told]


def become_dashboard(settings: Settings, port: int, host: str, under: str) -> None:
    """Turn this process into the dashboard of a home.

    Where the warehouse is elsewhere the home is left alone: in production Dagster's configuration lies in it, which
    this process, not being told the login of Dagster's database, would write anew as a laptop's.

    Raises
    ------
    StorageError: the home cannot be written.
    """
    if settings.uses_embedded_postgres:
        prepare_home(settings)
    command = dashboard_command(port, host, under)
    os.execve(command[0], command, {**os.environ, **environment(settings)})
