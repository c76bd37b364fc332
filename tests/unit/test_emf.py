"""Lines of the embedded metric format, by what AWS publishes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from coattail.emf import UNITS, embedded_metrics

AT = datetime(2025, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)
EXCHANGE = {"Exchange": "binance"}


def line(**changed: Any) -> str:
    given: dict[str, Any] = {"namespace": "coattail", "values": {"RecordsFailed": 2}, "dimensions": EXCHANGE, "at": AT}
    return embedded_metrics(**{**given, **changed})


def test_a_line_says_what_the_specification_asks_for_and_nothing_else() -> None:
    text = line(values={"RecordsFailed": 2, "QualityScore": 99.5, "Rows": 7, "FailureRate": None})
    assert "\n" not in text
    assert json.loads(text) == {
        "_aws": {
            "Timestamp": 1741089600123,
            "CloudWatchMetrics": [
                {
                    "Namespace": "coattail",
                    "Dimensions": [["Exchange"]],
                    "Metrics": [
                        {"Name": "RecordsFailed", "Unit": "Count"},
                        {"Name": "QualityScore", "Unit": "Percent"},
                        {"Name": "Rows", "Unit": "None"},
                    ],
                }
            ],
        },
        "Exchange": "binance",
        "RecordsFailed": 2,
        "QualityScore": 99.5,
        "Rows": 7,
    }


def test_the_units_are_ones_that_cloudwatch_knows() -> None:
    loaders = pytest.importorskip("botocore.loaders")
    model = loaders.Loader().load_service_model("cloudwatch", "service-2")
    assert set(UNITS.values()) < set(model["shapes"]["StandardUnit"]["enum"])


def test_without_dimensions_it_is_the_metric_of_all_and_a_zone_changes_nothing() -> None:
    found = json.loads(line(dimensions={}, at=AT.astimezone(timezone(timedelta(hours=5)))))
    assert found["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
    assert found["_aws"]["Timestamp"] == 1741089600123


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"values": {}}, "without a value"),
        ({"values": {"RecordsFailed": None}}, "without a value"),
        ({"values": {f"m{n}": n for n in range(101)}}, "101 names"),
        ({"dimensions": {f"d{n}": "x" for n in range(31)}}, "31 names"),
        ({"values": {"Exchange": 1}}, "Exchange would be two things"),
        ({"values": {"_aws": 1}}, "_aws would be two things"),
        ({"values": {"RecordsFailed": float("nan")}}, "RecordsFailed = nan"),
        ({"values": {"RecordsFailed": 2.0**361}}, "is not a number that CloudWatch takes"),
        ({"dimensions": {"Exchange": " "}}, "Exchange = ' ' is not"),
        ({"dimensions": {"Exchange": "börse"}}, "characters of ASCII"),
        ({"namespace": ":x"}, "':x'"),
        ({"namespace": "n" * 256}, "255"),
    ],
)
def test_what_cloudwatch_would_pass_over_in_silence_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        line(**changed)


def test_it_needs_nothing_that_a_lambda_lacks() -> None:
    code = "import sys, coattail.emf; print(*{m.split('.')[0] for m in sys.modules} - sys.stdlib_module_names)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    loaded = set(said.split())
    assert "coattail" in loaded
    assert not loaded & {"boto3", "botocore", "polars", "numpy", "pyarrow", "msgspec"}
