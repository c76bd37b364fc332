"""`kill -9` at random instants of a live engine: nothing is lost, nothing is doubled, the alerts are the same."""

from __future__ import annotations

from pathlib import Path

from tests.harness.killing import killed_again_and_again

KILLS = 8
SEED = 20_250_304


def test_kills_at_random_instants_lose_nothing_double_nothing_and_change_no_alert(tmp_path: Path) -> None:
    done = killed_again_and_again(tmp_path, kills=KILLS, seed=SEED)
    print(f"seed {SEED}: {done}")
    assert done.differences == []
