"""Maintenance on its schedule beside a live engine: a thread looks at the clock, and a process of its own does it.

It commits between the engine's commits (ADR 0018), so neither waits for the other. When the engine ends, it waits for
the step in progress: a file that is being written, or a commit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

from coattail.batch.apart import maintain
from coattail.batch.last_run import LastRun, last_run, remember, run_of
from coattail.config import Settings
from coattail.errors import CoattailError, HomeError, StoreError
from coattail.home import Home
from coattail.stores.opening import open_hot

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

_LONGEST_WAIT = 60.0
"""Seconds after which a machine that slept, or whose clock was set, is noticed."""


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def maintained(home: Home, settings: Settings, *, by: str, clock: Clock = _now) -> Iterator[None]:
    """Maintain the home every `maintenance.every` while the block runs; nothing at all where that is null.

    The first time comes that long after the last maintenance of the home, whoever did it, or after the home was made.
    A failure is logged, remembered for `coattail status`, and tried again in its time.
    """
    every = settings.maintenance.every
    if every is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(
        target=_keep, args=(home, settings, every, by, clock, ended), name="maintenance", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep(home: Home, settings: Settings, every: timedelta, by: str, clock: Clock, ended: threading.Event) -> None:
    last = _last(home, settings)
    while not ended.wait(min(_wait(last, every, clock()), _LONGEST_WAIT)):
        if _wait(last, every, clock()) > 0:
            continue
        last = clock()
        _once(home, settings, by, last, ended)
        last = max(last, _last(home, settings))  # somebody may have run it meanwhile


def _wait(last: datetime, every: timedelta, now: datetime) -> float:
    """Seconds until the next time; never longer than `every`, also if the clock was set back."""
    return max(0.0, min(every, last + every - now).total_seconds())


def _last(home: Home, settings: Settings) -> datetime:
    """When the home was last maintained, or made."""
    try:
        with closing(open_hot(home, settings)) as hot:
            run = last_run(hot)
    except StoreError as error:
        log.warning("maintenance: the time of the last one cannot be read (%s)", error)
        return home.record.created
    return run.began if run is not None else home.record.created


def _once(home: Home, settings: Settings, by: str, began: datetime, ended: threading.Event) -> None:
    """One maintenance, as far as it comes; never raises, because an engine goes on without one."""
    started = time.monotonic()
    try:
        done = maintain(home, settings, now=began, stopping=ended.is_set)
    except HomeError as error:
        log.info("maintenance is left out: %s", error)
        return
    except Exception as error:
        known = isinstance(error, CoattailError)
        log.error("maintenance failed: %s", error, exc_info=not known)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        run = LastRun(by=by, began=began, seconds=round(time.monotonic() - started, 3), error=reason)
    else:
        if done.stopped:
            log.info("maintenance was stopped with the engine; it goes on at the next start")
            return
        run = run_of(done, by=by, began=began, seconds=time.monotonic() - started)
        for note in done.notes:
            log.warning("maintenance: %s", note)
        log.info(
            "maintenance: %d files into %d, %d snapshots forgotten, %d bytes freed, in %.2f s",
            run.files_before, run.files_after, run.snapshots_forgotten, run.bytes_freed, run.seconds,
        )  # fmt: skip
    try:
        remember(home, settings, run)
    except StoreError as error:
        log.warning("maintenance: its outcome cannot be recorded (%s)", error)
