"""The exchanges' own messages, byte for byte in the shape they send.

Binance: the combined endpoint's `<symbol>@trade` stream. Coinbase Exchange: `subscriptions`, `last_match`, `match` and
`heartbeat`; `side` is the maker's, `sequence` counts all messages of a product, not its trades.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import numpy as np

from coattail.market.instruments import Instrument
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


def binance_trades(instrument: Instrument, tape: Tape) -> list[bytes]:
    """One `@trade` message per trade."""
    code = instrument.code
    head = f'{{"stream":"{code.lower()}@trade","data":{{"e":"trade","E":%d,"s":"{code}","t":%d,'
    shape = head + '"p":"%d.%08d","q":"%d.%08d","T":%d,"m":%s,"M":true}}'
    traded = tape.time // 1000
    columns = [traded + 1 + tape.trade_id % 2, tape.trade_id]
    columns += [*np.divmod(tape.price_e8, _E8), *np.divmod(tape.quantity_e8, _E8), traded]
    maker_bought = ["false" if buy else "true" for buy in tape.buy.tolist()]
    rows = zip(*(c.tolist() for c in columns), maker_bought, strict=True)
    return [(shape % row).encode() for row in rows]


def coinbase_matches(instrument: Instrument, tape: Tape, kind: str = "match") -> list[bytes]:
    """One `match` (or `last_match`) message per trade."""
    shape = (
        f'{{"type":"{kind}","trade_id":%d,"maker_order_id":"{_UUID}","taker_order_id":"{_UUID}","side":"%s",'
        f'"size":"%s","price":"%s","product_id":"{instrument.code}","sequence":%d,"time":"%s%06dZ"}}'
    )
    maker_sold = ["sell" if buy else "buy" for buy in tape.buy.tolist()]
    rows = zip(
        tape.trade_id.tolist(),
        *(c.tolist() for c in _uuid_parts(tape.trade_id * 2)),
        *(c.tolist() for c in _uuid_parts(tape.order * 2 + 1)),
        maker_sold,
        _decimals(tape.quantity_e8),
        _decimals(tape.price_e8),
        tape.sequence.tolist(),
        _seconds(tape.time),
        (tape.time % _SECOND).tolist(),
        strict=True,
    )
    return [(shape % row).encode() for row in rows]


def coinbase_heartbeats(instrument: Instrument, time: Ints, trade_id: Ints, sequence: Ints) -> list[bytes]:
    """One `heartbeat` message per time, with the product's newest trade id and sequence."""
    shape = f'{{"type":"heartbeat","last_trade_id":%d,"product_id":"{instrument.code}","sequence":%d,"time":"%s%06dZ"}}'
    parts = (trade_id.tolist(), sequence.tolist(), _seconds(time), (time % _SECOND).tolist())
    return [(shape % row).encode() for row in zip(*parts, strict=True)]


def coinbase_opening(
    products: Sequence[tuple[Instrument, tuple[int, int]]], now: int, *, heartbeats: bool
) -> list[bytes]:
    """What the feed sends first: `subscriptions`, then per product its `last_match`, some seconds old.

    `products` are instruments with the newest trade id and sequence; `now` is µs since 1970 UTC.
    """
    codes = [instrument.code for instrument, _ in products]
    names = ("matches", "heartbeat") if heartbeats else ("matches",)
    channels = [{"name": name, "product_ids": codes} for name in names]
    messages = [msgspec.json.encode({"type": "subscriptions", "channels": channels})]
    for instrument, (trade_id, sequence) in products:
        numbers = np.array([trade_id])
        lot, tick = round(instrument.lot * _E8), round(instrument.tick * _E8)
        last = Tape(
            time=now - numbers % 7 * _SECOND - 123_457,
            received=numbers,
            trade_id=numbers,
            sequence=np.array([sequence]),
            order=numbers,
            buy=numbers % 2 == 0,
            price_e8=np.array([round(instrument.asset.price * _E8 / tick) * tick]),
            quantity_e8=np.array([lot * 1_000]),
        )
        messages += coinbase_matches(instrument, last, kind="last_match")
    return messages


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


_UUID = "%08x-%04x-4%03x-a%03x-%012x"


def _uuid_parts(number: Ints) -> list[Ints]:
    """The five parts of an id that looks random and depends on the number alone (splitmix64's mixing)."""
    mixed = number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    other = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xD6E8FEB86659FD93)
    parts = [mixed >> np.uint64(32), mixed & np.uint64(0xFFFF), (mixed >> np.uint64(16)) & np.uint64(0xFFF)]
    return [p.astype(np.int64) for p in (*parts, other >> np.uint64(52), other & np.uint64(0xFFFFFFFFFFFF))]


def _decimals(amount_e8: Ints) -> list[str]:
    """Amounts as Coinbase writes them: no trailing zeros."""
    whole, rest = np.divmod(amount_e8, _E8)
    return [f"{w}.{r:08d}".rstrip("0").rstrip(".") for w, r in zip(whole.tolist(), rest.tolist(), strict=True)]


def _seconds(time: Ints) -> list[str]:
    """`2025-03-04T12:00:00.` of every time: formatted once per second that occurs."""
    seconds = (time // _SECOND).tolist()
    text = {s: datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%dT%H:%M:%S.") for s in set(seconds)}
    return [text[s] for s in seconds]
