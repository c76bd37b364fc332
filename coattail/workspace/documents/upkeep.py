"""Maintenance, the forecast, and the schema drill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from coattail.workspace.shown import Displayed
from coattail.workspace.text import printable, size, table

if TYPE_CHECKING:
    from coattail.batch.drill import Drilled
    from coattail.batch.forecast import Forecast
    from coattail.batch.maintenance import Maintained

NOTHING_LANDED = "nothing has landed here yet"


class GrowthDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A table's size, and how it changes."""

    table: str
    live_bytes: int
    """Of the files of the newest snapshot."""
    disk_bytes: int
    """Of all files in its folder: older snapshots and metadata too."""
    bytes_per_day: int | None
    """None: too little history to tell."""
    method: str
    """`snapshots`; `in proportion`, to raw_trades; `none`."""
    measured_hours: float

    def daily_words(self) -> str:
        """`12.3 MB`, or why that is not known."""
        if self.bytes_per_day is None:
            return "not known yet"
        about = " (as raw_trades)" if self.method == "in proportion" else ""
        return f"{'-' if self.bytes_per_day < 0 else ''}{size(abs(self.bytes_per_day))}{about}"


class ForecastDocument(msgspec.Struct, frozen=True, kw_only=True):
    """When the disk is full, if all goes on as it did."""

    words: str
    free_bytes: int
    bytes_per_day: int | None
    """Of all tables; None: too little history to tell."""
    days_until_full: float | None
    """None where it is not known, or nothing grows."""
    tables: list[GrowthDocument]

    def drawn(self, *, terminal: bool = False) -> str:
        """Each table's size and growth, and when the disk is full. `terminal`: see `table`."""
        return "\n".join(self.said(terminal=terminal))

    def said(self, *, terminal: bool = False) -> list[str]:
        """What `drawn` joins."""
        columns = ("table", "size", "on disk", "growth a day")
        rows = ((g.table, size(g.live_bytes), size(g.disk_bytes), g.daily_words()) for g in self.tables)
        drawn = table(columns, rows, right=columns[1:], terminal=terminal)
        return [drawn, f"disk: {size(self.free_bytes)} free; {self.words}"]


class UpkeepDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a table, or would be."""

    table: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows: int
    commits: int
    tags_dropped: list[str]
    snapshots_forgotten: int
    orphans: int
    """Files that nothing names."""
    orphan_bytes: int
    notes: list[str]
    """What could not be done, and what to do."""

    def cells(self, *, dry_run: bool) -> tuple[object, ...]:
        """A row of the table that `coattail maintain` prints."""
        files = sizes = None
        if self.files_before:
            files = f"{self.files_before} -> {self.files_after}"
            sizes = size(self.bytes_before) if dry_run else f"{size(self.bytes_before)} -> {size(self.bytes_after)}"
        gone = (self.snapshots_forgotten, len(self.tags_dropped), self.orphans, size(self.orphan_bytes))
        return (self.table, files, sizes, *gone)


class HotRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed from the hot store because its time was over."""

    alerts: int
    facts: int


class MaintainedDocument(Displayed, msgspec.Struct, frozen=True, kw_only=True):
    """A maintenance, table by table, and the forecast after it. Printing it shows it as the command does."""

    engine: str
    dry_run: bool
    tables: list[UpkeepDocument]
    dlq_days_removed: int | None
    """None where that was not looked at."""
    hot_removed: HotRemoved | None
    notes: list[str]
    """What retention could not do."""
    forecast: ForecastDocument

    def said(self) -> list[str]:
        """What was done to each table, what could not be, and the forecast."""
        if not self.tables:
            return [NOTHING_LANDED]
        return [self.drawn(), *self.all_notes(), *self.freed_words(), "", *self.forecast.said()]

    def drawn(self, *, terminal: bool = False) -> str:
        """What was done to each table. `terminal`: see `table`."""
        columns = ("table", "files", "bytes", "snapshots forgotten", "tags dropped", "left over", "left over bytes")
        rows = [upkeep.cells(dry_run=self.dry_run) for upkeep in self.tables]
        return table(columns, rows, right=columns[1:], terminal=terminal)

    def all_notes(self) -> list[str]:
        """What could not be done, in sentences that begin with what they are about."""
        about = [f"{upkeep.table}: {note}" for upkeep in self.tables for note in upkeep.notes]
        return list(map(printable, (*about, *self.notes)))

    def freed_words(self) -> list[str]:
        """What was freed, and what went because its time was over, in sentences."""
        freed = size(sum(upkeep.orphan_bytes for upkeep in self.tables))
        if self.dry_run:
            said, verb = [f"dry run: nothing was changed; {freed} would be freed now"], "would go"
        else:
            said, verb = [f"{freed} freed; what was let go of just now is removed by a later run"], "went"
        if self.dlq_days_removed:
            said.append(f"{self.dlq_days_removed} day folders of the DLQ {verb}: their time is over")
        if self.hot_removed is not None and self.hot_removed.alerts:
            said.append(f"{self.hot_removed.alerts:,} alerts left the hot store: their time is over")
        return said


class CheckDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader was asked for, and whether it was right."""

    reader: str
    ok: bool | None
    """None where the reader was left out."""
    detail: str


class DrillStep(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the table's schema, and what was found after it."""

    name: str
    ok: bool
    rows: int
    files_before: int
    files_untouched: int
    checks: list[CheckDocument]


class DrillDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The schema drill, step by step."""

    ok: bool
    source: str
    """Whose rows it was done with."""
    rows: int
    steps: list[DrillStep]


def forecast_document(coming: Forecast) -> ForecastDocument:
    """The document of a forecast."""
    return ForecastDocument(
        words=coming.words(),
        free_bytes=coming.free_bytes,
        bytes_per_day=_whole(coming.bytes_per_day),
        days_until_full=None if coming.days_until_full is None else round(coming.days_until_full, 1),
        tables=[
            GrowthDocument(
                table=growth.table,
                live_bytes=growth.live_bytes,
                disk_bytes=growth.disk_bytes,
                bytes_per_day=_whole(growth.bytes_per_day),
                method=growth.method,
                measured_hours=round(growth.measured.total_seconds() / 3600, 2),
            )
            for growth in coming.tables
        ],
    )


def maintained_document(done: Maintained, coming: Forecast) -> MaintainedDocument:
    """The document of a maintenance."""
    retained = done.retained
    hot = retained.hot if retained is not None else None
    return MaintainedDocument(
        engine=done.engine,
        dry_run=done.dry_run,
        tables=[
            UpkeepDocument(
                table=upkeep.table,
                files_before=upkeep.compacted.files_before,
                files_after=upkeep.compacted.files_after,
                bytes_before=upkeep.compacted.bytes_before,
                bytes_after=upkeep.compacted.bytes_after,
                rows=upkeep.compacted.rows,
                commits=upkeep.compacted.commits,
                tags_dropped=upkeep.tags_dropped,
                snapshots_forgotten=upkeep.snapshots_forgotten,
                orphans=upkeep.orphans_found,
                orphan_bytes=upkeep.orphan_bytes,
                notes=upkeep.notes,
            )
            for upkeep in done.tables
        ],
        dlq_days_removed=retained.dlq_days if retained else None,
        hot_removed=HotRemoved(alerts=hot.alerts, facts=hot.facts) if hot else None,
        notes=retained.notes if retained else [],
        forecast=forecast_document(coming),
    )


def drill_document(done: Drilled) -> DrillDocument:
    """The document of a schema drill."""
    steps = [
        DrillStep(
            name=step.name,
            ok=step.ok,
            rows=step.rows,
            files_before=step.files_before,
            files_untouched=step.files_untouched,
            checks=[CheckDocument(reader=c.reader, ok=c.ok, detail=c.detail) for c in step.checks],
        )
        for step in done.steps
    ]
    return DrillDocument(ok=done.ok, source=done.source, rows=done.rows, steps=steps)


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)
