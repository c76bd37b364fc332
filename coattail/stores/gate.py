"""The quality gate: whether enough of what came in was good, from what every commit of raw_trades wrote down.

No table, no log and no DLQ is read: the metadata of one table says it. The function `gate` on Lambda asks here, and so
does `coattail daily`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from coattail.stores.outline import Outline, Snapshot
from coattail.stores.totals import Totals, quality_score

RAW_TRADES = "raw_trades"


class GateEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be judged, and how strictly."""

    threshold: Annotated[float, Meta(ge=0, le=100)] = 95.0
    """Least share of what was judged that must have passed, in percent; below it for five minutes is an alarm, too."""
    hours: Annotated[float, Meta(gt=0, le=24 * 3650)] | None = 24.0
    """Of commits so long back from the newest one, as `coattail quality` counts its last 24 hours; None: of all."""
    since: Annotated[datetime, Meta(tz=True)] | None = None
    """Of commits after this time instead: when a workflow began, say. Where nothing came in since then, because all of
    it was here, `hours` holds."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Passed or not, and why: processed = passed + failed + duplicate; late ones have passed."""

    passed: bool
    reason: str
    """A sentence."""
    threshold: float
    quality_score: float | None
    """passed / (passed + failed) in percent, rounded down to six digits; None without either."""
    records_processed: int = 0
    records_passed: int = 0
    records_failed: int = 0
    records_late: int = 0
    records_duplicate: int = 0
    since: datetime | None = None
    """Of the commits after this time; None: of all that there ever were."""
    until: datetime | None = None
    """The newest commit; None where there is none."""
    commit: int | None = None
    """Its number."""
    snapshot_id: str | None = None


def verdict(table: Outline | None, asked: GateEvent) -> Verdict:
    """What the commits of raw_trades say, by what their newest one and the one before the time had counted by then.

    Where that one has expired, the oldest that is kept stands for it, and `since` says so.
    """
    counted = [] if table is None else _counted(table)
    if not counted:
        there = table is not None and table.snapshots
        why = "its commits carry no counts: somebody else wrote it" if there else "nothing has landed yet"
        return Verdict(passed=False, reason=f"{RAW_TRADES}: {why}", threshold=asked.threshold, quality_score=None)
    newest, whole = counted[0]
    since, found = _since(counted, asked.since) if asked.since else (None, Totals())
    if not found.received:
        edge = None if asked.hours is None else newest.committed_at - timedelta(hours=asked.hours)
        since, found = (None, whole) if edge is None else _since(counted, edge)
    score = quality_score(found.landed, found.rejected)
    passed, reason = _judged(found, score, asked.threshold, since)
    return Verdict(
        passed=passed, reason=reason, threshold=asked.threshold, quality_score=score,
        records_processed=found.received, records_passed=found.landed, records_failed=found.rejected,
        records_late=found.late, records_duplicate=found.duplicates,
        since=since, until=newest.committed_at, commit=newest.sequence, snapshot_id=str(newest.snapshot_id),
    )  # fmt: skip


def _counted(table: Outline) -> list[tuple[Snapshot, Totals]]:
    """The commits that wrote their totals down, newest first: the current one's line, then what tags keep of before."""
    line = list(table.back())
    oldest = line[-1].sequence_number if line else 0
    earlier = sorted((s for s in table.past if s.sequence_number < oldest), key=lambda s: -s.sequence_number)
    return [
        (one, msgspec.json.decode(one.properties["totals"], type=Totals))
        for one in (*line, *earlier)
        if "totals" in one.properties
    ]


def _since(counted: list[tuple[Snapshot, Totals]], edge: datetime) -> tuple[datetime | None, Totals]:
    """What has been counted after a time, and since when that really is."""
    since, before = _before(counted, edge)
    return since, counted[0][1].minus(before)


def _before(counted: list[tuple[Snapshot, Totals]], edge: datetime) -> tuple[datetime | None, Totals]:
    """What had been counted by then, and since when all the rest was."""
    for one, totals in counted:
        if one.committed_at <= edge:
            return edge, totals
    oldest, totals = counted[-1]
    if oldest.sequence == 1:
        return edge, Totals()
    return oldest.committed_at, totals


def _judged(found: Totals, score: float | None, threshold: float, since: datetime | None) -> tuple[bool, str]:
    time = "" if since is None else f" since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if not found.received:
        return False, f"nothing came in{time}"
    if score is None:
        return True, f"all {found.received:,} records{time} were here already"
    said = f"{score:g} % of {found.landed + found.rejected:,} records{time} passed"
    if score >= threshold:
        return True, said
    return False, f"{said}, and {threshold:g} % should have: {found.rejected:,} were rejected"
