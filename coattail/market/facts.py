"""What landing would make of a market's frames, straight from its tapes: no message is written, none is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from coattail.exact import half_even
from coattail.landing.bars import BAR, bars_of, merge_bars, without_joints
from coattail.landing.coverage import Coverage
from coattail.landing.dedup import runs
from coattail.landing.ledger import Run
from coattail.landing.orders import join_orders, orders_of, with_neighbours
from coattail.market.faults import arrivals
from coattail.market.planted import Planted, concerns
from coattail.market.prices import Flags, Ints
from coattail.market.simulation import Market
from coattail.market.tape import CHUNK_US, Tape
from coattail.records import micros
from coattail.tables import BARS, ORDERS

_AT_ONCE = timedelta(hours=2)
"""This much simulated time goes through the kernels together."""
_FUTURE_US = 60_000_000
"""The checks refuse a trade that happened this long after it was received."""


class MarketFacts(NamedTuple):
    """What detectors may know of a market; the frames are those of `coattail.detectors.Facts`."""

    bars: pl.DataFrame
    """One row per bar (schema of `bars`), by exchange, symbol, bar_start; histograms are null unless asked for."""
    orders: pl.DataFrame
    """Joined large orders (schema of `large_trades`), by exchange, symbol, trade_id."""
    spans: pl.DataFrame
    """Stretches without a missing id: exchange, symbol, first_id, last_id, first_ts, last_ts."""
    coverage: Coverage
    """The ledger that `spans` come from."""
    trades: int
    """How many trades landed."""


def market_facts(
    market: Market, since: datetime | None = None, until: datetime | None = None, *, histograms: bool = False
) -> MarketFacts:
    """The facts after landing `market.frames(since, until)`: equal to them, and many times faster.

    A trade belongs to the facts if its frame arrives at since <= t < until. The session of connection 0 is
    called after its exchange, that of connection 1 `binance-1`.
    """
    coverage = Coverage()
    bars, orders, landed = [BARS.empty()], [ORDERS.empty()], 0
    for part in _drawn_ahead(market, since, until, histograms):
        bars.append(without_joints(part.bars, coverage.joints(part.runs)))
        orders.append(part.orders)
        coverage, _ = coverage.with_changes(part.runs, part.rejected)
        landed += part.landed
    together = pl.concat(bars)
    aligned = micros(market.start) % (BAR // timedelta(microseconds=1)) == 0
    return MarketFacts(
        bars=together.sort("exchange", "symbol", "bar_start")
        if aligned
        else merge_bars(together, histograms=histograms),
        orders=join_orders(pl.concat(orders)),
        spans=coverage.spans(),
        coverage=coverage,
        trades=landed,
    )


def market_trades(
    market: Market, since: datetime | None = None, until: datetime | None = None
) -> Iterator[pl.DataFrame]:
    """The trades whose frames arrive at since <= t < until, two hours of event time at a time.

    Columns: exchange, symbol, session, trade_id, last_trade_id, timestamp, side, price, quantity, quantity_units,
    notional_units (10^-8), rejected (whether the checks refuse it). Each frame is sorted by exchange, symbol, trade_id.
    """
    for order, parts in _groups(market, since, until):
        yield _trades(market, order, parts)


class _Reduced(NamedTuple):
    """What the kernels make of some chunks."""

    bars: pl.DataFrame
    orders: pl.DataFrame
    runs: list[Run]
    rejected: list[tuple[str, str, int, int]]
    landed: int


def _drawn_ahead(
    market: Market, since: datetime | None, until: datetime | None, histograms: bool
) -> Iterator[_Reduced]:
    """What the kernels make of each group; they leave Python's lock to the drawing of the next two."""
    with ThreadPoolExecutor(max_workers=1) as kernels:
        waiting: deque[Future[_Reduced]] = deque()
        for order, parts in _groups(market, since, until):
            waiting.append(kernels.submit(_reduced, market, order, parts, histograms))
            if len(waiting) > 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _reduced(market: Market, order: Sequence[int], parts: Sequence[list[_Part]], histograms: bool) -> _Reduced:
    trades = _trades(market, order, parts)
    good = with_neighbours(trades.filter(~pl.col("rejected")))
    bad = trades.filter("rejected").select("exchange", "symbol", "trade_id", "last_trade_id")
    return _Reduced(
        bars_of(good, histograms=histograms), orders_of(good), runs(good), list(bad.iter_rows()), good.height
    )


def _groups(
    market: Market, since: datetime | None, until: datetime | None
) -> Iterator[tuple[list[int], list[list[_Part]]]]:
    """(order of the instruments, chunks with a part for each of them), two hours at a time."""
    window = (micros(since or market.start) * 1000, micros(until or market.end) * 1000)
    together = _AT_ONCE // timedelta(microseconds=CHUNK_US)
    order = sorted(range(len(market.traded)), key=lambda i: (market.traded[i].exchange, market.traded[i].symbol))
    waiting: list[list[_Part]] = []
    for index, tapes, events in market.tapes(since, until):
        waiting.append([_landing(market, index, place, tapes[place], events, window) for place in order])
        if len(waiting) == together:
            yield order, waiting
            waiting = []
    if waiting:
        yield order, waiting


class _Part(NamedTuple):
    """What of a tape lands, or is refused."""

    tape: Tape
    connection: Ints
    rejected: Flags


def _landing(
    market: Market, index: int, place: int, tape: Tape, events: Sequence[Planted], window: tuple[int, int]
) -> _Part:
    instrument = market.traded[place]
    here = [event for event in events if concerns(event, instrument)]
    row, arrived, received, connection = arrivals(market.seed, index, tape, here, instrument.key)
    inside = (arrived >= window[0]) & (arrived < window[1])
    if not here and inside.all():
        return _Part(tape, connection, np.zeros(len(row), np.bool_))
    future = tape.time[row] > received // 1000 + _FUTURE_US
    landed = np.unique(row[inside & ~future])
    refused = np.unique(row[inside & future])
    kept = np.concatenate([landed, refused])
    by_row = np.zeros(len(tape.time), np.int64)
    by_row[row] = connection
    place_of = np.argsort(kept, kind="stable")
    rejected = (np.arange(len(kept)) >= len(landed))[place_of]
    return _Part(tape.where(kept[place_of]), by_row[kept[place_of]], rejected)


def _trades(market: Market, order: Sequence[int], chunks: Sequence[list[_Part]]) -> pl.DataFrame:
    """What of the tapes of some chunks arrives, as one frame."""
    parts = [(order[number], chunk[number]) for number in range(len(order)) for chunk in chunks]

    def column(name: str) -> Ints:
        return np.concatenate([getattr(part.tape, name) for _, part in parts])

    place = np.repeat(np.array([place for place, _ in parts], np.uint32), [len(part.connection) for _, part in parts])
    price, quantity = column("price_e8"), column("quantity_e8")
    trade_id = column("trade_id")
    trades = pl.DataFrame(
        {
            "exchange": pl.Series([i.exchange for i in market.traded], dtype=pl.String).gather(place),
            "symbol": pl.Series([i.symbol for i in market.traded], dtype=pl.String).gather(place),
            "connection": np.concatenate([part.connection for _, part in parts]),
            "trade_id": trade_id,
            "last_trade_id": trade_id,
            "timestamp": pl.Series(column("time")).cast(pl.Datetime("us", "UTC")),
            "buy": column("buy"),
            "price": price / 1e8,
            "quantity": quantity / 1e8,
            "price_e8": price,
            "quantity_e8": quantity,
            "rejected": np.concatenate([part.rejected for _, part in parts]),
        }
    )
    return trades.select(
        "exchange",
        "symbol",
        session_of(pl.col("exchange"), pl.col("connection")).alias("session"),
        "trade_id",
        "last_trade_id",
        "timestamp",
        pl.when("buy").then(pl.lit("buy")).otherwise(pl.lit("sell")).alias("side"),
        "price",
        "quantity",
        pl.col("quantity_e8").cast(pl.Int128).alias("quantity_units"),
        half_even(pl.col("price_e8").cast(pl.Int128) * pl.col("quantity_e8"), 10**8).alias("notional_units"),
        "rejected",
    )


def session_of(exchange: pl.Expr, connection: pl.Expr) -> pl.Expr:
    """What a connection is called: `binance`, `binance-1`."""
    further = pl.concat_str(exchange, pl.lit("-"), connection)
    name: pl.Expr = pl.when(connection == 0).then(exchange).otherwise(further)
    return name
