"""What is to be sent to whom, and what was: the memory of couriers, in the home's `notify.db`.

An entry is written before anything leaves, and an attempt is counted before it is made. So whatever kills a process,
an entry that waits is sent again, under the same key, and none is lost.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from coattail.errors import StoreError
from coattail.notify.message import FIRED, Message
from coattail.records import micros, when
from coattail.stores.sqlite_file import connect

WAITING, SENT, DEAD, OLD, MUTED, WITHDRAWN = "waiting", "sent", "dead", "old", "muted", "withdrawn"
"""States of an entry: to be sent; sent; given up; written too long ago; muted or acknowledged; not true any more."""
KEPT = timedelta(days=400)
"""How long an entry that is over is kept: within it an alert that is revised is known, and not sent again."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
    sink TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, alert_id TEXT NOT NULL, occasion TEXT NOT NULL,
    severity TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL, detail TEXT, message BLOB, PRIMARY KEY (sink, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting ON deliveries (sink, number) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS of_alert ON deliveries (sink, alert_id);
CREATE INDEX IF NOT EXISTS by_number ON deliveries (number);
CREATE INDEX IF NOT EXISTS by_change ON deliveries (sink, state, changed_at);
CREATE TABLE IF NOT EXISTS sinks (name TEXT PRIMARY KEY, since INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing that is, or was, to be sent to a sink."""

    key: str
    alert_id: str
    occasion: str
    severity: str
    state: str
    attempts: int
    next_at: datetime
    """When it is tried next, if it waits."""
    changed_at: datetime
    detail: str | None
    """What came of the last attempt, in words."""
    message: Message | None
    """None once it is over, unless it was given up."""


_COLUMNS = "key, alert_id, occasion, severity, state, attempts, next_at, changed_at, detail, message"


class DeliveryLedger:
    """The entries of all sinks of a home, from any thread. Delivery: what a call wrote is there when it returns."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self._path = path
        self._lock = threading.Lock()
        with self._guard():
            self._connection = connect(path, _SCHEMA, writable=writable)
            query = "SELECT 1 FROM sqlite_master WHERE name = 'deliveries'"
            self._empty = self._connection.execute(query).fetchone() is None  # only replies were written so far

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.DatabaseError as error:
                raise StoreError(
                    f"{self._path} cannot be used ({error})",
                    next_step="look whether the disk is full, or move the file away: what was sent is forgotten then",
                ) from error

    def since(self, sink: str, now: datetime) -> datetime:
        """When a sink was first used: now, if it was not. What was written before is none of its business."""
        with self._guard():
            self._connection.execute("INSERT OR IGNORE INTO sinks VALUES (?, ?)", (sink, micros(now)))
            (us,) = self._connection.execute("SELECT since FROM sinks WHERE name = ?", (sink,)).fetchone()
        return when(us)

    def of_alert(self, sink: str, alert_id: str) -> dict[str, Delivery]:
        """The entries of an alert by their keys."""
        with self._guard():
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM deliveries WHERE sink = ? AND alert_id = ?", (sink, alert_id)
            ).fetchall()
        return {row[0]: _entry(row) for row in rows}

    def put(self, sink: str, message: Message, *, state: str = WAITING, now: datetime) -> None:
        """Enter a message, or what it says now; what was sent already is left as it is."""
        alert = message.alert
        kept = msgspec.json.encode(message) if state == WAITING else None
        with self._guard():
            self._connection.execute(
                "INSERT INTO deliveries VALUES "
                "(?, ?, (SELECT ifnull(max(number), 0) + 1 FROM deliveries), ?, ?, ?, ?, 0, ?, ?, NULL, ?) "
                "ON CONFLICT (sink, key) DO UPDATE SET severity = excluded.severity, state = excluded.state, "
                "next_at = excluded.next_at, changed_at = excluded.changed_at, message = excluded.message "
                "WHERE state = 'withdrawn' OR (state = 'waiting' AND attempts = 0)",
                (sink, message.key, alert.alert_id, message.occasion, alert.severity, state, micros(now), micros(now),
                 kept),
            )  # fmt: skip

    def due(self, sink: str, now: datetime, *, longest: timedelta) -> Delivery | None:
        """The entry that waits longest of those whose time has come, and for no other one of the same alert.

        longest: No wait is longer than this; one that seems to be is over: the clock was set back.
        """
        with self._guard():
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM deliveries AS one WHERE sink = ? AND state = 'waiting' "
                "AND (next_at <= ? OR next_at > ?) AND NOT EXISTS (SELECT 1 FROM deliveries AS other "
                "WHERE other.sink = one.sink AND other.alert_id = one.alert_id AND other.state = 'waiting' "
                "AND other.number < one.number) ORDER BY next_at, number LIMIT 1",
                (sink, micros(now), micros(now + longest)),
            ).fetchone()
        return None if row is None else _entry(row)

    def was_sent(self, sink: str, alert_id: str) -> bool:
        """Whether the alert itself reached the sink."""
        with self._guard():
            found = self._connection.execute(
                "SELECT 1 FROM deliveries WHERE sink = ? AND alert_id = ? AND occasion = ? AND state = 'sent'",
                (sink, alert_id, FIRED),
            ).fetchone()
        return found is not None

    def attempt(self, sink: str, key: str, *, next_at: datetime, now: datetime) -> None:
        """Count an attempt that is about to be made; unless something else is noted, it is made again at `next_at`."""
        self._set(sink, key, "attempts = attempts + 1, next_at = ?, changed_at = ?", micros(next_at), micros(now))

    def postpone(self, sink: str, key: str, detail: str, *, next_at: datetime) -> None:
        """Note why an attempt failed, and when the next one is made."""
        self._set(sink, key, "detail = ?, next_at = ?", detail, micros(next_at))

    def end(self, sink: str, key: str, state: str, detail: str | None, *, now: datetime) -> None:
        """Note that an entry is over; its message is kept only if it was given up: it may be tried again."""
        kept = "message" if state == DEAD else "NULL"
        self._set(sink, key, f"state = ?, detail = ?, changed_at = ?, message = {kept}", state, detail, micros(now))

    def retry(self, sink: str, now: datetime) -> int:
        """Let what was given up wait again, with all its attempts; returns how many entries that are."""
        with self._guard():
            return self._connection.execute(
                "UPDATE deliveries SET state = 'waiting', attempts = 0, next_at = ?, changed_at = ? "
                "WHERE sink = ? AND state = 'dead' AND message IS NOT NULL",
                (micros(now), micros(now), sink),
            ).rowcount

    def _set(self, sink: str, key: str, changes: str, *values: object) -> None:
        with self._guard():
            self._connection.execute(
                f"UPDATE deliveries SET {changes} WHERE sink = ? AND key = ?", (*values, sink, key)
            )

    def forget(self, now: datetime) -> None:
        """Remove entries that have been over for long."""
        with self._guard():
            self._connection.execute(
                "DELETE FROM deliveries WHERE state != 'waiting' AND changed_at < ?", (micros(now - KEPT),)
            )

    def counts(self, sink: str, since: datetime) -> dict[str, int]:
        """State -> entries of a sink: those that wait, and those that came to their end since a time."""
        if self._empty:
            return {}
        with self._guard():
            rows = self._connection.execute(
                "SELECT state, count(*) FROM deliveries WHERE sink = ? AND (state = 'waiting' OR changed_at >= ?) "
                "GROUP BY state", (sink, micros(since))
            ).fetchall()  # fmt: skip
        return dict(rows)

    def latest(self, sink: str, *states: str) -> Delivery | None:
        """The entry of these states that changed last."""
        if self._empty:
            return None
        with self._guard():
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM deliveries WHERE sink = ? AND state IN ({', '.join('?' * len(states))}) "
                "ORDER BY changed_at DESC LIMIT 1", (sink, *states)
            ).fetchone()  # fmt: skip
        return None if row is None else _entry(row)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _entry(row: tuple[Any, ...]) -> Delivery:
    named: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
    text = named["message"]
    return Delivery(
        **{
            **named,
            "next_at": when(named["next_at"]),
            "changed_at": when(named["changed_at"]),
            "message": None if text is None else msgspec.json.decode(text, type=Message),
        }
    )
