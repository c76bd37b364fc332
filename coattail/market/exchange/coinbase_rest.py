"""Coinbase Exchange's REST service on loopback: what its public routes say of the trades released so far.

Pages are newest first. `after=X` gives the trades just older than X; `before=X` gives the *newest* trades of all that
are newer than X, not those just after it: whoever pages forward with `before` misses the middle.

Source: docs.cdp.coinbase.com/exchange/rest-api: pagination, products, currencies, rate limits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from coattail.errors import CoattailError
from coattail.market.exchange.coinbase_messages import iso, trade_page
from coattail.market.exchange.http import PlainAnswer, PlainRequest, said
from coattail.market.exchange.limits import HostLimits, RequestBucket
from coattail.market.exchange.summaries import candles, summary
from coattail.market.exchange.tape import ListedInstrument

if TYPE_CHECKING:
    from coattail.market.exchange.venue import Venue

_PAGE = 1000
_GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)


class _Refused(CoattailError):
    """A request is wrong; the words are Coinbase's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class CoinbaseRest:
    """The answers to plain requests."""

    def __init__(self, venue: Venue, limits: HostLimits) -> None:
        self._venue = venue
        self.bucket = RequestBucket(limits.coinbase_requests, limits.coinbase_burst)
        self._routes: tuple[tuple[str, Callable[..., PlainAnswer]], ...] = (
            ("/time", self._time),
            ("/products", self._products),
            ("/products/([^/]+)", self._product),
            ("/products/([^/]+)/trades", self._trades),
            ("/products/([^/]+)/ticker", self._ticker),
            ("/products/([^/]+)/stats", self._stats),
            ("/products/([^/]+)/candles", self._candles),
            ("/currencies", self._currencies),
            ("/currencies/([^/]+)", self._currency),
        )

    def answer(self, request: PlainRequest) -> PlainAnswer:
        """The answer."""
        if not self.bucket.take():
            return said({"message": "Public rate limit exceeded"}, 429)
        for pattern, route in self._routes:
            fits = re.fullmatch(pattern, request.path.rstrip("/"))
            if fits is not None and request.method == "GET":
                try:
                    return route(request, *fits.groups())
                except _Refused as error:
                    return said({"message": error.message}, error.status)
        return said({"message": "NotFound"}, 404)

    def _time(self, request: PlainRequest) -> PlainAnswer:
        now = self._venue.now()
        return said({"iso": iso(now // 1000 * 1000)[:-4] + "Z", "epoch": now // 1000 / 1000})

    def _products(self, request: PlainRequest) -> PlainAnswer:
        return said([_product_info(listing) for listing in self._venue.listings()])

    def _product(self, request: PlainRequest, code: str) -> PlainAnswer:
        return said(_product_info(self._listing(code)))

    def _currencies(self, request: PlainRequest) -> PlainAnswer:
        return said([_currency_info(name) for name in self._names()])

    def _currency(self, request: PlainRequest, name: str) -> PlainAnswer:
        if name not in self._names():
            raise _Refused("NotFound", 404)
        return said(_currency_info(name))

    def _names(self) -> list[str]:
        return sorted({name for each in self._venue.listings() for name in (each.base, each.quote)})

    def _trades(self, request: PlainRequest, code: str) -> PlainAnswer:
        self._listing(code)
        limit = min(_whole(request, "limit") or _PAGE, _PAGE)
        before, after = _whole(request, "before"), _whole(request, "after")
        where = pl.lit(True)
        if after is not None:
            where &= pl.col("id") < self._venue.shifted(after, -1)
            code = self._venue.paged(code)
        if before is not None:
            where &= pl.col("id") > before
        found = self._venue.tape.newest(code, self._venue.released, where, limit).reverse()
        cursors = {"cb-before": str(found["id"][0]), "cb-after": str(found["id"][-1])} if found.height else {}
        return said(trade_page(found), headers=cursors)

    def _ticker(self, request: PlainRequest, code: str) -> PlainAnswer:
        self._listing(code)
        last = self._venue.tape.newest(code, self._venue.released, pl.lit(True), 1)
        if not last.height:
            raise _Refused("NotFound", 404)
        row, day = trade_page(last)[0], summary(self._venue, code)
        return said({**{name: row[name] for name in ("trade_id", "price", "size", "time")}, "bid": "0", "ask": "0",
                     "volume": day["volume"], "rfq_volume": "0"})  # fmt: skip

    def _stats(self, request: PlainRequest, code: str) -> PlainAnswer:
        self._listing(code)
        day = summary(self._venue, code)
        names = ("open", "high", "low", "last", "volume")
        return said({**{name: day[name] or "0" for name in names}, "volume_30day": day["volume"] or "0"})

    def _candles(self, request: PlainRequest, code: str) -> PlainAnswer:
        self._listing(code)
        seconds = _whole(request, "granularity") or 60
        if seconds not in _GRANULARITIES:
            raise _Refused("Unsupported granularity", 400)
        found = candles(self._venue, code, seconds, None, None)[-300:]
        return said(
            [
                [row["begin"] // 10**6, *(float(row[name]) for name in ("low", "high", "open", "close", "volume"))]
                for row in reversed(found)
            ]
        )

    def _listing(self, code: str) -> ListedInstrument:
        if not self._venue.has(code):
            raise _Refused("NotFound", 404)
        return self._venue.tape.listings[self._venue.tape.numbers[code]]


def _whole(request: PlainRequest, name: str) -> int | None:
    given = request.query.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 19):
        raise _Refused(f"Invalid {name}", 400)
    return int(given)


def _product_info(listing: ListedInstrument) -> dict[str, object]:
    return {
        "id": listing.code,
        "base_currency": listing.base,
        "quote_currency": listing.quote,
        "quote_increment": listing.tick,
        "base_increment": listing.lot,
        "display_name": f"{listing.base}-{listing.quote}",
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": "online",
        "status_message": "",
        "trading_disabled": False,
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.02000000",
        "auction_mode": False,
        "high_bid_limit_percentage": "",
    }


def _currency_info(name: str) -> dict[str, object]:
    fiat = name in ("USD", "EUR", "GBP")
    return {
        "id": name,
        "name": name,
        "min_size": "0.01" if fiat else "0.00000001",
        "status": "online",
        "message": "",
        "max_precision": "0.01" if fiat else "0.00000001",
        "convertible_to": [],
        "details": {"type": "fiat" if fiat else "crypto", "symbol": None, "sort_order": 0, "display_name": None},
        "default_network": "",
        "supported_networks": [],
        "display_name": name,
    }
