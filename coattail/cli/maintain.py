"""`coattail maintain`: few large files, few snapshots, nothing left over."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json, progress
from coattail.errors import UsageError
from coattail.workspace.text import printable, size

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
    """Merge small files, forget old snapshots, remove leftovers.

    Leftovers are files that nothing names. An engine may run meanwhile, but not with --engine spark or with
    --older-than below 1h. May be stopped and begun again at any time.

    JSON: {"engine", "dry_run", "tables", "dlq_days_removed", "hot_removed", "notes", "forecast"}; see docs/CLI.md.
    """
    from coattail.values import parse_duration

    try:
        age = parse_duration(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than {older_than!r} is not an age", next_step="write it like 3d or 12h") from error
    home = session.home(write=not dry_run)

    from coattail.workspace import upkeep
    from coattail.workspace.documents.upkeep import NOTHING_LANDED, maintained_document

    with progress(silent=as_json) as heard:
        done = upkeep.maintain(
            home, session.settings(), table=table, older_than=age, dry_run=dry_run, engine=engine, on_progress=heard
        )
    document = maintained_document(done, upkeep.growth(session.stores()))
    if as_json:
        print_json(document)
        return
    if not done.tables:
        print(NOTHING_LANDED)
        return
    terminal = sys.stdout.isatty()
    print(document.drawn(terminal=terminal), *document.all_notes(), sep="\n")
    for table_ in done.tables if dry_run else ():
        for orphan in table_.orphans[:_SHOWN_FILES]:
            print(f"would remove {printable(str(orphan))} ({size(orphan.size)})")
        if len(table_.orphans) > _SHOWN_FILES:
            print(f"… and {len(table_.orphans) - _SHOWN_FILES} more of {table_.table}")
    print(*document.freed_words(), "", document.forecast.drawn(terminal=terminal), sep="\n")
