"""`kill -9` at random instants of a live Spark engine, driver and JVM: nothing is lost, doubled or changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.killing_spark import killed_again_and_again

pytestmark = pytest.mark.spark

SEED = 20_261_121


def test_kills_at_random_instants_lose_nothing_double_nothing_and_change_no_alert(
    spark_installation: None, tmp_path: Path
) -> None:
    done = killed_again_and_again(tmp_path, kills=2, seed=SEED)
    print(f"seed {SEED}: {done}")
    assert done.batches > 0
    assert done.differences == []
