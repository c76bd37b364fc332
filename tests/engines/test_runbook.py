"""What docs/RUNBOOK.md has somebody do by hand, done on an emulation."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import boto3
import msgspec
import pytest

from coattail.records import Trade
from coattail.streams.local import LocalStream
from tests.harness.aws_place import REGION, roles_lake
from tests.harness.emulator import INSTALLED
from tests.harness.oracle import expected
from tests.harness.processes import ROOT
from tests.harness.running import EVERY_SEGMENT, differences, drained, feed, found, landed, settings_of
from tests.harness.scenes import evenly, market

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]"),
]
PAGE = (ROOT / "docs" / "RUNBOOK.md").read_text()


def test_a_table_that_glue_has_lost_is_named_again_and_the_engine_goes_on(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [block] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    there = {**EVERY_SEGMENT, "lake": roles_lake("mended", service)}
    first, second = evenly(market(), 2)
    home = landed(tmp_path, [first], there)
    monkeypatch.setenv("AWS_ENDPOINT_URL", service)
    monkeypatch.setenv("AWS_REGION", REGION)
    session = boto3.session.Session()
    with (
        closing(session.client("glue", region_name=REGION)) as glue,
        closing(session.client("s3", region_name=REGION)) as s3,
    ):
        for name in ("raw_trades", "bars"):
            glue.delete_table(DatabaseName="coattail", Name=name)
        folder = re.findall(r'FOLDER = "s3://[^/]+/(.+)"', block)[0]
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket="mended", Prefix=f"{folder}/")["Contents"]]
    newest = max(key.rsplit("/", 1)[1] for key in keys if key.endswith(".metadata.json"))
    written = block.replace("coattail-dev-processed-123456789012-us-west-2", "mended").replace("us-west-2", REGION)
    written = written.replace('"s3.region"', f'"s3.endpoint": "{service}", "s3.region"')  # PyArrow asks no variable
    exec(written.replace("00042-….metadata.json", newest), {})
    feed(LocalStream(home.stream), [second])
    drained(home, there)
    assert differences(expected([*first, *second]), found(home, settings_of(there))) == []


def test_a_trade_that_was_rejected_lands_once_when_it_comes_again_and_passes(tmp_path: Path) -> None:
    records = market()[:400]
    trade = next(each for each in records if isinstance(each, Trade))
    spoiled = [msgspec.structs.replace(each, price="-1") if each is trade else each for each in records]
    home = landed(tmp_path, [spoiled])
    before = len(found(home).trades)
    feed(LocalStream(home.stream), [records, records])
    drained(home)
    assert len(found(home).trades) == before + 1
