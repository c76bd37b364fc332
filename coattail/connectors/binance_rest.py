"""Binance's REST service: past trades by id (`historicalTrades`), or aggregated (`aggTrades`) where it has only these.

`data-api.binance.vision` has no `historicalTrades`, and Binance.US wants a key for it. Sources:
github.com/binance/binance-spot-api-docs (rest-api.md, faqs/market_data_only.md), weights as of 2025-03-10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from coattail.connectors.base import LooseObject
from coattail.connectors.binance_wire import MICROSECONDS_FROM, ids_of
from coattail.connectors.history import (
    Ask,
    AskFailed,
    History,
    Known,
    Limits,
    NoSuchWay,
    Search,
    TradePage,
    UnknownSymbol,
    WrongAnswer,
    raw_list,
    shown,
    smallest_key,
)
from coattail.errors import MalformedMessage
from coattail.records import Row

TRADES, NEWEST, AGGREGATES = "historicalTrades", "trades", "aggTrades"
_WEIGHTS = {TRADES: 25, NEWEST: 25, AGGREGATES: 4}
_LISTED_WEIGHT = 20
_NO_KEY = (-2014, -2015, -1022)
"""Codes with which it asks for a key, which public data should not need."""
_BAD_SYMBOL = (-1121, -1100)


class _Fill(msgspec.Struct, gc=False):
    id: int
    price: str
    qty: str
    time: int
    isBuyerMaker: bool


class _Aggregate(msgspec.Struct, gc=False):
    a: int
    p: str
    q: str
    f: int
    l: int  # noqa: E741
    T: int
    m: bool


class _Error(msgspec.Struct):
    code: int
    msg: str = ""


class _Symbol(msgspec.Struct):
    symbol: str
    status: str = "TRADING"


class _Info(msgspec.Struct):
    symbols: list[_Symbol]


_fill = msgspec.json.Decoder(_Fill).decode
_aggregate = msgspec.json.Decoder(_Aggregate).decode
_error = msgspec.json.Decoder(_Error).decode
_info = msgspec.json.Decoder(_Info).decode


class BinanceHistory(History):
    """Spot. `quoteQty` is left out: it is rounded, and the trades heard live have none, so both land alike."""

    host: ClassVar[str] = "https://api.binance.com"
    elsewhere: ClassVar[str] = (
        "set exchanges.binance.rest_host to https://data-api.binance.vision (and websocket_host to "
        "wss://data-stream.binance.vision), or take binance_us"
    )
    limits: ClassVar[Limits] = Limits(6000, 60.0, "x-mbx-used-weight-1m")
    page_size: ClassVar[int] = 1000
    glimpse: ClassVar[str] = NEWEST

    def ways(self, host: str) -> Sequence[str]:
        """Single trades by id; else, as on `data-api.binance.vision`, those among the newest 1000, then aggregates."""
        return (NEWEST, AGGREGATES) if "binance.vision" in host else (TRADES, NEWEST, AGGREGATES)

    def keyed_by_id(self, way: str) -> bool:
        """Not where trades come aggregated."""
        return way != AGGREGATES

    def page(self, native: str, first: int, last: int, way: str) -> Ask:
        """`fromId`, of a trade or of an aggregate, and upwards from it; the newest trades take no id."""
        if way == NEWEST:
            return _ask(way, native, f"&limit={self.page_size}")
        return _ask(way, native, f"&fromId={first}&limit={min(last - first + 1, self.page_size)}")

    def read(self, body: bytes, received_at: int, way: str) -> TradePage:
        """See `History.read`."""
        read = _read_aggregate if way == AGGREGATES else _read_fill
        return TradePage.of([read(raw, received_at) for raw in raw_list(body)])

    def key_of(self, native: str, trade_id: int, way: str) -> Search[int | None]:
        """That of the aggregate that holds it."""
        half = self.page_size // 2

        def known(body: bytes) -> list[Known]:
            page = self.read(body, 0, AGGREGATES)
            ends = ((key, row.last_trade_id or row.trade_id) for key, row in zip(page.keys, page.rows, strict=True))
            return [(key, end) for key, end in ends if end is not None]

        return (
            yield from smallest_key(
                trade_id,
                _ask(AGGREGATES, native, f"&limit={self.page_size}"),
                lambda key: _ask(AGGREGATES, native, f"&fromId={max(key - half, 0)}&limit={self.page_size}"),
                known,
            )
        )

    def newest(self, native: str) -> Search[int | None]:
        """The end of the newest aggregate."""
        page = self.read((yield _ask(AGGREGATES, native, "&limit=1")), 0, AGGREGATES)
        row = page.rows[-1] if page.rows else None
        return None if row is None else row.last_trade_id or row.trade_id

    def first_id_at(self, native: str, at: int) -> Search[int | None]:
        """The beginning of the first aggregate from then on: one has one time, and times are whole milliseconds."""
        ask = _ask(AGGREGATES, native, f"&startTime={max(-(-at // 1000), 0)}&limit=1")
        page = self.read((yield ask), 0, AGGREGATES)
        return page.rows[0].trade_id if page.rows else None

    def refusal(self, status: int, body: bytes) -> AskFailed | None:
        """By the code in the body; a route that is not there answers with no JSON at all."""
        try:
            error = _error(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            if status not in (401, 404, 410):
                return None
            return NoSuchWay(f"it answers {status} {shown(body)}", next_step="check that rest_host is the exchange's")
        if error.code in _NO_KEY:
            return NoSuchWay(f"it wants a key for this ({error.code} {error.msg})")
        if error.code in _BAD_SYMBOL:
            return UnknownSymbol(f"it answers {error.code} {error.msg}")
        return None if error.code in (-1003, -1015) else AskFailed(f"it answers {error.code} {error.msg}")

    def listed(self) -> Ask:
        """`exchangeInfo`."""
        return Ask("/api/v3/exchangeInfo", _LISTED_WEIGHT)

    def read_listed(self, body: bytes) -> Mapping[str, bool]:
        """`status` TRADING or not."""
        try:
            return {symbol.symbol: symbol.status == "TRADING" for symbol in _info(body).symbols}
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise WrongAnswer(f"not an exchangeInfo: {shown(body)}") from None


class BinanceUsHistory(BinanceHistory):
    """Binance.US: the same, elsewhere; its limit is lower."""

    host: ClassVar[str] = "https://api.binance.us"
    elsewhere: ClassVar[str] = "it serves only some countries"
    limits: ClassVar[Limits] = Limits(1200, 60.0, "x-mbx-used-weight-1m")


def _ask(way: str, native: str, query: str) -> Ask:
    return Ask(f"/api/v3/{way}?symbol={native}{query}", _WEIGHTS[way])


def _read_fill(raw: bytes, received_at: int) -> tuple[int, Row, bytes]:
    try:
        fill = _fill(raw)
        return fill.id, _row(received_at, fill.id, None, fill.price, fill.qty, fill.isBuyerMaker, fill.time), raw
    except (msgspec.DecodeError, UnicodeDecodeError):
        fields = _loosely(raw, TRADES)
    try:
        key = fields.trade_id("id")
        row = _row(received_at, key, None, fields.number_text("price"), fields.number_text("qty"),
                   fields.flag("isBuyerMaker"), fields.whole("time"))  # fmt: skip
    except MalformedMessage as error:
        raise WrongAnswer(error.message) from error
    return _with_key(key, row, raw)


def _read_aggregate(raw: bytes, received_at: int) -> tuple[int, Row, bytes]:
    try:
        one = _aggregate(raw)
        if 0 <= one.f <= one.l:
            last = None if one.l == one.f else one.l
            return one.a, _row(received_at, one.f, last, one.p, one.q, one.m, one.T), raw
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    fields = _loosely(raw, AGGREGATES)
    try:
        key, (first, end) = fields.trade_id("a"), ids_of(fields, "aggTrade")
        row = _row(received_at, first, end, fields.number_text("p"), fields.number_text("q"), fields.flag("m"),
                   fields.whole("T"))  # fmt: skip
    except MalformedMessage as error:
        raise WrongAnswer(error.message) from error
    return _with_key(key if first is not None else None, row, raw)


def _loosely(raw: bytes, way: str) -> LooseObject:
    try:
        return LooseObject(raw, f"a trade of {way}")
    except MalformedMessage as error:
        raise WrongAnswer(error.message) from error


def _with_key(key: int | None, row: Row, raw: bytes) -> tuple[int, Row, bytes]:
    if key is None:
        raise WrongAnswer(f"a trade without an id: {shown(raw)}")
    return key, row, raw


def _row(
    received_at: int,
    first: int | None,
    last: int | None,
    price: str | None,
    quantity: str | None,
    maker_bought: bool | None,
    time: int | None,
) -> Row:
    side = None if maker_bought is None else "sell" if maker_bought else "buy"
    if time is not None and abs(time) < MICROSECONDS_FROM:
        time *= 1000
    return Row(received_at, first, last, price, quantity, None, side, time)
