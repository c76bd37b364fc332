"""SIGINT and SIGTERM as a request to stop, for commands that finish what they have begun.

A process that `coattail run` started stops with it, however that ended: its standard input is a pipe that ends then.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_signals(*, after: float | None = None) -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets, or the end of that many seconds; a second signal interrupts.

    Main thread only. `after` None means no limit.
    """
    stop = threading.Event()
    timer = threading.Timer(after or 0.0, stop.set)
    timer.daemon = True
    if after is not None:
        timer.start()
    from coattail.workspace.running import HELD

    if HELD in os.environ:
        threading.Thread(target=_until_input_ends, args=(stop,), name="held", daemon=True).start()

    def wish(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, wish) for number in _SIGNALS}
    try:
        yield stop
    finally:
        timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _until_input_ends(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop.set()
