"""What people say of alerts: which they want to hear nothing of for a while, and which they have dealt with.

It lies in the home's `notify.db`, apart from the hot store, which can be made again from the tables.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from coattail.errors import StoreError
from coattail.records import micros, when
from coattail.stores.sqlite_file import connect

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mutes (
    number INTEGER PRIMARY KEY, symbol TEXT, alert_type TEXT, exchange TEXT, since INTEGER NOT NULL, until INTEGER);
CREATE TABLE IF NOT EXISTS acknowledged (alert_id TEXT PRIMARY KEY, at INTEGER NOT NULL, note TEXT);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """A wish to hear nothing of some alerts that are written in a stretch of time. None means any."""

    symbol: str | None
    alert_type: str | None
    exchange: str | None
    since: datetime
    until: datetime | None
    """None: until somebody ends it."""

    def holds(self, moment: datetime) -> bool:
        """Whether it is in force at a moment."""
        return self.since <= moment and (self.until is None or moment < self.until)

    def covers(self, symbol: str, alert_type: str, exchange: str | None) -> bool:
        """Whether such alerts are muted while it holds."""
        return (
            self.symbol in (None, symbol)
            and self.alert_type in (None, alert_type)
            and self.exchange in (None, exchange)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Somebody has seen an alert."""

    at: datetime
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What people have said of alerts, as of one moment."""

    mutes: tuple[Mute, ...] = ()
    """Every one there has been, the newest first."""
    acknowledged: Mapping[str, Acknowledgement] = field(default_factory=dict)
    """By alert id."""

    def muted(self, alert: Mapping[str, Any], moment: datetime) -> bool:
        """Whether a mute held at a moment for an alert, given by the columns of `anomaly_alerts`."""
        symbol, kind, exchange = alert["symbol"], alert["alert_type"], alert["exchange"]
        return any(mute.holds(moment) and mute.covers(symbol, kind, exchange) for mute in self.mutes)


class Replies:
    """Mutes and acknowledgements of a home. Delivery: a reply is there when the call returns."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self._path = path
        with self._guard():
            self._connection = connect(path, _SCHEMA, writable=writable)
            here = self._connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'mutes'").fetchone()
        self._silent = here is None  # the file was made by a notifier, and nobody has replied yet

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{self._path} cannot be used ({error})",
                next_step="look whether the disk is full, or move the file away: mutes and what was sent are forgotten",
            ) from error

    def mute(self, mute: Mute) -> None:
        """Note a mute; another one of the same alerts that holds when this one begins is replaced by it."""
        with self._guard(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._end(mute.symbol, mute.alert_type, mute.exchange, mute.since)
            self._connection.execute(
                "INSERT INTO mutes (symbol, alert_type, exchange, since, until) VALUES (?, ?, ?, ?, ?)",
                (mute.symbol, mute.alert_type, mute.exchange, micros(mute.since), mute.until and micros(mute.until)),
            )

    def unmute(self, *, symbol: str | None, alert_type: str | None, exchange: str | None, now: datetime) -> int:
        """End the mutes of exactly these alerts that hold now; returns how many."""
        with self._guard():
            return self._end(symbol, alert_type, exchange, now)

    def _end(self, symbol: str | None, alert_type: str | None, exchange: str | None, now: datetime) -> int:
        us = micros(now)
        return self._connection.execute(
            "UPDATE mutes SET until = ? WHERE symbol IS ? AND alert_type IS ? AND exchange IS ? AND since <= ? "
            "AND (until IS NULL OR until > ?)",
            (us, symbol, alert_type, exchange, us, us),
        ).rowcount

    def mutes(self) -> list[Mute]:
        """Every mute there has been, the newest first."""
        if self._silent:
            return []
        with self._guard():
            rows = self._connection.execute(
                "SELECT symbol, alert_type, exchange, since, until FROM mutes ORDER BY number DESC"
            ).fetchall()
        return [
            Mute(symbol=s, alert_type=t, exchange=e, since=when(since), until=None if until is None else when(until))
            for s, t, e, since, until in rows
        ]

    def acknowledge(self, alert_id: str, *, note: str | None, now: datetime) -> None:
        """Note that somebody has seen an alert; a later note replaces an earlier one."""
        with self._guard():
            self._connection.execute(
                "INSERT OR REPLACE INTO acknowledged VALUES (?, ?, ?)", (alert_id, micros(now), note)
            )

    def acknowledged(self) -> dict[str, Acknowledgement]:
        """Alert id -> who has seen it."""
        if self._silent:
            return {}
        with self._guard():
            rows = self._connection.execute("SELECT alert_id, at, note FROM acknowledged").fetchall()
        return {identity: Acknowledgement(at=when(at), note=note) for identity, at, note in rows}

    def marks(self) -> Marks:
        """Everything said so far."""
        return Marks(mutes=tuple(self.mutes()), acknowledged=self.acknowledged())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
