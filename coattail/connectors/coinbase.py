"""Coinbase Exchange: the `matches` channel of `ws-feed.exchange.coinbase.com`.

`side` of a match is the **maker's**, so the taker did the opposite. The first message of a subscription is
`last_match`, a repeat of the newest trade: an ordinary trade here, its id tells the repeat. `sequence` counts
every event of the book and is no trade counter.

Source: docs.cdp.coinbase.com/exchange/websocket-feed/channels (match: "side is the maker order side").
The Advanced Trade feed has other messages: `market_trades` is an `UnsupportedMessage`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

import msgspec

from coattail.connectors.base import MAX_INT64, BaseConnector, Fields, UnsupportedMessage, text_of
from coattail.errors import MalformedMessage
from coattail.records import Source, Trade, micros

_Id = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT64)]


# Fields stand in the order of the wire, because the decoder looks for the next one first.
class _Match(msgspec.Struct, gc=False):
    type: str | None = None
    trade_id: _Id | None = None
    side: str | None = None
    size: str | None = None
    price: str | None = None
    product_id: str | None = None
    time: str | None = None


class _Outline(msgspec.Struct, gc=False):
    """The two keys that tell what a frame is."""

    type: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    channel: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_match = msgspec.json.Decoder(_Match).decode
_outline = msgspec.json.Decoder(_Outline).decode

_TAKER: dict[str | None, str] = {"buy": "sell", "sell": "buy"}
"""The taker's side by the maker's."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_seconds: dict[str, int] = {}
_CACHED_SECONDS = 4096


@dataclass(frozen=True, kw_only=True)
class CoinbaseConnector(BaseConnector):
    """Coinbase Exchange's `match` and `last_match`; symbols are canonical already (`BTC-USD`)."""

    exchange: ClassVar[str] = "coinbase"
    ids_contiguous: ClassVar[bool] = True

    def normalize(
        self, message: bytes, received_at: int, *, source: Source = "replay", session: str = ""
    ) -> list[Trade]:
        """The trade of one frame, or []; see `BaseConnector.normalize`.

        Raises:
            MalformedMessage: If the frame is not JSON, or is a match with a field of another type.
            UnsupportedMessage: If it is a `market_trades` message of the Advanced Trade feed.
        """
        try:
            match = _match(message)
            payload = message.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._carefully(message, received_at, source, session)
        kind, time = match.type, match.time
        if kind != "match" and kind != "last_match":
            return [] if kind is not None else self._carefully(message, received_at, source, session)
        return [
            Trade(
                exchange="coinbase",
                symbol=match.product_id,
                trade_id=match.trade_id,
                price=match.price,
                quantity=match.size,
                side=_TAKER.get(match.side),
                timestamp=None if time is None else iso_micros(time),
                received=received_at,
                source=source,
                session=session,
                payload=payload,
            )
        ]

    def _carefully(self, message: bytes, received_at: int, source: Source, session: str) -> list[Trade]:
        payload = text_of(message)
        try:
            outline = _outline(message)
        except msgspec.ValidationError:
            return []  # sound JSON, but no object
        kind = _string(outline.type)
        if kind not in ("match", "last_match"):
            if _string(outline.channel) == "market_trades":
                raise UnsupportedMessage("coinbase Advanced Trade market_trades")
            return []
        fields = Fields(message, f"coinbase {kind}")
        time = fields.text("time")
        return [
            Trade(
                exchange="coinbase",
                symbol=fields.text("product_id"),
                trade_id=fields.trade_id("trade_id"),
                price=fields.number_text("price"),
                quantity=fields.number_text("size"),
                side=_TAKER.get(fields.text("side")),
                timestamp=None if time is None else iso_micros(time),
                received=received_at,
                source=source,
                session=session,
                payload=payload,
            )
        ]


def _string(raw: msgspec.Raw | msgspec.UnsetType) -> str | None:
    if isinstance(raw, msgspec.UnsetType):
        return None
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.ValidationError:
        return None


def iso_micros(text: str) -> int:
    """µs since 1970 UTC of an ISO 8601 time with its zone; digits beyond µs are cut, never rounded up.

    Raises: MalformedMessage: If it is no such time.
    """
    fraction = text[20:26]
    if len(text) == 27 and text[19] == "." and text[26] == "Z" and fraction.isdigit() and text.isascii():
        second = _seconds.get(text[:19])
        if second is not None:
            return second + int(fraction)
    parts = _TIME.fullmatch(text)
    if parts is None:
        raise MalformedMessage(f"time is {text[:60]!r}, not ISO 8601 with a zone")
    whole, digits, zone = parts.groups()
    try:
        second = micros(datetime.fromisoformat(whole + zone))
    except (ValueError, OverflowError) as error:
        raise MalformedMessage(f"time is {text!r}: {error}") from error
    if zone == "Z":
        if len(_seconds) >= _CACHED_SECONDS:
            _seconds.clear()
        _seconds[whole] = second
    return second + int((digits or "").ljust(6, "0")[:6])
