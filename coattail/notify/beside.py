"""Couriers beside an engine, in threads of its process, or in a process of their own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime

from coattail.config import Settings
from coattail.errors import CoattailError, HomeError
from coattail.home import Home
from coattail.notify import sinks_of
from coattail.notify.courier import Courier
from coattail.notify.ledger import DeliveryLedger
from coattail.notify.sink import AlertSink
from coattail.stores.hot import StoredAlert
from coattail.stores.opening import open_hot, open_replies

log = logging.getLogger(__name__)

_LAST = 5.0
"""Seconds in which the last alerts may still be sent when an engine ends; the rest is sent at the next start."""
_TURN = 5.0
"""Seconds after which a notifier looks again whether another one, which does the work meanwhile, has ended."""


@contextmanager
def notified(home: Home, settings: Settings, *, by: str) -> Iterator[None]:
    """Send alerts to the configured sinks while the block runs; nothing at all where there are none.

    One process at a time does it for a home; another one waits for its turn. At the end what is due is still sent,
    for five seconds at most.
    Raises: ConfigError: If a sink cannot work as it is configured.
    """
    sinks = sinks_of(settings)
    if not sinks:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_in_turn, args=(home, settings, sinks, by, ended), name="notify", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_LAST + 1)  # what hangs longer ends with the process, and is sent again


def _in_turn(home: Home, settings: Settings, sinks: Sequence[AlertSink], by: str, ended: threading.Event) -> None:
    """Deliver as soon as no other process does; what goes wrong is logged when it changes, and tried again."""
    said = ""
    while True:
        try:
            with home.notify_lock(by):
                deliver(home, settings, sinks, ended)
                return
        except Exception as error:  # an engine goes on without
            if str(error) != said:
                level = logging.INFO if isinstance(error, HomeError) else logging.ERROR
                log.log(level, "notify: %s", error, exc_info=not isinstance(error, CoattailError))
            said = str(error)
        if ended.wait(_TURN):
            return


def deliver(home: Home, settings: Settings, sinks: Sequence[AlertSink], ended: threading.Event) -> None:
    """Send alerts to sinks until `ended` is set; the home's `notify_lock` must be held.

    Raises: StoreError: If the ledger cannot be used.
    """

    def alerts(since: datetime, now: datetime) -> Iterable[StoredAlert]:
        with closing(open_hot(home, settings)) as hot:  # each time: an engine may only just have made it
            return hot.alerts(written_after=since, now=now)

    with ExitStack() as stack:
        replies = stack.enter_context(closing(open_replies(home, writable=True)))
        ledger = stack.enter_context(closing(DeliveryLedger(home.notify_db)))
        ledger.forget(datetime.now(UTC))
        couriers = [
            Courier(sink, alerts=alerts, ledger=ledger, replies=replies, max_age=settings.notify.max_age)
            for sink in sinks
        ]
        threads = [
            threading.Thread(
                target=courier.run, args=(ended,), kwargs={"last": _LAST}, name=f"notify {sink.name}", daemon=True
            )
            for courier, sink in zip(couriers, sinks, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
