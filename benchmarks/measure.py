"""How a stage is measured: wall seconds, CPU seconds and peak memory, and the table that tells them.

Belongs here: the meter and its rendering. Does not belong here: what is measured, or a judgement of the figures.

Two ways, because each lies where the other does not. In process (:class:`Meter`, :class:`Laps`) a stage finds imports,
caches and memory of the stages before it. In a process of its own (:func:`measure_command`) nothing is shared, but the
start of the interpreter is counted too.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import psutil

Result = TypeVar("Result")
MEGABYTE = 1_000_000
_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Stage:
    """What a stage took: seconds on the wall, CPU seconds (user + system, ended children included), peak RSS in MB."""

    name: str
    wall_seconds: float
    cpu_seconds: float
    peak_rss_mb: float


class Meter:
    """Runs stages in this process and keeps what they took, in order."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def run(self, name: str, stage: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """Call `stage(*args, **kwargs)`, note what it took (also when it raises) and give its result.

        The peak is that of this process while the stage ran, by sampling: unlike the kernel's high-water mark, it does
        not carry over from an earlier stage.
        """
        watch = _MemoryWatch(psutil.Process())
        cpu, start = own_cpu_seconds(), time.perf_counter()
        with watch:
            try:
                return stage(*args, **kwargs)
            finally:
                wall = time.perf_counter() - start
                self.stages.append(Stage(name, wall, own_cpu_seconds() - cpu, watch.peak_mb()))


class Laps:
    """Cuts one long call in this process into stages: each lasts from the cut before it, or from the start, to its own.

    For work that reports its progress and cannot be called piece by piece.
    """

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def __enter__(self) -> Laps:
        self._watch = _MemoryWatch(psutil.Process()).__enter__()
        self._since = (own_cpu_seconds(), time.perf_counter())
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.__exit__()

    def cut(self, name: str) -> None:
        """End a stage here, and begin the next."""
        now = (own_cpu_seconds(), time.perf_counter())
        peak = self._watch.peak_mb()
        self._watch.forget()
        self.stages.append(Stage(name, now[1] - self._since[1], now[0] - self._since[0], peak))
        self._since = now


def measure_command(name: str, command: Sequence[str], **popen: Any) -> Stage:
    """Run `command` in a process of its own to its end and give what it took.

    Raises
    ------
    subprocess.CalledProcessError: the command failed; its figures would mean nothing.
    """
    start = time.perf_counter()
    process = subprocess.Popen(list(command), **popen)
    with _MemoryWatch(psutil.Process(process.pid)) as watch:
        # wait4 gives the CPU time of just this child and those it waited for; getrusage would add all earlier ones.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command))
    return Stage(name, wall, usage.ru_utime + usage.ru_stime, watch.peak_mb())


def measure_family(name: str, command: Sequence[str], sample_seconds: float = 0.1) -> Stage:
    """As :func:`measure_command`, with the processes that the command starts: a server of another language, workers.

    Memory is the highest sum of what they hold at one time; CPU seconds are each one's as last seen.

    Raises
    ------
    subprocess.CalledProcessError: the command failed.
    """
    start, peak = time.perf_counter(), 0
    cpu: dict[psutil.Process, float] = {}
    process = subprocess.Popen(list(command))
    first = psutil.Process(process.pid)
    while process.poll() is None:
        resident = 0
        with contextlib.suppress(psutil.Error):
            for member in (first, *first.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    resident += member.memory_info().rss
                    cpu[member] = sum(member.cpu_times()[:2])
        peak = max(peak, resident)
        time.sleep(sample_seconds)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command))
    return Stage(name, time.perf_counter() - start, sum(cpu.values()), peak / MEGABYTE)


def as_markdown(stages: Iterable[Stage], total: bool = True) -> str:
    """The stages as a Markdown table, with a line for their sum (of the peaks: the highest) unless they are no parts of
    one whole."""
    rows = list(stages)
    if total and len(rows) > 1:
        everything = Stage(
            "**all**",
            sum(row.wall_seconds for row in rows),
            sum(row.cpu_seconds for row in rows),
            max(row.peak_rss_mb for row in rows),
        )
        rows.append(everything)
    lines = ["| stage | wall s | CPU s | peak RSS MB |", "|---|---:|---:|---:|"]
    lines += [f"| {r.name} | {r.wall_seconds:,.2f} | {r.cpu_seconds:,.2f} | {r.peak_rss_mb:,.0f} |" for r in rows]
    return "\n".join(lines)


class _MemoryWatch:
    """Samples the resident memory of a process in a thread, until the block ends.

    Not the kernel's high-water mark, which a child inherits from the process that started it. Not the children's
    either: a forked child shares its pages with its parent, and the sum would count them twice.
    """

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _MemoryWatch:
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def peak_mb(self) -> float:
        """Highest seen so far, in MB; a last look is taken first."""
        self._sample()
        return self._peak / MEGABYTE

    def forget(self) -> None:
        """Begin anew: the peak so far counts no more."""
        self._peak = 0

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        try:
            self._peak = max(self._peak, self._process.memory_info().rss)
        except psutil.Error:
            return  # it has ended


def own_cpu_seconds() -> float:
    """CPU seconds of this process so far: user and system, all threads, and children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
