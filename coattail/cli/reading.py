"""What commands that only look open: the home's tables, alerts and rejected records, all read-only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coattail.cli.app import Session

if TYPE_CHECKING:
    from coattail.home import Home
    from coattail.stores.dlq import DeadLetters
    from coattail.stores.hot import SqliteHotStore
    from coattail.stores.lake import Lake


@dataclass(frozen=True)
class Reading:
    """A home's stores; an engine may run on it meanwhile."""

    home: Home
    lake: Lake
    hot: SqliteHotStore
    letters: DeadLetters


def open_stores(session: Session) -> Reading:
    """The stores of the session's home, closed when the command ends."""
    from coattail.stores.dlq import DeadLetters
    from coattail.stores.hot import SqliteHotStore
    from coattail.stores.lake import Lake

    home = session.home()
    lake = Lake(home.warehouse, home.catalog_db, writable=False)
    session.resources.callback(lake.close)
    hot = SqliteHotStore(home.hot_db, writable=False)
    session.resources.callback(hot.close)
    return Reading(home, lake, hot, DeadLetters(home.dlq))
