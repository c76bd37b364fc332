"""The embedded dead letter queue: a folder of files that people can read, each written once.

dlq/{malformed,incomplete,invalid}/dt=YYYY-MM-DD/*.jsonl     rejected records, by the day they were written
dlq/stream/dt=YYYY-MM-DD/*.jsonl                             stream entries that were not records at all
dlq/_metadata/dlq_summary.json                               rows by folder and reason
"""

from __future__ import annotations

import base64
import os
import shutil
import uuid
from collections.abc import Hashable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.stores.dlq import FOLDERS, DeadLetters

if TYPE_CHECKING:
    import polars as pl

    from coattail.landing.decode import Undecodable
    from coattail.stores.dlq_counts import RowCounts

_encode_lines = msgspec.json.Encoder().encode_lines


class FolderDeadLetters(DeadLetters):
    """Files under `folder`, each renamed into place when it is whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _counts(self) -> RowCounts:
        from coattail.stores.dlq_counts import RowCounts

        return RowCounts()

    def write(self, rejected: pl.DataFrame, undecodable: Iterable[Undecodable], *, stream: str, now: datetime) -> None:
        for (reason,), rows in rejected.group_by("reason"):
            self._write(str(reason), rows.to_dicts(), stream, now)
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
            self._write("stream", entries, stream, now)

    def _write(self, reason: str, rows: list[dict[str, Any]], stream: str, now: datetime) -> None:
        folder = self._folder / reason / f"dt={now.astimezone(UTC):%Y-%m-%d}"
        folder.mkdir(parents=True, exist_ok=True)
        name = folder / f"{now.astimezone(UTC):%H%M%S}-{uuid.uuid4().hex[:12]}.jsonl"
        temporary = name.with_suffix(".tmp")
        temporary.write_bytes(_encode_lines([{"stream_id": stream, **row} for row in rows]))
        os.replace(temporary, name)

    def rows(
        self, *, folder: str | None = None, since: datetime | None = None, stored_since: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        seen: set[Hashable] = set()
        days = self._days([folder] if folder else FOLDERS)
        if stored_since is not None:
            days = [day for day in days if _changed(day) >= stored_since.timestamp()]
        files = [(day.name, path) for day in days for path in day.glob("*.jsonl")]
        for day_name, path in sorted(files, key=lambda f: (f[0], f[1].name), reverse=True):
            if since is not None and (_day(day_name) or date.min) < since.astimezone(UTC).date():
                continue
            try:
                if stored_since is not None and path.stat().st_mtime < stored_since.timestamp():
                    continue
                lines = path.read_bytes().splitlines()
            except FileNotFoundError:  # its day is over, and `purge` was here
                continue
            for line in lines:
                try:
                    row = msgspec.json.decode(line)
                except msgspec.DecodeError as error:
                    from coattail.stores.dlq_counts import damaged

                    raise damaged(path, error) from error
                if _is_new(row, seen):
                    yield row

    def _days(self, folders: Iterable[str]) -> list[Path]:
        """The folders of days, in order of their days."""
        found = [p for f in folders for p in (self._folder / f).glob("dt=*") if _day(p.name) is not None]
        return sorted(found, key=lambda p: p.name)

    def summary(self) -> dict[str, dict[str, int]]:
        return self._counts.of(self._days(FOLDERS))

    def write_summary(self, *, now: datetime) -> None:
        path = self._folder / "_metadata" / "dlq_summary.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = {"written_at": now.astimezone(UTC).isoformat(), "rows_by_reason": self.summary()}
        temporary = path.with_name(f"{uuid.uuid4().hex}.tmp")  # an engine and maintenance may both be at it
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")
        os.replace(temporary, path)

    def purge(self, *, keep: timedelta, now: datetime, dry_run: bool = False) -> int:
        oldest = (now - keep).astimezone(UTC).date()
        expired = [day for day in self._days(FOLDERS) if (_day(day.name) or oldest) < oldest]
        return len(expired) if dry_run else sum(_remove(day) for day in expired)


def _is_new(row: dict[str, Any], seen: set[Hashable]) -> bool:
    """Whether no row of the same key was seen; where there is no stream in the key, of the same content."""
    position = (row["stream_lane"], row["stream_offset"], row["stream_index"])
    content = (None, *position, hash(row.get("payload") or row.get("payload_base64")))
    stream = row.get("stream_id")
    key = content if stream is None else (stream, *position)
    new = key not in seen
    seen.update((key, content))
    return new


def _changed(day: Path) -> float:
    """When a file was last put into the folder, or taken out of it (s); 0 if it is gone."""
    try:
        return day.stat().st_mtime
    except FileNotFoundError:
        return 0.0


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
