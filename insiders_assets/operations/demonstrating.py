"""`insiders demo`: the sample shop, written as a shop would deliver it, then the same run as for anybody's files.

Belongs here: which sample and where its files go. Does not belong here: how a sample is made
(:mod:`insiders_assets.sample`) or how files are run.
"""

from __future__ import annotations

import datetime as dt

from insiders_assets.operations.home import prepare_home
from insiders_assets.operations.running import Tell, Wanted, run
from insiders_assets.sample import DEMO, write_shop
from insiders_assets.settings import Settings


def demonstrate(settings: Settings, today: dt.date, tell: Tell) -> Settings:
    """Write the sample shop's files into the home and run them; gives the settings of the home afterwards."""
    prepare_home(settings)
    files = write_shop(DEMO, settings.home / "sample")
    return run(settings, Wanted(files=files), today, tell)
