"""The rows of a schema drill: trades of the home, or simulated ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from coattail.connectors import CONNECTORS
from coattail.landing import Checks, Coverage, land
from coattail.market import Market
from coattail.packing import Packer
from coattail.stores.lake import Lake
from coattail.streams.base import Pack
from coattail.tables import RAW_TRADES

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile

COLUMNS = (
    "event_id", "exchange", "symbol", "trade_id", "price", "quantity", "side", "timestamp", "stream_lane",
)  # fmt: skip


def drill_rows(lake: Lake, rows: int) -> tuple[pl.DataFrame, str]:
    """At most `rows` trades, with quantity as a 32-bit float so that it can be widened; and whose they are.

    Columns out: `COLUMNS`, one row per event_id.
    """
    stored = _stored(lake, rows)
    found, source = (stored, "trades of this home") if stored.height else (_simulated(rows), "simulated trades")
    return found.select(COLUMNS).with_columns(pl.col("quantity").cast(pl.Float32)), source


def _stored(lake: Lake, rows: int) -> pl.DataFrame:
    """Trades of as few files as hold `rows`."""
    if not lake.has(RAW_TRADES.name):
        return RAW_TRADES.empty()
    files: list[DataFile] = []
    for file in lake.files(RAW_TRADES.name):
        if sum(taken.record_count for taken in files) >= rows:
            break
        files.append(file)
    return lake.reading(RAW_TRADES, files).rows().select(COLUMNS).head(rows).collect()


def _simulated(rows: int) -> pl.DataFrame:
    packer, count = Packer(), 0
    for frame in Market(duration=timedelta(days=1)).frames():
        for record in CONNECTORS[frame.exchange]().records(frame.data, frame.received // 1000, session="drill"):
            packer.add(record)
            count += 1
        if count >= rows:
            break
    packs = [Pack(lane, f"1.{place}", data) for place, (lane, data) in enumerate(packer.take())]
    return land(packs, Coverage(), Checks()).trades.head(rows)
