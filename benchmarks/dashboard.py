"""The dashboard with a million customers and 25 months in the warehouse, ten people at once: seconds and memory.

Belongs here: visitors who speak Streamlit's protocol as a browser does, without drawing anything: what is measured is
what the server and the database take. Does not belong here: filling the warehouse (:mod:`.warehouse`).

Run it: ``python -m benchmarks.dashboard [--customers N --months N --people N]``. Exit code 1 says that a bar was
missed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.warehouse import LAST, fill
from insiders_assets.partitions import shift
from insiders_tests.dashboard.serving import Dashboard, running_dashboard
from insiders_tests.servers import tcp_postgres

FIRST_BAR, WHOLE_BAR, MEMORY_BAR = 2.0, 4.0, 500
PAGES = ("overview", "members", "movement", "segments", "customer", "programme", "forecast", "health")


@dataclass(frozen=True)
class Visit:
    """One look at a page: seconds until its title stood there, and until all of it did."""

    page: str
    first: float
    whole: float


def main() -> int:
    """Fill, start, visit, print a table, and say whether the bars were kept."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--months", type=int, default=25)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5, help="Times that everybody looks at every page.")
    parser.add_argument("--warehouse", help="URL of one that is filled already.")
    wanted = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="insiders-"))
    with _warehouse(wanted) as url, running_dashboard(home, url) as dashboard:
        visits = list(_everybody(dashboard, wanted))
        memory = sum(one.memory_info().rss for one in _family(dashboard.process)) / 2**20
    return _told(visits, memory, wanted)


@contextmanager
def _warehouse(wanted: argparse.Namespace) -> Iterator[str]:
    if wanted.warehouse:
        yield wanted.warehouse
        return
    folder = Path(tempfile.mkdtemp(prefix="insiders-"))
    folder.chmod(0o755)
    with tcp_postgres(folder / "warehouse") as url:
        began = time.monotonic()
        fill(url, wanted.customers, wanted.months)
        seconds = time.monotonic() - began
        print(f"{wanted.customers:,} customers and {wanted.months} months in {seconds:.0f} s", flush=True)
        yield url


def _family(process: subprocess.Popen) -> list[psutil.Process]:
    own = psutil.Process(process.pid)
    return [own, *own.children(recursive=True)]


def _everybody(dashboard: Dashboard, wanted: argparse.Namespace) -> Iterator[Visit]:
    """Everybody opens every page, each in an order and of months of their own."""
    with ThreadPoolExecutor(wanted.people) as people:
        for visits in people.map(lambda person: _one(dashboard, person, wanted), range(wanted.people)):
            yield from visits


def _one(dashboard: Dashboard, person: int, wanted: argparse.Namespace) -> list[Visit]:
    own, visits = random.Random(person), []
    for _ in range(wanted.rounds):
        for page in own.sample(PAGES, len(PAGES)):
            month = shift(LAST, -own.randrange(max(wanted.months - 1, 1)))
            customer = str(10_000 + own.randrange(1, wanted.customers))
            # Half of them are looked for by the beginning of their number.
            customer = own.choice((customer, customer[:3]))
            asked = f"month={month:%Y-%m}&lang={own.choice(('en', 'pt-BR'))}&customer={customer}"
            visits.append(visit(dashboard, page, asked))
            # Somebody reads what has come.
            time.sleep(own.uniform(0.5, 2.0))
    return visits


def visit(dashboard: Dashboard, page: str, query: str) -> Visit:
    """Open a page as a new visitor and take everything that comes.

    Raises
    ------
    RuntimeError: the page has an error.
    """
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from websockets.sync.client import connect

    began = time.monotonic()
    first = None
    with connect(
        f"{dashboard.url.replace('http', 'ws', 1)}/_stcore/stream", subprotocols=["streamlit"], max_size=None
    ) as line:  # type: ignore[list-item]
        asked = BackMsg()
        asked.rerun_script.query_string = query
        asked.rerun_script.page_name = "" if page == "overview" else page
        line.send(asked.SerializeToString())
        while True:
            told = ForwardMsg()
            told.ParseFromString(line.recv(timeout=120))  # type: ignore[arg-type]
            kind = told.WhichOneof("type")
            if kind == "delta" and told.delta.WhichOneof("type") == "new_element":
                element = told.delta.new_element.WhichOneof("type")
                if element == "exception":
                    raise RuntimeError(f"{page}?{query}: {told.delta.new_element.exception.message}")
                if element == "heading" and first is None:
                    first = time.monotonic() - began
            if kind == "script_finished":
                break
    if first is None:
        raise RuntimeError(f"{page}?{query}: no title came")
    return Visit(page, first, time.monotonic() - began)


def _told(visits: list[Visit], memory: float, wanted: argparse.Namespace) -> int:
    print(f"\n{wanted.people} people at once, {len(visits)} pages; seconds, median and 95th percentile\n")
    print("| page | first content | | whole | |\n|---|---|---|---|---|")
    slowest_first = slowest_whole = 0.0
    for page in PAGES:
        mine = [one for one in visits if one.page == page]
        firsts, wholes = ([getattr(one, name) for one in mine] for name in ("first", "whole"))
        numbers = [float(np.quantile(values, share)) for values in (firsts, wholes) for share in (0.5, 0.95)]
        print(f"| {page} | {' | '.join(f'{number:.2f}' for number in numbers)} |")
        slowest_first, slowest_whole = max(slowest_first, numbers[1]), max(slowest_whole, numbers[3])
    print(f"\nmemory of the app: {memory:.0f} MB")
    kept = [slowest_first <= FIRST_BAR, slowest_whole <= WHOLE_BAR, memory <= MEMORY_BAR]
    words = ", ".join("kept" if one else "MISSED" for one in kept)
    print(f"bars of each page ({FIRST_BAR:g} s, {WHOLE_BAR:g} s) and of the app ({MEMORY_BAR} MB): {words}")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
