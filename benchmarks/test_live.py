"""A live producer under load: how late trades are readable, whether memory stays flat, how fast a gap is refilled.

Producer and exchange are processes of their own, on loopback, with TLS. `COATTAIL_LONG=3600` makes the feed with
reconnections last an hour instead of two minutes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.clients import SCRIPTS, environment, processor_seconds, wait_for
from benchmarks.conftest import Size
from benchmarks.loopback import Loopback, exchange
from benchmarks.report import row
from coattail.producer.replay import LINGER_SECONDS

SYMBOLS = [f"C{number:03d}-USDT" for number in range(300)]
RATE = 20_000
RECONNECTIONS = 50


def producer(
    loopback: Loopback, trust: Path, folder: Path, symbols: list[str], counts: list[int], *, timed: bool = False
) -> subprocess.Popen[bytes]:
    """Ours, listening to Binance."""
    at = loopback.venues["binance"]
    command = [sys.executable, str(SCRIPTS / "coattail_producer.py"), at["feed"], at["rest"]]
    command += ["binance", "trade", ",".join(symbols), "."]
    variables = environment(trust, counts) | ({"COATTAIL_WAITED": "1"} if timed else {})
    with (folder / "stderr").open("w") as errors:
        return subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=errors)


def test_twenty_thousand_trades_a_second_over_300_symbols_are_soon_readable(size: Size, tmp_path: Path) -> None:
    seconds = 30 if size.rounds > 1 else 5
    warm = 20_000
    with exchange("many", tmp_path) as (loopback, trust):
        client = producer(loopback, trust, tmp_path, SYMBOLS, [warm, warm + seconds * RATE], timed=True)
        try:
            loopback.subscribed("binance", len(SYMBOLS))
            loopback.release("binance", warm, RATE)
            wait_for(client, warm, tmp_path)
            before = processor_seconds(client)
            took = loopback.release("binance", seconds * RATE, RATE)
            wait_for(client, warm + seconds * RATE, tmp_path)
            spent = processor_seconds(client) - before
            assert client.stdout is not None
            waited = json.loads(client.stdout.readline().removeprefix(b"waited "))
        finally:
            client.kill()
            client.communicate()
    row(
        f"socket to stream at {RATE:,} trades/s, {len(SYMBOLS)} symbols, p99", waited["p99"], None, "ms", None,
        LINGER_SECONDS * 1e3 + 50, LINGER_SECONDS * 1e3 + 25,
        f"from receipt to a readable segment, lingering {LINGER_SECONDS * 1e3:.0f} ms; p50 {waited['p50']:.0f}, the "
        f"longest {waited['most']:.0f}; {seconds * RATE / took:,.0f} trades/s for {took:.0f} s, "
        f"{spent / took:.0%} of a core",
        judged="ours", less_is_better=True,
    )  # fmt: skip


def test_memory_stays_flat_through_fifty_reconnections(size: Size, tmp_path: Path) -> None:
    seconds = float(os.environ.get("COATTAIL_LONG", 120 if size.rounds > 1 else 20))
    rate, warm = 3_000, 60_000
    pieces = RECONNECTIONS * 2
    each = int(seconds * rate / pieces)
    with exchange("one", tmp_path) as (loopback, trust):
        client = producer(loopback, trust, tmp_path, ["BTC-USDT"], [warm, 10**12])
        try:
            loopback.subscribed("binance")
            loopback.release("binance", warm, 10_000)
            wait_for(client, warm, tmp_path)
            used = []
            for number in range(pieces):
                loopback.release("binance", each, rate)
                used.append(memory(client.pid))
                if number % 2:
                    loopback.ask("reset", venue="binance")
            loopback.subscribed("binance")
            state = settled(tmp_path / "live.json")
        finally:
            client.kill()
            client.communicate()
    [feed] = state["exchanges"]
    assert sum(line["reconnects"] for line in feed["lines"]) >= RECONNECTIONS - 2  # one may fall into another
    assert [i["missing"] for i in feed["instruments"]] == [0]
    first, second = (statistics.median(half) for half in (used[: pieces // 2], used[pieces // 2 :]))
    row(
        f"memory of a producer with {RECONNECTIONS} reconnections", second, first, "MB", second / first, 1.1, 1.03,
        f"median of the second half of {seconds:,.0f} s at {rate:,} trades/s; peer: of the first; nothing was missing "
        f"at the end; at most {max(used):.0f} MB",
        less_is_better=True,
    )  # fmt: skip


def memory(pid: int) -> float:
    """MB resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def settled(journal: Path) -> dict[str, list[dict[str, list[dict[str, int]]]]]:
    """The producer's state once nothing is missing."""
    deadline = time.monotonic() + 60
    while True:
        state = json.loads(journal.read_text())
        if not any(i["missing"] for e in state["exchanges"] for i in e["instruments"]):
            return dict(state)
        assert time.monotonic() < deadline, state
        time.sleep(0.2)


def test_a_gap_of_ten_thousand_trades_is_refilled_as_fast_as_the_limits_allow(size: Size, tmp_path: Path) -> None:
    gap = 10_000
    warm = 2_000
    with exchange("one", tmp_path) as (loopback, trust):
        client = producer(loopback, trust, tmp_path, ["BTC-USDT"], [warm, warm + gap + 10])
        try:
            loopback.subscribed("binance")
            loopback.release("binance", warm)
            wait_for(client, warm, tmp_path)
            time.sleep(1.5)  # the floor is in the journal
            loopback.ask("reset", venue="binance")
            loopback.release("binance", gap)  # nobody listens
            began = time.monotonic()
            loopback.subscribed("binance")
            loopback.release("binance", 200, 100)
            wait_for(client, warm + gap + 10, tmp_path)
            took = time.monotonic() - began
            asked = loopback.ask("asked", venue="binance")
        finally:
            client.kill()
            client.communicate()
    row(
        "refill of a gap of 10,000 trades", took, None, "s", None, 10, 5,
        f"from the reset until they are in the stream, with the wait of 1 to 2 s before it asks; {asked} requests",
        judged="ours", less_is_better=True,
    )  # fmt: skip
