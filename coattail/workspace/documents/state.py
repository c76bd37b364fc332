"""The state of a home: engine, trades, backlog, tables, alerts, disk, maintenance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.alerts import SEVERITIES
from coattail.amounts import count
from coattail.batch.last_run import LastRun
from coattail.values import format_duration
from coattail.workspace.documents.notify import SinkDocument
from coattail.workspace.documents.upkeep import ForecastDocument
from coattail.workspace.shown import Tabular
from coattail.workspace.text import ago, clock, pairs, printable, size, table

if TYPE_CHECKING:
    import polars as pl


class HomeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Which home it is."""

    path: str
    home_id: str
    created: datetime


class EngineDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The engine that runs, and what the newest one reported last."""

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


class ProducerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The live producer: what it wrote down last. Counts are since it started."""

    running: bool
    stopped: bool
    """Whether it ended in order; neither this nor `running`: it was killed."""
    pid: int
    started: datetime
    last_written: datetime
    """It writes every second."""
    connections: int
    connections_open: int
    reconnects: int
    sent: int
    """Trades that went to the stream."""
    missing: int
    """Trade ids that are missing now, and will be asked for."""
    fetched: int
    """Trade ids that were missing and came from the exchange's REST service."""
    given_up: int
    """Trade ids that were missing and that the exchange does not have."""
    problems: list[str]
    """What a person should know of exchanges that are not well."""

    def words(self, now: datetime) -> str:
        """In one line."""
        if self.running:
            said = f"runs (process {self.pid}), since {clock(self.started)}"
            said += f", last heard of {ago(now - self.last_written)}" if _late(now - self.last_written) else ""
            said += f"; {self.connections_open} of {count(self.connections, 'connection')} open"
        else:
            ended = "stopped" if self.stopped else "killed, or its machine stopped"
            said = f"{ended} {clock(self.last_written)} ({ago(now - self.last_written)})"
        for number, what in (
            (self.reconnects, "made anew"), (self.missing, "missing"), (self.fetched, "fetched"),
            (self.given_up, "given up"),
        ):  # fmt: skip
            said += f", {number:,} {what}" if number else ""
        return "; ".join([said, *map(printable, self.problems)])


def _late(silence: timedelta) -> bool:
    return silence > timedelta(seconds=10)


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
    """What waits to be landed; for a stream elsewhere, what the engine reported last."""

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


class AbstainedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A detector that judged less than half of the newest hour of something, or of a report's time."""

    module: str
    about: str
    """Exchange and symbol, or those of a pair."""
    share: float
    """Of the windows that were not judged."""
    reason: str
    """Of most of them: partial, short_history, idle, stalled, no price, …"""
    windows: int

    def words(self) -> str:
        """In one line."""
        return f"{self.module} judged {1 - self.share:.0%} of the last hour of {printable(self.about)}: {self.reason}"


class DiskDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How much the home takes up, and what its disk has left."""

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


_ABSTAINED_SHOWN = 5


class State(Tabular, msgspec.Struct, frozen=True, kw_only=True):
    """The state of a home."""

    home: HomeDocument
    engine: EngineDocument
    producer: ProducerDocument | None
    """None: nothing was ever heard live here."""
    commit: CommitDocument | None
    """The newest of raw_trades; None before the first trade."""
    trades: TradesDocument
    stream: StreamDocument
    time: TimeDocument
    tables: list[TableDocument]
    alerts: list[AlertCounts]
    """Those of the last 24 hours of the market, up to its newest trade."""
    abstained: list[AbstainedDocument]
    """Where a detector judged less than half of the newest hour."""
    disk: DiskDocument
    maintenance: MaintenanceDocument
    forecast: ForecastDocument
    notify: list[SinkDocument]
    """The configured sinks, by name."""

    def to_polars(self) -> pl.DataFrame:
        """The tables, columns of `TableDocument`."""
        import polars as pl

        rows = [msgspec.structs.asdict(one) for one in self.tables]
        return pl.DataFrame(rows, schema=None if rows else TableDocument.__struct_fields__, infer_schema_length=None)

    def words(self, now: datetime | None = None, *, terminal: bool = False) -> str:
        """The state as `coattail status` prints it. `now`: None means this moment. `terminal`: see `table`."""
        return "\n".join(self.said(now, terminal=terminal))

    def said(self, now: datetime | None = None, *, terminal: bool = False) -> list[str]:
        """The state line by line, the tables, and the alerts of the last 24 hours."""
        lines = self._lines(now or datetime.now(UTC))
        said: list[str] = [pairs(((line[:11].strip(), line[11:]) for line in lines), width=11)]
        if self.tables:
            columns = ["table", "rows", "files", "versions", "size", "last commit"]
            said += ["", table(columns, map(_table_row, self.tables), right=columns[1:5], terminal=terminal)]
        if self.alerts:
            columns = ["alerts, 24 h", "count", *reversed(SEVERITIES), "newest"]
            said += ["", table(columns, map(_alert_row, self.alerts), right=columns[1:-1], terminal=terminal)]
        return said

    def _lines(self, now: datetime) -> Iterator[str]:
        engine, trades, waiting, market = self.engine, self.trades, self.stream, self.time
        yield f"home       {self.home.path}"
        if engine.running:
            kind = " on Spark" if engine.engine == "spark" else ""
            yield f"engine     runs{kind}: {engine.command} (process {engine.pid}), since {clock(engine.started)}"
        else:
            yield "engine     none runs"
        if self.producer is not None:
            yield f"producer   {self.producer.words(now)}"
        if self.commit is None:
            yield "trades     none landed yet"
        else:
            at = self.commit.committed_at
            yield f"commit     {self.commit.sequence:,}, {clock(at)} ({ago(now - at)})"
            yield (
                f"trades     received {trades.received:,} = landed {trades.landed:,} + rejected {trades.rejected:,} + "
                f"duplicates {trades.duplicates:,}; {trades.late:,} late"
            )
        if waiting.url:
            yield f"stream     {waiting.url}, about {size(waiting.waiting_bytes)} wait"
        else:
            segments = count(waiting.waiting_segments, "segment waits", "segments wait")
            yield f"stream     {segments}, {size(waiting.waiting_bytes)}"
        if market.newest_trade:
            yield f"market     newest trade {clock(market.newest_trade)} ({ago(now - market.newest_trade)})"
        if market.watermark:
            behind = f"{market.watermark_behind_seconds:,.0f} s before the newest trade"
            yield f"watermark  {clock(market.watermark)}, {behind}"
        yield from (f"abstains   {one.words()}" for one in self.abstained[:_ABSTAINED_SHOWN])
        if (more := len(self.abstained) - _ABSTAINED_SHOWN) > 0:
            yield f"abstains   {more:,} more, in --json and by `state` in the modules' tables"
        yield f"disk       {size(self.disk.home_bytes)} in this home, {size(self.disk.free_bytes)} free"
        yield f"forecast   {self.forecast.words}"
        yield f"upkeep     {self.maintenance.words(now)}"
        yield from (f"notify     {sink.words(now)}" for sink in self.notify)


def _table_row(table: TableDocument) -> tuple[str, ...]:
    counts = (f"{count:,}" for count in (table.rows, table.files, table.snapshots))
    return (table.name, *counts, size(table.size_bytes), _minute(table.committed_at))


def _alert_row(alerts: AlertCounts) -> tuple[str, ...]:
    counts = (alerts.count, *(getattr(alerts, severity) for severity in reversed(SEVERITIES)))
    return (alerts.alert_type, *map(str, counts), _minute(alerts.newest))


def _minute(when: datetime | None) -> str:
    return "-" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%MZ}"
