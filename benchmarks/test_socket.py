"""Processor time per trade with the socket: our live producer, and clients that others wrote, on the same feed.

Every client is a process of its own, the exchange another; all speak TLS and hear the same trades at the same pace, one
after the other, round by round. Ours normalises, packs and writes to a stream on disk; the others hand each trade to a
callback that counts it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.clients import SCRIPTS, environment, processor_seconds, wait_for
from benchmarks.conftest import Size
from benchmarks.loopback import Loopback, exchange
from benchmarks.report import row

WARM_UP = 2_000


class Feed(NamedTuple):
    """What is heard, and by whom beside ours."""

    venue: str
    exchange: str
    channel: str
    symbol: str
    others: dict[str, list[str]]
    """Client -> its script and what follows the addresses."""
    counted: str = "trade"
    heard: float = 1.0
    """How many of the trades released are waited for: what is left may be part of an aggregate that is open."""
    together: int = 100
    """Trades in a message of Advanced Trade, at most."""


FEEDS = {
    "aggTrade": Feed(
        "binance", "binance", "aggTrade", "BTC-USDT", {"cryptofeed 2.4.1": ["cryptofeed_trades.py", "binance"]},
        "aggregate", 0.5,
    ),
    "Advanced": Feed(
        "advanced", "coinbase", "market_trades", "BTC-USD", {"cryptofeed 2.4.1": ["cryptofeed_trades.py", "coinbase"]},
        together=3,  # recorded messages hold 2.5
    ),
    "Advanced, a hundred in a message,": Feed(
        "advanced", "coinbase", "market_trades", "BTC-USD", {"cryptofeed 2.4.1": ["cryptofeed_trades.py", "coinbase"]}
    ),
    "trade": Feed(
        "binance", "binance", "trade", "BTC-USDT",
        {"python-binance 1.0.37": ["python_binance.py"], "websockets + json": ["plain_websockets.py"]},
    ),
}  # fmt: skip


def spent(
    command: list[str], loopback: Loopback, feed: Feed, folder: Path, trust: Path, trades: int, rate: float | None
) -> float:
    """µs of processor time per trade (or aggregate) from the first to the last."""
    folder.mkdir()
    warm, all_of_them = (int(count * feed.heard) for count in (WARM_UP, WARM_UP + trades))
    with (folder / "stderr").open("w") as errors:
        client = subprocess.Popen(
            command, cwd=folder, env=environment(trust, [warm, all_of_them]), stdout=subprocess.PIPE, stderr=errors
        )
        try:
            assert client.stdout is not None
            loopback.subscribed(feed.venue)
            loopback.release(feed.venue, WARM_UP + 200)
            wait_for(client, warm, folder)
            time.sleep(1.0)
            before = processor_seconds(client)
            loopback.release(feed.venue, trades, rate)
            wait_for(client, all_of_them, folder)
            return (processor_seconds(client) - before) / (all_of_them - warm) * 1e6
        finally:
            client.kill()
            client.communicate()
            _gone(loopback, feed.venue)


def _gone(loopback: Loopback, venue: str) -> None:
    while loopback.ask("subscriptions", venue=venue):
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("kind", "pace"),
    [
        (kind, pace)
        for kind in FEEDS
        for pace in ("flat out", "at 3,000/s")
        if "hundred" not in kind or pace == "flat out"
    ],
)
def test_processor_time_of_a_trade_with_the_socket(kind: str, pace: str, size: Size, tmp_path: Path) -> None:
    feed, rate = FEEDS[kind], None if pace == "flat out" else 3_000.0
    trades = ((12_000 if feed.venue == "advanced" else 60_000) if rate is None else 15_000) // (
        1 if size.rounds > 1 else 5
    )
    with exchange("one", tmp_path) as (loopback, trust):
        loopback.ask("together", trades=feed.together)
        at = loopback.venues[feed.venue]
        rest = loopback.venues.get(feed.exchange, at)["rest"]
        ours = [sys.executable, str(SCRIPTS / "coattail_producer.py"), at["feed"], rest]
        clients = {"coattail": [*ours, feed.exchange, feed.channel, feed.symbol, "."]}
        for name, (script, *rest_of_it) in feed.others.items():
            clients[name] = [sys.executable, str(SCRIPTS / script), at["feed"], at["rest"], *rest_of_it]
        found: dict[str, list[float]] = {name: [] for name in clients}
        for number in range(size.rounds):
            for name, command in clients.items():
                folder = tmp_path / f"{number}-{name}"
                found[name].append(spent(command, loopback, feed, folder, trust, trades, rate))
    mine = statistics.median(found["coattail"])
    for name in feed.others:
        theirs = statistics.median(found[name])
        row(
            f"processor time with the socket, {kind} {pace}, against {name}",
            mine, theirs, f"µs/{feed.counted}", theirs / mine, 1, 2,
            f"medians of {size.rounds} alternating rounds of {trades:,} trades; ours packed and in a stream on disk, "
            f"theirs counted; rounds of ours {min(found['coattail']):.1f} to {max(found['coattail']):.1f}, of theirs "
            f"{min(found[name]):.1f} to {max(found[name]):.1f}",
        )  # fmt: skip
