"""The commits of a table: the properties that coattail writes into a snapshot's summary, read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

PREFIX = "coattail."
"""Before the name of each of our properties in a summary."""

MAINTENANCE = "maintenance"
"""Property of a commit that changed files or metadata but no row; the value says what it did."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Where a table stands: its newest snapshot, the number of that commit, and its properties."""

    snapshot_id: int
    sequence: int
    """What the writer called it (property `commit`), else Iceberg's number; maintenance takes over its parent's."""
    committed_at: datetime
    properties: Mapping[str, str]
    rows: int = 0
    """How many it added."""


def commit_of(snapshot: Snapshot) -> Commit:
    """What a snapshot's summary says of its commit."""
    summary = snapshot.summary.additional_properties if snapshot.summary is not None else {}
    properties = {key.removeprefix(PREFIX): value for key, value in summary.items() if key.startswith(PREFIX)}
    return Commit(
        snapshot.snapshot_id,
        int(properties.get("commit", snapshot.sequence_number or 0)),
        datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
        properties,
        int(summary.get("added-records", 0)),
    )


def through_of(commit: Commit | None) -> int:
    """The commit of raw_trades that a derived table is complete through; 0 without a commit, or one that says it."""
    return 0 if commit is None else int(commit.properties.get("through", 0))


def newest_commit(table: IcebergTable) -> Commit | None:
    """The newest commit that carries coattail's properties, or None for a table without one."""
    snapshot = table.current_snapshot()
    while snapshot is not None:
        commit = commit_of(snapshot)
        if commit.properties:
            return commit
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    return None


def is_written(table: IcebergTable) -> bool:
    """Whether any snapshot that is kept is a commit of coattail."""
    return any(commit_of(snapshot).properties for snapshot in table.snapshots())


def written_commits(table: IcebergTable) -> list[Commit]:
    """The commits that wrote rows, oldest first, as far as they have not expired; not those of other branches, nor
    what a rollback took back."""
    snapshots = {snapshot.snapshot_id: snapshot for snapshot in table.snapshots()}
    past: set[int] = set()
    oldest, snapshot = 0, table.current_snapshot()
    while snapshot is not None:
        past.add(snapshot.snapshot_id)
        oldest = snapshot.sequence_number or 0
        snapshot = snapshots.get(snapshot.parent_snapshot_id or 0)
    found = [
        commit_of(s)
        for s in snapshots.values()
        if not is_maintenance(s) and (s.snapshot_id in past or (s.sequence_number or 0) < oldest)
    ]
    return sorted(found, key=lambda c: c.sequence)


def is_maintenance(snapshot: Snapshot) -> bool:
    """Whether the snapshot has the same rows as the one before: marked so by us, or `replace` in Iceberg's words."""
    summary = snapshot.summary
    if summary is None:
        return False
    return summary.operation.value == "replace" or f"{PREFIX}{MAINTENANCE}" in summary.additional_properties


def only_maintenance_since(table: IcebergTable, base: Snapshot | None) -> bool:
    """Whether every commit on top of `base` left all rows as they were."""
    snapshot = table.current_snapshot()
    while snapshot is not None and (base is None or snapshot.snapshot_id != base.snapshot_id):
        if MAINTENANCE not in commit_of(snapshot).properties:
            return False
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    return (snapshot is None) == (base is None)
