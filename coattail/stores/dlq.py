"""The dead letter queue: every rejected record with all its reasons and its payload, as files people can read.

    dlq/{malformed,incomplete,invalid}/dt=YYYY-MM-DD/*.jsonl     rejected records, by the day they were written
    dlq/stream/dt=YYYY-MM-DD/*.jsonl                             stream entries that were no records at all
    dlq/_metadata/dlq_summary.json                               rows by folder and reason

Rows are keyed by (lane, offset, index). A crash may write a row again: readers take one per key.
"""

from __future__ import annotations

import base64
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from coattail.errors import StoreError
from coattail.landing.decode import Undecodable

FOLDERS = ("malformed", "incomplete", "invalid", "stream")
_encode_lines = msgspec.json.Encoder().encode_lines


class DeadLetters:
    """The DLQ under `folder`. Delivery: rows are on disk when `write` returns; at least once per key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, rejected: pl.DataFrame, undecodable: Iterable[Undecodable], *, now: datetime) -> None:
        """Add the rejected records (`REJECTED_SCHEMA`) and undecodable stream entries of one batch."""
        for (reason,), rows in rejected.group_by("reason"):
            self._write(str(reason), rows.to_dicts(), now)
        entries = [
            {
                "stream_lane": u.lane,
                "stream_offset": u.offset,
                "stream_index": u.index,
                "reason": "stream",
                "reasons": ["undecodable"],
                "error": u.error,
                "payload_base64": base64.b64encode(u.data).decode(),
            }
            for u in undecodable
        ]
        if entries:
            self._write("stream", entries, now)

    def _write(self, reason: str, rows: list[dict[str, Any]], now: datetime) -> None:
        folder = self._folder / reason / f"dt={now.astimezone(UTC):%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        name = folder / f"{now.astimezone(UTC):%H%M%S}-{uuid.uuid4().hex[:12]}.jsonl"
        temporary = name.with_suffix(".tmp")
        temporary.write_bytes(_encode_lines(rows))
        os.replace(temporary, name)

    def rows(
        self, *, folder: str | None = None, since: datetime | None = None, files_since: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        """Rejected records, newest files first, one per key; `since` by the day written, `files_since` by file time."""
        seen: set[tuple[object, ...]] = set()
        for path in self._files([folder] if folder else FOLDERS):
            day = _day(path.parent.name)
            if day is None or (since is not None and day < since.astimezone(UTC).date()):
                continue
            try:
                if files_since is not None and path.stat().st_mtime < files_since.timestamp():
                    continue
                lines = path.read_bytes().splitlines()
            except FileNotFoundError:  # its day is over, and `purge` was here
                continue
            for line in lines:
                try:
                    row = msgspec.json.decode(line)
                except msgspec.DecodeError as error:
                    raise StoreError(
                        f"{path} is damaged ({error})", next_step="move the file away; its records stay in the stream"
                    ) from error
                key = (row["stream_lane"], row["stream_offset"], row["stream_index"])
                if key not in seen:
                    seen.add(key)
                    yield row

    def _files(self, folders: Iterable[str]) -> list[Path]:
        found = [p for f in folders for p in (self._folder / f).glob("dt=*/*.jsonl")]
        return sorted(found, key=lambda p: (p.parent.name, p.name), reverse=True)

    def summary(self) -> dict[str, dict[str, int]]:
        """Rows by folder and reason name."""
        counts: dict[str, dict[str, int]] = {}
        for row in self.rows():
            reasons = counts.setdefault(row["reason"], {})
            for name in row["reasons"]:
                reasons[name] = reasons.get(name, 0) + 1
        return counts

    def write_summary(self, *, now: datetime) -> None:
        """Refresh `_metadata/dlq_summary.json`."""
        path = self._folder / "_metadata" / "dlq_summary.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = {"written_at": now.astimezone(UTC).isoformat(), "rows_by_reason": self.summary()}
        temporary = path.with_name(f"{uuid.uuid4().hex}.tmp")  # an engine and maintenance may both be at it
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")
        os.replace(temporary, path)

    def purge(self, *, keep: timedelta, now: datetime) -> int:
        """Remove whole days that were written more than `keep` ago; returns how many folders went.

        Counted by the clock from when we wrote, so that rejected rows of a replayed old day stay as long as others.
        Others may read, write and purge meanwhile; folders that are no day are left alone.
        """
        return sum(_remove(day) for day in self.expired(keep=keep, now=now))

    def expired(self, *, keep: timedelta, now: datetime) -> list[Path]:
        """The folders that `purge` would remove."""
        oldest = (now - keep).astimezone(UTC).date()
        days = (day for folder in FOLDERS for day in sorted((self._folder / folder).glob("dt=*")))
        return [day for day in days if (when := _day(day.name)) is not None and when < oldest]


def _remove(day: Path) -> bool:
    """Remove the folder; False if somebody else did."""
    try:
        shutil.rmtree(day)
    except FileNotFoundError:
        return False
    return True


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(name.removeprefix("dt="))
    except ValueError:
        return None
