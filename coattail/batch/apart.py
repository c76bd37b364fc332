"""One maintenance in a process of its own, so that the engine beside it keeps its pace.

The process is told what to do by a pickle on its standard input, and answers by one on its standard output. The end
of its input asks it to stop after the step in hand, so it does not outlive a parent that was killed.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from coattail.batch.maintenance import Maintained
from coattail.batch.maintenance import maintain as maintain_here
from coattail.config import Settings
from coattail.errors import CoattailError, StoreError
from coattail.home import Home

_LOOK_SECONDS = 0.2


def maintain(
    home: Home, settings: Settings, *, now: datetime, stopping: Callable[[], bool] = lambda: False
) -> Maintained:
    """What `coattail.batch.maintenance.maintain` does, done elsewhere.

    Raises: HomeError: If another maintenance runs. StoreError: If it failed, or its process died.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "coattail.batch.apart"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,  # nothing is left to be written when a pipe to a dead process is closed
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers = list[bytes]()
        reading = threading.Thread(target=lambda out: answers.append(out.read()), args=(process.stdout,))
        reading.start()
        with suppress(BrokenPipeError):  # it has died: that shows in what it does not answer
            process.stdin.write(pickle.dumps((home, settings, now)))
        while reading.is_alive():
            reading.join(_LOOK_SECONDS)
            if stopping() and not process.stdin.closed:
                process.stdin.close()
    answer = pickle.loads(answers[0]) if answers[0] else None
    if isinstance(answer, Maintained):
        return answer
    if answer is not None:
        kind, message, next_step = answer
        raise kind(message, next_step=next_step)
    raise StoreError(
        f"the process that maintains {home.path} died with exit code {process.returncode}",
        next_step="see whether memory was short; it is tried again in its time",
    )


def main() -> None:
    """Do what standard input says."""
    home, settings, now = pickle.load(sys.stdin.buffer)
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the engine, which asks it to stop
    threading.Thread(target=_until_input_ends, args=(stop,), daemon=True).start()
    answer: Any
    try:
        answer = maintain_here(home, settings, now=now, stopping=stop.is_set)
    except CoattailError as error:
        answer = type(error), error.message, error.next_step
    except Exception as error:
        answer = StoreError, f"{type(error).__name__}: {error}", "it is tried again in its time"
    pickle.dump(answer, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _until_input_ends(stop: threading.Event) -> None:
    sys.stdin.buffer.read()
    stop.set()


if __name__ == "__main__":
    main()
