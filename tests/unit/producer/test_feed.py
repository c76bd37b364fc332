"""What one exchange said, as a live producer takes it in."""

from __future__ import annotations

import json

import pytest

from coattail.connectors.binance import BinanceConnector
from coattail.packing import Packer
from coattail.producer.feed import Feed


def message(number: int, **changed: object) -> bytes:
    fields = {"e": "trade", "E": 1741046400000, "s": "BTCUSDT", "t": number, "p": "1", "q": "2", "T": 1741046400000}
    return json.dumps({**fields, "m": False, "M": True, **changed}).encode()


@pytest.mark.parametrize("field", ["p", "q", "T"])
def test_a_trade_that_came_damaged_is_fetched_again(field: str) -> None:
    feed = Feed(BinanceConnector(symbols=("BTC-USDT",)), "live-1", floors={})
    for said in (message(1), message(2, **{field: None}), message(3)):
        feed.listener.inbox.add([said], 1741046400000000)
    packer = Packer()
    feed.take(packer)
    assert packer.records == 3  # the damaged one too: it lands among the rejected
    assert [(hole.first, hole.last) for hole in feed.continuity["BTC-USDT"].missing()] == [(2, 2)]
    fetched = feed.connector.batch([message(2, **{field: None})], [1741046400000001], source="backfill")
    feed.add(fetched, packer)
    assert not list(feed.continuity["BTC-USDT"].missing()), "what the exchange itself does not have whole is given up"
