"""The code server that goes on watching its runs after Dagster's database was away.

Dagster's code server looks twice a second whether a run's process has died, records it as failed, and ends itself when
it was asked to and none is left. It does so in a thread, which the first error ends for ever. A database that goes away
is that error, and is what runs die of: such a run would look alive for hours, no file would be landed meanwhile, and a
server that is asked to end when its runs have would not. Belongs here: that. Does not belong here: what is served.
"""

from __future__ import annotations

import functools
import logging
import sys
from typing import Any

SERVER = "dagster._grpc.server"


def keep_watching_runs() -> None:
    """Where this process is a code server, have it look again after a look that failed. Once or often is the same."""
    module: Any = sys.modules.get(SERVER)
    if module is None:
        return
    look = module.DagsterApiServer._check_for_orphaned_runs
    if hasattr(look, "__wrapped__"):
        return

    @functools.wraps(look)
    def look_again_if_it_fails(server: Any) -> None:
        try:
            look(server)
        except Exception as trouble:
            words = "Whether a run has died cannot be recorded just now; it is looked at again in a moment: %s"
            logging.getLogger(__name__).warning(words, trouble)

    module.DagsterApiServer._check_for_orphaned_runs = look_again_if_it_fails
