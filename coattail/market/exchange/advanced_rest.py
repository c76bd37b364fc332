"""Coinbase Advanced Trade's REST service on loopback: the public routes, and those that real hosts ask a signature for.

A request without a signature is answered too: clients made for a real host ask `/api/v3/brokerage/products` first.

Source: docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api (products, public); docs.cdp.coinbase.com/
coinbase-app/track-apis (currencies, exchange rates, time).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from coattail.market.exchange.coinbase_messages import iso, maker_side, timed
from coattail.market.exchange.http import PlainAnswer, PlainRequest, said
from coattail.market.exchange.limits import HostLimits, RequestBucket
from coattail.market.exchange.summaries import candles, summary
from coattail.market.exchange.tape import ListedInstrument

if TYPE_CHECKING:
    from coattail.market.exchange.venue import Venue

_FIAT = ("USD", "EUR", "GBP")
_PAGE = 1000
_GRANULARITY = {
    "ONE_MINUTE": 60, "FIVE_MINUTE": 300, "FIFTEEN_MINUTE": 900, "THIRTY_MINUTE": 1800, "ONE_HOUR": 3600,
    "TWO_HOUR": 7200, "SIX_HOUR": 21600, "ONE_DAY": 86400,
}  # fmt: skip


class AdvancedRest:
    """The answers to plain requests."""

    def __init__(self, venue: Venue, limits: HostLimits) -> None:
        self._venue = venue
        self.bucket = RequestBucket(limits.coinbase_requests, limits.coinbase_burst)
        brokerage = "/api/v3/brokerage(?:/market)?"
        self._routes: tuple[tuple[str, Callable[..., object]], ...] = (
            ("/api/v3/brokerage/time", self._time),
            (f"{brokerage}/products", self._products),
            (f"{brokerage}/products/([^/]+)", self._product),
            (f"{brokerage}/products/([^/]+)/ticker", self._ticker),
            (f"{brokerage}/products/([^/]+)/candles", self._candles),
            ("/v2/time", self._old_time),
            ("/v2/currencies", self._currencies),
            ("/v2/currencies/crypto", self._crypto),
            ("/v2/exchange-rates", self._rates),
        )

    def answer(self, request: PlainRequest) -> PlainAnswer:
        """The answer."""
        if not self.bucket.take():
            return said({"error": "RESOURCE_EXHAUSTED", "code": 8, "message": "Too many requests", "details": []}, 429)
        for pattern, route in self._routes:
            fits = re.fullmatch(pattern, request.path.rstrip("/"))
            if fits is None or request.method != "GET":
                continue
            if fits.groups() and not self._venue.has(fits.group(1)):
                return _refused("NOT_FOUND", f"valid product_id is required: {fits.group(1)} is none", 404)
            wrong = next((name for name in ("limit", "start", "end", "offset") if _bad(request.query.get(name))), None)
            if wrong is not None:
                return _refused("INVALID_ARGUMENT", f"invalid {wrong}", 400)
            return said(route(request, *fits.groups()))
        if request.path.startswith("/api/v3/brokerage/"):
            return PlainAnswer(401, b"Unauthorized", {"content-type": "text/plain"})
        return _refused("NOT_FOUND", "Not Found", 404)

    def _time(self, request: PlainRequest) -> object:
        now = self._venue.now()
        return {"iso": iso(now)[:19] + "Z", "epochSeconds": str(now // 10**6), "epochMillis": str(now // 1000)}

    def _old_time(self, request: PlainRequest) -> object:
        now = self._venue.now()
        return {"data": {"iso": iso(now)[:19] + "Z", "epoch": now // 10**6}}

    def _products(self, request: PlainRequest) -> object:
        kind, wanted = request.query.get("product_type", "SPOT"), request.query.get("product_ids")
        listings = [
            each
            for each in self._venue.listings()
            if kind in ("SPOT", "UNKNOWN_PRODUCT_TYPE", "") and wanted in (None, each.code)
        ]
        offset = int(request.query.get("offset", 0))
        limit = int(request.query.get("limit", 0)) or len(listings)
        return {
            "products": [self._info(each) for each in listings[offset : offset + limit]],
            "num_products": len(listings),
            "pagination": {"prev_cursor": "", "next_cursor": "", "has_next": False, "has_prev": False},
        }

    def _product(self, request: PlainRequest, code: str) -> object:
        return self._info(self._venue.tape.listings[self._venue.tape.numbers[code]])

    def _ticker(self, request: PlainRequest, code: str) -> object:
        limit = min(int(request.query.get("limit", 100)), _PAGE)
        where = pl.lit(True)
        if "start" in request.query:
            where &= pl.col("time") >= int(request.query["start"]) * 10**6
        if "end" in request.query:
            where &= pl.col("time") < (int(request.query["end"]) + 1) * 10**6
        found = timed(self._venue.tape.newest(code, self._venue.released, where, limit).reverse())
        trades = [
            {
                "trade_id": str(row["id"]),
                "product_id": code,
                "price": row["price"],
                "size": row["quantity"],
                "time": row["clock"],
                "side": row["side"],
                "exchange": "CBE",
            }
            for row in found.with_columns(side=maker_side("BUY", "SELL")).iter_rows(named=True)
        ]
        return {"trades": trades, "best_bid": "", "best_ask": ""}

    def _candles(self, request: PlainRequest, code: str) -> object:
        seconds = _GRANULARITY.get(request.query.get("granularity", "ONE_MINUTE"), 60)
        since, until = (int(request.query.get(name, 0)) * 10**6 for name in ("start", "end"))
        found = candles(self._venue, code, seconds, since or None, until or None)
        return {
            "candles": [
                {
                    "start": str(row["begin"] // 10**6),
                    "low": row["low"],
                    "high": row["high"],
                    "open": row["open"],
                    "close": row["close"],
                    "volume": row["volume"],
                }
                for row in reversed(found)
            ]
        }

    def _names(self) -> list[str]:
        return sorted({name for each in self._venue.listings() for name in (each.base, each.quote)})

    def _currencies(self, request: PlainRequest) -> object:
        fiat = [name for name in self._names() if name in _FIAT]
        return {"data": [{"id": name, "name": name, "min_size": "0.01000000"} for name in fiat]}

    def _crypto(self, request: PlainRequest) -> object:
        return {
            "data": [
                {
                    "asset_id": name,
                    "code": name,
                    "name": name,
                    "color": "#000000",
                    "sort_index": 100 + number,
                    "exponent": 8,
                    "type": "crypto",
                    "address_regex": ".*",
                }
                for number, name in enumerate(self._names())
                if name not in _FIAT
            ]
        }

    def _rates(self, request: PlainRequest) -> object:
        """How much of each asset a dollar buys, by the newest trades; a dollar itself where the asset is one."""
        rates = {"USD": "1.0"}
        for listing in self._venue.listings():
            last = self._venue.tape.last(self._venue.tape.numbers[listing.code], self._venue.released)
            if listing.quote == "USD" and last is not None:
                rates[listing.base] = f"{1 / Decimal(str(last['price'])):.16f}"
        return {"data": {"currency": "USD", "rates": rates}}

    def _info(self, listing: ListedInstrument) -> dict[str, object]:
        day = summary(self._venue, listing.code)
        return {
            "product_id": listing.code,
            "price": day["last"],
            "price_percentage_change_24h": day["change_percent"],
            "volume_24h": day["volume"],
            "volume_percentage_change_24h": "",
            "base_increment": listing.lot,
            "quote_increment": listing.tick,
            "quote_min_size": "1",
            "quote_max_size": "150000000",
            "base_min_size": listing.lot,
            "base_max_size": "1000000",
            "base_name": listing.base,
            "quote_name": listing.quote,
            "watched": False,
            "is_disabled": False,
            "new": False,
            "status": "online",
            "cancel_only": False,
            "limit_only": False,
            "post_only": False,
            "trading_disabled": False,
            "auction_mode": False,
            "product_type": "SPOT",
            "quote_currency_id": listing.quote,
            "base_currency_id": listing.base,
            "fcm_trading_session_details": None,
            "mid_market_price": "",
            "alias": "",
            "alias_to": [],
            "base_display_symbol": listing.base,
            "quote_display_symbol": listing.quote,
            "view_only": False,
            "price_increment": listing.tick,
            "display_name": listing.code,
            "product_venue": "CBE",
            "approximate_quote_24h_volume": day["quote_volume"],
            "new_at": "2023-01-01T00:00:00Z",
            "best_bid_price": "",
            "best_ask_price": "",
            "high_24h": day["high"],
            "low_24h": day["low"],
        }


def _bad(given: str | None) -> bool:
    return given is not None and not (given.isascii() and given.isdigit() and len(given) <= 12)


def _refused(error: str, message: str, status: int) -> PlainAnswer:
    code = {"NOT_FOUND": 5, "INVALID_ARGUMENT": 3}[error]
    return said({"error": error, "code": code, "message": message, "details": []}, status)
