"""The past of a table."""

from __future__ import annotations

from datetime import datetime

import msgspec


class OffsetsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How far a commit has read the stream."""

    lanes: int
    furthest: str | None


class SnapshotDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A state of a table that can be travelled to."""

    snapshot_id: str
    """As text, because it exceeds what JavaScript holds."""
    commit: int
    committed_at: datetime
    rows: int | None
    """Rows of the table then."""
    added: int
    """Rows that the commit added."""
    first_event: datetime | None
    """Time of the market of the first row added; None, like the next, where none was or there is no such time."""
    last_event: datetime | None
    tags: list[str]
    branches: list[str]
    maintenance: str | None
    """What maintenance did, for a snapshot that changed no row."""
    held_until: datetime | None
    """When the last tag with an age limit releases it."""
    stays: str
    """How long it can be travelled to, in words."""
    offsets: OffsetsDocument | None
    """None but for raw_trades."""


class SnapshotsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshots of a table that are kept, newest first."""

    table: str
    snapshots: list[SnapshotDocument]


class TagDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A name that holds a snapshot, or did until now."""

    table: str
    tag: str
    snapshot_id: str
    commit: int | None = None
    """None, like the next two, where the tag was removed."""
    committed_at: datetime | None = None
    keep_until: datetime | None = None
    """None: forever."""
    removed: bool = False
