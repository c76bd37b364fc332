"""The hot store as one SQLite file of a home."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from coattail.alerts import RETRACTED, Alert
from coattail.errors import StoreError
from coattail.records import micros, when
from coattail.stores.hot import (
    LASTING,
    AlertCount,
    Complete,
    HotStore,
    RefusedAlert,
    Revision,
    StoredAlert,
    Swept,
    Wanted,
    Written,
)
from coattail.stores.sqlite_file import Still, connect

_COLUMNS = (
    "alert_id", "revision", "alert_type", "module_id", "symbol", "exchange", "severity", "detected_at", "status",
    "message", "details", "preset", "recorded_at", "ttl_epoch", "evidence",
)  # fmt: skip
_SAID = ("alert_id", "revision", "severity", "status", "message", "recorded_at")
_ORDER = "detected_at DESC, alert_id"

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS alerts (
    alert_id TEXT PRIMARY KEY, revision INTEGER NOT NULL, alert_type TEXT NOT NULL, module_id TEXT NOT NULL,
    symbol TEXT NOT NULL, exchange TEXT, severity TEXT NOT NULL, detected_at INTEGER NOT NULL,
    status TEXT NOT NULL, message TEXT NOT NULL, details TEXT NOT NULL, preset TEXT NOT NULL,
    recorded_at INTEGER NOT NULL, ttl_epoch INTEGER NOT NULL, evidence TEXT);
DROP INDEX IF EXISTS newest_first;
DROP INDEX IF EXISTS by_time;
DROP INDEX IF EXISTS by_type;
DROP INDEX IF EXISTS by_symbol;
CREATE INDEX IF NOT EXISTS newest_counted ON alerts ({_ORDER}, status, ttl_epoch, symbol, alert_type, severity);
CREATE INDEX IF NOT EXISTS newest_of_type ON alerts (alert_type, {_ORDER});
CREATE INDEX IF NOT EXISTS newest_of_symbol ON alerts (symbol, {_ORDER});
DROP INDEX IF EXISTS by_writing;
CREATE INDEX IF NOT EXISTS as_written ON alerts (recorded_at, alert_id, revision);
CREATE INDEX IF NOT EXISTS by_end ON alerts (ttl_epoch);
CREATE TABLE IF NOT EXISTS revisions (
    alert_id TEXT NOT NULL, revision INTEGER NOT NULL, severity TEXT NOT NULL, status TEXT NOT NULL,
    message TEXT NOT NULL, recorded_at INTEGER NOT NULL, PRIMARY KEY (alert_id, revision)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, recorded_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS complete (one INTEGER PRIMARY KEY CHECK (one = 1), snapshot INTEGER, after INTEGER);
CREATE TRIGGER IF NOT EXISTS gone AFTER DELETE ON alerts BEGIN
    UPDATE complete SET after = max(ifnull(after, OLD.detected_at), OLD.detected_at);
END;
CREATE TRIGGER IF NOT EXISTS forgotten AFTER DELETE ON alerts BEGIN
    DELETE FROM revisions WHERE alert_id = OLD.alert_id;
END;
"""
"""The triggers hold for whoever removes an alert, also for a version of coattail that knows nothing of them."""

_DISK = "look whether the disk is full or failing, and start again; nothing landed is lost"
_STEPS = {
    "disk is full": _DISK, "disk I/O error": _DISK, "locked": "try again: somebody holds it for himself",
}  # fmt: skip
_REBUILD = "run `coattail doctor --repair`: it is rebuilt from the table anomaly_alerts"
"""What to do about what SQLite says."""


class SqliteHotStore(HotStore):
    """One SQLite file, write-ahead logged so that readers never wait.

    path: None means none: the store is empty, and is only read.
    patience: How long to wait for a file that somebody has locked for himself.
    """

    def __init__(
        self, path: Path | None, *, ttl: timedelta = timedelta(hours=24), writable: bool = True,
        patience: timedelta = timedelta(seconds=30),
    ) -> None:  # fmt: skip
        self._path = path
        self._ttl = ttl
        self._writable = writable
        self._patience = patience
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._opened = 0
        self._open()

    def _open(self) -> None:
        if self._finalizer is not None:
            self._finalizer()
        with self._guard():
            self._opened += 1
            self._of = self._file()
            connection = connect(self._path, _SCHEMA, writable=self._writable, patience=self._patience)
            self._finalizer = weakref.finalize(self, connection.close)  # a notebook's workspace is seldom closed
            self._connection = connection
            if self._writable:
                self._add_columns(connection)
            here = {row[1] for row in connection.execute("PRAGMA table_info(alerts)")}
            self._select = ", ".join(name if name in here else f"NULL AS {name}" for name in _COLUMNS)

    def _file(self) -> tuple[int, ...]:
        """What tells this file from one that has replaced it, and from an older state of it.

        Raises: StoreError: If the folder that it should be in is not there: that is not a store without alerts.
        """
        if self._path is not None:
            try:
                stat = os.stat(self._path)
                return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size, *self._log()
            except OSError as error:
                if not self._path.parent.is_dir():
                    said = f"the hot store {self._path} is away: {error.strerror}"
                    raise StoreError(said, next_step="bring its folder back") from error
        return ()

    def _log(self) -> tuple[int, ...]:
        """The same of its log, where what is written first stands: a file that is just being made stays as it is."""
        with suppress(OSError):
            stat = os.stat(f"{self._path}-wal")
            return stat.st_mtime_ns, stat.st_size
        return ()

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
            step = next((step for words, step in _STEPS.items() if words in str(error)), _REBUILD)
            raise StoreError(f"the hot store {self._path} cannot be used ({error})", next_step=step) from error

    def _rows(self, query: str, values: Sequence[object] | Mapping[str, object] = (), *, of: str) -> list[Any]:
        """What a query of one table answers: nothing where a store of an older version has no such table."""
        self._follow()
        with self._guard():
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.OperationalError:
                if self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (of,)).fetchone():
                    raise
                return []

    def _follow(self) -> None:
        """Connect anew where this connection would not see what has been written."""
        if not self._writable:
            now = self._file()
            if now[:2] != self._of[:2] or (isinstance(self._connection, Still) and now != self._of):
                self._open()

    def put_alerts(self, alerts: Sequence[Alert], *, now: datetime) -> list[RefusedAlert]:
        expires = int((now + self._ttl).timestamp())
        rows = [
            (
                a.alert_id, a.revision, a.alert_type, a.module_id, a.symbol, a.exchange, a.severity,
                micros(a.detected_at), a.status, a.message, a.details, a.preset, micros(now), expires, a.evidence,
            )
            for a in alerts
        ]  # fmt: skip
        said = [(a.alert_id, a.revision, a.severity, a.status, a.message, micros(now)) for a in alerts]
        updates = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])
        with self._transaction() as connection:
            connection.execute("DELETE FROM alerts WHERE ttl_epoch < ?", (int(now.timestamp()),))
            connection.executemany(
                f"INSERT INTO alerts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
                f"ON CONFLICT (alert_id) DO UPDATE SET {updates} WHERE excluded.revision > alerts.revision",
                rows,
            )
            connection.executemany(
                f"INSERT OR IGNORE INTO revisions ({', '.join(_SAID)}) VALUES ({', '.join('?' * len(_SAID))})", said
            )
        return []

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
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
        conditions, values = _conditions(Wanted(since=since, until=until), now)
        if written_after is not None:
            conditions.append("recorded_at > ?")
            values.append(micros(written_after))
        return self._stored(conditions, values)

    def page(self, wanted: Wanted, *, limit: int, now: datetime) -> list[StoredAlert]:
        return self._stored(*_conditions(wanted, now), limit=limit)

    def alert(self, alert_id: str, *, now: datetime) -> StoredAlert | None:
        conditions, values = _conditions(Wanted(), now)
        found = self._stored([*conditions, "alert_id = ?"], [*values, alert_id])
        return found[0] if found else None

    def ids(self, beginning: str, *, limit: int, now: datetime) -> list[str]:
        conditions, values = _conditions(Wanted(), now)
        where = " AND ".join([*conditions, "alert_id >= ? AND alert_id < ?"])
        query = f"SELECT alert_id FROM alerts WHERE {where} ORDER BY alert_id LIMIT ?"
        values += [beginning, beginning + "\U0010ffff", limit]
        return [identity for (identity,) in self._rows(query, values, of="alerts")]

    def written(self, after: tuple[datetime, str], *, limit: int, now: datetime) -> list[Written]:
        """As promised, but for those whose time is over and that were not removed yet: the index alone is read."""
        query = (
            "SELECT recorded_at, alert_id, revision FROM alerts WHERE (recorded_at, alert_id) > (?, ?) "
            "ORDER BY recorded_at, alert_id LIMIT ?"
        )
        rows = self._rows(query, (micros(after[0]), after[1], limit), of="alerts")
        return [Written(when(us), identity, revision) for us, identity, revision in rows]

    def _stored(self, conditions: Sequence[str], values: Sequence[object], *, limit: int = -1) -> list[StoredAlert]:
        self._follow()  # it may have other columns then
        query = f"SELECT {self._select} FROM alerts WHERE {' AND '.join(conditions)} ORDER BY {_ORDER} LIMIT ?"
        rows = self._rows(query, [*values, limit], of="alerts")
        return [_stored(row) for row in rows]

    def revisions(self, alert_id: str) -> list[Revision]:
        query = f"SELECT {', '.join(_SAID[1:])} FROM revisions WHERE alert_id = ? ORDER BY revision"
        return [
            Revision(revision=n, severity=severity, status=status, message=message, recorded_at=when(us))
            for n, severity, status, message, us in self._rows(query, (alert_id,), of="revisions")
        ]

    def tally(self, *, since: datetime | None = None, now: datetime) -> list[AlertCount]:
        conditions, values = _conditions(Wanted(since=since), now)
        conditions[0] = f"+{conditions[0]}"  # the index by time has all that is counted, and the one by end has not
        query = (
            "SELECT symbol, alert_type, severity, count(*), max(detected_at) FROM alerts "
            f"WHERE {' AND '.join(conditions)} AND status <> ? GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        rows = self._rows(query, [*values, RETRACTED], of="alerts")
        return [AlertCount(symbol, kind, severity, count, when(us)) for symbol, kind, severity, count, us in rows]

    def claim(self, complete: Complete) -> None:
        after = None if complete.after is None else micros(complete.after)
        with self._guard():
            self._connection.execute("INSERT OR REPLACE INTO complete VALUES (1, ?, ?)", (complete.snapshot, after))

    def carry(self, snapshot: int | None) -> None:
        with self._guard():
            self._connection.execute("UPDATE complete SET snapshot = ?", (snapshot,))

    def complete(self, *, now: datetime) -> Complete | None:
        expired = "SELECT max(+detected_at) FROM alerts WHERE ttl_epoch < ?"  # by the end of its time; not removed yet
        query = f"SELECT snapshot, after, ({expired}) FROM complete"
        for row in self._rows(query, (int(now.timestamp()),), of="complete"):
            removed = [us for us in row[1:] if us is not None]
            return Complete(row[0], when(max(removed)) if removed else None)
        return None

    def put_facts(self, facts: Mapping[str, Any], *, now: datetime) -> None:
        rows = [(name, msgspec.json.encode(value).decode(), micros(now)) for name, value in facts.items()]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", rows)

    def fact(self, name: str) -> tuple[dict[str, Any], datetime] | None:
        rows = self._rows("SELECT value, recorded_at FROM facts WHERE name = ?", (name,), of="facts")
        return (msgspec.json.decode(rows[0][0]), when(rows[0][1])) if rows else None

    def facts(self, prefix: str) -> dict[str, tuple[bytes, datetime]]:
        query = "SELECT name, value, recorded_at FROM facts WHERE name >= ? AND substr(name, 1, ?) = ? ORDER BY name"
        rows = self._rows(query, (prefix, len(prefix), prefix), of="facts")
        return {name: (value.encode(), when(us)) for name, value, us in rows}

    def version(self) -> Hashable | None:
        self._follow()
        with self._guard():
            return self._opened, self._of, self._connection.execute("PRAGMA data_version").fetchone()

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
            self._connection.execute(f"PRAGMA busy_timeout = {self._patience // timedelta(milliseconds=1)}")
        return Swept(alerts.rowcount, facts.rowcount)

    def close(self) -> None:
        self._connection.close()


def _conditions(wanted: Wanted, now: datetime) -> tuple[list[str], list[object]]:
    """What rows must fulfil, and the values of it."""
    conditions, values = ["ttl_epoch >= ?"], [int(now.timestamp())]
    found: list[tuple[str, Sequence[object]]] = [
        (f"{column} {comparison} ?", (value,))
        for column, comparison, value in (
            ("alert_type", "=", wanted.alert_type),
            ("symbol", "=", wanted.symbol),
            ("exchange", "=", wanted.exchange),
            ("detected_at", ">=", None if wanted.since is None else micros(wanted.since)),
            ("detected_at", "<", None if wanted.until is None else micros(wanted.until)),
        )
        if value is not None
    ]
    for column, these in (("severity", wanted.severities), ("status", wanted.statuses)):
        if these is not None:
            found.append((f"{column} IN ({', '.join('?' * len(these))})", these))
    if wanted.after is not None:
        moment, identity = micros(wanted.after[0]), wanted.after[1]
        found.append(("detected_at <= ? AND (detected_at < ? OR alert_id > ?)", (moment, moment, identity)))
    return [*conditions, *(c for c, _ in found)], [*values, *(v for _, own in found for v in own)]


def _stored(row: Sequence[Any]) -> StoredAlert:
    """An alert of a row with `_COLUMNS`."""
    (identity, revision, kind, module, symbol, exchange, severity, us, status, message, details, preset, written, _,
     evidence) = row  # fmt: skip
    alert = Alert(
        alert_id=identity, revision=revision, alert_type=kind, module_id=module, symbol=symbol, exchange=exchange,
        severity=severity, detected_at=when(us), status=status, message=message, details=details, preset=preset,
        evidence=evidence,
    )  # fmt: skip
    return StoredAlert(alert, when(written))
