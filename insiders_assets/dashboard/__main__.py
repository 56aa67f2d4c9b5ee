"""Streamlit's command, with the pages loaded beforehand: the first visitors would wait for that.

Belongs here: loading. Does not belong here: Streamlit's options (:mod:`insiders_assets.operations.dashboards`).
"""

from importlib import import_module
from pkgutil import iter_modules

from streamlit.web.cli import main

from insiders_assets.dashboard import page

for found in iter_modules(page.__path__):
    import_module(f"{page.__name__}.{found.name}")
main(prog_name="streamlit")
