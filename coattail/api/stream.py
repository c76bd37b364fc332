"""New and revised alerts as server-sent events, for programs that would otherwise ask again and again.

One look a second serves all listeners. Delivery: every alert that concerns a listener comes with its newest revision
once it was written; of several revisions between two looks, the last one. Whoever comes back with the id of the last
event goes on behind it; after a restart of the server alerts of a minute may come again, which `alert_id` and
`revision` tell.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from coattail.alerts import RETRACTED, SEVERITIES, Alert
from coattail.api.asked import Concerning
from coattail.api.refusal import Refusal, wrong
from coattail.api.source import HotSource
from coattail.records import micros, when
from coattail.stores.hot import HotStore, StoredAlert, Written
from coattail.workspace.documents.alerts import ChangeDocument, alert_document

log = logging.getLogger(__name__)

EVERY, BEAT, STALLED = 1.0, 15.0, 30.0
"""Seconds from one look to the next; of silence until a comment shows that the connection lives; that a listener may
take nothing of what was sent before it is given up."""
MOST_LISTENERS, MOST_WAITING, MOST_MISSED = 100, 500, 1_000
"""Listeners at once; events that one may lag behind before it is dropped; events that can be made up for."""
_OVERLAP = timedelta(minutes=1)
"""How far back each look goes: a revision may become visible a little after the time it carries."""
_PAGE, _REMEMBERED = 500, 20_000
_ID = re.compile(r"(\d{1,17})\.([0-9a-f]{32})\.(\d{1,9})", re.ASCII)
_COMMENT = b": still here\n\n"


@dataclass(frozen=True)
class _Event:
    name: str
    alert: Alert
    text: bytes


class Hearer:
    """One who listens: what concerns it and has not been sent yet."""

    def __init__(self, concerning: Concerning, symbol: str | None) -> None:
        self._concerning, self._symbol = concerning, symbol
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self.had: set[str] = set()
        """Names of events that it got when it came back."""
        self._told: set[str] = set()
        """Alerts that it was told of: it hears what becomes of them, also where that concerns it no more."""
        self.over = False

    def offer(self, event: _Event) -> None:
        """Take an event if it concerns this listener; one that lags too far behind is dropped."""
        told = event.alert.alert_id in self._told
        if (told or self._wants(event.alert)) and event.name not in self.had:
            self._told.add(event.alert.alert_id)
            self.say(event.text)

    def _wants(self, alert: Alert) -> bool:
        asked = self._concerning
        return (
            asked.type in (None, alert.alert_type)
            and self._symbol in (None, alert.symbol)
            and (asked.exchange is None or asked.exchange.lower() == alert.exchange)
            and (asked.severity is None or SEVERITIES.index(alert.severity) >= SEVERITIES.index(asked.severity))
        )

    def say(self, text: bytes) -> None:
        """Send a text, whatever it is."""
        if len(self._waiting) >= MOST_WAITING:
            self.end()
        self._waiting.append(text)
        self._wake.set()

    def end(self) -> None:
        """Say nothing more than what waits."""
        self.over = True
        self._wake.set()

    async def heard(self) -> bytes:
        """What waits, as soon as something does; a comment if nothing comes."""
        if not self._waiting and not self.over:
            try:
                await asyncio.wait_for(self._wake.wait(), BEAT)
            except TimeoutError:
                return _COMMENT
        self._wake.clear()
        said = b"".join(self._waiting)
        self._waiting.clear()
        return said


class Hub:
    """All listeners of one application."""

    def __init__(self, source: HotSource) -> None:
        self._source = source
        self._listeners: set[Hearer] = set()
        self._seen: dict[str, int] = {}
        """Alert id -> the newest revision that was told, the longest known first."""
        self._told: deque[_Event] = deque(maxlen=MOST_MISSED)
        self._looked = source.clock()
        self._looking: asyncio.Task[None] | None = None
        self._closed = ""
        """Why nobody can listen any more."""

    @contextmanager
    def listening(self, concerning: Concerning, symbol: str | None, last: str | None) -> Iterator[Hearer]:
        """A listener, until the block ends.

        last: Name of the last event that it got; None: it is new.
        Raises: Refusal: If there are too many, the server stops, or `last` is none.
        """
        if self._closed or len(self._listeners) >= MOST_LISTENERS:
            said = self._closed or f"{MOST_LISTENERS} others listen already"
            raise Refusal(503, "too_many_listeners", said, next_step="try again soon, or read /alerts", retry_after=10)
        if last is not None and not _ID.fullmatch(last):
            step = "give the id of the last event, as it came"
            raise wrong("Last-Event-ID", f"Last-Event-ID {last[:60]!r} is not one", next_step=step)
        listener = Hearer(concerning, symbol)
        if self._source.clock() - self._looked > _OVERLAP / 2:
            self._told.clear()  # nobody listened, and what came meanwhile is not among it
        with self._source.reading() as hot:
            self._look(hot, list(self._written(hot)))
            if last is not None:
                self._make_up(hot, listener, last)
        now = micros(self._source.clock())
        if last is None:
            listener.say(f"retry: 3000\nid: {now}.{'0' * 32}.0\n\n".encode())
        self._listeners.add(listener)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_again())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self, why: str = "the server stops") -> None:
        """End all listening, for good."""
        self._closed = why
        for listener in self._listeners:
            listener.end()

    async def _look_again(self) -> None:
        """Look every second, as long as anybody listens."""
        while self._listeners and not self._closed:
            await asyncio.sleep(EVERY)
            try:
                with self._source.reading() as hot:
                    found = list(self._written(hot))
                for first in range(0, len(found), _PAGE):
                    with self._source.reading() as hot:
                        self._look(hot, found[first : first + _PAGE])
                    await asyncio.sleep(0)  # others are answered meanwhile
            except Refusal as refused:
                log.warning("listeners wait: %s", refused.message)

    def _written(self, hot: HotStore) -> Iterator[Written]:
        """What was written of late and not told yet."""
        now = self._source.clock()
        place = now - _OVERLAP, ""
        while page := hot.written(place, limit=_PAGE, now=now):
            yield from (one for one in page if one.revision > self._seen.get(one.alert_id, 0))
            place = page[-1].recorded_at, page[-1].alert_id

    def _look(self, hot: HotStore, found: list[Written]) -> None:
        """Tell of these, unless nobody was there before who could have missed them."""
        now = self._looked = self._source.clock()
        for one in found:
            self._seen.pop(one.alert_id, None)
            self._seen[one.alert_id] = one.revision
            if self._listeners or self._told:
                stored = hot.alert(one.alert_id, now=now)
                if stored is not None:
                    event = _event(stored)
                    self._told.append(event)
                    for listener in self._listeners:
                        listener.offer(event)
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _make_up(self, hot: HotStore, listener: Hearer, last: str) -> None:
        """Tell one who comes back what it has missed."""
        names = [event.name for event in self._told]
        if last in names:
            for event in list(self._told)[names.index(last) + 1 :]:
                listener.offer(event)
            return
        found, now = _ID.fullmatch(last), self._source.clock()
        assert found is not None
        missed = hot.written((when(int(found[1])) - _OVERLAP, ""), limit=MOST_MISSED + 1, now=now)
        if len(missed) > MOST_MISSED:
            said = b'{"message":"more was missed than can be made up for","next_step":"read /alerts"}'
            listener.say(b"event: behind\ndata: " + said + b"\n\n")
            return
        for one in missed:
            stored = hot.alert(one.alert_id, now=now)
            if stored is not None and _name(stored) != last:
                event = _event(stored)
                listener.offer(event)
                listener.had.add(event.name)


def _name(stored: StoredAlert) -> str:
    return f"{micros(stored.recorded_at)}.{stored.alert.alert_id}.{stored.alert.revision}"


def _event(stored: StoredAlert) -> _Event:
    alert, name = stored.alert, _name(stored)
    change = "retracted" if alert.status == RETRACTED else "new" if alert.revision == 1 else "revised"
    shown = alert_document(alert, stored.recorded_at)
    document = ChangeDocument(change=change, **msgspec.structs.asdict(shown))
    body = msgspec.json.encode(document)
    return _Event(name, alert, f"id: {name}\nevent: {change}\ndata: ".encode() + body + b"\n\n")


class Telling(Response):
    """The answer to one who listens."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, concerning: Concerning, symbol: str | None, last: str | None) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub, self._asked = hub, (concerning, symbol, last)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._hub.listening(*self._asked) as listener:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope.get("head"):
                listener.end()
            leaving = asyncio.create_task(_left(receive, listener))
            try:
                async with asyncio.timeout(None) as limit:
                    while not listener.over:
                        limit.reschedule(None)
                        said = await listener.heard()
                        limit.reschedule(asyncio.get_running_loop().time() + STALLED)
                        await send({"type": "http.response.body", "body": said, "more_body": True})
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            except TimeoutError:
                log.info("a listener that took nothing for %.0f s was given up", STALLED)
            finally:
                leaving.cancel()


async def _left(receive: Receive, listener: Hearer) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()
