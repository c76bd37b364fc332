"""What a backfill fetched, and what is still missing."""

from __future__ import annotations

import msgspec

from coattail.amounts import count
from coattail.workspace.documents.landing import Counts, Outcome, RunningEngine

_MOST_LEFT = 10


class StillMissing(msgspec.Struct, frozen=True, kw_only=True):
    """Trade ids that could not be had."""

    first_id: int
    last_id: int
    why: str


class BackfilledInstrument(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument: `wanted = here + fetched + the ids still missing`."""

    exchange: str
    symbol: str
    first_id: int | None
    """Of the ids that were wanted; None where there are none."""
    last_id: int | None
    wanted: int
    """Ids."""
    here: int
    """Of these, the ids that had landed, or had been rejected, before."""
    trades: int
    """Trades fetched now; an aggregated one covers several ids."""
    missing: int
    """Ids that are still missing."""
    left: tuple[StillMissing, ...]
    """Which these are."""
    failed: str | None
    """Why it ended early; None if it did not."""

    def words(self) -> list[str]:
        """The instrument in sentences."""
        name, ids = f"{self.exchange} {self.symbol}", ""
        if self.first_id is not None:
            ids = f"ids {self.first_id} to {self.last_id}, {self.here:,} of {self.wanted:,} were here, "
            ids += f"{count(self.trades, 'trade')} fetched, "
            ids += f"{count(self.missing, 'id')} still missing" if self.missing else "none missing"
        elif self.failed is None:
            ids = "no trade in this time"
        words = [f"{name}: {ids}"] if ids else []
        words += [f"{name}: {self.failed}"] if self.failed is not None else []
        words += [
            f"  {gap.first_id}" + (f" to {gap.last_id}" if gap.last_id != gap.first_id else "") + f": {gap.why}"
            for gap in self.left[:_MOST_LEFT]
        ]
        if len(self.left) > _MOST_LEFT:
            words.append(f"  … and {len(self.left) - _MOST_LEFT} more stretches")
        return words


class BackfillDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill fetched, what landed of it, and what is still missing."""

    source: str
    """`rest`, `bulk` or `files`."""
    complete: bool
    """Whether every wanted id is here now; False also if somebody stopped it."""
    stopped: bool
    instruments: tuple[BackfilledInstrument, ...]
    notes: tuple[str, ...]
    """What else is worth knowing, in sentences."""
    requests: int
    seconds: float
    engine: RunningEngine | None
    """The engine that runs on the home and lands it; None where this backfill landed it."""
    landed: Outcome | None
    """None where the stream was only fed."""
    alerts: Counts

    def words(self) -> list[str]:
        """The backfill in sentences."""
        said = [sentence for instrument in self.instruments for sentence in instrument.words()]
        if self.complete and not self.instruments:
            return ["nothing is missing between the trades that are here", *self.notes]
        trades = sum(instrument.trades for instrument in self.instruments)
        rate = f", {trades / self.seconds:,.0f} a second" if trades and self.seconds >= 1 else ""
        said.append(f"{count(trades, 'trade')} in {count(self.requests, 'request')}, {self.seconds:.1f} s{rate}")
        if self.stopped:
            said.append("stopped before the end; the same command goes on where it was")
        return [*said, *self.notes]
