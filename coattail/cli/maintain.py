"""`coattail maintain`: few large files, few snapshots, nothing left over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command

if TYPE_CHECKING:
    from coattail.batch.forecast import Forecast, Growth
    from coattail.batch.maintenance import Maintained, Upkeep

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
OlderThanOption = Annotated[
    str,
    typer.Option("--older-than", metavar="AGE", help="Leave files that are younger than this: 3d, 2h."),
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
    from coattail.cli.output import print_json, progress
    from coattail.errors import UsageError
    from coattail.values import parse_duration
    from coattail.workspace import upkeep
    from coattail.workspace.documents.upkeep import maintained_document

    try:
        age = parse_duration(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than {older_than!r} is not an age", next_step="write it like 3d or 12h") from error
    home = session.home(write=not dry_run)
    with progress(silent=as_json) as heard:
        done = upkeep.maintain(
            home,
            session.settings(),
            table=table,
            older_than=age,
            dry_run=dry_run,
            engine=engine,
            on_progress=heard,
        )
    coming = upkeep.growth(session.stores())
    if as_json:
        print_json(maintained_document(done, coming))
    else:
        _print(done, coming)


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
