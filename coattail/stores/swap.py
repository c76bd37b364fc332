"""Other files for the same rows, in one commit that loses nothing that the commits before it recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyiceberg.exceptions import ValidationException
from pyiceberg.table.snapshots import Operation, Summary

# PyIceberg has no public way to replace files without a filter over rows.
from pyiceberg.table.update.snapshot import _OverwriteFiles

from coattail.errors import StoreError
from coattail.stores.commits import MAINTENANCE, PREFIX, newest_commit
from coattail.stores.fence import EPOCH, epoch_of, refuse_superseded
from coattail.stores.lake import Lake
from coattail.stores.transaction import LeanTransaction
from coattail.tables import RAW_TRADES

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table as IcebergTable

_PER_COMMIT = ("counts", MAINTENANCE)
"""Properties that are about one commit; all others say where the table stands, and are carried on."""


class FilesGone(StoreError):
    """Files that were to be replaced are no longer part of the table; it was left as it is."""


def swap(
    lake: Lake, name: str, old: Sequence[DataFile], new: Sequence[DataFile], *, why: str, also: Mapping[str, str] = {}
) -> None:  # fmt: skip
    """Make the table hold the files `new` in place of `old`, in one commit, whoever else writes meanwhile.

    The commit says `replace`, carries `why` as its property `maintenance`, and the newest commit's position: the
    stream's offsets are found even if every other snapshot expires; `also`: further properties.

    Raises: FilesGone: If one of `old` is not there (any more). TableBusy: If there was no moment to commit.
    """

    def change(known: IcebergTable) -> None:
        properties = {**_position(known), **also, MAINTENANCE: why}
        try:
            with LeanTransaction(known) as transaction:
                rewrite = _Rewrite(
                    operation=Operation.OVERWRITE,
                    transaction=transaction,
                    io=known.io,
                    snapshot_properties={f"{PREFIX}{key}": value for key, value in properties.items()},
                )
                with rewrite:
                    for file in old:
                        rewrite.delete_data_file(file)
                    for file in new:
                        rewrite.append_data_file(file)
        except ValidationException as error:
            raise FilesGone(
                f"files of {name} were replaced or removed by somebody else meanwhile", next_step="run it again"
            ) from error

    lake.change(name, change, beside_writers=True)


def carry_position(lake: Lake, name: str) -> None:
    """An empty commit that says again where the table stands, on top of commits that do not."""
    swap(lake, name, [], [], why="position")


def raise_fence(lake: Lake, epoch: int) -> None:
    """Have every table that anything was committed to, and raw_trades in any case, refuse engines before this one.

    From then on every commit of `lake` carries the number. Source of the method: fencing tokens, M. Kleppmann, How to
    do distributed locking (2016); the token is checked by the store itself, in its compare-and-set.
    Raises: Superseded: If a later engine has come meanwhile.
    """
    lake.epoch = epoch
    lake.create(RAW_TRADES)
    for name in lake.names():
        known = lake.iceberg(name)
        refuse_superseded(known, epoch)
        if epoch_of(known) < epoch and (name == RAW_TRADES.name or newest_commit(known) is not None):
            swap(lake, name, [], [], why="fence", also={EPOCH: str(epoch)})


def _position(table: IcebergTable) -> dict[str, str]:
    newest = newest_commit(table)
    if newest is None:
        return {"commit": "0"}
    kept = {key: value for key, value in newest.properties.items() if key not in _PER_COMMIT}
    return {**kept, "commit": str(newest.sequence)}


class _Rewrite(_OverwriteFiles):
    """PyIceberg's overwrite, under the name that Iceberg has for one that changes no row."""

    def _summary(self, snapshot_properties: Mapping[str, str] = {}) -> Summary:
        counted = super()._summary(dict(snapshot_properties))
        return Summary(operation=Operation.REPLACE, **counted.additional_properties)
