"""The exchanges of a market or of recordings, open on loopback."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import polars as pl

from coattail.errors import UsageError
from coattail.market.exchange.advanced import AdvancedVenue
from coattail.market.exchange.binance import BinanceVenue
from coattail.market.exchange.clock import MarketClock
from coattail.market.exchange.coinbase import CoinbaseVenue
from coattail.market.exchange.faults import AnyFault
from coattail.market.exchange.limits import HostLimits
from coattail.market.exchange.simulated import simulated_tapes
from coattail.market.exchange.tape import TradeTape
from coattail.market.exchange.venue import Venue, VenueOptions
from coattail.market.simulation import Market
from coattail.records import micros, when

_Result = TypeVar("_Result")

VENUES: tuple[type[BinanceVenue | CoinbaseVenue | AdvancedVenue], ...] = (BinanceVenue, CoinbaseVenue, AdvancedVenue)
"""Every exchange that can be served."""

_TICK_SECONDS = 0.002
"""While the clock runs, trades are released this often at most: a pause of Python's event loop is not shorter."""
_IDLE_SECONDS = 0.05
"""After the last trade there are only the faults to wait for."""
_AHEAD_US = 60_000_000
"""While the clock runs, trades are drawn this long before they are due (market time)."""


class Exchanges:
    """Venues that share one clock. Everything here belongs to the event loop in which `open` ran."""

    def __init__(
        self,
        tapes: Mapping[str, TradeTape],
        *,
        opens: datetime | None = None,
        speed: float | None = None,
        deflate: bool = False,
        limits: HostLimits | None = None,
        tls: ssl.SSLContext | None = None,
        faults: Sequence[AnyFault] = (),
    ) -> None:
        for tape in tapes.values():
            tape.draw(position=1)
        if opens is None:
            begins = [tape.time_of(0) for tape in tapes.values() if tape.end]
            at = min(begins, default=0) - 1
        else:
            at = micros(opens) - 1
        for tape in tapes.values():
            tape.draw(time=at)
        self.clock = MarketClock(at, speed)
        self._tls = tls
        self.venues: dict[str, Venue] = {
            kind.name: kind(
                tapes[kind.tape_of],
                self.clock,
                VenueOptions(
                    opens_at=tapes[kind.tape_of].position_at(at),
                    deflate=deflate,
                    limits=limits or HostLimits(),
                    faults=faults,
                ),
            )
            for kind in VENUES
            if kind.tape_of in tapes
        }
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, ports: Mapping[str, int] | None = None) -> None:
        """Listen, each venue on its port (by name) or on a free one; the clock stands until `start`."""
        for name, venue in self.venues.items():
            await venue.open((ports or {}).get(name, 0), self._tls)
        self._tasks.append(asyncio.create_task(self._beat()))

    def start(self) -> None:
        """Let the clock go on by itself, if it has a speed."""
        self.clock.start()
        if self.clock.running and len(self._tasks) == 1:
            self._tasks.append(asyncio.create_task(self._play()))

    async def close(self) -> None:
        """Stop, and end every connection."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for venue in self.venues.values():
            await venue.close()
        for error in ended:
            if error is not None and not isinstance(error, asyncio.CancelledError):
                raise error

    def release(self, until: int) -> None:
        """Make everything public that has happened until then (µs since 1970 UTC)."""
        self.clock.move(until)
        for venue in self.venues.values():
            venue.tape.draw(time=until)
            venue.advance(venue.tape.position_at(until))

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now = self.clock.now()
            for venue in self.venues.values():
                if not venue.tape.complete and venue.tape.drawn_until < now + _AHEAD_US:
                    await loop.run_in_executor(None, partial(venue.tape.draw, time=now + _AHEAD_US))
                venue.advance(venue.tape.position_at(now))
            over = all(each.tape.complete and each.released == each.tape.end for each in self.venues.values())
            await asyncio.sleep(_IDLE_SECONDS if over else _TICK_SECONDS)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for venue in self.venues.values():
                venue.beat()


class ServedVenue:
    """An exchange that is open, for whoever is not in its event loop: a test, a notebook."""

    def __init__(self, venue: Venue, call: Callable[[Callable[[], object]], object]) -> None:
        self.venue, self._call = venue, call
        self.name = venue.name
        self.websocket_url = venue.websocket_url
        self.rest_url = venue.rest_url
        self.instruments = [listing.code for listing in venue.tape.listings]
        """What the exchange calls them."""

    @property
    def released(self) -> int:
        """How many trades are public, over all its instruments, history included."""
        return self.venue.released

    @property
    def connections(self) -> int:
        """How many clients have an open WebSocket."""
        return sum(connection.listening for connection in list(self.venue.connections))

    @property
    def struck(self) -> list[tuple[int, AnyFault]]:
        """The steps of the fault script that have struck: after how many trades since the opening, and which."""
        return [(position - self.venue.opened_at, fault) for position, fault in list(self.venue.script.struck)]

    @property
    def subscriptions(self) -> int:
        """How many streams, or products of channels, its clients are subscribed to, together."""
        listeners = [connection.listener for connection in list(self.venue.connections)]
        return sum(listener.subscriptions() for listener in listeners if listener is not None)

    def release(self, trades: int | None = None) -> None:
        """Make the next `trades` trades of this exchange public; None: all. They are on their way on return."""

        def go() -> None:
            venue = self.venue
            venue.tape.draw(position=None if trades is None else venue.released + trades)
            venue.advance(venue.tape.end if trades is None else venue.released + trades)
            if venue.released:
                venue.clock.move(venue.tape.time_of(venue.released - 1))

        self._call(go)

    def strike(self, fault: AnyFault) -> None:
        """Put a step into the fault script; one whose moment has passed strikes now."""

        def go() -> None:
            self.venue.script.add(fault)
            self.venue.script.strike(going_on=False)

        self._call(go)

    def trades(self) -> pl.DataFrame:
        """The truth: every trade that is public, in the order of release.

        Columns: position, code (the exchange's own name), trade_id, timestamp, side (the taker's), price and quantity
        (text, as the exchange writes them), live (whether it was released after the opening).
        """
        found = self._call(lambda: self.venue.tape.slice(0, self.venue.released))
        assert isinstance(found, pl.DataFrame)
        return found.select(
            "position",
            "code",
            pl.col("id").alias("trade_id"),
            pl.col("time").cast(pl.Datetime("us", "UTC")).alias("timestamp"),
            pl.when("buy").then(pl.lit("buy")).otherwise(pl.lit("sell")).alias("side"),
            "price",
            "quantity",
            (pl.col("position") >= self.venue.opened_at).alias("live"),
        )


class Served:
    """The exchanges that are open. Each is an attribute: `served.binance`, `served.coinbase`, `served.advanced`."""

    binance: ServedVenue
    coinbase: ServedVenue
    advanced: ServedVenue

    def __init__(self, exchanges: Exchanges, loop: asyncio.AbstractEventLoop) -> None:
        self.exchanges, self._loop = exchanges, loop
        self.venues = {name: ServedVenue(venue, self.call) for name, venue in exchanges.venues.items()}
        for name, venue in self.venues.items():
            setattr(self, name, venue)
        self.opened = when(exchanges.clock.opened + 1)
        """Market time at the opening."""

    def __getattr__(self, name: str) -> ServedVenue:
        raise AttributeError(f"no exchange {name!r} is served; there are {', '.join(self.__dict__.get('venues', ()))}")

    def call(self, function: Callable[[], _Result]) -> _Result:
        """What a function returns that runs in the exchanges' event loop."""

        async def run() -> _Result:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def start(self) -> None:
        """Let the clock go on by itself."""
        self.call(self.exchanges.start)

    def release(self, until: datetime) -> None:
        """Make everything public that has happened until then, on all exchanges. It is on its way on return."""
        self.call(lambda: self.exchanges.release(micros(until)))


@contextmanager
def serving(
    source: Market | Mapping[str, TradeTape],
    *,
    opens: datetime | None = None,
    until: datetime | None = None,
    speed: float | None = None,
    started: bool = True,
    deflate: bool = False,
    limits: HostLimits | None = None,
    tls: ssl.SSLContext | None = None,
    faults: Sequence[AnyFault] = (),
    ports: Mapping[str, int] | None = None,
) -> Iterator[Served]:
    """The exchanges of a market (or of tapes), open on 127.0.0.1 in a thread of their own until the block ends.

    opens: trades before it are history when the doors open; None: the start of a market, the first trade of tapes.
    until: where a market's tape ends; None: with its duration.
    speed: how many times as fast as real time the trades come; None: when `release` lets them.
    started: whether the clock goes at once; if not, `start()` lets it (after the clients have subscribed, say).
    deflate: accept permessage-deflate; declining is faster and as right.
    limits: what REST allows; None: what the real hosts do.
    tls: speak TLS with this certificate; None: plain.
    faults: what goes wrong, and when (`faults.py`).
    ports: by exchange; one that is missing gets a free port.

    Raises: UsageError: If the speed is not above 0. OSError: If a port is taken.
    """
    if speed is not None and not speed > 0:
        raise UsageError(f"speed is {speed}, not above 0", next_step="leave it out to release trades by hand")
    tapes = simulated_tapes(source, until) if isinstance(source, Market) else source
    opens = opens or (source.start if isinstance(source, Market) else None)
    exchanges = Exchanges(tapes, opens=opens, speed=speed, deflate=deflate, limits=limits, tls=tls, faults=faults)
    loop = asyncio.new_event_loop()
    failed: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: failed.append(context))
    thread = threading.Thread(target=loop.run_forever, name="exchanges", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(exchanges.open(ports), loop).result()
        try:
            served = Served(exchanges, loop)
            if started:
                served.start()
            yield served
        finally:
            asyncio.run_coroutine_threadsafe(exchanges.close(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    for context in failed:  # a mistake of an exchange's is not a lost connection of its client's
        raise context.get("exception") or RuntimeError(context["message"])
