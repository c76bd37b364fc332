"""A home's stores, its past, and the alerts of any snapshot in a form that can be compared."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coattail.config import CLASSIC
from coattail.engines.recompute import Recomputed
from coattail.engines.reprocess import Reprocessed, Request
from coattail.home import Home
from coattail.records import Record
from coattail.stores.catalog import embedded
from coattail.stores.history import at_newest, kept
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from coattail.tables import RAW_TRADES
from tests.harness.running import DERIVED_ALWAYS, drained, feed, found, new_home, settings_of

Verdict = tuple[str, str, str]


@contextmanager
def stores(home: Home) -> Iterator[tuple[Lake, SqliteHotStore]]:
    lake, hot = Lake(embedded(home.path)), SqliteHotStore(home.hot_db)
    try:
        yield lake, hot
    finally:
        hot.close()
        lake.close()


def shuffled_within(records: Sequence[Record], seconds: float) -> list[Record]:
    rng = random.Random(3)
    return sorted(records, key=lambda r: r.received + rng.uniform(0, seconds * 1e6))


def now() -> datetime:
    return datetime.now(UTC)


def asked(lake: Lake, overrides: dict[str, object] | None = None, *, preset: str = CLASSIC, **more: Any) -> Request:
    """A request about the newest snapshot, unless `as_of` says otherwise."""
    own: dict[str, object] = {"preset": preset}
    settings = {"original": settings_of(own), "asked": settings_of({**own, **(overrides or {})})}
    return Request(**{"as_of": at_newest(lake, RAW_TRADES.name), **settings, **more})


def texts(alerts: Recomputed | Reprocessed) -> dict[str, Verdict]:
    return {a.alert_id: (a.status, a.severity, a.details) for a in alerts.alerts}


def current(home: Home) -> dict[str, Verdict]:
    """What the view `alerts` shows, provisional ones too."""
    live = found(home)
    return {i: (a["status"], a["severity"], live.texts[i]) for i, a in live.alerts.items()}


def final(alerts: dict[str, Verdict]) -> dict[str, Verdict]:
    return {i: a for i, a in alerts.items() if a[0] == "final"}


def grown(
    folder: Path, pieces: Sequence[Sequence[Record]], preset: str = CLASSIC
) -> tuple[Home, list[tuple[int, dict[str, Verdict]]]]:
    """A home in which the pieces landed one after the other; (snapshot, current alerts) after each."""
    home = new_home(folder)
    stream = LocalStream(home.stream)
    past = []
    for piece in pieces:
        feed(stream, [piece])
        drained(home, {**DERIVED_ALWAYS, "preset": preset})
        with stores(home) as (lake, _):
            past.append((at_newest(lake, RAW_TRADES.name).snapshot_id, current(home)))
    return home, past


def only(lake: Lake, snapshot_id: int) -> Any:
    return next(k for k in kept(lake, RAW_TRADES.name) if k.snapshot_id == snapshot_id)
