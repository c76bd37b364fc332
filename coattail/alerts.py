"""What an alert is: its identity, and how one state of all alerts becomes the next. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

DISCLAIMER = "For educational and analytical purposes only. Not financial advice."

PROVISIONAL, FINAL, RETRACTED = "provisional", "final", "retracted"
SEVERITIES = ("low", "medium", "high", "critical")

_canonical = msgspec.json.Encoder(order="deterministic").encode


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return _canonical(value).decode()


def alert_id(key: Mapping[str, Any]) -> str:
    """32 hex digits from the natural key (module, type, exchange, symbol, window or trade, preset)."""
    return hashlib.blake2b(_canonical(key), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One revision of an alert; the columns of `anomaly_alerts` except `recorded_at`."""

    alert_id: str
    alert_type: str
    module_id: str
    symbol: str
    exchange: str | None
    severity: str
    detected_at: datetime
    """Event time at which it could be known: the end of the window, or the order's last fill. Never changes."""
    status: str
    message: str
    details: str
    """Canonical JSON."""
    preset: str
    revision: int = 0
    evidence: str | None = None
    """Canonical JSON: what it was computed from (`coattail.engines.evidence`); not part of what the alert says."""


def _said(alert: Alert) -> Alert:
    return replace(alert, revision=0, message="", evidence=None)


def changes(known: Mapping[str, Alert], found: Iterable[Alert]) -> list[Alert]:
    """What to write so that `known` (current alerts of some region, by id) becomes `found`.

    New and changed alerts get the next revision; a known alert that is not found any more is retracted.
    Nothing is returned for an alert that stays as it is.
    """
    result = []
    seen = set()
    for alert in found:
        seen.add(alert.alert_id)
        before = known.get(alert.alert_id)
        if before is None:
            result.append(replace(alert, revision=1))
        elif _said(before) != _said(alert):
            result.append(replace(alert, revision=before.revision + 1))
    for identity, before in known.items():
        if identity not in seen and before.status != RETRACTED:
            result.append(replace(before, revision=before.revision + 1, status=RETRACTED))
    return result
