"""The past of a table: which snapshots are kept, which one is meant by `8472…`, `daily-20250304` or `2h`, and tags."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from coattail.errors import UsageError
from coattail.workspace.documents.past import OffsetsDocument, SnapshotDocument, TagDocument
from coattail.workspace.opening import Stores
from coattail.workspace.text import clock
from coattail.workspace.times import Moment, parse_when, refuse_backwards

if TYPE_CHECKING:
    import polars as pl

    from coattail.stores.history import Kept
    from coattail.stores.lake import Lake

RAW = "raw_trades"
_PAYLOAD = "raw_event_payload"
_DERIVED_KEPT = 20
"""Snapshots that an engine keeps of a derived table."""


def snapshots(stores: Stores, table: str = RAW) -> list[SnapshotDocument]:
    """The snapshots of a table that are kept, newest first, and for how long; none before anything has landed.

    Raises: UsageError: If there is no such table.
    """
    from coattail.stores.history import kept

    if table != RAW:
        existing_table(stores.lake, table)
    newest_kept = stores.settings.engine.keep_snapshots if table == RAW else _DERIVED_KEPT
    found = kept(stores.lake, table)
    return [_document(stores.lake, table, k, newest_kept - place) for place, k in enumerate(found)]


def rows_at(
    stores: Stores,
    name: str,
    *,
    as_of: Moment | int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] | None = None,
    symbol: str | None = None,
    exchange: str | None = None,
    now: datetime,
) -> pl.DataFrame:
    """Rows of a table, at a snapshot.

    as_of: A snapshot's id, a tag, or a time; None means the newest.
    since, until: Times of the market; days outside are not read. None means no bound.
    columns: None means all but `raw_event_payload`, what exchanges sent, which is most of the bytes.
    symbol, exchange: Only rows about it; None means all.
    Raises: UsageError: If there is no such table, column or snapshot.
    """
    import polars as pl

    from coattail.detectors import MODULE_TABLES
    from coattail.tables import CORE_TABLES

    refuse_backwards(since, until)
    known = {table.name: table for table in (*CORE_TABLES, *MODULE_TABLES)}
    if name not in known:
        raise UsageError(f"there is no table '{name}'", next_step=f"known: {', '.join(known)}; views are for .sql(…)")
    there = known[name].schema
    wanted = [column for column in there if column != _PAYLOAD] if columns is None else list(columns)
    if isinstance(columns, str) or not wanted or set(wanted) - there.keys():
        raise UsageError(f"{columns!r} are not columns of {name}", next_step=f"give a list of: {', '.join(there)}")
    meant = None if as_of is None else snapshot_meant(stores.lake, name, as_of, now=now, option="as_of")
    snapshot = None if meant is None else meant.snapshot_id
    where = [pl.col(key) == value for key, value in (("symbol", symbol), ("exchange", exchange)) if value is not None]
    return stores.lake.scan(
        known[name], columns=wanted, since=since, until=until, snapshot_id=snapshot,
        where=pl.all_horizontal(where) if where else None,
    )  # fmt: skip


def hold(stores: Stores, tag: str, meant: Kept, *, table: str, keep: timedelta | None, now: datetime) -> TagDocument:
    """Hold a snapshot of a table under a name, so that it does not expire.

    keep: How long from `now`; None means forever.
    Raises: UsageError: If the name is not allowed, or taken.
    """
    from coattail.stores import history

    history.hold(stores.lake, table, tag, meant.snapshot_id, keep=keep, now=now)
    return TagDocument(
        table=table, tag=tag, snapshot_id=str(meant.snapshot_id), commit=meant.commit.sequence,
        committed_at=meant.commit.committed_at, keep_until=None if keep is None else now + keep,
    )  # fmt: skip


def let_go(stores: Stores, tag: str, *, table: str) -> TagDocument:
    """Remove a tag or branch: what it held expires like any other snapshot from now on.

    Raises: UsageError: If there is no such table or name.
    """
    from coattail.stores import history

    held = history.let_go(stores.lake, existing_table(stores.lake, table), tag)
    return TagDocument(table=table, tag=tag, snapshot_id=str(held), removed=True)


def _document(lake: Lake, table: str, k: Kept, left: int) -> SnapshotDocument:
    """`left`: how many more commits it stays, if nothing else holds it."""
    first, last = _events(lake, table, k)
    return SnapshotDocument(
        snapshot_id=str(k.snapshot_id),
        commit=k.commit.sequence,
        committed_at=k.commit.committed_at,
        rows=k.rows,
        added=k.added,
        first_event=first,
        last_event=last,
        tags=list(k.tags),
        branches=list(k.branches),
        maintenance=k.maintenance,
        held_until=k.held_until,
        stays=_stays(k, left),
        offsets=_offsets(k),
    )


def _events(lake: Lake, table: str, k: Kept) -> tuple[datetime | None, datetime | None]:
    from coattail.detectors import MODULE_TABLES
    from coattail.stores.history import event_range
    from coattail.tables import CORE_TABLES

    known = {t.name: t for t in (*CORE_TABLES, *MODULE_TABLES)}.get(table)
    if known is None or known.day_of is None or not k.added:
        return None, None
    return event_range(lake, table, known.day_of, k.snapshot_id) or (None, None)


def _stays(k: Kept, left: int) -> str:
    names = ", ".join((*k.tags, *k.branches))
    if k.held:
        return f"as long as {names}"
    if k.held_until is not None:
        return f"until {clock(k.held_until)} ({names})"
    return f"for about {left} more commits" if left > 0 else "until the next cleaning"


def _offsets(k: Kept) -> OffsetsDocument | None:
    """How many lanes the commit has read, and the furthest offset."""
    written = k.commit.properties.get("offsets")
    if written is None:
        return None
    offsets = msgspec.json.decode(written, type=dict[str, str])
    return OffsetsDocument(lanes=len(offsets), furthest=max(offsets.values(), key=_numbers, default=None))


def _numbers(offset: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in offset.split("."))


# -- which one is meant ----------------------------------------------------------------------------------------


def snapshot_meant(
    lake: Lake, table: str, given: Moment | int | None, *, now: datetime, option: str = "--as-of"
) -> Kept:
    """The snapshot that an id, a tag or a time names; the newest for None. A duration counts back from `now`.

    Raises: UsageError: If it is none of them, or is not kept (any more); the message lists what is.
    """
    return state_meant(lake, table, given, now=now, option=option)[0]


def state_meant(
    lake: Lake, table: str, given: Moment | int | None, *, now: datetime, option: str = "--as-of"
) -> tuple[Kept, datetime | None]:
    """The snapshot that is meant, and the time, if it is one that names it. Otherwise as `snapshot_meant`."""
    from coattail.stores.history import at_newest, at_snapshot, at_tag, at_time, kept

    if given is None or given == "main":
        return at_newest(lake, table), None
    if isinstance(given, (datetime, timedelta)):
        when = parse_when(given, option, now=now)
        return at_time(lake, table, when), when
    text = str(given)
    if text.isdecimal():
        return at_snapshot(lake, table, int(text)), None
    if any(text in (*k.tags, *k.branches) for k in kept(lake, table)):
        return at_tag(lake, table, text), None
    try:
        when = parse_when(text, option, now=now)
    except UsageError:
        for other in lake.names():
            if other != table and any(text in (*k.tags, *k.branches) for k in kept(lake, other)):
                raise UsageError(
                    f"'{text}' is a tag of {other}, not of {table}", next_step="see `coattail snapshots`"
                ) from None
        return at_tag(lake, table, text), None
    return at_time(lake, table, when), when


def existing_table(lake: Lake, name: str) -> str:
    """The name, if there is such a table.

    Raises: UsageError: If not; the message lists those there are.
    """
    if not lake.has(name):
        raise UsageError(
            f"there is no table '{name}'", next_step=f"tables here: {', '.join(lake.names()) or 'none yet'}"
        )
    return name
