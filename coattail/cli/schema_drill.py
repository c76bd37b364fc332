"""`coattail schema-drill`: change a table's schema under its readers, and see that nothing breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command

if TYPE_CHECKING:
    from coattail.batch.drill import Drilled, ReaderVerdict

RowsOption = Annotated[int, typer.Option("--rows", metavar="N", help="Use this many trades.")]
KeepOption = Annotated[bool, typer.Option("--keep", help="Leave the table schema_drill in the lakehouse.")]


@command("schema-drill", examples=["coattail schema-drill", "coattail schema-drill --rows 100000 --json"])
def schema_drill(
    session: Session, *, rows: RowsOption = 6_000, keep: KeepOption = False, as_json: JsonOption = False
) -> None:
    """Change a table's schema under its readers, and check them.

    On a table of its own, made from the home's trades (or simulated ones) and dropped at the end: add, rename and
    widen columns, change the partitions, roll back to a tag. Exit code 1 if a reader is wrong or a file was touched.

    JSON: {"ok", "source", "rows", "steps": [{"name", "ok", "rows", "files_before", "files_untouched", "checks":
    [{"reader", "ok": true|false|null, "detail"}]}]}; `ok` of a check is null where the reader was left out.
    """
    from coattail.cli.output import print_json, progress

    home = session.home(write=True)

    from coattail.workspace import upkeep
    from coattail.workspace.documents.upkeep import drill_document

    with progress(silent=as_json) as heard:
        done = upkeep.schema_drill(home, session.settings(), rows=rows, keep=keep, on_progress=heard)
    if as_json:
        print_json(drill_document(done))
    else:
        _print(done, keep=keep)
    if not done.ok:
        raise typer.Exit(1)


def _print(done: Drilled, *, keep: bool) -> None:
    from coattail.cli.output import print_table
    from coattail.workspace.text import printable

    names = [check.reader for check in done.steps[0].checks]
    print(f"{done.rows:,} rows: {done.source}. Every reader is asked for the newest state and for every snapshot.")
    print_table(
        ("step", "rows", "files untouched", *names),
        (
            (s.name, f"{s.rows:,}", f"{s.files_untouched} of {s.files_before}", *(_verdict(c) for c in s.checks))
            for s in done.steps
        ),
        right=("rows", "files untouched"),
    )
    for check in done.steps[0].checks:
        if check.ok is None:
            print(f"{check.reader} was left out: {printable(check.detail)}")
    for step in done.steps:
        for check in step.checks:
            if check.ok is False:
                print(f"{step.name}: {check.reader} is wrong: {printable(check.detail)}")
    print("every reader was right after every step" if done.ok else "something is wrong, see above")
    if keep:
        print("the table schema_drill is kept; the next drill replaces it")


def _verdict(check: ReaderVerdict) -> str:
    return "left out" if check.ok is None else "right" if check.ok else "WRONG"
