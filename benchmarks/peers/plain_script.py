"""The peer of the drain: what one would write in an afternoon, without checks, gaps, alerts or recovery.

It reads the same stream, drops repeats by a set of string ids, sums floats into 10-second bars and appends both to
Iceberg tables the stock way, batch by batch.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from pyiceberg.catalog.sql import SqlCatalog

from coattail.streams.local import LocalStream
from coattail.unpacking import rows_frame, sections_of


def drain(stream: LocalStream, folder: Path, *, batch_bytes: int) -> int:
    """Land all of the stream in new tables under `folder`; returns the trades landed."""
    catalog = SqlCatalog("plain", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    catalog.create_namespace("plain")
    tables: dict[str, object] = {}
    seen: set[str] = set()
    after: dict[str, str] = {}
    landed = 0
    while True:
        read = stream.read(after, limit_bytes=batch_bytes)
        if not read.packs:
            return landed
        after = dict(read.offsets)
        rows = rows_frame([section for pack in read.packs for section in sections_of(pack.data)]).with_columns(
            pl.format("{}:{}:{}", "exchange", "symbol", "trade_id").alias("event_id"),
            pl.col("price").cast(pl.Float64),
            pl.col("quantity").cast(pl.Float64),
            pl.col("timestamp").cast(pl.Datetime("us", "UTC")),
            pl.col("received").cast(pl.Datetime("us", "UTC")),
        )
        rows = rows.unique("event_id", keep="first")
        fresh = rows.filter(pl.Series([event not in seen for event in rows["event_id"]], dtype=pl.Boolean))
        seen.update(fresh["event_id"])
        bars = (
            fresh.sort("timestamp")
            .group_by("exchange", "symbol", pl.col("timestamp").dt.truncate("10s").alias("bar_start"))
            .agg(
                pl.col("price").first().alias("open"),
                pl.col("price").last().alias("close"),
                pl.col("price").max().alias("high"),
                pl.col("price").min().alias("low"),
                pl.col("quantity").sum(),
                (pl.col("price") * pl.col("quantity")).sum().alias("notional"),
                pl.len().cast(pl.Int64).alias("trades"),
            )
        )
        for name, frame in (("trades", fresh), ("bars", bars)):
            arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            if name not in tables:
                tables[name] = catalog.create_table(("plain", name), schema=arrow.schema)
            tables[name].append(arrow)  # type: ignore[attr-defined]
        landed += fresh.height
