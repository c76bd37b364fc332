"""The past of a whole lake: every table as it was when raw_trades was at one of its snapshots."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from coattail.errors import StoreError
from coattail.stores.commits import through_of
from coattail.stores.history import Kept, kept
from coattail.stores.lake import Lake
from coattail.stores.outline import Outline, Outlines
from coattail.tables import RAW_TRADES

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata


class LakeThen(Lake):
    """A lake as it was, for reading: whatever is asked of it knows no later snapshot.

    raw_trades is at the snapshot `meant`. A derived table is at the last state that is complete through at most that
    commit, any other at its last state of that time; with a `moment`, none is at a state that was committed later.
    Tables that did not exist yet do not exist.
    """

    def __init__(self, now: Lake, meant: Kept, moment: datetime | None = None) -> None:
        super().__init__(now.properties, writable=False)
        self.meant = meant
        self._now = now
        self._moment = moment
        self._at: dict[str, int | None] = {RAW_TRADES.name: meant.snapshot_id}

    def locations(self) -> dict[str, str]:
        return {name: place for name, place in super().locations().items() if self.snapshot_of(name) != _NOT_YET}

    def snapshot_of(self, name: str) -> int | None:
        """The snapshot that a table is at; None where it has expired, 0 where the table was empty or not there yet."""
        if name not in self._at:
            self._at[name] = self._found(kept(self._now, name))
        return self._at[name]

    def _found(self, states: list[Kept]) -> int | None:
        """`states`: newest first."""
        past = [state for state in states if state.past]
        fits = [state for state in past if self._was_there(state)]
        if fits:
            return fits[0].snapshot_id
        return _NOT_YET if _none_expired(past) else None

    def _was_there(self, state: Kept) -> bool:
        if self._moment is not None and state.commit.committed_at > self._moment:
            return False
        if "through" in state.commit.properties:
            return through_of(state.commit) <= self.meant.commit.sequence
        return state.commit.committed_at <= (self._moment or self.meant.commit.committed_at)

    def iceberg(self, name: str) -> IcebergTable:
        from pyiceberg.table import Table as IcebergTable

        table = super().iceberg(name)
        at = self.snapshot_of(name)
        if at is None:
            raise StoreError(
                f"{name} as of commit {self.meant.commit.sequence} of raw_trades has expired",
                next_step="raw_trades of then is still there: ws.reprocess() computes its alerts anew",
            )
        metadata = _cut(table.metadata, at)
        self._tables[name] = IcebergTable(table.name(), metadata, table.metadata_location, table.io, table.catalog)
        return self._tables[name]


def _none_expired(past: list[Kept]) -> bool:
    """Whether the table's first snapshot is among them: what is not there was never there."""
    return not past or (past[-1].rows or 0) == past[-1].added


_NOT_YET = 0
"""Iceberg's snapshot ids are above zero."""


def _cut(metadata: TableMetadata, snapshot_id: int) -> TableMetadata:
    """The metadata as it was when this snapshot was the newest."""
    chosen = next(s for s in metadata.snapshots if s.snapshot_id == snapshot_id)
    snapshots = [s for s in metadata.snapshots if (s.sequence_number or 0) <= (chosen.sequence_number or 0)]
    there = {s.snapshot_id for s in snapshots}
    log, ended = [], False
    for entry in metadata.snapshot_log:
        ended = ended or entry.snapshot_id not in there
        log += [] if ended else [entry]
    refs = {name: ref for name, ref in metadata.refs.items() if ref.snapshot_id in there}
    if main := metadata.refs.get("main"):
        refs["main"] = main.model_copy(update={"snapshot_id": snapshot_id})
    schema = metadata.current_schema_id if chosen.schema_id is None else chosen.schema_id
    return metadata.model_copy(
        update={
            "current_snapshot_id": snapshot_id, "snapshots": snapshots, "snapshot_log": log, "refs": refs,
            "current_schema_id": schema,
        }
    )  # fmt: skip


class OutlinesThen(Outlines):
    """How the tables of a lake stood."""

    def __init__(self, lake: LakeThen) -> None:
        super().__init__(lake.properties)
        self._lake = lake

    def all(self) -> dict[str, Outline]:
        return {name: self.of(name) for name in self._lake.names() if self._lake.snapshot_of(name)}

    def of(self, table: str) -> Outline:
        at = self._lake.snapshot_of(table) if self._lake.has(table) else None
        return msgspec.structs.replace(super().of(table), current_snapshot_id=at)
