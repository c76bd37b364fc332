"""Keeping a home: maintenance on demand, the forecast, the schema drill."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from coattail.batch import forecast, maintenance
from coattail.batch.last_run import remember, run_of
from coattail.config import Settings
from coattail.engines.kinds import ENGINES
from coattail.errors import UsageError
from coattail.home import Home
from coattail.stores.orphans import SAFE_AGE
from coattail.workspace.opening import Stores
from coattail.workspace.progress import OnProgress, Step, unheard

if TYPE_CHECKING:
    from coattail.batch import drill


def maintain(
    home: Home,
    settings: Settings,
    *,
    table: str | None = None,
    older_than: timedelta = SAFE_AGE,
    dry_run: bool = False,
    engine: str = "local",
    on_progress: OnProgress = unheard,
) -> maintenance.Maintained:
    """Merge small files, forget old snapshots, remove files that nothing names.

    A maintenance of all tables is remembered, for `coattail status` and the engine that would do the next one.

    table: Only this one; None means all.
    older_than: Files younger than this stay; three days, so that nobody is reading them any more.
    engine: local, or spark: Iceberg's own procedures, on a home where no engine runs.
    Raises: UsageError: If there is no such table or engine. HomeError: If another maintenance runs.
    """
    if engine not in ENGINES:
        raise UsageError(f"there is no engine '{engine}'", next_step=f"choose {' or '.join(ENGINES)}")
    if engine == "spark" and dry_run:
        raise UsageError("--dry-run works with the local engine only", next_step="leave --engine spark out")
    began, started = datetime.now(UTC), time.monotonic()

    def said(doing: str) -> None:
        on_progress(Step(doing))

    if engine == "spark":
        from coattail.batch.spark_maintenance import maintain_with_spark

        done = maintain_with_spark(home, settings, now=began, table=table, older_than=older_than, said=said)
    else:
        done = maintenance.maintain(
            home, settings, now=began, table=table, older_than=older_than, dry_run=dry_run, said=said
        )
    if not dry_run and table is None:
        remember(home, settings, run_of(done, by="maintain", began=began, seconds=time.monotonic() - started))
    return done


def growth(stores: Stores) -> forecast.Forecast:
    """How large the tables are, how fast they grow, and when the disk is full at that rate."""
    return forecast.forecast(
        stores.outlines, free_bytes=shutil.disk_usage(stores.home.path).free, now=datetime.now(UTC)
    )


def schema_drill(
    home: Home, settings: Settings, *, rows: int = 6_000, keep: bool = False, spark: bool = True,
    on_progress: OnProgress = unheard,
) -> drill.Drilled:  # fmt: skip
    """Change a scratch table's schema under its readers, and check them; an engine may run meanwhile.

    rows: Trades to do it with, of the home or simulated; 6,000 take seconds and fill several files.
    keep: Leave the table `schema_drill` in the lakehouse.
    spark: Ask the Spark reader too, where it can run; it starts in half a minute.
    Raises: UsageError: If `rows` are too few. StoreError: If somebody else has a table of that name.
    """
    from coattail.batch import drill  # DuckDB is among its readers

    return drill.schema_drill(
        home, settings, rows=rows, keep=keep, spark=spark, said=lambda doing: on_progress(Step(doing))
    )
