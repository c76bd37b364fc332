"""Binance: spot, USDT-margined and coin-margined futures, and Binance.US, which speaks the same language.

Frames come bare or in the combined stream's envelope `{"stream": ..., "data": ...}`. A frame says itself which
market it is of: futures trades carry `X`, spot trades carry `M`; where neither is there (futures' `aggTrade`),
`market` decides. A coin-margined perpetual is told by its symbol (`BTCUSD_PERP`): its `q` counts contracts.

Sources: github.com/binance/binance-spot-api-docs (web-socket-streams.md); the futures' `trade` stream is not
documented, its shape is taken from recordings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from coattail.connectors.base import (
    MAX_INT64,
    BaseConnector,
    Fields,
    Market,
    UnsupportedMessage,
    lines_of,
    string_of,
    text_of,
)
from coattail.connectors.batch import Batch, Part
from coattail.connectors.contracts import coin_row
from coattail.errors import MalformedMessage
from coattail.records import OFF_BOOK, Row, Shared, Source, Trade, trade_of
from coattail.symbols import coin_margined_symbol, perpetual_symbol, spot_symbol

_Id = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT64)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT64)]

_MICROSECONDS_FROM = 10**14
"""Times below are ms (this many ms is the year 5138), times from here on µs (this many µs is March 1973)."""


# The common case, decoded strictly and fastest; whatever does not fit takes the slower roads below. Fields stand in
# the order of the wire, because the decoder looks for the next one first. `data` is never there: it says that an
# envelope is no trade by itself, so that a message fits one of the two shapes at most.
class _Fill(msgspec.Struct, gc=False, tag_field="e", tag="trade"):
    s: str
    t: _Id
    p: str
    q: str
    T: _Time
    m: bool
    M: bool | None = None
    X: str | None = None
    data: None = None


class _Aggregate(msgspec.Struct, gc=False, tag_field="e", tag="aggTrade"):
    s: str
    p: str
    q: str
    f: _Id
    l: _Id  # noqa: E741
    T: _Time
    m: bool
    M: bool | None = None
    X: str | None = None
    data: None = None


class _Envelope(msgspec.Struct, gc=False):
    data: _Fill | _Aggregate


# One flat shape for both kinds and for the envelope around them: book messages fit it too, and raise nothing.
class _Frame(msgspec.Struct, gc=False):
    stream: str | None = None
    data: _Frame | None = None
    e: str | None = None


class _Outline(msgspec.Struct, gc=False):
    """The three keys that tell what a frame is."""

    e: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    stream: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_bare: Callable[[bytes], _Fill | _Aggregate] = msgspec.json.Decoder(_Fill | _Aggregate).decode
_decode = msgspec.json.Decoder(_Frame).decode
_outline = msgspec.json.Decoder(_Outline).decode

_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TRADE_KINDS = ("trade", "aggTrade")
_CACHED_SYMBOLS = 10_000
_LONGEST_SYMBOL = 32


@dataclass(frozen=True, kw_only=True)
class BinanceConnector(BaseConnector):
    """Binance's `trade` and `aggTrade` streams. `m` is "the buyer is the maker": true means the taker sold.

    `timestamp` is the trade's own time `T`, not the event's `E`. An aggregate covers the ids `f` to `l`.

    `X` other than `MARKET` (`INSURANCE_FUND`, `ADL`, `NA`) marks a futures fill that never met the order book: it
    has a trade id, but a price that nobody quoted, and Binance leaves it out of its own aggregates. Its side is
    `OFF_BOOK`, which the check `off_book` rejects: it moves no bar, and its id is accounted for.
    """

    exchange: ClassVar[str] = "binance"
    ids_contiguous: ClassVar[bool] = True

    market: Market = "spot"
    """Market of the frames that do not say it themselves."""

    _spot: ClassVar[dict[str, str]] = {}
    _perpetual: ClassVar[dict[str, str]] = {}
    # Canonical symbols already worked out, by market; bounded, because a feed can invent symbols.

    def normalize(
        self, message: bytes, received_at: int, *, source: Source = "replay", session: str = ""
    ) -> list[Trade]:
        """The trade of one frame, or []; see `BaseConnector.normalize`.

        Raises:
            MalformedMessage: If the frame is not JSON, or is a trade with a field of another type.
            UnsupportedMessage: If it is a trade of a delivery contract.
        """
        fill = _strictly(message)
        row = _row(fill, received_at)
        try:
            payload = message.decode()
        except UnicodeDecodeError:
            return self._carefully(message, received_at, source, session)
        if fill is None or row is None:
            return [] if _holds_none(message) else self._carefully(message, received_at, source, session)
        spot = fill.X is None and (self.market == "spot" or fill.M is not None)
        known = self._spot if spot else self._perpetual
        symbol = known.get(fill.s)
        if symbol is None:
            symbol = self._canonical(fill.s, known)
            row = self._in_coins(row, fill.s, symbol)
        return [trade_of(row, Shared(self.exchange, symbol, session, source), payload)]

    def batch(
        self, messages: Sequence[bytes], received_at: Sequence[int], *, source: Source = "replay", session: str = ""
    ) -> Batch:
        """See `BaseConnector.batch`. Trades in their usual shape are never made into objects."""
        lines = lines_of(messages)
        if lines is None:
            return super().batch(messages, received_at, source=source, session=session)
        batch = Batch(self.exchange, source, session)
        spot, perpetual = dict[str, Part](), dict[str, Part]()
        fills, unsaid_is_spot = _fills(messages, lines), self.market == "spot"
        for fill, row, message, at in zip(fills, map(_row, fills, received_at), messages, received_at, strict=True):
            if fill is None or row is None:
                if _holds_none(message):
                    batch.other += 1
                else:
                    self._add(batch, message, at)
                continue
            parts = spot if fill.X is None and (unsaid_is_spot or fill.M is not None) else perpetual
            part = parts.get(fill.s)
            if part is None:
                try:
                    symbol = self._canonical(fill.s, self._perpetual if parts is perpetual else self._spot)
                except UnsupportedMessage as error:
                    batch.unsupported[error.kind] += 1
                    continue
                part = batch.part(symbol)
                if "_" in fill.s:
                    row = self._in_coins(row, fill.s, symbol)  # never remembered in `parts`: every row comes by here
                else:
                    parts[fill.s] = part
            part.rows.append(row)
            part.payloads.append(message)
        return batch

    def _canonical(self, native: str, known: dict[str, str]) -> str:
        if "_" in native:
            if coin_margined := coin_margined_symbol(native):
                return coin_margined
            kind = "coin-margined delivery" if native.partition("_")[0].endswith("USD") else "delivery"
            raise UnsupportedMessage(f"{self.exchange} {kind} futures")
        name = perpetual_symbol if known is self._perpetual else spot_symbol
        symbol = name(native, exchange=self.exchange)
        if len(native) <= _LONGEST_SYMBOL and len(known) < _CACHED_SYMBOLS:
            known[native] = symbol
        return symbol

    def _in_coins(self, row: Row, native: str, symbol: str) -> Row:
        return coin_row(row, self.exchange, symbol) if "_" in native else row

    def _carefully(self, message: bytes, received_at: int, source: Source, session: str) -> list[Trade]:
        payload = text_of(message)
        kind, body = _kind_and_body(message)
        if kind not in _TRADE_KINDS:
            return []
        fields = Fields(body, f"{self.exchange} {kind}")
        native, time = fields.text("s"), fields.whole("T")
        maker_bought, order = fields.flag("m"), fields.text("X")
        price, quantity = fields.number_text("p"), fields.number_text("q")
        first, last = _ids(fields, kind)
        if native is None:
            symbol = None
        else:
            spot = order is None and ("M" in fields or self.market == "spot")
            symbol = self._canonical(native, self._spot if spot else self._perpetual)
        side = None if maker_bought is None else "sell" if maker_bought else "buy"
        if order is not None and order != "MARKET":
            side = OFF_BOOK
        if time is not None and abs(time) < _MICROSECONDS_FROM:
            time *= 1000
        row = Row(received_at, first, last, price, quantity, None, side, time)
        if native is not None and symbol is not None:
            row = self._in_coins(row, native, symbol)
        return [trade_of(row, Shared(self.exchange, symbol, session, source), payload)]


class BinanceUsConnector(BinanceConnector):
    """Binance.US: the same frames, other hosts, dollars among the quotes."""

    exchange: ClassVar[str] = "binance_us"
    _spot: ClassVar[dict[str, str]] = {}
    _perpetual: ClassVar[dict[str, str]] = {}


def _strictly(message: bytes) -> _Fill | _Aggregate | None:
    """The trade, where it is one in its usual shape."""
    if b'rade"' not in message:
        return None
    enveloped = message.startswith(b'{"stream"')
    for envelope in (enveloped, not enveloped):  # the likely one first
        try:
            return _decode_envelope(message).data if envelope else _decode_bare(message)
        except _REFUSED:
            continue
    return None


def _fills(messages: Sequence[bytes], lines: bytes) -> Sequence[_Fill | _Aggregate | None]:
    """`_strictly` of each message; `lines` is all of them."""
    if b"\\" not in lines:  # without escapes, what decodes as a trade says so in plain letters
        with suppress(*_REFUSED):
            return [_decode_envelope(message).data for message in messages]
        with suppress(*_REFUSED):
            return [_decode_bare(message) for message in messages]
    return [_strictly(message) for message in messages]


def _row(fill: _Fill | _Aggregate | None, received_at: int) -> Row | None:
    """How the fields of a trade in its usual shape map; None where it has to be looked at more closely."""
    first: int
    last: int | None
    if type(fill) is _Aggregate:
        first, last = fill.f, fill.l
        if last < first:
            return None
        if last == first:
            last = None
    elif type(fill) is _Fill:
        first, last = fill.t, None
    else:
        return None
    if fill.X is not None and fill.X != "MARKET":
        return None
    time = fill.T
    if time < _MICROSECONDS_FROM:
        time *= 1000
    return Row(received_at, first, last, fill.p, fill.q, None, "sell" if fill.m else "buy", time)


def _holds_none(message: bytes) -> bool:
    """Whether it surely holds no trade; a trade may have lost its `e`."""
    try:
        frame = _decode(message)
    except _REFUSED:
        return False
    kind = (frame.data or frame).e
    return kind not in _TRADE_KINDS and (kind is not None or (frame.stream is not None and "rade" not in frame.stream))


def _kind_and_body(message: bytes) -> tuple[str | None, bytes]:
    """(kind, JSON of the trade's fields); the stream's name tells the kind where a damaged trade lost its `e`."""
    outer = _outline_of(message)
    data = outer.data
    if isinstance(data, msgspec.UnsetType) or bytes(data) == b"null":
        kind, body = string_of(outer.e), message
    else:
        kind, body = string_of(_outline_of(bytes(data)).e), bytes(data)
    stream = (string_of(outer.stream) or "").rpartition("@")[2]
    return (stream, body) if kind is None and stream in _TRADE_KINDS else (kind, body)


def _outline_of(raw: bytes) -> _Outline:
    try:
        return _outline(raw)
    except msgspec.ValidationError:
        return _Outline()  # sound JSON, but no object


def _ids(fields: Fields, kind: str) -> tuple[int | None, int | None]:
    """(first id, last id or None for a single fill); an aggregate without one of its ends has no id at all."""
    if kind == "trade":
        return fields.trade_id("t"), None
    first, last = fields.trade_id("f"), fields.trade_id("l")
    if first is None or last is None:
        return None, None
    if last < first:
        raise MalformedMessage(f"an aggregate that ends before it begins: f is {first}, l is {last}")
    return first, None if last == first else last
