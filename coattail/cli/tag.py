"""`coattail tag`: a name that keeps a snapshot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json
from coattail.cli.snapshots import TableOption
from coattail.errors import UsageError
from coattail.workspace.text import clock

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, dots, hyphens, underscores.")]
SnapshotOption = Annotated[
    str | None, typer.Option("--snapshot", metavar="ID", help="Hold this snapshot. [default: newest]")
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", metavar="TIME", help="Hold the newest from this time or before, or another tag's."),
]
KeepOption = Annotated[
    str | None, typer.Option("--keep", metavar="DURATION", help="Keep it this long, like 30d. [default: forever]")
]
RemoveOption = Annotated[bool, typer.Option("--remove", help="Remove the tag (or branch).")]


@command("tag", examples=["coattail tag before-upgrade", "coattail tag crash-of-march --as-of 2025-03-04 --keep 90d"])
def tag(
    session: Session,
    name: NameArgument,
    *,
    snapshot: SnapshotOption = None,
    as_of: AsOfOption = None,
    table: TableOption = "raw_trades",
    keep: KeepOption = None,
    remove: RemoveOption = False,
    as_json: JsonOption = False,
) -> None:
    """Keep a snapshot of a table under a name.

    It does not expire while the tag is there.

    JSON: {"table", "tag", "snapshot_id", "commit", "committed_at", "keep_until", "removed"}.
    """
    from coattail.workspace import past

    if remove and (snapshot or as_of or keep):
        raise UsageError("--remove takes no other option but --table")
    if snapshot and as_of:
        raise UsageError("--snapshot and --as-of exclude each other")
    if snapshot and not snapshot.isdecimal():
        raise UsageError(f"--snapshot {snapshot!r} is not an id", next_step="see `coattail snapshots`, or use --as-of")
    stores, now = session.stores(write=True), datetime.now(UTC)
    if remove:
        held = past.let_go(stores, name, table=table)
        said = f"{name} no longer holds snapshot {held.snapshot_id} of {table}; it expires like any other from now on"
    else:
        age = _duration(keep) if keep else None
        past.existing_table(stores.lake, table)
        meant = past.snapshot_meant(stores.lake, table, snapshot or as_of, now=now)
        held = past.hold(stores, name, meant, table=table, keep=age, now=now)
        said = (
            f"{name} holds snapshot {held.snapshot_id} of {table} (commit {held.commit}, {clock(held.committed_at)}) "
            f"{f'until {clock(held.keep_until)}' if held.keep_until else 'forever'}"
        )
    if as_json:
        print_json(held)
    else:
        print(said)


def _duration(text: str) -> timedelta:
    from coattail.values import parse_duration

    try:
        found = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--keep {text!r} {error}") from None
    if not found:
        raise UsageError("--keep 0s holds nothing", next_step="write it like 30d")
    return found
