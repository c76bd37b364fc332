"""Every step of a batch and of a derived commit fails once, just before and just after it; then the engine restarts.

`kill -9` finds these windows by luck (`test_kill.py`); here each is met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from coattail.detectors import MODULE_TABLES
from coattail.stores.dlq import DeadLetters
from coattail.stores.hot import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
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
Point = tuple[type, str, str | None]
"""Class, method, and which table it is about."""

BATCH: tuple[Point, ...] = (
    (DeadLetters, "write", None),
    (Lake, "write", "raw_trades"),
    (Lake, "commit", "raw_trades"),
    (SqliteHotStore, "put_alerts", None),
)
DERIVED: tuple[Point, ...] = (
    *((Lake, "commit", t) for t in ("bars", "large_trades", "quality_metrics", "anomaly_alerts")),
    *((Lake, "commit", t) for t in ("sessions", "coverage", *(t.name for t in MODULE_TABLES))),
    (LocalStream, "trim", None),
)  # fmt: skip


@pytest.fixture(scope="module")
def scene() -> tuple[list[Any], Expected]:
    records = with_duplicates(spoiled(market(), seed=5), 0.02, seed=5)
    return records, expected(records)


def failing(point: Point, *, nth: int, after: bool, patch: pytest.MonkeyPatch) -> list[str]:
    """Make the nth call of a step fail; the returned list gets a word when it did."""
    kind, name, table = point
    original: Callable[..., Any] = getattr(kind, name)
    calls: list[str] = []
    fired: list[str] = []

    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        if table is not None and args[0].name != table:
            return original(self, *args, **kwargs)
        calls.append(name)
        if len(calls) != nth:
            return original(self, *args, **kwargs)
        if after:
            original(self, *args, **kwargs)
        fired.append(f"{name} {table or ''}")
        raise Killed(f"{'after' if after else 'before'} {kind.__name__}.{name} {table or ''}")

    patch.setattr(kind, name, step)
    return fired


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


def name_of(point: Point) -> Iterator[str]:
    yield f"{point[0].__name__}.{point[1]}{f'-{point[2]}' if point[2] else ''}"


def label(value: object) -> str:
    return next(name_of(value)) if isinstance(value, tuple) else ("after" if value else "before")


@pytest.mark.parametrize("after", [False, True], ids=label)
@pytest.mark.parametrize("point", BATCH, ids=label)
def test_a_batch_that_dies_at_any_step_is_neither_lost_nor_doubled(
    point: Point, after: bool, scene: tuple[list[Any], Expected], tmp_path: Path
) -> None:
    records, wanted = scene
    nth = 2 if point[1] != "put_alerts" else 1
    actual = crashes_and_comes_back(tmp_path, records, point, nth=nth, after=after, overrides=EVERY_SEGMENT)
    assert differences(wanted, actual) == []


@pytest.mark.parametrize("after", [False, True], ids=label)
@pytest.mark.parametrize("point", DERIVED, ids=label)
def test_a_derived_commit_that_dies_at_any_step_is_caught_up(
    point: Point, after: bool, scene: tuple[list[Any], Expected], tmp_path: Path
) -> None:
    records, wanted = scene
    actual = crashes_and_comes_back(tmp_path, records, point, nth=2, after=after, overrides=DERIVED_ALWAYS)
    assert differences(wanted, actual) == []
