"""A web server on loopback that answers as a script says, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer; `how`: whole, cut (within the body), reset (no answer at all), silent (none until the end)."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    how: str = "whole"


@dataclass(frozen=True)
class Asked:
    """What was posted."""

    path: str
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


class ScriptedServer:
    """Answers the n-th request with the n-th reply, and those after the last one with 200."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.replies = list(replies)
        self.asked: list[Asked] = []
        self.over = threading.Event()
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = server.take(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.answer(reply)

            def answer(self, reply: Reply) -> None:
                self.close_connection = True
                if reply.how == "silent":
                    server.over.wait(30)
                    return
                if reply.how == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body) + (1000 if reply.how == "cut" else 0)))
                self.end_headers()
                self.wfile.write(reply.body.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, address: object) -> None:
                """A connection that a script has closed is no error."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def take(self, asked: Asked) -> Reply:
        """Note a request; the reply to it."""
        with self._lock:
            self.asked.append(asked)
            return self.replies.pop(0) if self.replies else Reply()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serving(*replies: Reply) -> Iterator[ScriptedServer]:
    """A server that gives these replies."""
    server = ScriptedServer(replies)
    try:
        yield server
    finally:
        server.close()
