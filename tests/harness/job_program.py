"""A job that does what its option `do` says: `job_program FOLDER LOCK`, or `job_program JOB ARGUMENTS`.

It writes a line into the file `trace` each time that it begins, with its process id, and when it stops in order.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from coattail.errors import CoattailError
from coattail.jobs.base import JobCount
from coattail.jobs.working import JobStopped, Working, work

_STEPS, _STEP_SECONDS = 20, 0.01
"""Of `store`, which writes a file beside the trace in steps and gives it its name, `.stored`, at the end."""


def act(options: dict[str, Any], stop: threading.Event) -> str:
    trace = Path(options["trace"])

    def write(word: str) -> None:
        with trace.open("a") as file:
            file.write(f"{word}\n")

    write(f"begun {os.getpid()}")
    match options["do"]:
        case "fail":
            raise CoattailError("the well is dry", next_step="dig")
        case "crash":
            raise ZeroDivisionError("by nought")
        case "store":
            partly = trace.with_suffix(".partly")
            for number in range(_STEPS):
                with partly.open("a") as file:
                    file.write(f"{number}\n")
                time.sleep(_STEP_SECONDS)
            partly.rename(trace.with_suffix(".stored"))
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            threading.Event().wait()
        case "hang":
            threading.Event().wait()
        case "wait":
            stop.wait()
            write("stopped")
            raise JobStopped("as far as it came")
    print("the last word", file=sys.stderr)
    return "all of it"


def main() -> int:
    match sys.argv[1:]:
        case [folder, lock] if Path(folder).is_dir():

            def body(at: Working) -> str:
                at.progress(JobCount(doing="counting", done=3, total=12, unit="sheep"))
                return act(at.order.options, at.stop)

            return 0 if work(Path(folder), int(lock), body) == "succeeded" else 1
        case [_, asked]:
            stop = threading.Event()
            signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
            try:
                act(msgspec.json.decode(asked)["options"], stop)
            except CoattailError as error:
                print(error, file=sys.stderr)
                return 1
            except JobStopped:
                return 143
            return 0
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
