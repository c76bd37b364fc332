"""How much is to be expected at every moment of a simulated market: what only its maker knows."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from coattail.landing.bars import BAR
from coattail.market.activity import intensity
from coattail.market.clusters import changed, orders_per_second
from coattail.market.instruments import SimulatedInstrument
from coattail.market.planted import changes
from coattail.market.prices import CHUNK_SECONDS, Floats
from coattail.market.simulation import Market
from coattail.market.tape import CHUNK_US
from coattail.records import micros

_BAR_S = int(BAR.total_seconds())


def expected_orders(market: Market, instrument: SimulatedInstrument, since: datetime, until: datetime) -> Floats:
    """Taker orders expected in each bar of since <= t < until, were nothing planted but regimes.

    By the activity that the orders are drawn by, second by second; what clusters of orders add by chance, nobody knows
    beforehand. `instrument` is one of `market.traded`; of a steady market the activity is taken as constant. Both times
    are whole bars after the market's start.
    """
    begin = micros(market.start)
    first, last = ((micros(t) - begin) // 1_000_000 // _BAR_S for t in (since, until))
    per_second = market.rate * orders_per_second(market.character, instrument)
    bars = CHUNK_SECONDS // _BAR_S
    if market.character.steady:
        return np.full(last - first, per_second * _BAR_S)
    chunks = range(first // bars, -(-last // bars))
    regimes = changes(market.planted or (), instrument)
    starts = [(i, begin + i * CHUNK_US) for i in chunks]
    levels = [
        intensity(market.seed, market.character, instrument, i, start) * changed(regimes, start) for i, start in starts
    ]
    by_bar: Floats = np.concatenate(levels).reshape(-1, _BAR_S).sum(axis=1) * per_second
    return by_bar[first - chunks.start * bars : last - chunks.start * bars]
