"""The past of a table: which snapshot is meant by an id, a tag or a time: `8472…`, `daily-20250304`, `2h`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from coattail.errors import UsageError
from coattail.workspace.times import parse_when

if TYPE_CHECKING:
    from coattail.stores.history import Kept
    from coattail.stores.lake import Lake


def snapshot_meant(lake: Lake, table: str, text: str | None, *, now: datetime, option: str = "--as-of") -> Kept:
    """The snapshot that an id, a tag or a time names; the newest for None. A duration counts back from `now`.

    Raises: UsageError: If it is none of them, or is not kept (any more); the message lists what is.
    """
    from coattail.stores.history import at_newest, at_snapshot, at_tag, at_time, kept

    if text is None or text == "main":
        return at_newest(lake, table)
    if text.isdecimal():
        return at_snapshot(lake, table, int(text))
    if any(text in (*k.tags, *k.branches) for k in kept(lake, table)):
        return at_tag(lake, table, text)
    try:
        when = parse_when(text, option, now=now)
    except UsageError:
        for other in lake.names():
            if other != table and any(text in (*k.tags, *k.branches) for k in kept(lake, other)):
                raise UsageError(
                    f"'{text}' is a tag of {other}, not of {table}", next_step="see `coattail snapshots`"
                ) from None
        return at_tag(lake, table, text)
    return at_time(lake, table, when)


def existing_table(lake: Lake, name: str) -> str:
    """The name, if there is such a table.

    Raises: UsageError: If not; the message lists those there are.
    """
    if not lake.has(name):
        raise UsageError(
            f"there is no table '{name}'", next_step=f"tables here: {', '.join(lake.names()) or 'none yet'}"
        )
    return name
