"""A home to practise on without a network: its record has a hole, and exchanges on loopback know what belongs there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from coattail.connectors import CONNECTORS
from coattail.engines.local import LocalEngine
from coattail.errors import CoattailError
from coattail.home import Home
from coattail.market import DEFAULT_INSTRUMENTS, Market, PlantedBurst, PlantedWhale
from coattail.market.exchange import serving
from coattail.packing import Packer
from coattail.records import Trade, micros
from coattail.streams.local import LocalStream
from coattail.workspace.bound import Workspace

VENUE, SYMBOL = "binance", "BTC-USDT"
"""Whose record has the hole."""

_LENGTH = timedelta(minutes=100)
_HISTORY = timedelta(minutes=115)
"""Of a demo's two hours: verdicts on the rest are not final when they have landed."""
_LOOK_SECONDS = 0.2
_HOLE = (timedelta(minutes=70), timedelta(minutes=76))


class Practice:
    """One hundred minutes of a simulated market in a folder that goes with it, but for six minutes of one instrument.

    In the hole lie an order of 640,000 dollars and two minutes of forty times the volume: alerts that are missing.
    """

    ws: Workspace
    """Bound to the home; its settings lead to the exchanges on loopback."""
    hole: tuple[datetime, datetime]

    def __init__(self, *, seed: int = 11) -> None:
        start = Market.start
        self.hole = (start + _HOLE[0], start + _HOLE[1])
        self._stack = ExitStack()
        market = Market(
            seed=seed, start=start, duration=_LENGTH, rate=0.1,
            instruments=tuple(i for i in DEFAULT_INSTRUMENTS if i.asset.name == "BTC"),
            planted=(
                PlantedWhale(
                    exchange=VENUE, symbol=SYMBOL, start=self.hole[0] + timedelta(minutes=1), notional=640_000, fills=7
                ),
                PlantedBurst(
                    exchange=VENUE, symbol=SYMBOL, start=self.hole[0] + timedelta(minutes=2),
                    length=timedelta(minutes=2), factor=40.0,
                ),
            ),
        )  # fmt: skip
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="coattail-practice-"))
        served = self._stack.enter_context(serving(market, opens=market.end))
        home = Home.open(Path(folder) / "home", create=True)
        hosts = {f"exchanges.{name}.rest_host": served.venues[name].rest_url for name in market.exchanges}
        self.ws = self._stack.enter_context(Workspace(home.path, settings=hosts))
        LocalStream(home.stream).append(self._heard(market))
        with LocalEngine(home, self.ws.settings, command="practice") as engine:
            engine.drain()

    def _heard(self, market: Market) -> list[tuple[int, bytes]]:
        """What a listener heard who was away during the hole."""
        packer, connectors = Packer(), {name: CONNECTORS[name]() for name in market.exchanges}
        since, until = map(micros, self.hole)
        for frame in market.frames():
            for record in connectors[frame.exchange].records(
                frame.data, frame.received // 1000, source="replay", session=f"practice:{frame.exchange}"
            ):
                away = (
                    isinstance(record, Trade)
                    and record.symbol == SYMBOL
                    and record.timestamp is not None
                    and since <= record.timestamp < until
                )
                if not away:
                    packer.add(record)
        return packer.take()

    def close(self) -> None:
        """Stop the exchanges and remove the folder."""
        self._stack.close()


class LiveMarket:
    """A demo in a process of its own, on a folder that goes with it: two hours have landed, and the market goes on.

    seconds: How long it goes on, at 20 times its pace.
    """

    ws: Workspace

    def __init__(self, seconds: float = 30.0, *, patience: timedelta = timedelta(minutes=2)) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="coattail-practice-")
        home = Path(self._folder.name) / "home"
        words = ["--home", str(home), "demo", "--seconds", f"{seconds:g}", "--json"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "coattail", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        begun, until = threading.Event(), time.monotonic() + patience.total_seconds()
        while not _landed_by(home):
            if self._process.poll() is not None or time.monotonic() > until:
                said = self._said()
                self.close()
                raise CoattailError(f"the market did not begin ({said})", next_step="see whether `coattail demo` runs")
            begun.wait(_LOOK_SECONDS)
        self.ws = Workspace(home)

    def _said(self) -> str:
        """What it said of its end; nothing while it runs."""
        if self._process.poll() is None or self._process.stderr is None:
            return "it took too long"
        return self._process.stderr.read().decode(errors="replace").strip() or "it ended"

    def close(self) -> None:
        """End it, and remove the folder."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


def _landed_by(home: Path) -> bool:
    """Whether the two hours are there, with their alerts."""
    if not (home / "catalog.db").exists():
        return False
    with Workspace(home) as ws:
        mark = ws.status().time.watermark
        return mark is not None and mark >= Market.start + _HISTORY
