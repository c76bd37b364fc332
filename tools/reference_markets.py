"""Quarter hours of reference markets, which markets without history borrow: coattail/conf/reference_markets.parquet.

python -m tools.reference_markets coattail/conf/reference_markets.parquet

Each is a simulated market of stationary activity in which nothing is planted, a week of quarter hours after a week from
which the detector learns.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coattail.detectors.base import DAY, Facts
from coattail.detectors.rare_fit import CHANNELS
from coattail.detectors.rare_volume import RareVolumeDetector
from coattail.detectors.rarity import BLOCKS_A_DAY
from coattail.market.character import BUSY, CROWDED, MIDDLE, QUIET, SMALL, THIN, Character
from coattail.market.instruments import DEFAULT_INSTRUMENTS
from coattail.market.long_run import long_run
from coattail.tables import ORDERS

PACES: tuple[tuple[float, Character], ...] = (
    (0.1, THIN), (0.4, THIN), (1.0, QUIET), (2.0, QUIET), (4.5, SMALL), (9.0, SMALL), (20.0, MIDDLE), (50.0, MIDDLE),
    (130.0, BUSY), (330.0, BUSY), (1000.0, CROWDED),
)  # fmt: skip
"""Trades a minute, and the character of a market that trades so often."""
_START, _DAYS, _SEED = datetime(2025, 3, 3, tzinfo=UTC), 15, 401


def facts_of(bars: pl.DataFrame, days: int) -> Facts:
    """What a detector may know of a market without a hole."""
    spans = bars.group_by("exchange", "symbol").agg(
        pl.col("first_trade_id").min().alias("first_id"), pl.col("last_trade_id").max().alias("last_id"),
        pl.col("first_timestamp").min().alias("first_ts"), pl.col("last_timestamp").max().alias("last_ts"),
    )  # fmt: skip
    end = _START + DAY * days
    return Facts(bars=bars, orders=ORDERS.empty(), spans=spans, since=_START, until=end, watermark=end)


def market(pace: float, character: Character) -> tuple[float, NDArray[np.float32]]:
    """Orders a day of a reference market, and the peaks of a week of its quarter hours, [channel, block]."""
    bars = long_run(replace(character, pace=pace), DEFAULT_INSTRUMENTS[0], _DAYS, seed=_SEED, start=_START)
    detector, facts, first = RareVolumeDetector(), facts_of(bars, _DAYS), _DAYS - 7
    days = [facts.learned(detector, "peaks", _START + DAY * n) for n in range(first, _DAYS)]
    parts = [day["peaks"].to_numpy().reshape(CHANNELS, BLOCKS_A_DAY) for day in days]
    orders = bars.filter(pl.col("bar_start") >= _START + DAY * first)["orders"].sum() / 7
    return float(orders), np.round(np.concatenate(parts, axis=1), 3)


def reference() -> pl.DataFrame:
    """A row a market, by activity: orders_a_day, and the peaks of its quarter hours by channel."""
    rows = [market(pace, character) for pace, character in PACES]
    size = CHANNELS * BLOCKS_A_DAY * 7
    return pl.DataFrame(
        {"orders_a_day": [orders for orders, _ in rows], "peaks": np.stack([peaks.ravel() for _, peaks in rows])},
        schema={"orders_a_day": pl.Float64, "peaks": pl.Array(pl.Float32, size)},
    ).sort("orders_a_day")


if __name__ == "__main__":
    reference().write_parquet(Path(sys.argv[1]), compression="zstd", compression_level=19)
