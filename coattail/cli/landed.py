"""What a landing did, for a person and as JSON: conservation, rejected rows, gaps, alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from coattail.cli.firing import AlertLog
from coattail.cli.screen import Screen

if TYPE_CHECKING:
    import threading
    from datetime import datetime

    from coattail.config import Settings
    from coattail.engines.engine import Progress as Drained
    from coattail.engines.recovery import Totals
    from coattail.home import Home

_MOST_GAPS = 20


class Stopped(Exception):
    """Somebody asked to stop between two batches of a drain."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Missing trade ids of one instrument."""

    exchange: str
    symbol: str
    gaps: int
    missing_ids: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
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
    """What is still in the stream."""

    @property
    def conserved(self) -> bool:
        """Whether every record received is somewhere."""
        return self.received == self.landed + self.rejected + self.duplicates

    def as_json(self) -> dict[str, Any]:
        """The fields, and `conserved`."""
        return {**asdict(self), "gaps": [asdict(gap) for gap in self.gaps], "conserved": self.conserved}


def outcome(
    home: Home, settings: Settings, before: Totals, after: Totals, *, since: datetime, waiting_bytes: int
) -> Outcome:
    """What happened between two readings of an engine's totals; `since` is when the first was taken."""
    gaps, instruments = _gaps(home, settings)
    return Outcome(
        **{name: getattr(after, name) - getattr(before, name) for name in before.__dataclass_fields__},
        rejected_by_reason=_reasons(home, settings, since) if after.rejected > before.rejected else {},
        instruments=instruments,
        gaps=gaps,
        waiting_bytes=waiting_bytes,
    )


def _reasons(home: Home, settings: Settings, since: datetime) -> dict[str, int]:
    from datetime import timedelta

    from coattail.stores.opening import open_letters

    written = since - timedelta(milliseconds=50)  # a file's time may lag behind the clock
    rows = open_letters(home, settings).rows(stored_since=written)
    return dict(Counter(name for row in rows for name in row["reasons"]).most_common())


def _gaps(home: Home, settings: Settings) -> tuple[tuple[Gap, ...], int]:
    import polars as pl

    from coattail.stores.opening import open_lake
    from coattail.tables import COVERAGE

    lake = open_lake(home, settings)
    try:
        rows = lake.scan(COVERAGE, columns=("exchange", "symbol", "first_id", "last_id", "state"))
    finally:
        lake.close()
    by_instrument = (
        rows.filter(pl.col("state") == "gap")
        .group_by("exchange", "symbol")
        .agg(pl.len().alias("gaps"), (pl.col("last_id") - pl.col("first_id") + 1).sum().alias("missing_ids"))
        .sort("missing_ids", descending=True)
    )
    instruments = rows.select("exchange", "symbol").unique().height
    return tuple(Gap(**row) for row in by_instrument.iter_rows(named=True)), instruments


def print_outcome(screen: Screen, done: Outcome, alerts: AlertLog) -> None:
    """Say it in a few lines."""
    screen.say(
        f"received {done.received:,} = landed {done.landed:,} + rejected {done.rejected:,} "
        f"+ duplicates {done.duplicates:,}{'' if done.conserved else '  (NOT CONSERVED: please report this)'}"
    )
    if done.rejected_by_reason:
        reasons = ", ".join(f"{name} {count:,}" for name, count in done.rejected_by_reason.items())
        screen.say(f"rejected, with payload in the DLQ: {reasons}")
    if done.late:
        screen.say(f"{done.late:,} came more than five minutes late: flagged, and landed")
    screen.say(gap_sentence(done))
    for gap in done.gaps[:_MOST_GAPS]:
        screen.say(f"  {gap.exchange} {gap.symbol}: {gap.gaps:,} gaps, {gap.missing_ids:,} trades missing")
    if len(done.gaps) > _MOST_GAPS:
        screen.say(f"  … and {len(done.gaps) - _MOST_GAPS} more")
    screen.say(alerts.sentence())
    if done.waiting_bytes:
        screen.say(f"{done.waiting_bytes / 1e6:,.1f} MB wait in the stream")


def gap_sentence(done: Outcome) -> str:
    """`0 gaps in 7 instruments`."""
    number = sum(gap.gaps for gap in done.gaps)
    where = f"{done.instruments:,} instrument{'' if done.instruments == 1 else 's'}"
    return f"{number:,} gap{'' if number == 1 else 's'} in the trade ids of {where}"


@contextmanager
def drain_progress(waiting: int, stop: threading.Event, *, silent: bool) -> Iterator[Callable[[Drained], None]]:
    """A callback for `LocalEngine.drain` that moves a bar over `waiting` bytes and ends the drain by `Stopped`."""
    from coattail.cli.output import progress

    left = waiting
    with progress("landing", total=waiting, silent=silent) as bar:

        def drained(at: Drained) -> None:
            nonlocal left
            bar.advance(left - at.backlog_bytes)
            left = at.backlog_bytes
            if stop.is_set():
                raise Stopped

        yield drained
