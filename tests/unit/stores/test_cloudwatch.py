"""Metrics for CloudWatch: what is sent, when it is sent again, and that nobody waits for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coattail.engines.counted import counted
from coattail.errors import ConfigError
from coattail.records import micros
from coattail.service_url import ServiceUrl
from coattail.stores import cloudwatch
from coattail.stores.cloudwatch import CloudWatch, Statistic

botocore = pytest.importorskip("botocore.exceptions", reason="the aws extra is not installed")
AT = datetime(2025, 3, 4, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COUNTS = {"exchange": "binance", "received": 10, "landed": 6, "rejected": 2, "duplicates": 2, "late": 1}


def refusal(code: str) -> Exception:
    error: Exception = botocore.ClientError({"Error": {"Code": code, "Message": "no"}}, "PutMetricData")
    return error


class Service:
    """Takes what PutMetricData would take by AWS' description, or raises what it is told to."""

    def __init__(self, model: Any) -> None:
        self._shape = model.operation_model("PutMetricData").input_shape
        self.calls: list[list[dict[str, Any]]] = []
        self.raises: Exception | None = None

    def put_metric_data(self, **given: Any) -> None:
        from botocore.validate import ParamValidator

        report = ParamValidator().validate(given, self._shape)
        assert not report.has_errors(), report.generate_report()
        assert given["Namespace"] == "coattail"
        self.calls.append(given["MetricData"])
        if self.raises is not None:
            raise self.raises

    def close(self) -> None:
        pass


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[CloudWatch]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    opened = CloudWatch(ServiceUrl("coattail", "eu-central-1", None), every=timedelta(hours=1), clock=clock)
    opened._client = Service(opened._client.meta.service_model)
    yield opened
    opened.close()


def sent(metrics: CloudWatch) -> dict[tuple[str, str | None, int], tuple[float, float, float, float]]:
    """What the service took, each datum once."""
    found = {}
    for datum in (each for call in metrics._client.calls for each in call):
        (exchange,) = [d["Value"] for d in datum["Dimensions"]] or [None]
        key = datum["MetricName"], exchange, datum["Timestamp"].minute
        assert key not in found
        found[key] = tuple(datum["StatisticValues"][name] for name in ("SampleCount", "Sum", "Minimum", "Maximum"))
    return found


def test_a_commit_counts_by_exchange_and_of_all() -> None:
    other = {**COUNTS, "exchange": "okx", "received": 4, "landed": 4, "rejected": 0, "duplicates": 0, "late": 0}
    newest = {"binance": micros(AT) - 2_500_000, "okx": micros(AT) + 1, "kraken": 0}
    found = counted([COUNTS, other], newest, AT)
    assert {name: found[name, None].total for name, exchange in found if exchange is None} == {
        "RecordsProcessed": 14, "RecordsPassed": 10, "RecordsFailed": 2, "RecordsLate": 1, "RecordsDuplicate": 2,
        "QualityScore": 1000, "FailureRate": 200, "EventLag": 2.5,
    }  # fmt: skip
    assert found["QualityScore", None] == (12, 1000, 83.333333, 83.333333)
    assert found["QualityScore", "binance"] == (8, 600, 75.0, 75.0)
    assert found["EventLag", None] == (2, 2.5, 0.0, 2.5)
    assert {exchange for _, exchange in found} == {None, "binance", "okx"}


def test_the_average_of_a_stretch_is_its_score_however_it_was_cut_into_commits() -> None:
    first = counted([{**COUNTS, "landed": 1, "rejected": 0, "received": 1}], {}, AT)
    second = counted([{**COUNTS, "landed": 989, "rejected": 10, "received": 999}], {}, AT)
    both = first["QualityScore", None].plus(second["QualityScore", None])
    assert both.total / both.samples == pytest.approx(100 * 990 / 1000)


def test_bytes_that_were_no_record_are_of_an_unknown_exchange_and_judge_nothing_else() -> None:
    found = counted([{**COUNTS, "exchange": None, "landed": 0, "rejected": 0, "duplicates": 10}], {}, AT)
    assert {exchange for _, exchange in found} == {None, "unknown"}
    assert not {name for name, _ in found} & {"QualityScore", "EventLag"}


def test_values_of_one_minute_are_one_datum_and_minutes_are_apart(metrics: CloudWatch) -> None:
    for seconds, value in ((0, 5), (20, 3), (40, 9)):
        metrics.add({("Backlog", None): Statistic.of(value)}, AT + timedelta(seconds=seconds))
    metrics.add({("RecordsLate", "okx"): Statistic.of(2)}, AT)
    metrics.close()
    assert sent(metrics) == {
        ("Backlog", None, 0): (2, 8, 3, 5),
        ("Backlog", None, 1): (1, 9, 9, 9),
        ("RecordsLate", "okx", 0): (1, 2, 2, 2),
    }


def test_a_call_holds_as_many_as_the_service_takes_the_oldest_first(metrics: CloudWatch) -> None:
    for number in range(1500):
        metrics.add({("Backlog", f"e{number % 3}"): Statistic.of(number)}, AT - number // 3 * MINUTE)
    assert metrics._send()
    assert len(metrics._client.calls[0]) == 1000
    times = [datum["Timestamp"] for datum in metrics._client.calls[0]]
    assert max(times) < AT - 160 * MINUTE
    metrics.close()
    assert [len(call) for call in metrics._client.calls] == [1000, 500]


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (refusal("Throttling"), True),
        (refusal("InternalServiceFault"), True),
        (refusal("AccessDenied"), True),
        (botocore.EndpointConnectionError(endpoint_url="x"), True),
        (botocore.NoCredentialsError(), True),
        (botocore.ReadTimeoutError(endpoint_url="x"), False),
        (botocore.ConnectionClosedError(endpoint_url="x"), False),
        (refusal("InvalidParameterValue"), False),
    ],
)
def test_what_surely_did_not_arrive_is_sent_again_and_nothing_else(
    metrics: CloudWatch, caplog: pytest.LogCaptureFixture, error: Exception, *, again: bool
) -> None:
    metrics._client.raises = error
    metrics.add({("RecordsPassed", None): Statistic.of(7)}, AT)
    with caplog.at_level(logging.WARNING):
        assert not metrics._send()
    waits, lost = (1, 0) if again else (0, 1)
    assert f"({waits} wait, {lost} are given up; quality_metrics has all)" in caplog.text
    metrics._client.raises = None
    metrics.add({("RecordsPassed", None): Statistic.of(1)}, AT)
    metrics.close()
    assert metrics._client.calls[-1][0]["StatisticValues"]["Sum"] == (8 if again else 1)
    assert len(metrics._client.calls) == 2


def test_what_goes_wrong_is_said_once_a_minute_and_at_the_end(
    metrics: CloudWatch, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    metrics._client.raises = refusal("AccessDenied")
    with caplog.at_level(logging.WARNING):
        for second in range(100):
            clock.now = second
            metrics.add({("RecordsPassed", None): Statistic.of(1)}, AT)
            metrics._send()
        assert len(caplog.records) == 2
        metrics.close()
    assert len(caplog.records) == 3
    assert "may not be used with these credentials" in caplog.text
    assert "(0 wait, 1 are given up" in caplog.messages[-1]
    assert len(metrics._client.calls) == 101


def test_while_nothing_can_be_sent_the_oldest_are_given_up(
    metrics: CloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloudwatch, "_MOST_WAITING", 3)
    metrics._client.raises = refusal("Throttling")
    for minute in range(10):
        metrics.add({("RecordsPassed", None): Statistic.of(minute)}, AT + minute * MINUTE)
        metrics._send()
    metrics._client.raises, metrics._client.calls = None, []
    metrics.close()
    assert [values[1] for values in sent(metrics).values()] == [7, 8, 9]
    assert metrics._lost == 7


def test_without_a_region_it_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(ConfigError, match=r"metrics\.url names no region"):
        CloudWatch(ServiceUrl("coattail", None, None))
