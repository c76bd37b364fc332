"""A front before an emulated service that fails as networks and services do, by chance that is seeded."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_JSON = [("Content-Type", "application/x-amz-json-1.0")]
_XML = [("Content-Type", "application/xml")]

Refusal = tuple[int, str, str] | bytes
"""Status, code and message of an answer; or all that an answer says which is no refusal."""
_THROTTLED: dict[str, Refusal] = {"S3": (503, "SlowDown", "Please reduce your request rate."),
              "JSON": (400, "ProvisionedThroughputExceededException", "slower")}  # fmt: skip
_FAILED: dict[str, Refusal] = {"S3": (500, "InternalError", "We encountered an internal error. Please try again."),
           "JSON": (500, "InternalServerError", "again")}  # fmt: skip


class Faults:
    """What goes wrong: each request meets one of these, or none."""

    def __init__(self, seed: int, *, share: float) -> None:
        self._chance, self.share = random.Random(seed), share
        self._lock = threading.Lock()
        self.met: Counter[str] = Counter()
        self.down = False
        """Whether nothing answers at all."""
        self.refuse: Callable[[str, bytes], Refusal | None] = lambda action, body: None
        """What a request is answered that would have gone through, by its method or action and its body."""
        self.losing: Counter[str] = Counter()
        """How many answers still get lost, by method or action: done, and never told."""
        self.asked: Counter[str] = Counter()
        """Requests by method, and by what an action's header names; LIST are those of GET that list a bucket."""

    def next(self) -> str:
        """throttled, failed, lost (done, but the answer never comes), down, or an empty text."""
        with self._lock:
            kind = "down" if self.down else ""
            if not kind and self._chance.random() < self.share:
                kind = self._chance.choice(("throttled", "failed", "lost"))
            self.met[kind] += 1
            return kind


@contextlib.contextmanager
def faulty(service: str, faults: Faults) -> Iterator[str]:
    """The address of the front."""

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self._body()
            action = self.headers.get("X-Amz-Target") or self.command
            faults.asked[action] += 1
            if "list-type=" in self.path:
                faults.asked["LIST"] += 1
            fault = faults.next()
            if fault == "down":
                self.close_connection = True
                return
            form = "JSON" if self.headers.get("X-Amz-Target") else "S3"
            refusal = {"throttled": _THROTTLED[form], "failed": _FAILED[form]}.get(fault) or faults.refuse(action, body)
            if refusal is not None:
                self._refuse(form, refusal)
                return
            own = ("host", "transfer-encoding", "content-length", "expect", "connection")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
            at = urlsplit(service)
            with closing(http.client.HTTPConnection(at.hostname or "", at.port, timeout=20)) as there:
                there.request(self.command, self.path, body=body, headers=headers)
                answer = there.getresponse()
                content = answer.read()
            if fault == "lost" or faults.losing[action] > 0:
                faults.losing[action] -= 1
                self.close_connection = True
            else:
                self._answer(answer.status, content, answer.getheaders())

        def _refuse(self, form: str, refusal: Refusal) -> None:
            if isinstance(refusal, bytes):
                self._answer(200, refusal, _XML if form == "S3" else _JSON)
                return
            status, code, message = refusal
            if form == "JSON":
                self._answer(status, json.dumps({"__type": code, "message": message}).encode())
            else:
                said = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
                self._answer(status, said.encode(), _XML)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while length := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(length))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _answer(self, status: int, content: bytes, headers: Iterable[tuple[str, str]] = _JSON) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                    self.send_header(name, value)
            length = next((v for n, v in headers if n.lower() == "content-length"), str(len(content)))
            self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
