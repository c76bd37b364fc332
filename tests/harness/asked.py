"""Exchanges that answer for their past, without a socket: what `httpx.MockTransport` gets to carry."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import httpx

_hosts = itertools.count()


def host() -> str:
    """A host that no other test has asked: budgets are shared by the process."""
    return f"https://exchange-{next(_hosts)}.test"


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_735_700_000.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


BEGIN_MS = 1_735_689_600_000


class Past(NamedTuple):
    """One trade that has been."""

    id: int
    ms: int
    price: str = "100.5"
    size: str = "0.25"
    maker_bought: bool = False


def past(first: int, last: int, *, every_ms: int = 1000, begin_ms: int = BEGIN_MS) -> list[Past]:
    """Contiguous trades, the sides taking turns."""
    ids = range(first, last + 1)
    return [Past(n, begin_ms + (n - first) * every_ms, price=f"{100 + n % 7}.5", maker_bought=n % 2 == 0) for n in ids]


@dataclass
class Answering:
    """Answers like one exchange; `before` may answer in its place, and counts what was asked."""

    trades: Sequence[Past]
    native: str
    page_size: int = 1000
    before: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
    asked: list[str] = field(default_factory=list)
    """Paths with their queries."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.raw_path.decode())
        return self.before(request) or self.answer(request)

    def answer(self, request: httpx.Request) -> httpx.Response:
        raise NotImplementedError

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self)


@dataclass
class BinanceAnswering(Answering):
    """`historicalTrades` and `aggTrades`: neighbours of one time, price and side are one aggregate."""

    native: str = "BTCUSDT"
    raw: bool = True
    """Whether single trades can be asked for by id."""

    def aggregates(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for t in self.trades:
            last = found[-1] if found else None
            if last and (last["T"], last["p"], last["m"], last["l"]) == (t.ms, t.price, t.maker_bought, t.id - 1):
                last["l"] = t.id
                last["q"] = f"{float(str(last['q'])) + float(t.size):.8f}"
            else:
                found.append({"a": len(found), "p": t.price, "q": t.size, "f": t.id, "l": t.id, "T": t.ms,
                              "m": t.maker_bought, "M": True})  # fmt: skip
        return found

    def answer(self, request: httpx.Request) -> httpx.Response:
        q = request.url.params
        if request.url.path == "/api/v3/exchangeInfo":
            listed = [{"symbol": self.native, "status": "TRADING"}, {"symbol": "LUNAUSDT", "status": "BREAK"}]
            return httpx.Response(200, json={"symbols": listed})
        if q.get("symbol") != self.native:
            return httpx.Response(400, json={"code": -1121, "msg": "Invalid symbol."})
        limit = min(int(q.get("limit", 500)), self.page_size)
        if request.url.path == "/api/v3/trades" or (request.url.path == "/api/v3/historicalTrades" and self.raw):
            rows = [{"id": t.id, "price": t.price, "qty": t.size, "quoteQty": "1", "time": t.ms,
                     "isBuyerMaker": t.maker_bought, "isBestMatch": True} for t in self.trades]  # fmt: skip
            return self.page(rows, "id", q.get("fromId"), limit)
        if request.url.path == "/api/v3/aggTrades":
            rows = self.aggregates()
            if "startTime" in q:
                rows = [row for row in rows if int(str(row["T"])) >= int(q["startTime"])]
                return httpx.Response(200, json=rows[:limit])
            return self.page(rows, "a", q.get("fromId"), limit)
        return httpx.Response(404, text="<html>404 Not found</html>")

    @staticmethod
    def page(rows: list[dict[str, object]], key: str, since: str | None, limit: int) -> httpx.Response:
        if since is None:
            return httpx.Response(200, json=rows[-limit:])
        return httpx.Response(200, json=[row for row in rows if int(str(row[key])) >= int(since)][:limit])


@dataclass
class CoinbaseAnswering(Answering):
    """`/products/{id}/trades`, newest first."""

    native: str = "BTC-USD"

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/products":
            return httpx.Response(200, json=[{"id": self.native, "status": "online", "trading_disabled": False}])
        if request.url.path != f"/products/{self.native}/trades":
            return httpx.Response(404, json={"message": "NotFound"})
        q = request.url.params
        limit = min(int(q.get("limit", 1000)), self.page_size)
        below = int(q["after"]) if "after" in q else None
        rows = [
            {"trade_id": t.id, "side": "buy" if t.maker_bought else "sell", "size": t.size, "price": t.price,
             "time": datetime.fromtimestamp(t.ms / 1000, UTC).isoformat(timespec="microseconds")[:-6] + "Z"}
            for t in reversed(self.trades) if below is None or t.id < below
        ]  # fmt: skip
        return httpx.Response(200, content=json.dumps(rows[:limit], separators=(",", ":")).encode())


@dataclass
class OkxAnswering(Answering):
    """`history-trades` by id, newest first, and the instruments of spot."""

    native: str = "BTC-USDT"
    page_size: int = 100

    def answer(self, request: httpx.Request) -> httpx.Response:
        q = request.url.params
        if request.url.path == "/api/v5/public/instruments":
            return self.data([{"instId": self.native, "instType": "SPOT", "state": "live"}])
        if request.url.path != "/api/v5/market/history-trades":
            return httpx.Response(404, json={"code": "404", "msg": "Not Found", "data": []})
        if q.get("instId") != self.native:
            return httpx.Response(200, json={"code": "51001", "msg": "Instrument ID does not exist", "data": []})
        limit = min(int(q.get("limit", 100)), self.page_size)
        below = int(q["after"]) if "after" in q else None
        rows: list[object] = [
            {"instId": self.native, "side": "sell" if t.maker_bought else "buy", "sz": t.size, "source": "0",
             "px": t.price, "tradeId": str(t.id), "ts": str(t.ms)}
            for t in reversed(self.trades) if below is None or t.id < below
        ]  # fmt: skip
        return self.data(rows[:limit])

    @staticmethod
    def data(rows: Sequence[object]) -> httpx.Response:
        answer = {"code": "0", "msg": "", "data": rows}
        return httpx.Response(200, content=json.dumps(answer, separators=(",", ":")).encode())
