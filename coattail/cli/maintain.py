"""`coattail maintain`: few large files, few snapshots, nothing left over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from coattail.cli.app import JsonOption, Session, command

if TYPE_CHECKING:
    from coattail.batch.forecast import Forecast, Growth
    from coattail.batch.maintenance import Maintained, Upkeep
    from coattail.config import Settings
    from coattail.home import Home

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
OlderThanOption = Annotated[
    str,
    typer.Option("--older-than", metavar="AGE", help="Leave files that were written less than so long ago: 3d, 2h."),
]
TableOption = Annotated[str | None, typer.Option("--table", metavar="NAME", help="Only this table.")]
EngineOption = Annotated[
    str, typer.Option("--engine", metavar="NAME", help="local, or spark: Iceberg's own procedures, without an engine.")
]

_SHOWN_FILES = 10


@command("maintain", examples=["coattail maintain --dry-run", "coattail maintain", "coattail maintain --table bars"])
def maintain(
    session: Session,
    *,
    dry_run: DryRunOption = False,
    older_than: OlderThanOption = "3d",
    table: TableOption = None,
    engine: EngineOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Merge small files, forget old snapshots, remove files that nothing names.

    An engine may run meanwhile, but not with --engine spark or with --older-than below 1h. May be stopped and begun
    again at any time.

    JSON: {"engine", "dry_run", "tables": [{"table", "files_before", "files_after", "bytes_before", "bytes_after",
    "rows", "commits", "tags_dropped", "snapshots_forgotten", "orphans", "orphan_bytes", "notes"}], "dlq_days_removed",
    "hot_removed": null or {"alerts", "facts"}, "notes", "forecast"}; see docs/CLI.md.
    """
    import time
    from datetime import UTC, datetime

    from coattail.cli.output import print_json, progress
    from coattail.errors import UsageError
    from coattail.values import parse_duration

    try:
        age = parse_duration(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than {older_than!r} is no age", next_step="write it like 3d or 12h") from error
    if engine not in ("local", "spark"):
        raise UsageError(f"there is no engine '{engine}'", next_step="choose local or spark")
    if engine == "spark" and dry_run:
        raise UsageError("--dry-run works with the local engine only", next_step="leave --engine spark out")
    home = session.home(write=not dry_run)
    settings = session.settings()
    began, started = datetime.now(UTC), time.monotonic()
    with progress("maintaining", silent=as_json) as bar:
        if engine == "spark":
            from coattail.batch.spark_maintenance import maintain_with_spark

            done = maintain_with_spark(home, settings, now=began, table=table, older_than=age, said=bar.describe)
        else:
            from coattail.batch.maintenance import maintain as maintain_home

            done = maintain_home(
                home,
                settings,
                now=began,
                table=table,
                older_than=age,
                dry_run=dry_run,
                said=bar.describe,
            )
    if not dry_run and table is None:
        from coattail.batch.last_run import remember, run_of

        remember(home, settings, run_of(done, by="maintain", began=began, seconds=time.monotonic() - started))
    coming = _forecast(home, settings)
    if as_json:
        print_json(as_document(done, coming))
    else:
        _print(done, coming)


def _forecast(home: Home, settings: Settings) -> Forecast:
    from contextlib import closing
    from datetime import UTC, datetime

    from coattail.batch.forecast import forecast
    from coattail.stores.opening import open_lake

    with closing(open_lake(home, settings)) as lake:
        return forecast(home, lake, now=datetime.now(UTC))


def as_document(done: Maintained, coming: Forecast) -> dict[str, Any]:
    """What `--json` prints."""
    retained = done.retained
    return {
        "engine": done.engine,
        "dry_run": done.dry_run,
        "tables": [_row(upkeep) for upkeep in done.tables],
        "dlq_days_removed": retained.dlq_days if retained else None,
        "hot_removed": {"alerts": retained.hot.alerts, "facts": retained.hot.facts}
        if retained and retained.hot
        else None,
        "notes": retained.notes if retained else [],
        "forecast": forecast_document(coming),
    }


def forecast_document(coming: Forecast) -> dict[str, Any]:
    """The forecast as `--json` prints it here and in `coattail status`."""
    return {
        "words": coming.words(),
        "free_bytes": coming.free_bytes,
        "bytes_per_day": _whole(coming.bytes_per_day),
        "days_until_full": None if coming.days_until_full is None else round(coming.days_until_full, 1),
        "tables": [
            {
                "table": growth.table,
                "live_bytes": growth.live_bytes,
                "disk_bytes": growth.disk_bytes,
                "bytes_per_day": _whole(growth.bytes_per_day),
                "method": growth.method,
                "measured_hours": round(growth.measured.total_seconds() / 3600, 2),
            }
            for growth in coming.tables
        ],
    }


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def _row(upkeep: Upkeep) -> dict[str, Any]:
    compacted = upkeep.compacted
    return {
        "table": upkeep.table,
        "files_before": compacted.files_before,
        "files_after": compacted.files_after,
        "bytes_before": compacted.bytes_before,
        "bytes_after": compacted.bytes_after,
        "rows": compacted.rows,
        "commits": compacted.commits,
        "tags_dropped": upkeep.tags_dropped,
        "snapshots_forgotten": upkeep.snapshots_forgotten,
        "orphans": upkeep.orphans_found,
        "orphan_bytes": upkeep.orphan_bytes,
        "notes": upkeep.notes,
    }


def _print(done: Maintained, coming: Forecast) -> None:
    from coattail.cli.output import print_table
    from coattail.cli.terminal import printable, size

    if not done.tables:
        print("nothing has landed here yet")
        return
    columns = ("table", "files", "bytes", "snapshots forgotten", "tags dropped", "left over", "left over bytes")
    print_table(
        columns,
        (
            (
                u.table,
                f"{u.compacted.files_before} -> {u.compacted.files_after}" if u.compacted.files_before else None,
                _sizes(u, dry_run=done.dry_run),
                u.snapshots_forgotten,
                len(u.tags_dropped),
                u.orphans_found,
                size(u.orphan_bytes),
            )
            for u in done.tables
        ),
        right=columns[1:],
    )
    for note in done.notes:
        print(printable(note))
    total = sum(u.orphan_bytes for u in done.tables)
    if done.dry_run:
        for upkeep in done.tables:
            for orphan in upkeep.orphans[:_SHOWN_FILES]:
                print(f"would remove {printable(str(orphan.path))} ({size(orphan.size)})")
            if len(upkeep.orphans) > _SHOWN_FILES:
                print(f"… and {len(upkeep.orphans) - _SHOWN_FILES} more of {upkeep.table}")
        print(f"dry run: nothing was changed; {size(total)} would be freed now")
    else:
        print(f"{size(total)} freed; what was let go of just now is removed by a later run")
    for sentence in _retention(done):
        print(sentence)
    print()
    sizes = ("table", "size", "on disk", "growth a day")
    growing = ((g.table, size(g.live_bytes), size(g.disk_bytes), _daily(g)) for g in coming.tables)
    print_table(sizes, growing, right=sizes[1:])
    print(f"disk: {size(coming.free_bytes)} free; {coming.words()}")


def _retention(done: Maintained) -> list[str]:
    """What went because its time was over, as sentences; none where nothing did."""
    if done.retained is None:
        return []
    said, verb = [], "would go" if done.dry_run else "went"
    if done.retained.dlq_days:
        said.append(f"{done.retained.dlq_days} day folders of the DLQ {verb}: their time is over")
    if done.retained.hot is not None and done.retained.hot.alerts:
        said.append(f"{done.retained.hot.alerts:,} alerts left the hot store: their time is over")
    return said


def _daily(growth: Growth) -> str:
    from coattail.cli.terminal import size

    if growth.bytes_per_day is None:
        return "not known yet"
    sign = "-" if growth.bytes_per_day < 0 else ""
    about = " (as raw_trades)" if growth.method == "in proportion" else ""
    return f"{sign}{size(abs(round(growth.bytes_per_day)))}{about}"


def _sizes(upkeep: Upkeep, *, dry_run: bool) -> str | None:
    from coattail.cli.terminal import size

    compacted = upkeep.compacted
    if not compacted.files_before:
        return None
    return (
        size(compacted.bytes_before) if dry_run else f"{size(compacted.bytes_before)} -> {size(compacted.bytes_after)}"
    )
