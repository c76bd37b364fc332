"""An engine that counts in CloudWatch: the numbers of its tables, and no worse an engine without the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from coattail.emf import UNITS
from coattail.stores import cloudwatch
from coattail.stores.opening import open_metrics
from coattail.workspace.daily import FAILURE, SUCCESS
from tests.harness.aws_place import REGION
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.running import AT_ONCE, EVERY_SEGMENT, found, landed, settings_of
from tests.harness.scenes import evenly, market

HOUR = timedelta(hours=1)
PIECES = evenly([*market()[:60], *market()[30:90]], 2)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def there(endpoint: str) -> dict[str, object]:
    return {
        **EVERY_SEGMENT,
        "metrics.url": f"cloudwatch://coattail?region={REGION}&endpoint={quote(endpoint, safe='')}",
    }


@pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]")
def test_it_says_what_its_tables_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudwatch, "_MOST_AT_ONCE", 25)  # several calls
    with emulator() as address:
        home = landed(tmp_path, PIECES, there(address))
        import boto3

        client = boto3.session.Session().client("cloudwatch", region_name=REGION, endpoint_url=address)
        now = datetime.now(UTC)

        def told(name: str, exchange: str) -> dict[str, float]:
            """Without a dimension the emulator would add up those of all exchanges, too."""
            points = client.get_metric_statistics(
                Namespace="coattail", MetricName=name, StartTime=now - HOUR, EndTime=now + HOUR, Period=86400,
                Dimensions=[{"Name": "Exchange", "Value": exchange}], Statistics=["Sum", "SampleCount"],
            )["Datapoints"]  # fmt: skip
            return {what: sum(point[what] for point in points) for what in ("Sum", "SampleCount")}

        counts = found(home).counts
        names = {"RecordsProcessed": "received", "RecordsPassed": "landed", "RecordsDuplicate": "duplicates"}
        for exchange, expected in counts.items():
            assert {column: told(name, exchange)["Sum"] for name, column in names.items()} == {
                column: expected[column] for column in names.values()
            }
            score = told("QualityScore", exchange)
            assert (score["Sum"] / score["SampleCount"], score["SampleCount"]) == (100, expected["landed"])
            assert told("EventLag", exchange)["Sum"] > 0
        assert sum(each["duplicates"] for each in counts.values()) == 30
        listed = client.list_metrics(Namespace="coattail")["Metrics"]
        client.close()
    assert {m["MetricName"] for m in listed if not m["Dimensions"]} == set(UNITS) - {SUCCESS, FAILURE}


def test_an_engine_goes_on_while_the_service_is_not_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("boto3", reason="the aws extra is not installed")
    home = landed(tmp_path, PIECES, there("http://127.0.0.1:9"))
    assert sum(each["received"] for each in found(home).counts.values()) == 120
    assert "metrics do not reach CloudWatch" in caplog.text


def test_without_the_setting_there_is_none() -> None:
    assert open_metrics(settings_of(AT_ONCE)) is None
