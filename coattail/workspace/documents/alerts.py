"""An alert, as every shell shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.alerts import DISCLAIMER, Alert

if TYPE_CHECKING:
    from coattail.stores.replies import Marks


class AcknowledgedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has seen an alert."""

    at: datetime
    note: str | None


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
    muted: bool | None = None
    """Whether it was muted when it was written; None where nobody looked."""
    acknowledged: AcknowledgedDocument | None = None
    """None: by nobody, or nobody looked."""


def alert_document(
    alert: Alert | Mapping[str, Any], recorded_at: datetime | None = None, *, marks: Marks | None = None
) -> AlertDocument:
    """The document of an alert, or of a row of `anomaly_alerts`, which has its own `recorded_at`.

    marks: What people have said of alerts; None: nobody looked.
    """
    if isinstance(alert, Alert):
        known, text, written = dict(zip(_NAMES, _SAID(alert), strict=True)), alert.details, recorded_at
    else:
        known, text = {name: alert[name] for name in _NAMES}, alert["details"]
        written = alert.get("recorded_at", recorded_at)
    details = msgspec.json.decode(text)
    said = marks.acknowledged.get(known["alert_id"]) if marks is not None else None
    return AlertDocument(
        **known,
        details=details,
        recorded_at=written,
        muted=None if marks is None or written is None else marks.muted(known, written),
        acknowledged=None if said is None else AcknowledgedDocument(at=said.at, note=said.note),
    )


_BESIDE = ("details", "recorded_at", "muted", "acknowledged")
_NAMES = tuple(name for name in AlertDocument.__struct_fields__ if name not in _BESIDE)
_SAID = attrgetter(*_NAMES)


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
