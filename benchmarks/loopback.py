"""An exchange on loopback in a process of its own, for what measures its clients: `python -m benchmarks.loopback`."""

from __future__ import annotations

import itertools
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from coattail.market import Asset, Market, SimulatedInstrument
from coattail.market.exchange import Served, ServedVenue, advanced, serving
from coattail.market.exchange.faults import Reset
from coattail.market.exchange.http import PlainAnswer, PlainRequest
from coattail.market.instruments import DEFAULT_INSTRUMENTS, USDT
from coattail.market.planted import PlantedWhale


def one_symbol() -> Market:
    """BTC on both exchanges, so that a trade released is a trade that a client of one symbol hears."""
    asset = Asset(name="BTC", price=62_000.0, volatility_bps=0.8)
    return _market([("binance", asset, "USDT"), ("coinbase", asset, "USD")], per_minute=12_000)


def whales() -> Market:
    """The default instruments, 2,000 trades a second from now on, and an order of 150,000 dollars every 0.93 s."""
    start = datetime.now(UTC).replace(microsecond=0)
    traded = [(i.exchange, i.symbol) for i in DEFAULT_INSTRUMENTS if i.asset is not USDT]
    planted = [
        PlantedWhale(
            exchange=exchange, symbol=symbol, start=start + timedelta(seconds=20 + 0.93 * number), notional=150_000
        )
        for number, (exchange, symbol) in zip(range(600), itertools.cycle(traded), strict=False)
    ]
    return Market(seed=1, start=start, rate=100.0, planted=tuple(planted), duration=timedelta(minutes=15))


def many_symbols(symbols: int = 300) -> Market:
    """So many symbols on Binance; the n-th is traded 1/n as often as the first."""
    assets = [Asset(name=f"C{n:03d}", price=62_000 / (n + 1), volatility_bps=1.0) for n in range(symbols)]
    shares = [1 / (n + 1) for n in range(symbols)]
    rates = [120_000 * share / sum(shares) for share in shares]
    return _market([("binance", asset, "USDT") for asset in assets], rates)


def _market(traded: list[tuple[str, Asset, str]], per_minute: float | list[float]) -> Market:
    rates = per_minute if isinstance(per_minute, list) else [per_minute] * len(traded)
    instruments = tuple(
        SimulatedInstrument(
            exchange=exchange, asset=asset, quote=quote, trades_per_minute=rate, order_size=500, lot=1e-5
        )
        for (exchange, asset, quote), rate in zip(traded, rates, strict=True)
    )
    return Market(
        seed=1,
        instruments=instruments,
        exchanges=tuple(dict.fromkeys(exchange for exchange, *_ in traded)),
        planted=(),
        duration=timedelta(hours=6),
    )


MARKETS = {"one": one_symbol, "many": many_symbols, "whales": whales}


class Loopback:
    """The process, as the one that measures sees it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.venues: dict[str, dict[str, str]] = self.ask("venues")

    def ask(self, what: str, **how: Any) -> Any:
        """What it answers; `release` answers when the last trade is on its way."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"ask": what, **how}).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def release(self, venue: str, trades: int, rate: float | None = None) -> float:
        """Let trades out, flat out or at a rate (trades a second); returns the seconds it took."""
        return float(self.ask("release", venue=venue, trades=trades, rate=rate))

    def subscribed(self, venue: str, streams: int = 1, within: float = 30.0) -> None:
        """Wait until clients have subscribed to that many streams."""
        deadline = time.monotonic() + within
        while self.ask("subscriptions", venue=venue) < streams:
            assert time.monotonic() < deadline, f"no client subscribed to {venue}"
            time.sleep(0.05)


@contextmanager
def exchange(market: str, folder: Path, *, by_clock: bool = False) -> Iterator[tuple[Loopback, Path]]:
    """The exchanges of a market of `MARKETS` with TLS, and the file of who certifies them.

    `by_clock`: trades come in real time once `start` is asked for, instead of when they are released.
    """
    authority = trustme.CA()
    trust, own = folder / "authority.pem", folder / "exchange.pem"
    authority.cert_pem.write_to_path(str(trust))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(own))
    command = [sys.executable, "-m", "benchmarks.loopback", market, str(own), "1" if by_clock else ""]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
    try:
        yield Loopback(process), trust
    finally:
        process.kill()
        process.communicate()


def _released(served: Served, venue: str, trades: int, rate: float | None) -> float:
    began = time.monotonic()
    chosen = served.venues[venue]
    if rate is None:
        chosen.release(trades)
        return time.monotonic() - began
    out = 0
    while out < trades:
        due = min(int((time.monotonic() - began) * rate) + 1, trades)
        if due > out:
            chosen.release(due - out)
            out = due
        time.sleep(max(0.0, began + out / rate - time.monotonic()))
    return time.monotonic() - began


def _counted(venue: ServedVenue) -> Iterator[int]:
    """How many plain requests an exchange has answered since now, whenever that is asked."""
    asked: list[str] = []
    answer = venue.venue.answered

    def answered(request: PlainRequest) -> PlainAnswer:
        asked.append(request.path)
        return answer(request)

    venue.venue.answered = answered  # type: ignore[method-assign]
    while True:
        yield len(asked)


def main() -> None:
    """Serve until standard input ends."""
    market, certificate, by_clock = sys.argv[1:4]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serving(MARKETS[market](), tls=tls, speed=1.0 if by_clock else None, started=False) as served:
        asked_of = {name: _counted(each) for name, each in served.venues.items()}
        for counting in asked_of.values():
            next(counting)
        for line in sys.stdin:
            asked = json.loads(line)
            what, venue = asked.pop("ask"), asked.get("venue", "")
            answer: Any = None
            if what == "venues":
                answer = {n: {"feed": v.websocket_url, "rest": v.rest_url} for n, v in served.venues.items()}
            elif what == "subscriptions":
                answer = served.venues[venue].subscriptions
            elif what == "start":
                served.start()
                market_time = served.call(served.exchanges.clock.now)
                answer = time.time() - market_time / 1e6
            elif what == "together":
                advanced._TOGETHER = asked["trades"]
            elif what == "asked":
                answer = next(asked_of[venue])
            elif what == "reset":
                served.venues[venue].strike(Reset(at_trade=0, exchange=venue))
            elif what == "release":
                answer = _released(served, **asked)
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
