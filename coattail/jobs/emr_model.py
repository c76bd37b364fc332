"""What the emulated EMR Serverless keeps and does: job runs, their states, and the answers to requests."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote

from coattail.jobs.emr_applications import ACCOUNT, FIRST, LABEL, EmrApplications, EmrRefusal, refuse_asked
from coattail.jobs.emr_request import FAILED_ATTEMPTS_AN_HOUR
from coattail.jobs.emulated_logs import log_key

ENDED = ("SUCCESS", "FAILED", "CANCELLED")
_STREAMING_GRACE = 120
"""Seconds, where a cancellation names none. Source: EMR Serverless, job cancellation grace period."""
_SIZE = re.compile(r"spark\.(?:driver|executor)\.cores=(\d+)|executor\.instances=(\d+)")
_GB_PER_VCPU = 2


@dataclass
class _Run:
    """One job run."""

    application: str
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
        if state in ENDED:
            self.ended = self.updated

    @property
    def active(self) -> bool:
        return self.state not in ENDED

    @property
    def arn(self) -> str:
        return f"arn:aws:emr-serverless:us-east-1:{ACCOUNT}:/applications/{self.application}/jobruns/{self.id}"

    @property
    def log(self) -> Path:
        return self.log_of(self.attempt)

    def log_of(self, attempt: int) -> Path:
        return self.folder / f"{self.id}-{attempt}.log"

    def logs(self) -> dict[str, Path]:
        """What the driver wrote at each attempt, by where the request wants it: `BUCKET/KEY`."""
        monitoring = self.asked.get("configurationOverrides", {}).get("monitoringConfiguration", {})
        place = monitoring.get("s3MonitoringConfiguration", {}).get("logUri")
        attempts = range(1, self.attempt + 1) if place is not None else ()
        found = {log_key(place, self.application, self.id, number): self.log_of(number) for number in attempts}
        return {key: file for key, file in found.items() if file.exists()}

    def summary(self) -> dict[str, Any]:
        return {
            "applicationId": self.application, "id": self.id, "name": self.asked.get("name", "-"),
            "mode": self.asked.get("mode", "BATCH"), "arn": self.arn, "state": self.state,
            "createdBy": f"arn:aws:iam::{ACCOUNT}:user/local-emulation", "createdAt": self.created,
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


class EmrModel:
    """The service without its port: what it answers to a request; its jobs end with it.

    program: The words that run a job here, in place of its entry point; the arguments of the entry point are added.
    Or a function that gives them for a request: then a request may say what runs. step: Seconds between two states
    before a job runs. ended: Called with a run's request, id, attempt and log when an attempt of it is over.
    """

    def __init__(
        self, program: Sequence[str] | Callable[[dict[str, Any]], Sequence[str]], *, step: float = 0.05,
        ended: Callable[[dict[str, Any], str, int, Path], None] | None = None,
    ) -> None:  # fmt: skip
        self._program = program if callable(program) else lambda _: [*program]
        self._step, self._ended = step, ended
        self._runs: dict[str, _Run] = {}
        self._applications = EmrApplications(
            lambda application: sum(run.application == application and run.active for run in [*self._runs.values()])
        )
        self._lock = threading.Lock()
        self._folder = Path(mkdtemp(prefix="coattail-emulated-"))

    def answer(self, method: str, path: str, query: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content of the answer to a request of the REST-JSON protocol."""
        try:
            status, answer, more = 200, self._answer(method, path.strip("/").split("/"), parse_qs(query), body), {}
        except EmrRefusal as refusal:
            status = {"ResourceNotFoundException": 404, "ConflictException": 409}.get(refusal.kind, 400)
            answer, more = {"message": str(refusal)}, {"x-amzn-errortype": refusal.kind}
        return status, {"Content-Type": "application/json", **more}, json.dumps(answer).encode()

    def _answer(self, method: str, path: list[str], query: dict[str, list[str]], body: bytes) -> dict[str, Any]:
        match method, path:
            case "GET", ["applications", application, "jobruns"]:
                return self.all(application)
            case "POST", ["applications", application, "jobruns"]:
                return self.start(application, json.loads(body))
            case "GET", ["applications", application, "jobruns", identity]:
                return self.get(application, identity)
            case "DELETE", ["applications", application, "jobruns", identity]:
                grace = query.get("shutdownGracePeriodInSeconds")
                return self.cancel(application, identity, None if grace is None else float(grace[0]))
        if (answer := self._applications.answer(method, path, json.loads(body or b"{}"))) is not None:
            return answer
        raise EmrRefusal("ResourceNotFoundException", f"{method} /{'/'.join(path)} is not emulated ({LABEL})")

    def start(self, application: str, body: dict[str, Any]) -> dict[str, Any]:
        """StartJobRun."""
        self._applications.use(application)
        refuse_asked("StartJobRun", {"applicationId": application, **body})
        with self._lock:
            for run in self._runs.values():
                if run.asked["clientToken"] == body["clientToken"]:
                    if run.asked != body:
                        raise EmrRefusal("ConflictException", "the client token was used for another request")
                    return _started(run)
            run = _Run(application, body, self._folder)
            self._runs[run.id] = run
        run.thread = threading.Thread(target=self._walk, args=(run,), name=run.id, daemon=True)
        run.thread.start()
        return _started(run)

    def get(self, application: str, identity: str) -> dict[str, Any]:
        """GetJobRun."""
        return {"jobRun": self._run(application, identity).whole()}

    def all(self, application: str) -> dict[str, Any]:
        """ListJobRuns."""
        self._applications.refuse_unknown(application)
        return {
            "jobRuns": [run.summary() for run in reversed(list(self._runs.values())) if run.application == application]
        }

    def cancel(self, application: str, identity: str, grace: float | None) -> dict[str, Any]:
        """CancelJobRun; only a running job gets its time of grace, and a repetition changes nothing."""
        run = self._run(application, identity)
        with self._lock:
            if run.active and not run.cancelled.is_set():
                streaming = run.asked.get("mode") == "STREAMING"
                run.grace = grace if grace is not None else _STREAMING_GRACE if streaming else 0
                run.cancelled.set()
                if run.state == "RUNNING":
                    run.to("CANCELLING")
        return {"applicationId": application, "jobRunId": identity}

    def close(self) -> None:
        """End its jobs, and itself. Nobody is told of attempts that end by this."""
        self._ended = None
        for run in self._runs.values():
            run.grace = 0
            run.cancelled.set()
            if run.process is not None:
                _kill(run.process)
        for run in self._runs.values():
            if run.thread is not None:
                run.thread.join()
        shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, application: str, identity: str) -> _Run:
        self._applications.refuse_unknown(application)
        if identity not in self._runs or self._runs[identity].application != application:
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
            try:
                code = self._attempt(run)
            except Exception as error:
                return run.to("FAILED", f"the job run could not be started ({type(error).__name__}: {error})")
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
                [*self._program(run.asked), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            while run.process.poll() is None:
                if run.cancelled.wait(self._step):
                    self._end(run.process, run.grace)
        if self._ended is not None:
            self._ended({"applicationId": run.application, **run.asked}, run.id, run.attempt, run.log)
        return run.process.returncode

    @staticmethod
    def _end(process: subprocess.Popen[bytes], grace: float) -> None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
        _kill(process)
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it, and what it has started: a job on Spark has a process of Java."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def jobs_url(endpoint: str, region: str, artifacts: str) -> str:
    """The setting `jobs.url` for an emulation at this endpoint."""
    role = quote(f"arn:aws:iam::{ACCOUNT}:role/local-emulation", safe="")
    return (
        f"emr-serverless://{FIRST}?region={region}&role={role}&artifacts={quote(artifacts, safe='')}"
        f"&endpoint={quote(endpoint, safe='')}"
    )


def is_signed(authorization: str) -> bool:
    """Whether a request is signed. Its keys are no secret; but a page in a browser cannot send this header, and so
    starts no job.
    """
    return authorization.startswith("AWS4-HMAC-SHA256 ")


def unsigned() -> tuple[int, dict[str, str], bytes]:
    """The answer to a request that is not signed."""
    said = json.dumps({"message": f"the request is not signed ({LABEL})"}).encode()
    return 403, {"Content-Type": "application/json", "x-amzn-errortype": "MissingAuthenticationToken"}, said


def _started(run: _Run) -> dict[str, Any]:
    return {"applicationId": run.application, "jobRunId": run.id, "arn": run.arn}
