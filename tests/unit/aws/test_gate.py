"""The quality gate as a function: its events, its log, its metrics."""

from __future__ import annotations

import msgspec
import pytest

from coattail.aws.lambdas import gate
from coattail.aws.lambdas.gate import handler
from coattail.aws.lambdas.invoked import METRICS
from coattail.errors import UsageError
from tests.harness.outlines import table


def test_it_logs_a_line_of_json_and_one_of_metrics(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gate, "outline", lambda name: table((0, 199, 1)))
    monkeypatch.setenv(METRICS, "mine")
    answer = handler({"hours": None}, None)
    metrics, line = map(msgspec.json.decode, capsys.readouterr().out.splitlines())
    assert (metrics["QualityScore"], metrics["RecordsFailed"], metrics["Function"]) == (99.5, 1, "gate")
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "mine"
    assert (line["level"], line["function"], line["answer"]) == ("INFO", "gate", answer)
    with pytest.raises(UsageError):
        handler({"hour": 1}, None)
    refused = msgspec.json.decode(capsys.readouterr().out)
    assert (refused["level"], refused["error"]) == ("ERROR", "UsageError")


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"treshold": 90}, "unknown field `treshold`.*it takes threshold, hours, since"),
        ({"threshold": 101}, "<= 100"),
        ({"hours": 0}, "> 0"),
        ({"since": "2025-03-04T12:00:00"}, "timezone"),
        ([1], "Expected `object`"),
    ],
)
def test_an_event_of_another_form_is_refused_in_a_sentence(event: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        handler(event, None)
