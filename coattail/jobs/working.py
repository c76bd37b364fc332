"""The process of a job on this machine: what it is asked, how it says how far it is, and how it ends."""

from __future__ import annotations

import faulthandler
import logging
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from coattail.errors import CoattailError
from coattail.jobs.base import GRACE, JobCost, JobCount, JobOrder, JobState
from coattail.jobs.folder import JobFolder, SelfSaid

log = logging.getLogger(__name__)

_SAY_EVERY = 0.5
"""Seconds between two words of how far it is."""

_KB_OF_MAXRSS = 1 if sys.platform == "darwin" else 1024


class JobStopped(Exception):
    """The job was asked to stop, and did, in order; its text says what it came to by then."""


class Working:
    """A job as its own process sees it."""

    def __init__(self, folder: JobFolder) -> None:
        self.order: JobOrder = folder.ordered().order
        self.stop = threading.Event()
        """Set once it is to stop."""
        self.interruptible = False
        """Whether KeyboardInterrupt may be raised at any moment to stop it; else it heeds `stop`."""
        self._folder = folder
        self._began, self._started_at = time.monotonic(), datetime.now(UTC)
        self._progress: JobCount | None = None
        self._spoke = 0.0
        self._speaking, self._ended = threading.Lock(), False

    def progress(self, count: JobCount) -> None:
        """Say how far it is; from any thread, as often as wanted."""
        self._progress = count
        if time.monotonic() - self._spoke >= _SAY_EVERY:
            self._say(JobState.RUNNING)

    def _say(self, state: JobState, *, reason: str = "", result: str = "") -> None:
        with self._speaking:
            if not self._ended:  # a thread that says late how far it is changes no end
                self._ended = state.ended
                self._write(state, reason, result)

    def _write(self, state: JobState, reason: str, result: str) -> None:
        self._spoke = time.monotonic()
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        cost = JobCost(
            seconds=round(time.monotonic() - self._began, 3),
            cpu_seconds=round(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, 3),
            memory_mb=round(_most_bytes(own) / 1e6, 1),
            dollars=0.0,
            priced="this machine",
        )
        self._folder.say(
            SelfSaid(
                pid=os.getpid(), state=state, started_at=self._started_at, progress=self._progress, reason=reason,
                result=result, cost=cost, ended_at=datetime.now(UTC) if state.ended else None,
            )
        )  # fmt: skip

    def _stop(self, number: int | None = None, frame: FrameType | None = None) -> None:
        if self.stop.is_set():
            return
        self.stop.set()
        asked = self._folder.asked_to_stop()
        grace = GRACE.total_seconds() if asked is None else (asked.until - datetime.now(UTC)).total_seconds()
        said = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z asked to stop; it has {max(grace, 0):.0f} s for that\n"
        os.write(2, said.encode())  # not by the log, in the middle of whose line a signal may come
        faulthandler.dump_traceback_later(max(grace, 0.001), exit=True)  # a thread in C: it ends what hangs, too
        if self.interruptible:
            raise KeyboardInterrupt

    def run(self, body: Callable[[Working], str]) -> JobState:
        """Do it, and say how it ended."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._say(JobState.RUNNING)
        try:
            if self._folder.asked_to_stop() is not None:  # before its signal could reach this process
                self._stop()
                raise JobStopped
            result = body(self)
            self.interruptible = False
        except (JobStopped, KeyboardInterrupt) as stopped:
            state, reason, result = JobState.CANCELLED, "it was asked to stop", str(stopped)
        except CoattailError as error:
            log.error("failed: %s", error)
            state, reason, result = JobState.FAILED, str(error), ""
        except BaseException as error:
            traceback.print_exc()
            state, reason, result = JobState.FAILED, f"{type(error).__name__}: {error}".strip(": "), ""
        else:
            state, reason = JobState.SUCCEEDED, ""
        self.interruptible = False
        faulthandler.cancel_dump_traceback_later()
        self._say(state, reason=reason, result=result)
        log.info("%s%s", state, "".join(f"; {said}" for said in (reason, result) if said))
        return state


def work(folder: Path, lock: int, body: Callable[[Working], str]) -> JobState:
    """Be the process of the job in this folder, and return how it ended. Main thread only.

    lock: The file descriptor of the folder's lock, inherited; it stays with this process alone.
    body: Does it and returns what it came to; it raises `JobStopped` where it was stopped before the end, and anything
    else where it failed.
    """
    os.set_inheritable(lock, False)
    log_to_stderr()
    return Working(JobFolder(folder)).run(body)


def log_to_stderr() -> None:
    """Our own log records from INFO, others' from WARNING, with the time in UTC."""
    formatter = logging.Formatter("%(asctime)sZ %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    logging.getLogger("coattail").setLevel(logging.INFO)


def _most_bytes(used: resource.struct_rusage) -> int:
    """The most memory that this process has held. Linux counts in `ru_maxrss` what its parent held when it was made."""
    with suppress(OSError, StopIteration), open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) * 1024
    return used.ru_maxrss * _KB_OF_MAXRSS
