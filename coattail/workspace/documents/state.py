"""How a home is: engine, trades, backlog, tables, alerts, disk, maintenance."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from coattail.batch.last_run import LastRun
from coattail.values import format_duration
from coattail.workspace.documents.upkeep import ForecastDocument
from coattail.workspace.text import ago, printable, size


class HomeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Which home it is."""

    path: str
    home_id: str
    created: datetime


class EngineDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The engine that runs, and what the newest one said last."""

    running: bool
    command: str | None
    """What was typed; this, `pid` and `started` are None if none runs."""
    pid: int | None
    started: datetime | None
    last_heartbeat: datetime | None
    engine: str | None
    """local or spark; None before the first heartbeat."""
    spark: dict[str, Any] | None
    """What Spark says of its newest batch; None on the local engine."""


class CommitDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A commit of a table."""

    sequence: int
    snapshot_id: str
    """As text, because it exceeds what JavaScript holds."""
    committed_at: datetime


class TradesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Everything ever read from the stream: received = landed + rejected + duplicates."""

    received: int = 0
    landed: int = 0
    rejected: int = 0
    duplicates: int = 0
    late: int = 0


class StreamDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What waits to be landed. Of a stream elsewhere, it is what the engine said last."""

    url: str | None
    """None: the home's own."""
    waiting_segments: int
    waiting_bytes: int


class TimeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How far the market's time has come; None before the first trade."""

    newest_trade: datetime | None
    watermark: datetime | None
    """Verdicts are final up to here."""
    watermark_behind_seconds: float | None
    """From the watermark to the newest trade."""
    lag_seconds: float | None
    """From the newest trade to the clock."""


class TableDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A table's newest snapshot."""

    name: str
    rows: int
    files: int
    snapshots: int
    size_bytes: int
    committed_at: datetime | None
    """None: nothing was committed yet."""


class AlertCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The current alerts of one type."""

    alert_type: str
    count: int
    low: int
    medium: int
    high: int
    critical: int
    newest: datetime


class DiskDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the home takes, and what its disk has left."""

    home_bytes: int
    free_bytes: int


class MaintenanceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The last maintenance of all tables, and how often one comes."""

    every: timedelta | None
    """None: never beside an engine."""
    last: LastRun | None
    """None: there has been none."""

    def words(self, now: datetime) -> str:
        """What was done last, and when it comes again."""
        last, every = self.last, self.every
        schedule = f"every {format_duration(every)} while an engine runs" if every else "by `coattail maintain` only"
        if last is None:
            return f"none yet; {schedule}"
        when = ago(now - last.began)
        if last.error is not None:
            return f"FAILED {when}: {printable(last.error)}; {schedule}"
        did = f"{when}, {last.files_before:,} files into {last.files_after:,}, {size(last.bytes_freed)} freed"
        left = f"; could not do: {printable(last.notes[0])}" if last.notes else ""
        return f"{did}{left}; {schedule}"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How a home is."""

    home: HomeDocument
    engine: EngineDocument
    commit: CommitDocument | None
    """The newest of raw_trades; None before the first trade."""
    trades: TradesDocument
    stream: StreamDocument
    time: TimeDocument
    tables: list[TableDocument]
    alerts: list[AlertCounts]
    """Those of the last 24 hours of the market, up to its newest trade."""
    disk: DiskDocument
    maintenance: MaintenanceDocument
    forecast: ForecastDocument
