"""EMR Serverless on this machine, to try the whole way of a job without an account: a local emulation, and named so.

It speaks StartJobRun, GetJobRun, ListJobRuns and CancelJobRun over HTTP on 127.0.0.1, and really runs jobs: as
processes of this machine, without Spark's parameters and without entry points from S3. Modelled are the states and
their order, idempotency by `clientToken`, attempts of streaming jobs, cancelling with a time of grace, and what is
billed (the workers that were asked for, by the second). Not modelled: roles, capacity, cold starts, logs, pages.
"""

from __future__ import annotations

import atexit
import json
import re
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, quote, urlsplit

from coattail.errors import UsageError
from coattail.jobs.emr_request import FAILED_ATTEMPTS_AN_HOUR, refuse_invalid

LABEL = "local emulation"

_APPLICATION = "00emulated0"
_ACCOUNT = "000000000000"
_ENDED = ("SUCCESS", "FAILED", "CANCELLED")
_STREAMING_GRACE = 120
"""Seconds, where a cancellation names none. Source: EMR Serverless, job cancellation grace period."""
_SIZE = re.compile(r"spark\.(?:driver|executor)\.cores=(\d+)|executor\.instances=(\d+)")
_GB_PER_VCPU = 2


class EmrRefusal(Exception):
    """An answer that is an error of the service."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class _Run:
    """One job run."""

    asked: dict[str, Any]
    folder: Path
    id: str = field(default_factory=lambda: f"00{uuid.uuid4().hex[:14]}")
    state: str = "SUBMITTED"
    details: str = ""
    attempt: int = 1
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    grace: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    thread: threading.Thread | None = None

    def to(self, state: str, details: str = "") -> None:
        self.state, self.details, self.updated = state, details[:256], time.time()
        if state == "RUNNING" and self.started is None:
            self.started = self.updated
        if state in _ENDED:
            self.ended = self.updated

    @property
    def log(self) -> Path:
        return self.folder / f"{self.id}.log"

    def summary(self) -> dict[str, Any]:
        return {
            "applicationId": _APPLICATION, "id": self.id, "name": self.asked.get("name", "-"),
            "mode": self.asked.get("mode", "BATCH"), "arn": _arn(self.id), "state": self.state,
            "createdBy": f"arn:aws:iam::{_ACCOUNT}:user/local-emulation", "createdAt": self.created,
            "updatedAt": self.updated, "executionRole": self.asked["executionRoleArn"],
            "stateDetails": self.details or LABEL, "releaseLabel": "local-emulation", "type": "Spark",
            "attempt": self.attempt,
        }  # fmt: skip

    def whole(self) -> dict[str, Any]:
        seconds = 0.0 if self.started is None else (self.ended or time.time()) - self.started
        numbers = [[int(n or 0) for n in found] for found in _SIZE.findall(self._parameters)]
        cores = [first for first, _ in numbers if first]
        vcpu = (cores[0] + cores[-1] * sum(second for _, second in numbers)) if cores else 2
        used = {"vCPUHour": vcpu * seconds / 3600, "memoryGBHour": vcpu * _GB_PER_VCPU * seconds / 3600,
                "storageGBHour": 0.0}  # fmt: skip
        whole = {**self.summary(), "jobRunId": self.id, "jobDriver": self.asked["jobDriver"],
                 "tags": self.asked.get("tags", {}), "startedAt": self.started, "endedAt": self.ended,
                 "totalExecutionDurationSeconds": int(seconds), "totalResourceUtilization": used}  # fmt: skip
        if self.ended is not None:
            whole["billedResourceUtilization"] = {name: round(value, 6) for name, value in used.items()}
        return {name: value for name, value in whole.items() if value is not None and name not in ("id", "type")}

    @property
    def _parameters(self) -> str:
        said: str = self.asked["jobDriver"]["sparkSubmit"].get("sparkSubmitParameters", "")
        return said


class EmulatedEmr:
    """Such a service, as a context manager; its jobs end with it.

    program: The words that run a job here, in place of its entry point; the arguments of the entry point are added.
    step: Seconds between two states before a job runs.
    """

    def __init__(self, program: Sequence[str], *, step: float = 0.05) -> None:
        self._program, self._step = list(program), step
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()
        self._folder = Path(mkdtemp(prefix="coattail-emulated-"))

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
        role = quote(f"arn:aws:iam::{_ACCOUNT}:role/local-emulation", safe="")
        artifacts = quote("s3://local-emulation", safe="")
        return (
            f"emr-serverless://{_APPLICATION}?region=us-east-1&role={role}&artifacts={artifacts}"
            f"&endpoint={quote(self.endpoint, safe='')}"
        )

    def start(self, application: str, body: dict[str, Any]) -> dict[str, Any]:
        """StartJobRun."""
        _refuse_unknown(application)
        try:
            refuse_invalid("StartJobRun", {"applicationId": application, **body})
        except UsageError as error:
            raise EmrRefusal("ValidationException", error.message) from None
        with self._lock:
            for run in self._runs.values():
                if run.asked["clientToken"] == body["clientToken"]:
                    if run.asked != body:
                        raise EmrRefusal("ConflictException", "the client token was used for another request")
                    return _started(run)
            run = _Run(body, self._folder)
            self._runs[run.id] = run
        run.thread = threading.Thread(target=self._walk, args=(run,), name=run.id, daemon=True)
        run.thread.start()
        return _started(run)

    def get(self, application: str, identity: str) -> dict[str, Any]:
        """GetJobRun."""
        return {"jobRun": self._run(application, identity).whole()}

    def all(self, application: str) -> dict[str, Any]:
        """ListJobRuns."""
        _refuse_unknown(application)
        return {"jobRuns": [run.summary() for run in reversed(list(self._runs.values()))]}

    def cancel(self, application: str, identity: str, grace: float | None) -> dict[str, Any]:
        """CancelJobRun; only a running job gets its time of grace, and a repetition changes nothing."""
        run = self._run(application, identity)
        with self._lock:
            if run.state not in _ENDED and not run.cancelled.is_set():
                streaming = run.asked.get("mode") == "STREAMING"
                run.grace = grace if grace is not None else _STREAMING_GRACE if streaming else 0
                run.cancelled.set()
                if run.state == "RUNNING":
                    run.to("CANCELLING")
        return {"applicationId": application, "jobRunId": identity}

    def close(self) -> None:
        """End its jobs, and itself."""
        atexit.unregister(self.close)
        for run in self._runs.values():
            run.grace = 0
            run.cancelled.set()
            if run.process is not None:
                run.process.kill()
        for run in self._runs.values():
            if run.thread is not None:
                run.thread.join()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, application: str, identity: str) -> _Run:
        _refuse_unknown(application)
        if identity not in self._runs:
            raise EmrRefusal("ResourceNotFoundException", f"Job run {identity} does not exist ({LABEL})")
        return self._runs[identity]

    def _walk(self, run: _Run) -> None:
        """From state to state, to the end."""
        for state in ("PENDING", "SCHEDULED", "RUNNING"):
            if run.cancelled.wait(self._step):
                return run.to("CANCELLED", "the job run was cancelled before it ran")
            run.to(state)
        attempts = 1
        if run.asked.get("mode") == "STREAMING":
            attempts = run.asked.get("retryPolicy", {}).get("maxFailedAttemptsPerHour", FAILED_ATTEMPTS_AN_HOUR)
        while True:
            code = self._attempt(run)
            if run.cancelled.is_set():
                return run.to("CANCELLED", "the job run was cancelled")
            if code == 0:
                return run.to("SUCCESS")
            if run.attempt >= attempts:
                said = run.log.read_text(errors="replace").strip().splitlines()
                return run.to("FAILED", said[-1] if said else f"the job run failed with exit code {code}")
            run.attempt += 1

    def _attempt(self, run: _Run) -> int:
        words = run.asked["jobDriver"]["sparkSubmit"].get("entryPointArguments", [])
        with open(run.log, "wb") as log:
            run.process = subprocess.Popen(
                [*self._program, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            while run.process.poll() is None:
                if run.cancelled.wait(self._step):
                    self._end(run.process, run.grace)
        return run.process.returncode

    @staticmethod
    def _end(process: subprocess.Popen[bytes], grace: float) -> None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
        process.kill()
        process.wait()


class _Handler(BaseHTTPRequestHandler):
    """Requests of the REST-JSON protocol."""

    service: ClassVar[EmulatedEmr]
    protocol_version = "HTTP/1.1"
    server_version = "coattail local-emulation"

    def do_GET(self) -> None:
        match self._path:
            case ["applications", application, "jobruns"]:
                self._answer(self.service.all, application)
            case ["applications", application, "jobruns", identity]:
                self._answer(self.service.get, application, identity)
            case _:
                self._refuse(EmrRefusal("ResourceNotFoundException", f"{self.path} is not emulated ({LABEL})"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match self._path:
            case ["applications", application, "jobruns"]:
                self._answer(self.service.start, application, json.loads(body))
            case _:
                self._refuse(EmrRefusal("ResourceNotFoundException", f"{self.path} is not emulated ({LABEL})"))

    def do_DELETE(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        grace = query.get("shutdownGracePeriodInSeconds")
        match self._path:
            case ["applications", application, "jobruns", identity]:
                self._answer(self.service.cancel, application, identity, None if grace is None else float(grace[0]))
            case _:
                self._refuse(EmrRefusal("ResourceNotFoundException", f"{self.path} is not emulated ({LABEL})"))

    @property
    def _path(self) -> list[str]:
        return urlsplit(self.path).path.strip("/").split("/")

    def _answer(self, ask: Any, *arguments: object) -> None:
        try:
            if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 "):
                # its keys are no secret; but a page in a browser cannot send this header, and starts no job
                raise EmrRefusal("MissingAuthenticationToken", f"the request is not signed ({LABEL})")
            answer = ask(*arguments)
        except EmrRefusal as refusal:
            self._refuse(refusal)
        else:
            self._send(200, answer)

    def _refuse(self, refusal: EmrRefusal) -> None:
        status = {"ResourceNotFoundException": 404, "ConflictException": 409, "MissingAuthenticationToken": 403}.get(
            refusal.kind, 400
        )
        self._send(status, {"message": str(refusal)}, {"x-amzn-errortype": refusal.kind})

    def _send(self, status: int, answer: dict[str, Any], more: dict[str, str] | None = None) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **(more or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def _started(run: _Run) -> dict[str, Any]:
    return {"applicationId": _APPLICATION, "jobRunId": run.id, "arn": _arn(run.id)}


def _arn(identity: str) -> str:
    return f"arn:aws:emr-serverless:us-east-1:{_ACCOUNT}:/applications/{_APPLICATION}/jobruns/{identity}"


def _refuse_unknown(application: str) -> None:
    if application != _APPLICATION:
        raise EmrRefusal("ResourceNotFoundException", f"Application {application} does not exist ({LABEL})")
