"""The steps of a batch and of a derived commit, and how one of them is made to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coattail.detectors import MODULE_TABLES
from coattail.stores.dlq_folder import FolderDeadLetters
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from tests.harness.running import (
    Killed,
)

Point = tuple[type, str, str | None]
"""Class, method, and which table it is about."""


BATCH: tuple[Point, ...] = (
    (FolderDeadLetters, "write", None),
    (Lake, "write", "raw_trades"),
    (Lake, "commit", "raw_trades"),
    (SqliteHotStore, "put_alerts", None),
)


DERIVED: tuple[Point, ...] = (
    *((Lake, "commit", t) for t in ("bars", "large_trades", "quality_metrics", "anomaly_alerts")),
    *((Lake, "commit", t) for t in ("sessions", "coverage", *(t.name for t in MODULE_TABLES))),
    (LocalStream, "trim", None),
)  # fmt: skip


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


def name_of(point: Point) -> Iterator[str]:
    yield f"{point[0].__name__}.{point[1]}{f'-{point[2]}' if point[2] else ''}"


def label(value: object) -> str:
    return next(name_of(value)) if isinstance(value, tuple) else ("after" if value else "before")
