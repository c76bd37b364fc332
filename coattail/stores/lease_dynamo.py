"""The lease of a place on AWS: an item of DynamoDB that its holder changes again and again.

Nobody's clock is compared with another's: who wants the place watches whether the item changes, for as long as the
holder has said. Source: the lock client of AWS Labs for DynamoDB (aws.amazon.com/blogs/database, Building distributed
locks with the DynamoDB lock client). What a holder that was paused writes afterwards is refused by the fence in the
tables (`stores.fence`); the lease only says who is next, and spares two engines the work of one.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from coattail.errors import HomeError, StoreError
from coattail.home import EngineInfo, Home
from coattail.records import micros, when
from coattail.stores.lease import Lease, Tenure

if TYPE_CHECKING:
    from coattail.stores.dynamo import DynamoTable, Item

log = logging.getLogger(__name__)

_KEY = ("lease", "engine")
_SHARE = 3
"""A holder says that it lives this many times within the time after which it is taken for dead."""
_LOOK_SECONDS = 1.0


class DynamoLease(Lease):
    """An item of the table that keeps the hot store, or of another one with its keys.

    home: Held too: two engines of one home are told at once. Whoever has the home knows that the one before on it
    is dead, and does not wait.
    expires: After this long without a word a holder is taken for dead; longer pauses of a living one cost it the place.
    """

    def __init__(self, table: DynamoTable, home: Home, *, expires: timedelta) -> None:
        self._table, self._home, self._expires = table, home, expires
        self._brief = table.brief()

    @contextmanager
    def held(self, command: str) -> Iterator[Tenure]:
        with self._home.engine_lock(command), closing(self._table), closing(self._brief):
            me = uuid.uuid4().hex
            tenure = Tenure(self._taken(me, command))
            ended = threading.Event()
            beating = threading.Thread(target=self._beat, args=(me, tenure, ended), name="lease", daemon=True)
            beating.start()
            try:
                yield tenure
            finally:
                ended.set()
                beating.join()
                self._let_go(me)

    def holder(self, *, surely: bool = False) -> EngineInfo | None:
        with closing(self._table):
            seen = self._seen()
            if seen is None or not seen["owner"]:
                return None
            if self._of_this_home(seen):
                return self._home.running_engine()
            return _info(seen) if not surely or self._lives(seen) else None

    # -- taking it -----------------------------------------------------------------------------------------------

    def _taken(self, me: str, command: str) -> int:
        """The number of this engine."""
        while True:
            seen = self._seen()
            if seen is not None and seen["owner"] == me:  # an answer was lost
                return int(seen["epoch"])
            if seen is not None and seen["owner"] and not self._of_this_home(seen):
                seconds = seen["expires_ms"] / 1000
                log.warning("%s has this place; waiting %.0f s to see whether it still lives", _info(seen), seconds)
                if self._lives(seen):
                    raise HomeError(
                        f"{_info(seen)} already runs on this place", next_step="stop it first, or wait for its end"
                    )
            said = {
                "owner": me, "home": self._home.record.home_id, "command": command, "host": socket.gethostname(),
                "pid": os.getpid(), "since": micros(datetime.now(UTC)), "epoch": (seen or {"epoch": 0})["epoch"] + 1,
                "beat": 0, "expires_ms": self._expires // timedelta(milliseconds=1),
            }  # fmt: skip
            as_seen = {} if seen is None else {name: seen[name] for name in ("epoch", "beat", "owner")}
            if self._set(self._table, said, as_seen, new=seen is None):
                return int(said["epoch"])

    def _lives(self, seen: Item) -> bool:
        """Whether the holder says a word within the time that it gave itself."""
        until = time.monotonic() + seen["expires_ms"] / 1000
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS, seen["expires_ms"] / 1000 / _SHARE))
            if (now := self._seen()) is None or not now["owner"]:
                return False
            if _state(now) != _state(seen):
                return True
        return False

    def _of_this_home(self, seen: Item) -> bool:
        return bool(seen["home"] == self._home.record.home_id)

    def _seen(self) -> Item | None:
        return self._table.get(*_KEY)

    @staticmethod
    def _set(table: DynamoTable, said: Item, unchanged: Item, *, new: bool = False) -> bool:
        """Change the item, if it is as `unchanged` says, or there is none (`new`); whether that was so."""
        as_seen = " AND ".join(f"#{name} = :seen_{name}" for name in unchanged)
        changes = {f":{name}": value for name, value in said.items()}
        return table.update(
            _KEY,
            "SET " + ", ".join(f"#{name} = :{name}" for name in said),
            changes | {f":seen_{name}": value for name, value in unchanged.items()},
            condition="attribute_not_exists(#epoch)" if new else as_seen,
            names={f"#{name}": name for name in {**said, **unchanged}},  # OWNER and others are words of the service
        )

    # -- keeping it ----------------------------------------------------------------------------------------------

    def _beat(self, me: str, tenure: Tenure, ended: threading.Event) -> None:
        beats = 0
        while not ended.wait(self._expires.total_seconds() / _SHARE):
            beats += 1
            try:
                mine = self._set(self._brief, {"beat": beats}, {"owner": me})
            except StoreError as error:  # the fence keeps what is written right; somebody may take the place meanwhile
                log.warning("the lease of the place could not be renewed (%s)", error)
                continue
            if not mine:
                log.error("another engine has taken this place over")
                tenure.lost.set()
                return

    def _let_go(self, me: str) -> None:
        try:
            self._set(self._brief, {"owner": ""}, {"owner": me})
        except StoreError as error:
            log.warning("the place could not be let go (%s): the next engine waits for a while", error)


def _state(seen: Item) -> tuple[object, ...]:
    return seen["owner"], seen["epoch"], seen["beat"]


def _info(seen: Item) -> EngineInfo:
    return EngineInfo(seen["pid"], seen["command"], when(seen["since"]), seen["host"])
