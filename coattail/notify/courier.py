"""A courier: follows the hot store for one sink, enters what the sink is to get, and delivers it."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import msgspec

from coattail.alerts import RETRACTED as TAKEN_BACK
from coattail.alerts import SEVERITIES
from coattail.errors import CoattailError
from coattail.notify.ledger import DEAD, MUTED, OLD, SENT, WAITING, WITHDRAWN, Delivery, DeliveryLedger
from coattail.notify.message import FIRED, RETRACTED, ROSE, Message
from coattail.notify.sink import AlertSink, Receipt
from coattail.stores.hot import StoredAlert
from coattail.stores.replies import Replies

log = logging.getLogger(__name__)

LONGEST = timedelta(hours=1)
"""Between two attempts, also if the other side asks for more."""
_FIRST, _SLOWEST = timedelta(seconds=2), timedelta(minutes=5)
"""The wait after a first failure; each further one doubles it, up to the second."""
_MINUTE = timedelta(minutes=1)
_LOOK = 1.0
"""Seconds between two looks at the hot store."""
_SHARE = 20
"""A look that took t comes again after this many t: a flood of alerts takes no more than a twentieth of a core."""
_AFTER_TROUBLE = 5.0
"""Seconds after something unforeseen: the hot store or the ledger cannot be read, say."""

Alerts = Callable[[datetime, datetime], Iterable[StoredAlert]]
"""The alerts written after the first moment, at the second, which is now."""


class Courier:
    """One sink's. `look` and `deliver` are its two steps; `run` takes them until it is told to stop.

    Raises (steps): StoreError: If the hot store, the replies or the ledger cannot be used.
    """

    def __init__(
        self,
        sink: AlertSink,
        *,
        alerts: Alerts,
        ledger: DeliveryLedger,
        replies: Replies,
        max_age: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._sink, self._alerts, self._ledger, self._replies = sink, alerts, ledger, replies
        self._max_age, self._clock, self._chance = max_age, clock, chance
        self._since = ledger.since(sink.name, clock())
        self._seen: dict[str, int] | None = None
        """Alert id -> the revision that was considered, of those written lately; None before the first look."""
        self._recent: deque[datetime] = deque()
        """Attempts of the last minute."""
        self._failures = 0
        """In a row, whatever it was that could not be delivered."""
        self._rests_until = self._since

    # -- what is to be sent ----------------------------------------------------------------------------------

    def look(self) -> None:
        """Enter what was written since the last look and is to be sent; the first one looks at everything there is."""
        now = self._clock()
        first = self._seen is None
        before, self._seen = self._seen or {}, {}
        since = self._since if first else max(self._since, now - self._max_age - _MINUTE)
        for stored in sorted(self._alerts(since, now), key=lambda s: (s.recorded_at, s.alert.detected_at)):
            identity, revision = stored.alert.alert_id, stored.alert.revision
            if before.get(identity) != revision:
                self._consider(stored, now)
            self._seen[identity] = revision

    def _consider(self, stored: StoredAlert, now: datetime) -> None:
        alert, sink = stored.alert, self._sink
        entries = self._ledger.of_alert(sink.name, alert.alert_id)
        first = entries.get(alert.alert_id)
        untold = first is not None and first.state == WAITING and not first.attempts
        message = Message(alert=alert, recorded_at=stored.recorded_at)
        if alert.status == TAKEN_BACK or not sink.wants(alert, stored.recorded_at):
            if first is not None and untold:
                self._ledger.end(sink.name, first.key, WITHDRAWN, "not true any more before it was sent", now=now)
            elif alert.status == TAKEN_BACK and first is not None and first.state in (WAITING, SENT):
                self._enter(message, RETRACTED, now, when=sink.retractions)
        elif first is None or untold or first.state == WITHDRAWN:
            self._enter(message, FIRED, now)
        elif first.state in (WAITING, SENT):
            told = max(SEVERITIES.index(entry.severity) for entry in entries.values())
            self._enter(message, ROSE, now, when=sink.rises and SEVERITIES.index(alert.severity) > told)

    def _enter(self, message: Message, occasion: str, now: datetime, *, when: bool = True) -> None:
        if when:
            lean = msgspec.structs.replace(message, alert=replace(message.alert, evidence=None), occasion=occasion)
            state = OLD if message.recorded_at < now - self._max_age else WAITING
            self._ledger.put(self._sink.name, lean, state=state, now=now)

    # -- sending ---------------------------------------------------------------------------------------------

    def deliver(self) -> float | None:
        """Send one message whose time has come; the seconds to wait before the next one, or None if none is due."""
        now = self._clock()
        if (pause := self._pause(now)) > 0:
            return pause
        entry = self._ledger.due(self._sink.name, now, longest=LONGEST)
        if entry is None:
            return None
        if (over := self._over(entry, now)) is not None:
            self._ledger.end(self._sink.name, entry.key, *over, now=now)
            return 0.0
        self._recent.append(now)
        wait = self._wait(entry.attempts)
        self._ledger.attempt(self._sink.name, entry.key, next_at=now + wait, now=now)
        assert entry.message is not None
        answer = self._sink.deliver(entry.message)
        self._note(entry, answer, wait)
        return 0.0

    def _pause(self, now: datetime) -> float:
        """Seconds for which this sink is left alone: it failed just now, asked for it, or had enough for a minute."""
        while self._recent and not now - _MINUTE < self._recent[0] <= now:
            self._recent.popleft()
        rests = self._rests_until - now if self._rests_until - now <= LONGEST else timedelta(0)
        if len(self._recent) >= self._sink.max_per_minute:
            rests = max(rests, self._recent[0] + _MINUTE - now)
        return rests.total_seconds()

    def _over(self, entry: Delivery, now: datetime) -> tuple[str, str] | None:
        """The state and the reason of an entry that is not to be sent any more."""
        message = entry.message
        assert message is not None
        alert = message.alert
        marks, columns = self._replies.marks(), asdict(alert)
        if alert.alert_id in marks.acknowledged:
            return MUTED, "acknowledged"
        if marks.muted(columns, message.recorded_at) or marks.muted(columns, now):
            return MUTED, "muted"
        if message.recorded_at < now - self._max_age:
            return OLD, entry.detail or "it waited for too long"
        if entry.occasion != FIRED and not self._ledger.was_sent(self._sink.name, alert.alert_id):
            return WITHDRAWN, "the alert itself was not sent"
        if entry.attempts >= self._sink.attempts:
            return DEAD, entry.detail or "no attempt came to its end"
        return None

    def _wait(self, attempts: int) -> timedelta:
        """Before the next attempt, if this one fails: with chance in it, so that many do not come at once."""
        doubled: timedelta = min(_FIRST * 2 ** min(attempts, 20), _SLOWEST)
        return doubled * (0.75 + self._chance() / 2)

    def _note(self, entry: Delivery, answer: Receipt, wait: timedelta) -> None:
        name, key, now = self._sink.name, entry.key, self._clock()
        if answer.outcome == "delivered":
            self._failures = 0
            self._ledger.end(name, key, SENT, answer.detail, now=now)
            return
        log.warning("notify: %s: %s: %s", name, key, answer.detail)
        if answer.outcome == "refused":
            self._ledger.end(name, key, DEAD, answer.detail, now=now)
            return
        self._failures += 1
        asked = min(answer.retry_after or timedelta(0), LONGEST)
        self._rests_until = now + max(asked, self._wait(self._failures - 1))
        if entry.attempts + 1 >= self._sink.attempts:
            self._ledger.end(name, key, DEAD, answer.detail, now=now)
        else:
            self._ledger.postpone(name, key, answer.detail, next_at=now + max(asked, wait))

    # -- both, until the end ---------------------------------------------------------------------------------

    def run(self, ended: threading.Event, *, last: float) -> None:
        """Look and deliver until `ended` is set, then once more, for at most `last` seconds."""
        while not ended.is_set():
            ended.wait(self._turn(ended.is_set))
        until = time.monotonic() + last
        self._turn(lambda: time.monotonic() > until, most=last)

    def _turn(self, enough: Callable[[], bool], *, most: float = 0.0) -> float:
        """One look, and what is due until it is time to look again (or `most` seconds); returns the seconds to rest."""
        began = time.monotonic()
        try:
            self.look()
            rest = max(_LOOK, most, _SHARE * (time.monotonic() - began))
            while not enough() and time.monotonic() - began < rest and self.deliver() == 0.0:
                pass
        except Exception as error:  # the other sinks go on, and so does this one; an attempt that was begun is counted
            log.error("notify: %s: %s", self._sink.name, error, exc_info=not isinstance(error, CoattailError))
            return _AFTER_TROUBLE
        return max(0.0, rest - (time.monotonic() - began))
