"""Clients that others wrote receive exactly the trades that the exchanges on loopback serve.

Python clients run under this interpreter, or under that of COATTAIL_STRANGERS_PYTHON; npm ones are looked for in the
folder COATTAIL_STRANGERS_NODE (`npm install --ignore-scripts @binance/connector coinbase-pro-node` makes it).
"""

from __future__ import annotations

import json
import os
import queue
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
import trustme

from coattail.market import Market
from coattail.market.exchange import ServedVenue, serving

SCRIPTS = Path(__file__).parent / "strangers"
PYTHON = os.environ.get("COATTAIL_STRANGERS_PYTHON", sys.executable)
NODE = os.environ.get("COATTAIL_STRANGERS_NODE", "")
OPENING_SECONDS = 30
TRADES = 3_000
AT_ONCE, PAUSE = 40, 0.02
"""Released so many at once, so many seconds apart: 2,000 a second, which the one with the smallest buffer follows."""


class Stranger(NamedTuple):
    """A client, and how it tells what it hears."""

    command: list[str]
    needs: str
    """What has to be importable, or is a package of npm."""
    venue: str
    code: str
    makers_side: bool
    subscriptions: int = 1
    tls: bool = False


STRANGERS = {
    "python-binance": Stranger([PYTHON, "python_binance.py"], "binance", "binance", "BTCUSDT", False),
    "cryptofeed, Binance": Stranger(
        [PYTHON, "cryptofeed_trades.py"], "cryptofeed", "binance", "BTCUSDT", False, tls=True
    ),
    "cryptofeed, Advanced Trade": Stranger(
        [PYTHON, "cryptofeed_trades.py"], "cryptofeed", "advanced", "BTC-USD", True, tls=True
    ),
    "npm @binance/connector": Stranger(
        ["node", "npm_binance_connector.cjs"], "@binance/connector", "binance", "BTCUSDT", False
    ),
    "npm coinbase-pro-node": Stranger(
        ["node", "npm_coinbase_pro_node.cjs"], "coinbase-pro-node", "coinbase", "BTC-USD", True
    ),
}


def check_installed(stranger: Stranger) -> None:
    if stranger.command[0] == "node":
        if not (Path(NODE) / "node_modules" / stranger.needs).is_dir():
            pytest.skip(f"no npm package {stranger.needs}; install it and set COATTAIL_STRANGERS_NODE to the folder")
    elif subprocess.run([PYTHON, "-c", f"import {stranger.needs}"], capture_output=True).returncode:
        pytest.skip(f"{PYTHON} has no module {stranger.needs}: make bench installs it")


@contextmanager
def listening(stranger: Stranger, venue: ServedVenue, folder: Path, trust: Path) -> Iterator[queue.Queue[list[object]]]:
    """The client, running; what it hears comes out of the queue."""
    which = "binance" if stranger.venue == "binance" else "coinbase"
    program, script = stranger.command
    command = [program, str(SCRIPTS / script), venue.websocket_url, venue.rest_url, which]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        "SSL_CERT_FILE": str(trust), "REQUESTS_CA_BUNDLE": str(trust), "NODE_PATH": f"{NODE}/node_modules",
    }  # fmt: skip
    heard: queue.Queue[list[object]] = queue.Queue()
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        lines = process.stdout

        def read() -> None:
            for line in lines:
                if line.startswith(b"["):
                    heard.put(json.loads(line))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield heard
        finally:
            process.kill()
            process.wait()
            reader.join()
            lines.close()


def covered(trades: list[list[object]]) -> list[int]:
    """Every trade id that was told of, as often as it was."""
    return [number for first, last, *_ in trades for number in range(int(str(first)), int(str(last)) + 1)]


def told_as(rows: Mapping[int, Mapping[str, object]], first: int, last: int) -> tuple[Decimal, Decimal, str, int]:
    """What has to be said of the trades first..last: price, quantity, taker's side, time in ms."""
    fills = [rows[number] for number in range(first, last + 1)]
    assert len({(fill["price"], fill["side"], fill["timestamp"]) for fill in fills}) == 1
    price, side, time_ms = Decimal(str(fills[0]["price"])), str(fills[0]["side"]), int(str(fills[0]["ms"]))
    return price, sum((Decimal(str(fill["quantity"])) for fill in fills), Decimal(0)), side, time_ms


@pytest.mark.parametrize("name", STRANGERS)
def test_a_client_that_others_wrote_hears_exactly_the_trades_that_are_served(name: str, tmp_path: Path) -> None:
    stranger = STRANGERS[name]
    check_installed(stranger)
    authority = trustme.CA()
    trust = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(trust))
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    with ExitStack() as stack:
        served = stack.enter_context(serving(Market(seed=7), tls=theirs if stranger.tls else None))
        venue = served.venues[stranger.venue]
        venue.release(500)
        before = venue.released
        heard = stack.enter_context(listening(stranger, venue, tmp_path, trust))
        deadline = time.monotonic() + OPENING_SECONDS
        while venue.subscriptions < stranger.subscriptions:
            assert time.monotonic() < deadline, f"it never subscribed: {(tmp_path / 'stderr').read_text()[-2000:]}"
            time.sleep(0.01)
        for _ in range(TRADES // AT_ONCE):
            venue.release(AT_ONCE)
            time.sleep(PAUSE)
        trades = venue.trades().filter(pl.col("code") == stranger.code, pl.col("position") >= before)
        trades = trades.with_columns(ms=pl.col("timestamp").dt.epoch("ms"))
        rows = {row["trade_id"]: row for row in trades.iter_rows(named=True)}
        found: list[list[object]] = []
        aggregated = "cryptofeed, Binance" in name
        slack = 30 if aggregated else 0  # an aggregate that is still open at the end has not been told of
        while len(covered(found)) < len(rows) - slack:
            found.append(heard.get(timeout=10))
        if aggregated:
            found += [heard.get() for _ in range(heard.qsize())]
    ids = sorted(rows)
    begun = int(str(found[0][0])) if aggregated else ids[0]
    expected = [number for number in ids if begun <= number]
    assert sorted(covered(found)) == expected[: len(covered(found))]
    assert begun - ids[0] <= slack
    for first, last, price, quantity, side, time_ms in found:
        takers = {"buy": "sell", "sell": "buy"}[str(side)] if stranger.makers_side else side
        assert (Decimal(str(price)), Decimal(str(quantity)), takers, time_ms) == told_as(
            rows, int(str(first)), int(str(last))
        )
