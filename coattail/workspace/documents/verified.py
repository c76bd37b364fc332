"""What an analysis rests on."""

from __future__ import annotations

from datetime import datetime

import msgspec

from coattail import __version__
from coattail.alerts import DISCLAIMER


class VerifiedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A state of the tables and the rules. Fingerprints are the first 12 hexadecimal digits of a SHA-256."""

    snapshot_id: str | None = None
    """Of raw_trades; None: nothing has landed, and what follows is empty."""
    commit: int = 0
    committed_at: datetime | None = None
    stays: str = ""
    """How long the snapshot is kept."""
    received: int = 0
    landed: int = 0
    rejected: int = 0
    duplicates: int = 0
    holds: bool = True
    """Whether received = landed + rejected + duplicates, and the table has as many rows as landed."""
    missing: int = 0
    """Trade ids known to be missing."""
    gaps: int = 0
    trades: str = ""
    """Fingerprint of number, ids, and volume of the trades in every 10 seconds of every instrument."""
    alert_count: int = 0
    alerts: str = ""
    """Fingerprint of the current alerts."""
    alerts_through: int | None = None
    """The commit of raw_trades that they are computed through."""
    preset: str
    rules: str
    """Fingerprint of every setting that decides which trades and alerts there are."""
    again: str = ""
    """The command that gives the notebook again; empty outside of `coattail notebook run`."""
    version: str = __version__
    disclaimer: str = DISCLAIMER
