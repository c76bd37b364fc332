"""Coinbase Exchange's REST service: past trades of a product, paged downwards by id. It knows no times.

`side` is the maker's, as in the feed. Source: docs.cdp.coinbase.com/exchange (get product trades; pagination;
rate limits: 10 public requests a second).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from coattail.connectors.base import LooseObject
from coattail.connectors.coinbase import TAKER
from coattail.connectors.history import (
    Ask,
    AskFailed,
    History,
    Known,
    Limits,
    Search,
    TradePage,
    UnknownSymbol,
    WrongAnswer,
    raw_list,
    shown,
    smallest_key,
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


class CoinbaseHistory(History):
    """`/products/{id}/trades?after=`: the trades below an id, newest first."""

    host: ClassVar[str] = "https://api.exchange.coinbase.com"
    elsewhere: ClassVar[str] = "it does not serve this country"
    limits: ClassVar[Limits] = Limits(10, 1.0)
    page_size: ClassVar[int] = 1000

    def ways(self, host: str) -> Sequence[str]:
        """Single trades."""
        return ("trades",)

    def page(self, native: str, first: int, last: int, way: str) -> Ask:
        """`after` an id means below it."""
        return _ask(native, f"?limit={min(last - first + 1, self.page_size)}&after={last + 1}")

    def read(self, body: bytes, received_at: int, way: str) -> TradePage:
        """See `History.read`."""
        return TradePage.of([_read(raw, received_at) for raw in raw_list(body)])

    def newest(self, native: str) -> Search[int | None]:
        """The first of the newest page."""
        page = self.read((yield _ask(native, "?limit=1")), 0, "trades")
        return page.keys[-1] if page.keys else None

    def first_id_at(self, native: str, at: int) -> Search[int | None]:
        """By looking for it among the ids."""

        def known(body: bytes) -> list[Known]:
            page = self.read(body, 0, "trades")
            times = ((key, row.timestamp) for key, row in zip(page.keys, page.rows, strict=True))
            return [(key, time) for key, time in times if time is not None]

        return (
            yield from smallest_key(
                at,
                _ask(native, f"?limit={self.page_size}"),
                lambda key: _ask(native, f"?limit={self.page_size}&after={key + 1 + self.page_size // 2}"),
                known,
            )
        )

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


def _ask(native: str, rest: str) -> Ask:
    return Ask(f"/products/{native}/trades{rest}", 1)


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
