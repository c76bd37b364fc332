"""The outcome of a landing and of a replay."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from coattail.amounts import count

_MOST_GAPS = 20

Counts = dict[str, dict[str, int]]
"""Type of alert -> severity, worst first -> alerts that stand."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Missing trade ids of one instrument."""

    exchange: str
    symbol: str
    gaps: int
    missing_ids: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of an engine added to its home: `received = landed + rejected + duplicates`."""

    received: int
    landed: int
    rejected: int
    duplicates: int
    late: int
    rejected_by_reason: dict[str, int]
    """A rejected record may have several reasons."""
    instruments: int
    """Instruments of the home, as are the gaps."""
    gaps: tuple[Gap, ...]
    waiting_bytes: int
    """What is still in the stream, compressed."""
    conserved: bool
    """Whether every record received is accounted for."""

    def words(self) -> list[str]:
        """The outcome in sentences: what became of every record, and what is missing."""
        said = [f"{self.sum_words()}{'' if self.conserved else '  (NOT CONSERVED: please report this)'}"]
        if self.rejected_by_reason:
            reasons = ", ".join(f"{name} {number:,}" for name, number in self.rejected_by_reason.items())
            said.append(f"rejected, with payload in the DLQ: {reasons}")
        if self.late:
            said.append(f"{self.late:,} came more than five minutes late: flagged, and landed")
        said.append(self.gap_words())
        said += [
            f"  {gap.exchange} {gap.symbol}: {count(gap.gaps, 'gap')}, {count(gap.missing_ids, 'trade')} missing"
            for gap in self.gaps[:_MOST_GAPS]
        ]
        if len(self.gaps) > _MOST_GAPS:
            said.append(f"  … and {len(self.gaps) - _MOST_GAPS} more")
        if self.waiting_bytes:
            said.append(f"{self.waiting_bytes / 1e6:,.1f} MB wait in the stream")
        return said

    def sum_words(self) -> str:
        """`received 12 = landed 10 + rejected 1 + duplicates 1`."""
        return (
            f"received {self.received:,} = landed {self.landed:,} + rejected {self.rejected:,} "
            f"+ duplicates {self.duplicates:,}"
        )

    def gap_words(self) -> str:
        """`0 gaps in the trade ids of 7 instruments`."""
        return f"{count(sum(gap.gaps for gap in self.gaps), 'gap')} in the trade ids of " + count(
            self.instruments, "instrument"
        )


class RunningEngine(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that runs on the home already."""

    pid: int
    command: str


class ReplayDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay read, and what landed of it."""

    recordings: list[Path]
    skipped: list[Path]
    """Files that were left out: they are not recordings, or lack something that `damaged` names."""
    complete: bool
    """False if somebody stopped it before the end."""
    frames: int
    trades: int
    malformed: int
    other: int
    unsupported: dict[str, int]
    filtered: int
    first: datetime | None
    """Earliest trade's own time; None without trades, or where it lies beyond the calendar."""
    last: datetime | None
    seconds: float
    engine: RunningEngine | None
    """Which engine lands it; None where this replay landed it, or nobody does."""
    landed: Outcome | None
    """None where the stream was only fed."""
    alerts: Counts
    damaged: str | None
    """What is wrong with the first damaged file."""

    def words(self) -> list[str]:
        """What was read, in sentences."""
        span = ""
        if self.first and self.last:
            span = f" of {self.first:%Y-%m-%d %H:%M:%S} to {self.last:%Y-%m-%d %H:%M:%S} UTC"
        beside = [(self.malformed, "unreadable"), (self.other, "without a trade")]
        beside += [(sum(self.unsupported.values()), "unsupported")]
        more = "".join(f", {count:,} {what}" for count, what in beside if count)
        left_out = f"; {self.filtered:,} trades of other symbols left out" if self.filtered else ""
        files = f"({count(len(self.recordings), 'recording')}, {self.seconds:.1f} s)"
        return [
            f"{count(self.trades, 'trade')}{span} in {count(self.frames, 'message')}{more}{left_out} {files}",
            *(
                f"{count(number, 'unsupported message')}: {kind}; none of their trades was taken"
                for kind, number in sorted(self.unsupported.items())
            ),
        ]
