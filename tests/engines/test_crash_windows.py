"""Every step of a batch and of a derived commit fails once, just before and just after it; then the engine restarts.

`kill -9` finds these windows by luck (`test_kill.py`); here each is met.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from tests.harness.crash_points import BATCH, DERIVED, Point, failing, label
from tests.harness.oracle import Expected, expected
from tests.harness.running import (
    DERIVED_ALWAYS,
    EVERY_SEGMENT,
    Killed,
    differences,
    drained,
    feed,
    found,
    new_home,
)
from tests.harness.scenes import evenly, market, spoiled, with_duplicates

PIECES = 3


@pytest.fixture(scope="module")
def scene() -> tuple[list[Any], Expected]:
    records = with_duplicates(spoiled(market(), seed=5), 0.02, seed=5)
    return records, expected(records)


def crashes_and_comes_back(
    home_folder: Path, records: list[Any], point: Point, *, nth: int, after: bool, overrides: dict[str, object]
) -> Any:
    home = new_home(home_folder)
    feed(LocalStream(home.stream), evenly(records, PIECES))
    with pytest.MonkeyPatch.context() as patch:
        fired = failing(point, nth=nth, after=after, patch=patch)
        with suppress(Killed):
            drained(home, overrides)
    assert fired, "the failpoint was never met"
    drained(home, EVERY_SEGMENT)
    return found(home)


@pytest.mark.parametrize("after", [False, True], ids=label)
@pytest.mark.parametrize("point", BATCH, ids=label)
def test_a_batch_that_dies_at_any_step_is_neither_lost_nor_doubled(
    point: Point, after: bool, scene: tuple[list[Any], Expected], tmp_path: Path
) -> None:
    records, wanted = scene
    nth = 2 if point[1] != "put_alerts" else 1
    actual = crashes_and_comes_back(tmp_path, records, point, nth=nth, after=after, overrides=EVERY_SEGMENT)
    assert differences(wanted, actual) == []


@pytest.mark.parametrize("point", [point for point in DERIVED if point[2] in ("bars", "anomaly_alerts")], ids=label)
def test_derived_tables_that_are_committed_side_by_side_are_caught_up_when_one_fails(
    point: Point, scene: tuple[list[Any], Expected], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, wanted = scene
    monkeypatch.setattr(Lake, "is_served", True)
    actual = crashes_and_comes_back(tmp_path, records, point, nth=2, after=False, overrides=DERIVED_ALWAYS)
    assert differences(wanted, actual) == []


@pytest.mark.parametrize("after", [False, True], ids=label)
@pytest.mark.parametrize("point", DERIVED, ids=label)
def test_a_derived_commit_that_dies_at_any_step_is_caught_up(
    point: Point, after: bool, scene: tuple[list[Any], Expected], tmp_path: Path
) -> None:
    records, wanted = scene
    actual = crashes_and_comes_back(tmp_path, records, point, nth=2, after=after, overrides=DERIVED_ALWAYS)
    assert differences(wanted, actual) == []
