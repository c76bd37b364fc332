"""Where alerts go, and how that fares."""

from __future__ import annotations

from datetime import datetime

import msgspec

from coattail.amounts import count
from coattail.workspace.text import ago, printable


class SinkDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A sink, and its deliveries: those that wait, and those of the last seven days."""

    name: str
    kind: str
    sent: int
    waiting: int
    dead: int
    """Given up, or refused."""
    old: int
    """Not sent, because they were written too long ago."""
    muted: int
    """Not sent, because they were muted or acknowledged."""
    last_sent: datetime | None
    last_trouble: str | None
    """What came of the newest attempt that failed, if it still waits or was given up; else null."""

    def words(self, now: datetime) -> str:
        """`12 sent, 1 waits, 2 given up (404 Not Found); last 3 h ago`."""
        parts = [f"{self.sent:,} sent"]
        parts += [count(self.waiting, "waits", "wait")] if self.waiting else []
        parts += [f"{self.dead:,} GIVEN UP"] if self.dead else []
        parts += [f"{self.old:,} too old"] if self.old else []
        parts += [f"{self.muted:,} muted"] if self.muted else []
        trouble = f" ({printable(self.last_trouble, most=100)})" if self.last_trouble else ""
        last = f"; last {ago(now - self.last_sent)}" if self.last_sent else ""
        return f"{self.name}: {', '.join(parts)}{trouble}{last}"


class TriedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a sample alert."""

    sink: str
    kind: str
    goes_to: str
    """Without a secret: a host, a program."""
    delivered: bool
    detail: str
    """What came back."""
    seconds: float

    def words(self) -> str:
        """`phone (ntfy at ntfy.sh): 200 OK in 0.21 s`."""
        said = f"{printable(self.detail)} in {self.seconds:.2f} s"
        return f"{self.sink} ({self.goes_to}): {'' if self.delivered else 'FAILED, '}{said}"


class TrialDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a sample alert, sink by sink."""

    sinks: list[TriedDocument]
    disclaimer: str
