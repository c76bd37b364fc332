"""How things are measured: rounds that alternate between the sides, wall and processor time, memory of a process tree.

A ratio of wall times says what a user waits; a ratio of processor times says the same on a host that others use too.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spent:
    """Seconds of wall time, and of processor time of this process and all below it."""

    seconds: float
    cpu: float

    def __truediv__(self, pieces: float) -> Spent:
        return Spent(self.seconds / pieces, self.cpu / pieces)


Side = Callable[[Path], Spent]
"""Does the work once in a folder of its own, checks what came out, and returns what counts."""

_LOOK_EVERY = 0.05


def timed(work: Callable[[], object]) -> Spent:
    """What a piece of work takes."""
    began, before = time.perf_counter(), _cpu()
    work()
    return Spent(time.perf_counter() - began, _cpu() - before)


def interleaved(folder: Path, rounds: int, *sides: Side, warm_up: int = 1) -> list[list[Spent]]:
    """What each side took, round by round, after rounds that warm up and do not count: A, B, A, B, …"""
    times: list[list[Spent]] = [[] for _ in sides]
    for number in range(rounds + warm_up):
        for place, side in enumerate(sides):
            here = folder / f"round{number}-{place}"
            here.mkdir(parents=True)
            spent = side(here)
            shutil.rmtree(here)
            if number >= warm_up:
                times[place].append(spent)
    return times


def seconds(times: Sequence[Spent]) -> float:
    """Median wall time."""
    return statistics.median(spent.seconds for spent in times)


def fastest(times: Sequence[Spent]) -> float:
    """Wall time of the fastest round."""
    return min(spent.seconds for spent in times)


def ratio(others: Sequence[Spent], ours: Sequence[Spent]) -> float:
    """How many times longer the other side takes: the median over the rounds."""
    return statistics.median(other.seconds / mine.seconds for other, mine in zip(others, ours, strict=True))


def cpu_ratio(others: Sequence[Spent], ours: Sequence[Spent]) -> str:
    """How much more of the processor the other side takes, in words."""
    times = statistics.median(other.cpu / mine.cpu for other, mine in zip(others, ours, strict=True))
    return f"{times:.2f} times by processor time"


def cpu_seconds(times: Sequence[Spent]) -> str:
    """Median processor time, in words."""
    return f"{statistics.median(spent.cpu for spent in times):.2f} s of processor time"


def spread(times: Sequence[Spent]) -> str:
    """How far apart rounds of one side were, in words."""
    walls = [spent.seconds for spent in times]
    return f"slowest round {max(walls) / min(walls):.2f} times the fastest"


def peak_memory(command: Sequence[str]) -> float:
    """Run a command to its end; the largest sum of the memory (PSS, MB) of it and its descendants. Linux only.

    Raises: CalledProcessError: If it fails.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak, ended = 0.0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not ended.wait(_LOOK_EVERY):
            peak = max(peak, sum(_pss(pid) for pid in _family(process.pid)) / 1024)

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    output, _ = process.communicate()
    ended.set()
    watch.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    return peak


def _family(pid: int) -> list[int]:
    """The process and all below it."""
    found, waiting = [], [pid]
    while waiting:
        here = waiting.pop()
        found.append(here)
        for tasks in Path(f"/proc/{here}/task").glob("*/children"):
            waiting += _numbers(tasks)
    return found


def _numbers(path: Path) -> list[int]:
    try:
        return [int(number) for number in path.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return []


def _pss(pid: int) -> int:
    """kB of a process, memory that it shares counted in part; 0 once it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)


def _cpu() -> float:
    """Processor seconds so far of this process, those below it, and those that they waited for; Linux only, else 0."""
    if not Path("/proc/self/task").exists():
        return 0.0
    return sum(_ticks(pid) for pid in _family(os.getpid())) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(field) for field in fields[11:15])  # user and system, its own and of children that have ended
