"""New and revised alerts as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI
from starlette.types import Message

from coattail.alerts import Alert
from coattail.api import stream
from coattail.api.source import HotSource
from coattail.stores.hot import HotStore
from tests.harness.asgi import ask, asked, request_scope
from tests.harness.served import NOW, numbered

LATER = NOW + timedelta(seconds=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "EVERY", 0.001)


class Heard:
    """What a client of the stream has received."""

    def __init__(self) -> None:
        self.text = b""
        self.status = 0
        self.ended = False
        self.leave = asyncio.Event()
        self._more = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()

    async def receive(self) -> Message:
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.status = message.get("status", self.status)
        self.text += message.get("body", b"")
        self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)
        self._more.set()

    @property
    def events(self) -> list[dict[str, str]]:
        blocks = [block for block in self.text.decode().split("\n\n") if "data: " in block]
        return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]  # type: ignore[misc]

    @property
    def told(self) -> list[tuple[str, int, str]]:
        """Change, revision and message of each alert."""
        found = [(event["event"], msgspec.json.decode(event["data"])) for event in self.events]
        assert all(said["change"] == change for change, said in found)
        return [(change, said["revision"], said["alert_id"]) for change, said in found]

    @property
    def last(self) -> str:
        return [line[4:] for line in self.text.decode().splitlines() if line.startswith("id: ")][-1]

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not done():
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def listening(app: FastAPI, query: str = "", **headers: str) -> AsyncIterator[Heard]:
    heard = Heard()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    scope = request_scope(f"/alerts/stream{query}", headers=named)
    task = asyncio.create_task(app(scope, heard.receive, heard.send))  # type: ignore[arg-type]
    await heard.until(lambda: heard.status != 0)
    try:
        yield heard
    finally:
        heard.leave.set()
        await asyncio.wait_for(task, 5)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def put(store: HotStore, *alerts: Alert, at: datetime = LATER) -> None:
    store.put_alerts(alerts, now=at)


def test_new_revised_and_retracted_alerts_come_to_whoever_listens(app: FastAPI, store: HotStore) -> None:
    async def main() -> None:
        async with listening(app) as heard:
            for alert in (numbered(30), numbered(30, revision=2), numbered(30, revision=3, status="retracted")):
                before = len(heard.told)
                put(store, alert)
                await heard.until(lambda n=before: len(heard.told) > n)  # type: ignore[misc]
        name = numbered(30).alert_id
        assert heard.told == [("new", 1, name), ("revised", 2, name), ("retracted", 3, name)]
        assert heard.text.startswith(b"retry: 3000\nid: ")

    run(main())


def test_a_listener_hears_of_what_it_asked_for(app: FastAPI, store: HotStore) -> None:
    async def main() -> None:
        query = "?symbol=ethusdt&severity=high&type=volume_spike&exchange=Binance"
        async with listening(app, query) as some, listening(app) as everything:
            put(store, *(numbered(n) for n in range(30, 90)))
            await everything.until(lambda: len(everything.told) == 60)
            wanted = [
                a.alert_id
                for a in map(numbered, range(30, 90))
                if (a.symbol, a.alert_type, a.exchange) == ("ETH-USDT", "volume_spike", "binance")
                and a.severity in ("high", "critical")
            ]
            await some.until(lambda: len(some.told) == len(wanted) > 2)
            assert sorted(told[2] for told in some.told) == sorted(wanted)

    run(main())


def test_what_becomes_of_an_alert_is_told_also_where_it_is_no_longer_what_was_asked_for(
    app: FastAPI, store: HotStore
) -> None:
    async def main() -> None:
        async with listening(app, "?severity=high") as heard:
            for revision, severity in ((1, "high"), (2, "low")):
                put(store, numbered(40, revision=revision, severity=severity), numbered(41, severity="low"))
                await heard.until(lambda n=revision: len(heard.told) == n)  # type: ignore[misc]
        assert [told[:2] for told in heard.told] == [("new", 1), ("revised", 2)]

    run(main())


def test_whoever_comes_back_goes_on_behind_the_last_event(app: FastAPI, store: HotStore) -> None:
    async def main() -> None:
        async with listening(app) as first, listening(app) as other:
            put(store, numbered(30), numbered(31))
            await first.until(lambda: len(first.told) == 2)
            first.leave.set()
            put(store, numbered(32), numbered(33))
            await other.until(lambda: len(other.told) == 4)
            async with listening(app, Last_Event_ID=other.events[1]["id"]) as again:
                await again.until(lambda: len(again.told) == 2)
                assert [event["id"] for event in again.events] == [event["id"] for event in other.events[2:]]
        async with listening(app, Last_Event_ID=other.events[3]["id"]) as later:
            put(store, numbered(34))  # nobody listened
            await later.until(lambda: len(later.told) == 1)
            assert later.told[0][2] == numbered(34).alert_id

    run(main())


def test_after_a_restart_what_was_missed_comes_from_the_store(app: FastAPI, source: HotSource, store: HotStore) -> None:
    from coattail.api.app import make_app

    async def main() -> None:
        put(store, *(numbered(n, revision=2) for n in range(20)), at=NOW - timedelta(hours=2))
        async with listening(app) as before:
            put(store, numbered(30))
            await before.until(lambda: len(before.told) == 1)
        put(store, numbered(31), at=LATER + timedelta(hours=1))
        source.clock = lambda: LATER + timedelta(hours=2)
        async with listening(make_app(source), Last_Event_ID=before.last) as again:
            await again.until(lambda: len(again.told) >= 1)
            put(store, numbered(32), at=LATER + timedelta(hours=2))
            await again.until(lambda: again.told[-1][2] == numbered(32).alert_id)
        told = [told[2] for told in again.told]
        assert len(told) == len(set(told))
        assert numbered(30).alert_id not in told
        assert told[-2:] == [numbered(31).alert_id, numbered(32).alert_id]

    run(main())


def test_whoever_missed_too_much_is_told_to_read_the_list(
    app: FastAPI, store: HotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MOST_MISSED", 19)

    async def main() -> None:
        async with listening(app, Last_Event_ID=f"1.{'0' * 32}.1") as heard:
            await heard.until(lambda: bool(heard.events))
            assert [event["event"] for event in heard.events] == ["behind"]

    run(main())


def test_a_comment_shows_that_the_connection_lives(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEAT", 0.001)

    async def main() -> None:
        async with listening(app) as heard:
            await heard.until(lambda: heard.text.count(b": still here\n\n") >= 2)

    run(main())


def test_a_client_that_never_reads_is_dropped_and_the_others_hear_all(
    app: FastAPI, store: HotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STALLED", 0.05)
    monkeypatch.setattr(stream, "MOST_WAITING", 10)

    async def main() -> None:
        stuck = Heard()
        stuck.reads.clear()
        scope = request_scope("/alerts/stream")
        task = asyncio.create_task(app(scope, stuck.receive, stuck.send))  # type: ignore[arg-type]
        async with listening(app) as heard:
            stuck.reads.set()
            await stuck.until(lambda: stuck.status == 200)
            stuck.reads.clear()
            for n in range(30, 60):
                put(store, numbered(n))
                await heard.until(lambda n=n: len(heard.told) == n - 29)  # type: ignore[misc]
            await asyncio.wait_for(task, 5)
        assert stuck.told == []

    run(main())


def test_listeners_are_limited_and_end_with_the_server(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_LISTENERS", 1)

    async def main() -> None:
        async with listening(app) as heard:
            refused = await asked(app, "/alerts/stream")
            assert (refused.status, refused.json["error"]) == (503, "too_many_listeners")
            assert refused.headers["retry-after"] == "10"
            app.state.hub.close()
            await heard.until(lambda: heard.ended)
        assert (await asked(app, "/alerts/stream")).json["message"] == "the server stops"

    run(main())


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [("?severity=dire", {}, "severity"), ("?limit=5", {}, "limit"), ("", {"Last-Event-ID": "7.x.1"}, "Last-Event-ID"),
     ("?symbol=DOGE-USD", {}, "symbol")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_before_anything_is_streamed(
    app: FastAPI, query: str, headers: dict[str, str], field: str
) -> None:
    answer = ask(app, f"/alerts/stream{query}", headers=headers)
    assert (answer.status // 100, answer.json["field"]) == (4, field)


def test_a_head_request_does_not_wait_for_alerts(app: FastAPI) -> None:
    answer = ask(app, "/alerts/stream", method="HEAD")
    assert (answer.status, answer.raw) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
