"""`insiders demo`: the sample shop, written as a shop would deliver it, then the same run as for anybody's files.

Belongs here: which sample and where its files go. Does not belong here: how a sample is made
(:mod:`insiders_assets.sample`) or how files are run.
"""

from __future__ import annotations

import datetime as dt

from insiders_assets.assets.platform import open_platform
from insiders_assets.errors import BusyError
from insiders_assets.operations.home import is_home, prepare_home
from insiders_assets.operations.running import Tell, Wanted, run
from insiders_assets.sample import DEMO, write_shop
from insiders_assets.settings import Settings

FOLDER = "sample"


def demonstrate(settings: Settings, today: dt.date, tell: Tell) -> Settings:
    """Write the sample shop's files into the home and run them; gives the settings of the home afterwards.

    Raises
    ------
    BusyError: the home holds somebody's invoices, and made-up ones would count among them.
    """
    if is_home(settings) and not (settings.home / FOLDER).exists():
        with open_platform(settings) as platform:
            if landed := platform.ledger().live:
                raise BusyError(
                    f"The home {settings.home} holds invoices already ({landed[0].file_key}, …).",
                    "Choose another for the sample shop, for example `insiders demo --home .insiders-demo`.",
                )
    prepare_home(settings)
    files = write_shop(DEMO, settings.home / FOLDER)
    # Without the comparison, which takes as long as a quarter of all months: a newcomer waits for the report.
    return run(settings, Wanted(files=files, compares=False), today, tell)
