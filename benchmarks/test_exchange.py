"""What the exchange on loopback can send to one client: it must never be what a measurement of a client measures."""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
from datetime import timedelta

from benchmarks.report import row
from coattail.market import Asset, Market, SimulatedInstrument
from coattail.market.exchange import serving

SYMBOLS, TRADES = 300, 400_000


def busy() -> Market:
    """300 symbols on Binance; a chunk of five minutes holds all that is served here."""
    instruments = tuple(
        SimulatedInstrument(
            exchange="binance",
            asset=Asset(name=f"A{number:03d}", price=10.0 + number, volatility_bps=1.0),
            quote="USDT",
            trades_per_minute=330,
            order_size=500,
            lot=1e-4,
        )
        for number in range(SYMBOLS)
    )
    return Market(seed=1, instruments=instruments, exchanges=("binance",), planted=(), duration=timedelta(minutes=5))


def test_trades_that_one_client_is_sent_a_second() -> None:
    with serving(busy()) as served:
        venue = served.binance
        key = base64.b64encode(os.urandom(16)).decode()
        streams = "/".join(f"{code.lower()}@trade" for code in venue.instruments)
        with socket.create_connection(("127.0.0.1", venue.venue.port)) as client:
            client.sendall(
                f"GET /stream?streams={streams} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            assert b" 101 " in client.recv(4096)
            received = 0

            def read() -> None:
                nonlocal received
                while data := client.recv(1 << 20):
                    received += data.count(b'"e":"trade"')

            reader = threading.Thread(target=read)
            reader.start()
            began = time.monotonic()
            venue.release(TRADES)
            while received < TRADES - TRADES // 1000:  # the few that a read cuts in two are not counted
                assert time.monotonic() < began + 60
                time.sleep(0.005)
            rate = TRADES / (time.monotonic() - began)
            client.shutdown(socket.SHUT_RDWR)
            reader.join()
    row(
        f"exchange on loopback, one client, {SYMBOLS} symbols", rate, None, "trades/s", None, 20_000, 200_000,
        "messages made in bulk for all clients; without compression or TLS", judged="ours",
    )  # fmt: skip
