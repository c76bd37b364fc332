"""What connections say by themselves, and when something may have been missed on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from coattail.connectors import okx
from coattail.connectors.base import BaseConnector
from coattail.connectors.kraken import KrakenConnector
from coattail.connectors.listening import Listener
from coattail.connectors.subscription import Again, Subscription
from tests.harness.said import Saying, saying

pytestmark = pytest.mark.slow


def echo(text: str) -> Sequence[str]:
    return ["pong"] if text == "ping" else ['{"event":"subscribe"}']


@dataclass
class Listened:
    """A listener at work."""

    listener: Listener
    lost: list[Subscription] = field(default_factory=list)

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, self.listener.health
            await asyncio.sleep(0.005)


def listened(connector: BaseConnector, work: Callable[[Listened], object], **options: float) -> Listened:
    """Listen while `work`, a coroutine function, goes on."""

    async def run() -> Listened:
        lost: list[Subscription] = []
        doing = Listened(Listener(connector, on_loss=lost.append, **options), lost)
        task = asyncio.create_task(doing.listener.run())
        try:
            await work(doing)  # type: ignore[misc]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return doing

    return asyncio.run(run())


def pinging(monkeypatch: pytest.MonkeyPatch, server: Saying, again: Again | None) -> BaseConnector:
    monkeypatch.setattr(okx, "_PING", again)
    return okx.OkxConnector(symbols=("BTC-USDT",), websocket_host=server.url)


def test_what_an_exchange_wants_to_hear_is_said_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(doing: Listened) -> None:
        await doing.until(lambda: server.heard.count("ping") >= 20)  # four times as long as the exchange's patience

    with saying(echo, patience=0.25) as server:
        doing = listened(pinging(monkeypatch, server, Again("ping", timedelta(seconds=0.05))), work)
    assert (server.sent_away, doing.listener.health[0].reconnects, doing.lost) == (0, 0, [])
    messages, _ = doing.listener.inbox.take()
    assert messages.count(b"pong") >= 19


def test_without_it_that_exchange_sends_us_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(doing: Listened) -> None:
        await doing.until(lambda: doing.listener.health[0].reconnects > 0)

    with saying(echo, patience=0.25) as server:
        doing = listened(pinging(monkeypatch, server, None), work)
    assert server.sent_away >= 1
    assert doing.listener.health[0].problem.startswith("the exchange closed the connection with code 4004")


def test_a_planned_successor_is_no_loss() -> None:
    async def work(doing: Listened) -> None:
        await doing.until(lambda: doing.listener.health[0].renewals > 1)

    with saying(echo) as server:
        connector = KrakenConnector(symbols=("BTC-USD",), websocket_host=server.url)
        doing = listened(connector, work, renew_after=0.4, overlap=0.05)
    assert (doing.listener.health[0].reconnects, doing.lost) == (0, [])


def test_a_connection_that_breaks_is_a_loss_and_is_made_anew() -> None:
    async def work(doing: Listened) -> None:
        await doing.until(lambda: server.listeners == 1)
        server.cut()
        await doing.until(lambda: doing.listener.health[0].reconnects > 0)

    with saying(echo) as server:
        connector = KrakenConnector(symbols=("BTC-USD",), websocket_host=server.url)
        doing = listened(connector, work)
    assert [line.symbols for line in doing.lost] == [("BTC-USD",)]


def test_a_connection_that_breaks_while_its_successor_is_made_is_a_loss() -> None:
    def answers(text: str) -> Sequence[str]:
        first.append(text)
        return ['{"event":"subscribe"}']

    async def work(doing: Listened) -> None:
        await doing.until(lambda: len(first) == 2)
        server.cut()  # both of them, within the overlap
        await doing.until(lambda: len(doing.lost) > 0)

    first: list[str] = []
    with saying(answers) as server:
        connector = KrakenConnector(symbols=("BTC-USD",), websocket_host=server.url)
        doing = listened(connector, work, renew_after=0.3, overlap=10.0)
    assert doing.listener.health[0].renewals == 1
