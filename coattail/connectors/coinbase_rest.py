"""Coinbase Exchange's REST service: past trades of a product, paged downwards by id. It knows no times.

`side` is the maker's, as in the feed. Source: docs.cdp.coinbase.com/exchange (get product trades; pagination;
rate limits: 10 public requests a second).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from coattail.connectors.base import LooseObject
from coattail.connectors.coinbase import TAKER
from coattail.connectors.history import (
    Ask,
    AskFailed,
    DownwardHistory,
    Limits,
    TradePage,
    UnknownSymbol,
    WrongAnswer,
    raw_list,
    shown,
)
from coattail.connectors.iso_time import iso_micros
from coattail.errors import MalformedMessage
from coattail.records import Row


class _Product(msgspec.Struct):
    id: str
    status: str = "online"
    trading_disabled: bool = False


class _Error(msgspec.Struct):
    message: str


_products = msgspec.json.Decoder(list[_Product]).decode
_error = msgspec.json.Decoder(_Error).decode


class CoinbaseHistory(DownwardHistory):
    """`/products/{id}/trades?after=`: the trades below an id, newest first."""

    host: ClassVar[str] = "https://api.exchange.coinbase.com"
    elsewhere: ClassVar[str] = "it does not serve this country"
    limits: ClassVar[Limits] = Limits(10, 1.0)
    page_size: ClassVar[int] = 1000

    way: ClassVar[str] = "trades"

    def below(self, native: str, key: int | None, limit: int) -> Ask:
        """`after` an id means below it."""
        after = "" if key is None else f"&after={key}"
        return Ask(f"/products/{native}/trades?limit={limit}{after}", 1)

    def read(self, body: bytes, received_at: int, way: str) -> TradePage:
        """See `History.read`."""
        return TradePage.of([_read(raw, received_at) for raw in raw_list(body)])

    def refusal(self, status: int, body: bytes) -> AskFailed | None:
        """404 is a product that is not listed."""
        try:
            message = _error(body).message
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if status == 404 or "valid product" in message:
            return UnknownSymbol(f"it answers {status} {message}")
        return AskFailed(f"it answers {status} {message}")

    def listed(self) -> Ask:
        """`/products`."""
        return Ask("/products", 1)

    def read_listed(self, body: bytes) -> Mapping[str, bool]:
        """`online` or not."""
        try:
            return {p.id: p.status == "online" and not p.trading_disabled for p in _products(body)}
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise WrongAnswer(f"not a list of products: {shown(body)}") from None


def _read(raw: bytes, received_at: int) -> tuple[int, Row, bytes]:
    try:
        fields = LooseObject(raw, "a trade of Coinbase")
        key, time = fields.trade_id("trade_id"), fields.text("time")
        side = TAKER.get(fields.text("side"))
        price, size = fields.number_text("price"), fields.number_text("size")
        row = Row(received_at, key, None, price, size, None, side, None if time is None else iso_micros(time))
    except MalformedMessage as error:
        raise WrongAnswer(error.message) from error
    if key is None:
        raise WrongAnswer(f"a trade without an id: {shown(raw)}")
    return key, row, raw
