"""A front before an emulated service that fails as networks and services do, by chance that is seeded."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Faults:
    """What goes wrong: each request meets one of these, or none."""

    def __init__(self, seed: int, *, share: float) -> None:
        self._chance, self._share = random.Random(seed), share
        self._lock = threading.Lock()
        self.met: Counter[str] = Counter()
        self.down = False
        """Whether nothing answers at all."""

    def next(self) -> str:
        """throttled, failed, lost (done, but the answer never comes), down, or an empty text."""
        with self._lock:
            kind = "down" if self.down else ""
            if not kind and self._chance.random() < self._share:
                kind = self._chance.choice(("throttled", "failed", "lost"))
            self.met[kind] += 1
            return kind


@contextlib.contextmanager
def faulty(service: str, faults: Faults) -> Iterator[str]:
    """The address of the front."""

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fault = faults.next()
            if fault == "down":
                self.close_connection = True
                return
            if fault in ("throttled", "failed"):
                code = {"throttled": "ProvisionedThroughputExceededException", "failed": "InternalServerError"}[fault]
                self._answer(400 if fault == "throttled" else 500, json.dumps({"__type": code}).encode())
                return
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            request = urllib.request.Request(service, data=body, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    status, content = answer.status, answer.read()
            except urllib.error.HTTPError as refused:
                status, content = refused.code, refused.read()
            if fault == "lost":
                self.close_connection = True
            else:
                self._answer(status, content)

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
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
