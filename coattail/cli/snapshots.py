"""`coattail snapshots`: the past of a table, as far as it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from coattail.amounts import count
from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json, print_table
from coattail.workspace.text import clock

if TYPE_CHECKING:
    from coattail.workspace.documents.past import SnapshotDocument

TableOption = Annotated[str, typer.Option("--table", metavar="TABLE", help="Which table.")]


@command("snapshots", examples=["coattail snapshots", "coattail snapshots --table anomaly_alerts --json"])
def snapshots(session: Session, *, table: TableOption = "raw_trades", as_json: JsonOption = False) -> None:
    """List the snapshots of a table, and how long each is kept.

    Any of them can be read: `coattail reprocess --as-of`, or `FOR VERSION AS OF` in `coattail sql`.

    JSON: {"table", "snapshots": [{"snapshot_id", "commit", "committed_at", "rows", "added", …}]}. See docs/CLI.md.
    """
    from coattail.workspace import past
    from coattail.workspace.documents.past import SnapshotsDocument

    found = past.snapshots(session.stores(), table)
    if as_json:
        print_json(SnapshotsDocument(table=table, snapshots=found))
    elif not found:
        print(f"{table} has no snapshot yet: nothing has landed")
    else:
        columns = ("snapshot", "commit", "committed", "rows", "added", "events", "stays", "offsets")
        print_table(columns, map(_cells, found), right=("commit", "rows", "added"))


def _cells(s: SnapshotDocument) -> tuple[object, ...]:
    first, last, offsets = s.first_event, s.last_event, s.offsets
    events = f"{first:%Y-%m-%d %H:%M:%S} … {last:%Y-%m-%d %H:%M:%S}" if first and last else None
    reached = None if offsets is None else f"{count(offsets.lanes, 'lane')} to {offsets.furthest}"
    rows = None if s.rows is None else f"{s.rows:,}"
    added = s.maintenance or f"{s.added:,}"
    return s.snapshot_id, s.commit, clock(s.committed_at), rows, added, events, s.stays, reached
