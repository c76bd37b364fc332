"""What landing makes of a market's frames, the long way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from coattail.connectors import CONNECTORS
from coattail.landing import Checks, Coverage, Landed, land
from coattail.market import Market
from coattail.packing import Packer
from coattail.streams.base import Pack


@pytest.fixture
def landing() -> Callable[..., Landed]:
    """Land the frames of a market in one batch; a session is a connection."""

    def go(market: Market, since: datetime | None = None, until: datetime | None = None) -> Landed:
        connectors = {name: CONNECTORS[name]() for name in market.exchanges}
        packer = Packer()
        for frame in market.frames(since, until):
            session = f"{frame.exchange}-{frame.connection}" if frame.connection else frame.exchange
            for record in connectors[frame.exchange].records(frame.data, frame.received // 1000, session=session):
                packer.add(record)
        return land([Pack(lane, f"1.{i}", data) for i, (lane, data) in enumerate(packer.take())], Coverage(), Checks())

    return go
