"""The outcome of a home's last maintenance, remembered in the hot store under `maintenance`."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from coattail.config import Settings
from coattail.home import Home
from coattail.stores.hot import HotStore
from coattail.stores.opening import open_hot

if TYPE_CHECKING:
    from coattail.batch.maintenance import Maintained

FACT = "maintenance"
_NOTES = 5


class LastRun(msgspec.Struct, frozen=True, kw_only=True):
    """A maintenance of all tables that came to its end, or failed."""

    by: str
    """`maintain`, or the command of the engine that it ran beside."""
    began: datetime
    seconds: float
    error: str | None = None
    """Why it failed, in a sentence; None if it did not."""
    files_before: int = 0
    files_after: int = 0
    snapshots_forgotten: int = 0
    bytes_freed: int = 0
    notes: list[str] = []
    """What could not be done, the first few."""


def run_of(done: Maintained, *, by: str, began: datetime, seconds: float) -> LastRun:
    """The outcome of a maintenance."""
    return LastRun(
        by=by,
        began=began,
        seconds=round(seconds, 3),
        files_before=sum(u.compacted.files_before for u in done.tables),
        files_after=sum(u.compacted.files_after for u in done.tables),
        snapshots_forgotten=sum(u.snapshots_forgotten for u in done.tables),
        bytes_freed=sum(u.orphan_bytes for u in done.tables),
        notes=done.notes[:_NOTES],
    )


def remember(home: Home, settings: Settings, run: LastRun) -> None:
    """Write it down.

    Raises: StoreError: If the hot store cannot be written.
    """
    with closing(open_hot(home, settings, writable=True)) as hot:
        hot.put_fact(FACT, msgspec.to_builtins(run), now=run.began)


def last_run(hot: HotStore) -> LastRun | None:
    """The last maintenance, or None if there has been none."""
    found = hot.fact(FACT)
    return None if found is None else msgspec.convert(found[0], LastRun)
