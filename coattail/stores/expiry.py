"""Which snapshots of a table are forgotten, and the tags that hold some.

Expiry changes metadata only: files that no snapshot names any more are removed by `coattail.stores.orphans`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import TableRequirement, UpdatesAndRequirements, ValidatableTableRequirement
from pyiceberg.table.update.snapshot import ExpireSnapshots

from coattail.stores.commits import commit_of, is_maintenance
from coattail.stores.lake import Lake
from coattail.stores.transaction import LeanTransaction

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.metadata import TableMetadata


def expirable(table: IcebergTable, *, keep: int, needed_after: int) -> list[int]:
    """Ids of the snapshots that may be forgotten, oldest first.

    Those stay: the newest `keep`; what a tag or branch holds; commits after number `needed_after`; and the newest
    commit that wrote rows with everything after it, so that the stream's offsets and an engine's last commit are
    always found by walking back from the head.
    """
    held = {ref.snapshot_id for ref in table.metadata.refs.values()} | last_commit(table)
    snapshots = sorted(table.snapshots(), key=lambda s: s.sequence_number or 0)
    return [
        s.snapshot_id
        for s in snapshots[:-keep]
        if s.snapshot_id not in held and (not commit_of(s).properties or commit_of(s).sequence <= needed_after)
    ]


def last_commit(table: IcebergTable) -> set[int]:
    """Ids of the newest commit that wrote rows, and of everything after it."""
    found = set()
    snapshot = table.current_snapshot()
    while snapshot is not None:
        found.add(snapshot.snapshot_id)
        if commit_of(snapshot).properties and not is_maintenance(snapshot):
            break
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    return found


def expire(lake: Lake, name: str, *, keep: int, needed_after: int) -> list[int]:
    """Forget what is `expirable`; returns the ids."""
    forgotten: list[int] = []
    lake.iceberg(name)  # maintenance may have forgotten some meanwhile

    def change(known: IcebergTable) -> None:
        forgotten[:] = expirable(known, keep=keep, needed_after=needed_after)
        if not forgotten:
            return
        try:
            with LeanTransaction(known) as transaction:
                _Expire(transaction).by_ids(forgotten).commit()
        except ValueError as error:  # somebody else forgot one of them first
            raise CommitFailedException(str(error)) from error

    lake.change(name, change, beside_writers=True)
    return forgotten


def tag_newest(lake: Lake, name: str, tag: str, *, keep_days: int) -> None:
    """Hold the newest snapshot under a name, so that expiry passes it by; the tag itself lapses after `keep_days`."""

    def change(known: IcebergTable) -> None:
        snapshot = known.current_snapshot()
        if snapshot is not None and tag not in known.metadata.refs:
            manage = known.manage_snapshots()
            manage.create_tag(snapshot.snapshot_id, tag, max_ref_age_ms=keep_days * 86_400_000).commit()

    lake.change(name, change, beside_writers=True)


def lapsed_tags(table: IcebergTable, now: datetime) -> list[str]:
    """Tags whose snapshot is older than the tag's own age limit."""
    lapsed = []
    for tag, ref in table.metadata.refs.items():
        snapshot = table.snapshot_by_id(ref.snapshot_id)
        age = now.timestamp() * 1000 - snapshot.timestamp_ms if snapshot else 0
        if ref.snapshot_ref_type == "tag" and ref.max_ref_age_ms and age > ref.max_ref_age_ms:
            lapsed.append(tag)
    return lapsed


def drop_lapsed_tags(lake: Lake, name: str, now: datetime) -> list[str]:
    """Remove the `lapsed_tags`; returns their names."""
    lapsed: list[str] = []

    def change(known: IcebergTable) -> None:
        lapsed[:] = lapsed_tags(known, now)
        if lapsed:
            manage = known.manage_snapshots()
            for tag in lapsed:
                manage = manage.remove_tag(tag)
            manage.commit()

    lake.change(name, change, beside_writers=True)
    return lapsed


def _names(metadata: TableMetadata) -> dict[str, int]:
    """Snapshots by tag and branch; main, which moves with every commit, is left out."""
    return {name: ref.snapshot_id for name, ref in metadata.refs.items() if name != MAIN_BRANCH}


class _SameRefs(ValidatableTableRequirement):
    """No tag was set, moved or removed meanwhile: expiry would take a new tag's snapshot away, and the tag with it."""

    type: Literal["coattail-same-refs"] = "coattail-same-refs"
    refs: dict[str, int]

    def validate(self, base_metadata: TableMetadata | None) -> None:  # type: ignore[override]
        """Raise CommitFailedException if the refs are others."""
        if base_metadata is None or _names(base_metadata) != self.refs:
            raise CommitFailedException("a tag or a branch has changed meanwhile")


class _Expire(ExpireSnapshots):
    """PyIceberg's expiry, refused when a tag came between."""

    def _commit(self) -> UpdatesAndRequirements:
        same: TableRequirement = _SameRefs(refs=_names(self._transaction.table_metadata))  # type: ignore[assignment]
        updates, requirements = super()._commit()
        return updates, (*requirements, same)
