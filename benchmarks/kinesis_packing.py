"""How many trades a Kinesis shard takes as packs, against one JSON record per trade.

`python -m benchmarks.kinesis_packing` prints the table. A shard takes 1 MB and 1,000 records a second. Packs are the
producer's own, of trades that the simulator sends in the linger of 250 ms, with the exchange's frames in them; symbols
are skewed (the n-th is traded 1/n as often as the first).
The JSON record of the comparison holds the trade's fields without the frame.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import timedelta

import msgspec

from coattail.connectors import CONNECTORS
from coattail.market import Asset, Market, SimulatedInstrument
from coattail.packing import Packer
from coattail.producer.replay import LINGER_SECONDS
from coattail.records import Trade

SHARD_BYTES, SHARD_RECORDS = 1_000_000, 1_000
KEY_BYTES = len("lane-00")


@dataclass(frozen=True)
class Packing:
    """What some seconds of trading become; `*_per_shard_second` is what one shard's limits allow at that size."""

    symbols: int
    trades_per_second: float
    packs_per_second: float
    trades_per_pack: float
    bytes_per_trade: float
    trades_per_shard_second: float
    """Packs: the smaller of what bytes and records allow."""
    json_bytes_per_trade: float
    json_trades_per_shard_second: float
    times_json: float


def measure(symbols: int, *, trades_per_second: float = 15_000, seconds: int = 20, seed: int = 7) -> Packing:
    """The figures of one market."""
    shares = [1 / (n + 1) for n in range(symbols)]
    per_minute = [60 * trades_per_second * share / sum(shares) for share in shares]
    market = Market(
        seed=seed,
        duration=timedelta(seconds=seconds),
        planted=(),
        exchanges=("binance",),
        instruments=tuple(
            SimulatedInstrument(
                exchange="binance",
                asset=Asset(name=f"C{n:03d}", price=62_000 / (n + 1), volatility_bps=1.0),
                quote="USDT",
                trades_per_minute=rate,
                order_size=1_000,
                lot=1e-5,
            )
            for n, rate in enumerate(per_minute)
        ),
    )
    connector, packer = CONNECTORS["binance"](), Packer()
    linger_ns = int(LINGER_SECONDS * 1e9)
    sizes: list[int] = []
    trades = json_bytes = 0
    window = None
    for frame in market.frames():
        if window is not None and frame.received // linger_ns != window:
            sizes += [len(data) for _, data in packer.take()]
        window = frame.received // linger_ns
        for record in connector.records(frame.data, frame.received // 1000, session="benchmark"):
            packer.add(record)
            if isinstance(record, Trade):
                trades += 1
                json_bytes += _json_size(record)
    sizes += [len(data) for _, data in packer.take()]
    stored = sum(sizes) + len(sizes) * KEY_BYTES
    packed = min(SHARD_BYTES * trades / stored, SHARD_RECORDS * trades / len(sizes))
    as_json = min(SHARD_BYTES * trades / (json_bytes + trades * KEY_BYTES), SHARD_RECORDS)
    return Packing(
        symbols=symbols,
        trades_per_second=trades / seconds,
        packs_per_second=len(sizes) / seconds,
        trades_per_pack=trades / len(sizes),
        bytes_per_trade=stored / trades,
        trades_per_shard_second=packed,
        json_bytes_per_trade=json_bytes / trades,
        json_trades_per_shard_second=as_json,
        times_json=packed / as_json,
    )


def _json_size(trade: Trade) -> int:
    values = msgspec.to_builtins(trade)
    return len(msgspec.json.encode({name: value for name, value in values.items() if name != "payload"}))


def table(rows: list[Packing]) -> str:
    """The rows as Markdown."""
    names = [field.name for field in fields(Packing)]
    lines = [f"| {' | '.join(names).replace('_', ' ')} |", "|---" * len(names) + "|"]
    lines += [f"| {' | '.join(f'{value:,.1f}' for value in asdict(row).values())} |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table([measure(symbols) for symbols in (3, 30, 300)]))
