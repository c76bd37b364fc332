"""Binance's REST service on loopback: what its public routes say of the trades released so far.

Source: github.com/binance/binance-spot-api-docs: rest-api.md, errors.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from coattail.errors import CoattailError
from coattail.market.exchange.binance_messages import Told, aggregate_page, aggregates, trade_page
from coattail.market.exchange.http import PlainAnswer, PlainRequest, said
from coattail.market.exchange.limits import HostLimits, WeightByMinute
from coattail.market.exchange.summaries import candles, summary
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
            "/api/v3/ticker/price": (4, self._prices),
            "/api/v3/ticker/24hr": (80, self._days),
            "/api/v3/klines": (2, self._klines),
            "/api/v3/avgPrice": (2, self._average),
            "/api/v3/depth": (5, self._depth),
            "/sapi/v1/system/status": (1, self._status),
            "/fapi/v1/exchangeInfo": (1, self._no_futures),
            "/dapi/v1/exchangeInfo": (1, self._no_futures),
        }

    def answer(self, request: PlainRequest) -> PlainAnswer:
        """The answer, with the weight used so far in its headers."""
        weight, route = self._routes.get(request.path, (1, None))
        status, wait = self.weights.take(weight)
        used = str(self.weights.used)
        headers = {"x-mbx-used-weight": used, "x-mbx-used-weight-1m": used}
        if status != 200:
            return said(_limited(status, self.weights.limit), status, {**headers, "retry-after": str(wait)})
        if request.path.startswith(("/sapi/", "/papi/")) and route is None:
            return said({"code": -2014, "msg": "API-key format invalid."}, 401, headers)
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
        first, code = self._venue.shifted(first, 1), self._venue.paged(code)
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

    def _prices(self, request: PlainRequest) -> object:
        def price(code: str) -> dict[str, object] | None:
            last = self._venue.tape.last(self._venue.tape.numbers[code], self._venue.released)
            return None if last is None else {"symbol": code, "price": last["price"]}

        return self._of_each(request, price)

    def _days(self, request: PlainRequest) -> object:
        def day(code: str) -> dict[str, object] | None:
            found = summary(self._venue, code)
            return None if not found["count"] else _day(code, found)

        return self._of_each(request, day)

    def _of_each(self, request: PlainRequest, say: Callable[[str], dict[str, object] | None]) -> object:
        """What is said of the symbol named, or of all in a list; those that never traded are left out."""
        if "symbol" in request.query:
            return say(self._symbol(request.query["symbol"])) or {}
        codes = [listing.code for listing in self._venue.listings()]
        return [found for code in codes if (found := say(code)) is not None]

    def _klines(self, request: PlainRequest) -> object:
        code, limit = self._symbol(request.query.get("symbol")), _limit(request)
        seconds = _INTERVALS.get(request.query.get("interval", ""))
        if seconds is None:
            raise _Refused(-1120, "Invalid interval.")
        since, until = _micros(_whole(request, "startTime")), _micros(_whole(request, "endTime"))
        found = candles(self._venue, code, seconds, since, until)
        unit = _told(request).unit
        return [_kline(row, seconds, unit) for row in (found[-limit:] if since is None else found[:limit])]

    def _average(self, request: PlainRequest) -> object:
        code = self._symbol(request.query.get("symbol"))
        found = candles(self._venue, code, 300, None, None)
        if not found:
            return {"mins": 5, "price": "0.00000000", "closeTime": 0}
        price = float(found[-1]["quote_volume"]) / float(found[-1]["volume"])
        return {"mins": 5, "price": f"{price:.8f}", "closeTime": found[-1]["last_time"] // 1000}

    def _depth(self, request: PlainRequest) -> object:
        """An empty book: none is simulated."""
        self._symbol(request.query.get("symbol"))
        return {"lastUpdateId": self._venue.released, "bids": [], "asks": []}

    def _status(self, request: PlainRequest) -> object:
        return {"status": 0, "msg": "normal"}

    def _no_futures(self, request: PlainRequest) -> object:
        """Clients of all markets ask for the futures too: there are none here."""
        empty: dict[str, object] = {"timezone": "UTC", "serverTime": self._venue.now() // 1000}
        return {**empty, "rateLimits": [], "exchangeFilters": [], "assets": [], "symbols": []}

    def _symbol(self, given: str | None) -> str:
        if given and not re.fullmatch("[A-Z0-9-_.]{1,20}", given):
            raise _Refused(
                -1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'."
            )
        if not given:
            raise _Refused(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        if not self._venue.has(given):
            raise _Refused(-1121, "Invalid symbol.")
        return given


_INTERVALS = {
    "1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14400, "6h": 21600,
    "8h": 28800, "12h": 43200, "1d": 86400,
}  # fmt: skip
"""Seconds of a candle, by its name."""


def _limited(status: int, limit: int) -> dict[str, object]:
    said_first = f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
    if status == 418:
        said_first = "Way too much request weight used; IP banned."
    return {
        "code": -1003,
        "msg": f"{said_first} Please use WebSocket Streams for live updates to avoid polling the API.",
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


def _day(code: str, found: dict[str, Any]) -> dict[str, object]:
    return {
        "symbol": code,
        "priceChange": found["change"],
        "priceChangePercent": found["change_percent"],
        "weightedAvgPrice": found["weighted"],
        "prevClosePrice": found["open"],
        "lastPrice": found["last"],
        "lastQty": "0.00000000",
        "bidPrice": "0.00000000",
        "bidQty": "0.00000000",
        "askPrice": "0.00000000",
        "askQty": "0.00000000",
        "openPrice": found["open"],
        "highPrice": found["high"],
        "lowPrice": found["low"],
        "volume": found["volume"],
        "quoteVolume": found["quote_volume"],
        "openTime": found["last_time"] // 1000 - 86_400_000,
        "closeTime": found["last_time"] // 1000,
        "firstId": found["first_id"],
        "lastId": found["last_id"],
        "count": found["count"],
    }


def _kline(row: dict[str, Any], seconds: int, unit: int) -> list[object]:
    close = (row["begin"] + seconds * 1_000_000) // unit - 1
    return [
        row["begin"] // unit, row["open"], row["high"], row["low"], row["close"], row["volume"], close,
        row["quote_volume"], row["count"], row["bought"], row["bought_quote"], "0",
    ]  # fmt: skip


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
