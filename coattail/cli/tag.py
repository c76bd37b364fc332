"""`coattail tag`: a name that keeps a snapshot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json
from coattail.cli.snapshots import TableOption
from coattail.cli.terminal import clock
from coattail.errors import UsageError
from coattail.workspace.past import existing_table, snapshot_meant

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, dots, hyphens, underscores.")]
SnapshotOption = Annotated[str | None, typer.Option("--snapshot", metavar="ID", help="Which one. [default: newest]")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="TIME", help="The newest from this time or before, or another tag's.")
]
KeepOption = Annotated[
    str | None, typer.Option("--keep", metavar="DURATION", help="So long from now, like 30d. [default: for ever]")
]
RemoveOption = Annotated[bool, typer.Option("--remove", help="Let go of what the tag (or branch) holds.")]


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
    """Hold a snapshot of a table under a name, so that it does not expire.

    JSON: {"table", "tag", "snapshot_id", "commit", "committed_at", "keep_until", "removed"}.
    """
    from coattail.stores.history import hold, let_go
    from coattail.stores.opening import open_lake

    if remove and (snapshot or as_of or keep):
        raise UsageError("--remove takes no other option but --table")
    if snapshot and as_of:
        raise UsageError("--snapshot and --as-of exclude each other")
    if snapshot and not snapshot.isdecimal():
        raise UsageError(f"--snapshot {snapshot!r} is no id", next_step="see `coattail snapshots`, or use --as-of")
    home = session.home(write=True)
    lake = open_lake(home, session.settings(), writable=home.catalog_db.exists())
    session.resources.callback(lake.close)
    existing_table(lake, table)
    now = datetime.now(UTC)
    if remove:
        held = let_go(lake, table, name)
        if as_json:
            print_json({**_NOTHING, "table": table, "tag": name, "snapshot_id": str(held), "removed": True})
        else:
            print(f"{name} holds snapshot {held} of {table} no longer; it expires like any other from now on")
        return
    age = _duration(keep) if keep else None
    meant = snapshot_meant(lake, table, snapshot or as_of, now=now)
    hold(lake, table, name, meant.snapshot_id, keep=age, now=now)
    until = now + age if age else None
    if as_json:
        commit = meant.commit
        said = {"snapshot_id": str(commit.snapshot_id), "commit": commit.sequence, "committed_at": commit.committed_at}
        print_json({**_NOTHING, "table": table, "tag": name, **said, "keep_until": until})
        return
    print(
        f"{name} holds snapshot {meant.snapshot_id} of {table} (commit {meant.commit.sequence}, "
        f"{clock(meant.commit.committed_at)}) {f'until {clock(until)}' if until else 'for ever'}"
    )


_NOTHING: dict[str, object] = {
    "table": None, "tag": None, "snapshot_id": None, "commit": None, "committed_at": None, "keep_until": None,
    "removed": False,
}  # fmt: skip


def _duration(text: str) -> timedelta:
    from coattail.values import parse_duration

    try:
        found = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--keep {text!r} {error}") from None
    if not found:
        raise UsageError("--keep 0s holds nothing", next_step="write it like 30d")
    return found
