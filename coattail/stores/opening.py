"""The stores of a home, each opened in one place: which implementation serves is decided here, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coattail.config import Settings
    from coattail.home import Home
    from coattail.stores.lake import Lake


def open_lake(home: Home, settings: Settings, *, writable: bool = False) -> Lake:
    """The tables of a home. Nothing is read or made before it is asked for; `Lake.close` ends it.

    `writable`: whether tables may be made and rows committed; without it, a catalog that is missing is not made.
    """
    from coattail.stores.lake import Lake

    return Lake(home.warehouse, home.catalog_db, writable=writable)
