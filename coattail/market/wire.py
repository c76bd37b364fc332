"""The exchanges' own messages, byte for byte in the shape they send.

Binance: the combined endpoint's `<symbol>@trade` stream. Coinbase Exchange: `subscriptions`, `last_match`, `match` and
`heartbeat`; `side` is the maker's, `sequence` counts all messages of a product, not its trades.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from coattail.market.instruments import SimulatedInstrument
from coattail.market.prices import Ints
from coattail.market.tape import Tape

_E8 = 100_000_000
_SECOND = 1_000_000


class Frame(NamedTuple):
    """One message as a client receives it."""

    received: int
    """Receive time, ns since 1970 UTC."""
    exchange: str
    data: bytes
    """The message as sent."""
    connection: int = 0
    """Which of the venue's connections it came by: 0 is the line, 1 brings what the line had lost."""


def binance_trades(instrument: SimulatedInstrument, tape: Tape) -> pl.Series:
    """One `@trade` message per trade."""
    code = instrument.code
    traded = tape.time // 1000
    columns = {"E": traded + 1 + tape.trade_id % 2, "t": tape.trade_id, "T": traded, "buy": tape.buy}
    for name, amount in (("p", tape.price_e8), ("q", tape.quantity_e8)):
        columns[f"{name}_whole"], columns[f"{name}_rest"] = np.divmod(amount, _E8)
    return _texts(
        columns,
        f'{{"stream":"{code.lower()}@trade","data":{{"e":"trade","E":',
        pl.col("E"),
        f',"s":"{code}","t":',
        pl.col("t"),
        ',"p":"',
        pl.col("p_whole"),
        ".",
        _digits("p_rest", 8),
        '","q":"',
        pl.col("q_whole"),
        ".",
        _digits("q_rest", 8),
        '","T":',
        pl.col("T"),
        ',"m":',
        pl.when("buy").then(pl.lit("false")).otherwise(pl.lit("true")),
        ',"M":true}}',
    )


def coinbase_matches(instrument: SimulatedInstrument, tape: Tape, kind: str = "match") -> pl.Series:
    """One `match` (or `last_match`) message per trade."""
    columns = {
        "id": tape.trade_id,
        "maker": uuids(tape.trade_id * 2),
        "taker": uuids(tape.order * 2 + 1),
        "buy": tape.buy,
        "sequence": tape.sequence,
        "second": seconds_of(tape.time),
        "us": tape.time % _SECOND,
    }
    for name, amount in (("price", tape.price_e8), ("size", tape.quantity_e8)):
        columns[f"{name}_whole"], columns[f"{name}_rest"] = np.divmod(amount, _E8)
    return _texts(
        columns,
        f'{{"type":"{kind}","trade_id":',
        pl.col("id"),
        ',"maker_order_id":"',
        pl.col("maker"),
        '","taker_order_id":"',
        pl.col("taker"),
        '","side":"',
        pl.when("buy").then(pl.lit("sell")).otherwise(pl.lit("buy")),
        '","size":"',
        pl.col("size_whole"),
        _fraction("size_rest"),
        '","price":"',
        pl.col("price_whole"),
        _fraction("price_rest"),
        f'","product_id":"{instrument.code}","sequence":',
        pl.col("sequence"),
        ',"time":"',
        pl.col("second"),
        _digits("us", 6),
        'Z"}',
    )


def coinbase_heartbeats(instrument: SimulatedInstrument, time: Ints, trade_id: Ints, sequence: Ints) -> pl.Series:
    """One `heartbeat` message per time, with the product's newest trade id and sequence."""
    return _texts(
        {"id": trade_id, "sequence": sequence, "second": seconds_of(time), "us": time % _SECOND},
        '{"type":"heartbeat","last_trade_id":',
        pl.col("id"),
        f',"product_id":"{instrument.code}","sequence":',
        pl.col("sequence"),
        ',"time":"',
        pl.col("second"),
        _digits("us", 6),
        'Z"}',
    )


def coinbase_opening(
    products: Sequence[tuple[SimulatedInstrument, tuple[int, int]]], now: int, *, heartbeats: bool
) -> pl.Series:
    """What the feed sends first: `subscriptions`, then per product its `last_match`, some seconds old.

    `products` are instruments with the newest trade id and sequence; `now` is µs since 1970 UTC.
    """
    codes = [instrument.code for instrument, _ in products]
    names = ("matches", "heartbeat") if heartbeats else ("matches",)
    channels = [{"name": name, "product_ids": codes} for name in names]
    messages = [pl.Series([msgspec.json.encode({"type": "subscriptions", "channels": channels}).decode()])]
    for instrument, last in products:
        messages.append(
            coinbase_matches(instrument, trade_before(instrument, last, now, np.array([now * 1000])), kind="last_match")
        )
    return pl.concat(messages)


def trade_before(instrument: SimulatedInstrument, last: tuple[int, int], now: int, received: Ints) -> Tape:
    """The one trade that a product's `last_match` repeats, up to seven seconds before `now` (µs since 1970 UTC)."""
    trade_id, sequence = last
    numbers = np.array([trade_id])
    lot, tick = round(instrument.lot * _E8), round(instrument.tick * _E8)
    return Tape(
        time=now - numbers % 7 * _SECOND - 123_457,
        received=received,
        trade_id=numbers,
        sequence=np.array([sequence]),
        order=numbers,
        buy=numbers % 2 == 0,
        price_e8=np.array([round(instrument.asset.price * _E8 / tick) * tick]),
        quantity_e8=np.array([lot * 1_000]),
    )


class _BinanceTrade(msgspec.Struct):
    s: str
    t: int


class _Message(msgspec.Struct):
    data: _BinanceTrade | None = None
    product_id: str | None = None
    trade_id: int | None = None


_decoder = msgspec.json.Decoder(_Message)


def trade_of(frame: Frame) -> tuple[str, int] | None:
    """The exchange's name of the instrument and the trade id; None where the frame holds no trade."""
    message = _decoder.decode(frame.data)
    if message.data is not None:
        return message.data.s, message.data.t
    if message.product_id is not None and message.trade_id is not None:
        return message.product_id, message.trade_id
    return None


def _texts(columns: Mapping[str, Any], *parts: str | pl.Expr) -> pl.Series:
    """The parts put together, row by row."""
    pieces = [pl.lit(part) if isinstance(part, str) else part for part in parts]
    return pl.DataFrame(columns).select(pl.concat_str(pieces).alias("data")).to_series()


def _digits(column: str, width: int) -> pl.Expr:
    """A number with zeros in front of it."""
    return digits_of(pl.col(column), width)


def digits_of(number: pl.Expr, width: int) -> pl.Expr:
    """A number with zeros in front of it."""
    digits: pl.Expr = (number + 10**width).cast(pl.String).str.slice(1)
    return digits


def fixed(column: str) -> pl.Expr:
    """An amount in 1e-8 units with eight decimals, as Binance writes it."""
    return pl.concat_str(pl.col(column) // _E8, pl.lit("."), digits_of(pl.col(column) % _E8, 8))


def trimmed(column: str) -> pl.Expr:
    """An amount in 1e-8 units without trailing zeros, and without a point where no digit follows, as Coinbase does."""
    return fixed(column).str.strip_chars_end("0").str.strip_chars_end(".")


def _fraction(column: str) -> pl.Expr:
    """What follows the whole units, as Coinbase writes it: no trailing zeros, and no point without a digit."""
    written = pl.lit(".") + _digits(column, 8).str.strip_chars_end("0")
    fraction: pl.Expr = pl.when(pl.col(column) > 0).then(written).otherwise(pl.lit(""))
    return fraction


_HEX = np.frombuffer("".join(f"{n:02x}" for n in range(256)).encode(), np.uint16)
_DASHES = (8, 13, 18, 23)
_HEX_PLACES = np.array([place for place in range(36) if place not in _DASHES])


def uuids(number: Ints) -> pl.Series:
    """Ids that look random and depend on the number alone (splitmix64's mixing)."""
    mixed = number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    other = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xD6E8FEB86659FD93)
    version = np.uint64(0x4000) | ((mixed >> np.uint64(16)) & np.uint64(0xFFF))
    halves = np.empty((len(number), 2), ">u8")
    halves[:, 0] = (mixed & np.uint64(0xFFFFFFFF00000000)) | ((mixed & np.uint64(0xFFFF)) << np.uint64(16)) | version
    variant = np.uint64(0xA000) | (other >> np.uint64(52))
    halves[:, 1] = (variant << np.uint64(48)) | (other & np.uint64(0xFFFFFFFFFFFF))
    letters = np.full((len(number), 36), ord("-"), np.uint8)
    letters[:, _HEX_PLACES] = _HEX[halves.view(np.uint8)].view(np.uint8)
    ends = np.arange(len(number) + 1, dtype=np.int64) * 36
    texts = pa.LargeStringArray.from_buffers(len(number), pa.py_buffer(ends), pa.py_buffer(letters))
    return pl.Series(pl.from_arrow(texts), dtype=pl.String)


def seconds_of(time: Ints) -> pl.Series:
    """`2025-03-04T12:00:00.` of every time: formatted once per second that occurs."""
    seconds, place = np.unique(time // _SECOND, return_inverse=True)
    texts = pl.Series(seconds * _SECOND).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S.")
    return texts.gather(place)
