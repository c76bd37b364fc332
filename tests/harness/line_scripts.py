"""What can go wrong on the way from an exchange, as fault scripts with names; and a naive client, which loses trades.

Every script strikes within the first 1,600 trades of an exchange and lets everything go on as usual afterwards. REST
has every trade, but for `delist`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import websockets

from coattail.market.exchange.faults import (
    AnswerWith,
    AnyFault,
    ChangedType,
    Close,
    Delist,
    Drip,
    Drop,
    Duplicate,
    Garbage,
    MutedConnections,
    OtherPages,
    Refuse,
    RefuseSubscriptions,
    Reorder,
    Reset,
    ShiftedPages,
    Shutdown,
    Silence,
    Skew,
    SlowHandshake,
    Stall,
    TruncatedFrame,
    TruncatedJson,
)

FIELDS: Mapping[str, Mapping[str, str]] = {
    "binance": {"price": "p", "id": "t", "quantity": "q", "time": "T"},
    "coinbase": {"price": "price", "id": "trade_id", "quantity": "size", "time": "time"},
}
"""What the exchanges call the fields of a trade."""

QUIET_END = "the last 50 trades before a quiet hour not told of"
"""The script after whose last step nothing is traded any more."""
QUIET_FROM = 1_600
"""How many trades there are then."""


def line_scripts(exchange: str, symbol: str, other: str) -> dict[str, list[AnyFault]]:
    """The scripts for one exchange, by what they do.

    Some strike the instrument `symbol`; `other` is another one (the exchange's own names).
    """
    named = FIELDS[exchange]
    at = 600
    dropped = Drop(at_trade=at, trades=100)
    lost = Reset(at_trade=at)
    return {
        "a reset": [lost],
        "ten resets": [Reset(at_trade=300 + 130 * number) for number in range(10)],
        "a reset, then 503 for 2 s": [lost, AnswerWith(at_trade=at, seconds=2)],
        "a reset, then nobody listens for 2 s": [lost, Refuse(at_trade=at, seconds=2)],
        "a reset, then handshakes that take 1 s": [lost, SlowHandshake(at_trade=at, seconds=3, delay=1)],
        "a reset, then 429 for 2 s": [lost, AnswerWith(at_trade=at, seconds=2, status=429, retry_after=2)],
        "a reset, then 451 for 2 s": [lost, AnswerWith(at_trade=at, seconds=2, status=451)],
        "half-open for 2 s, then reset": [Silence(at_trade=at, seconds=2)],
        "half-open for good": [Silence(at_trade=at, seconds=60)],
        "pings answered, but no more trades": [MutedConnections(at_trade=at)],
        "stalled for 2 s": [Stall(at_trade=at, seconds=2)],
        "one byte at a time for 2 s": [Drip(at_trade=at, seconds=2)],
        "one byte at a time for good": [Drip(at_trade=at, seconds=60)],
        "a frame that breaks off": [TruncatedFrame(at_trade=at)],
        "bytes that are no frame": [Garbage(at_trade=at, what="bytes")],
        "text that is not UTF-8": [Garbage(at_trade=at, what="not_utf8")],
        "a message that is not JSON": [Garbage(at_trade=at)],
        "closed in good order": [Close(at_trade=at, reason="24 h")],
        "closed because of an error": [Close(at_trade=at, code=1011)],
        "a shutdown that is announced": [Shutdown(at_trade=at, after=1)],
        "100 trades not told of": [dropped],
        "one trade in ten not told of": [Drop(at_trade=10 * number) for number in range(30, 130)],
        "50 early trades not told of": [Drop(at_trade=30, trades=50)],
        QUIET_END: [Drop(at_trade=QUIET_FROM - 50, trades=50)],
        "500 trades told twice": [Duplicate(at_trade=at, trades=500)],
        "100 trades in reverse": [Reorder(at_trade=at, trades=100)],
        "JSON that is cut": [TruncatedJson(at_trade=at, trades=5)],
        "prices as numbers": [ChangedType(at_trade=at, field=named["price"], to="number", trades=20)],
        "prices as objects": [ChangedType(at_trade=at, field=named["price"], to="object", trades=20)],
        "trades of nulls": [ChangedType(at_trade=at, field=each, trades=20) for each in named.values()],
        "ids as text": [ChangedType(at_trade=at, field=named["id"], to="text", trades=20)],
        "quantities that are null": [ChangedType(at_trade=at, field=named["quantity"], to="null", trades=20)],
        "times that are missing": [ChangedType(at_trade=at, field=named["time"], to="missing", trades=20)],
        "a clock that is 90 s fast": [Skew(at_trade=at, seconds=3, by=90)],
        "a clock that is 90 s slow": [Skew(at_trade=at, seconds=3, by=-90)],
        "100 not told of, REST answers 429 for 2 s": [
            dropped, AnswerWith(at_trade=at, seconds=2, status=429, retry_after=2, on="rest")
        ],
        "100 not told of, REST answers 418 for 2 s": [
            dropped, AnswerWith(at_trade=at, seconds=2, status=418, retry_after=2, on="rest")
        ],
        "100 not told of, REST pages overlap": [dropped, ShiftedPages(at_trade=at, by=-7, requests=2)],
        "100 not told of, REST pages skip": [dropped, ShiftedPages(at_trade=at, by=7, requests=2)],
        "100 not told of, REST pages are of another symbol": [
            dropped, OtherPages(at_trade=at, symbol=other, requests=2)
        ],
        "100 not told of, REST is down for 4 s": [dropped, AnswerWith(at_trade=at, seconds=4, on="rest")],
        "100 not told of, REST is down for 2 s, and a reset": [
            dropped, AnswerWith(at_trade=at, seconds=2, on="rest"), Reset(at_trade=at + 500)
        ],
        "100 not told of, in the middle of 500 told twice": [
            Duplicate(at_trade=at - 200, trades=500), dropped
        ],
        "a reset, then half of the subscription is refused for 2 s": [
            lost, RefuseSubscriptions(at_trade=at, seconds=2, symbols=[symbol])
        ],
        "a symbol that is delisted": [Delist(at_trade=at, symbol=symbol)],
    }  # fmt: skip


@dataclass
class NaiveClient:
    """Connects, subscribes, reads; comes back at once after a loss, and asks nobody for what it missed."""

    url: str
    subscribe: object
    """What it sends after connecting."""
    field: str
    """Where a trade's id is in a message."""
    trust: ssl.SSLContext | None = None
    """Who certifies the exchange; None where it speaks plainly."""
    ids: Counter[int] = field(default_factory=Counter)
    """How often it heard of each trade."""

    async def listen(self) -> None:
        """Go on until it is cancelled."""
        while True:
            try:
                # max_queue: a client whose queue is full does not hear the answer to its close, and waits ten seconds
                options = {"proxy": None, "compression": None, "max_queue": None, "ssl": self.trust}
                async with websockets.connect(self.url, **options) as line:  # type: ignore[arg-type]
                    await line.send(json.dumps(self.subscribe))
                    async for text in line:
                        number = json.loads(text).get(self.field)
                        if isinstance(number, int):
                            self.ids[number] += 1
            except (OSError, ValueError, AttributeError, websockets.WebSocketException):
                await asyncio.sleep(0.1)
