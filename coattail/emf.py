"""Metrics by their names in CloudWatch, and a line of a log that carries some: the embedded metric format."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

UNITS = {
    "RecordsProcessed": "Count",
    "RecordsPassed": "Count",
    "RecordsFailed": "Count",
    "RecordsLate": "Count",
    "RecordsDuplicate": "Count",
    "QualityScore": "Percent",
    "FailureRate": "Percent",
    "EventLag": "Seconds",
    "Backlog": "Bytes",
    "WorkflowSuccess": "Count",
    "WorkflowFailure": "Count",
}
"""What an engine and a day's work count, and its unit there; a metric of another name has none.

EventLag: from the newest trade's own time to its commit. Backlog: what waits in the stream, compressed.
"""

_MOST_METRICS, _MOST_DIMENSIONS = 100, 30
_LONGEST_NAME, _LONGEST_VALUE = 255, 1024
_LARGEST = 2.0**360
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def embedded_metrics(
    namespace: str, values: Mapping[str, float | None], dimensions: Mapping[str, str], at: datetime
) -> str:
    """One line of JSON: CloudWatch Logs makes metrics of it wherever it is logged alone in its line, as on Lambda.

    values: By name; units are those of `UNITS`, and None is left out. dimensions: Which metric it is: what is summed
    apart. at: The time of the values, with a zone; CloudWatch takes two weeks of past and two hours of future.
    Source: "Specification: Embedded metric format", Amazon CloudWatch User Guide.
    Raises: ValueError: If CloudWatch would take no metric from the line; it would only say so in metrics of its own.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for names, most in ((given, _MOST_METRICS), (dimensions, _MOST_DIMENSIONS)):
        if len(names) > most:
            raise ValueError(f"{len(names)} names in one line, and CloudWatch takes {most}: {', '.join(names)}")
    if not given:
        raise ValueError(f"a line of {namespace} without a value")
    if twice := given.keys() & dimensions.keys() | {"_aws"} & (given.keys() | dimensions.keys()):
        raise ValueError(f"{min(twice)} would be two things in one line")
    for name in (namespace, *given, *dimensions):
        _check(name, name, _LONGEST_NAME)
        if name.startswith(":"):
            raise ValueError(f"{name!r} begins with a colon, which CloudWatch takes for no name")
    for name, value in dimensions.items():
        _check(name, value, _LONGEST_VALUE)
    for name, number in given.items():
        if not math.isfinite(number) or abs(number) > _LARGEST:
            raise ValueError(f"{name} = {number} is not a number that CloudWatch takes")
    metrics = [{"Name": name, "Unit": UNITS.get(name, "None")} for name in given]
    directive = {"Namespace": namespace, "Dimensions": [[*dimensions]], "Metrics": metrics}
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
    return json.dumps(
        {"_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]}, **dimensions, **given},
        separators=(",", ":"),
    )


def _check(name: str, text: str, longest: int) -> None:
    if not (text.strip() and text.isascii() and text.isprintable() and len(text) <= longest):
        raise ValueError(f"{name} = {text!r} is not 1 to {longest} printable characters of ASCII for CloudWatch")
