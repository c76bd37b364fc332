"""Binance's REST service on loopback: what its public routes say of the trades released so far.

Source: github.com/binance/binance-spot-api-docs: rest-api.md, errors.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from coattail.errors import CoattailError
from coattail.market.exchange.binance_messages import Told, aggregate_page, aggregates, trade_page
from coattail.market.exchange.http import PlainAnswer, PlainRequest, said
from coattail.market.exchange.limits import HostLimits, WeightByMinute
from coattail.market.exchange.tape import ListedInstrument

if TYPE_CHECKING:
    from coattail.market.exchange.venue import Venue

_MICROSECONDS_FROM = 10**14
"""Times from this on are in µs, below in ms."""


class _Refused(CoattailError):
    """A request is wrong: `code` and words are Binance's."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class BinanceRest:
    """The answers to plain requests."""

    def __init__(self, venue: Venue, limits: HostLimits) -> None:
        self._venue = venue
        self.weights = WeightByMinute(limits.binance_weight, limits.binance_patience)
        self._routes: Mapping[str, tuple[int, Callable[[PlainRequest], object]]] = {
            "/api/v3/ping": (1, self._ping),
            "/api/v3/time": (1, self._time),
            "/api/v3/exchangeInfo": (20, self._exchange_info),
            "/api/v3/trades": (25, self._trades),
            "/api/v3/historicalTrades": (25, self._historical_trades),
            "/api/v3/aggTrades": (4, self._aggregates),
        }

    def answer(self, request: PlainRequest) -> PlainAnswer:
        """The answer, with the weight used so far in its headers."""
        weight, route = self._routes.get(request.path, (1, None))
        status, wait = self.weights.take(weight)
        used = str(self.weights.used)
        headers = {"x-mbx-used-weight": used, "x-mbx-used-weight-1m": used}
        if status != 200:
            return said(_LIMITED[status], status, {**headers, "retry-after": str(wait)})
        if route is None:
            return PlainAnswer(404, b"<html><body><h2>404 Not found</h2></body></html>", {"content-type": "text/html"})
        if request.method != "GET":
            return said({"code": -1000, "msg": f"Request method '{request.method}' is not supported."}, 405, headers)
        try:
            return said(route(request), 200, headers)
        except _Refused as error:
            return said({"code": error.code, "msg": error.message}, error.status, headers)

    def _ping(self, request: PlainRequest) -> object:
        return {}

    def _time(self, request: PlainRequest) -> object:
        told = _told(request)
        return {"serverTime": self._venue.now() // told.unit}

    def _exchange_info(self, request: PlainRequest) -> object:
        wanted = [listing.code for listing in self._venue.listings()]
        if "symbol" in request.query:
            wanted = [self._symbol(request.query["symbol"])]
        elif "symbols" in request.query:
            try:
                named = msgspec.json.decode(request.query["symbols"], type=list[str])
            except msgspec.DecodeError as error:
                raise _Refused(-1100, "Illegal characters found in parameter 'symbols'.") from error
            wanted = [self._symbol(code) for code in named]
        now = self._venue.now() // 1000
        limits = [_rate_limit("REQUEST_WEIGHT", "MINUTE", 1, self.weights.limit)]
        symbols = [_symbol_info(each) for each in self._venue.listings() if each.code in wanted]
        return {"timezone": "UTC", "serverTime": now, "rateLimits": limits, "exchangeFilters": [], "symbols": symbols}

    def _trades(self, request: PlainRequest) -> object:
        code, limit = self._symbol(request.query.get("symbol")), _limit(request)
        found = self._venue.tape.newest(code, self._venue.released, pl.lit(True), limit)
        return trade_page(found, _told(request))

    def _historical_trades(self, request: PlainRequest) -> object:
        code, limit, first = self._symbol(request.query.get("symbol")), _limit(request), _whole(request, "fromId")
        tape, released = self._venue.tape, self._venue.released
        if first is None:
            return trade_page(tape.newest(code, released, pl.lit(True), limit), _told(request))
        first = self._venue.shifted(first, 1)
        return trade_page(tape.oldest(code, released, pl.col("id") >= first, limit), _told(request))

    def _aggregates(self, request: PlainRequest) -> object:
        code, limit, first = self._symbol(request.query.get("symbol")), _limit(request), _whole(request, "fromId")
        since, until = _micros(_whole(request, "startTime")), _micros(_whole(request, "endTime"))
        if first is not None and (since is not None or until is not None):
            raise _Refused(-1128, "Combination of optional parameters invalid.")
        if since is not None and until is not None and until < since:
            raise _Refused(-1127, "Start time is greater than end time.")
        where = pl.col("closes")
        if first is not None:
            where &= pl.col("aggregate") >= self._venue.shifted(first, 1)
        if since is not None:
            where &= pl.col("time") // 1000 * 1000 >= since
        if until is not None:
            where &= pl.col("time") // 1000 * 1000 <= until
        ask = self._venue.tape.newest if first is None and since is None else self._venue.tape.oldest
        return aggregate_page(aggregates(ask(code, self._venue.released, where, limit)), _told(request))

    def _symbol(self, given: str | None) -> str:
        if not given:
            raise _Refused(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if not self._venue.has(given):
            raise _Refused(-1121, "Invalid symbol.")
        return given


_LIMITED = {
    429: {
        "code": -1003,
        "msg": "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
    },
    418: {
        "code": -1003,
        "msg": "Way too much request weight used; IP banned. "
        "Please use WebSocket Streams for live updates to avoid bans.",
    },
}


def _told(request: PlainRequest) -> Told:
    return Told(microseconds=request.headers.get("x-mbx-time-unit", "").upper() == "MICROSECOND")


def _whole(request: PlainRequest, name: str) -> int | None:
    given = request.query.get(name)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 19):
        raise _Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(given)


def _limit(request: PlainRequest) -> int:
    given = _whole(request, "limit")
    if given == 0:
        raise _Refused(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(500 if given is None else given, 1000)


def _micros(time: int | None) -> int | None:
    return None if time is None else time if time >= _MICROSECONDS_FROM else time * 1000


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _symbol_info(listing: ListedInstrument) -> dict[str, object]:
    filters: list[dict[str, object]] = [
        {"filterType": "PRICE_FILTER", "minPrice": _eight(listing.tick), "maxPrice": "1000000.00000000",
         "tickSize": _eight(listing.tick)},
        {"filterType": "LOT_SIZE", "minQty": _eight(listing.lot), "maxQty": "9000000.00000000",
         "stepSize": _eight(listing.lot)},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "9000000.00000000",
         "stepSize": "0.00000000"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
         "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
    ]  # fmt: skip
    return {
        "symbol": listing.code,
        "status": "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _eight(step: str) -> str:
    whole, _, rest = step.partition(".")
    return f"{whole}.{rest.ljust(8, '0')}"
