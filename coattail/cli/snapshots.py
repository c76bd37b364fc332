"""`coattail snapshots`: the past of a table, as far as it is kept."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json, print_table
from coattail.cli.terminal import clock
from coattail.workspace.past import existing_table

if TYPE_CHECKING:
    from coattail.stores.history import Kept
    from coattail.stores.lake import Lake

TableOption = Annotated[str, typer.Option("--table", metavar="TABLE", help="Which table.")]


@command("snapshots", examples=["coattail snapshots", "coattail snapshots --table anomaly_alerts --json"])
def snapshots(session: Session, *, table: TableOption = "raw_trades", as_json: JsonOption = False) -> None:
    """List the snapshots of a table that are kept, newest first, and for how long.

    Any of them can be read: `coattail reprocess --as-of`, or `FOR VERSION AS OF` in `coattail sql`.

    JSON: {"table", "snapshots": [{"snapshot_id", "commit", "committed_at", "rows", "added", …}]}. See docs/CLI.md.
    """
    from coattail.stores.history import kept
    from coattail.tables import RAW_TRADES

    stores = session.stores()
    if table != RAW_TRADES.name:
        existing_table(stores.lake, table)
    found = kept(stores.lake, table)
    newest_kept = session.settings().engine.keep_snapshots if table == RAW_TRADES.name else _DERIVED_KEPT
    rows = [_row(stores.lake, table, place, k, newest_kept) for place, k in enumerate(found)]
    if as_json:
        print_json({"table": table, "snapshots": rows})
        return
    if not rows:
        print(f"{table} has no snapshot yet: nothing has landed")
        return
    columns = ("snapshot", "commit", "committed", "rows", "added", "events", "stays", "offsets")
    print_table(columns, map(_cells, rows), right=("commit", "rows", "added"))


_DERIVED_KEPT = 20
"""Snapshots that an engine keeps of a derived table."""


def _row(lake: Lake, table: str, place: int, k: Kept, newest_kept: int) -> dict[str, Any]:
    first, last = _events(lake, table, k)
    return {
        "snapshot_id": str(k.snapshot_id),
        "commit": k.commit.sequence,
        "committed_at": k.commit.committed_at,
        "rows": k.rows,
        "added": k.added,
        "first_event": first,
        "last_event": last,
        "tags": list(k.tags),
        "branches": list(k.branches),
        "maintenance": k.maintenance,
        "held_until": k.held_until,
        "stays": _stays(place, k, newest_kept),
        "offsets": _offsets(k),
    }


def _events(lake: Lake, table: str, k: Kept) -> tuple[datetime | None, datetime | None]:
    from coattail.detectors import MODULE_TABLES
    from coattail.stores.history import event_range
    from coattail.tables import CORE_TABLES

    known = {t.name: t for t in (*CORE_TABLES, *MODULE_TABLES)}.get(table)
    if known is None or known.day_of is None or not k.added:
        return None, None
    return event_range(lake, table, known.day_of, k.snapshot_id) or (None, None)


def _stays(place: int, k: Kept, newest_kept: int) -> str:
    names = ", ".join((*k.tags, *k.branches))
    if k.held:
        return f"as long as {names}"
    if k.held_until is not None:
        return f"until {clock(k.held_until)} ({names})"
    left = newest_kept - place
    return f"for about {left} more commits" if left > 0 else "until the next cleaning"


def _offsets(k: Kept) -> dict[str, Any] | None:
    """How many lanes the commit has read, and the furthest offset."""
    import msgspec

    written = k.commit.properties.get("offsets")
    if written is None:
        return None
    offsets = msgspec.json.decode(written, type=dict[str, str])
    furthest = max(offsets.values(), key=_numbers, default=None)
    return {"lanes": len(offsets), "furthest": furthest}


def _numbers(offset: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in offset.split("."))


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    first, last, offsets = row["first_event"], row["last_event"], row["offsets"]
    events = None if first is None else f"{first:%Y-%m-%d %H:%M:%S} … {last:%Y-%m-%d %H:%M:%S}"
    reached = None if offsets is None else f"{offsets['lanes']} lanes to {offsets['furthest']}"
    rows = None if row["rows"] is None else f"{row['rows']:,}"
    added = row["maintenance"] or f"{row['added']:,}"
    return row["snapshot_id"], row["commit"], clock(row["committed_at"]), rows, added, events, row["stays"], reached
