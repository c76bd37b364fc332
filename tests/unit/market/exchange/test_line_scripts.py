"""The scripts that experiments use do what their names say, and a naive client loses trades in them."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from coattail.market import Market
from coattail.market.exchange import Served, ServedVenue, serving
from tests.harness.line_scripts import NaiveClient, line_scripts

pytestmark = pytest.mark.slow

STREAMS = [f"{code}@trade" for code in ("btcusdt", "ethusdt", "solusdt")]
SUBSCRIPTIONS = {
    "binance": {"method": "SUBSCRIBE", "params": STREAMS, "id": 1},
    "coinbase": {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD", "SOL-USD"], "channels": ["matches"]},
}
CODES = {"binance": ("BTCUSDT", "ETHUSDT"), "coinbase": ("BTC-USD", "ETH-USD")}
IDS = {"binance": "t", "coinbase": "trade_id"}


def test_there_are_thirty_and_more_for_each_exchange() -> None:
    for exchange, codes in CODES.items():
        assert len(line_scripts(exchange, *codes)) >= 30


async def heard(served: Served, venue: ServedVenue, exchange: str) -> tuple[NaiveClient, list[int]]:
    """What a naive client heard of the first 1,600 trades, and what there was."""
    client = NaiveClient(venue.websocket_url + "/ws", SUBSCRIPTIONS[exchange], IDS[exchange])
    listening = asyncio.create_task(client.listen())
    deadline = time.monotonic() + 10
    while venue.subscriptions < 3:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    for _ in range(32):
        await asyncio.to_thread(venue.release, 50)
        await asyncio.sleep(0.005)
    codes = [code for code in venue.instruments if code != "USDT-USD"]
    trades = venue.trades()
    ids = trades.filter(trades["live"] & trades["code"].is_in(codes))["trade_id"].to_list()
    await asyncio.sleep(0.05)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    return client, ids


@pytest.mark.parametrize("exchange", CODES)
@pytest.mark.parametrize("name", ["a reset", "100 trades not told of", "ids as text", "JSON that is cut"])
def test_a_naive_client_loses_trades(exchange: str, name: str) -> None:
    script = line_scripts(exchange, *CODES[exchange])[name]
    with serving(Market(seed=7), faults=script) as served:
        venue = served.venues[exchange]
        client, ids = asyncio.run(heard(served, venue, exchange))
        assert len(venue.struck) == len(script)
    assert len(set(ids) - set(client.ids)) >= 20


@pytest.mark.parametrize("exchange", CODES)
def test_a_naive_client_counts_trades_twice(exchange: str) -> None:
    script = line_scripts(exchange, *CODES[exchange])["500 trades told twice"]
    with serving(Market(seed=7), faults=script) as served:
        client, ids = asyncio.run(heard(served, served.venues[exchange], exchange))
    assert sum(client.ids[number] == 2 for number in ids) > 400


@pytest.mark.parametrize("exchange", CODES)
def test_every_script_strikes_at_every_step(exchange: str) -> None:
    for name, script in line_scripts(exchange, *CODES[exchange]).items():
        with serving(Market(seed=7), faults=script) as served:
            served.venues[exchange].release(1_600)
            assert len(served.venues[exchange].struck) == len(script), name
