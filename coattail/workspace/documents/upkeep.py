"""Maintenance, the forecast, and the schema drill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from coattail.workspace.text import size

if TYPE_CHECKING:
    from coattail.batch.drill import Drilled
    from coattail.batch.forecast import Forecast
    from coattail.batch.maintenance import Maintained


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


class ForecastDocument(msgspec.Struct, frozen=True, kw_only=True):
    """When the disk is full, if all goes on as it did."""

    words: str
    free_bytes: int
    bytes_per_day: int | None
    """Of all tables; None: too little history to tell."""
    days_until_full: float | None
    """None where it is not known, or nothing grows."""
    tables: list[GrowthDocument]


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


class HotRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed from the hot store because its time was over."""

    alerts: int
    facts: int


class MaintainedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A maintenance, table by table, and the forecast after it."""

    engine: str
    dry_run: bool
    tables: list[UpkeepDocument]
    dlq_days_removed: int | None
    """None where that was not looked at."""
    hot_removed: HotRemoved | None
    notes: list[str]
    """What retention could not do."""
    forecast: ForecastDocument

    def words(self) -> list[str]:
        """What was freed, and what went because its time was over, in sentences."""
        freed = size(sum(table.orphan_bytes for table in self.tables))
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
