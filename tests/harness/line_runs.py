"""One fault script on one exchange: a live producer, a naive client and a stranger's client listen side by side."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from coattail.home import Home
from coattail.intervals import Intervals
from coattail.market import Market
from coattail.market.exchange import Served, ServedVenue, serving
from coattail.market.exchange.faults import (
    AnswerWith,
    AnyFault,
    Delist,
    LastingFault,
    Refuse,
    RefuseSubscriptions,
    SlowHandshake,
)
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import COVERAGE, RAW_TRADES
from tests.harness.line_scripts import QUIET_END, QUIET_FROM, NaiveClient
from tests.harness.live import VALUES, Live, listening, public
from tests.harness.running import AT_ONCE, drained, new_home
from tests.harness.strangers import STRANGERS, covered, hearing

SYMBOLS = {
    "binance": {"BTC-USDT": "BTCUSDT", "ETH-USDT": "ETHUSDT", "SOL-USDT": "SOLUSDT"},
    "coinbase": {"BTC-USD": "BTC-USD", "ETH-USD": "ETH-USD", "SOL-USD": "SOL-USD"},
}
"""Exchange -> canonical symbol -> what the exchange calls it."""
STRANGER = {"binance": "cryptofeed, Binance", "coinbase": "cryptofeed, Advanced Trade"}
RATE = 400
"""Trades a second."""
_TICK = 0.025
_GOES_ON = 3.0
"""Seconds for which the market goes on after everything is as before."""
_PATIENCE = 30.0
_OPEN_AGGREGATE = 30
"""Ids at the end that a client of aggregates need not have been told of."""


class Lost(NamedTuple):
    """What another client made of the same trades."""

    missing: int
    doubled: int

    def __str__(self) -> str:
        parts = [f"{self.missing} lost"] * (self.missing > 0) + [f"{self.doubled} doubled"] * (self.doubled > 0)
        return ", ".join(parts) or "0"


@dataclass(kw_only=True)
class LineRun:
    """What became of one script."""

    exchange: str
    script: str
    trades: int
    """Trades of the instruments while it listened."""
    again: float
    """Seconds from when a new connection could be heard until every instrument was."""
    not_heard: int
    """Trades that did not come by the feed."""
    listed: int
    """Of these, those that the ledger names as a gap, or as fetched after one."""
    missing: int
    doubled: int
    other: int
    """Trades that landed with other values, or that never were."""
    naive: Lost | None = None
    stranger: Lost | None = None
    """None where it was not run."""


@dataclass
class _Watch:
    """What was seen while the market went on."""

    released: list[tuple[float, int]] = field(default_factory=list)
    """When (monotonic), and up to which position."""
    heard: list[tuple[float, dict[str, int | None]]] = field(default_factory=list)
    """When, and symbol -> newest id heard live."""
    struck: float = 0.0
    back: float = 0.0
    """When a new connection could be heard."""


def run_script(
    exchange: str,
    name: str,
    script: Sequence[AnyFault],
    folder: Path,
    *,
    tls: ssl.SSLContext,
    trust: Path,
    with_stranger: bool = True,
) -> LineRun:
    """Play it, land what was heard, and compare all that were there with the truth.

    `tls`, `trust`: as `strangers.certified` gives them.
    """
    gone = {step.symbol for step in script if isinstance(step, Delist)}
    names = SYMBOLS[exchange]
    lasting = [symbol for symbol, code in names.items() if code not in gone]
    home = new_home(folder)
    ours = ssl.create_default_context(cafile=str(trust))
    with ExitStack() as stack:
        served = stack.enter_context(serving(Market(seed=7), faults=script, tls=tls))
        venue = served.venues[exchange]
        wanted = STRANGERS[STRANGER[exchange]]
        theirs = (
            stack.enter_context(hearing(wanted, served.venues[wanted.venue], folder, trust)) if with_stranger else None
        )
        naive = stack.enter_context(naive_client(exchange, venue, ours))
        live = stack.enter_context(listening(home, served, {exchange: list(names)}, trust=ours))
        _subscribed(venue, 3 * len(names) if exchange == "coinbase" else 2 * len(names))
        if theirs is not None:
            _subscribed(served.venues[wanted.venue], 1 if exchange == "coinbase" else 2 * len(names) + 1)
        begun = venue.released
        watch = _play(served, exchange, script, live, lasting, quiet=name == QUIET_END)
        live.until(lambda: live.up_to_date(served, {exchange: lasting}), seconds=2 * _PATIENCE)
        time.sleep(0.5)  # others may still be about to hear the last trades
        strange = None if theirs is None else [theirs.get() for _ in range(theirs.qsize())]
        live.stop()
        truth = truth_of(served, exchange, script)
        mine = truth.filter(pl.col("position") >= begun)
        stranger = None if strange is None else _strange(mine.filter(pl.col("code") == wanted.code), strange)
        naively = lost(mine["trade_id"].to_list(), naive.ids)
        again = 0.0 if name == QUIET_END else _again(watch, truth, lasting)
    drained(home, AT_ONCE)
    return compared(home, exchange, name, truth, begun, again=again, naive=naively, stranger=stranger)


@contextmanager
def naive_client(exchange: str, venue: ServedVenue, trust: ssl.SSLContext | None = None) -> Iterator[NaiveClient]:
    """A naive client in a thread."""
    codes = list(SYMBOLS[exchange].values())
    if exchange == "binance":
        streams = [f"{code.lower()}@trade" for code in codes]
        asked: dict[str, object] = {"method": "SUBSCRIBE", "params": streams, "id": 1}
        client = NaiveClient(f"{venue.websocket_url}/ws", asked, "t", trust)
    else:
        asked = {"type": "subscribe", "product_ids": codes, "channels": ["matches"]}
        client = NaiveClient(venue.websocket_url, asked, "trade_id", trust)
    loop = asyncio.new_event_loop()
    task = loop.create_task(client.listen())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=run, name="naive")
    thread.start()
    try:
        yield client
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


def _subscribed(venue: ServedVenue, subscriptions: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while venue.subscriptions < subscriptions:
        assert time.monotonic() < deadline, f"{venue.subscriptions} of {subscriptions} subscriptions"
        time.sleep(0.01)


def _play(
    served: Served, exchange: str, script: Sequence[AnyFault], live: Live, lasting: Sequence[str], *, quiet: bool
) -> _Watch:
    """Let the market go on until everything has struck, is over, and has been over for a while."""
    venues = [served.venues[exchange]] + ([served.advanced] if exchange == "coinbase" else [])
    venue, watch = venues[0], _Watch()
    feed = live.producer.feeds[0]
    step, next_at = int(RATE * _TICK), time.monotonic()
    over: float | None = None
    before: dict[str, int | None] = {}
    while over is None or time.monotonic() < over:
        now = time.monotonic()
        for each in venues:
            each.release(step)
        watch.released.append((now, venue.released - venue.venue.opened_at))
        watch.heard.append((now, {symbol: feed.heard[symbol].last_id for symbol in lasting}))
        if not watch.struck and len(venue.struck) == len(script):
            watch.struck = now
            watch.back = now + max(map(_away, script))
            over = now + max(_lasts(fault) for fault in script) + _GOES_ON
        if over is not None and now > watch.back + 0.5:
            newest = watch.heard[-1][1]
            before = before or newest
            if any(newest[symbol] == before[symbol] for symbol in lasting) and now < watch.back + _PATIENCE:
                over = max(over, now + 1.0)  # until every instrument is heard again
        if quiet and watch.released[-1][1] >= QUIET_FROM:
            break
        assert now - watch.released[0][0] < 2 * _PATIENCE, f"{len(venue.struck)} of {len(script)} steps struck"
        next_at += _TICK
        time.sleep(max(0.0, next_at - time.monotonic()))
    return watch


def _away(fault: AnyFault) -> float:
    """For how many seconds nobody new can be heard; an old connection that is silent can be made anew at once."""
    if isinstance(fault, AnswerWith):
        return 0.0 if fault.on == "rest" else fault.seconds
    return fault.seconds if isinstance(fault, Refuse | RefuseSubscriptions | SlowHandshake) else 0.0


def _lasts(fault: AnyFault) -> float:
    """For how many seconds the market has to go on; what lasts for good is over when it has been noticed."""
    return min(fault.seconds, 5.0) if isinstance(fault, LastingFault) else 3.0


def _again(watch: _Watch, truth: pl.DataFrame, symbols: Sequence[str]) -> float:
    """Seconds until the first trade of each instrument that was released when a connection could be heard, or a later
    one, had been heard live."""
    opened = truth.filter("live")["position"].min()
    assert isinstance(opened, int)
    longest = 0.0
    place = max((count for at, count in watch.released if at <= watch.back), default=0)
    for symbol in symbols:
        later = truth.filter((pl.col("symbol") == symbol) & (pl.col("position") >= opened + place)).head(1)
        if later.is_empty():
            continue
        wanted, position = later["trade_id"][0], later["position"][0] - opened
        public_at = next(at for at, count in watch.released if count > position)
        heard_at = next((at for at, ids in watch.heard if (ids[symbol] or 0) >= wanted), None)
        if heard_at is None:
            return float("inf")
        longest = max(longest, heard_at - max(watch.back, public_at))
    return round(longest, 2)


def truth_of(served: Served, exchange: str, script: Sequence[AnyFault]) -> pl.DataFrame:
    """Every trade that an exchange told of somewhere: `VALUES`, `live`, position and its own code."""
    names = SYMBOLS[exchange]
    venue = served.venues[exchange]
    found = public(served, {exchange: list(names)}).with_columns(pl.col("symbol").replace(names).alias("code"))
    places = venue.trades().select("code", "trade_id", "position")
    found = found.join(places, on=["code", "trade_id"], how="left", maintain_order="left")
    for step in script:
        if isinstance(step, Delist) and step.at_trade is not None:
            after = pl.col("position") >= venue.venue.opened_at + step.at_trade
            found = found.filter(~(after & (pl.col("code") == step.symbol)))
    return found


def lost(ids: Sequence[int], heard: Counter[int]) -> Lost:
    """What a client that heard these did not hear, or more than once."""
    return Lost(sum(number not in heard for number in ids), sum(heard[number] > 1 for number in ids))


def _strange(truth: pl.DataFrame, told: list[list[object]]) -> Lost:
    ids = truth["trade_id"].to_list()
    if not told:
        return Lost(len(ids), 0)
    begun = int(str(told[0][0]))
    return lost([number for number in ids[:-_OPEN_AGGREGATE] if number >= begun], Counter(covered(told)))


def compared(home: Home, exchange: str, name: str, truth: pl.DataFrame, begun: int, **others: Any) -> LineRun:
    """What is in the tables, against the truth: all of it from position `begun` on, and nothing else."""
    mine = truth.filter(pl.col("position") >= begun)
    lake = Lake(embedded(home.path), writable=False)
    try:
        rows, ledger = (lake.scan(table).filter(pl.col("exchange") == exchange) for table in (RAW_TRADES, COVERAGE))
    finally:
        lake.close()
    key = ["symbol", "trade_id"]
    unheard = mine.join(rows.filter(pl.col("source") == "live"), on=key, how="anti")
    listed = 0
    for symbol, ids in unheard.group_by("symbol").agg("trade_id").iter_rows():
        told = ledger.filter((pl.col("symbol") == symbol) & pl.col("state").is_in(["gap", "backfilled"]))
        gaps = Intervals.of(sorted(told.select("first_id", "last_id").iter_rows()))
        listed += sum(len(gaps.meeting(number, number)) for number in ids)
    return LineRun(
        exchange=exchange,
        script=name,
        trades=mine.height,
        not_heard=unheard.height,
        listed=listed,
        missing=mine.join(rows, on=key, how="anti").height,
        doubled=rows.height - rows.n_unique(key),
        other=rows.join(truth, on=VALUES, how="anti", nulls_equal=True).height,
        **others,
    )
