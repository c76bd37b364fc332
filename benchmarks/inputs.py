"""What is measured on: a simulated market as a backlog in a stream, and the same trades as the peers want them."""

from __future__ import annotations

import itertools
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl

from coattail.connectors import CONNECTORS
from coattail.home import Home
from coattail.market import Asset, Market, SimulatedInstrument
from coattail.market.faults import with_duplicates
from coattail.packing import Packer
from coattail.records import Row, Shared
from coattail.streams.base import Stream
from coattail.streams.local import LocalStream
from coattail.unpacking import rows_frame, sections_of

DUPLICATES = 0.0005
"""Share of the trades that come twice."""

_A_MINUTE = 1_530
"""Trades of the default market in a minute at rate 1, its bursts included."""
_FRAMES_AT_ONCE = 4_096
_BEGIN = datetime(2025, 3, 4, tzinfo=UTC)


def busy(trades: int, hours: float) -> Market:
    """About `trades` trades in `hours` hours."""
    return Market(start=_BEGIN, rate=trades / _A_MINUTE / 60 / hours, duration=timedelta(hours=hours))


def day(trades: int) -> Market:
    """About `trades` trades spread over one day."""
    return busy(trades, 24)


def skewed(symbols: int, trades: int) -> Market:
    """About `trades` trades of two hours; `symbols` assets at two venues, the n-th traded 1/n as often as the first."""
    shares = [1 / (n + 1) for n in range(symbols)]
    per_minute = [trades / 120 / 2 * share / sum(shares) for share in shares]
    assets = [Asset(name=f"C{n:03d}", price=62_000 / (n + 1), volatility_bps=1.0) for n in range(symbols)]
    return Market(
        start=_BEGIN,
        duration=timedelta(hours=2),
        planted=(),
        instruments=tuple(
            SimulatedInstrument(
                exchange=exchange, asset=asset, quote=quote, trades_per_minute=rate, order_size=1_000, lot=1e-5
            )
            for exchange, quote in (("binance", "USDT"), ("coinbase", "USD"))
            for asset, rate in zip(assets, per_minute, strict=True)
        ),
    )


Some = tuple[Shared, list[Row], list[bytes]]
"""Trades of one instrument that came together, with their payloads."""


def filled(folder: Path, market: Market) -> Path:
    """A stream folder that holds the market's trades in the order of receipt, some of them twice."""
    return _written(folder, _received(market))


def repeated(folder: Path, market: Market, days: int) -> Path:
    """The trades of a day again on each day after it, ids and times moved on: many days for the price of one."""
    blocks = list(_received(market))
    ids: dict[tuple[str, str], list[int]] = defaultdict(list)
    for block in blocks:
        for shared, rows, _ in block:
            ids[shared.exchange, shared.symbol] += [row.trade_id or 0 for row in rows]
    spans = {key: max(numbers) - min(numbers) + 1 for key, numbers in ids.items()}

    def on(number: int, block: list[Some]) -> list[Some]:
        return [
            (shared, [_later(row, number, spans[shared.exchange, shared.symbol]) for row in rows], payloads)
            for shared, rows, payloads in block
        ]

    return _written(folder, (on(number, block) for number in range(days) for block in blocks))


def _later(row: Row, days: int, span: int) -> Row:
    """The trade `days` days later, its id moved on by as many times the day's ids."""
    moved = days * 86_400_000_000
    return msgspec.structs.replace(
        row,
        received=row.received + moved,
        trade_id=None if row.trade_id is None else row.trade_id + days * span,
        timestamp=None if row.timestamp is None else row.timestamp + moved,
    )


def _received(market: Market) -> Iterator[list[Some]]:
    """What connectors make of the market's frames, in the order of receipt."""
    connectors = {name: CONNECTORS[name]() for name in market.exchanges}
    frames = with_duplicates(market.frames(), DUPLICATES)
    while some := list(itertools.islice(frames, _FRAMES_AT_ONCE)):
        block: list[Some] = []
        for name, connector in connectors.items():
            mine = [frame for frame in some if frame.exchange == name]
            received = [frame.received // 1000 for frame in mine]
            batch = connector.batch([frame.data for frame in mine], received, source="replay", session=f"{name}-bench")
            for symbol, part in batch.parts.items():
                block.append((batch.shared(symbol), part.rows, part.payloads))
        yield block


def _written(folder: Path, blocks: Iterable[list[Some]]) -> Path:
    stream, packer = LocalStream(folder / "stream"), Packer()
    for block in blocks:
        for shared, rows, payloads in block:
            packer.add_rows(shared, rows, payloads)
        if packer.full:
            stream.append(packer.take())
    stream.append(packer.take())
    return folder / "stream"


def home_with(stream: Path, folder: Path) -> Home:
    """A new home whose stream is this one (hard links: the engine may trim it)."""
    home = Home.open(folder / ".coattail", create=True)
    shutil.rmtree(home.stream)
    shutil.copytree(stream, home.stream, copy_function=os.link)
    return home


def segments(stream: Stream) -> Iterator[pl.DataFrame]:
    """The records of a stream, segment by segment, in the order of receipt (`RECORD_SCHEMA`, with `event_id`)."""
    after: dict[str, str] = {}
    while (read := stream.read(after, limit_bytes=1)).packs:
        after = dict(read.offsets)
        rows = rows_frame([section for pack in read.packs for section in sections_of(pack.data)])
        yield rows.sort("received", maintain_order=True).with_columns(
            pl.format("{}:{}:{}", "exchange", "symbol", "trade_id").alias("event_id")
        )


JSON_COLUMNS = ("event_id", "exchange", "symbol", "trade_id", "price", "quantity", "side", "timestamp", "received")
"""What a JSON record of the peers holds; prices as the exchange's strings, times in µs. No payload: less to do."""


def json_files(stream: Path, folder: Path) -> Path:
    """The trades as files of JSON lines, one per segment, oldest first, as a Spark file source orders them."""
    folder.mkdir(parents=True)
    for number, rows in enumerate(segments(LocalStream(stream))):
        path = folder / f"{number:06d}.json"
        rows.select(JSON_COLUMNS).write_ndjson(path)
        os.utime(path, (1_700_000_000 + number,) * 2)
    return folder


def json_by_instrument(stream: Path, folder: Path) -> Path:
    """The same lines as one file per instrument, so that several processes can share them."""
    folder.mkdir(parents=True)
    files = defaultdict[str, list[pl.DataFrame]](list)
    for rows in segments(LocalStream(stream)):
        for (exchange, symbol), mine in rows.group_by("exchange", "symbol", maintain_order=True):
            files[f"{exchange}-{symbol}"].append(mine.select(JSON_COLUMNS))
    for name, frames in files.items():
        pl.concat(frames).write_ndjson(folder / f"{name}.json")
    return folder
