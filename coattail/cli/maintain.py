"""`coattail maintain`: few large files, few snapshots, nothing left over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json, print_table, progress
from coattail.errors import UsageError
from coattail.workspace.text import printable, size

if TYPE_CHECKING:
    from coattail.workspace.documents.upkeep import (
        ForecastDocument,
        GrowthDocument,
        MaintainedDocument,
        UpkeepDocument,
    )

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
OlderThanOption = Annotated[
    str, typer.Option("--older-than", metavar="AGE", help="Leave files that are younger than this: 3d, 2h.")
]
TableOption = Annotated[str | None, typer.Option("--table", metavar="NAME", help="Maintain only this table.")]
EngineOption = Annotated[
    str,
    typer.Option("--engine", metavar="NAME", help="Use local, or spark: Iceberg's own procedures, without an engine."),
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

    JSON: {"engine", "dry_run", "tables", "dlq_days_removed", "hot_removed", "notes", "forecast"}; see docs/CLI.md.
    """
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
            home, session.settings(), table=table, older_than=age, dry_run=dry_run, engine=engine, on_progress=heard
        )
    document = maintained_document(done, upkeep.growth(session.stores()))
    if as_json:
        print_json(document)
        return
    if not done.tables:
        print("nothing has landed here yet")
        return
    _print_tables(document)
    for note in done.notes:
        print(printable(note))
    for table_ in done.tables if dry_run else ():
        for orphan in table_.orphans[:_SHOWN_FILES]:
            print(f"would remove {printable(str(orphan))} ({size(orphan.size)})")
        if len(table_.orphans) > _SHOWN_FILES:
            print(f"… and {len(table_.orphans) - _SHOWN_FILES} more of {table_.table}")
    for sentence in document.words():
        print(sentence)
    print()
    _print_forecast(document.forecast)


def _print_tables(document: MaintainedDocument) -> None:
    columns = ("table", "files", "bytes", "snapshots forgotten", "tags dropped", "left over", "left over bytes")
    rows = (
        (
            t.table,
            f"{t.files_before} -> {t.files_after}" if t.files_before else None,
            _sizes(t, dry_run=document.dry_run),
            t.snapshots_forgotten,
            len(t.tags_dropped),
            t.orphans,
            size(t.orphan_bytes),
        )
        for t in document.tables
    )
    print_table(columns, rows, right=columns[1:])


def _print_forecast(coming: ForecastDocument) -> None:
    columns = ("table", "size", "on disk", "growth a day")
    rows = ((g.table, size(g.live_bytes), size(g.disk_bytes), _daily(g)) for g in coming.tables)
    print_table(columns, rows, right=columns[1:])
    print(f"disk: {size(coming.free_bytes)} free; {coming.words}")


def _daily(growth: GrowthDocument) -> str:
    if growth.bytes_per_day is None:
        return "not known yet"
    about = " (as raw_trades)" if growth.method == "in proportion" else ""
    return f"{'-' if growth.bytes_per_day < 0 else ''}{size(abs(growth.bytes_per_day))}{about}"


def _sizes(table: UpkeepDocument, *, dry_run: bool) -> str | None:
    if not table.files_before:
        return None
    return size(table.bytes_before) if dry_run else f"{size(table.bytes_before)} -> {size(table.bytes_after)}"
