"""OKX spot: the channel `trades-all` (single trades) or `trades` (fills of one taker's order at one price, together).

`side` is the taker's. An aggregate names its last id and how many trades it holds: id 123 and count 3 are 121, 122 and
123, which is also how the exchange says that ids rise by one. Swaps, futures and options are counted as unsupported:
their sizes are in contracts, whose worth each instrument has for itself.

The exchange closes a connection to which it had nothing to say for 30 s, so `ping` is said every 20 s; `pong` comes.

Sources: okx.com/docs-v5 (WS / Trades channel; WS / All trades channel; WebSocket: connect, notification).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from coattail.connectors.base import MAX_INT64, LooseObject, MarketType, Samples, UnsupportedMessage, string_of, text_of
from coattail.connectors.contracts import Listing
from coattail.connectors.history import History
from coattail.connectors.lists import ListConnector, Piece
from coattail.connectors.subscription import Again, Notice, Subscription, groups
from coattail.errors import MalformedMessage
from coattail.records import Row


class _Arg(msgspec.Struct, gc=False):
    channel: str | None = None
    instId: str | None = None


class _Frame(msgspec.Struct, gc=False):
    arg: _Arg | None = None
    data: list[msgspec.Raw] | None = None


class _LooseArg(msgspec.Struct, gc=False):
    channel: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Outline(msgspec.Struct, gc=False):
    arg: _LooseArg | None = None


# The usual shape; whatever does not fit is read field by field. Fields stand in the order of the wire, and ids, times
# and counts are text.
class _Trade(msgspec.Struct, gc=False):
    instId: str
    tradeId: Annotated[int, msgspec.Meta(ge=0, le=MAX_INT64)]
    px: str
    sz: str
    side: str
    ts: Annotated[int, msgspec.Meta(ge=0, le=10**15)]
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


class _Said(msgspec.Struct, gc=False):
    """What may be said besides trades."""

    event: str | None = None
    code: str | None = None
    msg: str | None = None


_frame = msgspec.json.Decoder(_Frame).decode
_outline = msgspec.json.Decoder(_Outline).decode
_trade = msgspec.json.Decoder(_Trade, strict=False).decode
_said = msgspec.json.Decoder(_Said).decode

_PATHS = {"trades-all": "/ws/v5/business", "trades": "/ws/v5/public"}
_SIDES: dict[str | None, str] = {"buy": "buy", "sell": "sell"}
_PONG = b"pong"
_PING = Again("ping", timedelta(seconds=20))
_LONGEST_NUMBER = 15
"""Digits of a time in ms, and of a count."""
_SYMBOLS_OF_A_LINE = 100
"""One message asks for them: 5 kB of the 64 kB that it may have."""


@dataclass(frozen=True, kw_only=True)
class OkxConnector(ListConnector):
    """Symbols of spot are canonical already (`BTC-USDT`)."""

    exchange: ClassVar[str] = "okx"
    ids_contiguous: ClassVar[bool] = True
    hosts: ClassVar[Mapping[str, MarketType]] = {"okx.com": "spot", "okex.com": "spot"}
    channels: ClassVar[Mapping[str, str]] = {
        "trades-all": "wss://ws.okx.com:8443",
        "trades": "wss://ws.okx.com:8443",
    }
    trade_mark: ClassVar[bytes] = b'"tradeId"'
    silence: ClassVar[timedelta | None] = timedelta(seconds=45)  # two pongs in a row did not come
    layouts: ClassVar[Mapping[str, Mapping[str, MarketType]]] = {"cryptofeed": {"OKX": "spot", "OKEX": "spot"}}
    samples: ClassVar[Samples] = Samples(
        bought=(
            b'{"arg":{"channel":"trades-all","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474",'
            b'"px":"42219.9","sz":"0.12060306","side":"buy","source":"0","ts":"1630048897897"}]}'
        ),
        sold=(
            b'{"arg":{"channel":"trades","instId":"ETH-USDT"},"data":[{"instId":"ETH-USDT","tradeId":"130639477",'
            b'"px":"3219.9","sz":"1.2","side":"sell","ts":"1630048897899","count":"3","source":"0","seqId":1234}]}'
        ),
        silent=(
            _PONG,
            b'{"event":"subscribe","arg":{"channel":"trades-all","instId":"BTC-USDT"},"connId":"a4d3ae55"}',
            b'{"event":"error","code":"60018","msg":"Wrong URL or channel:trades,instId:X doesn\'t exist",'
            b'"connId":"a4d3ae55"}',
            b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. '
            b'Please reconnect.","connId":"a4d3ae55"}',
            b'{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","last":"9999.99"}]}',
        ),
    )

    @classmethod
    def is_own(cls, message: bytes) -> bool:
        """A message about a channel of an instrument, swaps too."""
        try:
            arg = _frame(message).arg
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return arg is not None and arg.channel is not None and arg.instId is not None

    @classmethod
    def listing(cls, native: str, market: MarketType) -> Listing:
        """Spot's names are canonical already.

        Raises: UnsupportedMessage: If it is a swap, a future or an option.
        """
        if native.count("-") > 1:
            kind = "swaps" if native.endswith("-SWAP") else "futures and options"
            raise UnsupportedMessage(f"{kind} of OKX, whose sizes are in contracts")
        return Listing(cls.exchange, native)

    def subscriptions(self) -> list[Subscription]:
        """One connection for up to 100 symbols, to which one message subscribes.

        Raises: UsageError: If one of them is a perpetual future.
        """
        self._refuse_futures()
        return [
            Subscription(
                self.address + _PATHS[self.listens_to],
                symbols,
                (self._asked(symbols),),
                again=_PING,
                singly=tuple(self._asked([symbol]) for symbol in symbols),
            )
            for symbols in groups(self.symbols, _SYMBOLS_OF_A_LINE)
        ]

    def _asked(self, symbols: Sequence[str]) -> str:
        """What is said to hear these symbols."""
        wanted = [{"channel": self.listens_to, "instId": self.native(symbol)} for symbol in symbols]
        return msgspec.json.encode({"op": "subscribe", "args": wanted}).decode()

    def notice(self, message: bytes) -> Notice | None:
        """An error refuses what was asked for; a notice says that the connection will be closed."""
        try:
            said = _said(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if said.event == "error":
            return Notice("refused", said.msg or said.code or "")
        return Notice("closing", said.msg or "") if said.event == "notice" else None

    def history(self, symbol: str) -> History:
        """Of the last three months."""
        from coattail.connectors.okx_rest import OkxHistory

        return OkxHistory()

    def pieces(self, message: bytes, received_at: int) -> list[Piece]:
        """See `ListConnector.pieces`."""
        try:
            frame = _frame(message)
            message.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _oddly(message, error)
        if frame.arg is None or frame.arg.channel not in _PATHS:
            return []
        return [self._piece(bytes(raw).strip(), received_at) for raw in frame.data or ()]

    def _piece(self, raw: bytes, received_at: int) -> Piece:
        native, row = row_of_trade(raw, received_at)
        return Piece(None if native is None else self.symbol_of(native), row, raw)


def _oddly(message: bytes, error: Exception) -> list[Piece]:
    if message == _PONG:
        return []
    text_of(message)
    try:
        arg = _outline(message).arg
    except msgspec.ValidationError:
        return []  # sound JSON, but no message about a channel
    if arg is None or string_of(arg.channel) not in _PATHS:
        return []
    raise MalformedMessage(f"okx trade: {error}")


def row_of_trade(raw: bytes, received_at: int) -> tuple[str | None, Row]:
    """(instrument as OKX calls it, row) of the JSON of one trade, of the feed or of REST.

    Raises: MalformedMessage: If a field has another type.
    """
    try:
        trade = _trade(raw)
    except msgspec.ValidationError:
        return _carefully(raw, received_at)
    first, last = _ids(trade.tradeId, trade.count)
    return trade.instId, Row(
        received_at, first, last, trade.px, trade.sz, None, _SIDES.get(trade.side), trade.ts * 1000
    )


def _carefully(raw: bytes, received_at: int) -> tuple[str | None, Row]:
    fields = LooseObject(raw, "okx trade")
    newest, count, time = fields.trade_id("tradeId"), _whole(fields, "count"), _whole(fields, "ts")
    first, last = (None, None) if newest is None else _ids(newest, 1 if count is None else count)
    row = Row(
        received_at,
        first,
        last,
        fields.number_text("px"),
        fields.number_text("sz"),
        None,
        _SIDES.get(fields.text("side")),
        None if time is None else time * 1000,
    )
    return fields.text("instId"), row


def _ids(newest: int, count: int) -> tuple[int, int | None]:
    """(first id, last id or None for a single trade)."""
    first = newest - count + 1
    if not 0 <= first <= newest:
        raise MalformedMessage(f"okx trade: tradeId is {newest}, but count is {count}")
    return first, None if count == 1 else newest


def _whole(fields: LooseObject, name: str) -> int | None:
    """A whole number, which is sent as text."""
    text = fields.number_text(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise MalformedMessage(f"okx trade: {name} is {text[:60]!r}, not a whole number")
    return int(text)
