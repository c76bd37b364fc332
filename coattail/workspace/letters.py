"""The records that were rejected, and why."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from itertools import chain, islice
from typing import Any

from coattail.errors import UsageError
from coattail.records import when
from coattail.stores.dlq import ALERT, FOLDERS
from coattail.workspace.documents.letters import LetterDocument, LettersDocument
from coattail.workspace.opening import Stores

_NAMES = (
    "error", "exchange", "symbol", "trade_id", "last_trade_id", "price", "quantity", "side", "source", "session",
)  # fmt: skip


def rejected(
    stores: Stores, *, reason: str | None = None, since: datetime | None = None, limit: int = 50
) -> LettersDocument:
    """Rejected records, newest first.

    reason: One of `FOLDERS`, `ALERT` for alerts that the hot store cannot hold, or the name of a check; None means any.
    since: From the day of this time on, by when the record was rejected; None means all that are kept.
    limit: The most to return; a screen holds about 50.
    Raises: UsageError: If no record has the reason, or the limit is below 1.
    """
    if limit < 1:
        raise UsageError(f"limit {limit} shows nothing", next_step="give 1 or more")
    folder = reason if reason in (*FOLDERS, ALERT) else None
    rows = stores.letters.rows(folder=folder, since=since)
    if reason and not folder:
        known = sorted({name for reasons in stores.letters.summary().values() for name in reasons})
        if known and reason not in known:
            raise UsageError(
                f"reason {reason!r} is unknown", next_step=f"known: {', '.join((*FOLDERS, ALERT, *known))}"
            )
        rows = (row for row in rows if reason in row["reasons"])
    found = [_document(row) for row in islice(rows, limit + 1)]
    shown = found[:limit]
    return LettersDocument(records=shown, count=len(shown), has_more=len(found) > limit)


def letters_of(stores: Stores, key: str, *, stream: str | None = None) -> list[LetterDocument]:
    """The records with a key, newest first: one of each stream that had it, because a new stream counts from the start.

    stream: The beginning of a stream's identity; None means any.
    Raises: UsageError: If the key is not one, or no record has it.
    """
    lane, _, rest = key.partition("/")
    offset, _, index = rest.rpartition("/")
    if not (lane.isdecimal() and offset and index.removeprefix("-").isdecimal()):
        raise UsageError(f"{key!r} is not a key", next_step="write it like 12/3.0/45, as `coattail dlq list` shows it")
    wanted = (int(lane), offset, int(index))
    every = chain(stores.letters.rows(), stores.letters.rows(folder=ALERT))
    rows = (r for r in every if (r["stream_lane"], r["stream_offset"], r["stream_index"]) == wanted)
    found = [_document(row) for row in rows]
    chosen = [record for record in found if stream is None or (record.stream or "").startswith(stream)]
    if not chosen:
        there = ", ".join(str(record.stream) for record in found)
        raise UsageError(
            f"no rejected record has the key {key}" + (f" in a stream {stream}…" if found else ""),
            next_step=f"streams that have it: {there}" if found else "`coattail dlq list` shows the keys",
        )
    return chosen


def _document(row: Mapping[str, Any]) -> LetterDocument:
    payload = row.get("payload")
    if "payload_base64" in row:
        payload = base64.b64decode(row["payload_base64"]).decode("utf-8", "backslashreplace")
    return LetterDocument(
        **{name: row.get(name) for name in _NAMES},
        key=f"{row['stream_lane']}/{row['stream_offset']}/{row['stream_index']}",
        stream=row.get("stream_id"),
        rejected_as=row["reason"],
        reasons=row["reasons"],
        timestamp=_time(row.get("timestamp")),
        received=_time(row.get("received")),
        payload=payload,
    )


def _time(us: int | None) -> datetime | int | None:
    """A time, or the number itself where it is not one."""
    try:
        return None if us is None else when(us)
    except OverflowError:
        return us
