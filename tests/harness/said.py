"""An exchange on loopback that says what a test wants: its WebSocket in a thread, and its REST service beside it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Answers = Callable[[str], Sequence[str]]
"""What it says to a message, at once."""


class Saying:
    """A WebSocket server. Everything that it does to its clients happens when a test calls for it."""

    def __init__(self, answers: Answers, *, patience: float | None = None) -> None:
        """patience: Seconds after which a client that says nothing is sent away; None means never."""
        self.heard: list[str] = []
        """What clients said, in order."""
        self.sent_away = 0
        self._answers, self._patience = answers, patience
        self._lines: dict[ServerConnection, str] = {}
        """The open connections on which something was said, with the first message of each."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="exchange")
        self._thread.start()
        self._server: Server = self._call(self._open())
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def say(self, *messages: str) -> None:
        """To all clients that have said something."""
        self._call(self._say(messages))

    def cut(self, having: str = "") -> None:
        """Break the connections whose first message had this text."""
        self._call(self._cut(having))

    @property
    def lines(self) -> list[str]:
        """The first message of each client that is there."""
        return list(self._lines.values())

    @property
    def listeners(self) -> int:
        """How many clients have said something and are there."""
        return len(self._lines)

    def close(self) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(10)

    async def _open(self) -> Server:
        return await serve(self._serve, "127.0.0.1", 0)

    async def _serve(self, line: ServerConnection) -> None:
        try:
            while True:
                text = await asyncio.wait_for(line.recv(decode=True), self._patience)
                self.heard.append(str(text))
                for answer in self._answers(str(text)):
                    await line.send(answer)
                self._lines.setdefault(line, str(text))
        except TimeoutError:
            self.sent_away += 1
            await line.close(4004, "no data received in time")
        except ConnectionClosed:
            pass
        finally:
            self._lines.pop(line, None)

    async def _say(self, messages: Sequence[str]) -> None:
        for line in list(self._lines):
            for message in messages:
                await line.send(message)

    async def _cut(self, having: str) -> None:
        for line, first in list(self._lines.items()):
            if having in first:
                del self._lines[line]
                line.transport.abort()

    async def _close(self) -> None:
        self._server.close()
        await self._server.wait_closed()


@contextmanager
def saying(answers: Answers, *, patience: float | None = None) -> Iterator[Saying]:
    """An exchange whose WebSocket answers like this."""
    server = Saying(answers, patience=patience)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def answering(answer: Callable[[httpx.Request], httpx.Response]) -> Iterator[str]:
    """Scheme, host and port of a REST service that answers like this."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            response = answer(httpx.Request("GET", f"http://{self.headers['Host']}{self.path}"))
            self.send_response(response.status_code)
            self.send_header("Content-Length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def kraken_trade(number: int, at: str, *, symbol: str = "BTC/USD", price: str = "61000.1", qty: str = "0.5") -> str:
    """A trade as it stands in Kraken's messages; `at` is its time."""
    return (
        f'{{"symbol":"{symbol}","side":"buy","price":{price},"qty":{qty},"ord_type":"limit","trade_id":{number},'
        f'"timestamp":"{at}"}}'
    )


def kraken_message(*trades: str, kind: str = "update") -> str:
    """A message that holds them."""
    return f'{{"channel":"trade","type":"{kind}","data":[{",".join(trades)}]}}'


def okx_trade(number: int, ms: int, *, symbol: str = "BTC-USDT", price: str = "61000.1", size: str = "0.5") -> str:
    """A message of OKX's `trades-all`."""
    trade = {"instId": symbol, "tradeId": str(number), "px": price, "sz": size, "side": "sell", "source": "0",
             "ts": str(ms)}  # fmt: skip
    return json.dumps({"arg": {"channel": "trades-all", "instId": symbol}, "data": [trade]}, separators=(",", ":"))
