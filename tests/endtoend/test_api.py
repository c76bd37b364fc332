"""`coattail api` as a process: its port, its end, its clients, and engines that come and go beside it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coattail.home import Home
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.streams.local import LocalStream
from tests.harness.commands import Child, until
from tests.harness.running import feed, new_home
from tests.harness.scenes import evenly, market
from tests.harness.served import fill, numbered

pytestmark = pytest.mark.slow


class Server:
    """A running `coattail api`."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.home = Path(child.line_with("serving ").split(" at http")[0].removeprefix("serving "))
        self.port = int(child.line_with("try: ").split("127.0.0.1:")[1].split("/")[0])

    def get(self, address: str, **headers: str) -> tuple[int, Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request("GET", address, headers={name.replace("_", "-"): v for name, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, msgspec.json.decode(answer.read())

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


@contextmanager
def serving(home: Home, *options: str) -> Iterator[Server]:
    child = Child("--home", home.path, "api", "--port", "0", *options, folder=home.path.parent)
    try:
        yield Server(child)
    finally:
        if child.process.poll() is None:
            child.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = Home.open(tmp_path_factory.mktemp("api") / "home", create=True)
    with closing(SqliteHotStore(home.hot_db)) as writer:
        fill(writer, 200, now=datetime.now(UTC))
    with serving(home) as server:
        yield server


def test_a_port_in_use_is_named_with_its_holder_and_a_free_one(filled: Server) -> None:
    done = Child("--home", filled.home, "api", "--port", filled.port, folder=filled.home.parent).end()
    assert done.code == 2
    assert f"port {filled.port} of 127.0.0.1 is in use by another coattail" in done.err
    free = int(done.err.rpartition("--port ")[2].split()[0])
    assert filled.port < free <= filled.port + 50


def test_a_client_that_dribbles_its_request_keeps_nobody_waiting(filled: Server) -> None:
    with filled.connected() as slow:
        for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\n":
            slow.sendall(bytes([byte]))
            if byte == ord("G"):
                assert filled.get("/alerts?limit=1")[0] == 200
        slow.sendall(b"\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"


def test_a_body_of_a_gigabyte_is_refused_before_it_is_sent(filled: Server) -> None:
    with filled.connected() as client:
        client.sendall(b"POST /alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, msgspec.json.decode(answer.read())["error"]) == (405, "method_not_allowed")
    with filled.connected() as client:
        client.sendall(b"GET /alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, msgspec.json.decode(answer.read())["error"]) == (413, "body")
        assert client.recv(1) == b"", "the connection ends there"


def test_clients_that_never_read_keep_nobody_waiting(filled: Server) -> None:
    stuck = []
    for _ in range(20):
        client = filled.connected()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        client.sendall(b"GET /alerts?limit=200 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
        stuck.append(client)
    assert filled.get("/alerts?limit=200")[0] == 200
    for client in stuck:
        client.close()
    assert filled.get("/health")[0] == 200


def test_what_is_no_http_is_refused_and_keeps_nobody_waiting(filled: Server) -> None:
    for nonsense in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"x" * 99_999,
    ):
        with filled.connected() as client:
            client.sendall(nonsense)
            assert client.recv(12) == b"HTTP/1.1 400"
    assert filled.get("/health")[0] == 200


def test_each_client_is_answered_so_often(tmp_path: Path) -> None:
    with serving(Home.open(tmp_path / "home", create=True), "--rate", "1") as server:
        answers = [server.get("/health") for _ in range(3)]
    assert [status for status, _ in answers] == [200, 200, 429]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_at_once_also_while_somebody_listens(tmp_path: Path, number: int) -> None:
    home = Home.open(tmp_path / "home", create=True)
    with serving(home) as server, server.connected() as listener:
        listener.sendall(b"GET /alerts/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert listener.recv(12) == b"HTTP/1.1 200"
        began = time.monotonic()
        done = server.child.end(number)
        assert (done.code, done.err) == (0, "")
        assert time.monotonic() - began < 3
        rest = b""
        while more := listener.recv(65_536):
            rest += more
        assert rest.endswith(b"0\r\n\r\n"), "who listens gets an end, not a break"


def test_engines_come_are_killed_and_come_again_beside_it(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    pieces = evenly(market(), 6)
    stream = LocalStream(home.stream)
    with serving(home) as server, server.connected() as listener:
        listener.sendall(b"GET /alerts/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert server.get("/health")[1]["status"] == "empty"
        assert not home.hot_db.exists()
        counts = []
        for part in (pieces[:3], pieces[3:]):
            feed(stream, part)
            engine = Child("--home", home.path, "land", folder=tmp_path)
            landed = sum(map(len, pieces[: 3 * (len(counts) + 1)]))
            until(lambda n=landed: (server.get("/health")[1]["totals"] or {"received": 0})["received"] == n)  # type: ignore[misc]
            health = server.get("/health")[1]
            assert (health["status"], health["engine"]["state"]) in (("live", "running"), ("stale", "running"))
            engine.end(signal.SIGKILL)
            status, health = server.get("/health")
            assert (status, health["status"], health["totals"]["holds"]) == (200, "stopped", True)
            counts.append(server.get("/alerts?limit=200")[1]["count"])
        assert 0 < counts[0] < counts[1]
        told = b""
        while told.count(b"event: new") < 1:
            told += listener.recv(65_536)


def test_the_api_starts_without_what_answers_questions_about_tables() -> None:
    code = (
        "import sys, coattail.api.app, coattail.api.serve, coattail.api.opening, coattail.stores.hot_sqlite\n"
        "heavy = {'polars', 'pyarrow', 'pyiceberg', 'duckdb', 'pyspark', 'numpy', 'pandas', 'boto3', 'sqlglot'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def test_a_filled_server_answers_what_it_holds(filled: Server) -> None:
    assert filled.get(f"/alerts/{numbered(0).alert_id}")[0] == 200
    assert filled.get("/health", Host="evil.example")[0] == 400
