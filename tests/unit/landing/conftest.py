"""Builders for everything that `land()` reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from coattail.landing import Checks, Coverage, Landed, land
from coattail.packing import Packer
from coattail.records import Record, Trade
from coattail.streams.base import Pack

NOON = 1_741_089_600_000_000


@pytest.fixture
def make_trade() -> Callable[..., Trade]:
    def make(trade_id: int | None = 1, **fields: object) -> Trade:
        defaults = {
            "exchange": "binance",
            "symbol": "BTC-USDT",
            "trade_id": trade_id,
            "price": "100.5",
            "quantity": "0.25",
            "side": "buy",
            "timestamp": NOON + (trade_id or 0) * 1_000_000,
            "received": NOON + (trade_id or 0) * 1_000_000 + 1_000,
            "session": "s",
            "payload": f'{{"t":{trade_id}}}',
        }
        return Trade(**{**defaults, **fields})  # type: ignore[arg-type]

    return make


@pytest.fixture
def landing() -> Callable[..., Landed]:
    """Land records; each argument list is one stream segment, all in one batch."""

    def go(*segments: Sequence[Record], coverage: Coverage | None = None, checks: Checks | None = None) -> Landed:
        packs = []
        for number, segment in enumerate(segments, 1):
            packer = Packer()
            for record in segment:
                packer.add(record)
            packs += [Pack(lane, f"{number}.{i}", data) for i, (lane, data) in enumerate(packer.take())]
        return land(packs, coverage or Coverage(), checks or Checks())

    return go
