"""`kill -9` of engines whose stream, lake, hot store and dead letters are services of AWS, emulated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.aws_place import place_there
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.killing import killed_again_and_again

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]"),
]
SEED = 20_250_304


def test_five_kills_lose_nothing_double_nothing_and_change_no_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with emulator() as service:
        place = place_there("kills", service) | {"engine.batch_bytes": "32 KiB", "engine.derived_commit_every": "2s"}
        done = killed_again_and_again(tmp_path, kills=5, seed=SEED, place=place)
    print(f"seed {SEED}: {done}")
    assert done.differences == []
