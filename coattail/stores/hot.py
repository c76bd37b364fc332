"""The hot store: current alerts with their evidence, newest metrics, the engine's heartbeat. Small and fast."""

from __future__ import annotations

import sqlite3
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from coattail.alerts import Alert
from coattail.errors import StoreError
from coattail.records import micros, when
from coattail.stores.sqlite_file import connect

_COLUMNS = (
    "alert_id", "revision", "alert_type", "module_id", "symbol", "exchange", "severity", "detected_at", "status",
    "message", "details", "preset", "recorded_at", "ttl_epoch", "evidence",
)  # fmt: skip

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alerts (
    alert_id TEXT PRIMARY KEY, revision INTEGER NOT NULL, alert_type TEXT NOT NULL, module_id TEXT NOT NULL,
    symbol TEXT NOT NULL, exchange TEXT, severity TEXT NOT NULL, detected_at INTEGER NOT NULL,
    status TEXT NOT NULL, message TEXT NOT NULL, details TEXT NOT NULL, preset TEXT NOT NULL,
    recorded_at INTEGER NOT NULL, ttl_epoch INTEGER NOT NULL, evidence TEXT);
CREATE INDEX IF NOT EXISTS by_time ON alerts (detected_at);
CREATE INDEX IF NOT EXISTS by_type ON alerts (alert_type, detected_at);
CREATE INDEX IF NOT EXISTS by_symbol ON alerts (symbol, detected_at);
CREATE INDEX IF NOT EXISTS by_writing ON alerts (recorded_at);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, recorded_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS complete (one INTEGER PRIMARY KEY CHECK (one = 1), snapshot INTEGER, after INTEGER);
CREATE TRIGGER IF NOT EXISTS gone AFTER DELETE ON alerts BEGIN
    UPDATE complete SET after = max(ifnull(after, OLD.detected_at), OLD.detected_at);
END;
"""
"""The trigger holds for whoever removes an alert, also for a version of coattail that knows nothing of it."""


LASTING = ("engine", "maintenance")
"""Facts about the home itself: they are replaced, and never swept."""


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was removed because its time was over."""

    alerts: int
    facts: int


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as the hot store holds it."""

    alert: Alert
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Complete:
    """Which alerts the store holds all of: those with detected_at > `after`, while the table is at `snapshot`."""

    snapshot: int | None
    """The newest snapshot of `anomaly_alerts` that wrote rows; None if none ever did."""
    after: datetime | None
    """None: every alert there has been, because none was removed yet."""


class HotStore(ABC):
    """Delivery: a write is there when the call returns; an older revision never replaces a newer one."""

    @abstractmethod
    def put_alerts(self, alerts: Sequence[Alert], *, now: datetime) -> None:
        """Store each alert unless its revision is not newer than the stored one; each lives `ttl` from now on.

        One whose time is over counts as not stored: it never keeps out another revision, whatever its number.
        """

    @abstractmethod
    def alerts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        written_after: datetime | None = None,
        now: datetime,
    ) -> list[StoredAlert]:
        """Alerts of any status with since <= detected_at < until, newest first; expired ones are left out."""

    @abstractmethod
    def claim(self, complete: Complete) -> None:
        """Note which alerts the store holds all of. Whatever removes one, or its time to live, narrows the claim.

        Only an engine can know: it puts every alert here before it commits it to the table.
        """

    @abstractmethod
    def carry(self, snapshot: int | None) -> None:
        """Let the claim hold for a newer snapshot of `anomaly_alerts`, all of whose alerts were put here before.

        Nothing happens where nothing was claimed.
        """

    @abstractmethod
    def complete(self, *, now: datetime) -> Complete | None:
        """Which alerts the store holds all of; None if nobody knows.

        A reader asks before and after it reads the alerts, and lastly looks at the table: if all three name the same
        snapshot, its alerts later than the last `after` are all there are.
        """

    @abstractmethod
    def put_fact(self, name: str, value: Mapping[str, Any], *, now: datetime) -> None:
        """Remember something small under a name: metrics of a symbol, the engine's heartbeat."""

    @abstractmethod
    def fact(self, name: str) -> tuple[dict[str, Any], datetime] | None:
        """The value last put under the name and when, or None."""

    @abstractmethod
    def sweep(self, *, now: datetime) -> Swept:
        """Remove alerts past their time to live, and facts written longer ago than that, but for `LASTING` ones."""

    @abstractmethod
    def close(self) -> None:
        """Close the store."""


class SqliteHotStore(HotStore):
    """One SQLite file, write-ahead logged so that readers never wait. A read-only one sees its last state.

    path: None means none: the store is empty, and is only read.
    """

    def __init__(self, path: Path | None, *, ttl: timedelta = timedelta(hours=24), writable: bool = True) -> None:
        self._path = path
        self._ttl = ttl
        with self._guard():
            self._connection = connect(path, _SCHEMA, writable=writable)
            weakref.finalize(self, self._connection.close)  # a notebook's workspace is seldom closed
            if writable:
                self._add_columns(self._connection)
            here = {row[1] for row in self._connection.execute("PRAGMA table_info(alerts)")}
            self._select = ", ".join(name if name in here else f"NULL AS {name}" for name in _COLUMNS)

    @staticmethod
    def _add_columns(connection: sqlite3.Connection) -> None:
        """Add the column that a store of an older version lacks."""
        if "evidence" not in {row[1] for row in connection.execute("PRAGMA table_info(alerts)")}:
            connection.execute("ALTER TABLE alerts ADD COLUMN evidence TEXT")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            disk = "disk is full" in str(error) or "disk I/O error" in str(error)
            raise StoreError(
                f"the hot store {self._path} cannot be used ({error})",
                next_step="look whether the disk is full or failing, and start again; nothing landed is lost"
                if disk
                else "run `coattail doctor --repair`: it is rebuilt from the table anomaly_alerts",
            ) from error

    def put_alerts(self, alerts: Sequence[Alert], *, now: datetime) -> None:
        expires = int((now + self._ttl).timestamp())
        rows = [
            (
                a.alert_id, a.revision, a.alert_type, a.module_id, a.symbol, a.exchange, a.severity,
                micros(a.detected_at), a.status, a.message, a.details, a.preset, micros(now), expires, a.evidence,
            )
            for a in alerts
        ]  # fmt: skip
        updates = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])
        with self._guard():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.execute("DELETE FROM alerts WHERE ttl_epoch < ?", (int(now.timestamp()),))
                self._connection.executemany(
                    f"INSERT INTO alerts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
                    f"ON CONFLICT (alert_id) DO UPDATE SET {updates} WHERE excluded.revision > alerts.revision",
                    rows,
                )
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def alerts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        written_after: datetime | None = None,
        now: datetime,
    ) -> list[StoredAlert]:
        conditions = ["ttl_epoch >= ?"]
        values: list[int] = [int(now.timestamp())]
        for column, comparison, bound in (
            ("detected_at", ">=", since),
            ("detected_at", "<", until),
            ("recorded_at", ">", written_after),
        ):
            if bound is not None:
                conditions.append(f"{column} {comparison} ?")
                values.append(micros(bound))
        with self._guard():
            rows = self._connection.execute(
                f"SELECT {self._select} FROM alerts WHERE {' AND '.join(conditions)} "
                "ORDER BY detected_at DESC, alert_id",
                values,
            ).fetchall()
        return [_stored(dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    def claim(self, complete: Complete) -> None:
        after = None if complete.after is None else micros(complete.after)
        with self._guard():
            self._connection.execute("INSERT OR REPLACE INTO complete VALUES (1, ?, ?)", (complete.snapshot, after))

    def carry(self, snapshot: int | None) -> None:
        with self._guard():
            self._connection.execute("UPDATE complete SET snapshot = ?", (snapshot,))

    def complete(self, *, now: datetime) -> Complete | None:
        expired = "SELECT max(detected_at) FROM alerts WHERE ttl_epoch < ?"  # not removed yet, and not shown any more
        with self._guard():
            if not self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'complete'").fetchone():
                return None
            query = f"SELECT snapshot, after, ({expired}) FROM complete"
            row = self._connection.execute(query, (int(now.timestamp()),)).fetchone()
        if row is None:
            return None
        removed = [us for us in row[1:] if us is not None]
        return Complete(row[0], when(max(removed)) if removed else None)

    def put_fact(self, name: str, value: Mapping[str, Any], *, now: datetime) -> None:
        with self._guard():
            self._connection.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)",
                (name, msgspec.json.encode(value).decode(), micros(now)),
            )

    def fact(self, name: str) -> tuple[dict[str, Any], datetime] | None:
        with self._guard():
            row = self._connection.execute("SELECT value, recorded_at FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else (msgspec.json.decode(row[0]), when(row[1]))

    def sweep(self, *, now: datetime) -> Swept:
        """As promised; the write-ahead log is emptied, unless somebody reads: then a later sweep does it."""
        kept = ", ".join("?" * len(LASTING))
        with self._guard():
            alerts = self._connection.execute("DELETE FROM alerts WHERE ttl_epoch < ?", (int(now.timestamp()),))
            facts = self._connection.execute(
                f"DELETE FROM facts WHERE recorded_at < ? AND name NOT IN ({kept})", (micros(now - self._ttl), *LASTING)
            )
            self._connection.execute("PRAGMA busy_timeout = 100")  # emptying the log waits for readers; nobody need
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._connection.execute("PRAGMA busy_timeout = 30000")
        return Swept(alerts.rowcount, facts.rowcount)

    def close(self) -> None:
        self._connection.close()


def _stored(row: dict[str, Any]) -> StoredAlert:
    recorded_at = when(row.pop("recorded_at"))
    row.pop("ttl_epoch")
    row["detected_at"] = when(row["detected_at"])
    return StoredAlert(Alert(**row), recorded_at)
