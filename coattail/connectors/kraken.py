"""Kraken spot: the channel `trade` of the WebSocket v2.

A message holds one or several trades; `side` is the taker's, numbers are JSON numbers and keep the text they came in.
A subscription begins with a snapshot of the last 50 trades: ordinary trades, whose ids tell the repeats; after a short
loss they close the hole by themselves.

Ids are taken to be only unique. The exchange calls them a sequence number, unique per book, and its REST service has
them without a hole where others have looked; but users report that the feed leaves some out, and the exchange names
another number as the contiguous one (`tradeSeq` of its SBE feed).

WebSocket v1 has no trade ids at all: its trades are counted as unsupported.

Sources: docs.kraken.com/api/docs/websocket-v2 (trade, heartbeat); docs.kraken.com (SBE, TradeIncremental);
github.com/krakenfx/api-go issue 36 (ids that the feed leaves out).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from coattail.connectors.base import (
    MAX_INT64,
    LooseObject,
    MarketType,
    Samples,
    UnsupportedMessage,
    string_of,
    text_of,
)
from coattail.connectors.contracts import Listing
from coattail.connectors.iso_time import iso_micros
from coattail.connectors.lists import ListConnector, Piece
from coattail.connectors.subscription import Notice, Subscription, groups
from coattail.errors import MalformedMessage
from coattail.records import Row

_Id = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT64)]


class _Frame(msgspec.Struct, gc=False):
    channel: str | None = None
    data: list[msgspec.Raw] | None = None


class _Outline(msgspec.Struct, gc=False):
    channel: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


# The usual shape; whatever does not fit is read field by field. Fields stand in the order of the wire.
class _Trade(msgspec.Struct, gc=False):
    symbol: str
    side: str
    price: msgspec.Raw
    qty: msgspec.Raw
    trade_id: _Id
    timestamp: str


class _Said(msgspec.Struct, gc=False):
    """What may be said besides trades."""

    channel: str | None = None
    success: bool | None = None
    error: str | None = None


_frame = msgspec.json.Decoder(_Frame).decode
_outline = msgspec.json.Decoder(_Outline).decode
_trade = msgspec.json.Decoder(_Trade).decode
_said = msgspec.json.Decoder(_Said).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode

_SIDES: dict[str | None, str] = {"buy": "buy", "sell": "sell"}
_CALLED = {"XBT": "BTC", "XDG": "DOGE"}
"""Names of assets that v1 and REST use -> those of v2 and of everybody else."""
_SYMBOLS_OF_A_LINE = 100
"""So many that few connections do, and so few that a connection that breaks leaves most markets observed."""


@dataclass(frozen=True, kw_only=True)
class KrakenConnector(ListConnector):
    """`BTC-USD` is `BTC/USD` there."""

    exchange: ClassVar[str] = "kraken"
    ids_contiguous: ClassVar[bool] = False
    hosts: ClassVar[Mapping[str, MarketType]] = {"kraken.com": "spot"}
    channels: ClassVar[Mapping[str, str]] = {"trade": "wss://ws.kraken.com"}
    trade_mark: ClassVar[bytes] = b'"trade_id"'
    silence: ClassVar[timedelta | None] = timedelta(seconds=10)
    layouts: ClassVar[Mapping[str, Mapping[str, MarketType]]] = {"cryptofeed": {"KRAKEN": "spot"}}
    samples: ClassVar[Samples] = Samples(
        bought=(
            b'{"channel":"trade","type":"snapshot","data":[{"symbol":"BTC/USD","side":"buy","price":105944.20,'
            b'"qty":0.00027625,"ord_type":"limit","trade_id":10218208,"timestamp":"2025-11-10T17:23:53.971744Z"}]}'
        ),
        sold=(
            b'{"channel":"trade","type":"update","data":[{"symbol":"MATIC/USD","side":"sell","price":0.5117,'
            b'"qty":40.0,"ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"}]}'
        ),
        silent=(
            b'{"channel":"heartbeat"}',
            b'{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2","version":"2.0.0"}]}',
            b'{"method":"subscribe","result":{"channel":"trade","snapshot":true,"symbol":"BTC/USD"},"success":true}',
            b'{"method":"subscribe","success":false,"error":"Currency pair not supported X/USD","symbol":"X/USD"}',
            b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],"asks":[],"checksum":1}]}',
            b'{"method":"pong","req_id":101}',
        ),
    )

    @classmethod
    def listing(cls, native: str, market: MarketType) -> Listing:
        """`BTC-USD` of `BTC/USD`, and of v1's `XBT/USD`."""
        return Listing(cls.exchange, "-".join(_CALLED.get(part, part) for part in native.split("/")))

    @classmethod
    def native(cls, symbol: str) -> str:
        """`BTC/USD` of `BTC-USD`."""
        return symbol.replace("-", "/")

    def subscriptions(self) -> list[Subscription]:
        """One connection for up to 100 symbols, to which one message subscribes. Heartbeats come unasked.

        Raises: UsageError: If one of them is a perpetual future.
        """
        self._refuse_futures()
        return [
            Subscription(
                f"{self.address}/v2",
                symbols,
                (self._asked(symbols),),
                singly=tuple(self._asked([symbol]) for symbol in symbols),
            )
            for symbols in groups(self.symbols, _SYMBOLS_OF_A_LINE)
        ]

    def _asked(self, symbols: Sequence[str]) -> str:
        """What is said to hear these symbols, and their newest trades first."""
        wanted = {"channel": "trade", "symbol": [self.native(symbol) for symbol in symbols], "snapshot": True}
        return msgspec.json.encode({"method": "subscribe", "params": wanted}).decode()

    def notice(self, message: bytes) -> Notice | None:
        """A heartbeat; an answer without success refuses what was asked for, unless that comes already."""
        try:
            said = _said(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if said.channel == "heartbeat":
            return Notice("heartbeat")
        if said.success is not False or (said.error or "").lower().startswith("already subscribed"):
            return None
        return Notice("refused", said.error or "")

    def pieces(self, message: bytes, received_at: int) -> list[Piece]:
        """See `ListConnector.pieces`."""
        try:
            frame = _frame(message)
            message.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._oddly(message, error)
        if frame.channel != "trade":
            return []
        return [self._piece(bytes(raw).strip(), received_at) for raw in frame.data or ()]

    def _oddly(self, message: bytes, error: Exception) -> list[Piece]:
        text_of(message)
        try:
            channel = string_of(_outline(message).channel)
        except msgspec.ValidationError:
            refuse_first_version(message)
            return []
        if channel != "trade":
            return []
        raise MalformedMessage(f"kraken trade: {error}")

    def _piece(self, raw: bytes, received_at: int) -> Piece:
        try:
            trade = _trade(raw)
        except msgspec.ValidationError:
            return self._carefully(raw, received_at)
        price, quantity = bytes(trade.price), bytes(trade.qty)
        if not (price[:1].isdigit() and quantity[:1].isdigit()):
            return self._carefully(raw, received_at)
        return Piece(
            self.symbol_of(trade.symbol),
            Row(
                received_at,
                trade.trade_id,
                None,
                price.decode(),
                quantity.decode(),
                None,
                _SIDES.get(trade.side),
                iso_micros(trade.timestamp),
            ),
            raw,
        )

    def _carefully(self, raw: bytes, received_at: int) -> Piece:
        fields = LooseObject(raw, "kraken trade")
        native, time = fields.text("symbol"), fields.text("timestamp")
        row = Row(
            received_at,
            fields.trade_id("trade_id"),
            None,
            fields.number_text("price"),
            fields.number_text("qty"),
            None,
            _SIDES.get(fields.text("side")),
            None if time is None else iso_micros(time),
        )
        return Piece(None if native is None else self.symbol_of(native), row, raw)


def refuse_first_version(message: bytes) -> None:
    """Refuse a trade of the WebSocket v1: `[7, [["5541.2", "0.1", "1534614057.3", "s", "l", ""]], "trade", "XBT/USD"]`.

    Raises: UnsupportedMessage: If it is one.
    """
    try:
        parts = _list(message)
    except msgspec.ValidationError:
        return
    if len(parts) >= 3 and string_of(parts[-2]) == "trade":
        raise UnsupportedMessage("trades of Kraken's WebSocket v1, which have no ids")
