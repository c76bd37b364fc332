"""What is said of an alert: its words, and its JSON. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from coattail.alerts import DISCLAIMER, PROVISIONAL, Alert
from coattail.markup import visible

FIRED, ROSE, RETRACTED, SAMPLE = "fired", "rose", "retracted", "sample"
"""Why something is said: the alert fired, its severity rose, it was taken back; or somebody tries a sink."""

_LONGEST = 700
"""Characters of an alert's message in a text: with the rest it stays below what services take in one (Discord: 2,000
characters, ntfy: 4,096 bytes), so that the disclaimer at the end is not cut off."""
_OPENINGS = {FIRED: "", ROSE: "now ", RETRACTED: "taken back: ", SAMPLE: "sample: "}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to say about one revision of an alert."""

    alert: Alert
    recorded_at: datetime
    """When the revision was written."""
    occasion: str = FIRED

    @property
    def key(self) -> str:
        """The idempotency key: the alert's id, and what else is said of the alert later has a key of its own."""
        endings = {ROSE: f".{self.alert.severity}", RETRACTED: f".{RETRACTED}"}
        return self.alert.alert_id + endings.get(self.occasion, "")

    @property
    def title(self) -> str:
        """`high whale_trade: BTC-USDT on binance`."""
        alert = self.alert
        place = f" on {alert.exchange}" if alert.exchange else ""
        note = " (provisional)" if alert.status == PROVISIONAL and self.occasion != RETRACTED else ""
        return visible(
            f"{_OPENINGS[self.occasion]}{alert.severity} {alert.alert_type}: {alert.symbol}{place}{note}", most=200
        )

    @property
    def text(self) -> str:
        """What is said below the title, the disclaimer last."""
        alert = self.alert
        when = f"{alert.detected_at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
        return f"{visible(alert.message, most=_LONGEST)}\n{when}, coattail explain {alert.alert_id[:12]}\n{DISCLAIMER}"

    def fields(self) -> dict[str, str]:
        """What a template may name, each as text."""
        alert = self.alert
        return {
            "title": self.title,
            "text": f"{self.title}\n{self.text}",
            "disclaimer": DISCLAIMER,
            "occasion": self.occasion,
            "key": self.key,
            "alert_id": alert.alert_id,
            "type": alert.alert_type,
            "module": alert.module_id,
            "symbol": alert.symbol,
            "exchange": alert.exchange or "",
            "severity": alert.severity,
            "status": alert.status,
            "detected_at": _iso(alert.detected_at),
            "message": visible(alert.message),
            "details": alert.details,
        }

    def document(self) -> dict[str, Any]:
        """The JSON that the generic webhook and commands get; `alert` has the form of `coattail alerts --json`."""
        alert = self.alert
        return {
            "occasion": self.occasion,
            "key": self.key,
            "title": self.title,
            "text": self.text,
            "alert": {
                "alert_id": alert.alert_id,
                "revision": alert.revision,
                "alert_type": alert.alert_type,
                "module_id": alert.module_id,
                "symbol": alert.symbol,
                "exchange": alert.exchange,
                "severity": alert.severity,
                "detected_at": _iso(alert.detected_at),
                "status": alert.status,
                "message": alert.message,
                "details": msgspec.json.decode(alert.details),
                "preset": alert.preset,
                "recorded_at": _iso(self.recorded_at),
            },
            "disclaimer": DISCLAIMER,
        }


def _iso(when: datetime) -> str:
    return when.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def sample(now: datetime, key: str) -> Message:
    """A made-up alert, to try a sink with; `key` is its id, another one each time."""
    alert = Alert(
        alert_id=key, alert_type="volume_spike", module_id="MOD-001", symbol="BTC-USDT", exchange="binance",
        severity="high", detected_at=now, status="final", details="{}", preset="default", revision=1,
        message="A sample from `coattail notify test`: nothing happened in the market",
    )  # fmt: skip
    return Message(alert=alert, recorded_at=now, occasion=SAMPLE)
