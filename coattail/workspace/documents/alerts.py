"""An alert, as every shell shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

import msgspec

from coattail.alerts import DISCLAIMER, Alert


class AlertDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of an alert. Its evidence is what `coattail explain` shows."""

    alert_id: str
    """32 hex digits."""
    revision: int
    """Counts from 1; 0 for one that was computed and not written."""
    alert_type: str
    module_id: str
    symbol: str
    exchange: str | None
    """None where it is about several exchanges."""
    severity: str
    detected_at: datetime
    """Time of the market at which it could be known."""
    status: str
    message: str
    details: dict[str, Any]
    preset: str
    recorded_at: datetime | None = None
    """When this revision was written; None for one that is not written yet."""


def alert_document(alert: Alert | Mapping[str, Any], recorded_at: datetime | None = None) -> AlertDocument:
    """The document of an alert, or of a row of `anomaly_alerts`, which has its own `recorded_at`."""
    row = {f.name: getattr(alert, f.name) for f in fields(alert)} if isinstance(alert, Alert) else alert
    known = {name: row[name] for name in _NAMES}
    details = msgspec.json.decode(row["details"])
    return AlertDocument(**known, details=details, recorded_at=row.get("recorded_at", recorded_at))


_NAMES = tuple(name for name in AlertDocument.__struct_fields__ if name not in ("details", "recorded_at"))


class AlertsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A page of alerts."""

    alerts: list[AlertDocument]
    """Newest first."""
    count: int
    has_more: bool
    """Whether older ones that were asked for are not on this page."""
    next_cursor: str | None
    """Asks for the page after this one; None on the last."""
    disclaimer: str = DISCLAIMER


class ChangeDocument(AlertDocument, frozen=True, kw_only=True):
    """A revision of an alert for somebody who follows."""

    change: str
    """current, new, revised or retracted."""
