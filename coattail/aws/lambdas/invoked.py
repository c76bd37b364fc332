"""What every function has in common: an event is read as a form, one line of JSON says what came of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from coattail.emf import embedded_metrics
from coattail.errors import CoattailError, ConfigError, UsageError
from coattail.workspace.documents.conventions import plain

Event = TypeVar("Event", bound=msgspec.Struct)

HOT_STORE, HISTORICAL, METRICS = "COATTAIL_HOT_STORE", "COATTAIL_HISTORICAL", "COATTAIL_METRICS"
"""Variables of the environment: where the hot store and the files of history are, and the namespace of metrics."""

LONGEST_SECONDS = 300.0
"""How long an invocation may take where no context says it."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One call of a function."""

    function: str
    request: str
    """What the service calls this invocation; empty outside of it."""
    until: float
    """When it is ended whatever it does, in seconds of `time.monotonic`."""

    def say(self, said: str, *, level: str = "INFO", **more: Any) -> None:
        """One line of JSON in the log."""
        print(
            json.dumps({"level": level, "function": self.function, "request": self.request, "said": said, **more}),
            flush=True,
        )


def function(
    name: str, form: type[Event], work: Callable[[Event, Invocation], msgspec.Struct]
) -> Callable[[Any, Any], dict[str, Any]]:
    """What Lambda calls with an event and a context: the answer of `work`, in JSON types.

    form: What an event must be.
    Raises: CoattailError: If it is something else, or `work` fails; Step Functions sees the name of the class as the
    error, and the sentence as its cause.
    """

    def handler(event: Any, context: Any) -> dict[str, Any]:
        began = time.monotonic()
        left = getattr(context, "get_remaining_time_in_millis", None)
        call = Invocation(
            function=name, request=str(getattr(context, "aws_request_id", "")),
            until=began + (LONGEST_SECONDS if left is None else left() / 1000),
        )  # fmt: skip
        try:
            answer: dict[str, Any] = plain(work(_read(name, form, event), call))
        except CoattailError as error:
            call.say(str(error), level="ERROR", error=type(error).__name__, seconds=round(time.monotonic() - began, 3))
            raise
        call.say("done", seconds=round(time.monotonic() - began, 3), answer=answer)
        return answer

    return handler


def _read(name: str, form: type[Event], event: Any) -> Event:
    try:
        return msgspec.convert({} if event is None else event, form)
    except msgspec.ValidationError as error:
        takes = ", ".join(field.name for field in msgspec.structs.fields(form))
        raise UsageError(f"the event of {name} does not fit ({error})", next_step=f"it takes {takes}") from None


def variable(name: str, what: str) -> str:
    """The value of a variable of the environment. what: What to write into it.

    Raises: ConfigError: If it is not set.
    """
    if not (value := os.environ.get(name)):
        raise ConfigError(f"{name} is not set", next_step=what)
    return value


def count_aloud(values: Mapping[str, float | None], dimensions: Mapping[str, str], at: datetime) -> None:
    """A line of the log from which CloudWatch makes metrics."""
    namespace = os.environ.get(METRICS) or "coattail"
    print(embedded_metrics(namespace, values, dimensions, at), flush=True)
