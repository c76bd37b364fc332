"""What of an environment's stream no engine has landed yet."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from coattail.home import Home
from coattail.workspace.progress import OnProgress, Step, unheard

if TYPE_CHECKING:
    from coattail.config import Settings

_PATIENCE = timedelta(seconds=15)
"""How long the stream may take to answer."""


class WaitingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What waits after the newest commit of raw_trades; of much, it is less than all of it."""

    records: int
    """Of the service; each is a pack of trades."""
    bytes: int
    behind_seconds: float | None
    """From the newest commit to the newest record; None where the stream does not say."""

    def __str__(self) -> str:
        if not self.records:
            return "everything in the stream has landed"
        return f"at least {self.records:,} packs ({self.bytes / 1e6:.1f} MB) wait in the stream"


def waited(
    home: Home, settings: Settings, *, within: float, every: float, on_progress: OnProgress = unheard
) -> tuple[WaitingDocument, float]:
    """What still waits, once that is nothing or `within` seconds have passed; and how many did. every: Seconds between
    two looks. Raises: As of `waiting`.
    """
    began = time.monotonic()
    while (found := waiting(home, settings)).records and time.monotonic() - began <= within:
        on_progress(Step(str(found)))
        time.sleep(every)
    return found, time.monotonic() - began


def waiting(home: Home, settings: Settings) -> WaitingDocument:
    """What waits in the stream that the settings name.

    Raises: StreamError: If there is no stream, or it does not answer. StoreError: If the table cannot be read.
    """
    from coattail.streams.opening import open_stream
    from coattail.workspace.opening import open_stores

    assert settings.stream.url is not None
    stream = open_stream(settings.stream.url, home.stream, patience=_PATIENCE)
    with open_stores(home, settings=lambda: settings) as stores:
        outlines = stores.outlines.all()
    newest = outlines["raw_trades"].newest if "raw_trades" in outlines else None
    landed = {} if newest is None else newest.properties
    same = landed.get("stream") == stream.stream_id
    offsets = msgspec.json.decode(landed["offsets"], type=dict[str, str]) if same and "offsets" in landed else {}
    found = stream.backlog(offsets)
    behind = None if found.behind is None else found.behind.total_seconds()
    return WaitingDocument(records=found.segments, bytes=found.size_bytes, behind_seconds=behind)
