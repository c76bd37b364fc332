"""Clients that others wrote, run in processes of their own; the scripts stand in benchmarks/strangers.

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import trustme

from coattail.market.exchange import ServedVenue

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "strangers"
PYTHON = os.environ.get("COATTAIL_STRANGERS_PYTHON", sys.executable)
NODE = os.environ.get("COATTAIL_STRANGERS_NODE", "")


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


def why_not(stranger: Stranger) -> str:
    """Why a client cannot be run here; empty where it can."""
    if stranger.command[0] == "node":
        if not (Path(NODE) / "node_modules" / stranger.needs).is_dir():
            return f"no npm package {stranger.needs}; install it and set COATTAIL_STRANGERS_NODE to the folder"
    elif subprocess.run([PYTHON, "-c", f"import {stranger.needs}"], capture_output=True).returncode:
        return f"{PYTHON} has no module {stranger.needs}: make bench installs it"
    return ""


@contextmanager
def certified(folder: Path) -> Iterator[tuple[ssl.SSLContext, Path]]:
    """A certificate for 127.0.0.1, and the file of who certifies it, whom this process trusts meanwhile."""
    authority = trustme.CA()
    trust = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(trust))
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(trust)
    try:
        yield theirs, trust
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before


@contextmanager
def hearing(stranger: Stranger, venue: ServedVenue, folder: Path, trust: Path) -> Iterator[queue.Queue[list[object]]]:
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
