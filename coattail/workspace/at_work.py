"""The process of a job: `python -m coattail.workspace.at_work …`.

at_work HOME FOLDER LOCK         what `LocalJobs` starts: the folder of the job, and the file descriptor of its lock
at_work HOME run JOB ORDER       do it here and now; ORDER is JSON: {"options": {…}, "settings": {…}}

On the driver of a Spark application, an entry point calls `on_driver`: the same, in a home that goes with the job.
"""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec

from coattail.errors import CoattailError
from coattail.home import Home
from coattail.jobs.base import JobCount, JobOrder, JobState
from coattail.jobs.working import JobStopped, Working, log_to_stderr, work

log = logging.getLogger("coattail.workspace.at_work")  # __main__ as it runs, whose records nobody sees

_STOPPED = 128 + signal.SIGTERM


class Here:
    """A job that runs in this process, whose progress is nobody's."""

    def __init__(self, order: JobOrder) -> None:
        self.order, self.stop, self.interruptible = order, threading.Event(), False

    def progress(self, count: JobCount) -> None:
        """Nobody listens."""

    def heed(self, number: int, frame: FrameType | None) -> None:
        """Stop, as a signal asks."""
        self.stop.set()
        if self.interruptible:
            raise KeyboardInterrupt


def main(words: Sequence[str]) -> int:
    """Do what the words say; returns the exit code: 0 done, 1 failed, 143 stopped."""
    home, *rest = words
    match rest:
        case ["run", job, order]:
            return _here(home, JobOrder(job=job, **msgspec.json.decode(order)))
        case [folder, lock]:

            def body(at: Working) -> str:
                from coattail.workspace.doing import do

                return do(Home.open(home, write=True), at)

            return 0 if work(Path(folder), int(lock), body) is JobState.SUCCEEDED else 1
    raise SystemExit(__doc__)


def on_driver(job: str, words: Sequence[str]) -> int:
    """Do a job on the driver of a Spark application, which is there already; returns the exit code, as `main` does.

    Nothing outlives the driver but what lies in services, so an order that would keep it here is refused. The engine
    is Spark's where the order names none; maintenance is PyIceberg's, in this process.

    job: Which it must be. words: JOB and ORDER, as `coattail.jobs.emr_request` writes them.
    """
    match words:
        case [named, text] if named == job:
            order = JobOrder(job=job, **msgspec.json.decode(text))
        case _:
            print(f"{job}.py takes two words, {job} ORDER, and was given {len(words)}", file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory(prefix="coattail-driver-", ignore_cleanup_errors=True) as folder:
        home = Home.open(Path(folder) / "home", create=True)
        options = {**_BY_SPARK.get(job, {}), **order.options}
        return _here(str(home.path), msgspec.structs.replace(order, options=options), passing=True)


_BY_SPARK = {"stream": {"engine": "spark"}, "reprocess": {"engine": "spark"}}


def _here(home: str, order: JobOrder, *, passing: bool = False) -> int:
    log_to_stderr()
    here = Here(order)
    signal.signal(signal.SIGTERM, here.heed)
    try:
        from coattail.workspace import doing

        opened = Home.open(home, write=True)
        if passing:
            doing.refuse_what_passes(opened, order)
        log.info("%s", doing.do(opened, here))
    except (JobStopped, KeyboardInterrupt) as stopped:
        log.info("stopped; %s", stopped)
        return _STOPPED
    except CoattailError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
