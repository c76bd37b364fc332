"""The process of a job: `python -m coattail.workspace.at_work …`.

at_work HOME FOLDER LOCK         what `LocalJobs` starts: the folder of the job, and the file descriptor of its lock
at_work HOME run JOB ORDER       do it here and now; ORDER is JSON: {"options": {…}, "settings": {…}}
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec

from coattail.errors import CoattailError
from coattail.home import Home
from coattail.jobs.base import JobCount, JobOrder, JobState
from coattail.jobs.working import JobStopped, Working, log_to_stderr, work

log = logging.getLogger(__name__)

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


def _here(home: str, order: JobOrder) -> int:
    log_to_stderr()
    here = Here(order)
    signal.signal(signal.SIGTERM, here.heed)
    try:
        from coattail.workspace.doing import do

        log.info("%s", do(Home.open(home, write=True), here))
    except (JobStopped, KeyboardInterrupt) as stopped:
        log.info("stopped; %s", stopped)
        return _STOPPED
    except CoattailError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
