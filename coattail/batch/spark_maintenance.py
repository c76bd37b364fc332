"""Maintenance by Spark: for tables too large for one process. No engine runs on the home meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from coattail.batch.maintenance import Maintained, Upkeep, chosen_tables, while_no_engine_runs
from coattail.config import Settings
from coattail.errors import StoreError
from coattail.home import Home
from coattail.stores.compaction import TARGET_BYTES, Compacted, complete_through
from coattail.stores.expiry import drop_lapsed_tags
from coattail.stores.lake import Lake
from coattail.stores.opening import open_lake
from coattail.stores.orphans import find_orphans, remove
from coattail.stores.swap import carry_position
from coattail.tables import RAW_TRADES, Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def maintain_with_spark(
    home: Home,
    settings: Settings,
    *,
    now: datetime,
    table: str | None = None,
    older_than: timedelta,
    target_bytes: int = TARGET_BYTES,
    said: Callable[[str], None] = lambda _: None,
) -> Maintained:
    """Run Iceberg's procedures over the home's tables.

    Its rewrite gives trades of every commit to one snapshot, so the tables derived from them must be complete. That
    snapshot knows nothing of the stream's offsets: an empty commit says them again before anything expires.

    Raises: HomeError: If an engine or another maintenance runs. StoreError: If derived tables are behind. SparkError:
    If Spark cannot run.
    """
    from coattail.spark.session import spark_session, stop_session

    with ExitStack() as stack:
        stack.enter_context(home.maintenance_lock("maintain --engine spark"))
        tenure = stack.enter_context(while_no_engine_runs(home, settings, "maintenance by Spark"))
        lake = open_lake(home, settings, writable=True)
        stack.callback(lake.close)
        tenure.fence(lake)
        tables = chosen_tables(lake, table)
        _refuse_incomplete(lake)
        said("starting Spark")
        session = spark_session(
            "coattail maintain",
            lake=lake.properties,
            log_file=home.path / "logs" / "spark.log",
        )
        stack.callback(stop_session, session)
        done = Maintained("spark", dry_run=False, tables=[])
        for wanted in tables:
            said(f"{wanted.name}: Spark rewrites and expires")
            done.tables.append(_maintained(session, lake, wanted, settings, older_than, target_bytes, now))
        return done


def _refuse_incomplete(lake: Lake) -> None:
    newest = lake.newest(RAW_TRADES.name)
    if newest is not None and complete_through(lake) < newest.sequence:
        raise StoreError(
            f"derived tables are complete through commit {complete_through(lake)} of {newest.sequence}",
            next_step="run `coattail land --drain` first",
        )


def _maintained(
    session: SparkSession,
    lake: Lake,
    table: Table,
    settings: Settings,
    older_than: timedelta,
    target_bytes: int,
    now: datetime,
) -> Upkeep:
    from coattail.spark import maintenance as spark

    name = table.name
    upkeep = Upkeep(name, Compacted(name))
    if not lake.iceberg(name).snapshots():
        return upkeep
    size = _size(lake, name)
    rewritten = spark.rewrite_data_files(session, name, sorted_by=table.sorted_by, target_bytes=target_bytes)
    upkeep.compacted.files_before, upkeep.compacted.files_after = rewritten.files_before, rewritten.files_after
    upkeep.compacted.bytes_before = rewritten.bytes_before
    upkeep.compacted.bytes_after = rewritten.bytes_before + _size(lake, name) - size
    upkeep.compacted.commits = int(rewritten.files_before > 0)
    spark.rewrite_manifests(session, name)
    carry_position(lake, name)
    upkeep.tags_dropped = drop_lapsed_tags(lake, name, now)
    before = len(lake.iceberg(name).snapshots())
    spark.expire_snapshots(session, name, keep=settings.engine.keep_snapshots, now=now)
    upkeep.snapshots_forgotten = before - len(lake.iceberg(name).snapshots())
    if older_than >= spark.LEAST_ORPHAN_AGE:
        upkeep.orphans_found = len(spark.remove_orphan_files(session, name, older_than=older_than, now=now))
    else:
        orphans = find_orphans(lake, name, older_than=older_than, now=now)
        upkeep.orphans_found, upkeep.orphan_bytes = len(orphans), sum(orphan.size for orphan in orphans)
        remove(lake, orphans)
    return upkeep


def _size(lake: Lake, name: str) -> int:
    """Bytes of the newest snapshot's files, those of row-level deletes included."""
    snapshot = lake.iceberg(name).current_snapshot()
    summary = snapshot.summary if snapshot is not None else None
    return int(summary.additional_properties.get("total-files-size", 0)) if summary is not None else 0
