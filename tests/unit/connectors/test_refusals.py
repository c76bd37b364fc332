"""The shell around every connection: what is refused is asked for again, and an error of ours is not the network's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from coattail.connectors.binance import BinanceConnector
from coattail.connectors.coinbase import CoinbaseConnector
from coattail.connectors.listening import Listener
from coattail.connectors.subscription import Notice
from coattail.market import Market
from coattail.market.exchange import Served, serving
from coattail.market.exchange.faults import AnswerWith, RefuseSubscriptions, Reset

pytestmark = pytest.mark.slow


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Market(seed=7)) as exchanges:
        yield exchanges


async def listened(listener: Listener, until: Callable[[], bool], *, meanwhile: Callable[[], object]) -> None:
    """Listen until a condition holds; fails after ten seconds."""
    task = asyncio.create_task(listener.run())
    try:
        async with asyncio.timeout(10):
            while not until():
                await asyncio.to_thread(meanwhile)
                await asyncio.sleep(0.02)
                if task.done():
                    await task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def told_of(listener: Listener, mark: bytes) -> bool:
    return any(mark in message for message in listener.inbox.take()[0])


def test_an_exchange_that_refuses_for_a_moment_is_heard_again_soon(served: Served) -> None:
    venue = served.binance
    listener = Listener(BinanceConnector(symbols=("BTC-USDT",), websocket_host=venue.websocket_url))
    venue.strike(AnswerWith(at_trade=0, seconds=1, status=451))
    asyncio.run(listened(listener, lambda: told_of(listener, b'"trade"'), meanwhile=lambda: venue.release(1)))
    assert listener.health[0].reconnects == 0
    assert sum(listener.problems.values()) <= 3


def test_a_subscription_that_is_refused_is_asked_for_again(served: Served) -> None:
    venue = served.coinbase
    listener = Listener(CoinbaseConnector(symbols=("BTC-USD",), websocket_host=venue.websocket_url))
    venue.strike(RefuseSubscriptions(at_trade=0, seconds=1.5, symbols=["BTC-USD"]))
    asyncio.run(listened(listener, lambda: told_of(listener, b'"match"'), meanwhile=lambda: venue.release(1)))
    assert listener.health[0].reconnects == 0
    assert "not a valid product" in listener.health[0].refused


def test_of_several_symbols_each_can_be_asked_for_by_itself() -> None:
    names = tuple(f"C{number}-USD" for number in range(25))
    lines = CoinbaseConnector(symbols=names).subscriptions()
    assert [len(line.symbols) for line in lines] == [3] * 8 + [1]
    assert all(len(line.singly) == len(line.symbols) for line in lines)
    pairs = [pair for line in lines for pair in zip(line.symbols, line.singly, strict=True)]
    assert all(f'["{symbol}"]' in said for symbol, said in pairs)


@dataclass(frozen=True, kw_only=True)
class Broken(CoinbaseConnector):
    """Coinbase, with a mistake of ours."""

    def notice(self, message: bytes) -> Notice | None:
        raise LookupError("a mistake of ours")


def test_an_error_of_ours_does_not_look_like_one_of_the_network(served: Served) -> None:
    listener = Listener(Broken(symbols=("BTC-USD",), websocket_host=served.coinbase.websocket_url))
    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(listened(listener, lambda: False, meanwhile=lambda: served.coinbase.release(1)))
    assert raised.group_contains(LookupError, match="a mistake of ours", depth=1)
    assert not listener.problems


def test_nothing_of_a_listener_is_left_when_it_is_stopped(served: Served) -> None:
    venue = served.coinbase
    listener = Listener(CoinbaseConnector(symbols=("BTC-USD", "ETH-USD"), websocket_host=venue.websocket_url))

    async def run() -> set[asyncio.Task[object]]:
        await listened(listener, lambda: told_of(listener, b'"match"'), meanwhile=lambda: venue.release(5))
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    venue.strike(Reset(at_trade=1))
    assert asyncio.run(run()) == set()
