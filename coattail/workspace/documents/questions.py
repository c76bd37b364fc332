"""The answer to a question about stored trades: reprocess, what-if, score."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from coattail.alerts import Alert
    from coattail.engines.comparison import Compared
    from coattail.engines.reprocess import Reprocessed


class SnapshotRead(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot of raw_trades that was read."""

    snapshot_id: str
    commit: int
    committed_at: datetime


class SettingAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that was asked to change."""

    key: str
    original: Any
    asked: Any


class Originals(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts that there were."""

    alerts: int
    standing: str
    """`exact`: of this very snapshot; `later`; `behind`."""


class AlertState(msgspec.Struct, frozen=True, kw_only=True):
    """What one side says of an alert."""

    severity: str
    status: str
    details: dict[str, Any]


class AlertDifference(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that is not the same on both sides."""

    alert_id: str
    verdict: str
    """`appeared`, `vanished` or `changed`."""
    causes: list[str]
    reason: str
    alert_type: str
    symbol: str
    exchange: str | None
    detected_at: datetime
    before: AlertState | None
    """None for one that appeared."""
    after: AlertState | None
    """None for one that vanished."""


class ComparedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts under the settings asked for, against the current ones."""

    run: str
    """16 hex digits: equal questions about equal trades have equal ones."""
    as_of: SnapshotRead
    since: datetime | None
    until: datetime | None
    closed_until: datetime | None
    """Verdicts were final up to here."""
    settings: list[SettingAsked]
    original: Originals
    counts: dict[str, int]
    """Verdict -> alerts."""
    causes: dict[str, int]
    """Cause -> alerts that differ for it, perhaps among others."""
    differences: list[AlertDifference]


class PromotionCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A condition of promoting."""

    check: str
    passed: bool
    detail: str


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the recomputed alerts may be the current ones, and whether they are."""

    possible: bool
    promoted: bool
    revised: int
    """Alerts that are revised or retracted, on the branch or on main."""
    checks: list[PromotionCheck]


class ReprocessDocument(ComparedDocument, frozen=True, kw_only=True):
    """A reprocessing."""

    into: str
    """A table, or `branch:NAME` of anomaly_alerts."""
    written: bool
    """False where this run was there already, or was not allowed."""
    promote: Promotion
    disclaimer: str


def compared_fields(done: Reprocessed) -> dict[str, Any]:
    """The fields of a `ComparedDocument`."""
    request, commit = done.request, done.request.as_of.commit
    return {
        "run": request.run_id,
        "as_of": SnapshotRead(
            snapshot_id=str(commit.snapshot_id), commit=commit.sequence, committed_at=commit.committed_at
        ),
        "since": request.since,
        "until": request.until,
        "closed_until": done.watermark,
        "settings": [SettingAsked(key=s.key, original=s.original, asked=s.asked) for s in request.differing],
        "original": Originals(alerts=len(done.original), standing=done.standing),
        "counts": done.counts(),
        "causes": done.causes(),
        "differences": [_difference(c) for c in done.compared if c.verdict != "same"],
    }


def _difference(c: Compared) -> AlertDifference:
    alert = c.alert
    return AlertDifference(
        alert_id=c.alert_id,
        verdict=c.verdict,
        causes=list(c.causes),
        reason=c.reason,
        alert_type=alert.alert_type,
        symbol=alert.symbol,
        exchange=alert.exchange,
        detected_at=alert.detected_at,
        before=_state(c.original),
        after=_state(c.recomputed),
    )


def _state(alert: Alert | None) -> AlertState | None:
    if alert is None:
        return None
    return AlertState(severity=alert.severity, status=alert.status, details=msgspec.json.decode(alert.details))


class PerDay(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts a day."""

    now: float
    then: float


class SettingsDocument(ComparedDocument, frozen=True, kw_only=True):
    """What another setting would change."""

    alerts_per_day: PerDay
    truth: dict[str, dict[str, Any]] | None = None
    """`now` and `then`; None without a truth."""


class SweepPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts at one value of a parameter."""

    value: int | float | str
    """A duration is text like `30s`."""
    alerts_per_day: dict[str, float]
    kinds: dict[str, Any] | None = None
    """Card by kind of event; None without a truth."""


class SweepDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter at several values."""

    key: str
    points: list[SweepPoint]


class WhatIfDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts other settings would have raised."""

    set: SettingsDocument | None
    """None where only a sweep was asked for."""
    sweep: SweepDocument | None
    """None where none was asked for."""
    disclaimer: str
