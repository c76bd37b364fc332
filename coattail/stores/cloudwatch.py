"""What an engine measured, said in CloudWatch: the engine never waits for the service, and never fails with it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from coattail.emf import UNITS
from coattail.service_client import connect, trouble
from coattail.service_url import ServiceUrl

log = logging.getLogger(__name__)

_EVERY = timedelta(seconds=10)
"""Between two calls: what a kill can lose, and 9,000 calls a day at most."""
_MOST_AT_ONCE = 1000
"""Data in one call: the service's limit; compressed they are far below its 1 MB."""
_MOST_WAITING = 50_000
"""Data that wait while the service takes none: half a day of three exchanges, 10 MB."""
_SAY_EVERY_SECONDS = 60.0
_AT_THE_END = 5
"""Calls when the engine ends, for what is left."""
_NEVER = {"InvalidParameterValue", "InvalidParameterCombination", "MissingParameter", "ValidationError",
          "ValidationException", "InvalidParameterValueException"}  # fmt: skip
"""Codes of data that the service will not take another time either."""


class Statistic(NamedTuple):
    """Values of a metric, as many as there were: what CloudWatch calls a statistic set."""

    samples: float
    total: float
    least: float
    most: float

    @classmethod
    def of(cls, value: float, samples: float = 1) -> Statistic:
        """The same value once or several times."""
        return cls(samples, value * samples, value, value)

    def plus(self, other: Statistic) -> Statistic:
        """Both together."""
        return Statistic(
            self.samples + other.samples, self.total + other.total, min(self.least, other.least),
            max(self.most, other.most),
        )  # fmt: skip


Measurements = Mapping[tuple[str, str | None], Statistic]
"""(Metric, exchange) -> values; None: of all exchanges, without that dimension."""


class CloudWatch:
    """Metrics in the namespace `at.name`, sent by a thread of its own until `close`.

    Delivery: at most once. What was added is sent within 10 seconds, or when the engine ends; a kill loses what was not
    sent yet, and nothing is sent again whose fate is unknown. While the service refuses or cannot be reached data wait,
    the oldest are given up first, and the log says so once a minute. Values of the same minute are one datum, whose
    sums, averages, least and most are those of its parts.

    Raises: ConfigError: If no region is known.
    """

    def __init__(
        self, at: ServiceUrl, *, setting: str = "metrics.url", every: timedelta = _EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """`every`: between two calls. `clock`: seconds, for how often the log says what goes wrong."""
        self._namespace, self._setting, self._every, self._clock = at.name, setting, every.total_seconds(), clock
        self._client = connect(
            "cloudwatch", setting=setting, region=at.region, endpoint=at.endpoint, attempts=1, read_seconds=5, at_once=1
        )
        self._waiting: dict[tuple[int, str, str | None], Statistic] = {}
        """By minute, in the order in which they came."""
        self._lock = threading.Lock()
        self._lost = 0
        self._why = ""
        """What the last call that failed met."""
        self._unsaid = False
        self._said_at: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cloudwatch", daemon=True)
        self._thread.start()

    def add(self, measured: Measurements, at: datetime) -> None:
        """Have values said that were measured at a time; never waits."""
        minute = int(at.timestamp()) // 60
        with self._lock:
            for (name, exchange), values in measured.items():
                self._merge((minute, name, exchange), values)
            self._bound()

    def close(self) -> None:
        """Send what is left, for some seconds at most."""
        self._ended.set()
        self._thread.join(timeout=_AT_THE_END * 10)
        self._client.close()

    def _merge(self, key: tuple[int, str, str | None], values: Statistic) -> None:
        before = self._waiting.get(key)
        self._waiting[key] = values if before is None else before.plus(values)

    def _bound(self) -> None:
        if (over := len(self._waiting) - _MOST_WAITING) > 0:
            for key in sorted(self._waiting, key=lambda k: k[0])[:over]:
                del self._waiting[key]
            self._lost += over

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self._send()
        for _ in range(_AT_THE_END):
            if not self._waiting or not self._send():
                break
        with self._lock:
            self._lost += len(self._waiting)
            self._unsaid |= bool(self._waiting)
            self._waiting.clear()
        self._say(at_once=True)

    def _send(self) -> bool:
        """One call; returns whether the service took it."""
        with self._lock:
            keys = sorted(self._waiting, key=lambda k: k[0])[:_MOST_AT_ONCE]
            taken = {key: self._waiting.pop(key) for key in keys}
        if not taken:
            return True
        try:
            self._client.put_metric_data(
                Namespace=self._namespace, MetricData=[_datum(*key, values) for key, values in taken.items()]
            )
        except Exception as error:
            if (found := trouble(error, "CloudWatch", setting=self._setting)) is None:
                log.exception("metrics are not sent any more")  # a mistake of ours, and the engine goes on
                self._ended.set()
                return False
            self._why, self._unsaid = f"{found.message}; {found.next_step}", True
            with self._lock:
                if _may_have_arrived(error) or _is_never_taken(error, found.code):
                    self._lost += len(taken)
                else:
                    for key, values in taken.items():
                        self._merge(key, values)
                    self._bound()
            self._say()
            return False
        return True

    def _say(self, *, at_once: bool = False) -> None:
        """What goes wrong, once a minute."""
        now = self._clock()
        due = at_once or self._said_at is None or now - self._said_at >= _SAY_EVERY_SECONDS
        if not (due and self._unsaid):
            return
        self._said_at, self._unsaid = now, False
        log.warning(
            "metrics do not reach CloudWatch (%d wait, %d are given up; quality_metrics has all): %s",
            len(self._waiting), self._lost, self._why,
        )  # fmt: skip


def _may_have_arrived(error: Exception) -> bool:
    """Whether the service may have taken a call that failed: then it is not repeated, or it would count twice."""
    import botocore.exceptions as botocore

    never_left = (botocore.EndpointConnectionError, botocore.ConnectTimeoutError, botocore.ProxyConnectionError)
    return isinstance(error, botocore.HTTPClientError) and not isinstance(error, never_left)


def _is_never_taken(error: Exception, code: str) -> bool:
    import botocore.exceptions as botocore

    return code in _NEVER or isinstance(error, botocore.ParamValidationError)


def _datum(minute: int, name: str, exchange: str | None, values: Statistic) -> dict[str, Any]:
    """As PutMetricData takes it."""
    return {
        "MetricName": name,
        "Dimensions": [] if exchange is None else [{"Name": "Exchange", "Value": exchange}],
        "Timestamp": datetime.fromtimestamp(minute * 60, UTC),
        "StatisticValues": {
            "SampleCount": values.samples, "Sum": values.total, "Minimum": values.least, "Maximum": values.most,
        },
        "Unit": UNITS[name],
    }  # fmt: skip
