"""EMR Serverless on this machine, to try the whole way of a job without an account: a local emulation, and named so.

It speaks StartJobRun, GetJobRun, ListJobRuns and CancelJobRun over HTTP on 127.0.0.1, and really runs jobs: as
processes of this machine, without Spark's parameters and without entry points from S3. Modelled are the states and
their order, idempotency by `clientToken`, attempts of streaming jobs, cancelling with a time of grace, and what is
billed (the workers that were asked for, by the second), and logs, which can be read as if they were in their bucket.
Not modelled: roles, capacity, cold starts, pages.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

from coattail.jobs.emr_applications import LABEL
from coattail.jobs.emr_model import EmrModel, is_signed, jobs_url, unsigned
from coattail.jobs.emulated_logs import answered

__all__ = ["LABEL", "EmulatedEmr"]


class EmulatedEmr(EmrModel):
    """Such a service on a port of its own, as a context manager. program, step: As of `EmrModel`."""

    def __init__(self, program: Sequence[str], *, step: float = 0.05) -> None:
        super().__init__(program, step=step)

        class Bound(_Handler):
            service = self

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="emulated emr", daemon=True
        )
        self._thread.start()
        atexit.register(self.close)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """The address for `ws.submit(…, on=url)` and for `jobs.url`."""
        return jobs_url(self.endpoint, "us-east-1", "s3://local-emulation")

    def answer(self, method: str, path: str, query: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """As promised; whatever is not about applications is a question for the bucket of its logs."""
        if method != "GET" or path.startswith("/applications"):
            return super().answer(method, path, query, body)
        return answered({key: file for run in self._runs.values() for key, file in run.logs().items()}, path, query)

    def close(self) -> None:
        """End its jobs, and itself."""
        atexit.unregister(self.close)
        super().close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Requests of the REST-JSON protocol."""

    service: ClassVar[EmulatedEmr]
    protocol_version = "HTTP/1.1"
    server_version = "coattail local-emulation"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        if not is_signed(self.headers.get("Authorization", "")):
            status, headers, answer = unsigned()
        else:
            status, headers, answer = self.service.answer(self.command, parts.path, parts.query, body)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""
