"""What is kept for a time only: rejected rows in the DLQ, alerts and facts in the hot store.

Time counts by the clock, from when we wrote: rows of a replayed old day stay as long as any others.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

from coattail.config import Settings
from coattail.errors import StoreError
from coattail.home import Home
from coattail.stores.hot import Swept
from coattail.stores.opening import open_hot, open_letters


@dataclass
class Retained:
    """What was removed because its time was over, or would be; `hot` is None for a dry run, or where it failed."""

    dlq_days: int = 0
    hot: Swept | None = None
    notes: list[str] = field(default_factory=list)
    """Sentences about what could not be done."""


def keep_retention(home: Home, settings: Settings, *, now: datetime, dry_run: bool = False) -> Retained:
    """Remove what is past `dlq.retention` and `hot.ttl`. An engine may run, and do the same, meanwhile."""
    letters = open_letters(home, settings)
    if dry_run:
        return Retained(letters.purge(keep=settings.dlq.retention, now=now, dry_run=True))
    done = Retained()
    try:
        done.dlq_days = letters.purge(keep=settings.dlq.retention, now=now)
        if done.dlq_days:
            letters.write_summary(now=now)
    except (OSError, StoreError) as error:
        done.notes.append(f"dlq: {error}")
    try:
        with closing(open_hot(home, settings, writable=True)) as hot:
            done.hot = hot.sweep(now=now)
    except StoreError as error:
        done.notes.append(f"hot store: {error}")
    return done
