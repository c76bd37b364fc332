"""A fence between engines of one place: each has a number, and a table takes commits of the highest alone.

The number stands in the summary of every snapshot. An engine that begins puts it there by a snapshot without files
(`swap.raise_fence`): a commit that was prepared before then finds that the table has moved, reads it again, and finds
the higher number. A lease alone cannot do that: an engine that was paused does not know that it was declared dead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coattail.errors import StoreError
from coattail.stores.commits import newest_commit

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

EPOCH = "epoch"
"""Property of a commit: the number of the engine, from 1; commits of engines without a lease have none."""


class Superseded(StoreError):
    """Another engine has taken this place over: nothing that this one still holds is committed."""


def superseded(mine: int, theirs: int | None = None) -> Superseded:
    """The error of engine `mine`; theirs: the number of the one that came later, where it is known."""
    by = "another one" if theirs is None else f"engine {theirs}"
    return Superseded(
        f"{by} has taken this place over from engine {mine}, which this one is",
        next_step="nothing is lost: the newer one continues from the committed offsets",
    )


def epoch_of(table: IcebergTable) -> int:
    """The number of the newest engine that the table has seen; 0 where none had one."""
    newest = newest_commit(table)
    return 0 if newest is None else int(newest.properties.get(EPOCH, 0))


def refuse_superseded(table: IcebergTable, epoch: int) -> None:
    """Raises: Superseded: If an engine of a higher number has come."""
    if (seen := epoch_of(table)) > epoch:
        raise superseded(epoch, seen)
