"""How Binance's frames are decoded: the usual shapes strictly and fast, all others step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, NamedTuple

import msgspec

from coattail.connectors.base import MAX_INT64, LooseObject, MarketType, string_of
from coattail.connectors.subscription import Notice
from coattail.errors import MalformedMessage
from coattail.records import Row

_Id = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT64)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT64)]

MICROSECONDS_FROM = 10**14
"""Times below are ms (this many ms is the year 5138), times from here on µs (this many µs is March 1973)."""


# The common case, decoded strictly and fastest; whatever does not fit takes the slower paths below. Fields stand in
# the order of the wire, because the decoder looks for the next one first. `data` is never there: it says that an
# envelope is not a trade by itself, so that a message fits one of the two shapes at most.
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
TRADE_KINDS = ("trade", "aggTrade")


_Any = msgspec.Raw | msgspec.UnsetType


class _Inner(msgspec.Struct):
    e: str | None = None
    X: _Any = msgspec.UNSET
    M: _Any = msgspec.UNSET
    pu: _Any = msgspec.UNSET


class _Outer(_Inner):
    data: _Any = msgspec.UNSET
    stream: str | None = None
    lastUpdateId: _Any = msgspec.UNSET


class _Shown(NamedTuple):
    is_event: bool
    market: MarketType | None


_FUTURES_ONLY = ("bookTicker", "markPriceUpdate", "forceOrder")
"""Events that only futures name: the book ticker of spot has no `e`."""


def shown_by(message: bytes) -> _Shown | None:
    """What a message says of where it comes from; None where it is not built like one of Binance."""
    try:
        outer = msgspec.json.decode(message, type=_Outer)
        inner = outer if isinstance(outer.data, msgspec.UnsetType) else msgspec.json.decode(outer.data, type=_Inner)
    except _REFUSED:
        return None
    if inner.e is None:
        return _Shown(bool(outer.stream) or outer.lastUpdateId is not msgspec.UNSET, None)
    spot = inner.M is not msgspec.UNSET
    futures = inner.X is not msgspec.UNSET or inner.pu is not msgspec.UNSET or inner.e in _FUTURES_ONLY
    if futures or (inner.e == "aggTrade" and not spot):
        return _Shown(True, "usdm")
    return _Shown(True, "spot" if spot or inner.e == "depthUpdate" else None)


def strictly(message: bytes) -> _Fill | _Aggregate | None:
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


def fills_of(messages: Sequence[bytes], lines: bytes) -> Sequence[_Fill | _Aggregate | None]:
    """`strictly` of each message; `lines` is all of them."""
    if b"\\" not in lines:  # without escapes, what decodes as a trade says so in plain letters
        with suppress(*_REFUSED):
            return [_decode_envelope(message).data for message in messages]
        with suppress(*_REFUSED):
            return [_decode_bare(message) for message in messages]
    return [strictly(message) for message in messages]


def row_of_fill(fill: _Fill | _Aggregate | None, received_at: int) -> Row | None:
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
    if time < MICROSECONDS_FROM:
        time *= 1000
    return Row(received_at, first, last, fill.p, fill.q, None, "sell" if fill.m else "buy", time)


def holds_none(message: bytes) -> bool:
    """Whether it surely holds no trade; a trade may have lost its `e`."""
    try:
        frame = _decode(message)
    except _REFUSED:
        return False
    kind = (frame.data or frame).e
    return kind not in TRADE_KINDS and (kind is not None or (frame.stream is not None and "rade" not in frame.stream))


class _Error(msgspec.Struct):
    code: int | None = None
    msg: str | None = None


class _Said(msgspec.Struct):
    """What may be said besides trades: an event's name, or an error, new style or old."""

    e: str | None = None
    stream: str | None = None
    data: _Said | None = None
    error: _Error | None = None
    code: int | None = None
    msg: str | None = None


_said = msgspec.json.Decoder(_Said).decode


def notice_of(message: bytes) -> Notice | None:
    """What a message without a trade says to a listener: that the server goes down, or that it refuses something."""
    try:
        said = _said(message)
    except _REFUSED:
        return None
    event = (said.data or said).e
    if event == "serverShutdown" or said.stream == "!serverShutdown":
        return Notice("closing", "serverShutdown")
    error = said.error or (_Error(said.code, said.msg) if said.code is not None else None)
    return None if error is None else Notice("refused", f"{error.msg} (code {error.code})")


def kind_and_body(message: bytes) -> tuple[str | None, bytes]:
    """(kind, JSON of the trade's fields); the stream's name tells the kind where a damaged trade lost its `e`."""
    outer = _outline_of(message)
    data = outer.data
    if isinstance(data, msgspec.UnsetType) or bytes(data) == b"null":
        kind, body = string_of(outer.e), message
    else:
        kind, body = string_of(_outline_of(bytes(data)).e), bytes(data)
    stream = (string_of(outer.stream) or "").rpartition("@")[2]
    return (stream, body) if kind is None and stream in TRADE_KINDS else (kind, body)


def _outline_of(raw: bytes) -> _Outline:
    try:
        return _outline(raw)
    except msgspec.ValidationError:
        return _Outline()  # sound JSON, but not an object


def ids_of(fields: LooseObject, kind: str) -> tuple[int | None, int | None]:
    """(first id, last id or None for a single fill); an aggregate without one of its ends has no id at all."""
    if kind == "trade":
        return fields.trade_id("t"), None
    first, last = fields.trade_id("f"), fields.trade_id("l")
    if first is None or last is None:
        return None, None
    if last < first:
        raise MalformedMessage(f"an aggregate that ends before it begins: f is {first}, l is {last}")
    return first, None if last == first else last
