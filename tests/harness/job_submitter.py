"""A process that hands over a job which stores something in steps: `job_submitter FOLDER TOKEN`.

It prints `ready` just before it does, the job's id after, and waits to be killed.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from coattail.jobs.base import JobOrder
from coattail.jobs.local import LocalJobs

PROGRAM = [sys.executable, "-m", "tests.harness.job_program"]


def jobs_in(folder: Path) -> LocalJobs:
    """Who runs them."""
    return LocalJobs(folder / "jobs", PROGRAM)


def storing(folder: Path, token: str) -> JobOrder:
    """The order."""
    return JobOrder(job="stream", options={"do": "store", "trace": str(folder / f"{token}.trace")}, token=token)


if __name__ == "__main__":
    order = storing(Path(sys.argv[1]), sys.argv[2])
    print("ready", flush=True)
    print(jobs_in(Path(sys.argv[1])).submit(order), flush=True)
    signal.pause()
