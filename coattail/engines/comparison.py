"""Two states of the alerts compared: what is the same, what differs, and why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from coattail.alerts import PROVISIONAL, Alert

SAME, APPEARED, VANISHED, CHANGED = VERDICTS = ("same", "appeared", "vanished", "changed")

SETTINGS, LATER_TRADES, OPEN_WINDOW, BEHIND, UNEXPLAINED = CAUSES = (
    "settings", "later_trades", "open_window", "behind", "unexplained",
)  # fmt: skip
"""Other settings were asked for; trades landed after the snapshot; the window was open at the snapshot; the tables
had not come as far as the snapshot; the home's settings do not give at this snapshot what the tables hold."""

EXACT, LATER, EARLIER = "exact", "later", "behind"
"""Whether the original alerts belong to the snapshot, to a later commit of raw_trades, or to an earlier one."""

_FIELDS = ("alert_type", "module_id", "symbol", "exchange", "severity", "detected_at", "status", "details")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that differs, as it is written; `module` is None for one that concerns every module."""

    key: str
    module: str | None
    original: object
    asked: object

    def __str__(self) -> str:
        return f"{self.key} {_written(self.original)} -> {_written(self.asked)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One alert in both states. `alert_id` and `detected_at` say which; a state without it is None."""

    alert_id: str
    verdict: str
    causes: tuple[str, ...]
    reason: str
    original: Alert | None
    recomputed: Alert | None

    @property
    def alert(self) -> Alert:
        """The recomputed one, or the original where it has vanished."""
        found = self.recomputed or self.original
        assert found is not None
        return found


def same_alert(a: Alert | None, b: Alert | None) -> bool:
    """Whether both say the same: type, module, symbol, exchange, severity, detected_at, status, details."""
    if a is None or b is None:
        return a is b
    return all(getattr(a, name) == getattr(b, name) for name in _FIELDS)


def compare(
    original: Mapping[str, Alert],
    reproduced: Mapping[str, Alert],
    asked: Mapping[str, Alert],
    *,
    standing: str,
    watermark: datetime | None,
    settings: Callable[[str], list[Setting]],
) -> list[Compared]:
    """Original alerts against those asked for, by time and id.

    `reproduced`: what the original settings give at the snapshot: what differs there already is not due to
    settings. `standing` is EXACT, LATER or EARLIER; verdicts up to `watermark` were closed at the snapshot;
    `settings`: module id -> what was asked to change. The keys name the same alert in all three.
    """
    result = []
    for identity in original.keys() | asked.keys():
        first, middle, last = original.get(identity), reproduced.get(identity), asked.get(identity)
        found = last or first
        assert found is not None
        if same_alert(first, last):
            result.append(_compared(identity, SAME, (), "", first, last))
            continue
        verdict = APPEARED if first is None else VANISHED if last is None else CHANGED
        causes, reasons = [], []
        if not same_alert(first, middle):
            open_then = watermark is None or found.detected_at > watermark
            cause, words = _not_settings(first, middle, standing=standing, open_then=open_then)
            causes.append(cause)
            reasons.append(words)
        if not same_alert(middle, last):
            causes.append(SETTINGS)
            reasons.append(_because_of(settings(found.module_id), middle, last))
        result.append(_compared(identity, verdict, tuple(causes), "; ".join(reasons), first, last))
    return sorted(result, key=lambda c: (c.alert.detected_at, c.alert_id))


def _compared(
    identity: str, verdict: str, causes: tuple[str, ...], reason: str, original: Alert | None, last: Alert | None
) -> Compared:
    return Compared(
        alert_id=identity, verdict=verdict, causes=causes, reason=reason, original=original, recomputed=last
    )


def _not_settings(first: Alert | None, middle: Alert | None, *, standing: str, open_then: bool) -> tuple[str, str]:
    """Why the tables hold something else than the original settings give at the snapshot: cause, sentence."""
    differs = f" ({changes})" if (changes := differences(first, middle)) else ""
    if open_then and middle is not None and middle.status == PROVISIONAL:
        kept = "" if first is not None else ", and provisional alerts are in no table"
        return OPEN_WINDOW, f"its window was still open at the snapshot{kept}{differs}"
    if standing == LATER:
        return LATER_TRADES, f"trades that landed after the snapshot made the difference{differs}"
    if standing == EARLIER:
        return BEHIND, f"the table anomaly_alerts had not come as far as the snapshot{differs}"
    wrote = "the home's settings do not give what the table holds: others wrote it, or another version"
    return UNEXPLAINED, f"{wrote}{differs}"


def _because_of(settings: list[Setting], before: Alert | None, after: Alert | None) -> str:
    """What was asked for, and what it did to this alert."""
    asked = f"asked for {', '.join(map(str, settings)) or 'other settings'}"
    if before is not None and after is not None:
        return f"{asked}: {differences(before, after)}"
    alert = before or after
    assert alert is not None
    words = {word for setting in settings for word in setting.key.rpartition(".")[2].split("_")}
    near = {k: v for k, v in _details(alert).items() if words & set(k.split("_"))}
    values = ", ".join(f"{name} {_written(value)}" for name, value in near.items())
    found = "no longer an alert" if after is None else "an alert now"
    return f"{asked}: {found}{f' ({values})' if values else ''}"


def differences(before: Alert | None, after: Alert | None) -> str:
    """`severity high -> medium, z_threshold 2.5 -> 3`; empty where one is missing or nothing differs."""
    if before is None or after is None:
        return ""
    said = [
        f"{name} {_written(getattr(before, name))} -> {_written(getattr(after, name))}"
        for name in ("severity", "status", "detected_at")
        if getattr(before, name) != getattr(after, name)
    ]
    old, new = _details(before), _details(after)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            said.append(f"{name} {_written(old.get(name))} -> {_written(new.get(name))}")
    return ", ".join(said)


def _details(alert: Alert) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(alert.details)
    return found


def _written(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:%Y-%m-%d %H:%M:%SZ}" if isinstance(value, datetime) else str(value)
