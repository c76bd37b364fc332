"""Something that runs in a thread while an engine lands what it sends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def aside(run: Callable[[], object], stop: threading.Event, *, name: str) -> Iterator[threading.Event]:
    """Run it in a thread of this name; gives the event that says that it has ended. What fails there fails here.

    stop: Set if the block fails; who runs heeds it.
    """
    ended, failures = threading.Event(), list[BaseException]()

    def kept() -> None:
        try:
            run()
        except BaseException as error:
            failures.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=kept, name=name)
    thread.start()
    try:
        yield ended
    except BaseException:
        stop.set()
        raise
    finally:
        thread.join()
    if failures:
        raise failures[0]
