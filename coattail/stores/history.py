"""A table's past: which snapshots are kept and for how long, which one a person means, and names that hold one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from coattail.errors import StoreError, UsageError
from coattail.records import when
from coattail.stores.commits import MAINTENANCE, Commit, commit_of, is_maintenance, through_of
from coattail.stores.lake import Lake
from coattail.tables import Table

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

MAIN = "main"
OURS = ("hourly-", "daily-", "reprocess-")
"""Beginnings of names that coattail gives itself."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A snapshot that can be travelled to."""

    commit: Commit
    rows: int | None
    """Rows of the table then."""
    added: int
    tags: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    held_until: datetime | None = None
    """When the last tag with an age limit releases it."""
    held: bool = False
    """A branch, or a tag without an age limit, holds it."""
    maintenance: str | None = None
    """What maintenance did there, for a snapshot that changed no row."""
    past: bool = True
    """Whether it has ever been the table's state; one of another branch has not."""

    @property
    def snapshot_id(self) -> int:
        return self.commit.snapshot_id


def kept(lake: Lake, name: str) -> list[Kept]:
    """Every snapshot of the table that has not expired, newest first; none for a table that is missing or empty."""
    if not lake.has(name):
        return []
    table = lake.iceberg(name)
    past = {entry.snapshot_id for entry in table.history()}
    found = [_kept(table, snapshot, past) for snapshot in table.snapshots()]
    return sorted(found, key=lambda k: (k.commit.committed_at, k.commit.sequence), reverse=True)


def _kept(table: IcebergTable, snapshot: Snapshot, past: set[int]) -> Kept:
    summary = snapshot.summary.additional_properties if snapshot.summary is not None else {}
    refs = {n: r for n, r in table.metadata.refs.items() if r.snapshot_id == snapshot.snapshot_id}
    tags = {n: r.max_ref_age_ms for n, r in refs.items() if r.snapshot_ref_type == "tag"}
    branches = tuple(sorted(refs.keys() - tags.keys() - {MAIN}))
    commit, maintained = commit_of(snapshot), is_maintenance(snapshot)
    ages = [age for age in tags.values() if age]
    return Kept(
        commit=replace(commit, sequence=_number(table, snapshot)),
        rows=int(summary["total-records"]) if "total-records" in summary else None,
        added=0 if maintained else int(summary.get("added-records", 0)),
        tags=tuple(sorted(tags)),
        branches=branches,
        held_until=commit.committed_at + timedelta(milliseconds=max(ages)) if ages else None,
        held=bool(branches) or len(ages) < len(tags),
        maintenance=commit.properties.get(MAINTENANCE, "rewritten") if maintained else None,
        past=snapshot.snapshot_id in past,
    )


def _number(table: IcebergTable, snapshot: Snapshot) -> int:
    """The commit number whose rows the snapshot shows: maintenance that does not carry it on has its parent's."""
    while is_maintenance(snapshot) and "commit" not in commit_of(snapshot).properties:
        parent = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
        if parent is None:
            break
        snapshot = parent
    return commit_of(snapshot).sequence


def event_range(lake: Lake, name: str, column: str, snapshot_id: int) -> tuple[datetime, datetime] | None:
    """Between which event times the rows lie that a snapshot added, by the statistics of its files.

    None where it added no rows.
    """
    from pyiceberg.conversions import from_bytes
    from pyiceberg.manifest import ManifestEntryStatus
    from pyiceberg.types import TimestamptzType

    table = lake.iceberg(name)
    snapshot = table.snapshot_by_id(snapshot_id)
    field = table.schema().find_field(column)
    bounds: list[int] = []
    for manifest in snapshot.manifests(table.io) if snapshot is not None else ():
        if manifest.added_snapshot_id != snapshot_id:
            continue
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            if entry.status == ManifestEntryStatus.ADDED and entry.snapshot_id in (None, snapshot_id):
                for values in (entry.data_file.lower_bounds, entry.data_file.upper_bounds):
                    if values and field.field_id in values:
                        bounds.append(int(from_bytes(TimestamptzType(), values[field.field_id])))
    if not bounds:
        return None
    return when(min(bounds)), when(max(bounds))


def newest_written(lake: Lake, name: str) -> int | None:
    """Id of the newest snapshot that wrote rows: it stays the same while maintenance works on the table."""
    if not lake.has(name):
        return None
    table = lake.iceberg(name)
    snapshot = table.current_snapshot()
    while snapshot is not None and is_maintenance(snapshot):
        snapshot = table.snapshot_by_id(snapshot.parent_snapshot_id) if snapshot.parent_snapshot_id else None
    return None if snapshot is None else snapshot.snapshot_id


def latest_event(lake: Lake, table: Table) -> datetime | None:
    """The latest time of the market in a table, by the statistics of its files; None for one without rows."""
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import TimestamptzType

    if table.day_of is None or not lake.has(table.name):
        return None
    number = lake.iceberg(table.name).schema().find_field(table.day_of).field_id
    bounds = [file.upper_bounds[number] for file in lake.files(table.name) if number in file.upper_bounds]
    return max((when(int(from_bytes(TimestamptzType(), b))) for b in bounds), default=None)


# -- which one is meant ------------------------------------------------------------------------------------------


def at_newest(lake: Lake, name: str) -> Kept:
    """The newest state of the table.

    Raises: StoreError: If it has none.
    """
    found = kept(lake, name)
    head = lake.iceberg(name).current_snapshot() if found else None
    if head is None:
        raise _empty(name)
    return next(k for k in found if k.snapshot_id == head.snapshot_id)


def at_snapshot(lake: Lake, name: str, snapshot_id: int) -> Kept:
    """The snapshot with this id.

    Raises: UsageError: If there is none, or it has expired; the message lists those that are kept.
    """
    return _among(lake, name, f"snapshot {snapshot_id}", lambda k: k.snapshot_id == snapshot_id)


def at_tag(lake: Lake, name: str, tag: str) -> Kept:
    """The snapshot that a tag or branch holds.

    Raises: UsageError: If there is no such name; the message lists those there are.
    """
    return _among(lake, name, f"tag '{tag}'", lambda k: tag in (*k.tags, *k.branches))


def at_time(lake: Lake, name: str, moment: datetime) -> Kept:
    """The newest snapshot kept of those that were the table's state at `moment` or before it.

    Raises: UsageError: If every one that is kept is younger; the message lists them.
    """
    wanted = f"snapshot from {moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ} or before"
    return _among(lake, name, wanted, lambda k: k.past and k.commit.committed_at <= moment)


def complete_through(lake: Lake, name: str, sequence: int) -> Kept | None:
    """The state of a derived table that belongs to commit `sequence` of raw_trades.

    That is the last one that is complete through exactly this commit, else the first that is complete through it
    and more. None: there is none yet, or it has expired.
    """
    past = [k for k in reversed(kept(lake, name)) if k.past and "through" in k.commit.properties]
    exact = [k for k in past if through_of(k.commit) == sequence]
    if exact:
        return exact[-1]
    for before, after in pairwise(past):
        if through_of(before.commit) < sequence < through_of(after.commit):
            return after
    return None


def _among(lake: Lake, name: str, wanted: str, fits: Callable[[Kept], bool]) -> Kept:
    candidates = kept(lake, name)
    if not candidates:
        raise _empty(name)
    found = next((k for k in candidates if fits(k)), None)
    if found is None:
        raise UsageError(f"{name} has no {wanted}, or it has expired", next_step=f"kept: {_listed(candidates)}")
    return found


def _listed(candidates: list[Kept]) -> str:
    """The newest and the oldest snapshots, and every name."""
    shown = [f"{k.snapshot_id} ({k.commit.committed_at:%Y-%m-%d %H:%M:%SZ})" for k in candidates]
    if len(shown) > _SHOWN:
        shown = [*shown[: _SHOWN // 2], f"{len(shown) - _SHOWN} more", *shown[-_SHOWN // 2 :]]
    names = sorted(n for k in candidates for n in (*k.tags, *k.branches))
    if len(names) > 2 * _SHOWN:
        names = [*names[:_SHOWN], "…", *names[-_SHOWN:]]
    return f"{', '.join(shown)}; tags: {', '.join(names) or 'none'}; `coattail snapshots` shows all"


def _empty(name: str) -> StoreError:
    return StoreError(f"table '{name}' has no snapshot yet", next_step="land some trades first")


# -- names -------------------------------------------------------------------------------------------------------


def checked_name(name: str, what: str = "tag") -> str:
    """The name, if a tag or branch may have it.

    Raises: UsageError: If it has other characters, or is one that coattail gives itself.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name for a {what}",
            next_step="use up to 64 letters, digits, dots, hyphens and underscores, a letter first",
        )
    if name == MAIN or name.startswith(OURS):
        taken = "main, " + ", ".join(f"{beginning}…" for beginning in OURS)
        raise UsageError(f"{name!r} is a name that coattail gives itself ({taken})", next_step="choose another name")
    return name


def hold(lake: Lake, name: str, tag: str, snapshot_id: int, *, keep: timedelta | None, now: datetime) -> None:
    """Hold a snapshot under a tag, so that expiry passes it by: forever, or for `keep` from now on.

    Raises: UsageError: If the name is not allowed, or taken.
    """
    from coattail.stores.expiry import drop_lapsed_tags

    checked_name(tag)

    def change(known: IcebergTable) -> None:
        ref, snapshot = known.metadata.refs.get(tag), known.snapshot_by_id(snapshot_id)
        if ref is not None:
            raise UsageError(
                f"{name} has a {ref.snapshot_ref_type.value} '{tag}' already, at snapshot {ref.snapshot_id}",
                next_step=f"choose another name, or let go of it: coattail tag {tag} --table {name} --remove",
            )
        if snapshot is None:
            raise UsageError(f"{name} has no snapshot {snapshot_id} any more", next_step="see `coattail snapshots`")
        age = None
        if keep is not None:  # Iceberg counts a tag's age from its snapshot
            age = int((now + keep).timestamp() * 1000) - snapshot.timestamp_ms
        known.manage_snapshots().create_tag(snapshot_id, tag, max_ref_age_ms=age).commit()

    lapsed = [k for k in kept(lake, name) if k.held_until is not None and k.held_until < now]
    if lapsed:
        drop_lapsed_tags(lake, name, now)
    lake.iceberg(name)
    lake.change(name, change, beside_writers=True)


def let_go(lake: Lake, name: str, tag: str) -> int:
    """Remove a tag or branch; returns the snapshot that it held, which expires like others from now on.

    Raises: UsageError: If there is no such name.
    """
    held: list[int] = []

    def change(known: IcebergTable) -> None:
        ref = known.metadata.refs.get(tag)
        if ref is None or tag == MAIN:
            names = ", ".join(sorted(known.metadata.refs.keys() - {MAIN})) or "none"
            raise UsageError(f"{name} has no tag '{tag}'", next_step=f"tags and branches there: {names}")
        held[:] = [ref.snapshot_id]
        change = known.manage_snapshots()
        (change.remove_tag(tag) if ref.snapshot_ref_type == "tag" else change.remove_branch(tag)).commit()

    if not lake.has(name):
        raise _empty(name)
    lake.iceberg(name)
    lake.change(name, change, beside_writers=True)
    return held[0]
