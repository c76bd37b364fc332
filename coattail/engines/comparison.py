"""Two states of the alerts compared: what is the same, what differs, and why. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from coattail.alerts import PROVISIONAL, Alert

SAME, APPEARED, VANISHED, CHANGED = VERDICTS = ("same", "appeared", "vanished", "changed")

SETTINGS, LATER_TRADES, OPEN_WINDOW, BEHIND, OTHER_RULES, UNEXPLAINED = CAUSES = (
    "settings", "later_trades", "open_window", "behind", "other_rules", "unexplained",
)  # fmt: skip
"""Other settings were asked for; trades landed after the snapshot; the window was open at the snapshot; the tables
had not come as far as the snapshot; the alert was written by other rules than the home's settings have; they do not
give at this snapshot what the tables hold, though nothing says that other rules wrote it."""

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


def _unknown(alert: Alert) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """What is known of alerts beyond the three states of them, each in words, or empty."""

    without_original: Callable[[Alert], str] = _unknown
    """What the original settings say of the window of an alert that they do not raise."""
    without_asked: Callable[[Alert], str] = _unknown
    """The same of the settings asked for."""
    other_rules: Callable[[Alert], str] = _unknown
    """By which other rules than the original settings' an alert in the tables was written."""


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
    reasons: Reasons | None = None,
) -> list[Compared]:
    """Original alerts against those asked for, by time and id.

    `reproduced`: what the original settings give at the snapshot: what differs there already is not due to
    settings. `standing` is EXACT, LATER or EARLIER; verdicts up to `watermark` were closed at the snapshot;
    `settings`: module id -> what was asked to change. The keys name the same alert in all three.
    """
    result, known = [], reasons or Reasons()
    formerly = {alert.module_id for alert in original.values() if known.other_rules(alert)}
    for identity in original.keys() | asked.keys():
        first, middle, last = original.get(identity), reproduced.get(identity), asked.get(identity)
        found = last or first
        assert found is not None
        if same_alert(first, last):
            result.append(_compared(identity, SAME, (), "", first, last))
            continue
        verdict = APPEARED if first is None else VANISHED if last is None else CHANGED
        causes, said = [], []
        if not same_alert(first, middle):
            open_then = watermark is None or found.detected_at > watermark
            cause, words = _not_settings(first, middle, standing=standing, open_then=open_then)
            if cause == UNEXPLAINED and found.module_id in formerly:
                cause, words = OTHER_RULES, _by_other_rules(first, middle, known)
            causes.append(cause)
            said.append(words)
        if not same_alert(middle, last):
            causes.append(SETTINGS)
            said.append(_because_of(settings(found.module_id), middle, last, known))
        result.append(_compared(identity, verdict, tuple(causes), "; ".join(said), first, last))
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


def _by_other_rules(first: Alert | None, middle: Alert | None, known: Reasons) -> str:
    """What the rules that the home has now make of an alert that others wrote, or did not."""
    if first is None:
        return "the rules that wrote the alerts of this module did not raise it, those of the home's settings do"
    by = known.other_rules(first)
    wrote = by or "others than the home's rules wrote the alerts of this module"
    if middle is None:
        return f"{wrote}{_as(known.without_original(first))}"
    return f"{wrote} ({differences(first, middle)})"


def _as(words: str) -> str:
    return f"; now {words}" if words else ""


def _because_of(settings: list[Setting], before: Alert | None, after: Alert | None, known: Reasons) -> str:
    """What was asked for, and what it did to this alert."""
    asked = f"asked for {', '.join(map(str, settings)) or 'other settings'}"
    if before is not None and after is not None:
        return f"{asked}: {differences(before, after)}"
    alert = before or after
    assert alert is not None
    asked_for = {word for setting in settings for word in setting.key.rpartition(".")[2].split("_")}
    near = {k: v for k, v in _details(alert).items() if asked_for & set(k.split("_"))}
    values = ", ".join(f"{name} {_written(value)}" for name, value in near.items())
    if after is None:
        found, why = "no longer an alert", _as(known.without_asked(alert))
    else:
        found, why = "an alert now", f"; before, {words}" if (words := known.without_original(alert)) else ""
    return f"{asked}: {found}{f' ({values})' if values else ''}{why}"


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
