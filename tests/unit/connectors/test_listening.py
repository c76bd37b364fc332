"""Connections to exchanges on loopback: replaced, lost, refused, silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from coattail.connectors import listening as module
from coattail.connectors.coinbase import CoinbaseConnector
from coattail.connectors.listening import Listener
from coattail.market import Market
from coattail.market.exchange import Served, serving
from coattail.market.exchange.faults import AnswerWith, Reset, Shutdown, Silence
from tests.harness.live import connectors_of

pytestmark = pytest.mark.slow

BINANCE = {"binance": ("BTC-USDT", "ETH-USDT")}
COINBASE = {"coinbase": ("BTC-USD",)}


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Market(seed=7, duration=timedelta(hours=1))) as exchanges:
        yield exchanges


class Heard:
    """What a listener has heard, decoded."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.ids: dict[str, list[int]] = {}

    def take(self) -> None:
        batch = self.listener.connector.batch(*self.listener.inbox.take())
        for trade in batch.trades():
            assert trade.symbol is not None
            assert trade.trade_id is not None
            self.ids.setdefault(trade.symbol, []).append(trade.trade_id)

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self.take()
                await asyncio.sleep(0.01)

    @property
    def states(self) -> set[str]:
        return {health.state for health in self.listener.health}

    def whole(self) -> bool:
        """Whether no id is missing between the first and the last of each instrument."""
        return all(set(range(min(ids), max(ids) + 1)) == set(ids) for ids in self.ids.values())


@asynccontextmanager
async def heard(served: Served, symbols: dict[str, tuple[str, ...]], **options: Any) -> AsyncIterator[Heard]:
    [connector] = connectors_of(served, symbols)
    found = Heard(Listener(connector, **options))
    running = asyncio.create_task(found.listener.run())
    [venue] = [served.venues[name] for name in symbols]
    try:
        await found.until(lambda: found.states == {"listening"} and venue.subscriptions > 0)
        yield found
    finally:
        running.cancel()
        await asyncio.wait({running})


def test_a_connection_is_replaced_before_it_ends_and_no_trade_is_missed(served: Served) -> None:
    async def replaced() -> Heard:
        async with heard(served, BINANCE, renew_after=0.4, overlap=0.3) as found:
            [health] = found.listener.health
            for _ in range(40):
                served.binance.release(50)
                await asyncio.sleep(0.05)
                found.take()
            await found.until(lambda: health.renewals >= 3)
            assert health.reconnects == 0
            return found

    found = asyncio.run(replaced())
    assert found.whole()
    assert sum(map(len, found.ids.values())) > sum(len(set(ids)) for ids in found.ids.values()), "both were heard"


def test_a_shutdown_that_is_announced_costs_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def announced() -> Heard:
        async with heard(served, BINANCE, overlap=0.3) as found:
            [health] = found.listener.health
            served.binance.release(100)
            served.binance.strike(Shutdown(at_trade=0, after=1.0))
            await found.until(lambda: health.renewals == 1)
            for _ in range(30):
                served.binance.release(20)
                await asyncio.sleep(0.05)
                found.take()
            assert (health.reconnects, health.renewals) == (0, 1)
            return found

    assert asyncio.run(announced()).whole()


@pytest.mark.parametrize("status", [503, 429])
def test_an_exchange_that_answers_wrongly_for_a_while_is_heard_again_soon(served: Served, status: int) -> None:
    async def again() -> float:
        async with heard(served, BINANCE) as found:
            [health] = found.listener.health
            served.binance.strike(AnswerWith(at_trade=0, seconds=1.0, status=status, retry_after=1, on="websocket"))
            served.binance.strike(Reset(at_trade=0))
            await found.until(lambda: health.state in ("waiting", "refused"))
            assert str(status) in health.problem
            began = asyncio.get_running_loop().time()
            await found.until(lambda: health.reconnects == 1)
            return asyncio.get_running_loop().time() - began

    assert asyncio.run(again()) < 6.5


def test_a_half_open_connection_does_not_answer_pings(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PING_EVERY", 0.3)
    monkeypatch.setattr(module, "PING_WITHIN", 0.3)

    async def noticed() -> str:
        async with heard(served, BINANCE) as found:
            [health] = found.listener.health
            served.binance.strike(Silence(at_trade=0, seconds=60))
            await found.until(lambda: health.reconnects == 1)
            return health.problem

    assert asyncio.run(noticed()) == "the exchange did not answer a ping"


def test_a_feed_without_its_heartbeats_is_dead(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CoinbaseConnector, "silence", timedelta(seconds=2))

    async def noticed() -> str:
        async with heard(served, COINBASE) as found:
            await asyncio.sleep(2.5)  # heartbeats come once a second: longer than `silence` without a trade
            [health] = found.listener.health
            assert health.reconnects == 0
            served.coinbase.strike(Silence(at_trade=0, seconds=60))
            await found.until(lambda: health.reconnects == 1)
            return health.problem

    assert "not even a heartbeat" in asyncio.run(noticed())


def test_what_is_full_is_not_read_and_goes_on_when_it_is_emptied(served: Served) -> None:
    async def full() -> Heard:
        async with heard(served, BINANCE) as found:
            found.listener.inbox._most = 20_000
            served.binance.release(2_000)
            await asyncio.sleep(0.3)
            assert found.listener.inbox.bytes < 300_000
            assert found.listener.inbox.waits >= 1
            await found.until(lambda: sum(map(len, found.ids.values())) >= 1_000)
            return found

    assert asyncio.run(full()).whole()
