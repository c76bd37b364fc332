"""Dead letters in files that people can read, each written once, wherever files are kept.

{malformed,incomplete,invalid}/dt=YYYY-MM-DD/*.jsonl     rejected records, by the day they were written
stream/dt=YYYY-MM-DD/*.jsonl                             stream entries that were not records at all
alert/dt=YYYY-MM-DD/*.jsonl                              alerts that the hot store cannot hold
_metadata/dlq_summary.json                               rows by folder and reason
"""

from __future__ import annotations

import base64
import uuid
from abc import abstractmethod
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.errors import StoreError
from coattail.records import micros
from coattail.stores.dlq import ALERT, FOLDERS, DeadLetters

if TYPE_CHECKING:
    import polars as pl

    from coattail.landing.decode import Undecodable
    from coattail.stores.dlq_counts import RowCounts
    from coattail.stores.hot import RefusedAlert

ALL_FOLDERS = (*FOLDERS, ALERT)
_ALERTS = "alerts"
"""In place of a stream's identity."""
_encode_lines = msgspec.json.Encoder().encode_lines


class LetterFiles(DeadLetters):
    """What a place for files needs to be a dead letter queue. A path is FOLDER/dt=YYYY-MM-DD/NAME, a day is all before
    its last slash."""

    @abstractmethod
    def _put(self, path: str, content: bytes) -> None:
        """Store a file, which is there whole or not at all."""

    @abstractmethod
    def _listed(self) -> Mapping[str, Collection[str]]:
        """The names of the files of rows, by day, in any order; days without any may be there."""

    @abstractmethod
    def _paths(self, folders: Collection[str], *, since: date | None, stored_since: datetime | None) -> Iterable[str]:
        """The paths of the files of days >= `since` that were stored at `stored_since` or later, in any order."""

    @abstractmethod
    def _contents(self, paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Path and content of each, in this order; one that is gone is left out: its day is over."""

    @abstractmethod
    def _remove(self, day: str) -> bool:
        """Remove a day; False if somebody else did."""

    @abstractmethod
    def _place(self, path: str) -> str:
        """What a person calls the file."""

    @cached_property
    def _counts(self) -> RowCounts:
        from coattail.stores.dlq_counts import RowCounts

        return RowCounts(self._contents, self._damaged)

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
        at = now.astimezone(UTC)
        path = f"{reason}/dt={at:%Y-%m-%d}/{at:%H%M%S}-{uuid.uuid4().hex[:12]}.jsonl"
        self._put(path, _encode_lines([{"stream_id": stream, **row} for row in rows]))

    def write_alerts(self, refused: Sequence[RefusedAlert], *, now: datetime) -> None:
        if refused:
            self._write(ALERT, refused_rows(refused), _ALERTS, now)

    def rows(
        self, *, folder: str | None = None, since: datetime | None = None, stored_since: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        first = None if since is None else since.astimezone(UTC).date()
        paths = self._paths([folder] if folder else FOLDERS, since=first, stored_since=stored_since)
        seen: set[Hashable] = set()
        for path, content in self._contents(sorted(paths, key=lambda p: p.split("/")[1:], reverse=True)):
            for line in content.splitlines():
                try:
                    row = msgspec.json.decode(line)
                except msgspec.DecodeError as error:
                    raise self._damaged(path, error) from error
                if _is_new(row, seen):
                    yield row

    def summary(self) -> dict[str, dict[str, int]]:
        return self._counts.of(self._listed())

    def write_summary(self, *, now: datetime) -> None:
        body = {"written_at": now.astimezone(UTC).isoformat(), "rows_by_reason": self.summary()}
        self._put("_metadata/dlq_summary.json", msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")

    def purge(self, *, keep: timedelta, now: datetime, dry_run: bool = False) -> int:
        expired = [day for day in self._listed() if day_of(day) < oldest_kept(keep, now)]
        return len(expired) if dry_run else sum(map(self._remove, expired))

    def _damaged(self, path: str, error: Exception) -> StoreError:
        return StoreError(
            f"{self._place(path)} is damaged ({error})",
            next_step="move the file away; its records stay in the stream",
        )


def refused_rows(refused: Iterable[RefusedAlert]) -> list[dict[str, Any]]:
    """Alerts that the hot store cannot hold, in the form of rejected records: the payload is the alert."""
    return [
        {
            "stream_id": _ALERTS,
            "stream_lane": 0,
            "stream_offset": alert.alert_id,
            "stream_index": alert.revision,
            "reason": ALERT,
            "reasons": ["not_in_hot_store"],
            "error": error,
            "exchange": alert.exchange,
            "symbol": alert.symbol,
            "timestamp": micros(alert.detected_at),
            "payload": msgspec.json.encode(alert).decode(),
        }
        for alert, error in refused
    ]


def oldest_kept(keep: timedelta, now: datetime) -> date:
    """The first day that is not over."""
    return (now - keep).astimezone(UTC).date()


def day_of(day: str) -> date:
    """The date of a folder FOLDER/dt=YYYY-MM-DD."""
    return date.fromisoformat(day.rpartition("/dt=")[2])


def is_day(day: str) -> bool:
    """Whether a folder is one of a day."""
    try:
        day_of(day)
    except ValueError:
        return False
    return "/dt=" in day


def _is_new(row: dict[str, Any], seen: set[Hashable]) -> bool:
    """Whether no row of the same key was seen; where there is no stream in the key, of the same content."""
    position = (row["stream_lane"], row["stream_offset"], row["stream_index"])
    content = (None, *position, hash(row.get("payload") or row.get("payload_base64")))
    stream = row.get("stream_id")
    key = content if stream is None else (stream, *position)
    new = key not in seen
    seen.update((key, content))
    return new
