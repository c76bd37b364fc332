"""Maintenance of a home: small files become large ones, old snapshots are forgotten, orphans removed.

Every step is a commit of its own, or the removal of files that nothing names, so it may be stopped anywhere and
begun again; an engine may run meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from coattail.batch.retention import Retained, keep_retention
from coattail.config import Settings
from coattail.detectors import MODULE_TABLES
from coattail.errors import HomeError, StoreError, UsageError
from coattail.home import Home
from coattail.stores.compaction import TARGET_BYTES, Compacted, compact, complete_through, plan
from coattail.stores.expiry import drop_lapsed_tags, expirable, expire, lapsed_tags
from coattail.stores.lake import Lake
from coattail.stores.lease import Tenure
from coattail.stores.opening import open_lake, open_lease
from coattail.stores.orphans import LEAST_AGE, SAFE_AGE, find_orphans, remove
from coattail.stores.storage import Entry
from coattail.tables import CORE_TABLES, RAW_TRADES, Table
from coattail.values import format_duration


@dataclass
class Upkeep:
    """What was done to a table, or would be; `notes` are sentences about what could not be."""

    table: str
    compacted: Compacted
    snapshots_forgotten: int = 0
    tags_dropped: list[str] = field(default_factory=list)
    orphans: list[Entry] = field(default_factory=list)
    """Files that the local engine found; Spark only counts them."""
    orphans_found: int = 0
    orphan_bytes: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass
class Maintained:
    """A maintenance, table by table. `retained` is None where retention was not looked at.

    `stopped`: somebody wanted it to end before all was done.
    """

    engine: str
    dry_run: bool
    tables: list[Upkeep]
    retained: Retained | None = None
    stopped: bool = False

    @property
    def notes(self) -> list[str]:
        """What could not be done, in sentences that begin with what they are about."""
        return [f"{u.table}: {note}" for u in self.tables for note in u.notes] + (
            self.retained.notes if self.retained else []
        )


def kept_tables(lake: Lake) -> list[Table]:
    """The tables of the lake that coattail writes, raw_trades first."""
    there = set(lake.names())
    return [t for t in (*CORE_TABLES, *MODULE_TABLES) if t.name in there]


def chosen_tables(lake: Lake, name: str | None) -> list[Table]:
    """One table, or (None) all of them.

    Raises: UsageError: If there is no such table.
    """
    known = kept_tables(lake)
    found = [table for table in known if name in (None, table.name)]
    if name is not None and not found:
        here = ", ".join(table.name for table in known) or "none yet"
        raise UsageError(f"there is no table '{name}' to maintain", next_step=f"tables here: {here}")
    return found


def maintain(
    home: Home,
    settings: Settings,
    *,
    now: datetime,
    table: str | None = None,
    older_than: timedelta = SAFE_AGE,
    dry_run: bool = False,
    target_bytes: int = TARGET_BYTES,
    said: Callable[[str], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Maintained:
    """Maintain the home's tables with the local engine's means; `said` is called with what is being done.

    Beside an engine, files that this run lets go of are removed by a later one: somebody may be reading them.
    `stopping` is asked before every step, and after every file that is written. Without `table`, retention of the hot
    store and of the DLQ is kept too.

    Raises: HomeError: If another maintenance runs; or an engine, where `older_than` is below an hour. UsageError:
    If there is no such table.
    """
    with ExitStack() as stack:
        alone = older_than < LEAST_AGE
        if not dry_run:
            stack.enter_context(home.maintenance_lock("maintain"))
        lake = open_lake(home, settings, writable=not dry_run)
        stack.callback(lake.close)
        if alone and not dry_run:
            why = f"removing files younger than {format_duration(LEAST_AGE)}"
            stack.enter_context(while_no_engine_runs(home, settings, why)).fence(lake)
        run = _Run(lake, settings, now, older_than, dry_run, target_bytes, said, stopping)
        done = Maintained("local", dry_run, [])
        if table is None:
            done.retained = keep_retention(home, settings, now=now, dry_run=dry_run)
        for wanted in chosen_tables(lake, table):
            upkeep = Upkeep(wanted.name, Compacted(wanted.name))
            done.tables.append(upkeep)
            for step in (run.compact, run.forget, run.clean) if alone else (run.clean, run.compact, run.forget):
                done.stopped = done.stopped or stopping()
                if done.stopped:
                    return done
                try:
                    step(wanted, upkeep)
                except StoreError as error:
                    upkeep.notes.append(str(error))
        done.stopped = stopping()
        return done


@contextmanager
def while_no_engine_runs(home: Home, settings: Settings, what: str) -> Iterator[Tenure]:
    """Hold the engine's lease.

    Raises: HomeError: If an engine has it.
    """
    with ExitStack() as stack:
        try:
            tenure = stack.enter_context(open_lease(home, settings).held("maintain"))
        except HomeError as error:
            raise HomeError(
                f"{what} needs the home for itself, and {error.message}", next_step=error.next_step
            ) from error
        yield tenure


@dataclass(frozen=True)
class _Run:
    """The three steps of the local engine's maintenance; a dry one counts only."""

    lake: Lake
    settings: Settings
    now: datetime
    older_than: timedelta
    dry_run: bool
    target_bytes: int
    said: Callable[[str], None]
    stopping: Callable[[], bool]

    def compact(self, table: Table, upkeep: Upkeep) -> None:
        through = complete_through(self.lake) if table is RAW_TRADES else None
        if not self.dry_run:
            upkeep.compacted = compact(
                self.lake,
                table,
                target_bytes=self.target_bytes,
                through=through,
                said=self.said,
                stopping=self.stopping,
            )
            upkeep.notes += upkeep.compacted.skipped
            return
        for job in plan(self.lake, table, target_bytes=self.target_bytes, through=through):
            upkeep.compacted.files_before += len(job.files)
            upkeep.compacted.files_after += job.outputs
            upkeep.compacted.bytes_before += job.size
            upkeep.compacted.rows += job.rows

    def forget(self, table: Table, upkeep: Upkeep) -> None:
        """Tags that have lapsed, then snapshots that nobody needs."""
        self.said(f"{table.name}: forgetting snapshots")
        keep = self.settings.engine.keep_snapshots
        newest = self.lake.newest(table.name)
        needed = complete_through(self.lake) if table is RAW_TRADES else newest.sequence if newest else 0
        if self.dry_run:
            known = self.lake.iceberg(table.name)
            upkeep.tags_dropped = lapsed_tags(known, self.now)
            upkeep.snapshots_forgotten = len(expirable(known, keep=keep, needed_after=needed))
        else:
            upkeep.tags_dropped = drop_lapsed_tags(self.lake, table.name, self.now)
            upkeep.snapshots_forgotten = len(expire(self.lake, table.name, keep=keep, needed_after=needed))

    def clean(self, table: Table, upkeep: Upkeep) -> None:
        self.said(f"{table.name}: looking for files that nothing names")
        upkeep.orphans = find_orphans(self.lake, table.name, older_than=self.older_than, now=self.now)
        upkeep.orphans_found = len(upkeep.orphans)
        upkeep.orphan_bytes = sum(orphan.size for orphan in upkeep.orphans)
        if not self.dry_run:
            remove(self.lake, upkeep.orphans)
