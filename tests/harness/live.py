"""A producer that listens to exchanges on loopback, and what must have landed of what they sent."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from coattail.connectors import CONNECTORS, BaseConnector
from coattail.home import Home
from coattail.market.exchange import Served
from coattail.producer.live import Producer
from coattail.streams.local import LocalStream
from tests.harness.commands import trades
from tests.harness.running import drained

VALUES = ["exchange", "symbol", "trade_id", "timestamp", "side", "price", "quantity"]
"""What of a trade must be as the exchange said it."""


def connectors_of(
    served: Served, symbols: dict[str, Sequence[str]], channels: Mapping[str, str] | None = None
) -> list[BaseConnector]:
    """A connector for each exchange named, pointed at the one that is served.

    channels: Exchange -> which of its feeds; None means the first of each.
    """
    channels = channels or {}
    return [
        CONNECTORS[_EXCHANGE.get(name, name)](
            symbols=tuple(own),
            channel=channels.get(name, ""),
            websocket_host=served.venues[name].websocket_url,
            rest_host=served.venues[_EXCHANGE.get(name, name)].rest_url,
        )
        for name, own in symbols.items()
    ]


_EXCHANGE = {"advanced": "coinbase"}
"""Venue that is served -> the exchange that it is, where they differ."""


class Live:
    """A producer in a thread."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="producer")
        self.failure: BaseException | None = None
        self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self.producer.run())
        except BaseException as error:
            self.failure = error
        finally:
            self._loop.close()

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait for a condition; fails when it does not come true, or the producer fails."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.failure is not None:
                raise self.failure
            assert time.monotonic() < deadline, self.producer.state()
            time.sleep(0.01)

    @property
    def listening(self) -> bool:
        """Whether all connections are open."""
        return all(line.state == "listening" for feed in self.producer.feeds for line in feed.listener.health)

    def is_back(self, served: Served, times: int) -> bool:
        """Whether every connection was made anew that many times and is subscribed again, as the exchanges see it."""
        lines = [line for feed in self.producer.feeds for line in feed.listener.health]
        streams = sum(len(feed.connector.symbols) for feed in self.producer.feeds)
        subscribed = sum(venue.subscriptions for venue in served.venues.values())
        return self.listening and min(line.reconnects for line in lines) >= times and subscribed >= streams

    def heard(self, exchange: str) -> int:
        """How many of an exchange's trades are in the stream or about to be, repeats included."""
        return sum(feed.received["trades"] for feed in self.producer.feeds if feed.exchange == exchange)

    def newest(self, exchange: str) -> dict[str, int | None]:
        """Symbol -> highest id heard."""
        feed = next(feed for feed in self.producer.feeds if feed.exchange == exchange)
        return {symbol: continuity.newest for symbol, continuity in feed.continuity.items()}

    @property
    def missing(self) -> bool:
        """Whether ids are missing."""
        return any(any(c.missing()) for feed in self.producer.feeds for c in feed.continuity.values())

    def up_to_date(self, served: Served, symbols: dict[str, Sequence[str]]) -> bool:
        """Whether everything public since the exchanges opened has been heard or fetched."""
        newest = public(served, symbols).filter("live").group_by("exchange", "symbol").agg(pl.col("trade_id").max())
        reached = [(self.newest(exchange)[symbol] or 0) >= last for exchange, symbol, last in newest.rows()]
        return all(reached) and not self.missing

    def stop(self) -> None:
        """End in order."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.producer.stop)
        self._thread.join()
        if self.failure is not None:
            raise self.failure


@contextmanager
def listening(
    home: Home,
    served: Served,
    symbols: dict[str, Sequence[str]],
    channels: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[Live]:
    """A producer that has opened all its connections."""
    options = {"least_free": 0, "journal": home.path / "live.json", **options}
    live = Live(Producer(LocalStream(home.stream), connectors_of(served, symbols, channels), **options))
    try:
        live.until(lambda: live.listening)
        yield live
    finally:
        live.stop()


def public(served: Served, symbols: dict[str, Sequence[str]]) -> pl.DataFrame:
    """What the exchanges have made public of these symbols: `VALUES` and `live`, whether after they opened."""
    parts = []
    for name, own in symbols.items():
        exchange = _EXCHANGE.get(name, name)
        native = {CONNECTORS[exchange].native(symbol): symbol for symbol in own}
        rows = served.venues[name].trades().filter(pl.col("code").is_in(list(native)))
        parts.append(
            rows.with_columns(
                pl.lit(exchange).alias("exchange"),
                pl.col("code").replace(native).alias("symbol"),
                pl.col("price", "quantity").cast(pl.Float64),
            ).select(*VALUES, "live")
        )
    return pl.concat(parts)


def landed(home: Home) -> pl.DataFrame:
    """What has landed, after landing what waits: `VALUES`."""
    drained(home)
    return trades(home.path).select(VALUES)


def assert_exact(home: Home, served: Served, symbols: dict[str, Sequence[str]], *, to_the_end: bool = True) -> None:
    """Everything since the exchanges opened has landed once, and nothing that they did not say.

    to_the_end: False leaves out what they said after the newest trade of each instrument that landed, because
    the producer had been stopped. What a feed repeats of the time before (Coinbase's `last_match`) may have landed too.
    """
    truth, here = public(served, symbols), landed(home)
    first = pl.col("trade_id").min().over("exchange", "symbol")
    begins = here.group_by("exchange", "symbol").agg(
        pl.col("trade_id").min().alias("begins"), pl.col("trade_id").max().alias("ends")
    )
    opened = truth.filter("live").filter(pl.col("trade_id") == first).select("exchange", "symbol", "trade_id")
    late = opened.join(begins, on=["exchange", "symbol"], how="left").filter(
        pl.col("begins").is_null() | (pl.col("begins") > pl.col("trade_id"))
    )
    assert late.is_empty(), late
    wanted = truth.join(begins, on=["exchange", "symbol"]).filter(pl.col("trade_id") >= pl.col("begins"))
    if not to_the_end:
        wanted = wanted.filter(pl.col("trade_id") <= pl.col("ends"))
    assert_frame_equal(here.sort(VALUES), wanted.select(VALUES).sort(VALUES))
