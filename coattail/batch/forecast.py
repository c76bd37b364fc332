"""How large the tables are, how fast they grow, and when the disk is full at that rate.

Growth is measured in rows between two snapshots, and given in bytes at what a row takes now: compaction changes the
size of files and no row, so it looks like neither growth nor shrinking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from coattail.stores.outline import Outline, Outlines, Snapshot

LEAST_HISTORY = timedelta(hours=6)
"""Growth over a shorter time says little about a day."""
LOOK_BACK = timedelta(days=7)
"""Growth is measured over this time where snapshots reach so far."""
_FAR_DAYS = 3650
_RAW = "raw_trades"


@dataclass(frozen=True)
class Growth:
    """A table's size, and how it changes."""

    table: str
    rows: int
    live_bytes: int
    """Of the files of the newest snapshot."""
    disk_bytes: int
    """Of all files in its folder: older snapshots and metadata too."""
    measured: timedelta
    """From the snapshot that growth is measured from until now; zero without one."""
    bytes_per_day: float | None
    """None: too little history to tell."""
    method: str
    """`snapshots`; `in proportion`, to raw_trades, where too few snapshots are kept; `none`."""


@dataclass(frozen=True)
class Forecast:
    """When the disk is full, if all goes on as it did."""

    free_bytes: int
    tables: list[Growth]

    @property
    def bytes_per_day(self) -> float | None:
        """Of all tables together; None if the growth of one that holds anything is not known."""
        known = [g.bytes_per_day for g in self.tables if g.rows]
        return None if not known or None in known else sum(b for b in known if b is not None)

    @property
    def days_until_full(self) -> float | None:
        """None if it is not known, or nothing grows."""
        daily = self.bytes_per_day
        return None if daily is None or daily <= 0 else self.free_bytes / daily

    def words(self) -> str:
        """The forecast as a person says it."""
        daily, days = self.bytes_per_day, self.days_until_full
        if not any(g.rows for g in self.tables):
            return "nothing has landed yet"
        if daily is None:
            raw = next((g for g in self.tables if g.table == _RAW), None)
            reaches = raw.measured if raw is not None else timedelta(0)
            return f"too little history to tell: snapshots reach {_spoken(reaches)} back, and 6 h are needed"
        if days is None:
            return "the tables do not grow"
        span = max(g.measured for g in self.tables if g.method == "snapshots")
        pace = f"{daily / 1e6:,.1f} MB a day, as in the last {_spoken(span)}"
        if days > _FAR_DAYS:
            return f"{pace}: enough for more than ten years"
        return f"{pace}: full in about {days:,.0f} days" if days >= 2 else f"{pace}: full in about {days * 24:,.0f} h"


def forecast(outlines: Outlines, *, free_bytes: int, now: datetime) -> Forecast:
    """The sizes and the growth of every table, and what the disk has left."""
    grown = [_measured(name, table, outlines.stored_bytes(table), now) for name, table in outlines.all().items()]
    raw = next((g for g in grown if g.table == _RAW), None)
    tables = [g if raw is None or g.bytes_per_day is not None else _in_proportion(g, raw) for g in grown]
    return Forecast(free_bytes, tables)


def _measured(name: str, table: Outline, stored: int, now: datetime) -> Growth:
    newest, anchor = table.current, _anchor(table.past, now)
    rows, size = (newest.total("records"), newest.total("files-size")) if newest is not None else (0, 0)
    measured = now - anchor.committed_at if anchor is not None else timedelta(0)
    if not rows:
        return Growth(name, 0, size, stored, measured, 0.0, "snapshots")
    if anchor is None or measured < LEAST_HISTORY:
        return Growth(name, rows, size, stored, measured, None, "none")
    daily = (rows - anchor.total("records")) / (measured / timedelta(days=1)) * (size / rows)
    return Growth(name, rows, size, stored, measured, daily, "snapshots")


def _anchor(past: Sequence[Snapshot], now: datetime) -> Snapshot | None:
    """The newest snapshot that is `LOOK_BACK` old, or else the oldest; `past` is oldest first."""
    old = [s for s in past if s.committed_at <= now - LOOK_BACK]
    return old[-1] if old else past[0] if past else None


def _in_proportion(table: Growth, raw: Growth) -> Growth:
    """A derived table keeps few snapshots; it grows as the trades do that it comes from."""
    if raw.bytes_per_day is None or not raw.live_bytes:
        return table
    daily = raw.bytes_per_day * table.live_bytes / raw.live_bytes
    return Growth(table.table, table.rows, table.live_bytes, table.disk_bytes, raw.measured, daily, "in proportion")


def _spoken(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    if hours < 2:
        return f"{max(0.0, hours * 60):.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
