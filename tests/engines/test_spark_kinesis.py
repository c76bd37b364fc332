"""Kinesis between the producer and both engines, Spark started by its command as a user would; it has so many shards
by then that tasks read them. Few shards are read by the driver, as in faults/bundle.py."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from coattail.engines.local import LocalEngine
from coattail.spark.shards import THROUGH_DRIVER
from coattail.streams.kinesis import KinesisStream
from tests.harness.emulator import CREDENTIALS
from tests.harness.kinesis_service import Faults, KinesisService
from tests.harness.oracle import expected
from tests.harness.processes import environment
from tests.harness.running import DERIVED_ALWAYS, differences, feed, found, new_home, settings_of
from tests.harness.scenes import evenly, market, spoiled, with_duplicates

pytest.importorskip("boto3", reason="the aws extra is not installed")


def test_local_then_spark_through_a_reshard_then_local_again(spark_installation: None, tmp_path: Path) -> None:
    records = with_duplicates(spoiled(market(), seed=11), 0.02, seed=11)
    first, second, third = evenly(records, 3)
    home = new_home(tmp_path)
    with mock.patch.dict(os.environ, CREDENTIALS), KinesisService() as service:
        service.create("trades", THROUGH_DRIVER + 2)
        service.faults = Faults(3, throttled_reads=0.1, errors=0.05)
        url = f"kinesis://trades?region=eu-central-1&endpoint={service.endpoint}"

        def stream() -> KinesisStream:
            return KinesisStream(
                "trades", region="eu-central-1", endpoint=service.endpoint, pace=0.0, chance=random.Random(1)
            )

        def by_local() -> None:
            with LocalEngine(home, settings_of(DERIVED_ALWAYS), stream=stream()) as engine:
                engine.drain()

        feed(stream(), evenly(first, 3))
        by_local()
        feed(stream(), evenly(second[: len(second) // 2], 2))
        service.split("trades", service.open_shards("trades")[0])
        feed(stream(), evenly(second[len(second) // 2 :], 2))
        command = [sys.executable, "-m", "coattail", "--home", str(home.path), "land", "--drain", "--engine", "spark"]
        done = subprocess.run(
            [*command, "--stream", url, "--json"],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed = json.loads(done.stdout)
        assert (printed["received"], printed["conserved"], printed["waiting_bytes"]) == (len(second), True, 0)
        feed(stream(), evenly(third, 2))
        by_local()
    assert differences(expected(records), found(home)) == []
    assert "tasks read the stream, which has" in home.log_file.read_text()
