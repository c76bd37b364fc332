"""The budget of the producer: one frame as received -> normalised -> compressed pack, per core.

Peer: cryptofeed's own handler and `to_dict` of the trade it hands to a callback, and `json.dumps` of that: neither
packed nor compressed. cryptofeed reads Binance's `aggTrade` only, so for `trade` frames it is given the same trades as
aggregates of one.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from importlib.metadata import version

import pytest

from benchmarks.report import row
from coattail.connectors.binance import BinanceConnector
from coattail.market import Market
from coattail.packing import Packer
from coattail.records import Record, Trade
from coattail.unpacking import decode_pack

cryptofeed = pytest.importorskip("cryptofeed", reason="make bench installs it")

FRAMES = 4000
ROUNDS = 31
RECEIVED = 1_723_161_254_087_896
PAIRS = ("BTC-USDT", "ETH-USDT", "SOL-USDT")


def frames(kind: str) -> list[bytes]:
    """The first trades of the simulated market, as Binance's combined stream sends them in either kind."""
    sent = (frame.data for frame in Market(seed=7).frames() if frame.exchange == "binance")
    trades = list(itertools.islice(sent, FRAMES))
    return trades if kind == "trade" else [_aggregate(trade) for trade in trades]


def _aggregate(trade: bytes) -> bytes:
    message = json.loads(trade)
    data = message["data"]
    number = data["t"]
    only = {name: data[name] for name in ("E", "s")}
    rest = {name: data[name] for name in ("T", "m", "M")}
    body = {"e": "aggTrade", **only, "a": number, "p": data["p"], "q": data["q"], "f": number, "l": number, **rest}
    stream = message["stream"].replace("@trade", "@aggTrade")
    return json.dumps({"stream": stream, "data": body}, separators=(",", ":")).encode()


def packs(messages: Sequence[bytes]) -> list[bytes]:
    """What the producer does with frames."""
    batch = BinanceConnector().batch(messages, [RECEIVED] * len(messages), source="live", session="bench")
    packer = Packer()
    for symbol, part in batch.parts.items():
        packer.add_rows(batch.shared(symbol), part.rows, part.payloads)
    return [pack for _, pack in packer.take()]


def peer() -> Callable[[Sequence[str]], list[bytes]]:
    """cryptofeed's road from a frame to JSON."""
    from cryptofeed.defines import TRADES
    from cryptofeed.exchanges import Binance
    from cryptofeed.symbols import Symbols

    natives = {pair: pair.replace("-", "") for pair in PAIRS}
    Symbols.set("BINANCE", natives, {"instrument_type": {}, "tick_size": {}})
    found: list[bytes] = []

    async def keep(trade: object, _: float) -> None:
        found.append(json.dumps(trade.to_dict(numeric_type=str)).encode())  # type: ignore[attr-defined]

    feed = Binance(symbols=list(PAIRS), channels=[TRADES], callbacks={TRADES: keep})

    async def handle(messages: Sequence[str]) -> None:
        for message in messages:
            await feed.message_handler(message, None, RECEIVED / 1e6)

    def run(messages: Sequence[str]) -> list[bytes]:
        found.clear()
        asyncio.run(handle(messages))
        return found

    return run


def spent(work: Callable[[], object]) -> float:
    """µs of processor time per frame."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / FRAMES * 1e6


def by_id(records: Sequence[Record]) -> list[tuple[object, ...]]:
    """What both should agree about, in one order."""
    trades = [record for record in records if isinstance(record, Trade)]
    return sorted((t.trade_id, t.symbol, Decimal(t.price or ""), Decimal(t.quantity or ""), t.side) for t in trades)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["aggTrade", "trade"])
def test_a_frame_becomes_a_stream_record(kind: str) -> None:
    """Prints the row; first makes sure that both read the same from every frame."""
    messages, texts, theirs = frames(kind), [m.decode() for m in frames("aggTrade")], peer()
    heard = [json.loads(line) for line in theirs(texts)]
    expected = [(int(t["id"]), t["symbol"], Decimal(t["price"]), Decimal(t["amount"]), t["side"]) for t in heard]
    assert by_id([record for pack in packs(messages) for record in decode_pack(pack)]) == sorted(expected)
    assert len(expected) == FRAMES

    rounds = [(spent(lambda: packs(messages)), spent(lambda: theirs(texts))) for _ in range(ROUNDS)]
    ours, other = ([pair[side] for pair in rounds] for side in (0, 1))
    median = statistics.median(other) / statistics.median(ours)
    row(
        f"normalise and pack one Binance {kind} frame, against cryptofeed {version('cryptofeed')}",
        statistics.median(ours),
        statistics.median(other),
        "µs/frame",
        median,
        must=4,
        aim=6,
        note=f"medians of {ROUNDS} interleaved rounds; {min(other) / min(ours):.2f} times by the fastest rounds",
    )
