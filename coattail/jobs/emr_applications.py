"""The applications of the emulated EMR Serverless, as its requests make, change, start, stop and delete them."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from coattail.errors import UsageError
from coattail.jobs.emr_request import refuse_invalid

LABEL = "local emulation"
ACCOUNT = "000000000000"
FIRST = "00emulated0"
"""The id of the application that is there from the beginning."""

_RELEASE = re.compile(r"emr-(spark-)?\d+\.\d+\.\d+")
_AUTO_START = {"enabled": True}
_AUTO_STOP = {"enabled": True, "idleTimeoutMinutes": 15}


class EmrRefusal(Exception):
    """An answer that is an error of the service."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class _Application:
    """One application: what its creator asked for, and its state."""

    asked: dict[str, Any]
    id: str = field(default_factory=lambda: f"00{uuid.uuid4().hex[:14]}")
    state: str = "CREATED"
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)

    @property
    def arn(self) -> str:
        return f"arn:aws:emr-serverless:us-east-1:{ACCOUNT}:/applications/{self.id}"

    def to(self, state: str) -> None:
        self.state, self.updated = state, time.time()

    def whole(self) -> dict[str, Any]:
        asked = {name: value for name, value in self.asked.items() if name != "clientToken"}
        return {
            "architecture": "X86_64", "autoStartConfiguration": _AUTO_START, "autoStopConfiguration": _AUTO_STOP,
            **asked,
            "applicationId": self.id, "arn": self.arn, "state": self.state, "stateDetails": LABEL,
            "type": self.asked["type"].capitalize(), "createdAt": self.created, "updatedAt": self.updated,
        }  # fmt: skip

    def summary(self) -> dict[str, Any]:
        whole = self.whole()
        names = (
            "name",
            "arn",
            "releaseLabel",
            "type",
            "state",
            "stateDetails",
            "createdAt",
            "updatedAt",
            "architecture",
        )
        return {"id": self.id, **{name: whole[name] for name in names}}


class EmrApplications:
    """What answers to requests about applications and their tags. active: How many jobs of one are not over."""

    def __init__(self, active: Callable[[str], int]) -> None:
        self._active = active
        self._lock = threading.Lock()
        first = {"name": LABEL, "releaseLabel": LABEL.replace(" ", "-"), "type": "SPARK", "architecture": "ARM64"}
        self._found = {FIRST: _Application(first, FIRST, "STARTED")}

    def answer(self, method: str, path: list[str], body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a request; None if it is not about applications. Raises: EmrRefusal: As the service says it."""
        with self._lock:
            match method, path:
                case "GET", ["applications"]:
                    return {"applications": [each.summary() for each in self._found.values()]}
                case "POST", ["applications"]:
                    return self._create(body)
                case "GET", ["applications", identity]:
                    return {"application": self._application(identity).whole()}
                case "PATCH", ["applications", identity]:
                    return self._update(self._application(identity), body)
                case "DELETE", ["applications", identity]:
                    return self._delete(self._application(identity))
                case "POST", ["applications", identity, "start"]:
                    return self._moved(self._application(identity), "STARTED")
                case "POST", ["applications", identity, "stop"]:
                    return self._stop(self._application(identity))
                case method, ["tags", *arn]:
                    return self._tags(method, "/".join(arn), body)
        return None

    def use(self, identity: str) -> None:
        """A job is about to run on it: one that starts by itself does. Raises: EmrRefusal: If it cannot run jobs."""
        with self._lock:
            application = self._application(identity)
            if application.state == "TERMINATED":
                raise EmrRefusal("ResourceNotFoundException", f"Application {identity} does not exist ({LABEL})")
            if application.state != "STARTED" and not application.whole()["autoStartConfiguration"]["enabled"]:
                raise EmrRefusal("ValidationException", f"Application {identity} is not started ({LABEL})")
            application.to("STARTED")

    def refuse_unknown(self, identity: str) -> None:
        """Raises: EmrRefusal: If there is no such application."""
        with self._lock:
            self._application(identity)

    def _application(self, identity: str) -> _Application:
        if identity not in self._found:
            raise EmrRefusal("ResourceNotFoundException", f"Application {identity} does not exist ({LABEL})")
        return self._found[identity]

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        refuse_asked("CreateApplication", body)
        if not _RELEASE.fullmatch(body["releaseLabel"]):
            raise EmrRefusal("ValidationException", f"Release label {body['releaseLabel']} is not supported ({LABEL})")
        made = next((a for a in self._found.values() if a.asked.get("clientToken") == body["clientToken"]), None)
        if made is None:
            made = _Application(body)
            self._found[made.id] = made
        return {"applicationId": made.id, "name": body.get("name", ""), "arn": made.arn}

    def _update(self, application: _Application, body: dict[str, Any]) -> dict[str, Any]:
        refuse_asked("UpdateApplication", {"applicationId": application.id, **body})
        if application.state not in ("CREATED", "STOPPED"):
            said = f"Application {application.id} must be in one of CREATED, STOPPED to be updated ({LABEL})"
            raise EmrRefusal("ValidationException", said)
        token = application.asked.get("clientToken")
        application.asked = {**application.asked, **body, "clientToken": token}
        return {"application": application.whole()}

    def _delete(self, application: _Application) -> dict[str, Any]:
        if application.state == "STARTED":
            raise EmrRefusal("ValidationException", f"Application {application.id} must be stopped first ({LABEL})")
        return self._moved(application, "TERMINATED")

    def _stop(self, application: _Application) -> dict[str, Any]:
        if count := self._active(application.id):
            said = f"Application {application.id} cannot be stopped: {count} of its jobs are not over ({LABEL})"
            raise EmrRefusal("ValidationException", said)
        return self._moved(application, "STOPPED")

    @staticmethod
    def _moved(application: _Application, state: str) -> dict[str, Any]:
        application.to(state)
        return {}

    def _tags(self, method: str, arn: str, body: dict[str, Any]) -> dict[str, Any]:
        application = next((each for each in self._found.values() if each.arn == arn), None)
        if application is None:
            raise EmrRefusal("ResourceNotFoundException", f"{arn} does not exist ({LABEL})")
        tags = application.asked.get("tags", {})
        if method == "POST":
            application.asked["tags"] = {**tags, **body["tags"]}
        return {"tags": tags} if method == "GET" else {}


def refuse_asked(operation: str, asked: dict[str, Any]) -> None:
    """Refuse, as the service does, what does not fit its description. Raises: EmrRefusal."""
    try:
        refuse_invalid(operation, asked)
    except UsageError as error:
        raise EmrRefusal("ValidationException", error.message) from None
