"""The live page as a browser finds it: its server over a hot store, in a thread, on one port."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coattail.alerts import Alert
from coattail.api.app import make_app
from coattail.api.pages import add_page
from coattail.api.serve import address_of, listen, serve
from coattail.api.source import HotSource
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.served import MARKET
from tests.harness.browser import Browser
from tests.harness.served import beat, fill, market_fact

DRAWN = "document.documentElement.dataset.ready !== undefined"
"""In the page: every part has its data, every chart is drawn."""


class LivePage:
    """A hot store that a test fills, and the server of its page, which it starts and stops."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteHotStore(folder / "hot.db")
        self._folder, self._port = folder, 0
        self._running: tuple[threading.Thread, threading.Event] | None = None
        self.engine_runs = True
        self.address = ""

    def fill(self, alerts: int = 20) -> None:
        """Put alerts, two symbols, an asset and a heartbeat into the store."""
        fill(self.store, alerts, now=datetime.now(UTC))
        self.store.put_facts({MARKET: market_fact(simulated=True)}, now=datetime.now(UTC))

    def put(self, alerts: Sequence[Alert]) -> None:
        """Let an engine raise these."""
        self.store.put_alerts(alerts, now=datetime.now(UTC))

    def beat(self) -> None:
        """Let the engine report."""
        self.store.put_fact("engine", beat(), now=datetime.now(UTC))

    def source(self) -> HotSource:
        """What the server reads."""
        return HotSource(
            lambda: SqliteHotStore(self._folder / "hot.db", writable=False, patience=timedelta(milliseconds=50)),
            engine_runs=lambda: self.engine_runs,
        )

    def start(self) -> str:
        """Serve, at the port of before; returns the address."""
        app = make_app(self.source())
        add_page(app)
        listening = listen("127.0.0.1", self._port)
        self._port = listening.getsockname()[1]
        stop, ready = threading.Event(), threading.Event()
        thread = threading.Thread(
            target=serve, args=(app, listening), kwargs={"stop": stop, "ready": ready.set}, name="page"
        )  # fmt: skip
        self.address = f"{address_of(listening)}/"
        thread.start()
        assert ready.wait(20)
        self._running = thread, stop
        return self.address

    def stop(self) -> None:
        """Serve no longer."""
        if self._running is not None:
            thread, stop = self._running
            stop.set()
            thread.join()
            self._running = None

    def close(self) -> None:
        """End everything."""
        self.stop()
        self.store.close()


def see(browser: Browser, address: str, until: str = DRAWN) -> Browser:
    """Open the page and wait until it is drawn."""
    browser.visit(address)
    browser.wait_for(until)
    return browser


def text(browser: Browser, selector: str) -> str:
    """What stands in the first such element."""
    return str(browser.ask(f"document.querySelector({selector!r}).innerText"))
