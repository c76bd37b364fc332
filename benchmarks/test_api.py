"""How long the API takes, in process and over HTTP, with 10,000 alerts and a writer beside."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from starlette.types import ASGIApp

from benchmarks import report
from benchmarks.conftest import Size
from benchmarks.http_load import Waits, load
from benchmarks.peers.plain_api import make_plain_app
from coattail.api.app import make_app
from coattail.api.opening import source_of
from coattail.config import load_settings
from coattail.home import Home
from coattail.stores.hot_sqlite import SqliteHotStore
from tests.harness.asgi import asked
from tests.harness.processes import ROOT, environment
from tests.harness.served import fill, numbered

ALERTS = 10_000
_WRITES = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from coattail.stores.hot_sqlite import SqliteHotStore
from tests.harness.served import fill, numbered
store = SqliteHotStore(Path(sys.argv[1]))
print("writes", flush=True)
for number in range(10**9):
    now = datetime.now(UTC)
    store.put_alerts([numbered(-1 - 10 * number - n) for n in range(10)], now=now)
    fill(store, 0, now=now)
    time.sleep(0.1)
"""
_WARM = 300


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with 10,000 alerts, to which ten and all facts are written ten times a second."""
    made = Home.open(tmp_path_factory.mktemp("api") / "home", create=True)
    store = SqliteHotStore(made.hot_db)
    fill(store, ALERTS, now=datetime.now(UTC))
    store.close()
    command = [sys.executable, "-c", _WRITES, str(made.hot_db)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            yield made
        finally:
            writer.kill()


def in_process(app: ASGIApp, address: str, times: int) -> tuple[Waits, Waits]:
    """One request after the other: processor time of each, and wall time; `{}` in the address is another time each."""

    async def main() -> tuple[Waits, Waits]:
        spent, waits = [], []
        for number in range(times + _WARM):
            before, began = time.process_time(), time.perf_counter()
            answer = await asked(app, address.format(f"2025-01-01T00:00:00.{number:06}Z"))
            if number >= _WARM:
                waits.append((time.perf_counter() - began) * 1e3)
                spent.append((time.process_time() - before) * 1e3)
            assert answer.status == 200, answer.body
        return Waits(spent, 0, sum(spent) / 1e3), Waits(waits, 0, sum(waits) / 1e3)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "address"),
    [("a page of alerts", "/alerts?since={}"), ("the same page again", "/alerts"),
     ("one alert", f"/alerts/{numbered(5).alert_id}"),
     ("metrics of a symbol", "/metrics/BTC-USDT"), ("symbols", "/symbols"), ("health", "/health")],
)  # fmt: skip
def test_in_process(name: str, address: str, home: Home, size: Size) -> None:
    times = 5_000 if size.rounds > 1 else 300
    ours, waited = in_process(make_app(source_of(home, load_settings(home))), address, times)
    peer = None
    if "{}" in address:
        peer, peer_waited = in_process(make_plain_app(home.hot_db), "/alerts", times // 5)
    report.row(
        f"API, {name}, in process",
        ours=ours.percentile(99),
        peer=None if peer is None else peer.percentile(99),
        unit="ms of processor time, p99",
        ratio=None if peer is None else peer.percentile(99) / ours.percentile(99),
        must=3,
        aim=1,
        judged="ours",
        less_is_better=True,
        note=f"{ours.words()}; by the clock {waited.words()}; 10,000 alerts, ten more ten times a second"
        + (f"; peer: FastAPI, pydantic and SQLAlchemy, by the clock {peer_waited.words()}" if peer else ""),
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(*words: object) -> Iterator[None]:
    command = [sys.executable, "-m", *map(str, words)]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL) as server:
        try:
            yield
        finally:
            server.terminate()


@contextmanager
def ours(home: Home) -> Iterator[int]:
    port = free_port()
    with process("coattail", "--home", home.path, "api", "--rate", 0, "--port", port):
        yield answering(port)


@contextmanager
def plain(home: Home) -> Iterator[int]:
    port = free_port()
    with process("benchmarks.peers.plain_api", home.hot_db, port):
        yield answering(port)


def answering(port: int) -> int:
    """The port, once something listens there."""
    for _ in range(600):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return port
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens at port {port}")


def over_http(serving: Callable[[Home], object], home: Home, rate: float, seconds: float) -> Waits:
    with serving(home) as port:  # type: ignore[attr-defined]
        asyncio.run(load(port, "/alerts", min(rate, 100), 2))
        return asyncio.run(load(port, "/alerts", rate, seconds))


def test_a_hundred_requests_a_second(home: Home, size: Size) -> None:
    seconds = 20 if size.rounds > 1 else 2
    mine, peer = over_http(ours, home, 100, seconds), over_http(plain, home, 100, seconds)
    assert mine.failed == peer.failed == 0
    report.row(
        "API, a page of alerts over HTTP, 100 a second",
        ours=mine.percentile(99),
        peer=peer.percentile(99),
        unit="ms, p99",
        ratio=peer.percentile(99) / mine.percentile(99),
        must=10,
        aim=5,
        judged="ours",
        less_is_better=True,
        note=f"{mine.words()}; always the same page, to which ten alerts come ten times a second; "
        "client, server and writer on the same cores; peer: FastAPI, pydantic and SQLAlchemy, "
        f"{peer.words()}",
    )


def test_a_thousand_requests_a_second(home: Home, size: Size) -> None:
    found = over_http(ours, home, 1_000, 60 if size.rounds > 1 else 3)
    report.row(
        "API, a page of alerts over HTTP, 1,000 a second",
        ours=len(found.ms) / found.seconds,
        peer=None,
        unit="answers a second",
        ratio=None,
        must=990,
        aim=1_000 - 1,
        judged="ours",
        note=f"{found.words()}, {found.failed} failed; client, server and writer on the same cores",
    )
    assert found.failed == 0
