"""Why there is an alert, in words, from what the hot store has of it: `coattail explain` knows its detector, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from coattail.amounts import count, number
from coattail.workspace.documents.alerts import AlertDocument
from coattail.workspace.documents.explained import EvidenceDocument

_TOLD = {"fired", "last_window_end", "window_start", "window_end", "timestamp", "first_trade_id", "last_trade_id"}
"""Details that another sentence gives, or the message."""
_MOST = 16
_CLOCK = "%Y-%m-%d %H:%M:%S"


def why(alert: AlertDocument, evidence: EvidenceDocument | None) -> list[str]:
    """How often it fired, what was measured, and what it was computed from."""
    return [*_fired(alert.details), *_measured(alert.details), *_computed(evidence)]


def _fired(details: Mapping[str, Any]) -> Iterator[str]:
    fired, last = details.get("fired"), details.get("last_window_end")
    if isinstance(fired, int) and fired > 1:
        yield f"It fired {count(fired, 'time')}{f', last at {last}' if isinstance(last, str) else ''}."


def _measured(details: Mapping[str, Any]) -> Iterator[str]:
    said = _words({name: value for name, value in details.items() if name not in _TOLD})
    if said:
        yield f"Measured: {', '.join(said[:_MOST])}{', …' if len(said) > _MOST else ''}."


def _computed(evidence: EvidenceDocument | None) -> Iterator[str]:
    if evidence is None:
        return
    given = ", ".join(_words(evidence.parameters))
    by = f"{evidence.module} ({evidence.preset}{': ' if given else ''}{given})"
    bars = f"{count(evidence.bars, 'bar')}, {evidence.since:{_CLOCK}} to {evidence.until:{_CLOCK}} UTC"
    yield f"Computed by {by} from {bars}, commit {evidence.commit} of raw_trades."


def _words(values: Mapping[str, Any]) -> list[str]:
    """Names and values, of those that are a word or a number."""
    return [
        f"{name.replace('_', ' ')} {_plain(value)}"
        for name, value in values.items()
        if isinstance(value, str | int | float)
    ]


def _plain(value: str | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        try:
            return number(float(value))
        except ValueError:
            return value
    return number(value)
